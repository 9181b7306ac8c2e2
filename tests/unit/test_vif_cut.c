// SPDX-License-Identifier: MIT
/*
 * Large frames for guests that cannot take them whole: cut into segments, each
 * of which is a frame as the sender's TCP would have made it.
 */
#include "netframe.h"
#include "suites.h"
#include "vifcase.h"

#include "backend/vif/queue.h"

#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

#define TCP_FLAGS 13
#define FIN_PSH	  0x09
#define CWR	  0x80

static uint32_t seq(const uint8_t *tcp)
{
	uint32_t wire;

	memcpy(&wire, tcp + 4, sizeof(wire));
	return ntohl(wire);
}

/* One segment of @sent: payload from @at on. Returns its payload's bytes. */
static uint32_t expect_segment(const struct netframe *f, uint32_t at)
{
	uint32_t hdr = netframe_hdr_len(f), l4 = netframe_l4_at(f);
	uint32_t ip = netframe_ip_at(f);
	struct netframe part = *f;
	uint8_t flags = sent[l4 + TCP_FLAGS];

	ck_assert(rig_receive(&rig, &frame));
	ck_assert_uint_eq(frame.errors, 0);
	ck_assert_uint_eq(frame.gso_size, 0);
	part.payload = frame.len - hdr;
	ck_assert_mem_eq(frame.data, sent, ip);
	ck_assert_mem_eq(frame.data + hdr, sent + hdr + at, part.payload);
	ck_assert(!(frame.flags & XPV_RX_CSUM_BLANK));
	ck_assert(netframe_csum_ok(frame.data, &part, frame.len));
	ck_assert(netframe_ip_ok(frame.data, &part, frame.len));
	ck_assert_uint_eq(seq(frame.data + l4), seq(sent + l4) + at);
	if (at + part.payload < f->payload)
		flags &= (uint8_t)~FIN_PSH;
	if (at)
		flags &= (uint8_t)~CWR;
	ck_assert_uint_eq(frame.data[l4 + TCP_FLAGS], flags);
	return part.payload;
}

/* The guest posts @slots slots a time. */
static void cut(const struct netframe *f, uint16_t mss, unsigned int slots)
{
	uint32_t len = netframe_build(sent, f, mss), at = 0;
	struct virtio_net_hdr hdr = rig_header(f, mss);

	sent[netframe_l4_at(f) + TCP_FLAGS] |= FIN_PSH;
	ck_assert(rig_write(&rig, &hdr, sent, len));
	while (at < f->payload) {
		uint32_t left = f->payload - at;

		usernet_post(rig.u, slots);
		usernet_push(rig.u);
		left = left < mss ? left : mss;
		ck_assert_uint_eq(expect_segment(f, at), left);
		at += left;
	}
}

/* A tag in the frame, or two, hide it from the guest. _i: bit 0 IPv6. */
START_TEST(vlan_tag)
{
	struct netframe f = {.v6 = _i & 1, .vlan = 1 + _i / 2, .blank = true};

	for (f.payload = 1449; f.payload < 65000; f.payload += 6007)
		cut(&f, 1448, USERNET_SLOTS);
	ck_assert_uint_ge(rig_count(&rig, VIF_RX_CUT), 10);
	ck_assert_uint_eq(rig_count(&rig, VIF_RX_DROP_GSO), 0);
	/* Many segments a frame, more than one turn takes. */
	f.payload = 60000;
	cut(&f, 88, USERNET_SLOTS);
	/* And few slots. */
	cut(&f, 1000, 1);
}
END_TEST

/* Segments of several pages. */
START_TEST(jumbo_segments)
{
	struct netframe f = {.vlan = 1, .blank = true, .payload = 60000};

	cut(&f, 8948, USERNET_SLOTS);
	cut(&f, 8948, 3);
}
END_TEST

/* Honest frames around a cut one keep their order. */
START_TEST(order_is_kept)
{
	struct netframe f = {.vlan = 1, .blank = true, .payload = 30000};
	uint32_t len = netframe_build(sent, &f, 1), at = 0;
	struct virtio_net_hdr hdr = rig_header(&f, 1448);

	netframe_plain(got, 60, 1);
	ck_assert(rig_write(&rig, NULL, got, 60));
	ck_assert(rig_write(&rig, &hdr, sent, len));
	netframe_plain(got, 70, 1);
	ck_assert(rig_write(&rig, NULL, got, 70));
	usernet_post(rig.u, 5);
	usernet_push(rig.u);
	ck_assert(rig_receive(&rig, &frame));
	ck_assert_uint_eq(frame.len, 60);
	while (at < f.payload) {
		usernet_post(rig.u, 2);
		usernet_push(rig.u);
		at += expect_segment(&f, at);
	}
	ck_assert(rig_receive(&rig, &frame));
	ck_assert_uint_eq(frame.len, 70);
}
END_TEST

