// SPDX-License-Identifier: MIT
/*
 * Domains and processes that go away, at any instruction: their peers must
 * not notice more than that.
 */
#include "hyper_doms.h"
#include "suites.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define FRONT doms.front

static char own[PAGE];

/* ---- a worker in a process of its own ---- */

struct device {
	uint32_t gref;
	int port;
	volatile char *page;
};

static struct device device_new(void)
{
	struct device d;

	d.page = FRONT->ops->share(FRONT, doms.back_id, 1, true, &d.gref);
	ck_assert_ptr_nonnull((void *)(uintptr_t)d.page);
	d.port = FRONT->ops->evtchn_alloc(FRONT, doms.back_id);
	ck_assert_int_gt(d.port, 0);
	return d;
}

/* Answer each event with one and a byte more in the page. */
static void worker(struct child *parent, void *arg)
{
	struct hyper *h = doms_open(doms.back_id, ALL);
	struct device *d = arg;
	struct pollfd p;
	char *page;
	int port;

	MUST(h);
	page = h->ops->map(h, doms.front_id, &d->gref, 1, RW);
	MUST(page);
	port = h->ops->evtchn_bind(h, doms.front_id, (uint32_t)d->port);
	MUST(port > 0);
	p.fd = h->ops->evtchn_fd(h);
	p.events = POLLIN;
	child_tell(parent, 1);
	for (;;) {
		MUST(poll(&p, 1, 20000) == 1);
		if (h->ops->evtchn_next(h) != port)
			continue;
		page[0]++;
		MUST(!h->ops->evtchn_unmask(h, (uint32_t)port));
		MUST(!h->ops->evtchn_notify(h, (uint32_t)port));
	}
}

static void await_event(int port)
{
	struct pollfd p = {.fd = FRONT->ops->evtchn_fd(FRONT),
			   .events = POLLIN};
	int got;

	do {
		ck_assert_int_eq(poll(&p, 1, 20000), 1);
		got = FRONT->ops->evtchn_next(FRONT);
		if (got >= 0)
			FRONT->ops->evtchn_unmask(FRONT, (uint32_t)got);
	} while (got != port);
}

START_TEST(works_across_processes)
{
	struct device d = device_new();
	struct child c = child_start(worker, &d);

	ck_assert_int_eq(child_hear(&c), 1);
	await_event(d.port); /* it was pending when the worker bound it */
	for (int i = 0; i < 100; i++) {
		char before = d.page[0];

		FRONT->ops->evtchn_notify(FRONT, (uint32_t)d.port);
		await_event(d.port);
		ck_assert_int_ne(d.page[0], before);
	}
	child_kill(&c);
}
END_TEST

/* kill -9 in the middle of work, and the next one takes over. */
START_TEST(a_killed_worker_can_be_replaced)
{
	struct device d = device_new();

	for (int i = 0; i < 20; i++) {
		struct child c = child_start(worker, &d);

		ck_assert_int_eq(child_hear(&c), 1);
		await_event(d.port);
		for (int k = 0; k < i; k++) {
			FRONT->ops->evtchn_notify(FRONT, (uint32_t)d.port);
			await_event(d.port);
		}
		FRONT->ops->evtchn_notify(FRONT, (uint32_t)d.port);
		ck_assert_int_eq(FRONT->ops->unshare(
					 FRONT, (void *)(uintptr_t)d.page, 1),
				 -EBUSY);
		child_kill(&c);
		/* The broker hears of it on its own: until then the port is
		 * bound, and the next worker could not bind it. */
		EVENTUALLY(({
			int b = doms.back->ops->evtchn_bind(
				doms.back, doms.front_id, (uint32_t)d.port);

			if (b > 0)
				doms.back->ops->evtchn_unbind(doms.back,
							      (uint32_t)b);
			b > 0;
		}));
		ck_assert_int_eq(
			FRONT->ops->evtchn_notify(FRONT, (uint32_t)d.port), 0);
	}
	EVENTUALLY(!FRONT->ops->unshare(FRONT, (void *)(uintptr_t)d.page, 1));
}
END_TEST

