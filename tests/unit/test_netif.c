// SPDX-License-Identifier: MIT
/* Network wire formats and the packet assembler. */
#include "suites.h"

#include "ring/netif.h"

#include <stdlib.h>
#include <xen/xen.h>
#include <xen/io/netif.h>

#define RING 256u

static struct xpv_netif_tx_request slots[RING];
static struct xpv_net_packet pkt;
static unsigned int used;

static enum xpv_net_verdict assemble(unsigned int nr)
{
	return xpv_netif_assemble(slots, nr, &pkt, &used);
}

/* @n fragments of @size bytes each, page-aligned. */
static void chain(unsigned int n, uint16_t size)
{
	for (unsigned int i = 0; i < n; i++)
		slots[i] = (struct xpv_netif_tx_request){
			.gref = 500 + i,
			.size = size,
			.id = (uint16_t)(1000 + i),
			.flags = i + 1 < n ? XPV_TX_MORE : 0,
		};
	slots[0].size = (uint16_t)(size * n);
}

static void put_extra(unsigned int at, const struct xpv_netif_extra *extra)
{
	memset(&slots[at], 0xee, sizeof(slots[at]));
	memcpy(&slots[at], extra, sizeof(*extra));
}

static struct xpv_netif_extra gso_extra(uint8_t type, uint16_t size)
{
	struct xpv_netif_extra extra = {.type = XPV_EXTRA_GSO};

	extra.gso.type = type;
	extra.gso.size = size;
	return extra;
}

START_TEST(layout_is_xens)
{
	ck_assert_uint_eq(sizeof(struct xpv_netif_tx_request),
			  sizeof(netif_tx_request_t));
	ck_assert_uint_eq(sizeof(struct xpv_netif_rx_request),
			  sizeof(netif_rx_request_t));
	ck_assert_uint_eq(sizeof(struct xpv_netif_rx_response),
			  sizeof(netif_rx_response_t));
	ck_assert_uint_eq(sizeof(struct xpv_netif_extra),
			  sizeof(netif_extra_info_t));
	ck_assert_uint_eq(sizeof(union netif_tx_sring_entry),
			  XPV_NETIF_TX_SLOT);
	ck_assert_uint_eq(sizeof(union netif_rx_sring_entry),
			  XPV_NETIF_RX_SLOT);
	ck_assert_uint_eq(XEN_NETIF_NR_SLOTS_MIN, XPV_NETIF_MAX_SLOTS);
	ck_assert_uint_eq(NETTXF_csum_blank, XPV_TX_CSUM_BLANK);
	ck_assert_uint_eq(NETTXF_extra_info, XPV_TX_EXTRA);
	ck_assert_uint_eq(NETRXF_csum_blank, XPV_RX_CSUM_BLANK);
	ck_assert_uint_eq(NETRXF_data_validated, XPV_RX_DATA_VALIDATED);
	ck_assert_uint_eq(NETRXF_extra_info, XPV_RX_EXTRA);
	ck_assert_int_eq(NETIF_RSP_NULL, XPV_NETIF_NULL);
	ck_assert_uint_eq(XEN_NETIF_EXTRA_TYPE_HASH, XPV_EXTRA_HASH);
	ck_assert_uint_eq(XEN_NETIF_GSO_TYPE_TCPV6, XPV_GSO_TCPV6);
}
END_TEST

START_TEST(packets_of_1_to_18_slots)
{
	for (unsigned int n = 1; n <= XPV_NETIF_MAX_SLOTS; n++) {
		chain(n, 100);
		for (unsigned int have = 0; have < n; have++) {
			ck_assert_int_eq(assemble(have), XPV_NET_INCOMPLETE);
			ck_assert_uint_eq(used, 0);
		}
		/* What follows on the ring is not the packet's. */
		slots[n].flags = XPV_TX_MORE;
		ck_assert_int_eq(assemble(n + 1), XPV_NET_OK);
		ck_assert_uint_eq(used, n);
		ck_assert_uint_eq(pkt.nr_frags, n);
		ck_assert_uint_eq(pkt.size, 100 * n);
		for (unsigned int i = 0; i < n; i++) {
			ck_assert_uint_eq(pkt.frag[i].size, 100);
			ck_assert_uint_eq(pkt.frag[i].gref, 500 + i);
			ck_assert_uint_eq(pkt.frag[i].id, 1000 + i);
		}
	}
}
END_TEST

