// SPDX-License-Identifier: MIT
/*
 * No packet is changed, and none gets to anybody else. Every guest sends to
 * every other that it may reach, and tries what it may not: packets of random
 * kind, length, slots, offloads and VLAN, each with a stamp of who sent what
 * to whom (soakframe.h). Who gets one judges every byte of it, that it is for
 * him, and that it has not come before.
 *
 * 100,000 packets received; XPV_SOAK=N: N times as many; XPV_SEED=N: others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/ipc.h"
#include "backend/worker/loop.h"
#include "netframe.h"
#include "soak.h"
#include "soakguest.h"
#include "suites.h"

#define PACKETS	   100000u
#define TAG	   4u
#define NOWHERE	   9 /* a VLAN that no port is in */
#define TO_ALL	   SOAK_GUESTS /* in the place of a receiver */
#define SILENCE_MS 60000u

static uint8_t buf[SOAK_LENGTH + TAG];

static struct {
	unsigned long sent, forbidden; /* packets */
	unsigned long received, large; /* and those not cut yet */
	unsigned long due, pieces; /* on their way, and arrived */
} total;

static unsigned int chance(unsigned int n)
{
	return (unsigned int)random() % n;
}

/* ---- receiving ---- */

/* Is the packet, whole as it is, one that @g may get? */
static const char *judge_receiver(const struct soak_guest *g,
				  const struct usernet_frame *in,
				  const struct soak_frame *f)
{
	const struct soak_role *r = g->role;

	if (f->forbidden)
		return "it was forbidden";
	if (f->from < SOAK_FIRST || f->from >= SOAK_FIRST + SOAK_GUESTS ||
	    !soak_reaches(&soak_guest[f->from - SOAK_FIRST], g, f->vlan))
		return "its sender does not reach this guest";
	if (f->to != SOAK_GROUP && f->to != g->domid)
		return "it is for somebody else";
	if (f->tagged != (r->untagged != f->vlan))
		return "a tag too many, or too few";
	if (in->flags & XPV_RX_CSUM_BLANK && !r->csum)
		return "a checksum that the guest cannot finish";
	/* One asks for more than there can be. */
	if (in->headroom != (r->headroom < IPC_VIF_MAX_HEADROOM
				     ? r->headroom
				     : IPC_VIF_MAX_HEADROOM))
		return "another headroom";
	if (!in->gso_type)
		return f->payload > f->piece ? "pieces, but no GSO" : NULL;
	if (!r->gso || f->kind != SOAK_TCP || in->gso_size != f->piece ||
	    in->gso_type != (f->v6 ? XPV_GSO_TCPV6 : XPV_GSO_TCPV4))
		return "GSO that it was not sent with";
	return NULL;
}

/* NULL: none of its pieces came before. */
static const char *judge_pieces(struct soak_guest *g,
				const struct soak_frame *f)
{
	struct soak_seen *seen = g->seen + 2 * (f->from - SOAK_FIRST);
	uint32_t number = f->number;

	for (uint32_t at = 0; at < f->payload; at += f->piece) {
		if (!soak_once(&seen[f->to == SOAK_GROUP], number++))
			return "it came before";
		total.pieces++;
	}
	return NULL;
}

static void judge(struct soak_guest *g, const struct usernet_frame *in)
{
	struct soak_frame f;
	const char *wrong = soak_judge(in->data, in->len,
				       in->flags & XPV_RX_CSUM_BLANK, &f);

	if (!wrong)
		wrong = judge_receiver(g, in, &f);
	if (!wrong)
		wrong = judge_pieces(g, &f);
	ck_assert_msg(!wrong,
		      "packet %u of %u to %u in VLAN %u, %u bytes, %u of "
		      "payload, kind %d, "
		      "IPv%d, GSO %u, at %u: %s",
		      f.number, f.from, f.to, f.vlan, in->len, f.payload,
		      f.kind, f.v6 ? 6 : 4, in->gso_type, g->domid, wrong);
	ck_assert_uint_eq(in->errors, 0);
	g->heard[f.from - SOAK_FIRST] = true;
	total.received++;
	total.large += in->gso_type != XPV_GSO_NONE;
}

/* Answers and packets that have come; true if any. */
static bool serve_queue(struct soak_guest *g, struct usernet *u)
{
	static struct usernet_frame in;
	struct xpv_netif_tx_response rsp[USERNET_SLOTS];
	bool any = false;
	int n, got;

	usernet_events(u);
	n = usernet_reap(u, rsp, USERNET_SLOTS);
	ck_assert_int_ge(n, 0);
	for (int i = 0; i < n; i++)
		ck_assert_msg(rsp[i].status == XPV_NETIF_OKAY ||
				      rsp[i].status == XPV_NETIF_NULL,
			      "%u is answered with %d", g->domid,
			      rsp[i].status);
	while ((got = usernet_receive(u, &in)) > 0) {
		if (!soak_of_bridge(in.data))
			judge(g, &in);
		any = true;
	}
	ck_assert_int_eq(got, 0);
	/* Some at a time: now and then there are too few. */
	usernet_post(u, chance(4) ? USERNET_SLOTS : chance(20));
	usernet_push(u);
	usernet_arm(u);
	return n || any;
}

