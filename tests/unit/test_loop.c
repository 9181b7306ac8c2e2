// SPDX-License-Identifier: MIT
/* The worker's loop: a guest that calls for nothing is listened to less. */
#include "hyper_doms.h"
#include "suites.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "backend/worker/loop.h"
#include "backend/worker/window.h"

/* More than the loop lets pass in a row. */
#define STORM 200u

static struct {
	struct loop *loop;
	struct loop_port port;
	struct loop_work work;
	uint32_t front; /* the guest's end */
	unsigned int events;
	unsigned int todo; /* turns that find work */
	atomic_bool stop;
} t;

static void event(struct loop_port *port)
{
	(void)port;
	t.events++;
}

static bool run(struct loop_work *work)
{
	(void)work;
	if (!t.todo)
		return false;
	t.todo--;
	return true;
}

static void notify(void)
{
	ck_assert_int_eq(doms.front->ops->evtchn_notify(doms.front, t.front),
			 0);
}

static void turn(bool may_sleep)
{
	ck_assert_int_eq(loop_turn(t.loop, may_sleep), 0);
}

static void setup(void)
{
	int front;

	doms_setup();
	memset(&t, 0, sizeof(t));
	t.loop = loop_new(doms.back);
	ck_assert(t.loop);
	front = doms.front->ops->evtchn_alloc(doms.front, doms.back_id);
	ck_assert_int_gt(front, 0);
	t.front = (uint32_t)front;
	t.port.event = event;
	ck_assert_int_eq(loop_bind(t.loop, &t.port, doms.front_id, t.front), 0);
	t.work.run = run;
	loop_work_add(t.loop, &t.work);
	turn(false); /* the event of the binding */
	t.events = 0;
}

static void teardown(void)
{
	loop_work_del(t.loop, &t.work);
	loop_unbind(t.loop, &t.port);
	loop_free(t.loop);
	doms_teardown();
}

/* One event a turn, without sleeping: those that came. */
static unsigned int calls(unsigned int n)
{
	unsigned int before = t.events;

	while (n--) {
		notify();
		turn(false);
	}
	return t.events - before;
}

/* Each call comes at once as long as some are for something. */
START_TEST(calls_for_work_are_heard)
{
	for (unsigned int n = 0; n < STORM; n++) {
		t.todo = 1;
		ck_assert_uint_eq(calls(20), 20);
	}
}
END_TEST

/* One that comes while nobody listens comes later, by itself. */
START_TEST(call_in_a_storm_is_late_not_lost)
{
	unsigned int before, n;

	ck_assert_uint_lt(calls(STORM), STORM);
	for (unsigned int round = 0; round < 20; round++) {
		notify();
		before = t.events;
		for (n = 0; n < 5 && t.events == before; n++)
			turn(true);
		ck_assert_uint_gt(t.events, before);
	}
	/* And for something: all is as before. */
	usleep(20000);
	t.todo = 1;
	turn(false);
	ck_assert_uint_eq(calls(20), 20);
}
END_TEST

static void *flood(void *arg)
{
	while (!atomic_load(&t.stop))
		doms.front->ops->evtchn_notify(doms.front, t.front);
	return arg;
}

/* XSA-332: half a second of it costs some dozen turns, not all there is. */
START_TEST(storm_is_throttled)
{
	unsigned int turns = 0;
	pthread_t thread;
	uint64_t end;

	ck_assert_int_eq(pthread_create(&thread, NULL, flood, NULL), 0);
	while (t.events <= 64)
		turn(true);
	for (end = loop_now() + 500; loop_now() < end; turns++)
		turn(true);
	atomic_store(&t.stop, true);
	pthread_join(thread, NULL);
	/* 36 times up to 16 ms, some turns each. */
	ck_assert_uint_lt(turns, 400);
	ck_assert_uint_lt(t.events, 3000);
}
END_TEST

START_TEST(window_follows_the_guest)
{
	struct window w = {.max = 50};

	/* It comes 40 after it was served: that would have been seen. */
	ck_assert(window_open(&w, true, 1000));
	ck_assert(!window_open(&w, false, 1000));
	window_slept(&w, 1040);
	ck_assert(window_open(&w, true, 1041));
	ck_assert(window_open(&w, false, 1100));
	ck_assert(window_open(&w, false, 1149));
	/* Seen: it counts anew. */
	ck_assert(window_open(&w, true, 1149));
	ck_assert(window_open(&w, false, 1150));
	ck_assert(window_open(&w, false, 1199));
	ck_assert(!window_open(&w, false, 1200));
	/* 50 after: that would not. */
	window_slept(&w, 1200);
	ck_assert(window_open(&w, true, 1201));
	ck_assert(!window_open(&w, false, 1300));
}
END_TEST

START_TEST(loop_polls_and_hears)
{
	unsigned int n, before;

	loop_poll(t.loop, UINT32_MAX);
	notify();
	turn(true); /* sleeps, shortly */
	/* Nothing happens, and nobody sleeps. */
	for (n = 0; n < 1000; n++)
		turn(true);
	notify();
	before = t.events;
	while (t.events == before)
		turn(true);
	/* It works without a pause, and hears nevertheless. */
	notify();
	before = t.events;
	while (t.events == before) {
		t.todo = 1;
		turn(true);
	}
}
END_TEST

Suite *loop_suite(void)
{
	Suite *s = suite_create("loop");
	TCase *tc = tcase_create("storm");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, calls_for_work_are_heard);
	tcase_add_test(tc, call_in_a_storm_is_late_not_lost);
	tcase_add_test(tc, storm_is_throttled);
	suite_add_tcase(s, tc);
	tc = tcase_create("poll");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, window_follows_the_guest);
	tcase_add_test(tc, loop_polls_and_hears);
	suite_add_tcase(s, tc);
	return s;
}