static void copier(struct child *parent, void *arg)
{
	struct hyper *h = doms_open(doms.back_id, HYPER_GRANT);
	struct device *d = arg;
	static char to[16][PAGE];
	struct hyper_copy ops[16] = {0};

	MUST(h);
	for (int i = 0; i < 16; i++) {
		ops[i].src.is_grant = true;
		ops[i].src.domid = doms.front_id;
		ops[i].src.gref = d->gref;
		ops[i].dst.virt = to[i];
		ops[i].len = PAGE;
	}
	child_tell(parent, 1);
	for (;;)
		MUST(!h->ops->copy(h, ops, 16));
}

START_TEST(killed_in_a_copy_leaves_no_use)
{
	for (int i = 0; i < 30; i++) {
		struct device d = device_new();
		struct child c = child_start(copier, &d);

		ck_assert_int_eq(child_hear(&c), 1);
		usleep((useconds_t)(i * 37 % 500));
		child_kill(&c);
		EVENTUALLY(!FRONT->ops->unshare(FRONT,
						(void *)(uintptr_t)d.page, 1));
	}
}
END_TEST

/* Stopped rather than killed: now the page has to stay. */
START_TEST(a_copy_under_way_holds_the_page)
{
	struct device d = device_new();
	struct child c = child_start(copier, &d);
	int busy = 0, status;

	ck_assert_int_eq(child_hear(&c), 1);
	for (int i = 0; i < 50; i++) {
		usleep((useconds_t)(i * 37 % 500));
		kill(c.pid, SIGSTOP);
		ck_assert_int_eq(waitpid(c.pid, &status, WUNTRACED), c.pid);
		if (FRONT->ops->unshare(FRONT, (void *)(uintptr_t)d.page, 1)) {
			busy++;
		} else {
			/* It was between two copies: the next ones fail. */
			kill(c.pid, SIGCONT);
			child_kill(&c);
			d = device_new();
			c = child_start(copier, &d);
			ck_assert_int_eq(child_hear(&c), 1);
		}
		kill(c.pid, SIGCONT);
	}
	/* Nearly all of its time is in copies. */
	ck_assert_int_gt(busy, 5);
	child_kill(&c);
}
END_TEST

/* Notifiers killed at any point must not make the receiver deaf. */
static void shouter(struct child *parent, void *arg)
{
	struct hyper *h = doms_open(doms.back_id, HYPER_EVTCHN);
	struct device *d = arg;
	int port;

	MUST(h);
	port = h->ops->evtchn_bind(h, doms.front_id, (uint32_t)d->port);
	MUST(port > 0);
	child_tell(parent, 1);
	for (;;)
		MUST(!h->ops->evtchn_notify(h, (uint32_t)port));
}

START_TEST(killed_in_a_notify_deafens_nobody)
{
	struct device stable = device_new();
	struct child good = child_start(worker, &stable);

	ck_assert_int_eq(child_hear(&good), 1);
	await_event(stable.port);
	for (int i = 0; i < 30; i++) {
		struct device d = device_new();
		struct child c = child_start(shouter, &d);
		int port;

		ck_assert_int_eq(child_hear(&c), 1);
		for (int k = 0; k < 50; k++) {
			port = FRONT->ops->evtchn_next(FRONT);
			if (port > 0)
				FRONT->ops->evtchn_unmask(FRONT,
							  (uint32_t)port);
		}
		usleep((useconds_t)(i * 41 % 300));
		child_kill(&c);
		FRONT->ops->evtchn_notify(FRONT, (uint32_t)stable.port);
		await_event(stable.port);
	}
	child_kill(&good);
}
END_TEST

static void granter(struct child *parent, void *arg)
{
	struct hyper *h = doms_open(doms.front_id, HYPER_SHARE);
	uint32_t gref;
	char *p;

	(void)arg;
	MUST(h);
	p = h->ops->share(h, doms.back_id, 1, true, &gref);
	MUST(p);
	strcpy(p, "mine");
	child_tell(parent, (int)gref);
	for (;;)
		pause();
}

