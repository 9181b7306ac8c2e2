// SPDX-License-Identifier: MIT
/*
 * A guest that changes its slots and its descriptors while they are looked at
 * (XSA-155): whatever becomes of its requests, each is answered, the worker
 * reads each byte once and stays whole.
 */
#include <check.h>
#include <string.h>

#include "rig.h"
#include "soak.h"
#include "suites.h"

#define DEPTH	    32u
#define ROUNDS	    150u
#define SEGS	    64u
#define DESCRIPTORS 299u /* their page */

static struct rig rig;
static bool stop;

static void change(uint8_t *mem, size_t bytes, uint32_t random)
{
	__atomic_store_n(mem + (random >> 8) % bytes, (uint8_t)random,
			 __ATOMIC_RELAXED);
}

/* Everything but the indices, which would end the game at once. */
static void *flip(void *arg)
{
	uint32_t x = soak_seed();

	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		x = x * 1664525u + 1013904223u;
		if (x & 1u << 31)
			change(rig.fe->queue[0].front.ring.slots, 112 * DEPTH,
			       x);
		else
			change(userblk_page(rig.fe, DESCRIPTORS), SEGS * 8, x);
	}
	return NULL;
}

static void ignore(const struct xpv_blk_response *rsp, void *arg)
{
	(void)rsp;
	(void)arg;
}

static void full_ring(void)
{
	struct xpv_blk_request req = {.op = XPV_BLKIF_READ};
	unsigned int i;

	for (i = 0; i < DEPTH; i++) {
		req.id = i;
		req.op = (uint8_t)(i % 4);
		if (i % 4 < 2)
			userblk_indirect(rig.fe, &req, DESCRIPTORS, 0, SEGS);
		else
			userblk_segments(rig.fe, &req, 0, 11);
		ck_assert(userblk_submit(rig.fe, 0, &req));
	}
	userblk_push(rig.fe, 0);
	rig_await(&rig, 0, DEPTH, ignore, NULL);
}

START_TEST(flipped_in_flight)
{
	const struct rig_options o = {
		.discard = true,
		.direct = _i & 2,
		.front = {.data_pages = 300, .persistent = _i & 1},
	};
	pthread_t thread;
	unsigned int i;

	rig_start(&rig, &o);
	stop = false;
	ck_assert_int_eq(pthread_create(&thread, NULL, flip, NULL), 0);
	for (i = 0; i < ROUNDS; i++)
		full_ring();
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	rig_check_alive(&rig);
	rig_stop(&rig);
	soak_count(ROUNDS * DEPTH, "requests changed meanwhile");
}
END_TEST

Suite *vbd_flip_suite(void)
{
	Suite *s = suite_create("vbd_flip");
	TCase *c = tcase_create("flip");

	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, flipped_in_flight, 0, 4);
	suite_add_tcase(s, c);
	return s;
}
