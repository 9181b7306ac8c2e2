// SPDX-License-Identifier: MIT
/*
 * Guests that break the rules. A packet that makes no sense is answered with
 * an error and the next one passes; a front that breaks the protocol loses
 * its connection, with a reason, and can make a new one.
 */
#include "netframe.h"
#include "vifcase.h"
#include "suites.h"

#include <string.h>

#define BAD_GREF 0x7fffff00u

/* A request on a page of ours. */
static struct xpv_netif_tx_request request(uint16_t size, uint16_t flags)
{
	struct xpv_netif_tx_request req = {
		.id = (uint16_t)usernet_tx_id(rig.u),
		.size = size,
		.flags = flags,
	};

	req.gref = rig.u->tx_page_gref[req.id];
	return req;
}

static void put(struct xpv_netif_tx_request req)
{
	usernet_tx_raw(rig.u, &req);
}

static void put_extra(struct xpv_netif_extra extra)
{
	uint8_t slot[XPV_NETIF_TX_SLOT];

	memset(slot, 0xee, sizeof(slot));
	memcpy(slot, &extra, sizeof(extra));
	usernet_tx_raw(rig.u, slot);
}

static struct xpv_netif_extra gso_extra(uint8_t type, uint16_t size)
{
	struct xpv_netif_extra extra = {.type = XPV_EXTRA_GSO};

	extra.gso.type = type;
	extra.gso.size = size;
	return extra;
}

/* The vif still works. */
static void expect_alive(void)
{
	struct usernet_packet pkt = {.data = sent, .len = 77};

	netframe_plain(sent, 77, 77);
	ck_assert_int_eq(usernet_send(rig.u, &pkt), 1);
	usernet_push(rig.u);
	ck_assert_uint_eq(rig_reap(&rig, rsp, 1), 1);
	ck_assert_int_eq(rsp[0].status, XPV_NETIF_OKAY);
	ck_assert_uint_eq(rig_read(&rig, NULL, got), 77);
	ck_assert_mem_eq(got, sent, 77);
}

/* Where the worker is a process, its counters are its own. */
static uint64_t count(enum vif_counter counter)
{
	return rig.direct ? rig_count(&rig, counter) : 0;
}

/* Packets dropped so far, for whatever reason. */
static uint64_t all_drops(void)
{
	uint64_t sum = 0;

	for (unsigned int i = VIF_TX_DROP_SLOTS; i <= VIF_TX_DROP_GSO; i++)
		sum += count((enum vif_counter)i);
	return sum;
}

/*
 * What was put on the ring is answered with errors, nothing comes out; and
 * that is counted once, by its reason.
 */
static void expect_dropped(unsigned int slots, unsigned int extras,
			   enum vif_counter reason)
{
	uint64_t before = count(reason), all = all_drops();

	usernet_push(rig.u);
	ck_assert_uint_eq(rig_reap(&rig, rsp, slots), slots);
	for (unsigned int i = 0; i < slots; i++)
		ck_assert_int_eq(rsp[i].status, i && i <= extras
							? XPV_NETIF_NULL
							: XPV_NETIF_ERROR);
	ck_assert_uint_eq(rig_read(&rig, NULL, got), 0);
	ck_assert_uint_eq(count(reason), before + rig.direct);
	ck_assert_uint_eq(all_drops(), all + rig.direct);
	expect_alive();
}

/* The connection ends, for this reason; all is given back; a new one works. */
static void expect_broken(const char *what)
{
	usernet_push(rig.u);
	rig_expect_broken(&rig, what);
	ck_assert_uint_eq(rig_read(&rig, NULL, got), 0);
	rig_free_front(&rig);
	rig_connect(&rig);
	expect_alive();
}

/* ---- packets that are dropped ---- */

START_TEST(tx_short)
{
	for (uint16_t size = 0; size < XPV_NETIF_MIN_PACKET; size++) {
		put(request(size, 0));
		expect_dropped(1, 0, VIF_TX_DROP_SHORT);
	}
}
END_TEST

START_TEST(tx_too_many_slots)
{
	for (unsigned int n = 19; n <= 20; n++) {
		for (unsigned int i = 0; i < n; i++)
			put(request(i ? 10 : 1000,
				    i + 1 < n ? XPV_TX_MORE : 0));
		expect_dropped(n, 0, VIF_TX_DROP_SLOTS);
	}
}
END_TEST

