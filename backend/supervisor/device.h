/* SPDX-License-Identifier: MIT */
/*
 * One device of a guest: what the store says about it, what the worker has
 * confirmed about it, and what to do next.
 *
 * Everything is driven by level, never by edge: whatever happens (a watch, an
 * answer of the worker, a timer) only schedules the device, and device_step()
 * reads the store anew and does the one next thing. At most one request to
 * the worker is under way for a device.
 */
#ifndef XPV_SUPERVISOR_DEVICE_H
#define XPV_SUPERVISOR_DEVICE_H

#include <stdbool.h>
#include <uthash.h>

#include "../ipc.h"
#include "../reason.h"
#include "log.h"
#include "supervisor.h"
#include "vbd.h"
#include "uplink.h"
#include "vif.h"
#include "xenbus.h"

struct device_class;

/* How far the worker has got, as it has told us. */
enum device_phase {
	PHASE_IDLE,
	/* A worker of an earlier supervisor serves the guest: it may have the
	 * device in any phase, its answers will tell. */
	PHASE_ADOPTED,
	PHASE_ATTACHED,
	PHASE_CONNECTED,
};

/* No padding: hashed as bytes. */
struct device_key {
	uint32_t class; /* enum ipc_class */
	uint32_t domid;
	uint32_t handle;
};

struct device {
	struct device_key key;
	const struct device_class *class;
	struct supervisor *sv;
	char *back; /* our directory in the store */
	char *front; /* the guest's */
	char name[32]; /* for the log: "vbd 5/51712" */

	/* As last read from the store. */
	enum xpv_state own;
	enum xpv_state peer;
	bool online;
	bool found; /* since this connection to the store was made */

	/*
	 * Broken beyond repair until the frontend leaves the state it was in
	 * then, or the toolstack makes the device anew.
	 */
	bool failed;
	enum xpv_state failed_peer;
	bool doubted; /* a bad value was met once since the last change */
	struct reason why;
	bool script_failed; /* and the log has said so */

	/* guest.c */
	struct guest *guest; /* whose worker knows it, or was asked to */
	LIST_ENTRY(device) of_guest;
	enum device_phase phase;
	enum ipc_type asked; /* request to be answered, or IPC_NONE */
	bool served; /* a worker has had the frontend's rings, see below */

	struct log_budget budget;
	bool scheduled;
	TAILQ_ENTRY(device) pending;
	UT_hash_handle hh;

	union { /* of its class */
		struct vbd vbd;
		struct vif vif;
		struct uplink uplink;
	};
};

/* The rings that are to be connected are in use: a worker before had them. */
static inline bool device_resumes(const struct device *dev)
{
	return dev->served || dev->own == XPV_STATE_CONNECTED ||
	       dev->own == XPV_STATE_RECONFIGURED;
}

/*
 * What differs between block and net. Functions that take a reason return as
 * keys.h says: 0, -EINVAL and like with a reason for which the device fails,
 * or -EAGAIN when it has to be tried again.
 */
