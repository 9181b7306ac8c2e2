/* SPDX-License-Identifier: MIT */
/* The supervisor's table of devices, over a store of the input's words. */
#ifndef XPV_FUZZ_DESK_H
#define XPV_FUZZ_DESK_H

#include "backend/supervisor/device.h"
#include "host.h"
#include "words.h"

extern struct supervisor desk;

void desk_start(void);
/* Made anew with each input. */
struct device *desk_device(enum ipc_class class);
void desk_stop(void);
/* In words for an administrator: some, on one line, that end. */
void desk_check_reason(const struct reason *why);

#endif
