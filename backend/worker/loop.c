// SPDX-License-Identifier: MIT
/*
 * One turn of the loop:
 *
 *	run every work -> found something? -> look at the descriptors, go round
 *	               -> nothing? -> arm every work -> nothing yet? -> sleep
 * A loop that polls goes round for some time before it arms anything.
 *
 * Events of the guest do nothing but wake us: rings are looked at by run().
 */
#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "hyper/hyper.h"
#include "window.h"

/* Descriptors served in one turn; the rest come in the next one. */
#define TURN_SOURCES 32
/*
 * Event-channel ports served in one turn: a guest that floods us with events
 * gets no more of a turn than this (XSA-332).
 */
#define TURN_PORTS   32
#define PORT_BUCKETS 32
/*
 * Events in a row for which there was nothing to do, after which we do not
 * listen for a while. A guest in order stays far below: it calls when it has
 * put something into a ring, at worst something that we have seen before.
 * What comes meanwhile is not lost, and the longest while is no harm to a
 * guest that was wronged.
 */
#define IDLE_EVENTS 64
/* While it polls, descriptors are looked at this often: a system call each. */
#define LOOK_NS	    10000u
#define DEAF_MIN_MS 1
#define DEAF_MAX_MS 16

LIST_HEAD(port_list, loop_port);

struct loop {
	struct hyper *hyper;
	int epoll;
	bool stop;
	int error;
	struct loop_source evtchn;
	unsigned int idle_events; /* since work was found last */
	unsigned int deaf_ms; /* how long we did not listen last */
	struct loop_timer deaf; /* set: we do not listen */
	struct port_list ports[PORT_BUCKETS]; /* by local port */
	TAILQ_HEAD(, loop_work) works;
	struct loop_work *next_work; /* of the walk in progress */
	LIST_HEAD(, loop_timer) timers; /* few, and in no order */
	struct window window;
	uint64_t looked; /* at descriptors, if it polls: when */
	/* The descriptors of the turn in progress: loop_del() blanks them. */
	struct epoll_event events[TURN_SOURCES];
	int nr_events;
};

static struct port_list *bucket(struct loop *loop, uint32_t port)
{
	return &loop->ports[port % PORT_BUCKETS];
}

static struct loop_port *find_port(struct loop *loop, uint32_t port)
{
	struct loop_port *p;

	LIST_FOREACH(p, bucket(loop, port), next)
		if (p->port == port)
			return p;
	return NULL;
}

/* Events were lost. All rings are looked at anyway, but who was masked? */
static void unmask_all(struct loop *loop)
{
	struct hyper *h = loop->hyper;
	struct loop_port *p;
	unsigned int i;

	for (i = 0; i < PORT_BUCKETS; i++)
		LIST_FOREACH(p, &loop->ports[i], next)
			h->ops->evtchn_unmask(h, p->port);
}

static void listen_again(struct loop_timer *timer)
{
	struct loop *loop = timer->owner;

	loop_modify(loop, &loop->evtchn, EPOLLIN);
}

/* Ports that called stay as they are, masked or pending: none is lost. */
static void listen_later(struct loop *loop)
{
	loop->deaf_ms = loop->deaf_ms ? loop->deaf_ms * 2 : DEAF_MIN_MS;
	if (loop->deaf_ms > DEAF_MAX_MS)
		loop->deaf_ms = DEAF_MAX_MS;
	if (!loop_modify(loop, &loop->evtchn, 0))
		loop_timer_set(loop, &loop->deaf, loop_now() + loop->deaf_ms);
}

static void work_found(struct loop *loop)
{
	loop->idle_events = 0;
	loop->deaf_ms = 0;
	if (!loop->deaf.set)
		return;
	loop_timer_cancel(&loop->deaf);
	listen_again(&loop->deaf);
}

