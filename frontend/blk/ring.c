// SPDX-License-Identifier: GPL-2.0-only
/* The shared wire formats and tables, as an object of this module. */
#include "../../ring/blkif.c"
#include "../../ring/xenbus.c"
