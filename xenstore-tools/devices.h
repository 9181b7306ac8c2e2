/* SPDX-License-Identifier: MIT */
/*
 * The devices that this domain is the backend of, as xenstore tells of them.
 *
 * A device is a JSON object; facts that are not known are left out:
 *	domid, domain (its name), class ("vbd", "vif"), id, device ("xvda",
 *	"vif0"), state, frontend, target or mac, mode, error (ours),
 *	hotplug_error (its script's), condition (what is wrong with a device
 *	that is served nevertheless)
 */
#ifndef XPV_DEVICES_H
#define XPV_DEVICES_H

#include <jansson.h>
#include <stdbool.h>

#include "hyper/hyper.h"

/* An array, in the order of domids and ids. */
json_t *devices_read(struct hyper *h);
/* Does @device match "xvda", "51712", "vif0", as people name it? */
bool devices_is(const json_t *device, const char *name);
/* Is @domain its domain's name or domid? */
bool devices_is_of(const json_t *device, const char *domain);

#endif
