// SPDX-License-Identifier: MIT
/*
 * A switch's way out: a tap, which an administrator puts into a bridge of the
 * host's, and a port of the switch. The worker that serves it has no guest;
 * frames for guests lie in memory that it shares with each of their workers,
 * frames from guests are copied from their grants.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "../port/switch.h"
#include "../port/tap.h"
#include "../worker/worker.h"

/* The memory of a batch goes back to the system after so long without one. */
#define RELEASE_MS 1000u

struct uplink {
	struct worker *worker;
	struct ipc_device dev;
	struct port *tap;
	struct switch_port *port;
	struct port_batch batch;
	struct loop_source readable;
	bool tap_ready;
	bool active; /* since the timer was set */
	struct loop_timer release;
	struct loop_work work;
};

/* One batch from @from to @to. Returns the number of frames. */
static unsigned int move(struct uplink *u, struct port *from, struct port *to)
{
	struct port_batch *b = &u->batch;
	unsigned int n = from->ops->receive(from, b, PORT_BATCH);

	if (n)
		to->ops->send(to, b->frame, b->nr);
	port_batch_reset(b);
	return n;
}

static bool run(struct loop_work *work)
{
	struct uplink *u = work->owner;
	unsigned int out = move(u, &u->port->port, u->tap), in = 0;

	if (u->tap_ready) {
		in = move(u, u->tap, &u->port->port);
		/* Less than a full batch may be one of few large frames. */
		u->tap_ready = in;
	}
	u->active |= in || out;
	return in || out;
}

static bool arm(struct loop_work *work)
{
	struct uplink *u = work->owner;

	if (u->active && !u->release.set)
		loop_timer_set(u->worker->loop, &u->release,
			       loop_now() + RELEASE_MS);
	return switch_arm_receiver(u->port);
}

static void release(struct loop_timer *timer)
{
	struct uplink *u = timer->owner;

	if (u->active)
		loop_timer_set(u->worker->loop, timer, loop_now() + RELEASE_MS);
	else
		port_batch_release(&u->batch);
	u->active = false;
}

/* Edge-triggered: the flag stays until receive() finds nothing. */
static void readable(struct loop_source *src, uint32_t events)
{
	struct uplink *u = src->owner;

	(void)events;
	u->tap_ready = true;
}

static int open_port(struct uplink *u)
{
	struct vlan_set vlans;
	struct guard none = {0};
	int err;

	vlan_all(&vlans);
	u->port = switch_new(u->worker->loop, u->worker->hyper, &vlans, &none);
	if (!u->port)
		return -ENOMEM;
	err = port_batch_init(&u->batch);
	if (!err)
		switch_set_open(u->port, true);
	return err;
}

/* The kernel hands over frames as they are: it is not us who finish them. */
static int open_tap(struct uplink *u, int fd, struct reason *why)
{
	static const struct port_caps all = {true, true, true};
	int err;

	u->tap = tap_open(fd, why);
	if (!u->tap)
		return -errno;
	err = u->tap->ops->set_caps(u->tap, &all);
	if (!err)
		err = u->tap->ops->set_carrier(u->tap, true);
	u->readable.fd = fd;
	u->readable.ready = readable;
	u->readable.owner = u;
	if (!err)
		err = loop_add(u->worker->loop, &u->readable,
			       EPOLLIN | EPOLLET);
	if (err)
		reason_set(why, "uplink: %s", strerror(-err));
	return err;
}

static void uplink_free(struct uplink *u)
{
	switch_free(u->port);
	port_close(u->tap);
	port_batch_fini(&u->batch);
	free(u);
}

struct uplink *uplink_attach(struct worker *w, const struct ipc_msg *msg,
			     const int *fds, unsigned int nr_fds,
			     struct reason *why)
{
	struct uplink *u = calloc(1, sizeof(*u));
	int err = -EINVAL;

	if (!u) {
		reason_set(why, "out of memory");
		return NULL;
	}
	u->worker = w;
	u->dev = msg->dev;
	reason_set(why, "%u descriptors for an uplink's tap", nr_fds);
	if (nr_fds == 1)
		err = open_port(u);
	if (!err)
		err = open_tap(u, fds[0], why);
	if (err) {
		/* The descriptor stays the caller's. */
		if (u->tap)
			u->tap->fd = -1;
		uplink_free(u);
		errno = -err;
		return NULL;
	}
	u->tap_ready = true;
	u->release.expired = release;
	u->release.owner = u;
	u->work.run = run;
	u->work.arm = arm;
	u->work.owner = u;
	loop_work_add(w->loop, &u->work);
	return u;
}

struct switch_port *uplink_switch_port(struct uplink *u)
{
	return u->port;
}

void uplink_disconnect(struct uplink *u)
{
	worker_disconnected(u->worker, u->dev);
}

void uplink_detach(struct uplink *u)
{
	loop_timer_cancel(&u->release);
	loop_work_del(u->worker->loop, &u->work);
	loop_del(u->worker->loop, &u->readable);
	uplink_free(u);
}
