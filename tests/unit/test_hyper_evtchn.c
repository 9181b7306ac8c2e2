// SPDX-License-Identifier: MIT
/* Event channels: no event is lost, and none comes while it is masked. */
#include "hyper_doms.h"
#include "suites.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

static int next(struct hyper *h)
{
	return h->ops->evtchn_next(h);
}

static int notify(struct hyper *h, int port)
{
	return h->ops->evtchn_notify(h, (uint32_t)port);
}

static int unmask(struct hyper *h, int port)
{
	return h->ops->evtchn_unmask(h, (uint32_t)port);
}

static int unbind(struct hyper *h, int port)
{
	return h->ops->evtchn_unbind(h, (uint32_t)port);
}

/* A bound pair, its first event taken. */
static void pair(int *front, int *back)
{
	*front = doms.front->ops->evtchn_alloc(doms.front, doms.back_id);
	ck_assert_int_gt(*front, 0);
	*back = doms.back->ops->evtchn_bind(doms.back, doms.front_id,
					    (uint32_t)*front);
	ck_assert_int_gt(*back, 0);
	ck_assert_int_eq(next(doms.back), *back);
	ck_assert_int_eq(unmask(doms.back, *back), 0);
	ck_assert_int_eq(next(doms.back), -EAGAIN);
}

START_TEST(binding_is_pending_at_once)
{
	int f = doms.front->ops->evtchn_alloc(doms.front, doms.back_id), b;

	/* Nobody is there yet: dropped, and no error. */
	ck_assert_int_eq(notify(doms.front, f), 0);
	ck_assert(!readable(doms.back->ops->evtchn_fd(doms.back)));
	b = doms.back->ops->evtchn_bind(doms.back, doms.front_id, (uint32_t)f);
	ck_assert(readable(doms.back->ops->evtchn_fd(doms.back)));
	ck_assert_int_eq(next(doms.back), b);
	ck_assert_int_eq(next(doms.back), -EAGAIN);
	ck_assert_int_eq(next(doms.front), -EAGAIN);
	ck_assert(!readable(doms.back->ops->evtchn_fd(doms.back)));
}
END_TEST

START_TEST(events_go_both_ways)
{
	int f, b;

	pair(&f, &b);
	ck_assert_int_eq(notify(doms.front, f), 0);
	ck_assert(readable(doms.back->ops->evtchn_fd(doms.back)));
	ck_assert(!readable(doms.front->ops->evtchn_fd(doms.front)));
	ck_assert_int_eq(next(doms.back), b);
	ck_assert_int_eq(notify(doms.back, b), 0);
	ck_assert_int_eq(next(doms.front), f);
	ck_assert_int_eq(next(doms.front), -EAGAIN);
	ck_assert(!readable(doms.front->ops->evtchn_fd(doms.front)));
}
END_TEST

START_TEST(events_merge)
{
	int f, b;

	pair(&f, &b);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(notify(doms.front, f), 0);
	ck_assert_int_eq(next(doms.back), b);
	ck_assert_int_eq(next(doms.back), -EAGAIN);
	ck_assert_int_eq(unmask(doms.back, b), 0);
	ck_assert_int_eq(next(doms.back), -EAGAIN);
}
END_TEST

START_TEST(masked_until_unmask)
{
	int f, b;

	pair(&f, &b);
	notify(doms.front, f);
	ck_assert_int_eq(next(doms.back), b);
	ck_assert_int_eq(next(doms.back), -EAGAIN);
	notify(doms.front, f);
	notify(doms.front, f);
	ck_assert(!readable(doms.back->ops->evtchn_fd(doms.back)));
	ck_assert_int_eq(next(doms.back), -EAGAIN);
	/* What came meanwhile comes now, once. */
	ck_assert_int_eq(unmask(doms.back, b), 0);
	ck_assert(readable(doms.back->ops->evtchn_fd(doms.back)));
	ck_assert_int_eq(next(doms.back), b);
	ck_assert_int_eq(unmask(doms.back, b), 0);
	ck_assert_int_eq(next(doms.back), -EAGAIN);
	ck_assert(!readable(doms.back->ops->evtchn_fd(doms.back)));
}
END_TEST

