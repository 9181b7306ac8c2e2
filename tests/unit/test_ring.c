// SPDX-License-Identifier: MIT
/*
 * The ring engine, against itself, against Xen's own macros and against peers
 * that write what they like into the shared page.
 */
#include "suites.h"

#include "ring/ring.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#define mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#include <xen/xen.h>
#include <xen/io/ring.h>

struct word_req {
	uint64_t value;
	uint64_t pad;
};
struct word_rsp {
	uint64_t value;
};
DEFINE_RING_TYPES(word, struct word_req, struct word_rsp);

#define SLOT sizeof(struct word_req)

static _Alignas(4096) uint8_t page[4096];
static struct xpv_front front;
static struct xpv_back back;

static void fresh(void)
{
	memset(page, 0, sizeof(page));
	xpv_front_init(&front, page, sizeof(page), SLOT);
	ck_assert_int_eq(xpv_back_attach(&back, page, sizeof(page), SLOT), 0);
}

/* A ring on which both indices stand at @start, all answered. */
static void fresh_at(uint32_t start)
{
	fresh();
	front.req_prod = front.req_pushed = front.rsp_cons = start;
	front.ring.shared->req_prod = front.ring.shared->rsp_prod = start;
	front.ring.shared->req_event = front.ring.shared->rsp_event = start + 1;
	ck_assert_int_eq(xpv_back_attach(&back, page, sizeof(page), SLOT), 0);
}

static void fill(uint64_t value)
{
	struct word_req req = {.value = value};

	memcpy(xpv_front_request(&front), &req, sizeof(req));
}

static uint64_t take(void)
{
	struct word_req req;

	xpv_back_take(&back, &req, sizeof(req));
	return req.value;
}

static void answer(uint64_t value)
{
	struct word_rsp rsp = {.value = value};

	xpv_back_put(&back, &rsp, sizeof(rsp));
}

START_TEST(entries_are_those_of_the_protocol)
{
	/* xen/io/blkif.h and netif.h: slots of one page and of 16 pages */
	ck_assert_uint_eq(xpv_ring_entries(4096, 112), 32);
	ck_assert_uint_eq(xpv_ring_entries(4096, 108), 32);
	ck_assert_uint_eq(xpv_ring_entries(16 * 4096, 112), 512);
	ck_assert_uint_eq(xpv_ring_entries(4096, 12), 256);
	ck_assert_uint_eq(xpv_ring_entries(4096, 8), 256);
	ck_assert_uint_eq(xpv_ring_entries(4096, 16), 128);
	ck_assert_uint_eq(xpv_ring_entries(64, 8), 0);
	ck_assert_uint_eq(xpv_ring_entries(65, 8), 0);
	ck_assert_uint_eq(xpv_ring_entries(4096, 0), 0);
}
END_TEST

/* Requests and responses in order through the wrap of the 32-bit indices. */
START_TEST(goes_round_the_wrap)
{
	static const uint32_t starts[] = {0, 100, 0xffffff00u, 0xffffffffu};

	fresh_at(starts[_i]);
	for (uint64_t n = 0; n < 5000;) {
		unsigned int batch = 1 + (unsigned int)(n % 97);

		if (batch > xpv_front_room(&front))
			batch = xpv_front_room(&front);
		for (unsigned int i = 0; i < batch; i++)
			fill(n + i);
		xpv_front_push(&front);
		ck_assert_int_eq(xpv_back_pending(&back), (int)batch);
		for (unsigned int i = 0; i < batch; i++) {
			ck_assert_uint_eq(take(), n + i);
			answer(~(n + i));
		}
		xpv_back_push(&back);
		ck_assert_int_eq(xpv_front_pending(&front), (int)batch);
		for (unsigned int i = 0; i < batch; i++) {
			struct word_rsp rsp;

			xpv_front_take(&front, &rsp, sizeof(rsp));
			ck_assert_uint_eq(rsp.value, ~(n + i));
		}
		n += batch;
	}
	ck_assert_uint_eq(xpv_front_room(&front), front.ring.entries);
}
END_TEST

