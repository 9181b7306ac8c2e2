// SPDX-License-Identifier: MIT
/*
 * Races, one instruction at a time. A child runs one operation under
 * single-step, and at each of its instructions in turn the other side does
 * what could go wrong just there: every interleaving of one with the other,
 * where threads would need luck to find the few bad ones.
 *
 * Only where the hypervisor is memory that both have mapped, so local only.
 * An LL/SC machine never gets through an atomic under single-step: x86 only.
 */
#include "hyper_doms.h"
#include "suites.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define FRONT	doms.front
#define BUDGET	150000 /* steps: a long operation is tried at fewer points */
#define LIMIT	200000
#define COPY	64
#define TIMEOUT 3000 /* ms after which an event is lost */

/* What the two processes tell each other. */
struct shared {
	bool ended; /* the operation is over */
	bool quit; /* no more of them */
	bool lost; /* an event never came */
	int port[2]; /* the front's */
	int back_port[2];
	uint32_t gref;
	int status;
	unsigned char bytes[COPY];
};

static struct shared *shared;

struct play {
	/* In the child: before it is stopped, the steps, and after them. */
	void (*prepare)(struct hyper *h);
	void (*operate)(struct hyper *h);
	void (*conclude)(struct hyper *h);
	/* In the parent: before, at the chosen instruction, and after. */
	void (*before)(void);
	void (*meddle)(void);
	void (*after)(void);
};

/* ---- the two processes ---- */

static void child_body(struct child *parent, void *arg)
{
	struct hyper *h = doms_open(doms.back_id, HYPER_GRANT | HYPER_EVTCHN);
	const struct play *play = arg;

	(void)parent;
	MUST(h);
	for (int i = 0; i < 2; i++) {
		shared->back_port[i] = h->ops->evtchn_bind(
			h, doms.front_id, (uint32_t)shared->port[i]);
		MUST(shared->back_port[i] > 0);
	}
	while (h->ops->evtchn_next(h) >= 0)
		;
	for (int i = 0; i < 2; i++)
		h->ops->evtchn_unmask(h, (uint32_t)shared->back_port[i]);
	MUST(!ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	for (;;) {
		raise(SIGSTOP); /* the parent's before() */
		if (shared->quit)
			_exit(0);
		play->prepare(h);
		raise(SIGSTOP); /* from here on it steps us */
		play->operate(h);
		__atomic_store_n(&shared->ended, true, __ATOMIC_SEQ_CST);
		play->conclude(h);
	}
}

static void await_stop(pid_t pid, int sig)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFSTOPPED(status) && WSTOPSIG(status) == sig,
		      "child ended or stopped otherwise: %#x", status);
}

