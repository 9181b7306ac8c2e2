// SPDX-License-Identifier: MIT
/* Guests on a switch: who gets what, and every byte of it. */
#include "lanrig.h"
#include "backend/vif/credit.h"
#include "netframe.h"
#include "soak.h"
#include "suites.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct lan lan;
static struct lan_guest *a, *b, *c;
static uint8_t sent[LAN_FRAME], want[LAN_FRAME];
static struct usernet_frame got;

static void setup(void)
{
	lan_setup(&lan);
}

static void teardown(void)
{
	lan_teardown(&lan);
}

static void three(void)
{
	lan_setup(&lan);
	a = lan_add(&lan, "lan", NULL);
	b = lan_add(&lan, "lan", NULL);
	c = lan_add(&lan, "lan", NULL);
}

static uint32_t seq;

/* Send a plain frame of @len bytes. */
static void send(struct lan_guest *from, const struct lan_guest *to,
		 uint32_t len)
{
	struct usernet_packet pkt = {.data = sent, .len = len};

	lan_frame(sent, from, to, len, ++seq);
	ck_assert(lan_send(from, &pkt));
}

static void expect(struct lan_guest *to, uint32_t len)
{
	ck_assert_msg(lan_receive(&lan, to, &got), "nothing for %u, len %u",
		      to->domid, len);
	ck_assert_uint_eq(got.len, len);
	ck_assert_mem_eq(got.data, sent, len);
	usernet_post(to->u, USERNET_SLOTS);
	usernet_push(to->u);
}

/* ---- bytes ---- */

START_TEST(every_length)
{
	for (uint32_t len = LAN_ETH; len < LAN_STAMP; len++) {
		struct usernet_packet pkt = {.data = sent, .len = len};

		lan_frame(sent, a, b, LAN_STAMP, ++seq);
		ck_assert(lan_send(a, &pkt));
		expect(b, len);
		lan_turns(&lan, 1);
		ck_assert_uint_eq(lan_reap(a), 1);
	}
	for (uint32_t len = LAN_STAMP; len < 1600; len++) {
		send(a, b, len);
		expect(b, len);
		lan_turns(&lan, 1);
		ck_assert_uint_eq(lan_reap(a), 1);
	}
	for (uint32_t len = 4000; len <= 65535; len += 997) {
		send(a, b, len);
		expect(b, len);
		lan_turns(&lan, 1);
		ck_assert_uint_eq(lan_reap(a), (len + 4095) / 4096);
	}
	lan_expect_none(&lan, c);
	lan_expect_none(&lan, a);
}
END_TEST

/* How often the frame's bytes behind the header change page, on either side. */
static uint64_t page_fragments(const struct usernet_packet *pkt)
{
	uint32_t at = 0, copies = 0;

	for (unsigned int i = 0; i < pkt->nr_pieces; i++) {
		uint32_t end = at + pkt->pieces[i].size;

		if (at < MAIL_HEADER)
			at = end < MAIL_HEADER ? end : MAIL_HEADER;
		while (at < end) {
			uint32_t page_end = (at / 4096 + 1) * 4096;

			at = page_end < end ? page_end : end;
			copies++;
		}
	}
	return copies;
}

/* What it is all for: no payload in our memory, and no copy too many. */
START_TEST(one_copy)
{
	struct usernet_piece piece[XPV_NETIF_MAX_SLOTS];
	struct lan_copies *n = &lan.copies;

	srandom(1);
	for (int i = 0; i < 1000; i++) {
		uint32_t len = 26 + (uint32_t)random() % 65510;
		struct usernet_packet pkt = {
			.data = sent, .len = len, .pieces = piece};

		pkt.nr_pieces = netframe_cut(len, piece);
		lan_frame(sent, a, b, len, ++seq);
		memset(n, 0, sizeof(*n));
		ck_assert(lan_send(a, &pkt));
		expect(b, len);
		lan_turns(&lan, 2);
		ck_assert_uint_eq(lan_reap(a), pkt.nr_pieces);
		ck_assert_uint_eq(n->grant_to_grant, page_fragments(&pkt));
		ck_assert_uint_eq(n->grant_to_grant_bytes,
				  len > MAIL_HEADER ? len - MAIL_HEADER : 0);
		ck_assert_uint_le(n->largest_other, MAIL_HEADER);
	}
	ck_assert_uint_eq(lan_count(b, SWITCH_RX_BOUNCED), 0);
	ck_assert_uint_gt(lan_count(b, SWITCH_RX_INLINE), 0);
	ck_assert_uint_eq(lan_count(b, SWITCH_RX_INLINE) +
				  lan_count(b, SWITCH_RX_DIRECT),
			  1000);
}
END_TEST

