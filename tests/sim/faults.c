// SPDX-License-Identifier: MIT
/*
 * What is not the worker's own: calls that fail, events that get lost, time
 * that passes as the seed says, and death in the middle of a call.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <time.h>

#include "sim.h"

/* The names that the linker gives them, --wrap. */
int __real_epoll_wait(int epfd, struct epoll_event *events, int max, int ms);
int __wrap_epoll_wait(int epfd, struct epoll_event *events, int max, int ms);
int __real_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);

/* The local machine's broker is a thread, and none of this is its business. */
static _Thread_local bool simulated;

static const struct hyper_ops *real;
static struct hyper_ops faulty;

void faults_may_die(void)
{
	if (!sim.in_turn || !sim.dies_in || --sim.dies_in)
		return;
	longjmp(sim.death, 1);
}

static bool fails(unsigned int one_in)
{
	if (sim_chance(one_in))
		return false;
	sim.faults++;
	return true;
}

static void *faulty_map(struct hyper *h, uint16_t domid, const uint32_t *grefs,
			unsigned int n, int prot)
{
	void *addr;

	faults_may_die();
	/* Rings are mapped while there is no turn, and always can be. */
	if (sim.in_turn && fails(50)) {
		errno = ENOMEM;
		return NULL;
	}
	addr = real->map(h, domid, grefs, n, prot);
	faults_may_die();
	return addr;
}

/* One that fails has copied nothing. */
static int faulty_copy(struct hyper *h, struct hyper_copy *ops, unsigned int n)
{
	unsigned int begin = 0;
	int err = 0;

	faults_may_die();
	if (fails(2000))
		return -ENOMEM;
	for (unsigned int i = 0; i <= n && !err; i++) {
		if (i < n && !fails(2000))
			continue;
		if (i > begin)
			err = real->copy(h, ops + begin, i - begin);
		if (i < n)
			ops[i].status = HYPER_COPY_ERROR;
		begin = i + 1;
	}
	faults_may_die();
	return err;
}

static int faulty_notify(struct hyper *h, uint32_t port)
{
	int err;

	faults_may_die();
	err = real->evtchn_notify(h, port);
	faults_may_die();
	return err;
}

/* The kernel's list of events was full: they are gone, their ports masked. */
static int faulty_next(struct hyper *h)
{
	int port = real->evtchn_next(h);

	if (port < 0 || !fails(40))
		return port;
	while (real->evtchn_next(h) >= 0)
		;
	return -EOVERFLOW;
}

struct hyper *faults_open(void)
{
	struct hyper *h;
	char spec[256];

	simulated = true;
	hyper_local_spec(sim.machine, 0, spec, sizeof(spec));
	h = hyper_open(spec, HYPER_GRANT | HYPER_EVTCHN);
	SIM_MUST(h);
	real = h->ops;
	faulty = *real;
	faulty.map = faulty_map;
	faulty.copy = faulty_copy;
	faulty.evtchn_notify = faulty_notify;
	faulty.evtchn_next = faulty_next;
	h->ops = &faulty;
	return h;
}

/* Nobody waits here: it is known instead that the worker would. */
int __wrap_epoll_wait(int epfd, struct epoll_event *events, int max, int ms)
{
	int n;

	if (!simulated)
		return __real_epoll_wait(epfd, events, max, ms);
	faults_may_die();
	n = __real_epoll_wait(epfd, events, max, 0);
	sim.asleep = !n && ms;
	sim.wakes_usec =
		ms < 0 ? UINT64_MAX : sim.now_usec + (uint64_t)ms * 1000;
	return n;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	if (!simulated || clock != CLOCK_MONOTONIC)
		return __real_clock_gettime(clock, ts);
	ts->tv_sec = (time_t)(sim.now_usec / 1000000);
	ts->tv_nsec = (long)(sim.now_usec % 1000000) * 1000;
	return 0;
}
