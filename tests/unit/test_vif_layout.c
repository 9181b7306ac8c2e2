// SPDX-License-Identifier: MIT
/*
 * A property: whatever the length of a packet, from 14 bytes to 64 KiB, and
 * however a frontend lays it out over its slots, what comes out of the vif is
 * that packet. The port behind the vif is one that compares.
 */
#include "netframe.h"
#include "suites.h"
#include "vifcase.h"

#include "backend/vif/queue.h"

#include <string.h>

static const struct usernet_packet *expected;
static unsigned int compared;

static void compare(struct port *port, struct port_frame *frames,
		    unsigned int n)
{
	(void)port;
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(frames[0].len, expected->len);
	ck_assert(!memcmp(frames[0].data, expected->data, expected->len));
	compared++;
}

static void with_comparing_port(void)
{
	static struct port_ops ops;
	struct port *port = rig.vif->queue[0].port;

	ops = *port->ops;
	ops.send = compare;
	port->ops = &ops;
}

static uint32_t seed = 1;

static uint32_t below(uint32_t end)
{
	seed = seed * 1664525u + 1013904223u;
	return (uint32_t)(((uint64_t)(seed >> 4) * end) >> 28);
}

/* The kinds of layout: what piece i of @n, with @least..@most, gets. */
enum layout {
	ANYHOW, /* any size */
	TINY_FIRST, /* as little as possible, the rest at the end */
	FULL_FIRST, /* whole pages, then nothing at all */
	HOLES, /* every other piece is empty, where that is possible */
	LAYOUTS,
};

static uint32_t size_of(enum layout layout, unsigned int i, uint32_t least,
			uint32_t most)
{
	switch (layout) {
	case TINY_FIRST:
		return least || !most ? least : 1;
	case FULL_FIRST:
		return most;
	case HOLES:
		return i & 1 ? least : least + below(most - least + 1);
	default:
		return least + below(most - least + 1);
	}
}

/* Cut @len bytes into @n pieces; each anywhere in its page. */
static void lay_out(enum layout layout, uint32_t len, unsigned int n,
		    struct usernet_piece *piece)
{
	for (unsigned int i = 0; i < n; i++) {
		uint32_t rest = (n - i - 1) * XPV_PAGE_SIZE;
		uint32_t least = len > rest ? len - rest : 0;
		uint32_t most = len < XPV_PAGE_SIZE ? len : XPV_PAGE_SIZE;
		uint32_t size =
			i + 1 < n ? size_of(layout, i, least, most) : len;

		piece[i].size = (uint16_t)size;
		piece[i].offset = (uint16_t)below(XPV_PAGE_SIZE - size + 1);
		len -= size;
	}
}

static void pass(enum layout layout, uint32_t len, unsigned int n)
{
	struct usernet_piece piece[XPV_NETIF_MAX_SLOTS];
	struct usernet_packet pkt = {
		.data = sent, .len = len, .pieces = piece, .nr_pieces = n};
	unsigned int before = compared;

	lay_out(layout, len, n, piece);
	expected = &pkt;
	ck_assert_int_eq(usernet_send(rig.u, &pkt), (int)n);
	usernet_push(rig.u);
	ck_assert_uint_eq(rig_reap(&rig, rsp, n), n);
	for (unsigned int i = 0; i < n; i++)
		ck_assert_int_eq(rsp[i].status, XPV_NETIF_OKAY);
	ck_assert_msg(compared == before + 1, "%u bytes in %u slots: %u", len,
		      n, layout);
}

static unsigned int fewest(uint32_t len)
{
	return (len + XPV_PAGE_SIZE - 1) / XPV_PAGE_SIZE;
}

/* Each length, in one of the layouts and numbers of slots. */
START_TEST(every_length)
{
	with_comparing_port();
	netframe_plain(sent, XPV_NETIF_MAX_PACKET, 1);
	for (uint32_t len = XPV_NETIF_MIN_PACKET; len <= XPV_NETIF_MAX_PACKET;
	     len++) {
		unsigned int least = fewest(len);

		pass((enum layout)(len % LAYOUTS), len,
		     least + below(XPV_NETIF_MAX_SLOTS - least + 1));
	}
}
END_TEST

/* Short ones, whose headers lie over slots, in every layout and number. */
START_TEST(every_layout)
{
	with_comparing_port();
	netframe_plain(sent, XPV_NETIF_MAX_PACKET, 2);
	for (uint32_t len = XPV_NETIF_MIN_PACKET; len <= 300; len++)
		for (unsigned int n = 1; n <= XPV_NETIF_MAX_SLOTS; n++)
			for (int layout = 0; layout < LAYOUTS; layout++)
				pass((enum layout)layout, len, n);
	/* And around each number of pages. */
	for (unsigned int pages = 1; pages <= 16; pages++)
		for (uint32_t len = pages * XPV_PAGE_SIZE - 2;
		     len <= pages * XPV_PAGE_SIZE + 2 &&
		     len <= XPV_NETIF_MAX_PACKET;
		     len++)
			for (unsigned int n = fewest(len);
			     n <= XPV_NETIF_MAX_SLOTS; n++)
				for (int layout = 0; layout < LAYOUTS; layout++)
					pass((enum layout)layout, len, n);
}
END_TEST

Suite *vif_layout_suite(void)
{
	Suite *s = suite_create("vif_layout");
	TCase *tc = rig_case(s, "layout", RIG_INSIDE);

	if (!tc)
		return s;
	tcase_add_test(tc, every_length);
	tcase_add_test(tc, every_layout);
	return s;
}