struct device_class {
	const char *name; /* in paths: XPV_CLASS_VBD */
	enum ipc_class id;
	/* The host's side is attached as soon as it is ready, not only when
	 * the frontend comes: errors show early. */
	bool eager;
	/* Before state 2: what must exist by then. */
	int (*prepare)(struct device *dev, struct reason *why);
	/* In one transaction with state 2: all that is known by then. */
	int (*offer)(struct device *dev, uint32_t tx);
	/* 1: the hotplug script has done what attach() needs; 0: not yet. */
	int (*ready)(struct device *dev, struct reason *why);
	/* Fill the request, the descriptors stay the device's. */
	int (*attach)(struct device *dev, struct ipc_msg *msg, int *fds,
		      unsigned int *nr_fds, struct reason *why);
	/* Fill the request from what the frontend published. */
	int (*connect)(struct device *dev, struct ipc_msg *msg,
		       struct reason *why);
	/* 1: state 4 may be written; 0: not yet. */
	int (*settled)(struct device *dev, struct reason *why);
	/* In one transaction with state 4. */
	int (*publish)(struct device *dev, uint32_t tx);
	/*
	 * Connected: what may have changed in the store meanwhile. 1: *msg is
	 * to be sent to the worker; 0: all is as it was. May be NULL.
	 */
	int (*refresh)(struct device *dev, struct ipc_msg *msg,
		       struct reason *why);
	/* Keys of the frontend to watch besides `state`, ends with STATE. */
	const enum xpv_key *front_keys;
	/*
	 * With each step, before anything else; may be NULL, as the next two.
	 * 1: the worker is to be asked @msg, which answered() hears the answer
	 * of; 0: no; or a negative errno: to be tried again.
	 */
	int (*tend)(struct device *dev, struct ipc_msg *msg, int *fds,
		    unsigned int *nr_fds);
	void (*answered)(struct device *dev, const struct ipc_reply *reply);
	/* How the device is, as the worker says. */
	void (*noticed)(struct device *dev, const union ipc_notice *notice);
	/*
	 * A device of no store and no frontend: this takes the place of all
	 * above but for answered(), which hears every answer.
	 */
	void (*step)(struct device *dev);
	/* Close, remove and forget what prepare() and attach() made. */
	void (*release)(struct device *dev);
	/* Is the host's side really done with, once no worker has it? False:
	 * not yet, the device is scheduled when that may have changed. May be
	 * NULL. */
	bool (*quiet)(struct device *dev);
};

extern const struct device_class vbd_class;
extern const struct device_class vif_class;
extern const struct device_class uplink_class;

/* ---- device.c: the table ---- */

int devices_init(struct supervisor *sv);
/* On exit: forget all of them, touch neither store nor workers. */
void devices_fini(struct supervisor *sv);
struct device *device_find(struct supervisor *sv, const struct device_key *key);
/* The device of the directory .../CLASS/DOMID/HANDLE, made if it is new. */
struct device *device_get(struct supervisor *sv, const struct device_key *key);
/* Nothing of it may be left in the worker. */
void device_free(struct device *dev);
const struct device_class *device_class_named(const char *name);

/* Look at it soon. */
void device_schedule(struct device *dev);
void devices_schedule_all(struct supervisor *sv);
void devices_schedule_guest(struct supervisor *sv, uint32_t domid);
/* The store failed us: look at everything again in a while. */
void devices_retry(struct supervisor *sv);

/* ---- state.c: its state machine ---- */

void device_step(struct device *dev);
/* From guest.c: the worker answers, or tells that the frontend is broken. */
void device_answer(struct device *dev, const struct ipc_msg *msg);

/* ---- node.c: its nodes in the store ---- */

/* Reads own, peer and online; -ENOENT: the device is gone. */
int device_read(struct device *dev);
/*
 * Write @next as our state, and in the same transaction whatever @publish
 * writes. -ESTALE: the state is not what device_read() saw, nothing was
 * written.
 */
int device_switch(struct device *dev, enum xpv_state next,
		  int (*publish)(struct device *dev, uint32_t tx));
/* The same, and our state stays what it is, unwritten. */
int device_update(struct device *dev,
		  int (*write)(struct device *dev, uint32_t tx));
/* Write a number under our directory. */
int device_put(struct device *dev, uint32_t tx, enum xpv_key key,
	       uint64_t value);
/* Remove what is under our directory, if it is there. */
int device_rm(struct device *dev, uint32_t tx, enum xpv_key key);
/* Is the other side of the device who it has to be? 0 or as keys.h says. */
int device_check_back(struct device *dev, struct reason *why);
int device_check_front(struct device *dev, struct reason *why);
/* 1: the hotplug script says connected; 0: not (yet). */
int device_hotplugged(struct device *dev, struct reason *why);
/* Log once that the hotplug script gave up, in its own words. */
void device_tell_hotplug(struct device *dev);
/* Set the `error` nodes to dev->why, or clear them. */
int device_put_error(struct device *dev, uint32_t tx);
int device_clear_error(struct device *dev, uint32_t tx);
/* The device is gone: so is what was told of it elsewhere. */
int device_forget_error(struct device *dev, uint32_t tx);

__attribute__((format(printf, 3, 4))) void device_log(struct device *dev,
						      int level,
						      const char *fmt, ...);

#endif
