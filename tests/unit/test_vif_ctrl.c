// SPDX-License-Identifier: MIT
/*
 * The control ring: a guest sets up its hash, is told the hash of each frame,
 * and gets it on the queue that it named. And guests that set up nonsense.
 */
#include "netframe.h"
#include "suites.h"
#include "vifcase.h"

#include "backend/vif/hash.h"
#include "backend/vif/queue.h"

#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

/* The key and the answers that Microsoft published for the verification. */
static const uint8_t known_key[HASH_MAX_KEY] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
	0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
	0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
	0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

static const struct {
	int family;
	const char *from, *to;
	uint16_t from_port, to_port;
	uint32_t ip, tcp;
} known[] = {
	{AF_INET, "66.9.149.187", "161.142.100.80", 2794, 1766, 0x323e8fc2,
	 0x51ccc178},
	{AF_INET, "199.92.111.2", "65.69.140.83", 14230, 4739, 0xd718262a,
	 0xc626b0ea},
	{AF_INET6, "3ffe:2501:200:1fff::7", "3ffe:2501:200:3::1", 2794, 1766,
	 0x2cc18cd5, 0x40207d3d},
};
#define NR_KNOWN ((int)(sizeof(known) / sizeof(known[0])))

/* A frame of known[i]. */
static uint32_t known_frame(int i, bool udp)
{
	struct netframe f = {
		.v6 = known[i].family == AF_INET6, .udp = udp, .payload = 100};
	uint32_t len = netframe_build(sent, &f, 1);
	uint8_t *ip = sent + netframe_ip_at(&f);
	uint16_t ports[2] = {htons(known[i].from_port),
			     htons(known[i].to_port)};

	inet_pton(known[i].family, known[i].from, ip + (f.v6 ? 8 : 12));
	inet_pton(known[i].family, known[i].to, ip + (f.v6 ? 24 : 16));
	memcpy(sent + netframe_l4_at(&f), ports, sizeof(ports));
	return len;
}

/* _i: a known frame */
START_TEST(known_hashes)
{
	struct vif_hash h = {.algorithm = XPV_HASH_ALGORITHM_TOEPLITZ,
			     .flags = XPV_HASH_ALL_FLAGS};
	uint32_t len = known_frame(_i, false);
	bool v6 = known[_i].family == AF_INET6;
	struct hash_value v;

	memcpy(h.key, known_key, sizeof(h.key));
	v = hash_frame(&h, sent, len);
	ck_assert(v.valid);
	ck_assert_uint_eq(v.type, v6 ? XPV_HASH_IPV6_TCP : XPV_HASH_IPV4_TCP);
	ck_assert_uint_eq(v.value, known[_i].tcp);
	/* Not asked for, or not TCP: the addresses alone. */
	h.flags = 1u << XPV_HASH_IPV4 | 1u << XPV_HASH_IPV6;
	v = hash_frame(&h, sent, len);
	ck_assert(v.valid);
	ck_assert_uint_eq(v.type, v6 ? XPV_HASH_IPV6 : XPV_HASH_IPV4);
	ck_assert_uint_eq(v.value, known[_i].ip);
	h.flags = XPV_HASH_ALL_FLAGS;
	len = known_frame(_i, true);
	ck_assert_uint_eq(hash_frame(&h, sent, len).value, known[_i].ip);
	/* The other family was not asked for. */
	h.flags = v6 ? 1u << XPV_HASH_IPV4_TCP : 1u << XPV_HASH_IPV6;
	ck_assert(!hash_frame(&h, sent, len).valid);
	/* Cut at each length: no byte behind the end is looked at. */
	h.flags = XPV_HASH_ALL_FLAGS;
	for (uint32_t cut = 0; cut < len; cut++)
		hash_frame(&h, memcpy(got + sizeof(got) - cut, sent, cut), cut);
}
END_TEST

/* ---- requests ---- */