/* _i: bit 0 IPv6 */
START_TEST(gso_is_handed_on)
{
	struct netframe f = {.v6 = _i & 1, .blank = true, .payload = 40000};
	struct usernet_packet pkt = {
		.data = sent,
		.len = netframe_build(sent, &f, 1),
		.flags = XPV_TX_CSUM_BLANK,
		.gso_type = f.v6 ? XPV_GSO_TCPV6 : XPV_GSO_TCPV4,
		.gso_size = 1448,
	};

	memcpy(sent, b->mac, 6);
	memcpy(sent + 6, a->mac, 6);
	ck_assert(lan_send(a, &pkt));
	expect(b, pkt.len);
	ck_assert_uint_eq(got.gso_type, pkt.gso_type);
	ck_assert_uint_eq(got.gso_size, 1448);
	ck_assert_uint_eq(got.flags, XPV_RX_CSUM_BLANK | XPV_RX_DATA_VALIDATED);
	ck_assert_uint_eq(lan_count(b, SWITCH_RX_DIRECT), 1);
	ck_assert_uint_le(lan.copies.largest_other, MAIL_HEADER);
}
END_TEST

/* A guest without GSO, without checksums: in segments, each of them right. */
START_TEST(gso_is_cut)
{
	struct netframe f = {.v6 = _i & 1, .blank = true, .payload = 40000};
	struct usernet_packet pkt = {
		.data = sent,
		.len = netframe_build(sent, &f, 1),
		.flags = XPV_TX_CSUM_BLANK,
		.gso_type = f.v6 ? XPV_GSO_TCPV6 : XPV_GSO_TCPV4,
		.gso_size = 1448,
	};
	uint32_t hdr = netframe_hdr_len(&f), at = 0;
	struct lan_guest *old;

	lan.features =
		(struct ipc_vif_connect){.nr_queues = 1, .rx_notify = true};
	old = lan_add(&lan, "lan", NULL);
	memcpy(sent, old->mac, 6);
	memcpy(sent + 6, a->mac, 6);
	ck_assert(lan_send(a, &pkt));
	while (at < f.payload) {
		struct netframe one = f;

		ck_assert(lan_receive(&lan, old, &got));
		one.payload = got.len - hdr;
		ck_assert_uint_eq(got.slots, 1);
		ck_assert_uint_eq(got.gso_type, 0);
		ck_assert(!(got.flags & XPV_RX_CSUM_BLANK));
		ck_assert(netframe_csum_ok(got.data, &one, got.len));
		ck_assert_mem_eq(got.data + hdr, sent + hdr + at, one.payload);
		at += one.payload;
	}
	ck_assert_uint_eq(at, f.payload);
	ck_assert_uint_eq(lan_count(old, SWITCH_RX_BOUNCED), 1);
	lan_turns(&lan, 2);
	ck_assert_uint_gt(lan_reap(a), 0);
}
END_TEST

