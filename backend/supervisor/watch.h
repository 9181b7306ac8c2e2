/* SPDX-License-Identifier: MIT */
/*
 * The store connection and its watches: one for each class of devices in our
 * own domain, one for the state of each frontend, one for domains that go.
 * A watch says where to look, never what has happened.
 */
#ifndef XPV_SUPERVISOR_WATCH_H
#define XPV_SUPERVISOR_WATCH_H

struct device;
struct supervisor;

/* Connect, watch and find what is there. 0 or -errno. */
int watch_init(struct supervisor *sv);
void watch_fini(struct supervisor *sv);
void watch_front(struct device *dev);
void unwatch_front(struct device *dev);

#endif