START_TEST(full_ring_has_no_room)
{
	fresh();
	while (xpv_front_room(&front))
		fill(1);
	xpv_front_push(&front);
	ck_assert_int_eq(xpv_back_pending(&back), (int)back.ring.entries);
	ck_assert_uint_eq(xpv_front_room(&front), 0);
}
END_TEST

START_TEST(abandoned_requests_are_never_seen)
{
	fresh();
	fill(1);
	xpv_front_push(&front);
	fill(2);
	xpv_front_abandon(&front);
	fill(3);
	xpv_front_push(&front);
	ck_assert_int_eq(xpv_back_pending(&back), 2);
	ck_assert_uint_eq(take(), 1);
	ck_assert_uint_eq(take(), 3);
}
END_TEST

/* XSA-38, XSA-86: too far ahead, behind, and both across the wrap. */
START_TEST(back_refuses_impossible_req_prod)
{
	static const uint32_t starts[] = {0, 7, 0x80000000u, 0xfffffff0u};
	uint32_t start = starts[_i];
	uint32_t size;

	fresh_at(start);
	size = back.ring.entries;
	for (uint32_t ahead = 0; ahead <= size; ahead++) {
		back.ring.shared->req_prod = start + ahead;
		ck_assert_int_eq(xpv_back_pending(&back), (int)ahead);
	}
	for (uint32_t bits = 0; bits < 32; bits++) {
		back.ring.shared->req_prod = start + size + (1u << bits);
		ck_assert_int_eq(xpv_back_pending(&back), XPV_RING_BROKEN);
		back.ring.shared->req_prod = start - (1u << bits);
		ck_assert_int_eq(xpv_back_pending(&back), XPV_RING_BROKEN);
		ck_assert_int_eq(xpv_back_final_check(&back), XPV_RING_BROKEN);
	}
}
END_TEST

START_TEST(back_counts_unanswered_against_the_size)
{
	uint32_t size;

	fresh();
	size = back.ring.entries;
	for (uint32_t i = 0; i < size; i++)
		fill(i);
	xpv_front_push(&front);
	for (uint32_t i = 0; i < 10; i++)
		take();
	ck_assert_uint_eq(xpv_back_unanswered(&back), 10);
	/* Ten taken, none answered: no slot can have been refilled. */
	back.ring.shared->req_prod += 1;
	ck_assert_int_eq(xpv_back_pending(&back), XPV_RING_BROKEN);
	answer(0);
	ck_assert_int_eq(xpv_back_pending(&back), (int)size - 10 + 1);
}
END_TEST

START_TEST(front_refuses_impossible_rsp_prod)
{
	fresh_at(0xfffffff8u);
	for (int i = 0; i < 20; i++)
		fill(1);
	xpv_front_push(&front);
	for (uint32_t n = 0; n <= 20; n++) {
		front.ring.shared->rsp_prod = 0xfffffff8u + n;
		ck_assert_int_eq(xpv_front_pending(&front), (int)n);
	}
	front.ring.shared->rsp_prod = 0xfffffff8u + 21;
	ck_assert_int_eq(xpv_front_pending(&front), XPV_RING_BROKEN);
	front.ring.shared->rsp_prod = 0xfffffff7u;
	ck_assert_int_eq(xpv_front_pending(&front), XPV_RING_BROKEN);
	ck_assert_int_eq(xpv_front_final_check(&front), XPV_RING_BROKEN);
}
END_TEST

/* Requests filled and not pushed cannot have been answered. */
START_TEST(front_counts_only_what_it_pushed)
{
	fresh();
	fill(1);
	front.ring.shared->rsp_prod = 1;
	ck_assert_int_eq(xpv_front_pending(&front), XPV_RING_BROKEN);
}
END_TEST