/* The connection ends while a frame is half cut: the next knows nothing. */
START_TEST(half_cut_is_forgotten)
{
	struct netframe f = {.vlan = 1, .blank = true, .payload = 30000};
	uint32_t len = netframe_build(sent, &f, 1);
	struct virtio_net_hdr hdr = rig_header(&f, 1448);

	usernet_post(rig.u, 3);
	usernet_push(rig.u);
	ck_assert(rig_write(&rig, &hdr, sent, len));
	expect_segment(&f, 0);
	ck_assert(segment_more(&rig.vif->queue[0].cut));
	rig_disconnect(&rig);
	ck_assert_uint_eq(rig_count(&rig, VIF_RX_DRAINED), 1);
	rig_connect(&rig);
	ck_assert(!segment_more(&rig.vif->queue[0].cut));
	cut(&f, 1448, USERNET_SLOTS);
}
END_TEST

/* ---- what the tap never hands out, but another port may ---- */

static struct port_frame given;

static unsigned int give(struct port *port, struct port_batch *batch,
			 unsigned int max)
{
	struct port_frame *to;

	(void)port;
	if (!max || !given.len)
		return 0;
	memcpy(port_batch_room(batch), given.data, given.len);
	to = port_batch_add(batch, given.len);
	to->off = given.off;
	given.len = 0;
	return 1;
}

/* @f as a port's frame, whatever the guest can do. */
static void feed(const struct netframe *f, uint16_t mss)
{
	static struct port_ops ops;
	struct vif_queue *q = &rig.vif->queue[0];

	if (!ops.receive) {
		ops = *q->port->ops;
		ops.receive = give;
	}
	q->port->ops = &ops;
	q->port_ready = true;
	given.data = sent;
	given.len = netframe_build(sent, f, 1);
	given.off = (struct port_offload){
		.csum_needed = true,
		.csum_start = (uint16_t)netframe_l4_at(f),
		.csum_offset = (uint16_t)netframe_csum_offset(f),
		.gso = f->v6 ? PORT_GSO_TCPV6 : PORT_GSO_TCPV4,
		.gso_size = mss,
	};
	usernet_post(rig.u, USERNET_SLOTS);
	usernet_push(rig.u);
}

/* _i: bit 0 IPv6, bit 1 no GSO, bit 2 no checksums, bit 3 no sg */
START_TEST(guest_without)
{
	struct netframe f = {.v6 = _i & 1, .blank = true, .payload = 20000};
	uint32_t at = 0;

	rig_disconnect(&rig);
	rig.guest.gso_tcpv4 = rig.guest.gso_tcpv6 = !(_i & 2);
	rig.guest.csum_ipv4 = rig.guest.csum_ipv6 = !(_i & 4);
	rig.guest.sg = !(_i & 8);
	rig_connect(&rig);
	feed(&f, 1448);
	sent[netframe_l4_at(&f) + TCP_FLAGS] |= CWR | FIN_PSH;
	if (!(_i & ~1)) {
		ck_assert(rig_receive(&rig, &frame));
		ck_assert_uint_eq(frame.gso_size, 1448);
		return;
	}
	while (at < f.payload)
		at += expect_segment(&f, at);
	ck_assert_uint_eq(at, f.payload);
}
END_TEST

/* GSO that is none: dropped, counted, and the next frame passes. */
START_TEST(headers_deny_it)
{
	static const struct {
		uint16_t at;
		uint8_t value, gso;
	} lies[] = {{23, 17, PORT_GSO_TCPV4},
		    {12, 9, PORT_GSO_TCPV4},
		    {14, 0x55, PORT_GSO_TCPV4},
		    {46, 0x10, PORT_GSO_TCPV4},
		    {12, 8, PORT_GSO_TCPV6}};
	struct netframe f = {.blank = true, .payload = 9000};

	for (unsigned int i = 0; i < 5; i++) {
		feed(&f, 1448);
		sent[lies[i].at] = lies[i].value;
		given.off.gso = lies[i].gso;
		rig_turns(&rig, 5);
		ck_assert_int_eq(usernet_receive(rig.u, &frame), 0);
		ck_assert_uint_eq(rig_count(&rig, VIF_RX_DROP_GSO), i + 1);
	}
	feed(&f, 1448);
	ck_assert(rig_receive(&rig, &frame));
}
END_TEST

Suite *vif_cut_suite(void)
{
	Suite *s = suite_create("vif_cut");
	TCase *tc = rig_case(s, "cut", RIG_INSIDE);

	if (!tc)
		return s;
	tcase_add_loop_test(tc, vlan_tag, 0, 4);
	tcase_add_test(tc, jumbo_segments);
	tcase_add_test(tc, order_is_kept);
	tcase_add_test(tc, half_cut_is_forgotten);
	tcase_add_loop_test(tc, guest_without, 0, 16);
	tcase_add_test(tc, headers_deny_it);
	return s;
}