START_TEST(a_masked_port_waits_while_others_come)
{
	int f[2], b[2];

	pair(&f[0], &b[0]);
	pair(&f[1], &b[1]);
	notify(doms.front, f[0]);
	ck_assert_int_eq(next(doms.back), b[0]);
	notify(doms.front, f[0]);
	notify(doms.front, f[1]);
	ck_assert_int_eq(next(doms.back), b[1]);
	ck_assert_int_eq(next(doms.back), -EAGAIN);
}
END_TEST

START_TEST(stays_readable_until_all_are_taken)
{
	int f[3], b[3], seen[3] = {0};

	for (int i = 0; i < 3; i++)
		pair(&f[i], &b[i]);
	for (int i = 0; i < 3; i++)
		notify(doms.front, f[i]);
	for (int k = 0; k < 3; k++) {
		int port;

		ck_assert(readable(doms.back->ops->evtchn_fd(doms.back)));
		port = next(doms.back);
		for (int i = 0; i < 3; i++)
			seen[i] += port == b[i];
	}
	ck_assert_int_eq(next(doms.back), -EAGAIN);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(seen[i], 1);
}
END_TEST

START_TEST(a_noisy_port_starves_no_other)
{
	int f[70], b[70], turns = 0, port;

	for (int i = 0; i < 70; i++)
		pair(&f[i], &b[i]);
	for (int i = 0; i < 70; i++)
		notify(doms.front, f[i]);
	/* Two of them shout all the time; the last one must get its turn. */
	do {
		port = next(doms.back);
		ck_assert_int_gt(port, 0);
		if (port == b[0] || port == b[1]) {
			unmask(doms.back, port);
			notify(doms.front, port == b[0] ? f[0] : f[1]);
		}
		ck_assert_int_lt(++turns, 80);
	} while (port != b[69]);
}
END_TEST

START_TEST(only_what_was_offered_can_be_bound)
{
	struct hyper *third;
	int f = doms.front->ops->evtchn_alloc(doms.front, doms.back_id), b;

	ck_assert_int_eq(hyper_local_domain_create(doms.machine, 6), 0);
	third = doms_open(6, HYPER_EVTCHN);
	ck_assert_int_eq(third->ops->evtchn_bind(third, 5, (uint32_t)f),
			 -EINVAL);
	ck_assert_int_eq(doms.back->ops->evtchn_bind(doms.back, 5, 4000),
			 -EINVAL);
	ck_assert_int_eq(doms.back->ops->evtchn_bind(doms.back, 5, 0), -EINVAL);
	ck_assert_int_eq(doms.back->ops->evtchn_bind(doms.back, 5, 1u << 31),
			 -EINVAL);
	ck_assert_int_eq(doms.back->ops->evtchn_bind(doms.back, 99, 1), -ESRCH);
	b = doms.back->ops->evtchn_bind(doms.back, 5, (uint32_t)f);
	ck_assert_int_gt(b, 0);
	/* One at a time. */
	ck_assert_int_eq(doms.back->ops->evtchn_bind(doms.back, 5, (uint32_t)f),
			 -EINVAL);
	hyper_close(third);
}
END_TEST

/* Over Xen: IOCTL_EVTCHN_RESTRICT_DOMID. */
START_TEST(restricted_to_one_domain)
{
	struct hyper *third, *back = doms.back;
	int f = doms.front->ops->evtchn_alloc(doms.front, doms.back_id);
	int other;

	ck_assert_int_eq(hyper_local_domain_create(doms.machine, 6), 0);
	third = doms_open(6, HYPER_EVTCHN);
	other = third->ops->evtchn_alloc(third, doms.back_id);
	ck_assert_int_eq(back->ops->evtchn_restrict(back, doms.front_id), 0);
	ck_assert_int_eq(back->ops->evtchn_bind(back, 6, (uint32_t)other),
			 -EACCES);
	ck_assert_int_eq(back->ops->evtchn_alloc(back, 6), -EACCES);
	ck_assert_int_eq(back->ops->evtchn_restrict(back, 6), -EACCES);
	ck_assert_int_gt(
		back->ops->evtchn_bind(back, doms.front_id, (uint32_t)f), 0);
	hyper_close(third);
}
END_TEST

