/* SPDX-License-Identifier: MIT */
/*
 * Why something failed, in words meant for the `error` key, the log and the
 * terminal: names the value that was met and the limit it should have kept.
 */
#ifndef XPV_REASON_H
#define XPV_REASON_H

/* Where the real store is, and what tells a Linux on Xen. */
#define XENSTORE_SOCKET "/run/xenstored/socket"
#define XENSTORE_DEVICE "/dev/xen/xenbus"
#define XEN_SIGN	"/proc/xen"

#define REASON_TEXT	256u /* as IPC_TEXT: a reason travels in one message */

struct reason {
	char text[REASON_TEXT];
};

/* Cut at REASON_TEXT - 1 bytes. */
__attribute__((format(printf, 2, 3))) void reason_set(struct reason *why,
						      const char *fmt, ...);
/* Why hyper_open(@spec) could not have the store, with @err as its errno. */
void reason_no_store(struct reason *why, const char *spec, int err);

#endif
