// SPDX-License-Identifier: MIT
/*
 * What may change while a vif is connected: its rate, its multicast filter,
 * the headroom of received frames.
 */
#include "netframe.h"
#include "suites.h"
#include "vifcase.h"

#include "backend/vif/queue.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static struct reason why;

static int tune(void)
{
	return vif_tune(rig.vif, &rig.guest.tune, &why);
}

/* ---- rate ---- */

START_TEST(no_rate_no_limit)
{
	struct credit c = {0};
	uint64_t wait;

	for (int i = 0; i < 1000; i++)
		ck_assert(credit_take(&c, 0, 65535, 0, &wait));
}
END_TEST

/* Whatever the rate and the steps of time: bytes * time / usec and a burst. */
START_TEST(rate_is_exact)
{
	static const struct {
		uint64_t bytes, usec;
	} rates[] = {
		{1, 1000},	{1000, 1000},	      {12500, 50000},
		{50000, 50000}, {125000000, 1000000}, {UINT64_C(1) << 48, 1},
		{7, 13}};
	const uint64_t bytes = rates[_i].bytes, usec = rates[_i].usec;
	uint64_t now = 1000, sent_bytes = 0, most, wait, seed = 1;
	struct credit c;

	credit_set(&c, bytes, usec, now);
	for (int i = 0; i < 200000; i++) {
		uint32_t size;

		seed = seed * 6364136223846793005u + 1;
		size = 14 + (uint32_t)(seed >> 40) % 65521;
		if (credit_take(&c, 0, size, now, &wait)) {
			sent_bytes += size;
			continue;
		}
		/* It says when: not a byte earlier, and then it is true. */
		ck_assert_uint_gt(wait, 0);
		if (wait > 1)
			ck_assert(!credit_take(&c, 0, size, now + wait - 1,
					       &most));
		now += wait;
		ck_assert(credit_take(&c, 0, size, now, &wait));
		sent_bytes += size;
	}
	most = (uint64_t)((unsigned __int128)(now - 1000) * bytes / usec) +
	       (bytes > CREDIT_MIN_BURST ? bytes : CREDIT_MIN_BURST);
	ck_assert_uint_le(sent_bytes, most);
	/* And all of it was used, but for what is left. */
	if (now > 1000)
		ck_assert_uint_ge(sent_bytes + 65535 + CREDIT_MIN_BURST, most);
}
END_TEST

/* What has not left after all can leave later. */
START_TEST(returned_credit)
{
	struct credit c;
	uint64_t wait;

	credit_set(&c, 1000, 1000, 0);
	for (int i = 0; i < 1000; i++) {
		ck_assert(credit_take(&c, 0, 65535, 0, &wait));
		credit_return(&c, 65535);
	}
	ck_assert(credit_take(&c, 0, CREDIT_MIN_BURST, 0, &wait));
	ck_assert(!credit_take(&c, 0, 1, 0, &wait));
}
END_TEST

/* Saved credit ends at a burst, however long the silence and after wraps. */
START_TEST(silence_saves_a_burst)
{
	struct credit c;
	uint64_t wait, total = 0;

	credit_set(&c, 1000, 1000, 0);
	while (credit_take(&c, 0, 1000, UINT64_C(1) << 50, &wait))
		total += 1000;
	ck_assert_uint_eq(total, CREDIT_MIN_BURST / 1000 * 1000);
}
END_TEST

/* The queue that was refused first goes first, whoever asks. */
START_TEST(queues_share_the_credit)
{
	struct credit c;
	uint64_t wait, now = 0;
	unsigned int served[4] = {0};

	credit_set(&c, 1500, 1000, now);
	while (credit_take(&c, 0, 1500, now, &wait))
		;
	for (int i = 0; i < 4000; i++) {
		now += 1000;
		for (unsigned int q = 0; q < 4; q++)
			while (credit_take(&c, q, 1500, now, &wait))
				served[q]++;
	}
	for (unsigned int q = 0; q < 4; q++)
		ck_assert_uint_ge(served[q], 900);
}
END_TEST

/* Put packets on the ring until it is full; returns the number. */
static unsigned int fill(uint32_t len)
{
	struct usernet_packet pkt = {.data = sent, .len = len};
	unsigned int n = 0;

	while (usernet_send(rig.u, &pkt) > 0)
		n++;
	usernet_push(rig.u);
	return n;
}