/* The total is less than its pieces: also how a frame over 64 KiB looks. */
START_TEST(tx_pieces_exceed_total)
{
	put(request(100, XPV_TX_MORE));
	put(request(60, XPV_TX_MORE));
	put(request(60, 0));
	expect_dropped(3, 0, VIF_TX_DROP_LONG);
	for (int i = 0; i < 17; i++)
		put(request(i ? 4096 : 4096, i < 16 ? XPV_TX_MORE : 0));
	expect_dropped(17, 0, VIF_TX_DROP_LONG);
}
END_TEST

/* A grant that is none, at each place of packets of each number of slots. */
START_TEST(tx_bad_gref)
{
	for (unsigned int n = 1; n <= 18; n++) {
		for (unsigned int bad = 0; bad < n; bad++) {
			for (unsigned int i = 0; i < n; i++) {
				struct xpv_netif_tx_request req =
					request(i ? 50 : (uint16_t)(50 * n),
						i + 1 < n ? XPV_TX_MORE : 0);

				if (i == bad)
					req.gref = BAD_GREF;
				put(req);
			}
			expect_dropped(n, 0, VIF_TX_DROP_GRANT);
		}
	}
}
END_TEST

/* Pieces of nothing, at each place and everywhere, copy nothing. */
START_TEST(tx_empty_pieces)
{
	for (unsigned int full = 0; full < 18; full++) {
		for (unsigned int i = 0; i < 18; i++) {
			struct xpv_netif_tx_request req = request(
				i == full ? 100 : 0, i < 17 ? XPV_TX_MORE : 0);

			if (!i)
				req.size = 100;
			/* Would fail, were it asked for. */
			if (i != full)
				req.gref = BAD_GREF;
			memset(usernet_tx_page(rig.u, req.id), 2, 100);
			put(req);
		}
		usernet_push(rig.u);
		ck_assert_uint_eq(rig_reap(&rig, rsp, 18), 18);
		ck_assert_int_eq(rsp[0].status, XPV_NETIF_OKAY);
		ck_assert_uint_eq(rig_read(&rig, NULL, got), 100);
	}
	for (unsigned int i = 0; i < 18; i++)
		put(request(0, i < 17 ? XPV_TX_MORE : 0));
	expect_dropped(18, 0, VIF_TX_DROP_SHORT);
}
END_TEST

/* Frames that are not what their offloads claim. */
struct lie {
	const char *what;
	struct netframe frame;
	uint8_t gso_type;
	uint16_t gso_size;
	/* Then @value is put at @at of the frame. */
	uint16_t at;
	uint8_t value;
	uint16_t len; /* cut to; 0: as it is */
};

static const struct lie lies[] = {
	{"ethertype 0", {.payload = 100}, 0, 0, 12, 0xff, 0},
	{"ICMP", {.payload = 100}, 0, 0, 23, 1, 0},
	{"a fragment", {.payload = 100}, 0, 0, 20, 0x20, 0},
	{"IP version 5", {.payload = 100}, 0, 0, 14, 0x55, 0},
	{"IP header of 16", {.payload = 100}, 0, 0, 14, 0x44, 0},
	{"IP header over the end", {.payload = 0}, 0, 0, 14, 0x4f, 60},
	{"TCP header of 16", {.payload = 100}, 0, 0, 46, 0x40, 0},
	{"TCP header over the end", {.payload = 10}, 0, 0, 46, 0xf0, 0},
	{"cut in the TCP header", {.payload = 0}, 0, 0, 0, 2, 53},
	{"cut in the IP header", {.payload = 0}, 0, 0, 0, 2, 33},
	{"cut behind Ethernet", {.payload = 0}, 0, 0, 0, 2, 14},
	{"cut in the UDP header", {.udp = true}, 0, 0, 0, 2, 41},
	{"cut in the VLAN tag", {.vlan = 1}, 0, 0, 0, 2, 16},
	{"cut in the IPv6 header", {.v6 = true}, 0, 0, 0, 2, 50},
	{"endless IPv6 extensions",
	 {.v6 = true, .payload = 900},
	 0,
	 0,
	 20,
	 0,
	 0},
	{"IPv6 fragment", {.v6 = true, .payload = 99}, 0, 0, 20, 44, 0},
	{"GSO of UDP", {.udp = true, .payload = 3000}, 1, 1000, 0, 2, 0},
	{"GSO v4 of v6", {.v6 = true, .payload = 3000}, 1, 1000, 0, 2, 0},
	{"GSO v6 of v4", {.payload = 3000}, 2, 1000, 0, 2, 0},
	{"GSO of protocol 0", {.payload = 3000}, 1, 1000, 23, 0, 0},
	{"GSO of ethertype 0", {.payload = 3000}, 1, 1000, 12, 0, 0},
	{"GSO of a fragment", {.payload = 3000}, 1, 1000, 21, 1, 0},
	{"GSO by single bytes", {.payload = 3000}, 1, 1, 0, 2, 0},
	{"GSO of a bare header", {.payload = 0}, 1, 1000, 0, 2, 20},
};