static bool serve(void)
{
	bool any = false;

	for (unsigned int i = 0; i < SOAK_GUESTS; i++)
		for (unsigned int q = 0; q < soak_guest[i].role->queues; q++)
			any |= serve_queue(&soak_guest[i], soak_guest[i].u[q]);
	return any;
}

/* ---- sending ---- */

/* Kind, length and offloads, such that the receivers can take it. */
static void choose_shape(struct soak_frame *f, const struct soak_role *from,
			 const struct soak_guest *to)
{
	uint32_t most = to && !to->role->sg ? 3700 : SOAK_LENGTH - 2 * TAG;
	uint32_t room;

	f->kind = from->guarded ? SOAK_UDP + chance(2) : chance(3);
	f->v6 = f->kind != SOAK_PLAIN && chance(2);
	f->blank = f->kind != SOAK_PLAIN && chance(2);
	if (!to || chance(16))
		most = most < 1514 ? most : 1514;
	room = most - soak_headers(f) - SOAK_STAMP;
	f->payload = SOAK_STAMP + chance(room + 1);
	f->piece = f->payload;
}

/* A large packet, to be cut behind each piece by who cannot take it whole. */
static uint16_t choose_gso(struct soak_frame *f, const struct soak_guest *to)
{
	uint32_t most = SOAK_LENGTH - 2 * TAG, rest;

	f->kind = SOAK_TCP;
	f->blank = chance(8);
	f->piece = 200 + chance(to->role->sg && chance(2) ? 8700 : 1300);
	f->payload = SOAK_STAMP + chance(most - soak_headers(f) - SOAK_STAMP);
	rest = f->payload % f->piece;
	if (rest && rest < SOAK_STAMP)
		f->payload -= rest;
	return (uint16_t)f->piece;
}

/* The pieces of @f that are due somewhere. */
static unsigned long count_due(const struct soak_guest *from,
			       const struct soak_frame *f)
{
	unsigned long n = (f->payload + f->piece - 1) / f->piece, all = 0;

	for (unsigned int i = 0; i < SOAK_GUESTS; i++)
		all += (f->to == SOAK_GROUP || f->to == soak_guest[i].domid) &&
		       soak_reaches(from, &soak_guest[i], f->vlan);
	return n * all;
}

/* True: the ring had room. */
static bool transmit(struct soak_guest *g, struct soak_frame *f, uint16_t gso)
{
	struct usernet_piece piece[XPV_NETIF_MAX_SLOTS];
	struct usernet_packet pkt = {
		.data = buf,
		.pieces = piece,
		.gso_size = gso,
		.len = soak_headers(f) + f->payload,
		.flags = f->blank ? XPV_TX_CSUM_BLANK : 0,
	};
	uint32_t *next = f->to == SOAK_GROUP ? &g->next[TO_ALL]
					     : &g->next[f->to - SOAK_FIRST];

	if (gso)
		pkt.gso_type = f->v6 ? XPV_GSO_TCPV6 : XPV_GSO_TCPV4;
	pkt.nr_pieces = netframe_cut(pkt.len, piece);
	if (usernet_send(g->u[chance(g->role->queues)], &pkt) < 0)
		return false;
	if (f->forbidden) {
		total.forbidden++;
		return true;
	}
	*next += (f->payload + f->piece - 1) / f->piece;
	total.sent++;
	total.due += count_due(g, f);
	return true;
}

static void address(struct soak_guest *g, const struct soak_guest *to,
		    uint8_t vlan, struct soak_frame *f)
{
	memset(f, 0, sizeof(*f));
	f->from = g->domid;
	f->to = to ? to->domid : SOAK_GROUP;
	f->vlan = vlan;
	f->tagged = g->role->untagged != vlan;
	f->number = g->next[to ? (unsigned int)(to - soak_guest) : TO_ALL];
}

static uint8_t choose_vlan(const struct soak_role *r)
{
	unsigned int i = chance(3);

	return i && r->tagged[i - 1] ? r->tagged[i - 1] : r->untagged;
}

static bool send_any(struct soak_guest *g)
{
	uint8_t vlan = choose_vlan(g->role);
	struct soak_guest *to =
		chance(16) ? &soak_guest[chance(SOAK_GUESTS)] : NULL;
	struct soak_frame f;
	uint16_t gso = 0;

	if (to && !soak_reaches(g, to, vlan))
		return true; /* of no use: the next one */
	address(g, to, vlan, &f);
	choose_shape(&f, g->role, to);
	if (to && !chance(to->role->gso ? 4 : 64))
		gso = choose_gso(&f, to);
	soak_build(buf, &f);
	return transmit(g, &f, gso);
}

/* ---- what must not get through ---- */