/* The burst leaves at once, and the rest no faster than the rate. */
START_TEST(throttled_and_let_go)
{
	unsigned int n, done = 0;
	uint64_t began;

	rig.guest.tune.rate_bytes = 20000;
	rig.guest.tune.rate_usec = 20000;
	ck_assert_int_eq(tune(), 0);
	n = fill(1000);
	ck_assert_uint_eq(n, USERNET_SLOTS);
	rig_turns(&rig, 8);
	done = (unsigned int)usernet_reap(rig.u, rsp, USERNET_SLOTS);
	ck_assert_uint_ge(done, CREDIT_MIN_BURST / 1000);
	ck_assert_uint_lt(done, CREDIT_MIN_BURST / 1000 + 40);
	ck_assert(rig.vif->queue[0].tx_throttled);
	ck_assert(rig.vif->credit.timer.set);
	/* The loop sleeps meanwhile, and wakes by itself. */
	began = loop_now();
	while (done < n) {
		ck_assert_int_eq(loop_turn(rig.worker.loop, true), 0);
		done += (unsigned int)usernet_reap(rig.u, rsp, USERNET_SLOTS);
	}
	ck_assert_uint_ge(loop_now() - began, 70);
	ck_assert_uint_ge(rig_count(&rig, VIF_TX_THROTTLED), 2);
	/* Without the rate there is neither wait nor timer. */
	fill(1000);
	rig_turns(&rig, 8);
	rig.guest.tune.rate_bytes = 0;
	ck_assert_int_eq(tune(), 0);
	rig_turns(&rig, 8);
	ck_assert(!rig.vif->credit.timer.set);
	usernet_reap(rig.u, rsp, USERNET_SLOTS);
	ck_assert_uint_eq(rig.u->nr_tx_free, USERNET_SLOTS);
}
END_TEST

/* ---- multicast ---- */

static void put_mcast(uint8_t type, const uint8_t addr[6])
{
	struct xpv_netif_tx_request req = {.flags = XPV_TX_EXTRA, .id = 777};
	uint8_t slot[XPV_NETIF_TX_SLOT] = {0};
	struct xpv_netif_extra extra = {.type = type};

	memcpy(extra.mcast.addr, addr, 6);
	memcpy(slot, &extra, sizeof(extra));
	usernet_tx_raw(rig.u, &req);
	usernet_tx_raw(rig.u, slot);
}

static int16_t change_list(uint8_t type, const uint8_t addr[6])
{
	put_mcast(type, addr);
	usernet_push(rig.u);
	ck_assert_uint_eq(rig_reap(&rig, rsp, 2), 2);
	ck_assert_uint_eq(rsp[0].id, 777);
	ck_assert_int_eq(rsp[1].status, XPV_NETIF_NULL);
	return rsp[0].status;
}

static uint8_t *group(unsigned int i)
{
	static uint8_t addr[6];

	memcpy(addr, (uint8_t[6]){1, 0, 0x5e, 0, (uint8_t)(i >> 8), (uint8_t)i},
	       6);
	return addr;
}

/* Does a frame to @addr arrive? One that surely does is sent behind it. */
static bool arrives(const uint8_t addr[6])
{
	bool first;

	usernet_post(rig.u, USERNET_SLOTS);
	usernet_push(rig.u);
	netframe_plain(sent, 60, 1);
	memcpy(sent, addr, 6);
	ck_assert(rig_write(&rig, NULL, sent, 60));
	netframe_plain(got, 70, 2);
	ck_assert(rig_write(&rig, NULL, got, 70));
	for (int i = 0; usernet_receive(rig.u, &frame) != 1; i++) {
		ck_assert_int_lt(i, 100);
		rig_turns(&rig, 1);
	}
	first = frame.len == 60;
	ck_assert(!first || !memcmp(frame.data, sent, 60));
	if (first)
		ck_assert(rig_receive(&rig, &frame));
	ck_assert_uint_eq(frame.len, 70);
	return first;
}