START_TEST(tx_lies)
{
	struct lie lie = lies[_i];
	struct usernet_packet pkt = {
		.data = sent,
		.gso_type = lie.gso_type,
		.gso_size = lie.gso_size,
		.flags = XPV_TX_CSUM_BLANK,
	};
	enum vif_counter reason =
		lie.gso_type ? VIF_TX_DROP_GSO : VIF_TX_DROP_CSUM;
	int slots;

	lie.frame.blank = true;
	pkt.len = netframe_build(sent, &lie.frame, 1);
	sent[lie.at] = lie.value;
	if (lie.len)
		pkt.len = lie.len;
	slots = usernet_send(rig.u, &pkt);
	ck_assert_int_gt(slots, 0);
	expect_dropped((unsigned int)slots, lie.gso_type != 0, reason);
	/* The same without csum_blank: only GSO makes a promise now. */
	pkt.flags = 0;
	pkt.data = sent;
	netframe_build(sent, &lie.frame, 1);
	sent[lie.at] = lie.value;
	slots = usernet_send(rig.u, &pkt);
	if (lie.gso_type)
		expect_dropped((unsigned int)slots, 1, reason);
}
END_TEST

/* Good packets between bad ones of every kind, served in one batch. */
START_TEST(tx_good_among_bad)
{
	unsigned int slots = 0;

	for (uint32_t i = 0; i < 40; i++) {
		struct usernet_packet pkt = {.data = sent, .len = 60 + i};
		struct xpv_netif_tx_request req = request(99, 0);

		if (i % 3 == 0)
			req.gref = BAD_GREF;
		if (i % 3 == 1)
			req.size = 5;
		if (i % 3 == 2)
			req.flags = XPV_TX_CSUM_BLANK;
		memset(usernet_tx_page(rig.u, req.id), 2, 99);
		put(req);
		netframe_plain(sent, pkt.len, i);
		slots += 1 + (unsigned int)usernet_send(rig.u, &pkt);
	}
	usernet_push(rig.u);
	ck_assert_uint_eq(rig_reap(&rig, rsp, slots), slots);
	ck_assert_uint_eq(count(VIF_TX_DROP_GRANT), rig.direct ? 14 : 0);
	ck_assert_uint_eq(count(VIF_TX_DROP_SHORT), rig.direct ? 13 : 0);
	ck_assert_uint_eq(count(VIF_TX_DROP_CSUM), rig.direct ? 13 : 0);
	for (uint32_t i = 0; i < 40; i++) {
		ck_assert_int_eq(rsp[2 * i].status, XPV_NETIF_ERROR);
		ck_assert_int_eq(rsp[2 * i + 1].status, XPV_NETIF_OKAY);
		netframe_plain(sent, 60 + i, i);
		ck_assert_uint_eq(rig_read(&rig, NULL, got), 60 + i);
		ck_assert_mem_eq(got, sent, 60 + i);
	}
	ck_assert_uint_eq(rig_read(&rig, NULL, got), 0);
}
END_TEST

/* ---- fronts that are cut off ---- */

START_TEST(tx_crosses_page)
{
	struct xpv_netif_tx_request req = request(100, 0);

	req.offset = 3997;
	put(req);
	expect_broken("crosses its page");
	put(request(300, XPV_TX_MORE));
	req = request(100, 0);
	req.offset = 0xffff;
	put(req);
	expect_broken("crosses its page");
	req = request(4097, 0);
	put(req);
	expect_broken("crosses its page");
}
END_TEST

START_TEST(tx_endless_packet)
{
	for (unsigned int i = 0; i < USERNET_SLOTS; i++)
		put(request(i ? 0 : 100, XPV_TX_MORE));
	expect_broken("more than 20 slots");
}
END_TEST

