// SPDX-License-Identifier: MIT
/*
 * Answers on their way into a ring, and a worker that dies at any step of
 * that: whoever takes over shows all of them, once, and finds in the ring all
 * other requests, once.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/worker/answers.h"
#include "suites.h"

#define SLOT  64u
#define BATCH 7u
/* Steps of a worker: on record, each move, all made, each answer. */
#define STEPS (1 + BATCH + 1 + BATCH)

static _Alignas(XPV_PAGE_SIZE) uint8_t page[XPV_PAGE_SIZE];
static _Alignas(
	struct ipc_answers) uint8_t record[IPC_ANSWERS_BYTES(BATCH, SLOT)];
static uint32_t move[BATCH];
static struct xpv_back back;
static struct answers answers;

static uint32_t *word(uint32_t slot)
{
	return xpv_ring_slot(&back.ring, slot);
}

/* The ring at @at, @n requests in it that bear their own number; all taken. */
static void take_all(uint32_t at, uint32_t n)
{
	struct xpv_front front;
	uint8_t slot[SLOT];

	xpv_front_init(&front, page, sizeof(page), SLOT);
	front.ring.shared->rsp_prod = at;
	front.ring.shared->req_prod = at + n;
	ck_assert_int_eq(xpv_back_attach(&back, page, sizeof(page), SLOT), 0);
	for (uint32_t i = 0; i < n; i++) {
		memset(word(at + i), (int)i, SLOT);
		*word(at + i) = i;
		xpv_back_take(&back, slot, SLOT);
	}
	answers_attach(&answers, record, move, BATCH, SLOT, &back, false);
}

/* Which request is in which slot, as a worker keeps it. */
struct table {
	uint32_t first, n;
	uint32_t request[64];
};

/* Any BATCH of them are done, in any order; as bits. */
static uint64_t answer_some(struct table *t)
{
	uint64_t done = 0;

	for (uint32_t i = 0; i < BATCH; i++) {
		uint32_t at = i + (uint32_t)random() % (t->n - i);
		uint32_t *out = answers_add_for(&answers, t->first + at);

		memset(out, 0xee, SLOT);
		*out = 1000 + t->request[at];
		done |= (uint64_t)1 << t->request[at];
		t->request[at] = t->request[i];
	}
	return done;
}

/* What answers_push() does, as far as the first @steps of it. */
static void die_after(uint32_t steps)
{
	struct ipc_answers *r = (void *)record;

	if (!steps--)
		return;
	r->first = back.rsp_prod;
	r->made_room = 0;
	r->n = BATCH;
	for (uint32_t i = 0; i < BATCH && steps; i++, steps--)
		xpv_back_move(&back, r->first + i, move[i]);
	if (!steps--)
		return;
	r->made_room = 1;
	for (uint32_t i = 0; i < BATCH && steps; i++, steps--)
		memcpy(word(r->first + i), r->answer + i * SLOT, SLOT);
}

/* What the guest has got, and what is left to be done, as bits. */
static uint64_t shown(uint32_t from)
{
	uint64_t bits = 0;

	for (; from != back.ring.shared->rsp_prod; from++) {
		uint32_t request = *word(from) - 1000;

		ck_assert_uint_lt(request, 64);
		ck_assert(!(bits >> request & 1));
		bits |= (uint64_t)1 << request;
	}
	return bits;
}

static uint64_t left(void)
{
	uint32_t slot[SLOT / sizeof(uint32_t)];
	uint64_t bits = 0;

	for (int n = xpv_back_pending(&back); n > 0; n--) {
		xpv_back_take(&back, slot, SLOT);
		ck_assert_uint_lt(slot[0], 64);
		ck_assert(!(bits >> slot[0] & 1));
		bits |= (uint64_t)1 << slot[0];
		for (uint32_t i = 4; i < SLOT; i++)
			ck_assert_uint_eq(((uint8_t *)slot)[i], slot[0]);
	}
	return bits;
}

/* _i: the last step of the dead one; STEPS: it has told the guest, too. */
START_TEST(whoever_takes_over)
{
	for (unsigned int round = 0; round < 500; round++) {
		struct table t = {
			.first = (uint32_t)random() - 1000000000,
			.n = BATCH + (uint32_t)random() % 25,
		};
		uint64_t all = ((uint64_t)1 << t.n) - 1, done;

		for (uint32_t i = 0; i < t.n; i++)
			t.request[i] = i;
		take_all(t.first, t.n);
		done = answer_some(&t);
		if (_i < (int)STEPS)
			die_after((uint32_t)_i);
		else
			answers_push(&answers, &back);
		ck_assert_int_eq(
			xpv_back_attach(&back, page, sizeof(page), SLOT), 0);
		answers_attach(&answers, record, move, BATCH, SLOT, &back,
			       true);
		/* Nothing was on record yet: all of it is done once more. */
		if (!_i)
			done = 0;
		ck_assert_uint_eq(shown(t.first), done);
		ck_assert_uint_eq(left(), all & ~done);
	}
}
END_TEST

Suite *answers_suite(void)
{
	Suite *s = suite_create("answers");
	TCase *tc = tcase_create("answers");

	tcase_add_loop_test(tc, whoever_takes_over, 0, STEPS + 1);
	suite_add_tcase(s, tc);
	return s;
}