START_TEST(too_many_slots)
{
	for (unsigned int n = 19; n <= 20; n++) {
		chain(n, 100);
		ck_assert_int_eq(assemble(n), XPV_NET_DROP_SLOTS);
		ck_assert_uint_eq(used, n);
	}
	chain(21, 100);
	ck_assert_int_eq(assemble(21), XPV_NET_FATAL_SLOTS);
	chain(255, 1);
	ck_assert_int_eq(assemble(255), XPV_NET_FATAL_SLOTS);
}
END_TEST

/* The first slot states the whole packet's size: 64 KiB and more wraps it. */
START_TEST(sizes_that_do_not_add_up_are_dropped)
{
	chain(17, 4096); /* 69632 mod 65536 */
	ck_assert_int_eq(assemble(17), XPV_NET_DROP_LONG);
	ck_assert_uint_eq(used, 17);
	chain(2, 100);
	slots[0].size = 99;
	ck_assert_int_eq(assemble(2), XPV_NET_DROP_LONG);
}
END_TEST

START_TEST(page_is_not_crossed)
{
	chain(1, 100);
	slots[0].offset = 3996;
	ck_assert_int_eq(assemble(1), XPV_NET_OK);
	slots[0].offset = 3997;
	ck_assert_int_eq(assemble(1), XPV_NET_FATAL_CROSS_PAGE);
	slots[0].offset = 65535;
	ck_assert_int_eq(assemble(1), XPV_NET_FATAL_CROSS_PAGE);
	chain(3, 1000);
	slots[1].offset = 3097;
	ck_assert_int_eq(assemble(3), XPV_NET_FATAL_CROSS_PAGE);
	/* The first slot keeps what the others leave: here 5000 bytes. */
	chain(2, 100);
	slots[0].size = 5100;
	ck_assert_int_eq(assemble(2), XPV_NET_FATAL_CROSS_PAGE);
}
END_TEST

START_TEST(short_packets)
{
	for (uint16_t size = 0; size < 20; size++) {
		chain(1, size);
		ck_assert_int_eq(assemble(1),
				 size < 14 ? XPV_NET_DROP_SHORT : XPV_NET_OK);
		ck_assert_uint_eq(used, 1);
	}
}
END_TEST

/* XSA-448: fragments of length 0 hold nothing and do no harm. */
START_TEST(empty_fragments)
{
	for (unsigned int at = 0; at < 5; at++) {
		chain(5, 100);
		if (at) {
			slots[at].size = 0;
			slots[0].size = 400;
		} else {
			slots[0].size = 400; /* the others take it all */
		}
		ck_assert_int_eq(assemble(5), XPV_NET_OK);
		ck_assert_uint_eq(pkt.frag[at].size, 0);
		ck_assert_uint_eq(pkt.size, 400);
	}
}
END_TEST

START_TEST(gso)
{
	struct xpv_netif_extra extra = gso_extra(XPV_GSO_TCPV4, 1448);

	chain(1, 2000);
	slots[0].flags = XPV_TX_EXTRA | XPV_TX_CSUM_BLANK;
	put_extra(1, &extra);
	ck_assert_int_eq(assemble(1), XPV_NET_INCOMPLETE);
	ck_assert_int_eq(assemble(2), XPV_NET_OK);
	ck_assert_uint_eq(used, 2);
	ck_assert_uint_eq(pkt.nr_extras, 1);
	ck_assert_uint_eq(pkt.nr_frags, 1);
	ck_assert_uint_eq(pkt.gso_size, 1448);
	ck_assert_uint_eq(pkt.gso_type, XPV_GSO_TCPV4);
	ck_assert(pkt.csum_blank);
	extra = gso_extra(XPV_GSO_TCPV4, 0);
	put_extra(1, &extra);
	ck_assert_int_eq(assemble(2), XPV_NET_FATAL_GSO);
	for (unsigned int type = 0; type < 256; type++) {
		extra = gso_extra((uint8_t)type, 100);
		put_extra(1, &extra);
		ck_assert_int_eq(assemble(2), type == 1 || type == 2
						      ? XPV_NET_OK
						      : XPV_NET_FATAL_GSO);
	}
}
END_TEST

START_TEST(extras_come_before_the_other_fragments)
{
	struct xpv_netif_extra extra = gso_extra(XPV_GSO_TCPV6, 1000);
	struct xpv_netif_extra hash = {.type = XPV_EXTRA_HASH};

	chain(1, 3000);
	slots[0].flags = XPV_TX_EXTRA | XPV_TX_MORE;
	extra.flags = XPV_EXTRA_MORE;
	put_extra(1, &extra);
	hash.hash.value[0] = 0xab;
	put_extra(2, &hash);
	slots[3] =
		(struct xpv_netif_tx_request){.gref = 7, .size = 1000, .id = 8};
	for (unsigned int have = 0; have < 4; have++)
		ck_assert_int_eq(assemble(have), XPV_NET_INCOMPLETE);
	ck_assert_int_eq(assemble(4), XPV_NET_OK);
	ck_assert_uint_eq(used, 4);
	ck_assert_uint_eq(pkt.nr_extras, 2);
	ck_assert_uint_eq(pkt.nr_frags, 2);
	ck_assert_uint_eq(pkt.frag[0].size, 2000);
	ck_assert_uint_eq(pkt.frag[1].gref, 7);
	ck_assert(pkt.has_hash);
	ck_assert_uint_eq(pkt.hash_value[0], 0xab);
}
END_TEST

