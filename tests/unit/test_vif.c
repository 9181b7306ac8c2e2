// SPDX-License-Identifier: MIT
/* Honest packets through a vif, both ways: every byte, every offload. */
#include "netframe.h"
#include "vifcase.h"
#include "suites.h"

#include <string.h>

/* Connect again with rig.guest changed. */
static void reconnect(void)
{
	rig_disconnect(&rig);
	rig_connect(&rig);
}

/* ---- guest to tap ---- */

/* Queue a packet, have it served, check the answer to each of its slots. */
static void transmit(const struct usernet_packet *pkt, int16_t status)
{
	int slots = usernet_send(rig.u, pkt);

	ck_assert_int_gt(slots, 0);
	usernet_push(rig.u);
	ck_assert_uint_eq(rig_reap(&rig, rsp, (unsigned int)slots),
			  (unsigned int)slots);
	for (int i = 0; i < slots; i++)
		ck_assert_int_eq(rsp[i].status, pkt->gso_type && i == 1
							? XPV_NETIF_NULL
							: status);
}

static void expect_sent(uint32_t len, struct virtio_net_hdr *hdr)
{
	ck_assert_uint_eq(rig_read(&rig, hdr, got), len);
	ck_assert_mem_eq(got, sent, len);
}

START_TEST(tx_every_length)
{
	for (uint32_t len = 14; len <= 1514; len++) {
		struct usernet_piece piece = {
			.offset = (uint16_t)(len * 7 % (4096 - len)),
			.size = (uint16_t)len,
		};
		struct usernet_packet pkt = {
			.data = sent,
			.len = len,
			.pieces = &piece,
			.nr_pieces = 1,
		};

		netframe_plain(sent, len, len);
		transmit(&pkt, XPV_NETIF_OKAY);
		expect_sent(len, NULL);
	}
}
END_TEST

/* Cut @len bytes into @n pieces that differ in size and place. */
static void cut(uint32_t len, unsigned int n, struct usernet_piece *piece,
		uint32_t seed)
{
	for (unsigned int i = 0; i < n; i++) {
		uint32_t rest = n - i - 1, least, most, size;

		least = len > rest * 4096 ? len - rest * 4096 : 0;
		most = len < 4096 ? len : 4096;
		seed = seed * 1664525u + 1013904223u;
		size = least + (seed >> 8) % (most - least + 1);
		if (!rest)
			size = len;
		piece[i].size = (uint16_t)size;
		piece[i].offset = (uint16_t)((seed >> 4) % (4097 - size));
		len -= size;
	}
}

START_TEST(tx_every_layout)
{
	static const uint32_t lengths[] = {
		14, 15, 54, 60, 127, 128, 1514, 4096, 4097, 9014, 32768, 65535};
	struct usernet_piece piece[XPV_NETIF_MAX_SLOTS];
	uint32_t seed = 1;

	for (unsigned int l = 0; l < sizeof(lengths) / sizeof(*lengths); l++) {
		uint32_t len = lengths[l];

		for (unsigned int n = (len + 4095) / 4096;
		     n <= XPV_NETIF_MAX_SLOTS; n++) {
			struct usernet_packet pkt = {
				.data = sent,
				.len = len,
				.pieces = piece,
				.nr_pieces = n,
			};

			cut(len, n, piece, seed++);
			netframe_plain(sent, len, seed);
			transmit(&pkt, XPV_NETIF_OKAY);
			expect_sent(len, NULL);
		}
	}
}
END_TEST