START_TEST(multicast_filter)
{
	static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};
	static const uint8_t station[6] = {4, 0, 0, 0, 0, 9};

	/* The list may be made before anything is filtered. */
	ck_assert_int_eq(change_list(XPV_EXTRA_MCAST_ADD, group(1)), 0);
	ck_assert(arrives(group(1)));
	ck_assert(arrives(group(2)));
	rig.guest.tune.multicast_filter = true;
	ck_assert_int_eq(tune(), 0);
	ck_assert(arrives(group(1)));
	ck_assert(!arrives(group(2)));
	ck_assert(arrives(all));
	ck_assert(arrives(station));
	ck_assert_int_eq(change_list(XPV_EXTRA_MCAST_ADD, group(2)), 0);
	ck_assert(arrives(group(2)));
	ck_assert_int_eq(change_list(XPV_EXTRA_MCAST_DEL, group(1)), 0);
	ck_assert(!arrives(group(1)));
	ck_assert(arrives(group(2)));
	ck_assert_int_eq(change_list(XPV_EXTRA_MCAST_DEL, group(1)), 0);
	ck_assert_uint_eq(rig_count(&rig, VIF_RX_DROP_MULTICAST), 2);
	ck_assert_uint_eq(rig_count(&rig, VIF_TX_MULTICAST), 4);
	rig.guest.tune.multicast_filter = false;
	ck_assert_int_eq(tune(), 0);
	ck_assert(arrives(group(1)));
	/* A new connection starts with an empty list. */
	rig.guest.tune.multicast_filter = true;
	rig_disconnect(&rig);
	rig.guest.tune.multicast_filter = false;
	rig_connect(&rig);
	rig.guest.tune.multicast_filter = true;
	ck_assert_int_eq(tune(), 0);
	ck_assert(!arrives(group(2)));
}
END_TEST

START_TEST(multicast_list_is_bounded)
{
	for (unsigned int i = 0; i < MULTICAST_MAX; i++)
		ck_assert_int_eq(change_list(XPV_EXTRA_MCAST_ADD, group(i)), 0);
	for (unsigned int i = 0; i < 300; i++)
		ck_assert_int_eq(change_list(XPV_EXTRA_MCAST_ADD,
					     group(MULTICAST_MAX + i)),
				 XPV_NETIF_ERROR);
	/* Those on it are no news, and there is room when one goes. */
	ck_assert_int_eq(change_list(XPV_EXTRA_MCAST_ADD, group(5)), 0);
	ck_assert_int_eq(change_list(XPV_EXTRA_MCAST_DEL, group(63)), 0);
	ck_assert_int_eq(change_list(XPV_EXTRA_MCAST_ADD, group(100)), 0);
	ck_assert_uint_eq(rig.vif->legacy->multicast.nr, MULTICAST_MAX);
	ck_assert_uint_eq(rig_count(&rig, VIF_TX_MULTICAST_FULL), 300);
	ck_assert_uint_eq(rig_count(&rig, VIF_TX_MULTICAST), MULTICAST_MAX + 3);
}
END_TEST

/* The guest has made it once, and does not hear of a worker's death. */
START_TEST(multicast_list_outlives_a_worker)
{
	ck_assert_int_eq(change_list(XPV_EXTRA_MCAST_ADD, group(1)), 0);
	rig.guest.tune.multicast_filter = true;
	rig_replace_worker(&rig);
	ck_assert(arrives(group(1)));
	ck_assert(!arrives(group(2)));
	/* A frontend that is new gets an empty one all the same. */
	rig_disconnect(&rig);
	rig.drive.resumed = false;
	rig.guest.tune.multicast_filter = false;
	rig_connect(&rig);
	rig.guest.tune.multicast_filter = true;
	rig.drive.resumed = true;
	rig_replace_worker(&rig);
	ck_assert(!arrives(group(1)));
}
END_TEST

/* ---- headroom ---- */