/* _i: bit 0 IPv6, bit 1 UDP. The checksum is finished for who cannot. */
START_TEST(checksum_is_finished)
{
	struct netframe f = {
		.v6 = _i & 1, .udp = _i & 2, .blank = true, .payload = 1300};
	struct usernet_packet pkt = {
		.data = sent,
		.len = netframe_build(sent, &f, 1),
		.flags = XPV_TX_CSUM_BLANK,
	};
	struct lan_guest *old;

	lan.features.csum_ipv4 = lan.features.csum_ipv6 = false;
	old = lan_add(&lan, "lan", NULL);
	memcpy(sent + 6, a->mac, 6);
	memset(sent, 0xff, 6); /* to both kinds at once */
	ck_assert(lan_send(a, &pkt));
	expect(b, pkt.len);
	ck_assert_uint_eq(got.flags, XPV_RX_CSUM_BLANK | XPV_RX_DATA_VALIDATED);
	ck_assert(lan_receive(&lan, old, &got));
	ck_assert(!(got.flags & XPV_RX_CSUM_BLANK));
	ck_assert(netframe_csum_ok(got.data, &f, got.len));
	ck_assert_uint_eq(lan_count(old, SWITCH_RX_BOUNCED), 1);
	ck_assert_uint_eq(lan_count(b, SWITCH_RX_BOUNCED), 0);
}
END_TEST

/* ---- who gets it ---- */

START_TEST(flooded_to_all_and_learned)
{
	uint8_t other[6] = {2, 0, 0, 0, 9, 9};

	lan.no_guard = true;
	a = lan_add(&lan, "lan", NULL);
	b = lan_add(&lan, "lan", NULL);
	c = lan_add(&lan, "lan", NULL);
	/* nobody has spoken yet */
	send(a, b, 1000);
	expect(b, 1000);
	ck_assert(lan_receive(&lan, c, &got));
	ck_assert_uint_eq(lan_count(a, SWITCH_TX_FLOODED), 1);
	/* b answers: all know where it is, but for c, which has not seen it */
	send(b, a, 1000);
	expect(a, 1000);
	lan_expect_none(&lan, c);
	send(a, b, 1000);
	expect(b, 1000);
	lan_expect_none(&lan, c);
	ck_assert_uint_eq(lan_count(a, SWITCH_TX_FLOODED), 1);
	ck_assert_uint_eq(lan_count(a, SWITCH_TX_UNICAST), 1);
	/* a second station behind c, as a bridge in the guest would have it */
	lan_frame(sent, c, a, 500, 1);
	memcpy(sent + 6, other, 6);
	ck_assert(lan_send(c,
			   &(struct usernet_packet){.data = sent, .len = 500}));
	expect(a, 500);
	lan_frame(sent, a, NULL, 500, 1);
	memcpy(sent, other, 6);
	ck_assert(lan_send(a,
			   &(struct usernet_packet){.data = sent, .len = 500}));
	expect(c, 500);
	lan_expect_none(&lan, b);
	/* to all is to all but the sender */
	send(a, NULL, 300);
	expect(b, 300);
	expect(c, 300);
	lan_expect_none(&lan, a);
}
END_TEST

START_TEST(group_addresses_of_bridges_stay)
{
	lan_frame(sent, a, NULL, 100, 1);
	memcpy(sent, (uint8_t[]){1, 0x80, 0xc2, 0, 0, 0}, 6);
	ck_assert(lan_send(a,
			   &(struct usernet_packet){.data = sent, .len = 100}));
	lan_expect_none(&lan, b);
	ck_assert_uint_eq(lan_count(a, SWITCH_TX_DROP_RESERVED), 1);
	ck_assert_uint_eq(lan_reap(a), 1);
}
END_TEST

START_TEST(source_guards)
{
	a = lan_add(&lan, "lan", "10.0.0.1");
	b = lan_add(&lan, "lan", NULL);
	lan_frame(sent, a, b, 100, 1);
	sent[11]++;
	ck_assert(lan_send(a,
			   &(struct usernet_packet){.data = sent, .len = 100}));
	lan_expect_none(&lan, b);
	ck_assert_uint_eq(lan_count(a, SWITCH_TX_DROP_MAC), 1);
	sent[11]--;
	ck_assert(lan_send(a,
			   &(struct usernet_packet){.data = sent, .len = 100}));
	lan_expect_none(&lan, b);
	ck_assert_uint_eq(lan_count(a, SWITCH_TX_DROP_ADDRESS), 1);
	/* ours */
	memcpy(sent + 12, (uint8_t[]){8, 0, 0x45}, 3);
	memcpy(sent + 26, (uint8_t[]){10, 0, 0, 1}, 4);
	ck_assert(lan_send(a,
			   &(struct usernet_packet){.data = sent, .len = 100}));
	expect(b, 100);
	/* the answers say nothing of it: a guest's log is not ours to fill */
	ck_assert_uint_eq(lan_reap(a), 3);
}
END_TEST