START_TEST(ports_are_their_handles_own)
{
	struct hyper *other = doms_open(doms.back_id, HYPER_EVTCHN);
	int f, b;

	pair(&f, &b);
	ck_assert_int_lt(notify(other, b), 0);
	ck_assert_int_lt(unbind(other, b), 0);
	notify(doms.front, f);
	ck_assert(!readable(other->ops->evtchn_fd(other)));
	ck_assert_int_eq(next(other), -EAGAIN);
	ck_assert_int_eq(next(doms.back), b);
	ck_assert_int_lt(notify(doms.back, 4000), 0);
	ck_assert_int_lt(unbind(doms.back, 4000), 0);
	hyper_close(other);
}
END_TEST

START_TEST(a_closed_end_can_be_bound_anew)
{
	struct hyper *other = doms_open(doms.back_id, HYPER_EVTCHN);
	int f, b, c;

	pair(&f, &b);
	notify(doms.front, f); /* is gone with the port */
	ck_assert_int_eq(unbind(doms.back, b), 0);
	ck_assert_int_lt(notify(doms.back, b), 0);
	ck_assert_int_eq(next(doms.back), -EAGAIN);
	ck_assert_int_eq(notify(doms.front, f), 0); /* to nobody */
	c = other->ops->evtchn_bind(other, doms.front_id, (uint32_t)f);
	ck_assert_int_gt(c, 0);
	ck_assert_int_eq(next(other), c);
	unmask(other, c);
	notify(doms.front, f);
	ck_assert_int_eq(next(other), c);
	ck_assert_int_eq(next(doms.back), -EAGAIN);
	hyper_close(other);
	/* And after a close of the handle. */
	EVENTUALLY((b = doms.back->ops->evtchn_bind(doms.back, doms.front_id,
						    (uint32_t)f)) > 0);
	ck_assert_int_eq(next(doms.back), b);
}
END_TEST

START_TEST(the_offering_end_can_close_too)
{
	int f, b;

	pair(&f, &b);
	ck_assert_int_eq(unbind(doms.front, f), 0);
	ck_assert_int_eq(notify(doms.back, b), 0);
	ck_assert_int_eq(next(doms.front), -EAGAIN);
	/* Now ours is on offer, to that domain. */
	f = doms.front->ops->evtchn_bind(doms.front, doms.back_id, (uint32_t)b);
	ck_assert_int_gt(f, 0);
	ck_assert_int_eq(next(doms.front), f);
	notify(doms.front, f);
	ck_assert_int_eq(next(doms.back), b);
}
END_TEST

START_TEST(ports_come_and_go)
{
	int f, b, opened = 0;

	for (int i = 0; i < 5000; i++) {
		pair(&f, &b);
		ck_assert_int_eq(unbind(doms.back, b), 0);
		ck_assert_int_eq(unbind(doms.front, f), 0);
	}
	while (doms.front->ops->evtchn_alloc(doms.front, 0) > 0)
		opened++;
	ck_assert_int_eq(opened, 4095);
}
END_TEST

/* ---- threads ---- */

#define ROUNDS 100000

struct echo {
	struct hyper *h;
	int port;
	unsigned int work; /* a number that grows: the event says "look" */
	unsigned int *peers_work;
};

static void await_event(struct hyper *h)
{
	struct pollfd p = {.fd = h->ops->evtchn_fd(h), .events = POLLIN};

	/* A lost wake-up would leave us here for ever: the timeout tells. */
	ck_assert_int_eq(poll(&p, 1, 20000), 1);
}

/* Wait for the peer's number to reach ours, then make it one more. */
static void *play(void *arg)
{
	struct echo *e = arg;
	unsigned int seen;
	int port;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		for (;;) {
			seen = __atomic_load_n(e->peers_work, __ATOMIC_SEQ_CST);
			if (seen >= i)
				break;
			await_event(e->h);
			while ((port = next(e->h)) >= 0)
				unmask(e->h, port);
		}
		__atomic_store_n(&e->work, i + 1, __ATOMIC_SEQ_CST);
		notify(e->h, e->port);
	}
	return NULL;
}

