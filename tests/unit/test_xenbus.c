// SPDX-License-Identifier: MIT
/* The state tables and the table of keys. */
#include "suites.h"

#include "ring/xenbus.h"

#include <stdio.h>
#include <xen/xen.h>
#include <xen/io/xenbus.h>

START_TEST(states_are_xens)
{
	ck_assert_int_eq(XPV_STATE_INIT_WAIT, XenbusStateInitWait);
	ck_assert_int_eq(XPV_STATE_CONNECTED, XenbusStateConnected);
	ck_assert_int_eq(XPV_STATE_CLOSED, XenbusStateClosed);
	ck_assert_int_eq(XPV_STATE_RECONFIGURED, XenbusStateReconfigured);
	for (int s = 0; s < XPV_STATES; s++)
		ck_assert_ptr_nonnull(xpv_state_name((enum xpv_state)s));
	ck_assert_str_eq(xpv_state_name((enum xpv_state)9), "invalid");
	ck_assert_str_eq(xpv_state_name((enum xpv_state) - 1), "invalid");
}
END_TEST

/*
 * Both ends by their tables alone: @publishes is the front's state after it
 * has published (block 3, net 4). Each step lets one end react to the other.
 */
struct pair {
	enum xpv_state back, front;
	enum xpv_state publishes;
};

static void back_step(struct pair *p)
{
	switch (xpv_back_action(p->back, p->front)) {
	case XPV_DO_INIT:
		p->back = XPV_STATE_INIT_WAIT;
		break;
	case XPV_DO_CONNECT:
		p->back = XPV_STATE_CONNECTED;
		break;
	case XPV_DO_CLOSE:
		p->back = XPV_STATE_CLOSING;
		break;
	case XPV_DO_CLOSED:
		p->back = XPV_STATE_CLOSED;
		break;
	case XPV_DO_RECONFIGURE:
		p->back = XPV_STATE_RECONFIGURED;
		break;
	default:
		break;
	}
}

static void front_step(struct pair *p)
{
	switch (xpv_front_action(p->front, p->back)) {
	case XPV_DO_PUBLISH:
		p->front = p->publishes;
		break;
	case XPV_DO_CONNECT:
		p->front = XPV_STATE_CONNECTED;
		break;
	case XPV_DO_CLOSE:
	case XPV_DO_CLOSED:
		p->front = XPV_STATE_CLOSED;
		break;
	default:
		break;
	}
}

static void settle(struct pair *p)
{
	struct pair before;

	do {
		before = *p;
		back_step(p);
		front_step(p);
	} while (before.back != p->back || before.front != p->front);
}

static const enum xpv_state kinds[] = {XPV_STATE_INITIALISED,
				       XPV_STATE_CONNECTED};

START_TEST(toolstack_start_ends_connected)
{
	struct pair p = {XPV_STATE_INITIALISING, XPV_STATE_INITIALISING,
			 kinds[_i]};

	settle(&p);
	ck_assert_int_eq(p.back, XPV_STATE_CONNECTED);
	ck_assert_int_eq(p.front, XPV_STATE_CONNECTED);
}
END_TEST

START_TEST(unplug_ends_closed)
{
	struct pair p = {XPV_STATE_CLOSING, XPV_STATE_CONNECTED, kinds[_i]};

	settle(&p);
	ck_assert_int_eq(p.back, XPV_STATE_CLOSED);
	ck_assert_int_eq(p.front, XPV_STATE_CLOSED);
}
END_TEST

/* The front closes, and a new life starts with its Initialising. */
START_TEST(front_closes_and_comes_back)
{
	struct pair p = {XPV_STATE_CONNECTED, XPV_STATE_CLOSING, kinds[_i]};

	back_step(&p);
	ck_assert_int_eq(p.back, XPV_STATE_CLOSING);
	p.front = XPV_STATE_CLOSED;
	back_step(&p);
	ck_assert_int_eq(p.back, XPV_STATE_CLOSED);
	p.front = XPV_STATE_INITIALISING;
	settle(&p);
	ck_assert_int_eq(p.back, XPV_STATE_CONNECTED);
	ck_assert_int_eq(p.front, XPV_STATE_CONNECTED);
}
END_TEST

/* A Windows front runs a whole close before it ever connects. */
START_TEST(close_cycle_before_connecting)
{
	struct pair p = {XPV_STATE_INIT_WAIT, XPV_STATE_CLOSING, kinds[_i]};

	back_step(&p);
	ck_assert_int_eq(p.back, XPV_STATE_CLOSING);
	p.front = XPV_STATE_CLOSED;
	back_step(&p);
	ck_assert_int_eq(p.back, XPV_STATE_CLOSED);
	p.front = XPV_STATE_INITIALISING;
	back_step(&p);
	ck_assert_int_eq(p.back, XPV_STATE_INIT_WAIT);
	settle(&p);
	ck_assert_int_eq(p.back, XPV_STATE_CONNECTED);
}
END_TEST

/* A front that starts over without closing (kexec, reset). */
START_TEST(front_starts_over)
{
	struct pair p = {XPV_STATE_CONNECTED, XPV_STATE_INITIALISING,
			 kinds[_i]};

	back_step(&p);
	ck_assert_int_eq(p.back, XPV_STATE_CLOSED);
	settle(&p);
	ck_assert_int_eq(p.back, XPV_STATE_CONNECTED);
	ck_assert_int_eq(p.front, XPV_STATE_CONNECTED);
}
END_TEST

