/* SPDX-License-Identifier: MIT */
/*
 * One process a guest: its loop, its handle on the hypervisor, its devices.
 * A worker knows one guest and no xenstore.
 */
#ifndef XPV_WORKER_H
#define XPV_WORKER_H

#include "../ipc.h"
#include "../reason.h"
#include "loop.h"

struct worker {
	uint16_t domid; /* the guest */
	struct hyper *hyper;
	struct loop *loop;
	int control; /* to the supervisor; -1 when it is gone */
	/* private to vbd/: what the block devices of this guest share */
	struct vbd_common *vbd_common;
	/* private to worker.c */
	struct worker_private *priv;
};

/*
 * Life of a worker. @hyper needs HYPER_GRANT and HYPER_EVTCHN and stays the
 * caller's; @control becomes the worker's. 0 or -errno.
 */
int worker_init(struct worker *w, uint16_t domid, struct hyper *hyper,
		int control);
/* Serve until told to stop, or until there is no one left to serve. */
int worker_run(struct worker *w);
/*
 * Disconnect and detach everything, then make worker_run() return. Guests that
 * are connected are served on by the next worker.
 */
void worker_shutdown(struct worker *w);
/* After worker_run(); what is still connected is dropped where it stands. */
void worker_fini(struct worker *w);

struct vbd;
struct vif;
struct uplink;
struct switch_port;

/*
 * The device classes. attach takes over @fds on success only. connect maps
 * and binds, or undoes all of it and says why. disconnect stops taking
 * requests at once and calls worker_disconnected() when nothing is in flight
 * any more, before it returns or later; it is also called while nothing is
 * connected. detach comes after that and frees the device.
 */
struct vbd *vbd_attach(struct worker *w, const struct ipc_msg *msg,
		       const int *fds, unsigned int nr_fds, struct reason *why);
int vbd_connect(struct vbd *vbd, const struct ipc_vbd_connect *c,
		struct reason *why);
/* @leave: the guest goes on; what only waits stays unanswered on its ring. */
void vbd_disconnect(struct vbd *vbd, bool leave);
int vbd_resize(struct vbd *vbd, uint64_t sectors, struct reason *why);
void vbd_detach(struct vbd *vbd);

struct vif *vif_attach(struct worker *w, const struct ipc_msg *msg,
		       const int *fds, unsigned int nr_fds, struct reason *why);
int vif_connect(struct vif *vif, const struct ipc_vif_connect *c,
		struct reason *why);
int vif_tune(struct vif *vif, const struct ipc_vif_tune *tune,
	     struct reason *why);
void vif_disconnect(struct vif *vif);
/* Its port of a switch; NULL: it is on none. */
struct switch_port *vif_switch_port(struct vif *vif);
void vif_detach(struct vif *vif);

struct uplink *uplink_attach(struct worker *w, const struct ipc_msg *msg,
			     const int *fds, unsigned int nr_fds,
			     struct reason *why);
struct switch_port *uplink_switch_port(struct uplink *uplink);
void uplink_disconnect(struct uplink *uplink);
void uplink_detach(struct uplink *uplink);

/* From a device to its worker. */
void worker_disconnected(struct worker *w, struct ipc_device dev);
/*
 * The frontend broke the protocol (once a connection): logs one line, tells
 * the supervisor, and disconnects the device when the loop is next idle.
 */
void worker_broken(struct worker *w, struct ipc_device dev,
		   const struct reason *why);
/* How the device is now: for the supervisor, which hears the last one. */
void worker_notice(struct worker *w, struct ipc_device dev,
		   const union ipc_notice *notice);

#endif