/* From who is on a switch: its ports are what keeps them in. */
static bool try_forbidden(struct soak_guest *g)
{
	struct soak_guest *to = &soak_guest[chance(SOAK_GUESTS)];
	uint8_t vlan = choose_vlan(g->role), *ip = buf + 14;
	struct soak_frame f;

	/* Whom the bridge does not know may be behind any of its ports. */
	if (!g->role->bridge || !to->role->bridge || to == g ||
	    (g->role->lan == 'l' && to->role->lan != 'l'))
		return true;
	address(g, to, vlan, &f);
	f.forbidden = true;
	choose_shape(&f, g->role, NULL);
	if (soak_reaches(g, to, vlan) && chance(2)) {
		f.vlan = NOWHERE;
		f.tagged = true;
	}
	soak_build(buf, &f);
	if (soak_reaches(g, to, f.vlan)) {
		/* Its own network, but not its own addresses. */
		if (!g->role->guarded)
			soak_mac(buf + 6, to->domid);
		else
			ip[f.v6 ? 23 : 15]++;
	}
	return transmit(g, &f, 0);
}

/* ---- tests ---- */

static bool all_have_heard(void)
{
	for (unsigned int i = 0; i < SOAK_GUESTS; i++)
		for (unsigned int k = 0; k < SOAK_GUESTS; k++)
			for (unsigned int vlan = 0; vlan < 7; vlan++)
				if (soak_reaches(&soak_guest[k], &soak_guest[i],
						 (uint8_t)vlan) &&
				    !soak_guest[i].heard[k])
					return false;
	return true;
}

/*
 * Links are made and stations learned. Until a bridge knows where one is,
 * what is sent to it gets to others as well, as it should.
 */
static void introduce(void)
{
	for (unsigned int i = 0; i < 10000 && !all_have_heard(); i++) {
		for (unsigned int k = 0; k < SOAK_GUESTS; k++) {
			struct soak_guest *g = &soak_guest[k];
			struct soak_frame f;

			address(g, NULL, choose_vlan(g->role), &f);
			f.kind = SOAK_UDP;
			f.payload = f.piece = 100;
			soak_build(buf, &f);
			transmit(g, &f, 0);
		}
		serve();
		pause_ms(10);
	}
	ck_assert_msg(all_have_heard(), "somebody is not heard");
}

static bool burst(void)
{
	bool any = false;

	for (unsigned int i = 0; i < SOAK_GUESTS; i++)
		for (unsigned int n = chance(8); n--;)
			any |= chance(16) ? send_any(&soak_guest[i])
					  : try_forbidden(&soak_guest[i]);
	return any;
}

static bool idle(void)
{
	for (unsigned int i = 0; i < SOAK_GUESTS; i++)
		for (unsigned int q = 0; q < soak_guest[i].role->queues; q++)
			if (soak_guest[i].u[q]->nr_tx_free < USERNET_SLOTS)
				return false;
	return true;
}

/* What is on its way arrives, and nothing of a guest's is held for good. */
static void settle(void)
{
	uint64_t since = loop_now();

	while (!idle() || loop_now() < since + 500) {
		if (!serve())
			pause_ms(1);
		ck_assert_uint_lt(loop_now(), since + SILENCE_MS);
	}
}

START_TEST(everyone_gets_his_own)
{
	unsigned long want = PACKETS * (unsigned long)soak();
	unsigned long before = 0;
	uint64_t since;

	srandom(soak_seed());
	introduce();
	settle();
	memset(&total, 0, sizeof(total));
	since = loop_now();
	while (total.received < want) {
		burst();
		if (!serve())
			pause_ms(1);
		if (total.received != before)
			since = loop_now();
		before = total.received;
		ck_assert_uint_lt(loop_now(), since + SILENCE_MS);
	}
	settle();
	ck_assert_uint_le(total.pieces, total.due);
	fprintf(stderr,
		"net_soak: %lu packets sent, %lu forbidden ones tried; %lu "
		"received (%lu large ones) of %lu pieces: 0 changed, 0 of "
		"others, 0 twice; %lu pieces lost on full rings and queues\n",
		total.sent, total.forbidden, total.received, total.large,
		total.pieces, total.due - total.pieces);
	ck_assert_uint_gt(total.forbidden, want / 200);
	ck_assert_uint_gt(total.large, want / 100);
	soak_count(total.received, "packets received");
	soak_count(total.forbidden, "forbidden ones");
}
END_TEST

Suite *net_soak_suite(void)
{
	Suite *s = suite_create("net_soak");
	TCase *tc = tcase_create("net_soak");

	if (!host_has_taps()) {
		fprintf(stderr, "skipped: making a tap needs root\n");
		return s;
	}
	tcase_add_checked_fixture(tc, soak_setup, soak_teardown);
	tcase_set_timeout(tc, 300 * (double)soak());
	tcase_add_test(tc, everyone_gets_his_own);
	suite_add_tcase(s, tc);
	return s;
}