/* 1-byte slots x 17 and the rest: headers straddle every slot. */
START_TEST(tx_one_byte_slots)
{
	struct netframe f = {.blank = true, .payload = 100};
	uint32_t len = netframe_build(sent, &f, 5);
	struct usernet_piece piece[18];
	struct usernet_packet pkt = {
		.data = sent,
		.len = len,
		.pieces = piece,
		.nr_pieces = 18,
		.flags = XPV_TX_CSUM_BLANK | XPV_TX_DATA_VALIDATED,
	};
	struct virtio_net_hdr hdr;

	for (unsigned int i = 0; i < 18; i++)
		piece[i] = (struct usernet_piece){(uint16_t)(4095 - i), 1};
	piece[17] = (struct usernet_piece){0, (uint16_t)(len - 17)};
	transmit(&pkt, XPV_NETIF_OKAY);
	expect_sent(len, &hdr);
	ck_assert_uint_eq(hdr.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	ck_assert_uint_eq(hdr.csum_start, 34);
	netframe_complete(got, len, hdr.csum_start, hdr.csum_offset);
	ck_assert(netframe_csum_ok(got, &f, len));
}
END_TEST

/* _i: bit 0 IPv6, bit 1 UDP, from bit 2 VLAN tags */
START_TEST(tx_checksum)
{
	struct netframe f = {
		.v6 = _i & 1, .udp = _i & 2, .vlan = _i >> 2, .blank = true};

	for (f.payload = 0; f.payload < 1400; f.payload += 39) {
		uint32_t len = netframe_build(sent, &f, f.payload);
		struct usernet_packet pkt = {
			.data = sent, .len = len, .flags = XPV_TX_CSUM_BLANK};
		struct virtio_net_hdr hdr;

		transmit(&pkt, XPV_NETIF_OKAY);
		ck_assert_uint_gt(rig_read(&rig, &hdr, got), 0);
		ck_assert_uint_eq(hdr.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		if (f.vlan)
			continue; /* the socket's view has lost the tag */
		ck_assert_uint_eq(hdr.csum_start, netframe_l4_at(&f));
		ck_assert_uint_eq(hdr.csum_offset, netframe_csum_offset(&f));
		ck_assert(!netframe_csum_ok(got, &f, len));
		netframe_complete(got, len, hdr.csum_start, hdr.csum_offset);
		ck_assert(netframe_csum_ok(got, &f, len));
	}
}
END_TEST

static void expect_gso(const struct netframe *f, uint32_t len, uint8_t ecn)
{
	struct virtio_net_hdr hdr;

	ck_assert_uint_eq(rig_read(&rig, &hdr, got), len);
	ck_assert_uint_eq(hdr.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	ck_assert_uint_eq(hdr.gso_type,
			  ecn | (f->v6 ? VIRTIO_NET_HDR_GSO_TCPV6
				       : VIRTIO_NET_HDR_GSO_TCPV4));
	ck_assert_uint_eq(hdr.gso_size, 1448);
	netframe_complete(got, len, hdr.csum_start, hdr.csum_offset);
	ck_assert(netframe_csum_ok(got, f, len));
	ck_assert_mem_eq(got + netframe_hdr_len(f), sent + netframe_hdr_len(f),
			 f->payload);
}

/* _i: bit 0 IPv6, bit 1 the front forgot csum_blank, bit 2 CWR is set */
START_TEST(tx_gso)
{
	static const uint32_t payloads[] = {1461, 4096, 20000, 65000, 65461};
	struct netframe f = {.v6 = _i & 1, .blank = !(_i & 2)};
	unsigned int n = 0;

	for (unsigned int i = 0; i < 5; i++) {
		struct usernet_packet pkt = {.data = sent, .gso_size = 1448};

		f.payload = payloads[i];
		pkt.len = netframe_build(sent, &f, i);
		if (pkt.len > XPV_NETIF_MAX_PACKET)
			continue;
		if (_i & 4)
			sent[netframe_l4_at(&f) + 13] |= 0x80;
		pkt.gso_type = f.v6 ? XPV_GSO_TCPV6 : XPV_GSO_TCPV4;
		pkt.flags = f.blank ? XPV_TX_CSUM_BLANK : 0;
		transmit(&pkt, XPV_NETIF_OKAY);
		expect_gso(&f, pkt.len, _i & 4 ? VIRTIO_NET_HDR_GSO_ECN : 0);
		n++;
	}
	if (!rig.direct)
		return;
	ck_assert_uint_eq(rig_count(&rig, VIF_TX_GSO), n);
	ck_assert_uint_eq(rig_count(&rig, VIF_TX_CSUM_FIXED), f.blank ? 0 : n);
}
END_TEST

/* A full ring at once, answered in order. */
START_TEST(tx_full_ring)
{
	struct usernet_packet pkt = {.data = sent, .len = 100};

	for (unsigned int round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < USERNET_SLOTS; i++) {
			netframe_plain(sent, 100, i);
			ck_assert_int_eq(usernet_send(rig.u, &pkt), 1);
		}
		ck_assert_int_lt(usernet_send(rig.u, &pkt), 0);
		usernet_push(rig.u);
		ck_assert_uint_eq(rig_reap(&rig, rsp, USERNET_SLOTS),
				  USERNET_SLOTS);
		for (uint32_t i = 0; i < USERNET_SLOTS; i++) {
			netframe_plain(sent, 100, i);
			expect_sent(100, NULL);
		}
	}
}
END_TEST

/* ---- tap to guest ---- */

static void expect_received(uint32_t len)
{
	ck_assert(rig_receive(&rig, &frame));
	ck_assert_uint_eq(frame.errors, 0);
	ck_assert_uint_eq(frame.len, len);
	ck_assert_mem_eq(frame.data, sent, len);
}

START_TEST(rx_every_length)
{
	for (uint32_t len = 14; len <= 1514; len++) {
		netframe_plain(sent, len, len);
		usernet_post(rig.u, USERNET_SLOTS);
		usernet_push(rig.u);
		ck_assert(rig_write(&rig, NULL, sent, len));
		expect_received(len);
		ck_assert_uint_eq(frame.slots, 1);
	}
}
END_TEST

/* The guest takes frames whose checksum is still to be done. */
START_TEST(rx_checksum_left_to_guest)
{
	struct netframe f = {
		.v6 = _i & 1, .udp = _i & 2, .blank = true, .payload = 777};
	uint32_t len = netframe_build(sent, &f, 1);
	struct virtio_net_hdr hdr = rig_header(&f, 0);

	usernet_post(rig.u, USERNET_SLOTS);
	usernet_push(rig.u);
	ck_assert(rig_write(&rig, &hdr, sent, len));
	expect_received(len);
	ck_assert_uint_eq(frame.flags,
			  XPV_RX_CSUM_BLANK | XPV_RX_DATA_VALIDATED);
}
END_TEST

/*
 * The guest does not: _i bit 0 IPv6, bit 1 UDP, bit 2 VLAN; bit 3: it can do
 * IPv4's and not IPv6's.
 */
START_TEST(rx_checksum_done_for_guest)
{
	struct netframe f = {.v6 = _i & 1,
			     .udp = _i & 2,
			     .vlan = _i >> 2 & 1,
			     .blank = true,
			     .payload = 777};
	uint32_t len = netframe_build(sent, &f, 1);
	struct virtio_net_hdr hdr = rig_header(&f, 0);

	rig.guest.csum_ipv4 = _i & 8;
	rig.guest.csum_ipv6 = false;
	reconnect();
	usernet_post(rig.u, USERNET_SLOTS);
	usernet_push(rig.u);
	ck_assert(rig_write(&rig, &hdr, sent, len));
	ck_assert(rig_receive(&rig, &frame));
	ck_assert_uint_eq(frame.len, len);
	if (rig.guest.csum_ipv4 && !f.v6 && !f.vlan)
		ck_assert_uint_eq(frame.flags & XPV_RX_CSUM_BLANK,
				  XPV_RX_CSUM_BLANK);
	else
		ck_assert(!(frame.flags & XPV_RX_CSUM_BLANK) &&
			  netframe_csum_ok(frame.data, &f, len));
	if (rig.direct)
		ck_assert_uint_eq(rig_count(&rig, VIF_RX_CSUM_DONE),
				  !(frame.flags & XPV_RX_CSUM_BLANK));
}
END_TEST

START_TEST(rx_gso)
{
	static const uint32_t payloads[] = {1461, 4096, 20000, 65000, 65460};
	struct netframe f = {.v6 = _i & 1, .blank = true};

	for (unsigned int i = 0; i < 5; i++) {
		struct virtio_net_hdr hdr;
		uint32_t len;

		f.payload = payloads[i];
		len = netframe_build(sent, &f, i);
		hdr = rig_header(&f, 1448);
		usernet_post(rig.u, USERNET_SLOTS);
		usernet_push(rig.u);
		ck_assert(rig_write(&rig, &hdr, sent, len));
		expect_received(len);
		ck_assert_uint_eq(frame.gso_size, 1448);
		ck_assert_uint_eq(frame.gso_type,
				  f.v6 ? XPV_GSO_TCPV6 : XPV_GSO_TCPV4);
		ck_assert_uint_eq(frame.slots, (len + 4095) / 4096 + 1);
	}
}
END_TEST

/* A guest without GSO gets segments, with or without their checksums done. */
START_TEST(rx_gso_cut_for_guest)
{
	struct netframe f = {.v6 = _i & 1, .blank = true, .payload = 60000};
	uint32_t len = netframe_build(sent, &f, 1), at = 0;
	struct virtio_net_hdr hdr = rig_header(&f, 1000);

	rig.guest.gso_tcpv4 = false;
	rig.guest.gso_tcpv6 = false;
	rig.guest.csum_ipv4 = _i & 2;
	rig.guest.csum_ipv6 = _i & 2;
	reconnect();
	usernet_post(rig.u, USERNET_SLOTS);
	usernet_push(rig.u);
	ck_assert(rig_write(&rig, &hdr, sent, len));
	while (at < f.payload) {
		struct netframe part = f;

		ck_assert(rig_receive(&rig, &frame));
		part.payload = frame.len - netframe_hdr_len(&f);
		ck_assert_uint_eq(part.payload, 1000);
		ck_assert_mem_eq(frame.data + netframe_hdr_len(&f),
				 sent + netframe_hdr_len(&f) + at,
				 part.payload);
		if (frame.flags & XPV_RX_CSUM_BLANK)
			netframe_complete(frame.data, frame.len,
					  netframe_l4_at(&f), 16);
		ck_assert(netframe_csum_ok(frame.data, &part, frame.len));
		at += part.payload;
	}
}
END_TEST

/* Slots come a few at a time: order is kept and no frame is lost. */
START_TEST(rx_waits_for_slots)
{
	struct netframe f = {.blank = true, .payload = 30000};
	struct virtio_net_hdr hdr = rig_header(&f, 1448);
	uint32_t len;

	for (uint32_t i = 0; i < 20; i++) {
		len = netframe_build(sent, &f, i);
		ck_assert(rig_write(&rig, &hdr, sent, len));
		netframe_plain(sent, 60 + i, i);
		ck_assert(rig_write(&rig, NULL, sent, 60 + i));
	}
	for (uint32_t i = 0, more = 0; i < 40; i++) {
		for (int n = 0; n < 20; n++) {
			rig_turns(&rig, 2);
			if (usernet_receive(rig.u, &frame))
				break;
			usernet_post(rig.u, more++ % 12 + 1);
			usernet_push(rig.u);
		}
		if (i & 1)
			netframe_plain(sent, len = 60 + i / 2, i / 2);
		else
			len = netframe_build(sent, &f, i / 2);
		ck_assert_uint_eq(frame.len, len);
		ck_assert_mem_eq(frame.data, sent, len);
		ck_assert_uint_eq(frame.gso_size, i & 1 ? 0 : 1448);
		ck_assert_uint_eq(frame.slots, i & 1 ? 1 : 9);
	}
}
END_TEST

/* ---- both ---- */

/* Asleep in the loop, a worker is woken by each ring and by the tap. */
START_TEST(events_wake_the_worker)
{
	struct usernet_packet pkt = {.data = sent, .len = 100};

	rig.split = _i;
	reconnect();
	netframe_plain(sent, 100, 1);
	for (unsigned int i = 0; i < 50; i++) {
		int n;

		usernet_events(rig.u);
		ck_assert_int_eq(usernet_send(rig.u, &pkt), 1);
		usernet_push(rig.u);
		for (n = 0; n < 10 && !usernet_reap(rig.u, rsp, 1); n++)
			ck_assert_int_eq(loop_turn(rig.worker.loop, true), 0);
		ck_assert_int_lt(n, 10);
		ck_assert_uint_ge(usernet_events(rig.u), 1);
		usernet_arm(rig.u);
		/* Now asleep with its final check done. */
		usernet_post(rig.u, 1);
		usernet_push(rig.u);
		ck_assert(rig_write(&rig, NULL, sent, 100));
		for (n = 0; n < 10 && !usernet_receive(rig.u, &frame); n++)
			ck_assert_int_eq(loop_turn(rig.worker.loop, true), 0);
		ck_assert_int_lt(n, 10);
		usernet_arm(rig.u);
	}
}
END_TEST

Suite *vif_suite(void)
{
	Suite *s = suite_create("vif");
	TCase *tc = rig_case(s, "packets", RIG_MESSAGES);

	if (!tc)
		return s;
	tcase_add_test(tc, tx_every_length);
	tcase_add_test(tc, tx_every_layout);
	tcase_add_test(tc, tx_one_byte_slots);
	tcase_add_loop_test(tc, tx_checksum, 0, 12);
	tcase_add_loop_test(tc, tx_gso, 0, 8);
	tcase_add_test(tc, tx_full_ring);
	tcase_add_test(tc, rx_every_length);
	tcase_add_loop_test(tc, rx_checksum_left_to_guest, 0, 4);
	tcase_add_loop_test(tc, rx_checksum_done_for_guest, 0, 16);
	tcase_add_loop_test(tc, rx_gso, 0, 2);
	tcase_add_loop_test(tc, rx_gso_cut_for_guest, 0, 4);
	tcase_add_test(tc, rx_waits_for_slots);
	tcase_add_loop_test(tc, events_wake_the_worker, 0, 2);
	return s;
}
