/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the network backend stand on: a network namespace of our
 * own with a tap in it, a local machine, a worker with a vif on the tap in
 * dom0, a userspace frontend in a guest, and a packet socket on the tap:
 *
 *	usernet -- rings -- vif -- tap | vif3.0 -- packet socket
 *
 * All in one thread: rig_turns() lets the worker work. Or the worker is a
 * process, as the product has it.
 */
#ifndef XPV_TESTS_NETRIG_H
#define XPV_TESTS_NETRIG_H

#include <check.h>
#include <linux/virtio_net.h>

#include "backend/ipc.h"
#include "backend/vif/stats.h"
#include "backend/worker/worker.h"
#include "frontend/user/drive.h"
#include "frontend/user/usernet.h"

#define RIG_GUEST 3
#define RIG_NAME  "vif3.0"
#define RIG_FRAME (65535 + 64)

struct netrig {
	struct hyper_machine *machine;
	struct hyper *back, *front;
	struct worker worker;
	int control; /* the supervisor's end */
	int tap[IPC_MAX_QUEUES]; /* the supervisor's descriptors */
	unsigned int queues; /* of the tap; 0: one */
	int stats; /* the file that the vif counts in */
	int packet; /* packet socket with vnet headers */
	struct usernet *u; /* the first of these */
	struct usernet *queue[IPC_MAX_QUEUES];
	struct ipc_vif_connect guest; /* features; the rings are filled in */
	bool split;
	bool ctrl; /* make a control ring, too */
	/* Set: attached by a call and not by a message, to look inside. */
	bool direct;
	struct vif *vif;
	/* Set: the worker is a program, which can be killed. */
	bool process;
	struct drive drive;
};

/* Not root: says so; the suite then has no tests. */
bool rig_missing(void);

/* Features of a modern guest, an attached vif, a link that is up. */
void rig_setup(struct netrig *rig);
void rig_teardown(struct netrig *rig);

/*
 * Make a frontend, connect the vif to it, wait for the link. One receive slot
 * is used up by the wait.
 */
void rig_connect(struct netrig *rig);
/* Without the wait; rig->guest.nr_queues of them. */
void rig_connect_only(struct netrig *rig);
/* Only the request, with rig->guest as it stands; returns its error. */
int rig_try_connect(struct netrig *rig);
/* Disconnect, and free the frontend: fails if a grant is still in use. */
void rig_disconnect(struct netrig *rig);
/* Only free it: the backend has let go of it. */
void rig_free_front(struct netrig *rig);

void rig_turns(struct netrig *rig, unsigned int n);
/* The worker process is killed, and another one goes on with the rings. */
void rig_replace_worker(struct netrig *rig);
/* Turns until the frontend's responses are there; returns their number. */
unsigned int rig_reap(struct netrig *rig, struct xpv_netif_tx_response *rsp,
		      unsigned int want);
/* Turns until a frame is received, at most a second. */
bool rig_receive(struct netrig *rig, struct usernet_frame *frame);
/* The next frame of 02:... that came out of the tap; its length, or 0. */
uint32_t rig_read(struct netrig *rig, struct virtio_net_hdr *hdr,
		  uint8_t *frame);
/* Send a frame into the tap; false if the kernel refuses it. */
bool rig_write(struct netrig *rig, const struct virtio_net_hdr *hdr,
	       const uint8_t *frame, uint32_t len);

/* The worker reported the vif as broken, with a text that has @what in it. */
void rig_expect_broken(struct netrig *rig, const char *what);
uint64_t rig_count(const struct netrig *rig, enum vif_counter counter);
/* Descriptors that this process has open. */
unsigned int rig_open_fds(void);

/* Set the interface up. */
void rig_link_up(const char *name);
void rig_set_mtu(const char *name, int mtu);
bool rig_has_carrier(const char *name);

#endif