/* A worker gone bad sends what its guest may not: the receiver knows better. */
START_TEST(receiver_checks_again)
{
	a->port->guard.check_mac = false;
	lan_frame(sent, a, b, 100, 1);
	memcpy(sent + 6, c->mac, 6);
	ck_assert(lan_send(a,
			   &(struct usernet_packet){.data = sent, .len = 100}));
	lan_expect_none(&lan, b);
	ck_assert_uint_eq(lan_count(b, SWITCH_RX_DROP_MAC), 1);
	/* of a VLAN that is not its own */
	vlan_all(&a->port->vlans);
	lan_frame(sent, a, b, 100, 1);
	memcpy(sent + 12, (uint8_t[]){0x81, 0, 0, 5}, 4);
	for (unsigned int i = 0; i < a->port->nr_links; i++)
		vlan_all(&a->port->link[i].peer.vlans);
	ck_assert(lan_send(a,
			   &(struct usernet_packet){.data = sent, .len = 100}));
	lan_expect_none(&lan, b);
	ck_assert_uint_eq(lan_count(b, SWITCH_RX_DROP_VLAN), 1);
}
END_TEST

/* Five fixed addresses in one set: the fifth has no entry, yet its port. */
START_TEST(fixed_without_an_entry)
{
	for (unsigned int i = 0; i < a->port->nr_links; i++)
		fdb_forget(&a->port->fdb, (uint8_t)i);
	send(a, b, 1000);
	expect(b, 1000);
	lan_expect_none(&lan, c);
	ck_assert_uint_eq(lan_count(a, SWITCH_TX_FLOODED), 1);
}
END_TEST

/* ---- rate ---- */

static unsigned int answered(unsigned int turns)
{
	unsigned int n = 0;

	while (turns--) {
		lan_turns(&lan, 1);
		n += lan_reap(a);
		while (usernet_receive(b->u, &got) > 0)
			;
		usernet_post(b->u, USERNET_SLOTS);
		usernet_push(b->u);
	}
	return n;
}

/* As on a tap: the burst at once, the rest later; changed while it waits. */
START_TEST(rate_holds_on_a_switch)
{
	struct ipc_vif_tune tune = {.rate_bytes = 1000, .rate_usec = 1000000};
	struct reason why = {""};
	unsigned int n;

	ck_assert_int_eq(vif_tune(a->vif, &tune, &why), 0);
	for (n = 0; n < USERNET_SLOTS; n++)
		send(a, b, 1000);
	n = answered(20);
	ck_assert_uint_ge(n, CREDIT_MIN_BURST / 1000);
	ck_assert_uint_le(n, CREDIT_MIN_BURST / 1000 + 2);
	ck_assert_uint_ge(vif_counter(a->vif, VIF_TX_THROTTLED), 1);
	tune.rate_bytes = 0;
	ck_assert_int_eq(vif_tune(a->vif, &tune, &why), 0);
	ck_assert_uint_eq(n + answered(20), USERNET_SLOTS);
}
END_TEST

/* ---- VLANs ---- */

