/* SPDX-License-Identifier: MIT */
/*
 * The event loop of one worker thread: file descriptors, event-channel ports
 * and work to do before sleeping. Everything that a loop calls runs in its
 * thread; nothing of a loop is shared.
 */
#ifndef XPV_LOOP_H
#define XPV_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct hyper;
struct loop;

/* A descriptor in the loop. The owner fills the first three fields. */
struct loop_source {
	int fd;
	void (*ready)(struct loop_source *src, uint32_t events); /* EPOLL* */
	void *owner;
};

/* An event-channel port in the loop. */
struct loop_port {
	uint32_t port; /* local */
	void (*event)(struct loop_port *port);
	void *owner;
	/* private to the loop */
	LIST_ENTRY(loop_port) next;
};

/*
 * A call at a time to come, once. An idle loop has none and never wakes; the
 * owner fills the first two fields and sets a timer only while it waits for
 * something.
 */
struct loop_timer {
	void (*expired)(struct loop_timer *timer);
	void *owner;
	/* private to the loop */
	bool set;
	uint64_t when; /* as loop_now() */
	LIST_ENTRY(loop_timer) next;
};

/*
 * Work that is looked for in every turn of the loop.
 *
 * run: take a bounded amount of work, flush batches. Returns true if it found
 *	something, which makes the loop go round again instead of sleeping.
 * arm: (may be NULL) called when no run() of the turn found anything, that
 *	is, before the loop sleeps and only then: ask the peers for events,
 *	do the final check of rings. Returns true if work came meanwhile.
 *
 * An owner without arm does its final check at the end of run().
 */
struct loop_work {
	bool (*run)(struct loop_work *work);
	bool (*arm)(struct loop_work *work);
	void *owner;
	/* private to the loop */
	TAILQ_ENTRY(loop_work) next;
};

/* @h: a handle with HYPER_EVTCHN, owned by the caller. NULL + errno. */
struct loop *loop_new(struct hyper *h);
void loop_free(struct loop *loop);
struct hyper *loop_hyper(struct loop *loop);

/* Serve until loop_stop(). 0, or -errno of epoll or of the event channels. */
int loop_run(struct loop *loop);
/*
 * Look on for at most @us before sleeping, as window.h has it; 0, as it is at
 * first: never. A loop that does so looks at its rings in every turn, and at
 * its descriptors and timers only now and then.
 */
void loop_poll(struct loop *loop, uint32_t us);
/* One turn, sleeping only if @may_sleep and nothing is to do: for tests. */
int loop_turn(struct loop *loop, bool may_sleep);
void loop_stop(struct loop *loop);

int loop_add(struct loop *loop, struct loop_source *src, uint32_t events);
int loop_modify(struct loop *loop, struct loop_source *src, uint32_t events);
/* Safe from within any callback, for any source. Does not close the fd. */
void loop_del(struct loop *loop, struct loop_source *src);

/*
 * Bind to the guest's port and call port->event for each event; the port is
 * unmasked again after the callback. 0 or -errno.
 */
int loop_bind(struct loop *loop, struct loop_port *port, uint16_t domid,
	      uint32_t remote_port);
void loop_unbind(struct loop *loop, struct loop_port *port);
/* Tell the guest. */
void loop_notify(struct loop *loop, struct loop_port *port);

/* Milliseconds of CLOCK_MONOTONIC, looked up anew in each call. */
uint64_t loop_now(void);
/* Call at loop_now() = @when; a timer that is set already moves there. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t when);
void loop_timer_cancel(struct loop_timer *timer);

void loop_work_add(struct loop *loop, struct loop_work *work);
void loop_work_del(struct loop *loop, struct loop_work *work);

#endif