static void go_on(pid_t pid)
{
	ck_assert_int_eq(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
}

/* One operation, meddled with after @at instructions; how many there were. */
static int perform(const struct play *play, pid_t pid, int at)
{
	int steps;

	shared->ended = false;
	play->before();
	go_on(pid);
	await_stop(pid, SIGSTOP);
	for (steps = 0; steps < at && !shared->ended; steps++) {
		ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
		await_stop(pid, SIGTRAP);
	}
	play->meddle();
	go_on(pid);
	await_stop(pid, SIGSTOP);
	play->after();
	ck_assert_msg(!shared->lost, "an event was lost at step %d", steps);
	return steps;
}

static void run(struct play *play)
{
	int total, stride;
	struct child c;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(shared, MAP_FAILED);
	for (int i = 0; i < 2; i++)
		shared->port[i] = FRONT->ops->evtchn_alloc(FRONT, doms.back_id);
	c = child_start(child_body, play);
	await_stop(c.pid, SIGSTOP);
	perform(play, c.pid, 0); /* makes eventfds known, resolves symbols */
	total = perform(play, c.pid, LIMIT);
	ck_assert_int_gt(total, 20);
	ck_assert_int_lt(total, LIMIT);
	/* Each try steps through half of it on average. */
	stride = (int)((long)total * total / 2 / BUDGET) + 1;
	for (int at = 0; at <= total; at += stride)
		perform(play, c.pid, at);
	shared->quit = true;
	go_on(c.pid);
	child_join(&c);
}

static void nothing(void)
{
}

static void nothing_by(struct hyper *h)
{
	(void)h;
}

/* ---- events: the receiver is stepped ---- */

static void notify_both(void)
{
	for (int i = 0; i < 2; i++)
		FRONT->ops->evtchn_notify(FRONT, (uint32_t)shared->port[i]);
}

static void notify_one(void)
{
	FRONT->ops->evtchn_notify(FRONT, (uint32_t)shared->port[0]);
}

static int taken; /* by the operation: in the child */

static void take_one(struct hyper *h)
{
	taken = h->ops->evtchn_next(h);
}

/* One a wake-up, until each port that was notified has been seen. */
static void see(struct hyper *h, int n)
{
	struct pollfd p = {.fd = h->ops->evtchn_fd(h), .events = POLLIN};
	bool seen[2] = {false, n < 2};

	for (;;) {
		for (int i = 0; i < 2; i++)
			seen[i] |= taken == shared->back_port[i];
		if (taken > 0)
			h->ops->evtchn_unmask(h, (uint32_t)taken);
		taken = -1;
		if (seen[0] && seen[1])
			break;
		if (poll(&p, 1, TIMEOUT) != 1) {
			shared->lost = true;
			break;
		}
		taken = h->ops->evtchn_next(h);
	}
	while ((taken = h->ops->evtchn_next(h)) > 0)
		h->ops->evtchn_unmask(h, (uint32_t)taken);
}

static void see_one(struct hyper *h)
{
	see(h, 1);
}

static void see_both(struct hyper *h)
{
	see(h, 2);
}

/* An event was taken, the fd is still readable: next() is to clear it. */
static void take_first(struct hyper *h)
{
	int port = h->ops->evtchn_next(h);

	MUST(port == shared->back_port[0]);
	h->ops->evtchn_unmask(h, (uint32_t)port);
}

START_TEST(an_event_while_next_finds_none)
{
	struct play one = {take_first, take_one,   see_one,
			   notify_one, notify_one, nothing};
	struct play both = {take_first, take_one,    see_both,
			    notify_one, notify_both, nothing};

	run(_i ? &both : &one);
}
END_TEST

static void take_and_keep(struct hyper *h)
{
	MUST(h->ops->evtchn_next(h) == shared->back_port[0]);
	MUST(h->ops->evtchn_next(h) == -EAGAIN);
	taken = -1;
}

static void unmask_one(struct hyper *h)
{
	h->ops->evtchn_unmask(h, (uint32_t)shared->back_port[0]);
}

START_TEST(an_event_while_it_is_unmasked)
{
	struct play play = {take_and_keep, unmask_one, see_one,
			    notify_one,	   notify_one, nothing};

	run(&play);
}
END_TEST

/* An event that comes again while it is taken is masked, and comes later. */
static void take_nothing(struct hyper *h)
{
	(void)h;
	taken = -1;
}

static void see_again(struct hyper *h)
{
	struct pollfd p = {.fd = h->ops->evtchn_fd(h), .events = POLLIN};

	MUST(taken == shared->back_port[0]);
	/* If it was meant for after the taking, it is pending now. */
	h->ops->evtchn_unmask(h, (uint32_t)taken);
	shared->status = poll(&p, 1, 0) == 1 ? h->ops->evtchn_next(h) : -1;
	taken = shared->status;
	while (taken > 0) {
		h->ops->evtchn_unmask(h, (uint32_t)taken);
		taken = h->ops->evtchn_next(h);
	}
}

static bool over; /* the operation was over when we notified */

static void notify_noting(void)
{
	over = shared->ended;
	notify_one();
}

static void not_lost_if_over(void)
{
	if (over)
		ck_assert_int_eq(shared->status, shared->back_port[0]);
}

START_TEST(an_event_while_it_is_taken)
{
	struct play play = {take_nothing, take_one,	 see_again,
			    notify_one,	  notify_noting, not_lost_if_over};

	run(&play);
}
END_TEST

/* ---- events: the notifier is stepped ---- */

static bool front_saw;

static void drain(void)
{
	int port;

	while ((port = FRONT->ops->evtchn_next(FRONT)) >= 0) {
		front_saw |= port == shared->port[0];
		FRONT->ops->evtchn_unmask(FRONT, (uint32_t)port);
	}
}

static void notify_front(struct hyper *h)
{
	h->ops->evtchn_notify(h, (uint32_t)shared->back_port[0]);
}

static void forget(void)
{
	drain();
	front_saw = false;
}

static void front_sees(void)
{
	struct pollfd p = {.fd = FRONT->ops->evtchn_fd(FRONT),
			   .events = POLLIN};

	while (!front_saw) {
		ck_assert_msg(poll(&p, 1, TIMEOUT) == 1, "lost");
		drain();
	}
	drain();
	ck_assert(!readable(FRONT->ops->evtchn_fd(FRONT)));
}

START_TEST(a_receiver_that_drains_meanwhile)
{
	struct play play = {nothing_by, notify_front, nothing_by,
			    forget,	drain,	      front_sees};

	run(&play);
}
END_TEST

/* ---- grants ---- */

static char *page, *next_page;

static void share_page(void)
{
	page = FRONT->ops->share(FRONT, doms.back_id, 1, true, &shared->gref);
	ck_assert_ptr_nonnull(page);
}

static struct hyper_copy op; /* the child's */

static void make_copy(struct hyper *h)
{
	(void)h;
	op = (struct hyper_copy){
		.src = {.is_grant = true,
			.domid = doms.front_id,
			.gref = shared->gref},
		.dst = {.virt = shared->bytes},
		.len = COPY,
	};
}

/* Nothing but that: every instruction of it shall be tried. */
static void copy_page(struct hyper *h)
{
	h->ops->copy(h, &op, 1);
}

static void tell_status(struct hyper *h)
{
	(void)h;
	shared->status = op.status;
}

/* End the grant; if that is done, the next one to get the page writes it. */
static void end_grant(void)
{
	uint32_t gref;

	next_page = NULL;
	if (FRONT->ops->unshare(FRONT, page, 1))
		return;
	next_page = FRONT->ops->share(FRONT, 99, 1, true, &gref);
	ck_assert_ptr_nonnull(next_page);
	memset(next_page, 0xee, PAGE);
}

static void nothing_leaked(void)
{
	if (!shared->status)
		for (int i = 0; i < COPY; i++)
			ck_assert_uint_eq(shared->bytes[i], 0);
	/* Whatever happened: now it can be given back. */
	ck_assert_int_eq(
		FRONT->ops->unshare(FRONT, next_page ? next_page : page, 1), 0);
}

START_TEST(a_grant_that_ends_during_a_copy)
{
	struct play play = {make_copy,	copy_page, tell_status,
			    share_page, end_grant, nothing_leaked};

	run(&play);
}
END_TEST

static void map_page(struct hyper *h)
{
	unsigned char *q =
		h->ops->map(h, doms.front_id, &shared->gref, 1, HYPER_READ);

	shared->status = q ? 0 : -1;
	if (!q)
		return;
	memcpy(shared->bytes, q, COPY);
	MUST(!h->ops->unmap(h, q, 1));
}

START_TEST(a_grant_that_ends_during_a_map)
{
	struct play play = {nothing_by, map_page,  nothing_by,
			    share_page, end_grant, nothing_leaked};

	run(&play);
}
END_TEST

Suite *hyper_step_suite(void)
{
	Suite *s = suite_create("hyper_step");
#ifdef __x86_64__
	TCase *t = tcase_create("instructions");

	tcase_add_checked_fixture(t, doms_setup, doms_teardown);
	tcase_set_timeout(t, 200);
	if (over_xen())
		return s;
	tcase_add_loop_test(t, an_event_while_next_finds_none, 0, 2);
	tcase_add_test(t, an_event_while_it_is_unmasked);
	tcase_add_test(t, an_event_while_it_is_taken);
	tcase_add_test(t, a_receiver_that_drains_meanwhile);
	tcase_add_test(t, a_grant_that_ends_during_a_copy);
	tcase_add_test(t, a_grant_that_ends_during_a_map);
	suite_add_tcase(s, t);
#endif
	return s;
}