/* A worker gone bad leaves a tag where there is none to be. */
START_TEST(receiver_takes_no_tags)
{
	static const uint8_t tags[3][2] = {{0x81, 0}, {0x88, 0xa8}, {0x91, 0}};
	struct switch_link *link = &a->port->link[0];
	struct mail mail = {.header_len = 60};

	ck_assert_uint_eq(link->peer.id, b->id);
	for (unsigned int i = 0; i < 3; i++) {
		lan_frame(mail.header, a, b, 60, 1);
		memcpy(mail.header + 12, tags[i], 2);
		mail_post(&link->tx, &mail, MAIL_NO_COOKIE, 0);
		mail_push(&link->tx);
		lan_expect_none(&lan, b);
		ck_assert_uint_eq(lan_count(b, SWITCH_RX_DROP_VLAN), i + 1);
	}
}
END_TEST

START_TEST(vlans_are_apart)
{
	struct lan_guest *plain = lan_add(&lan, "lan", NULL);
	struct lan_guest *five = lan_add(&lan, "lan.5", NULL);
	struct lan_guest *trunk = lan_add(&lan, "lan:5:6", NULL);
	struct lan_guest *six = lan_add(&lan, "lan.6", NULL);
	uint8_t tag[4] = {0x81, 0, 0, 5};

	/* untagged, from an access port to a trunk: with its tag */
	send(five, NULL, 2000);
	ck_assert(lan_receive(&lan, trunk, &got));
	ck_assert_uint_eq(got.len, 2004);
	ck_assert_mem_eq(got.data, sent, 12);
	ck_assert_mem_eq(got.data + 12, tag, 4);
	ck_assert_mem_eq(got.data + 16, sent + 12, 1988);
	ck_assert_uint_eq(lan_count(trunk, SWITCH_RX_DIRECT), 1);
	lan_expect_none(&lan, plain);
	lan_expect_none(&lan, six);
	/* and from the trunk, tagged, to the access ports: without */
	lan_frame(sent, trunk, NULL, 2000, 7);
	memcpy(want, sent, 12);
	memcpy(want + 12, tag, 4);
	want[15] = 6;
	memcpy(want + 16, sent + 12, 1988);
	ck_assert(lan_send(trunk, &(struct usernet_packet){.data = want,
							   .len = 2004}));
	expect(six, 2000);
	lan_expect_none(&lan, five);
	lan_expect_none(&lan, plain);
	/* a trunk's VLAN that is none of its own, and none at all */
	want[15] = 7;
	ck_assert(lan_send(trunk, &(struct usernet_packet){.data = want,
							   .len = 2004}));
	send(trunk, NULL, 100);
	lan_turns(&lan, 5);
	ck_assert_uint_eq(lan_count(trunk, SWITCH_TX_DROP_VLAN), 2);
	/* a guest of VLAN 0 tags its way into none */
	want[15] = 5;
	memcpy(want + 6, plain->mac, 6);
	ck_assert(lan_send(plain, &(struct usernet_packet){.data = want,
							   .len = 2004}));
	lan_expect_none(&lan, five);
	ck_assert_uint_eq(lan_count(plain, SWITCH_TX_DROP_VLAN), 1);
}
END_TEST

/* ---- long and random ---- */

/* XPV_SOAK=N: N times as many packets; XPV_SEED=N: others. */
START_TEST(random_traffic)
{
	static uint32_t last[LAN_GUESTS][64];
	uint32_t total = 10000 * soak();
	struct usernet_piece piece[XPV_NETIF_MAX_SLOTS];
	uint32_t out = 0, in = 0, next = 0;

	srandom(soak_seed());
	while (in < total) {
		for (int burst = (int)random() % 8; burst && out < total;
		     burst--) {
			unsigned int from = (unsigned int)random() % 3;
			unsigned int to = (from + 1 + random() % 2) % 3;
			uint32_t len = random() % 4 ? 1514 : 65535;
			struct usernet_packet pkt = {.data = sent,
						     .pieces = piece};

			pkt.len = 26 + (uint32_t)random() % (len - 25);
			pkt.nr_pieces = netframe_cut(pkt.len, piece);
			lan_frame(sent, &lan.guest[from], &lan.guest[to],
				  pkt.len, ++next);
			out += lan_send(&lan.guest[from], &pkt);
		}
		lan_turns(&lan, 1);
		for (unsigned int i = 0; i < 3; i++) {
			struct lan_guest *g = &lan.guest[i];
			uint16_t from;
			uint32_t n;

			lan_reap(g);
			while (usernet_receive(g->u, &got) > 0) {
				ck_assert_uint_eq(got.errors, 0);
				ck_assert(lan_frame_whole(got.data, got.len,
							  &from, &n));
				ck_assert_mem_eq(got.data, g->mac, 6);
				/* in order from each, and once */
				ck_assert_uint_gt(n, last[i][from]);
				last[i][from] = n;
				in++;
			}
			usernet_post(g->u, (unsigned int)random() % 200);
			usernet_push(g->u);
		}
	}
	ck_assert_uint_eq(in, out);
	for (unsigned int i = 0; i < 3; i++) {
		ck_assert_uint_eq(lan_count(&lan.guest[i], SWITCH_TX_REVOKED),
				  0);
		ck_assert_uint_le(lan.copies.largest_other, MAIL_HEADER);
	}
	soak_count(in, "packets between guests");
}
END_TEST