START_TEST(bad_extras)
{
	struct xpv_netif_extra extra = gso_extra(XPV_GSO_TCPV4, 1);

	chain(1, 100);
	slots[0].flags = XPV_TX_EXTRA;
	for (unsigned int type = 0; type < 256; type++) {
		if (type >= XPV_EXTRA_GSO && type < XPV_EXTRA_TYPES)
			continue;
		extra.type = (uint8_t)type;
		put_extra(1, &extra);
		ck_assert_int_eq(assemble(2), XPV_NET_FATAL_EXTRA);
	}
	/* Without end. */
	extra = gso_extra(XPV_GSO_TCPV4, 1);
	extra.flags = XPV_EXTRA_MORE;
	for (unsigned int i = 1; i < RING; i++)
		put_extra(i, &extra);
	ck_assert_int_eq(assemble(RING), XPV_NET_FATAL_EXTRA);
}
END_TEST

START_TEST(multicast_request_needs_no_packet)
{
	struct xpv_netif_extra extra = {.type = XPV_EXTRA_MCAST_ADD};

	extra.mcast.addr[5] = 9;
	chain(1, 0);
	slots[0].flags = XPV_TX_EXTRA;
	put_extra(1, &extra);
	ck_assert_int_eq(assemble(2), XPV_NET_OK);
	ck_assert_uint_eq(pkt.mcast_op, XPV_EXTRA_MCAST_ADD);
	ck_assert_uint_eq(pkt.mcast_addr[5], 9);
}
END_TEST

/* Whatever the slots hold: progress or a reason, and sums that hold. */
START_TEST(random_slots)
{
	srand48(2);
	for (int n = 0; n < 300000; n++) {
		unsigned int nr = 1 + (unsigned int)(lrand48() % 40);
		enum xpv_net_verdict v;
		uint32_t sum = 0;

		for (unsigned int i = 0; i < nr; i++) {
			slots[i].gref = (uint32_t)lrand48();
			slots[i].offset = (uint16_t)(lrand48() % 4100);
			slots[i].size = (uint16_t)(lrand48() % 300);
			slots[i].flags = (uint16_t)(lrand48() & 7);
			if (!(lrand48() & 3))
				slots[i].flags |= XPV_TX_EXTRA;
		}
		if (n & 1)
			slots[0].size = (uint16_t)lrand48();
		v = assemble(nr);
		ck_assert_int_lt(v, XPV_NET_VERDICTS);
		ck_assert_uint_le(used, nr);
		ck_assert_str_ne(xpv_net_verdict_str(v), "unknown verdict");
		if (v == XPV_NET_INCOMPLETE)
			ck_assert_uint_eq(used, 0);
		else if (v < XPV_NET_FATAL)
			ck_assert_uint_ge(used, 1);
		if (v != XPV_NET_OK)
			continue;
		ck_assert_uint_eq(used, pkt.nr_frags + pkt.nr_extras);
		for (unsigned int i = 0; i < pkt.nr_frags; i++) {
			sum += pkt.frag[i].size;
			ck_assert_uint_le(pkt.frag[i].offset + pkt.frag[i].size,
					  XPV_PAGE_SIZE);
		}
		ck_assert_uint_eq(sum, pkt.size);
	}
}
END_TEST

Suite *netif_suite(void)
{
	Suite *s = suite_create("netif");
	TCase *t = tcase_create("assembler");

	tcase_add_test(t, layout_is_xens);
	tcase_add_test(t, packets_of_1_to_18_slots);
	tcase_add_test(t, too_many_slots);
	tcase_add_test(t, sizes_that_do_not_add_up_are_dropped);
	tcase_add_test(t, page_is_not_crossed);
	tcase_add_test(t, short_packets);
	tcase_add_test(t, empty_fragments);
	tcase_add_test(t, gso);
	tcase_add_test(t, extras_come_before_the_other_fragments);
	tcase_add_test(t, bad_extras);
	tcase_add_test(t, multicast_request_needs_no_packet);
	tcase_add_test(t, random_slots);
	suite_add_tcase(s, t);
	return s;
}