static struct xpv_netif_ctrl_response ask(uint16_t type, uint32_t a, uint32_t b,
					  uint32_t c)
{
	static uint16_t id;
	struct xpv_netif_ctrl_request req = {
		.id = ++id, .type = type, .data = {a, b, c}};
	struct xpv_netif_ctrl_response answer;
	int ret = 0;

	usernet_ctrl(rig.u, &req);
	for (int i = 0; i < 1000 && !ret; i++) {
		rig_turns(&rig, 1);
		ret = usernet_ctrl_reap(rig.u, &answer);
	}
	ck_assert_int_eq(ret, 1);
	ck_assert_uint_eq(answer.id, id);
	ck_assert_uint_eq(answer.type, type);
	return answer;
}

static uint32_t status(uint16_t type, uint32_t a, uint32_t b, uint32_t c)
{
	return ask(type, a, b, c).status;
}

#define EXPECT(wanted, ...)                                                    \
	ck_assert_uint_eq(status(__VA_ARGS__), XPV_CTRL_##wanted)

static void connect_with_ctrl(unsigned int queues)
{
	rig.ctrl = true;
	rig.guest.nr_queues = (uint8_t)queues;
	rig_connect(&rig);
	for (unsigned int i = 0; i < queues; i++) {
		usernet_post(rig.queue[i], USERNET_SLOTS);
		usernet_push(rig.queue[i]);
	}
}

/* Key, flags, and entry i of @entries leads to queue i modulo @queues. */
static void set_up(uint32_t entries, uint32_t queues)
{
	uint32_t *map = (uint32_t *)(void *)rig.u->ctrl_page;

	EXPECT(SUCCESS, XPV_CTRL_SET_HASH_ALGORITHM,
	       XPV_HASH_ALGORITHM_TOEPLITZ, 0, 0);
	memcpy(rig.u->ctrl_page, known_key, sizeof(known_key));
	EXPECT(SUCCESS, XPV_CTRL_SET_HASH_KEY, rig.u->ctrl_page_gref,
	       sizeof(known_key), 0);
	EXPECT(SUCCESS, XPV_CTRL_SET_HASH_MAPPING_SIZE, entries, 0, 0);
	for (uint32_t i = 0; i < entries; i++)
		map[i] = i % queues;
	EXPECT(SUCCESS, XPV_CTRL_SET_HASH_MAPPING, rig.u->ctrl_page_gref,
	       entries, 0);
	EXPECT(SUCCESS, XPV_CTRL_SET_HASH_FLAGS, XPV_HASH_ALL_FLAGS, 0, 0);
}

START_TEST(order_of_requests)
{
	connect_with_ctrl(2);
	EXPECT(NOT_SUPPORTED, XPV_CTRL_GET_HASH_FLAGS, 0, 0, 0);
	EXPECT(INVALID_PARAMETER, XPV_CTRL_SET_HASH_FLAGS, 1, 0, 0);
	EXPECT(INVALID_PARAMETER, XPV_CTRL_SET_HASH_ALGORITHM, 2, 0, 0);
	EXPECT(SUCCESS, XPV_CTRL_SET_HASH_ALGORITHM,
	       XPV_HASH_ALGORITHM_TOEPLITZ, 0, 0);
	ck_assert_uint_eq(ask(XPV_CTRL_GET_HASH_FLAGS, 0, 0, 0).data,
			  XPV_HASH_ALL_FLAGS);
	EXPECT(INVALID_PARAMETER, XPV_CTRL_SET_HASH_FLAGS, 1u << 4, 0, 0);
	EXPECT(INVALID_PARAMETER, XPV_CTRL_SET_HASH_FLAGS, UINT32_MAX, 0, 0);
	ck_assert_uint_eq(ask(XPV_CTRL_GET_HASH_MAPPING_SIZE, 0, 0, 0).data,
			  HASH_MAX_MAPPING);
	for (uint16_t type = 0; type < 20; type++)
		if (!type || type > XPV_CTRL_SET_HASH_ALGORITHM)
			EXPECT(NOT_SUPPORTED, type, 0, 0, 0);
	set_up(HASH_MAX_MAPPING, 2);
}
END_TEST

/* XSA-270: sums of offset and length that wrap, lengths at every edge. */
START_TEST(arithmetic)
{
	static const uint32_t edges[] = {0,	     1,		 7,
					 8,	     9,		 127,
					 128,	     129,	 1023,
					 1024,	     1025,	 0x3fffffff,
					 0x40000000, 0x40000001, 0x7fffffff,
					 0x80000000, 0xfffffff8, 0xffffffff};
	const unsigned int n = sizeof(edges) / sizeof(edges[0]);
	struct vif_hash before;
	uint32_t gref;

	connect_with_ctrl(2);
	gref = rig.u->ctrl_page_gref;
	set_up(8, 2);
	before = rig.vif->legacy->hash;
	memset(rig.u->ctrl_page, 0, XPV_PAGE_SIZE);
	for (unsigned int a = 0; a < n; a++) {
		for (unsigned int b = 0; b < n; b++) {
			uint64_t end = (uint64_t)edges[a] + edges[b];
			uint32_t got_status = status(XPV_CTRL_SET_HASH_MAPPING,
						     gref, edges[a], edges[b]);

			ck_assert_msg((got_status == XPV_CTRL_SUCCESS) ==
					      (end <= 8),
				      "%u entries at %u: %u", edges[a],
				      edges[b], got_status);
		}
		ck_assert_uint_eq(
			status(XPV_CTRL_SET_HASH_KEY, gref, edges[a], 0),
			edges[a] > HASH_MAX_KEY ? XPV_CTRL_BUFFER_OVERFLOW
						: XPV_CTRL_SUCCESS);
	}
	/* Nothing but the entries themselves has changed. */
	memset(before.mapping, 0, 8 * sizeof(before.mapping[0]));
	ck_assert_mem_eq(rig.vif->legacy->hash.mapping, before.mapping,
			 sizeof(before.mapping));
	ck_assert_uint_eq(rig.vif->legacy->hash.nr_mapping, 8);
	EXPECT(INVALID_PARAMETER, XPV_CTRL_SET_HASH_MAPPING_SIZE, 129, 0, 0);
	EXPECT(INVALID_PARAMETER, XPV_CTRL_SET_HASH_MAPPING_SIZE, UINT32_MAX, 0,
	       0);
	ck_assert_uint_eq(rig.vif->legacy->hash.nr_mapping, 8);
}
END_TEST

/* A page that is none, and queues that are none, at each entry. */
START_TEST(bad_pages)
{
	uint32_t *map;

	connect_with_ctrl(2);
	set_up(8, 2);
	map = (uint32_t *)(void *)rig.u->ctrl_page;
	EXPECT(INVALID_PARAMETER, XPV_CTRL_SET_HASH_MAPPING, 0x7fffff00, 8, 0);
	EXPECT(INVALID_PARAMETER, XPV_CTRL_SET_HASH_KEY, 0x7fffff00, 8, 0);
	/* Nothing to copy: nothing wrong with the page. */
	EXPECT(SUCCESS, XPV_CTRL_SET_HASH_KEY, 0x7fffff00, 0, 0);
	for (uint32_t bad = 0; bad < 8; bad++) {
		memset(map, 0, 8 * sizeof(*map));
		map[bad] = 2;
		EXPECT(INVALID_PARAMETER, XPV_CTRL_SET_HASH_MAPPING,
		       rig.u->ctrl_page_gref, 8, 0);
		/* All or nothing. */
		for (uint32_t i = 0; i < 8; i++)
			ck_assert_uint_eq(rig.vif->legacy->hash.mapping[i],
					  i % 2);
	}
}
END_TEST

START_TEST(bad_index)
{
	connect_with_ctrl(1);
	rig.u->ctrl.ring.shared->req_prod += 129;
	rig_turns(&rig, 2);
	ck_assert(rig.vif->broken);
	rig_disconnect(&rig);
	connect_with_ctrl(1);
	EXPECT(NOT_SUPPORTED, XPV_CTRL_GET_HASH_FLAGS, 0, 0, 0);
}
END_TEST

/* A full ring takes several turns, so that packets are served meanwhile. */
START_TEST(flood_is_spread_over_turns)
{
	struct xpv_netif_ctrl_request req = {.type = 99};
	struct xpv_netif_ctrl_response answer;
	unsigned int first = 0, n = 0;

	connect_with_ctrl(1);
	for (req.id = 0; req.id < 128; req.id++)
		usernet_ctrl(rig.u, &req);
	rig_turns(&rig, 1);
	while (usernet_ctrl_reap(rig.u, &answer))
		ck_assert_uint_eq(answer.id, first++);
	ck_assert_uint_le(first, 16);
	for (n = first; n < 128;) {
		rig_turns(&rig, 1);
		while (usernet_ctrl_reap(rig.u, &answer))
			ck_assert_uint_eq(answer.id, n++);
	}
}
END_TEST

/* ---- frames ---- */

static unsigned int where_from(struct usernet_frame *f)
{
	for (int i = 0; i < 100; i++) {
		rig_turns(&rig, 1);
		for (unsigned int q = 0; q < rig.guest.nr_queues; q++)
			if (usernet_receive(rig.queue[q], f) == 1 &&
			    f->data[0] == 2)
				return q;
		usleep(1000);
	}
	ck_abort_msg("no frame");
}

/* Each known flow goes where the table says, and its hash with it. */
START_TEST(frames_go_where_the_guest_says)
{
	uint32_t *map;

	connect_with_ctrl(RIG_QUEUES);
	map = (uint32_t *)(void *)rig.u->ctrl_page;
	set_up(HASH_MAX_MAPPING, RIG_QUEUES);
	for (unsigned int round = 0; round < 3; round++) {
		for (int i = 0; i < NR_KNOWN; i++) {
			uint32_t len = known_frame(i, false), at;

			ck_assert(rig_write(&rig, NULL, sent, len));
			at = known[i].tcp % HASH_MAX_MAPPING;
			ck_assert_uint_eq(where_from(&frame),
					  (at + round) % RIG_QUEUES);
			ck_assert(frame.has_hash);
			ck_assert_uint_eq(frame.hash, known[i].tcp);
			ck_assert_uint_eq(frame.slots, 2);
			ck_assert_mem_eq(frame.data, sent, len);
		}
		/* No IP: no hash, and the first entry. */
		netframe_plain(sent, 60, 1);
		ck_assert(rig_write(&rig, NULL, sent, 60));
		ck_assert_uint_eq(where_from(&frame), round % RIG_QUEUES);
		ck_assert(!frame.has_hash);
		/* The table turns under traffic. */
		for (uint32_t i = 0; i < HASH_MAX_MAPPING; i++)
			map[i] = (i + round + 1) % RIG_QUEUES;
		EXPECT(SUCCESS, XPV_CTRL_SET_HASH_MAPPING,
		       rig.u->ctrl_page_gref, HASH_MAX_MAPPING, 0);
	}
}
END_TEST

/* Without a table the hash alone decides; without a hash the tap does. */
START_TEST(hash_modulo_queues_and_off_again)
{
	connect_with_ctrl(3);
	set_up(0, 1);
	for (int i = 0; i < NR_KNOWN; i++) {
		uint32_t len = known_frame(i, false);

		ck_assert(rig_write(&rig, NULL, sent, len));
		ck_assert_uint_eq(where_from(&frame), known[i].tcp % 3);
	}
	EXPECT(SUCCESS, XPV_CTRL_SET_HASH_ALGORITHM, XPV_HASH_ALGORITHM_NONE, 0,
	       0);
	ck_assert(!rig.vif->steer.on);
	for (int i = 0; i < NR_KNOWN; i++) {
		ck_assert(rig_write(&rig, NULL, sent, known_frame(i, false)));
		where_from(&frame);
		ck_assert(!frame.has_hash);
	}
}
END_TEST

/* One queue: nothing to choose, but the hash is told. */
START_TEST(one_queue_is_told_the_hash)
{
	connect_with_ctrl(1);
	set_up(4, 1);
	ck_assert(!rig.vif->steer.on);
	ck_assert(rig_write(&rig, NULL, sent, known_frame(0, false)));
	where_from(&frame);
	ck_assert_uint_eq(frame.hash, known[0].tcp);
}
END_TEST

/* A queue that posts nothing loses frames; the others get all of theirs. */
START_TEST(neglected_queue_holds_up_no_other)
{
	unsigned int arrived = 0;

	rig.ctrl = true;
	rig.guest.nr_queues = 2;
	rig_connect(&rig);
	usernet_post(rig.queue[1], USERNET_SLOTS);
	usernet_push(rig.queue[1]);
	/* The first two known flows go to one queue each. */
	set_up(2, 2);
	ck_assert(known[0].tcp % 2 == 0 && known[2].tcp % 2 == 1);
	for (unsigned int i = 0; i < 200; i++) {
		ck_assert(rig_write(&rig, NULL, sent, known_frame(0, false)));
		if (i < 100)
			ck_assert(rig_write(&rig, NULL, sent,
					    known_frame(2, false)));
		rig_turns(&rig, 2);
	}
	while (usernet_receive(rig.queue[1], &frame) == 1)
		arrived += frame.data[0] == 2;
	ck_assert_uint_eq(arrived, 100);
	ck_assert_uint_eq(rig.vif->queue[0].rx_batch.nr, PORT_BATCH);
	ck_assert_uint_ge(rig_count(&rig, VIF_RX_DROP_FULL), 36);
}
END_TEST

/* The guest has set it up once, and does not hear of a worker's death. */
START_TEST(hash_outlives_a_worker)
{
	rig_disconnect(&rig);
	connect_with_ctrl(1);
	set_up(8, 1);
	for (int i = 0; i < 2; i++) {
		ck_assert(rig_write(&rig, NULL, sent, known_frame(0, false)));
		ck_assert(rig_receive(&rig, &frame));
		ck_assert(frame.has_hash);
		ck_assert_uint_eq(frame.hash, known[0].tcp);
		rig_replace_worker(&rig);
	}
	EXPECT(SUCCESS, XPV_CTRL_SET_HASH_ALGORITHM, XPV_HASH_ALGORITHM_NONE, 0,
	       0);
	ck_assert(rig_write(&rig, NULL, sent, known_frame(0, false)));
	ck_assert(rig_receive(&rig, &frame));
	ck_assert(!frame.has_hash);
}
END_TEST

/* A guest may have had the worker that left it. */
START_TEST(nonsense_is_not_taken_over)
{
	struct vif_legacy *l = vif_legacy_map(-1, 1);

	ck_assert_ptr_nonnull(l);
	for (int i = 0; i < 4; i++) {
		l->hash.algorithm = i == 0 ? 2 : 1;
		l->hash.flags = i == 1 ? 16 : 1;
		l->hash.nr_mapping = i == 2 ? HASH_MAX_MAPPING + 1 : 1;
		l->multicast.nr = i == 0 ? MULTICAST_MAX + 1 : 1;
		vif_legacy_begin(l, true);
		ck_assert_uint_eq(l->hash.flags, i == 3);
		ck_assert_uint_eq(l->multicast.nr, i != 0);
	}
	vif_legacy_begin(l, false);
	ck_assert_uint_eq(l->hash.flags, 0);
	ck_assert_uint_eq(l->multicast.nr, 0);
	vif_legacy_unmap(l, 1);
}
END_TEST

Suite *vif_ctrl_suite(void)
{
	Suite *s = suite_create("vif_ctrl");
	TCase *tc = rig_case(s, "ctrl", RIG_QUEUED);

	if (!tc)
		return s;
	tcase_add_loop_test(tc, known_hashes, 0, NR_KNOWN);
	tcase_add_test(tc, order_of_requests);
	tcase_add_test(tc, arithmetic);
	tcase_add_test(tc, bad_pages);
	tcase_add_test(tc, bad_index);
	tcase_add_test(tc, flood_is_spread_over_turns);
	tcase_add_test(tc, frames_go_where_the_guest_says);
	tcase_add_test(tc, hash_modulo_queues_and_off_again);
	tcase_add_test(tc, one_queue_is_told_the_hash);
	tcase_add_test(tc, neglected_queue_holds_up_no_other);
	tc = rig_case(s, "kept", RIG_PROCESS);
	tcase_add_test(tc, hash_outlives_a_worker);
	tcase_add_test(tc, nonsense_is_not_taken_over);
	return s;
}
