// SPDX-License-Identifier: MIT
/*
 * A guest that changes its slots while they are looked at (XSA-155): whatever
 * becomes of its packets, the worker reads each slot once and stays whole.
 */
#include "soak.h"
#include "suites.h"
#include "vifcase.h"

#include <pthread.h>
#include <string.h>

#define ROUNDS 200u
#define SLOTS  200u

static bool stop_flipping;

static void *flip(void *arg)
{
	uint8_t *ring = arg;
	uint32_t x = soak_seed();

	/* Everything but the indices, which would end the game at once. */
	while (!__atomic_load_n(&stop_flipping, __ATOMIC_RELAXED)) {
		x = x * 1664525u + 1013904223u;
		__atomic_store_n(ring + 64 + (x >> 8) % 3072, (uint8_t)x,
				 __ATOMIC_RELAXED);
	}
	return NULL;
}

/*
 * Was the connection ended? Then a new one is made. There is no telling which
 * of the rules the flips broke.
 */
static void serve_flipped(void)
{
	struct ipc_msg msg;
	int fds[IPC_MAX_FDS];

	rig_turns(&rig, 4);
	while (rig_read(&rig, NULL, got))
		;
	if (ipc_recv(rig.control, &msg, fds) < 0)
		return;
	ck_assert_uint_eq(msg.type, IPC_BROKEN);
	rig_free_front(&rig);
	rig_connect_only(&rig);
}

START_TEST(tx_flipped_in_flight)
{
	for (unsigned int round = 0; round < ROUNDS; round++) {
		void *ring = rig.u->tx_ring;
		pthread_t thread;

		for (unsigned int i = 0; i < SLOTS; i++) {
			struct xpv_netif_tx_request req = {
				.gref = rig.u->tx_page_gref[i],
				.size = 60,
				.flags = i % 3 ? XPV_TX_MORE : 0,
			};

			usernet_tx_raw(rig.u, &req);
		}
		__atomic_store_n(&stop_flipping, false, __ATOMIC_RELAXED);
		ck_assert_int_eq(pthread_create(&thread, NULL, flip, ring), 0);
		usernet_push(rig.u);
		rig_turns(&rig, 4);
		__atomic_store_n(&stop_flipping, true, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
		serve_flipped();
		/* A fresh ring for the next round. */
		rig_disconnect(&rig);
		rig_connect_only(&rig);
	}
	soak_count(ROUNDS * SLOTS, "slots changed meanwhile");
}
END_TEST

Suite *vif_flip_suite(void)
{
	Suite *s = suite_create("vif_flip");
	TCase *tc = rig_case(s, "flip", RIG_MESSAGES);

	if (!tc)
		return s;
	tcase_add_test(tc, tx_flipped_in_flight);
	return s;
}