/* What a device sends, as the uplink does: each frame is sent or has its reason. */
START_TEST(frames_of_a_device)
{
	struct port *port = &a->port->port;
	struct port_frame frame = {.data = sent, .len = 100};

	lan_frame(sent, a, b, 100, ++seq);
	port->ops->send(port, &frame, 1);
	expect(b, 100);
	ck_assert_uint_eq(port->stats.sent, 1);
	/* no Ethernet header; segments that its headers know nothing of */
	frame.len = 13;
	port->ops->send(port, &frame, 1);
	frame.len = 100;
	frame.off.csum_needed = true;
	frame.off.gso = PORT_GSO_TCPV4;
	frame.off.gso_size = 50;
	frame.off.csum_start = 34;
	frame.off.csum_offset = 16;
	port->ops->send(port, &frame, 1);
	ck_assert_uint_eq(port->stats.drop_refused, 2);
	/* b's worker does not come to it */
	memset(&frame.off, 0, sizeof(frame.off));
	for (unsigned int i = 0; i < 2 * MAIL_SLOTS; i++)
		port->ops->send(port, &frame, 1);
	ck_assert_uint_ge(port->stats.drop_full, MAIL_SLOTS);
	ck_assert_uint_eq(port->stats.sent + port->stats.drop_full,
			  1 + 2 * MAIL_SLOTS);
	while (port->stats.sent > 1) {
		expect(b, 100);
		port->stats.sent--;
	}
	lan_expect_none(&lan, b);
	ck_assert_uint_eq(port->stats.drop_refused, 2);
}
END_TEST

Suite *switch_suite(void)
{
	Suite *s = suite_create("switch");
	TCase *tc = tcase_create("bytes");

	tcase_add_checked_fixture(tc, three, teardown);
	tcase_add_test(tc, every_length);
	tcase_add_test(tc, one_copy);
	tcase_add_loop_test(tc, gso_is_handed_on, 0, 2);
	tcase_add_loop_test(tc, gso_is_cut, 0, 2);
	tcase_add_loop_test(tc, checksum_is_finished, 0, 4);
	tcase_add_test(tc, group_addresses_of_bridges_stay);
	tcase_add_test(tc, receiver_checks_again);
	tcase_add_test(tc, receiver_takes_no_tags);
	tcase_add_test(tc, fixed_without_an_entry);
	tcase_add_test(tc, rate_holds_on_a_switch);
	tcase_add_test(tc, frames_of_a_device);
	suite_add_tcase(s, tc);
	tc = tcase_create("long");
	tcase_add_checked_fixture(tc, three, teardown);
	tcase_add_test(tc, random_traffic);
	tcase_set_timeout(tc, 120 * (double)soak());
	suite_add_tcase(s, tc);
	tc = tcase_create("ports");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, flooded_to_all_and_learned);
	tcase_add_test(tc, source_guards);
	tcase_add_test(tc, vlans_are_apart);
	suite_add_tcase(s, tc);
	return s;
}