START_TEST(tx_bad_extras)
{
	static const struct {
		uint8_t type, flags, gso_type;
		uint16_t gso_size;
		const char *what;
	} bad[] = {
		{XPV_EXTRA_GSO, 0, XPV_GSO_TCPV4, 0, "GSO"},
		{XPV_EXTRA_GSO, 0, 3, 1000, "GSO"},
		{XPV_EXTRA_GSO, 0, 0, 1000, "GSO"},
		{XPV_EXTRA_NONE, 0, 0, 0, "extra"},
		{XPV_EXTRA_TYPES, 0, 0, 0, "extra"},
		{255, 0, 0, 0, "extra"},
		/* a flood */
		{XPV_EXTRA_GSO, XPV_EXTRA_MORE, XPV_GSO_TCPV4, 9, "extra"},
	};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct xpv_netif_extra extra =
			gso_extra(bad[i].gso_type, bad[i].gso_size);

		extra.type = bad[i].type;
		extra.flags = bad[i].flags;
		put(request(100, XPV_TX_EXTRA));
		for (int n = 0; n < 200; n++)
			put_extra(extra);
		expect_broken(bad[i].what);
	}
}
END_TEST

START_TEST(bad_indices)
{
	static const uint32_t jump[] = {257, 258, 0x80000000u, 0xffffffffu,
					0xffffff00u};

	for (unsigned int i = 0; i < 5; i++) {
		struct xpv_sring *tx = rig.u->tx.ring.shared,
				 *rx = rig.u->rx.ring.shared;

		tx->req_prod += jump[i];
		rig_expect_broken(&rig, "tx ring");
		rig_free_front(&rig);
		rig_connect(&rig);
		rx = rig.u->rx.ring.shared;
		rx->req_prod += jump[i];
		rig_expect_broken(&rig, "rx ring");
		rig_free_front(&rig);
		rig_connect(&rig);
		expect_alive();
	}
}
END_TEST

/* ---- receive ---- */

/* A grant that is none, at each slot of a long frame. */
START_TEST(rx_bad_gref)
{
	struct netframe f = {.blank = true, .payload = 40000};
	uint32_t len = netframe_build(sent, &f, 1);
	struct virtio_net_hdr hdr = rig_header(&f, 1448);

	for (unsigned int bad = 0; bad < 11; bad++) {
		for (unsigned int i = 0; i < 11; i++)
			if (i == bad)
				usernet_post_gref(rig.u, BAD_GREF);
			else
				usernet_post(rig.u, 1);
		usernet_push(rig.u);
		ck_assert(rig_write(&rig, &hdr, sent, len));
		ck_assert(rig_receive(&rig, &frame));
		/* The slot of the extra is not written to. */
		ck_assert_uint_eq(frame.errors, bad != 1);
		ck_assert_uint_eq(frame.slots, 11);
		ck_assert_uint_eq(frame.gso_size, 1448);
	}
	/* A page that is ours to read only. */
	usernet_post_gref(rig.u, rig.u->tx_page_gref[0]);
	usernet_push(rig.u);
	ck_assert(rig_write(&rig, NULL, sent, 60));
	ck_assert(rig_receive(&rig, &frame));
	ck_assert_uint_eq(frame.errors, 1);
	expect_alive();
}
END_TEST

Suite *vif_hostile_suite(void)
{
	Suite *s = suite_create("vif_hostile");
	TCase *tc = rig_case(s, "hostile", RIG_MESSAGES);

	if (!tc)
		return s;
	tcase_add_test(tc, tx_short);
	tcase_add_test(tc, tx_too_many_slots);
	tcase_add_test(tc, tx_pieces_exceed_total);
	tcase_add_test(tc, tx_bad_gref);
	tcase_add_test(tc, tx_empty_pieces);
	tcase_add_loop_test(tc, tx_lies, 0,
			    (int)(sizeof(lies) / sizeof(lies[0])));
	tcase_add_test(tc, tx_good_among_bad);
	tcase_add_test(tc, tx_crosses_page);
	tcase_add_test(tc, tx_endless_packet);
	tcase_add_test(tc, tx_bad_extras);
	tcase_add_test(tc, bad_indices);
	tcase_add_test(tc, rx_bad_gref);
	return s;
}
