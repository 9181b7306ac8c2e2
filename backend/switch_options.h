/* SPDX-License-Identifier: MIT */
/* What an administrator may say about a switch: [switch NAME] of xpvd.conf. */
#ifndef XPV_SWITCH_OPTIONS_H
#define XPV_SWITCH_OPTIONS_H

#include <stdbool.h>

#include "port/vlan.h"

#define SWITCH_OPTIONS_MAX 64u
#define SWITCH_BRIDGE_MAX  15u /* an interface's name */

struct reason;

struct switch_options {
	char name[SWITCH_NAME_MAX + 1];
	bool uplink; /* a tap xpv-NAME leads out */
	bool mac_guard; /* guests send from their own MAC only */
	/* Where the uplink goes: a bridge of the host's; "": nowhere. */
	char bridge[SWITCH_BRIDGE_MAX + 1];
};

struct switch_table {
	unsigned int nr;
	struct switch_options list[SWITCH_OPTIONS_MAX];
};

/* Those of the switch, or what holds for one that nothing is said about. */
struct switch_options switch_options_of(const struct switch_table *t,
					const char *name);
/* 0, or -EINVAL and @why: the key, its value, what was expected. */
int switch_options_set(struct switch_table *t, const char *name,
		       const char *key, const char *value, struct reason *why);

#endif
