/* SPDX-License-Identifier: MIT */
/*
 * The toolstack runs the hotplug script once, when the device is added. A tap
 * that was lost with the last process that held it, and is made anew under a
 * connected guest, has to go into its bridge again: that run is ours.
 */
#ifndef XPV_SUPERVISOR_HOTPLUG_H
#define XPV_SUPERVISOR_HOTPLUG_H

struct device;

/* Run the `script` of the device with "online" for the interface @vif. */
void hotplug_online(struct device *dev, const char *vif);

#endif