START_TEST(back_goes_on_where_its_predecessor_was)
{
	struct xpv_back next;

	fresh();
	for (int i = 0; i < 8; i++)
		fill((uint64_t)i);
	xpv_front_push(&front);
	for (int i = 0; i < 5; i++)
		take();
	answer(0);
	answer(1);
	xpv_back_push(&back);
	answer(2); /* not pushed: the front has not seen it */
	ck_assert_int_eq(xpv_back_attach(&next, page, sizeof(page), SLOT), 0);
	ck_assert_int_eq(xpv_back_pending(&next), 6);
	front.ring.shared->req_prod = 2 + next.ring.entries + 1;
	ck_assert_int_eq(xpv_back_attach(&next, page, sizeof(page), SLOT),
			 XPV_RING_BROKEN);
}
END_TEST

START_TEST(notifies_only_when_asked)
{
	fresh();
	fill(0);
	ck_assert(xpv_front_push(&front)); /* req_event starts at 1 */
	fill(1);
	ck_assert(!xpv_front_push(&front)); /* the back is awake */
	ck_assert(!xpv_front_push(&front)); /* nothing new */
	take();
	ck_assert_int_eq(xpv_back_final_check(&back), 1);
	take();
	ck_assert_int_eq(xpv_back_final_check(&back), 0);
	fill(2);
	ck_assert(xpv_front_push(&front));
	answer(0);
	ck_assert(xpv_back_push(&back));
	answer(1);
	ck_assert(!xpv_back_push(&back));
}
END_TEST

/* Wake me when there are @more, not before. */
START_TEST(final_check_at_waits_for_a_number)
{
	fresh();
	ck_assert_int_eq(xpv_back_final_check_at(&back, 3), 0);
	fill(0);
	ck_assert(!xpv_front_push(&front));
	ck_assert_int_eq(xpv_back_final_check_at(&back, 3), 1);
	fill(1);
	ck_assert(!xpv_front_push(&front));
	fill(2);
	ck_assert(xpv_front_push(&front));
	ck_assert_int_eq(xpv_back_final_check_at(&back, 3), 3);
}
END_TEST

/* Xen's front macros with our back half. */
START_TEST(speaks_with_xens_front)
{
	word_front_ring_t xf;
	word_sring_t *sring = (word_sring_t *)page;
	int notify;

	memset(page, 0, sizeof(page));
	SHARED_RING_INIT(sring);
	FRONT_RING_INIT(&xf, sring, sizeof(page));
	ck_assert_int_eq(xpv_back_attach(&back, page, sizeof(page), SLOT), 0);
	ck_assert_uint_eq(RING_SIZE(&xf), back.ring.entries);
	for (uint64_t n = 0; n < 3000; n++) {
		int more;

		RING_GET_REQUEST(&xf, xf.req_prod_pvt)->value = n;
		xf.req_prod_pvt++;
		RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&xf, notify);
		ck_assert(notify);
		ck_assert_int_eq(xpv_back_pending(&back), 1);
		ck_assert_uint_eq(take(), n);
		answer(n + 1);
		ck_assert(xpv_back_push(&back));
		ck_assert_int_eq(xpv_back_final_check(&back), 0);
		ck_assert(RING_HAS_UNCONSUMED_RESPONSES(&xf));
		ck_assert_uint_eq(RING_GET_RESPONSE(&xf, xf.rsp_cons)->value,
				  n + 1);
		xf.rsp_cons++;
		RING_FINAL_CHECK_FOR_RESPONSES(&xf, more);
		ck_assert(!more);
	}
}
END_TEST

/* Our front half with Xen's back macros. */
START_TEST(speaks_with_xens_back)
{
	word_back_ring_t xb;
	int notify, more;

	fresh();
	BACK_RING_INIT(&xb, (word_sring_t *)page, sizeof(page));
	for (uint64_t n = 0; n < 3000; n++) {
		struct word_rsp rsp;

		fill(n);
		ck_assert(xpv_front_push(&front));
		ck_assert(RING_HAS_UNCONSUMED_REQUESTS(&xb));
		ck_assert_uint_eq(RING_GET_REQUEST(&xb, xb.req_cons)->value, n);
		xb.req_cons++;
		RING_GET_RESPONSE(&xb, xb.rsp_prod_pvt)->value = n + 1;
		xb.rsp_prod_pvt++;
		RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&xb, notify);
		ck_assert(notify);
		RING_FINAL_CHECK_FOR_REQUESTS(&xb, more);
		ck_assert(!more);
		ck_assert_int_eq(xpv_front_pending(&front), 1);
		xpv_front_take(&front, &rsp, sizeof(rsp));
		ck_assert_uint_eq(rsp.value, n + 1);
		ck_assert_int_eq(xpv_front_final_check(&front), 0);
	}
}
END_TEST

