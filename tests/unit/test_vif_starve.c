// SPDX-License-Identifier: MIT
/* Guests that post no receive slots, and the timers that this may set. */
#include "netframe.h"
#include "suites.h"
#include "vifcase.h"

#include "backend/vif/queue.h"

#include <string.h>
#include <unistd.h>

static struct vif_queue *first(void)
{
	return &rig.vif->queue[0];
}

static void send_one(uint32_t len)
{
	netframe_plain(sent, len, len);
	ck_assert(rig_write(&rig, NULL, sent, len));
}

static void nothing(struct loop_timer *timer)
{
	(void)timer;
}

/* The loop as it runs in earnest, for @ms. Returns how often it woke. */
static unsigned int sleep_in_loop(unsigned int ms)
{
	uint64_t end = loop_now() + ms;
	struct loop_timer stop = {.expired = nothing};
	unsigned int n = 0;

	loop_timer_set(rig.worker.loop, &stop, end);
	for (; loop_now() < end; n++)
		ck_assert_int_eq(loop_turn(rig.worker.loop, true), 0);
	loop_timer_cancel(&stop);
	return n;
}

/* As a guest of the late kind; @drain and @stall shorter than in earnest. */
static void impatient(unsigned int drain, unsigned int stall)
{
	rig.vif->drain_ms = drain;
	rig.vif->stall_ms = stall;
}

START_TEST(defaults_follow_rx_notify)
{
	ck_assert_uint_eq(rig.vif->drain_ms, 10000);
	ck_assert_uint_eq(rig.vif->stall_ms, 60000);
	rig_disconnect(&rig);
	rig.guest.rx_notify = false;
	rig_connect(&rig);
	ck_assert_uint_eq(rig.vif->drain_ms, 30);
	ck_assert_uint_eq(rig.vif->stall_ms, 0);
}
END_TEST

/* Carrier off after the long while, frames dropped after each short one. */
START_TEST(stall_takes_the_carrier)
{
	for (int round = 0; round < 2; round++) {
		uint64_t stalls = rig_count(&rig, VIF_RX_STALLS);

		impatient(20, 100);
		send_one(100);
		while (rig_count(&rig, VIF_RX_STALLS) == stalls) {
			ck_assert(rig_has_carrier(RIG_NAME));
			sleep_in_loop(1);
		}
		ck_assert(!rig_has_carrier(RIG_NAME));
		ck_assert_uint_ge(rig_count(&rig, VIF_RX_DRAINED), 1);
		/* Nothing wakes it now but a slot: one is enough. */
		ck_assert(!first()->starve.set);
		sleep_in_loop(5);
		ck_assert_uint_eq(rig.u->rx.ring.shared->req_event,
				  rig.u->rx.req_prod + 1);
		usernet_post(rig.u, 1);
		usernet_push(rig.u);
		sleep_in_loop(1);
		ck_assert(rig_has_carrier(RIG_NAME));
		ck_assert_uint_eq(first()->starved_since, 0);
		usleep(50000);
		send_one(77);
		ck_assert(rig_receive(&rig, &frame));
		ck_assert_uint_eq(frame.len, 77);
	}
	ck_assert_uint_eq(rig_count(&rig, VIF_RX_STALLS), 2);
}
END_TEST

/* Slots in time: no carrier is lost, no timer is left. */
START_TEST(slots_in_time)
{
	impatient(1000, 3000);
	send_one(100);
	sleep_in_loop(5);
	ck_assert(first()->starve.set);
	usernet_post(rig.u, 10);
	usernet_push(rig.u);
	ck_assert(rig_receive(&rig, &frame));
	ck_assert_mem_eq(frame.data, sent, 100);
	ck_assert(!first()->starve.set);
	ck_assert_uint_eq(rig_count(&rig, VIF_RX_STARVED), 1);
	ck_assert_uint_eq(rig_count(&rig, VIF_RX_DRAINED), 0);
}
END_TEST