START_TEST(a_killed_granter_leaves_the_mapping)
{
	struct child c = child_start(granter, NULL);
	uint32_t gref = (uint32_t)child_hear(&c), other;
	char *q = doms.back->ops->map(doms.back, doms.front_id, &gref, 1, RW),
	     *p;

	ck_assert_ptr_nonnull(q);
	child_kill(&c);
	EVENTUALLY(copy_in(doms.back, doms.front_id, gref, own, 0, 8) < 0);
	ck_assert_str_eq(q, "mine");
	/* Its page is nobody else's until we let go. */
	for (int i = 0; i < 100; i++) {
		p = FRONT->ops->share(FRONT, doms.back_id, 1, true, &other);
		ck_assert_uint_ne(other, gref);
		strcpy(p, "yours");
	}
	ck_assert_str_eq(q, "mine");
	ck_assert_int_eq(doms.back->ops->unmap(doms.back, q, 1), 0);
}
END_TEST

/* A child that lives on must not keep its dead parent's handles alive. */
static void forker(struct child *parent, void *arg)
{
	struct hyper *h = doms_open(doms.back_id, HYPER_GRANT);
	struct device *d = arg;

	MUST(h && h->ops->map(h, doms.front_id, &d->gref, 1, RW));
	if (!fork()) {
		sleep(3);
		_exit(0);
	}
	child_tell(parent, 1);
	for (;;)
		pause();
}

START_TEST(a_grandchild_holds_nothing)
{
	struct device d = device_new();
	struct child c = child_start(forker, &d);
	int tries = 0;

	child_hear(&c);
	child_kill(&c);
	while (FRONT->ops->unshare(FRONT, (void *)(uintptr_t)d.page, 1)) {
		ck_assert_int_lt(++tries, 1000); /* sooner than it ends */
		usleep(1000);
	}
}
END_TEST

static void closer(struct child *parent, void *arg)
{
	(void)parent;
	(void)arg;
	/* All that a child may do with its parent's. */
	hyper_close(doms.front);
	hyper_close(doms.back);
	hyper_local_destroy(doms.machine);
}

START_TEST(a_child_may_close_what_it_inherits)
{
	struct device d = device_new();
	struct child c = child_start(closer, NULL);

	child_join(&c);
	/* Our own ones are as they were. */
	ck_assert_int_eq(copy_in(doms.back, doms.front_id, d.gref, own, 0, 8),
			 0);
	ck_assert_int_gt(doms.back->ops->evtchn_bind(doms.back, doms.front_id,
						     (uint32_t)d.port),
			 0);
	ck_assert_int_eq(doms.back->ops->write(doms.back, 0, "/x", "y"), 0);
	ck_assert_ptr_nonnull(doms_open(0, ALL));
}
END_TEST

/* ---- domains ---- */

START_TEST(a_destroyed_domain_leaves_its_mappings)
{
	struct device d = device_new();
	struct hyper_watch_event e;
	uint32_t gref;
	char *q = doms.back->ops->map(doms.back, doms.front_id, &d.gref, 1, RW);
	int b = doms.back->ops->evtchn_bind(doms.back, doms.front_id,
					    (uint32_t)d.port);

	d.page[0] = 42;
	ck_assert_int_eq(hyper_local_domain_destroy(doms.machine, 5), 0);
	ck_assert_int_eq(q[0], 42);
	q[1] = 1;
	ck_assert_int_eq(doms.back->ops->evtchn_notify(doms.back, (uint32_t)b),
			 0);
	ck_assert_int_lt(copy_in(doms.back, 5, d.gref, own, 0, 8), 0);
	ck_assert_ptr_null(doms.back->ops->map(doms.back, 5, &d.gref, 1, RW));
	/* Its own handles are of no use. */
	ck_assert_ptr_null(FRONT->ops->share(FRONT, 0, 1, true, &gref));
	ck_assert_int_lt(FRONT->ops->evtchn_alloc(FRONT, 0), 0);
	ck_assert_int_lt(FRONT->ops->evtchn_notify(FRONT, (uint32_t)d.port), 0);
	ck_assert_int_lt(FRONT->ops->write(FRONT, 0, "x", "y"), 0);
	ck_assert_ptr_null(FRONT->ops->read(FRONT, 0, "domid"));
	FRONT->ops->next_watch(FRONT, &e);
	ck_assert_ptr_null(doms_open(5, ALL));
	ck_assert_int_eq(doms.back->ops->unmap(doms.back, q, 1), 0);
}
END_TEST