/* A front that has changed a key, and back; and one that closes meanwhile. */
START_TEST(front_reconfigures)
{
	struct pair p = {XPV_STATE_CONNECTED, XPV_STATE_RECONFIGURING,
			 kinds[_i]};

	back_step(&p);
	ck_assert_int_eq(p.back, XPV_STATE_RECONFIGURED);
	front_step(&p);
	ck_assert_int_eq(p.front, XPV_STATE_CONNECTED);
	settle(&p);
	ck_assert_int_eq(p.back, XPV_STATE_CONNECTED);
	ck_assert_int_eq(p.front, XPV_STATE_CONNECTED);

	p.front = XPV_STATE_RECONFIGURING;
	p.back = XPV_STATE_CLOSING;
	front_step(&p);
	ck_assert_int_eq(p.front, XPV_STATE_CLOSED);
}
END_TEST

START_TEST(states_out_of_range_are_refused)
{
	for (int s = XPV_STATES; s < 300; s += 7) {
		ck_assert_int_eq(xpv_back_action(XPV_STATE_CONNECTED,
						 (enum xpv_state)s),
				 XPV_DO_REFUSE);
		ck_assert_int_eq(xpv_front_action((enum xpv_state)s,
						  XPV_STATE_CONNECTED),
				 XPV_DO_REFUSE);
	}
}
END_TEST

START_TEST(numbers_are_strict)
{
	static const char *const bad[] = {"",	 "-1",	"+1", " 1",  "1 ", "8x",
					  "0x8", "1.0", "\n", "1\n", "one"};
	uint64_t value;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(xpv_key_parse(XPV_KEY_MQ_NUM_QUEUES, bad[i],
					       &value),
				 XPV_KEY_NOT_A_NUMBER);
	ck_assert_int_eq(xpv_key_parse(XPV_KEY_MQ_NUM_QUEUES, "0", &value),
			 XPV_KEY_OUT_OF_RANGE);
	ck_assert_int_eq(xpv_key_parse(XPV_KEY_MQ_NUM_QUEUES,
				       "18446744073709551616", &value),
			 XPV_KEY_OUT_OF_RANGE);
	ck_assert_int_eq(xpv_key_parse(XPV_KEY_MQ_NUM_QUEUES,
				       "99999999999999999999999", &value),
			 XPV_KEY_OUT_OF_RANGE);
	ck_assert_int_eq(xpv_key_parse(XPV_KEY_MQ_NUM_QUEUES, "4", &value),
			 XPV_KEY_OK);
	ck_assert_uint_eq(value, 4);
	ck_assert_int_eq(xpv_key_parse(XPV_KEY_RING_REF, "4294967295", &value),
			 XPV_KEY_OK);
	ck_assert_int_eq(xpv_key_parse(XPV_KEY_RING_REF, "4294967296", &value),
			 XPV_KEY_OUT_OF_RANGE);
	/* bits: an unknown one does not spoil those that we know */
	ck_assert_int_eq(xpv_key_parse(XPV_KEY_INFO, "12", &value), XPV_KEY_OK);
	ck_assert_uint_eq(value, 12);
	ck_assert_int_eq(xpv_key_parse(XPV_KEY_RING_ORDER, "5", &value),
			 XPV_KEY_OUT_OF_RANGE);
}
END_TEST

START_TEST(absent_keys)
{
	uint64_t value = 99;

	ck_assert_int_eq(xpv_key_parse(XPV_KEY_EVENT_CHANNEL, NULL, &value),
			 XPV_KEY_MISSING);
	ck_assert_int_eq(xpv_key_parse(XPV_KEY_TRUSTED, NULL, &value),
			 XPV_KEY_OK);
	ck_assert_uint_eq(value, 1);
	ck_assert_int_eq(xpv_key_parse(XPV_KEY_MTU, NULL, &value), XPV_KEY_OK);
	ck_assert_uint_eq(value, 1500);
}
END_TEST

START_TEST(keys_are_sane)
{
	for (int i = 0; i < XPV_KEY_COUNT; i++) {
		const struct xpv_key_desc *k = &xpv_keys[i];

		ck_assert_ptr_nonnull(k->name);
		ck_assert_uint_le(k->min, k->max);
		if (k->def >= 0 && k->type != XPV_TYPE_TEXT)
			ck_assert_uint_le((uint64_t)k->def, k->max);
		for (int j = 0; j < i; j++)
			ck_assert_str_ne(k->name, xpv_keys[j].name);
	}
}
END_TEST

Suite *xenbus_suite(void)
{
	Suite *s = suite_create("xenbus");
	TCase *t = tcase_create("tables");

	tcase_add_test(t, states_are_xens);
	tcase_add_loop_test(t, toolstack_start_ends_connected, 0, 2);
	tcase_add_loop_test(t, unplug_ends_closed, 0, 2);
	tcase_add_loop_test(t, front_closes_and_comes_back, 0, 2);
	tcase_add_loop_test(t, close_cycle_before_connecting, 0, 2);
	tcase_add_loop_test(t, front_starts_over, 0, 2);
	tcase_add_loop_test(t, front_reconfigures, 0, 2);
	tcase_add_test(t, states_out_of_range_are_refused);
	tcase_add_test(t, numbers_are_strict);
	tcase_add_test(t, absent_keys);
	tcase_add_test(t, keys_are_sane);
	suite_add_tcase(s, t);
	return s;
}