/* A port is masked from evtchn_next() on: it cannot call twice in a turn. */
static void serve_ports(struct loop_source *src, uint32_t events)
{
	struct loop *loop = src->owner;
	struct hyper *h = loop->hyper;
	struct loop_port *port;
	int n, got;

	(void)events;
	if (loop->idle_events >= IDLE_EVENTS)
		listen_later(loop);
	for (n = 0; n < TURN_PORTS; n++) {
		got = h->ops->evtchn_next(h);
		if (got == -EINTR)
			continue;
		if (got == -EOVERFLOW) {
			unmask_all(loop);
			return;
		}
		if (got < 0) {
			if (got != -EAGAIN)
				loop->error = got;
			return;
		}
		loop->idle_events++;
		port = find_port(loop, (uint32_t)got);
		if (!port)
			continue; /* unbound while its event was on the way */
		port->event(port);
		/* The callback may have unbound it. */
		if (find_port(loop, (uint32_t)got))
			h->ops->evtchn_unmask(h, (uint32_t)got);
	}
}

static int open_evtchn(struct loop *loop)
{
	loop->evtchn.fd = loop->hyper->ops->evtchn_fd(loop->hyper);
	loop->evtchn.ready = serve_ports;
	loop->evtchn.owner = loop;
	loop->deaf.expired = listen_again;
	loop->deaf.owner = loop;
	if (loop->evtchn.fd < 0)
		return loop->evtchn.fd;
	return loop_add(loop, &loop->evtchn, EPOLLIN);
}

struct loop *loop_new(struct hyper *h)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	unsigned int i;
	int err;

	if (!loop)
		return NULL;
	loop->hyper = h;
	TAILQ_INIT(&loop->works);
	LIST_INIT(&loop->timers);
	for (i = 0; i < PORT_BUCKETS; i++)
		LIST_INIT(&loop->ports[i]);
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	err = loop->epoll < 0 ? -errno : open_evtchn(loop);
	if (err) {
		loop_free(loop);
		errno = -err;
		return NULL;
	}
	return loop;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->epoll >= 0)
		close(loop->epoll);
	free(loop);
}

struct hyper *loop_hyper(struct loop *loop)
{
	return loop->hyper;
}

static bool run_works(struct loop *loop)
{
	struct loop_work *work;
	bool found = false;

	for (work = TAILQ_FIRST(&loop->works); work; work = loop->next_work) {
		loop->next_work = TAILQ_NEXT(work, next);
		found |= work->run(work);
	}
	return found;
}

static bool arm_works(struct loop *loop)
{
	struct loop_work *work;
	bool found = false;

	for (work = TAILQ_FIRST(&loop->works); work; work = loop->next_work) {
		loop->next_work = TAILQ_NEXT(work, next);
		if (work->arm)
			found |= work->arm(work);
	}
	return found;
}

static void serve_sources(struct loop *loop)
{
	struct loop_source *src;
	int i;

	for (i = 0; i < loop->nr_events; i++) {
		src = loop->events[i].data.ptr;
		if (src)
			src->ready(src, loop->events[i].events);
	}
	loop->nr_events = 0;
}

/* How long the loop may sleep; -1: until something happens. */
static int until_timer(const struct loop *loop)
{
	const struct loop_timer *timer;
	uint64_t first = UINT64_MAX, now;

	LIST_FOREACH(timer, &loop->timers, next)
		if (timer->when < first)
			first = timer->when;
	if (first == UINT64_MAX)
		return -1;
	now = loop_now();
	if (first <= now)
		return 0;
	return first - now < INT_MAX ? (int)(first - now) : INT_MAX;
}