/* Every piece starts there, an extra tells it, slots suffice. */
START_TEST(headroom)
{
	static const uint16_t rooms[] = {256, 512, 3000, 3584, 1, 0};

	rig_set_mtu(RIG_NAME, 9000);
	for (unsigned int i = 0; i < 6; i++) {
		rig.guest.tune.headroom = rooms[i];
		ck_assert_int_eq(tune(), 0);
		for (uint32_t len = 14; len < 9014; len += 97) {
			uint32_t most = 4096u - rooms[i];

			usernet_post(rig.u, USERNET_SLOTS);
			usernet_push(rig.u);
			netframe_plain(sent, len, len);
			ck_assert(rig_write(&rig, NULL, sent, len));
			ck_assert(rig_receive(&rig, &frame));
			ck_assert_uint_eq(frame.errors, 0);
			ck_assert_uint_eq(frame.len, len);
			ck_assert_mem_eq(frame.data, sent, len);
			ck_assert_uint_eq(frame.headroom, rooms[i]);
			ck_assert_uint_eq(frame.slots, (len + most - 1) / most +
							       (rooms[i] != 0));
		}
	}
	rig.guest.tune.headroom = 3585;
	ck_assert_int_eq(tune(), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why.text, "3585"));
}
END_TEST

/* The longest frame behind the most of it takes 129 slots of 256. */
START_TEST(most_headroom)
{
	struct netframe f = {.blank = true, .payload = 65000};
	uint32_t len = netframe_build(sent, &f, 1);
	struct virtio_net_hdr hdr = rig_header(&f, 1448);

	rig.guest.tune.headroom = IPC_VIF_MAX_HEADROOM;
	ck_assert_int_eq(tune(), 0);
	for (int i = 0; i < 5; i++) {
		usernet_post(rig.u, USERNET_SLOTS);
		usernet_push(rig.u);
		ck_assert(rig_write(&rig, &hdr, sent, len));
		ck_assert(rig_receive(&rig, &frame));
		ck_assert_uint_eq(frame.errors, 0);
		ck_assert_uint_eq(frame.len, len);
		ck_assert_uint_eq(frame.headroom, IPC_VIF_MAX_HEADROOM);
		ck_assert_uint_eq(frame.slots, (len + 511) / 512 + 2);
		ck_assert_mem_eq(frame.data + 60, sent + 60, len - 60);
	}
}
END_TEST

/* It changes under a frame that waits, and under one that is half cut. */
START_TEST(headroom_changes_under_waiting_frames)
{
	struct netframe f = {.blank = true, .payload = 60000};
	uint32_t len = netframe_build(sent, &f, 1);
	struct virtio_net_hdr hdr = rig_header(&f, 1448);

	usernet_post(rig.u, 15);
	usernet_push(rig.u);
	ck_assert(rig_write(&rig, &hdr, sent, len));
	rig_turns(&rig, 10);
	ck_assert_uint_eq(rig.vif->queue[0].rx_batch.nr, 1);
	ck_assert_uint_eq(rig.vif->queue[0].rx_plan[0].slots, 16);
	rig.guest.tune.headroom = 512;
	ck_assert_int_eq(tune(), 0);
	ck_assert_uint_eq(rig.vif->queue[0].rx_plan[0].slots, 19);
	usernet_post(rig.u, 4);
	usernet_push(rig.u);
	ck_assert(rig_receive(&rig, &frame));
	ck_assert_uint_eq(frame.len, len);
	ck_assert_uint_eq(frame.slots, 19);
	ck_assert_uint_eq(frame.headroom, 512);
	ck_assert_mem_eq(frame.data + 60, sent + 60, len - 60);
}
END_TEST

Suite *vif_tune_suite(void)
{
	Suite *s = suite_create("vif_tune");
	TCase *tc = tcase_create("credit");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, no_rate_no_limit);
	tcase_add_loop_test(tc, rate_is_exact, 0, 7);
	tcase_add_test(tc, silence_saves_a_burst);
	tcase_add_test(tc, returned_credit);
	tcase_add_test(tc, queues_share_the_credit);
	tc = rig_case(s, "tune", RIG_INSIDE);
	if (!tc)
		return s;
	tcase_add_test(tc, throttled_and_let_go);
	tcase_add_test(tc, multicast_filter);
	tcase_add_test(tc, multicast_list_is_bounded);
	tcase_add_test(tc, headroom);
	tcase_add_test(tc, most_headroom);
	tcase_add_test(tc, headroom_changes_under_waiting_frames);
	tc = rig_case(s, "kept", RIG_PROCESS);
	tcase_add_test(tc, multicast_list_outlives_a_worker);
	return s;
}