START_TEST(two_threads_lose_no_event)
{
	struct echo f = {.h = doms.front}, b = {.h = doms.back};
	pthread_t thread;

	pair(&f.port, &b.port);
	f.peers_work = &b.work;
	b.peers_work = &f.work;
	ck_assert_int_eq(pthread_create(&thread, NULL, play, &f), 0);
	play(&b);
	pthread_join(thread, NULL);
}
END_TEST

#define NOISY  3
#define BURSTS 30000

struct noise {
	struct hyper *h;
	const unsigned int *round;
	int port;
	unsigned int sent;
};

/* One event a round: each of them is the last one, which nothing repeats. */
static void *shout(void *arg)
{
	struct noise *n = arg;

	for (unsigned int i = 1; i <= BURSTS; i++) {
		while (__atomic_load_n(n->round, __ATOMIC_SEQ_CST) < i)
			sched_yield();
		__atomic_store_n(&n->sent, i, __ATOMIC_SEQ_CST);
		notify(n->h, n->port);
	}
	return NULL;
}

/* Until each has been seen at @round; one event a wake-up. */
static void see_all(struct noise *n, const int *back, unsigned int round)
{
	unsigned int seen[NOISY] = {0}, done = 0;
	int port;

	while (done < NOISY) {
		await_event(doms.back);
		port = next(doms.back);
		if (port < 0)
			continue;
		unmask(doms.back, port);
		for (int i = 0; i < NOISY; i++) {
			if (port != back[i] || seen[i] == round)
				continue;
			seen[i] = __atomic_load_n(&n[i].sent, __ATOMIC_SEQ_CST);
			done += seen[i] == round;
		}
	}
}

/* Many notify one handle, each from a handle of its own. */
START_TEST(many_notifiers_lose_no_event)
{
	struct noise n[NOISY] = {0};
	unsigned int round = 0;
	pthread_t thread[NOISY];
	int back[NOISY];

	for (int i = 0; i < NOISY; i++) {
		n[i].h = doms_open(doms.front_id, HYPER_EVTCHN);
		n[i].round = &round;
		n[i].port = n[i].h->ops->evtchn_alloc(n[i].h, doms.back_id);
		back[i] = doms.back->ops->evtchn_bind(doms.back, doms.front_id,
						      (uint32_t)n[i].port);
		ck_assert_int_gt(back[i], 0);
		ck_assert_int_eq(next(doms.back), back[i]);
		unmask(doms.back, back[i]);
	}
	for (int i = 0; i < NOISY; i++)
		pthread_create(&thread[i], NULL, shout, &n[i]);
	for (unsigned int i = 1; i <= BURSTS; i++) {
		__atomic_store_n(&round, i, __ATOMIC_SEQ_CST);
		see_all(n, back, i);
	}
	for (int i = 0; i < NOISY; i++) {
		pthread_join(thread[i], NULL);
		hyper_close(n[i].h);
	}
}
END_TEST

Suite *hyper_evtchn_suite(void)
{
	Suite *s = suite_create("hyper_evtchn");
	TCase *t = tcase_create("rules");
	TCase *l = tcase_create("local");

	tcase_add_checked_fixture(t, doms_setup, doms_teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, binding_is_pending_at_once);
	tcase_add_test(t, events_go_both_ways);
	tcase_add_test(t, events_merge);
	tcase_add_test(t, masked_until_unmask);
	tcase_add_test(t, a_masked_port_waits_while_others_come);
	tcase_add_test(t, stays_readable_until_all_are_taken);
	tcase_add_test(t, restricted_to_one_domain);
	tcase_add_test(t, ports_are_their_handles_own);
	tcase_add_test(t, a_closed_end_can_be_bound_anew);
	tcase_add_test(t, the_offering_end_can_close_too);
	tcase_add_test(t, two_threads_lose_no_event);
	tcase_add_test(t, many_notifiers_lose_no_event);
	suite_add_tcase(s, t);
	if (over_xen())
		return s;
	tcase_add_checked_fixture(l, doms_setup, doms_teardown);
	tcase_set_timeout(l, 120);
	tcase_add_test(l, a_noisy_port_starves_no_other);
	tcase_add_test(l, only_what_was_offered_can_be_bound);
	tcase_add_test(l, ports_come_and_go);
	suite_add_tcase(s, l);
	return s;
}