/* A call may set and cancel any timer: the walk begins anew behind it. */
static void serve_timers(struct loop *loop)
{
	uint64_t now = LIST_EMPTY(&loop->timers) ? 0 : loop_now();
	struct loop_timer *timer;

	do {
		LIST_FOREACH(timer, &loop->timers, next)
			if (timer->when <= now)
				break;
		if (!timer)
			return;
		loop_timer_cancel(timer);
		timer->expired(timer);
	} while (true);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int look(struct loop *loop, int timeout)
{
	loop->nr_events =
		epoll_wait(loop->epoll, loop->events, TURN_SOURCES, timeout);
	if (loop->nr_events < 0) {
		loop->nr_events = 0;
		return errno == EINTR ? 0 : -errno;
	}
	serve_sources(loop);
	serve_timers(loop);
	return loop->error;
}

static int look_and_sleep(struct loop *loop)
{
	return look(loop, arm_works(loop) ? 0 : until_timer(loop));
}

/* The end of a turn that may sleep, in a loop that polls. */
static int poll_or_sleep(struct loop *loop, bool found)
{
	uint64_t now = now_ns();
	int err;

	if (!window_open(&loop->window, found, now)) {
		err = look_and_sleep(loop);
		loop->looked = now_ns();
		window_slept(&loop->window, loop->looked);
		return err;
	}
	if (now - loop->looked < LOOK_NS)
		return 0;
	loop->looked = now;
	return look(loop, 0);
}

int loop_turn(struct loop *loop, bool may_sleep)
{
	bool found = run_works(loop);

	if (loop->stop)
		return 0;
	if (found)
		work_found(loop);
	if (may_sleep && loop->window.max)
		return poll_or_sleep(loop, found);
	if (may_sleep && !found)
		return look_and_sleep(loop);
	return look(loop, 0);
}

void loop_poll(struct loop *loop, uint32_t us)
{
	loop->window = (struct window){.max = us * 1000ull};
}

int loop_run(struct loop *loop)
{
	int err = 0;

	loop->stop = false;
	while (!loop->stop && !err)
		err = loop_turn(loop, true);
	return err;
}

void loop_stop(struct loop *loop)
{
	loop->stop = true;
}

static int control(struct loop *loop, int op, struct loop_source *src,
		   uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = src};

	return epoll_ctl(loop->epoll, op, src->fd, &ev) ? -errno : 0;
}

int loop_add(struct loop *loop, struct loop_source *src, uint32_t events)
{
	return control(loop, EPOLL_CTL_ADD, src, events);
}

int loop_modify(struct loop *loop, struct loop_source *src, uint32_t events)
{
	return control(loop, EPOLL_CTL_MOD, src, events);
}

void loop_del(struct loop *loop, struct loop_source *src)
{
	int i;

	control(loop, EPOLL_CTL_DEL, src, 0);
	for (i = 0; i < loop->nr_events; i++)
		if (loop->events[i].data.ptr == src)
			loop->events[i].data.ptr = NULL;
}

int loop_bind(struct loop *loop, struct loop_port *port, uint16_t domid,
	      uint32_t remote_port)
{
	struct hyper *h = loop->hyper;
	int local = h->ops->evtchn_bind(h, domid, remote_port);

	if (local < 0)
		return local;
	port->port = (uint32_t)local;
	LIST_INSERT_HEAD(bucket(loop, port->port), port, next);
	return 0;
}

void loop_unbind(struct loop *loop, struct loop_port *port)
{
	LIST_REMOVE(port, next);
	loop->hyper->ops->evtchn_unbind(loop->hyper, port->port);
}

void loop_notify(struct loop *loop, struct loop_port *port)
{
	/* Fails only when the guest's end is gone, and then nobody waits. */
	loop->hyper->ops->evtchn_notify(loop->hyper, port->port);
}

uint64_t loop_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t when)
{
	if (!timer->set)
		LIST_INSERT_HEAD(&loop->timers, timer, next);
	timer->set = true;
	timer->when = when;
}

void loop_timer_cancel(struct loop_timer *timer)
{
	if (timer->set)
		LIST_REMOVE(timer, next);
	timer->set = false;
}

void loop_work_add(struct loop *loop, struct loop_work *work)
{
	TAILQ_INSERT_TAIL(&loop->works, work, next);
}

void loop_work_del(struct loop *loop, struct loop_work *work)
{
	if (loop->next_work == work)
		loop->next_work = TAILQ_NEXT(work, next);
	TAILQ_REMOVE(&loop->works, work, next);
}