/*
 * Two threads that sleep whenever the engine says so: a lost wake-up shows
 * as a time-out of the test.
 */
#define THREAD_REQUESTS 200000u

struct gate {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool rung;
};

static struct gate to_back = {PTHREAD_MUTEX_INITIALIZER,
			      PTHREAD_COND_INITIALIZER, false};
static struct gate to_front = {PTHREAD_MUTEX_INITIALIZER,
			       PTHREAD_COND_INITIALIZER, false};

static void ring_gate(struct gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->rung = true;
	pthread_cond_signal(&gate->cond);
	pthread_mutex_unlock(&gate->lock);
}

static void wait_gate(struct gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	while (!gate->rung)
		pthread_cond_wait(&gate->cond, &gate->lock);
	gate->rung = false;
	pthread_mutex_unlock(&gate->lock);
}

static void *back_thread(void *arg)
{
	uint64_t *sum = arg;

	for (uint32_t done = 0; done < THREAD_REQUESTS;) {
		int n = xpv_back_pending(&back);

		if (!n)
			n = xpv_back_final_check(&back);
		if (!n) {
			wait_gate(&to_back);
			continue;
		}
		for (int i = 0; i < n; i++) {
			uint64_t value = take();

			*sum += value;
			answer(value);
		}
		done += (uint32_t)n;
		if (xpv_back_push(&back))
			ring_gate(&to_front);
	}
	return NULL;
}

START_TEST(two_threads_lose_no_wakeup)
{
	uint64_t sent = 0, got = 0, sum = 0;
	pthread_t thread;

	fresh();
	ck_assert_int_eq(pthread_create(&thread, NULL, back_thread, &sum), 0);
	while (got < THREAD_REQUESTS) {
		int n;

		while (sent < THREAD_REQUESTS && xpv_front_room(&front)) {
			fill(sent++);
			if (sent % 7 == 0)
				break;
		}
		if (xpv_front_push(&front))
			ring_gate(&to_back);
		n = xpv_front_pending(&front);
		if (!n && (sent == THREAD_REQUESTS || !xpv_front_room(&front)))
			n = xpv_front_final_check(&front);
		else if (!n)
			continue;
		if (!n)
			wait_gate(&to_front);
		for (int i = 0; i < n; i++) {
			struct word_rsp rsp;

			xpv_front_take(&front, &rsp, sizeof(rsp));
			ck_assert_uint_eq(rsp.value, got++);
		}
	}
	pthread_join(thread, NULL);
	ck_assert_uint_eq(sum, (uint64_t)THREAD_REQUESTS *
				       (THREAD_REQUESTS - 1) / 2);
}
END_TEST

Suite *ring_suite(void)
{
	Suite *s = suite_create("ring");
	TCase *t = tcase_create("engine");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, entries_are_those_of_the_protocol);
	tcase_add_loop_test(t, goes_round_the_wrap, 0, 4);
	tcase_add_test(t, full_ring_has_no_room);
	tcase_add_test(t, abandoned_requests_are_never_seen);
	tcase_add_loop_test(t, back_refuses_impossible_req_prod, 0, 4);
	tcase_add_test(t, back_counts_unanswered_against_the_size);
	tcase_add_test(t, front_refuses_impossible_rsp_prod);
	tcase_add_test(t, front_counts_only_what_it_pushed);
	tcase_add_test(t, back_goes_on_where_its_predecessor_was);
	tcase_add_test(t, notifies_only_when_asked);
	tcase_add_test(t, final_check_at_waits_for_a_number);
	tcase_add_test(t, speaks_with_xens_front);
	tcase_add_test(t, speaks_with_xens_back);
	tcase_add_test(t, two_threads_lose_no_wakeup);
	suite_add_tcase(s, t);
	return s;
}