/* No word of new slots from the guest: they are found nevertheless. */
START_TEST(guest_that_does_not_notify)
{
	rig_disconnect(&rig);
	rig.guest.rx_notify = false;
	rig_connect(&rig);
	send_one(100);
	sleep_in_loop(5);
	usernet_post(rig.u, 10);
	xpv_front_push(&rig.u->rx);
	sleep_in_loop(40);
	ck_assert_int_eq(usernet_receive(rig.u, &frame), 1);
	ck_assert_uint_eq(frame.len, 100);
	ck_assert(!first()->starve.set);
	/* And what waits too long is dropped, and the carrier stays. */
	while (usernet_receive(rig.u, &frame) == 1)
		;
	for (int i = 0; i < 30; i++)
		send_one(100);
	sleep_in_loop(40);
	while (usernet_receive(rig.u, &frame) == 1)
		;
	ck_assert_uint_ge(rig_count(&rig, VIF_RX_DRAINED), 20);
	ck_assert(rig_has_carrier(RIG_NAME));
	ck_assert(!first()->starve.set);
}
END_TEST

/* Disconnecting while stalled, and a new life with its carrier. */
START_TEST(stalled_life_ends)
{
	impatient(10, 30);
	send_one(100);
	while (!first()->stalled)
		sleep_in_loop(1);
	rig_disconnect(&rig);
	ck_assert(!first()->starve.set);
	rig_connect(&rig);
	ck_assert(rig_has_carrier(RIG_NAME));
	ck_assert_uint_eq(rig.vif->nr_stalled, 0);
}
END_TEST

/*
 * A guest that does nothing costs nothing: once its memory is released, the
 * loop sleeps until something happens.
 */
START_TEST(idle_is_without_timers)
{
	usernet_post(rig.u, USERNET_SLOTS);
	usernet_push(rig.u);
	for (int i = 0; i < 10; i++) {
		send_one(60);
		ck_assert(rig_receive(&rig, &frame));
	}
	sleep_in_loop(5);
	ck_assert(first()->release.set);
	sleep_in_loop(2200);
	ck_assert(!first()->release.set);
	ck_assert(!first()->starve.set);
	ck_assert(!rig.vif->credit.timer.set);
	/* Two turns: one to arm, and one that the test's own timer ends. */
	ck_assert_uint_le(sleep_in_loop(2500), 2);
	send_one(60);
	ck_assert(rig_receive(&rig, &frame));
}
END_TEST

/* Two queues, of which one starves: the carrier goes and comes with it. */
START_TEST(one_queue_of_two_stalls)
{
	rig.guest.nr_queues = 2;
	rig_connect_only(&rig);
	impatient(10, 30);
	for (unsigned int i = 0; i < 2; i++)
		vif_starve(&rig.vif->queue[i]);
	while (rig.vif->nr_stalled < 2)
		sleep_in_loop(1);
	ck_assert(!rig_has_carrier(RIG_NAME));
	usernet_post(rig.queue[1], 1);
	usernet_push(rig.queue[1]);
	rig_turns(&rig, 2);
	ck_assert(!rig_has_carrier(RIG_NAME));
	usernet_post(rig.queue[0], 1);
	usernet_push(rig.queue[0]);
	rig_turns(&rig, 2);
	ck_assert(rig_has_carrier(RIG_NAME));
}
END_TEST

Suite *vif_starve_suite(void)
{
	Suite *s = suite_create("vif_starve");
	TCase *tc = rig_case(s, "starve", RIG_INSIDE);
	TCase *queues = rig_case(s, "queues", RIG_QUEUED);

	if (!tc)
		return s;
	tcase_add_test(tc, defaults_follow_rx_notify);
	tcase_add_test(tc, stall_takes_the_carrier);
	tcase_add_test(tc, slots_in_time);
	tcase_add_test(tc, guest_that_does_not_notify);
	tcase_add_test(tc, stalled_life_ends);
	tcase_add_test(tc, idle_is_without_timers);
	tcase_add_test(queues, one_queue_of_two_stalls);
	return s;
}