/* State is kept by domain, not by its number. */
START_TEST(a_domid_comes_back_as_another)
{
	for (int i = 0; i < 100; i++) {
		struct device d = device_new();
		char *q = doms.back->ops->map(doms.back, 5, &d.gref, 1, RW);
		uint32_t gref = d.gref;

		ck_assert_ptr_nonnull(q);
		d.page[0] = (char)i;
		ck_assert_int_eq(hyper_local_domain_destroy(doms.machine, 5),
				 0);
		ck_assert_int_eq(hyper_local_domain_create(doms.machine, 5), 0);
		ck_assert_int_lt(copy_in(doms.back, 5, gref, own, 0, 8), 0);
		/* Every other time the old one's handle is open for longer. */
		if (i % 2)
			hyper_close(FRONT);
		FRONT = doms_open(5, ALL);
		ck_assert_ptr_nonnull(FRONT);
		d = device_new();
		d.page[0] = (char)(i + 1);
		ck_assert_int_eq(q[0], (char)i);
		ck_assert_int_eq(copy_in(doms.back, 5, d.gref, own, 0, 1), 0);
		ck_assert_int_eq(own[0], (char)(i + 1));
		ck_assert_int_eq(doms.back->ops->unmap(doms.back, q, 1), 0);
	}
}
END_TEST

START_TEST(many_domains)
{
	struct hyper *h[300];
	uint32_t gref;

	for (int i = 0; i < 300; i++) {
		uint16_t domid = (uint16_t)(100 + i);
		char *p;

		ck_assert_int_eq(hyper_local_domain_create(doms.machine, domid),
				 0);
		h[i] = doms_open(domid, ALL);
		ck_assert_ptr_nonnull(h[i]);
		p = h[i]->ops->share(h[i], 0, 1, true, &gref);
		p[0] = (char)i;
		ck_assert_int_eq(copy_in(doms.back, domid, gref, own, 0, 1), 0);
		ck_assert_int_eq(own[0], (char)i);
	}
	for (int i = 0; i < 300; i++)
		hyper_close(h[i]);
}
END_TEST

/* ---- races ---- */

static bool stop;

