// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the frontend needs of ring/, compiled into this module: kbuild forbids
 * one object in two modules, and xpv-blkfront has its own.
 */
#include "../../ring/xenbus.c"