static bool stopped(void)
{
	return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

/* All of a page's one life: what is there from the start, zeroes. */
static bool of_one_life(const volatile char *page)
{
	for (unsigned int i = 0; i < PAGE; i++)
		if (page[i])
			return false;
	return true;
}

static void *copy_all_the_time(void *arg)
{
	struct hyper *h = doms_open(doms.back_id, HYPER_GRANT);
	uint32_t *gref = arg;
	char to[PAGE];

	while (!stopped()) {
		if (!copy_in(h, doms.front_id,
			     __atomic_load_n(gref, __ATOMIC_RELAXED), to, 0,
			     PAGE))
			ck_assert(of_one_life(to));
	}
	hyper_close(h);
	return NULL;
}

static void *map_all_the_time(void *arg)
{
	struct hyper *h = doms_open(doms.back_id, HYPER_GRANT);
	uint32_t *gref = arg, now;
	volatile char *q;

	while (!stopped()) {
		now = __atomic_load_n(gref, __ATOMIC_RELAXED);
		q = h->ops->map(h, doms.front_id, &now, 1, HYPER_READ);
		if (!q)
			continue;
		ck_assert(of_one_life(q));
		h->ops->unmap(h, (void *)(uintptr_t)q, 1);
		usleep(20); /* or it would never be given back */
	}
	hyper_close(h);
	return NULL;
}

/*
 * A page is zeroed when it is handed out, is never written by the one that
 * grants it to the user, and is written at once by the next one who gets it:
 * a use that outlives its grant sees that.
 */
START_TEST(revoking_races_with_use)
{
	void *(*const user)(void *) = _i ? map_all_the_time : copy_all_the_time;
	uint32_t told = 9, gref;
	pthread_t thread;
	char *p;

	ck_assert_int_eq(pthread_create(&thread, NULL, user, &told), 0);
	for (int i = 0; i < 3000; i++) {
		p = FRONT->ops->share(FRONT, doms.back_id, 1, true, &gref);
		ck_assert_ptr_nonnull(p);
		__atomic_store_n(&told, gref, __ATOMIC_RELAXED);
		while (FRONT->ops->unshare(FRONT, p, 1) == -EBUSY)
			sched_yield();
		p = FRONT->ops->share(FRONT, 77, 1, true, &gref);
		memset(p, 0xee, PAGE / 2);
		ck_assert_int_eq(FRONT->ops->unshare(FRONT, p, 1), 0);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}
END_TEST

static void *life_of_a_handle(void *arg)
{
	uint16_t domid = *(uint16_t *)arg;

	for (int i = 0; i < 60; i++) {
		struct hyper *h = doms_open(domid, ALL);
		uint32_t grefs[2], tx;

		ck_assert_ptr_nonnull(h);
		ck_assert_ptr_nonnull(h->ops->share(h, 0, 2, true, grefs));
		ck_assert_int_gt(h->ops->evtchn_alloc(h, 0), 0);
		ck_assert_int_eq(h->ops->watch(h, "x", "t"), 0);
		ck_assert_int_eq(h->ops->tx_start(h, &tx), 0);
		ck_assert_int_eq(h->ops->write(h, tx, "x", "1"), 0);
		hyper_close(h);
	}
	return NULL;
}

START_TEST(threads_open_and_close)
{
	uint16_t domid[4] = {0, 5, 6, 5};
	pthread_t thread[4];

	ck_assert_int_eq(hyper_local_domain_create(doms.machine, 6), 0);
	for (int i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, life_of_a_handle, &domid[i]);
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(hyper_local_domain_create(doms.machine, 9), 0);
		ck_assert_int_eq(hyper_local_domain_destroy(doms.machine, 9),
				 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
}
END_TEST

static void add_processes(TCase *t)
{
	tcase_add_test(t, a_killed_worker_can_be_replaced);
	tcase_add_test(t, killed_in_a_copy_leaves_no_use);
	tcase_add_test(t, a_copy_under_way_holds_the_page);
	tcase_add_test(t, killed_in_a_notify_deafens_nobody);
	tcase_add_test(t, a_killed_granter_leaves_the_mapping);
	tcase_add_test(t, a_grandchild_holds_nothing);
	tcase_add_test(t, a_child_may_close_what_it_inherits);
}

Suite *hyper_crash_suite(void)
{
	Suite *s = suite_create("hyper_crash");
	TCase *t = tcase_create("processes"), *d;

	tcase_add_checked_fixture(t, doms_setup, doms_teardown);
	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	tcase_add_test(t, works_across_processes);
	if (over_xen())
		return s;
	add_processes(t);
	d = tcase_create("domains");
	tcase_add_checked_fixture(d, doms_setup, doms_teardown);
	tcase_set_timeout(d, 120);
	tcase_add_test(d, a_destroyed_domain_leaves_its_mappings);
	tcase_add_test(d, a_domid_comes_back_as_another);
	tcase_add_test(d, many_domains);
	tcase_add_loop_test(d, revoking_races_with_use, 0, 2);
	tcase_add_test(d, threads_open_and_close);
	suite_add_tcase(s, d);
	return s;
}
