// SPDX-License-Identifier: MIT
/*
 * A switch whose guests and whose workers misbehave: nobody else is worse off
 * than one packet, and no page of a guest's is held for good.
 */
#include "backend/vif/lan.h"
#include "backend/vif/queue.h"
#include "lanrig.h"
#include "netframe.h"
#include "soak.h"
#include "suites.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct lan lan;
static struct lan_guest *a, *b, *c;
static uint8_t sent[LAN_FRAME];
static struct usernet_frame got;
static uint32_t seq;

static void setup(void)
{
	lan_setup(&lan);
	a = lan_add(&lan, "lan", NULL);
	b = lan_add(&lan, "lan", NULL);
	c = lan_add(&lan, "lan", NULL);
}

static void teardown(void)
{
	lan_teardown(&lan);
}

static bool transmit(struct lan_guest *from, const struct lan_guest *to,
		     uint32_t len)
{
	struct usernet_packet pkt = {.data = sent, .len = len};

	lan_frame(sent, from, to, len, ++seq);
	return lan_send(from, &pkt);
}

static void turn(struct lan_guest *g)
{
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(loop_turn(g->worker.loop, false), 0);
}

static void expect_whole(struct lan_guest *to, const struct lan_guest *from)
{
	uint16_t domid;
	uint32_t number;

	ck_assert(lan_receive(&lan, to, &got));
	ck_assert(lan_frame_whole(got.data, got.len, &domid, &number));
	ck_assert_uint_eq(domid, from->domid);
	usernet_post(to->u, USERNET_SLOTS);
	usernet_push(to->u);
}

static void wait_ms(unsigned int ms)
{
	usleep(ms * 1000);
}

/* ---- receivers that do not receive ---- */

/* b's worker does nothing: what is sent to it is held for a while, once. */
START_TEST(worker_that_does_not_pull)
{
	ck_assert(transmit(a, b, 8000));
	turn(a);
	ck_assert_uint_eq(lan_reap(a), 0);
	/* others get theirs meanwhile, though the answers keep their order */
	ck_assert(transmit(a, c, 8000));
	turn(a);
	turn(c);
	ck_assert_int_eq(usernet_receive(c->u, &got), 1);
	turn(a);
	ck_assert_uint_eq(lan_reap(a), 0);
	wait_ms(SWITCH_HOLD_MS + 20);
	turn(a);
	ck_assert_uint_eq(lan_reap(a), 4);
	ck_assert_uint_eq(lan_count(a, SWITCH_TX_REVOKED), 1);
	/* no second wait */
	ck_assert(transmit(a, b, 8000));
	turn(a);
	ck_assert_uint_eq(lan_reap(a), 2);
	ck_assert_uint_eq(lan_count(a, SWITCH_TX_DROP_STALLED), 1);
	/* it comes to life: not what was taken back, but all from then on */
	turn(b);
	ck_assert_uint_eq(lan_count(b, SWITCH_RX_REVOKED), 1);
	ck_assert_int_eq(usernet_receive(b->u, &got), 0);
	turn(a);
	ck_assert(transmit(a, b, 8000));
	expect_whole(b, a);
}
END_TEST

/* One that pulls just after each stall does not make a wait for it again. */
START_TEST(stalls_again_and_again)
{
	for (int i = 0; i < 2; i++) {
		ck_assert(transmit(a, b, 8000));
		turn(a);
		wait_ms(SWITCH_HOLD_MS + 20);
		turn(a);
		ck_assert_uint_eq(lan_reap(a), 2);
		ck_assert_uint_eq(lan_count(a, SWITCH_TX_REVOKED), i + 1);
		turn(b);
		turn(a);
	}
	ck_assert(transmit(a, b, 8000));
	turn(a);
	ck_assert_uint_eq(lan_reap(a), 2);
	ck_assert_uint_eq(lan_count(a, SWITCH_TX_DROP_STALLED), 1);
	wait_ms(SWITCH_HOLD_MS + 20);
	ck_assert(transmit(a, b, 8000));
	expect_whole(b, a);
}
END_TEST

/* What has been given up is not copied from: its page may be another's. */
START_TEST(unlinked_is_not_claimed)
{
	struct switch_link *link = &b->port->link[0];

	ck_assert_uint_eq(link->peer.id, a->id);
	ck_assert(transmit(a, b, 8000));
	turn(a);
	lan_unlink(a, b);
	ck_assert(!mail_claim(&link->rx, 0));
	turn(a);
	ck_assert_uint_eq(lan_reap(a), 2);
}
END_TEST

/* Who looks at a link no more takes nothing over it, and says so. */
START_TEST(unlinked_is_closed)
{
	lan_unlink(b, a);
	ck_assert(transmit(a, b, 8000));
	turn(a);
	ck_assert_uint_eq(lan_reap(a), 2);
	ck_assert_uint_eq(lan_count(a, SWITCH_TX_DROP_CLOSED), 1);
	switch_unlink(c->port, SWITCH_ALL_PEERS);
	ck_assert(transmit(a, c, 8000));
	turn(a);
	ck_assert_uint_eq(lan_reap(a), 2);
	ck_assert_uint_eq(lan_count(a, SWITCH_TX_DROP_CLOSED), 2);
}
END_TEST

/* None of what was on our stack gets to the other worker. */
START_TEST(fragments_that_are_none)
{
	static const struct mail_frag none[MAIL_FRAGS];
	struct switch_link *link = &b->port->link[0];
	struct mail mail;

	ck_assert_uint_eq(link->peer.id, a->id);
	ck_assert(transmit(a, b, 3000));
	turn(a);
	ck_assert_int_eq(mail_peek(&link->rx, 0, &mail), 1);
	ck_assert_uint_eq(mail.nr_frags, 1);
	ck_assert_mem_eq(mail.frag + 1, none, sizeof(none) - sizeof(*none));
}
END_TEST

/* Who waits for room in a mailbox sleeps. */
START_TEST(no_turns_for_nothing)
{
	struct vif_queue *q = &a->vif->queue[0];

	for (unsigned int i = 0; i < MAIL_SLOTS + 10; i++)
		ck_assert(transmit(a, b, 100));
	turn(a);
	ck_assert(q->lan->blocked);
	ck_assert(!vif_tx_turn(q));
	ck_assert(q->lan->blocked);
	ck_assert(!vif_tx_arm(q));
}
END_TEST

/* Small packets are held by nobody, but a full mailbox must not block. */
START_TEST(mailbox_is_full)
{
	unsigned int answered = 0;

	for (unsigned int i = 0; i < MAIL_SLOTS + 10; i++)
		ck_assert(transmit(a, b, 100));
	turn(a);
	answered = lan_reap(a);
	ck_assert_uint_eq(answered, MAIL_SLOTS);
	wait_ms(SWITCH_HOLD_MS + 20);
	turn(a);
	ck_assert_uint_eq(lan_reap(a), 10);
	ck_assert_uint_eq(lan_count(a, SWITCH_TX_DROP_STALLED), 10);
	for (unsigned int i = 0; i < MAIL_SLOTS; i++)
		expect_whole(b, a);
	ck_assert(transmit(a, b, 100));
	expect_whole(b, a);
}
END_TEST

/* A full mailbox that is emptied in time loses nothing. */
START_TEST(full_and_waiting)
{
	for (unsigned int i = 0; i < 3 * MAIL_SLOTS; i++)
		ck_assert(transmit(a, b, 100));
	turn(a);
	for (unsigned int i = 0; i < 3 * MAIL_SLOTS; i++)
		expect_whole(b, a);
	ck_assert_uint_eq(lan_count(a, SWITCH_TX_DROP_STALLED), 0);
}
END_TEST

/* The guest posts no slots: the same, and the others see nothing of it. */
START_TEST(guest_without_slots)
{
	struct lan_guest *deaf;

	lan.deaf = true;
	deaf = lan_add(&lan, "lan", NULL);
	ck_assert(transmit(a, deaf, 20000));
	lan_turns(&lan, 3);
	ck_assert_uint_eq(lan_reap(a), 0);
	wait_ms(SWITCH_HOLD_MS + 20);
	lan_turns(&lan, 3);
	ck_assert_uint_eq(lan_reap(a), 5);
	ck_assert(transmit(a, b, 20000));
	expect_whole(b, a);
	usernet_post(deaf->u, USERNET_SLOTS);
	usernet_push(deaf->u);
	lan_turns(&lan, 3);
	ck_assert(transmit(a, deaf, 20000));
	expect_whole(deaf, a);
}
END_TEST

/* b's worker was stopped in the middle of a copy; a leaves. */
START_TEST(claimed_and_never_answered)
{
	struct switch_link *link = &b->port->link[0];
	struct timespec before, after;

	ck_assert_uint_eq(link->peer.id, a->id);
	ck_assert(transmit(a, b, 8000));
	turn(a);
	ck_assert(mail_claim(&link->rx, 0));
	wait_ms(SWITCH_HOLD_MS + 20);
	turn(a);
	/* whoever copies from a page has it until it is done */
	ck_assert_uint_eq(lan_reap(a), 0);
	clock_gettime(CLOCK_MONOTONIC, &before);
	lan_remove(&lan, a);
	clock_gettime(CLOCK_MONOTONIC, &after);
	ck_assert_int_le(after.tv_sec - before.tv_sec, 3);
}
END_TEST

/* Whoever does not come back from a copy is given up some day. */
START_TEST(claimed_for_good)
{
	struct switch_link *link = &b->port->link[0];

	ck_assert_uint_eq(link->peer.id, a->id);
	ck_assert(transmit(a, b, 8000));
	ck_assert(transmit(a, b, 8000));
	turn(a);
	ck_assert(mail_claim(&link->rx, 0));
	wait_ms(SWITCH_STUCK_MS / 2);
	turn(a);
	ck_assert_uint_eq(lan_reap(a), 0);
	ck_assert_uint_eq(lan_count(a, SWITCH_TX_ABANDONED), 0);
	wait_ms(SWITCH_STUCK_MS / 2 + 50);
	turn(a);
	ck_assert_uint_eq(lan_reap(a), 4);
	ck_assert_uint_eq(lan_count(a, SWITCH_TX_ABANDONED), 1);
	ck_assert_uint_eq(lan_count(a, SWITCH_TX_REVOKED), 1);
}
END_TEST

/* What is for all does not wait for one that is full. */
START_TEST(flooded_past_the_full)
{
	for (unsigned int i = 0; i < MAIL_SLOTS; i++)
		ck_assert(transmit(a, b, 100));
	turn(a);
	ck_assert_uint_eq(lan_reap(a), MAIL_SLOTS);
	ck_assert(transmit(a, NULL, 100));
	turn(a);
	ck_assert_uint_eq(lan_reap(a), 1);
	ck_assert_uint_eq(lan_count(a, SWITCH_TX_DROP_FULL), 1);
	expect_whole(c, a);
	for (unsigned int i = 0; i < MAIL_SLOTS; i++)
		expect_whole(b, a);
	lan_expect_none(&lan, b);
}
END_TEST

START_TEST(receiver_goes_away)
{
	for (int i = 0; i < 5; i++)
		ck_assert(transmit(a, b, 8000));
	turn(a);
	ck_assert_uint_eq(lan_reap(a), 0);
	lan_remove(&lan, b);
	lan_unlink(a, b);
	turn(a);
	ck_assert_uint_eq(lan_reap(a), 10);
	ck_assert(transmit(a, c, 8000));
	expect_whole(c, a);
}
END_TEST

/* What is under way when the sender leaves does not arrive. */
START_TEST(sender_goes_away)
{
	for (int i = 0; i < 5; i++)
		ck_assert(transmit(a, b, 8000));
	turn(a);
	lan_remove(&lan, a);
	lan_unlink(b, a);
	lan_unlink(c, a);
	lan_expect_none(&lan, b);
	ck_assert(transmit(c, b, 8000));
	expect_whole(b, c);
}
END_TEST

START_TEST(sender_is_destroyed)
{
	ck_assert(transmit(a, b, 8000));
	turn(a);
	ck_assert_int_eq(hyper_local_domain_destroy(lan.machine, a->domid), 0);
	turn(b);
	/* its pages are gone: a packet that is lost, and nothing for b */
	ck_assert_int_eq(usernet_receive(b->u, &got), 0);
	ck_assert_uint_eq(lan_count(b, SWITCH_RX_DROP_GRANT), 1);
	ck_assert(transmit(c, b, 8000));
	expect_whole(b, c);
	vif_disconnect(a->vif);
	vif_detach(a->vif);
	a->vif = NULL;
}
END_TEST

/* ---- guests that lie ---- */

/* 3,500 bytes, the last 500 in a page that was not granted. */
static void transmit_spoilt(struct lan_guest *from, const struct lan_guest *to)
{
	struct xpv_netif_tx_request slot[2] = {0};
	int id = usernet_tx_id(from->u), other = usernet_tx_id(from->u);

	lan_frame(usernet_tx_page(from->u, (unsigned int)id), from, to, 3000,
		  ++seq);
	slot[0].gref = from->u->tx_page_gref[id];
	slot[0].id = (uint16_t)id;
	slot[0].size = 3000 + 500;
	slot[0].flags = XPV_TX_MORE;
	slot[1].gref = 999999;
	slot[1].id = (uint16_t)other;
	slot[1].size = 500;
	usernet_tx_raw(from->u, &slot[0]);
	usernet_tx_raw(from->u, &slot[1]);
	usernet_push(from->u);
}

START_TEST(grants_that_are_none)
{
	transmit_spoilt(a, b);
	lan_turns(&lan, 4);
	ck_assert_int_eq(usernet_receive(b->u, &got), 0);
	ck_assert_uint_eq(lan_count(b, SWITCH_RX_DROP_GRANT), 1);
	ck_assert_uint_eq(vif_counter(b->vif, VIF_RX_GRANT_ERRORS), 0);
	ck_assert_uint_eq(vif_counter(b->vif, VIF_RX_PACKETS), 0);
	ck_assert_uint_eq(lan_reap(a), 2);
	ck_assert(transmit(a, b, 3000));
	expect_whole(b, a);
	ck_assert_uint_eq(vif_counter(b->vif, VIF_RX_PACKETS), 1);
}
END_TEST

static void expect_gso(struct lan_guest *to, const struct usernet_packet *pkt)
{
	ck_assert_int_eq(usernet_receive(to->u, &got), 1);
	ck_assert_uint_eq(got.errors, 0);
	ck_assert_uint_eq(got.len, pkt->len);
	ck_assert_uint_eq(got.gso_size, pkt->gso_size);
	ck_assert_mem_eq(got.data, pkt->data, pkt->len);
}

static void expect_seq(struct lan_guest *to, uint32_t want)
{
	uint16_t domid;
	uint32_t number;

	ck_assert_int_eq(usernet_receive(to->u, &got), 1);
	ck_assert(lan_frame_whole(got.data, got.len, &domid, &number));
	ck_assert_uint_eq(number, want);
}

/*
 * In the middle of a turn: packets of others, with and without extras, whose
 * slots move forward, and not one slot is used up by what was not delivered.
 */
START_TEST(spoilt_in_the_middle)
{
	static uint8_t tcp[LAN_FRAME];
	struct netframe f = {.blank = true, .payload = 8000};
	struct usernet_packet pkt = {
		.data = tcp,
		.flags = XPV_TX_CSUM_BLANK | XPV_TX_DATA_VALIDATED,
		.gso_type = XPV_GSO_TCPV4,
		.gso_size = 1448,
	};
	struct lan_guest *d;
	uint32_t first = seq + 1;

	lan.deaf = true;
	d = lan_add(&lan, "lan", NULL);
	pkt.len = netframe_build(tcp, &f, 7);
	memcpy(tcp, d->mac, 6);
	memcpy(tcp + 6, c->mac, 6);
	ck_assert(transmit(c, d, 3000));
	ck_assert(lan_send(c, &pkt));
	ck_assert(transmit(c, d, 9000));
	transmit_spoilt(a, d);
	transmit_spoilt(a, d);
	turn(c);
	turn(a);
	/* 1, 2 pages and an extra, 3; for the spoilt ones; for one more */
	usernet_post(d->u, 1 + 3 + 3 + 2);
	usernet_push(d->u);
	turn(d);
	expect_seq(d, first);
	expect_gso(d, &pkt);
	expect_seq(d, first + 1);
	ck_assert_int_eq(usernet_receive(d->u, &got), 0);
	ck_assert_uint_eq(lan_count(d, SWITCH_RX_DROP_GRANT), 2);
	ck_assert_uint_eq(lan_count(d, SWITCH_RX_DIRECT), 3);
	ck_assert_uint_eq(vif_counter(d->vif, VIF_RX_GRANT_ERRORS), 0);
	ck_assert_uint_eq(vif_counter(d->vif, VIF_RX_PACKETS), 3);
	ck_assert_uint_eq(vif_counter(d->vif, VIF_RX_GSO), 1);
	ck_assert(transmit(c, d, 5000));
	turn(c);
	turn(d);
	expect_seq(d, seq);
}
END_TEST

/* Who is to blame is told apart: the guest's own slot, and nobody's page. */
START_TEST(spoilt_and_no_slot)
{
	struct lan_guest *d;

	lan.deaf = true;
	d = lan_add(&lan, "lan", NULL);
	transmit_spoilt(a, d);
	ck_assert(transmit(c, d, 3000));
	turn(a);
	turn(c);
	usernet_post_gref(d->u, 999999);
	usernet_post(d->u, 1);
	usernet_push(d->u);
	turn(d);
	ck_assert_int_eq(usernet_receive(d->u, &got), 1);
	ck_assert_uint_eq(got.errors, 1);
	ck_assert_int_eq(usernet_receive(d->u, &got), 0);
	ck_assert_uint_eq(lan_count(d, SWITCH_RX_DROP_GRANT), 1);
	ck_assert_uint_gt(vif_counter(d->vif, VIF_RX_GRANT_ERRORS), 0);
	ck_assert(transmit(c, d, 3000));
	turn(c);
	turn(d);
	expect_seq(d, seq);
}
END_TEST

START_TEST(slots_that_are_none)
{
	struct lan_guest *bad;

	lan.deaf = true;
	bad = lan_add(&lan, "lan", NULL);
	usernet_post_gref(bad->u, 999999);
	usernet_push(bad->u);
	ck_assert(transmit(a, bad, 3000));
	lan_turns(&lan, 4);
	ck_assert_int_eq(usernet_receive(bad->u, &got), 1);
	ck_assert_uint_eq(got.errors, 1);
	/* the sender hears nothing of what its receiver does wrong */
	ck_assert_uint_eq(lan_reap(a), 1);
}
END_TEST

/* The header that was checked is the one that arrives. */
START_TEST(header_changed_after_the_check)
{
	ck_assert(transmit(a, b, 3000));
	turn(a);
	for (unsigned int id = 0; id < USERNET_SLOTS; id++)
		memcpy(usernet_tx_page(a->u, id) + 6, c->mac, 6);
	expect_whole(b, a);
	ck_assert_mem_eq(got.data + 6, a->mac, 6);
}
END_TEST

/* ---- workers that lie ---- */

/* Offloads that the headers do not bear out, though a's worker says so. */
START_TEST(offload_that_is_none)
{
	struct switch_link *link = &b->port->link[0];
	struct mail *mail;

	ck_assert_uint_eq(link->peer.id, a->id);
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert(transmit(a, b, 3000));
		turn(a);
		mail = xpv_ring_slot(&link->rx.ring.ring,
				     link->rx.ring.req_cons);
		/* the frame is of no protocol */
		if (i)
			mail->gso = PORT_GSO_TCPV4;
		else
			mail->flags = MAIL_CSUM_BLANK;
		lan_expect_none(&lan, b);
		ck_assert_uint_eq(lan_count(b, SWITCH_RX_DROP_OFFLOAD), i + 1);
		ck_assert_uint_eq(lan_reap(a), 1);
	}
	ck_assert(transmit(a, b, 3000));
	expect_whole(b, a);
}
END_TEST

/*
 * Random bytes all over what the workers of a and b share, in the middle of
 * traffic. _i: with the ring's indices or without. c and b are unharmed.
 */
#define GARBAGE_ROUNDS 3000

START_TEST(garbage_in_shared_memory)
{
	struct switch_link *link = &b->port->link[0];
	uint8_t *mem = link->mem;

	srandom(soak_seed() + (unsigned int)_i);
	ck_assert_uint_eq(link->peer.id, a->id);
	for (int round = 0; round < GARBAGE_ROUNDS; round++) {
		transmit(a, b, 100 + (uint32_t)random() % 20000);
		transmit(b, a, 100 + (uint32_t)random() % 20000);
		turn(a);
		for (int n = (int)random() % 200; n; n--) {
			size_t at = (size_t)random() % LINK_BYTES(0);

			if (at % MAILBOX_BYTES >= XPV_RING_HEADER_SIZE || _i)
				mem[at] = (uint8_t)random();
		}
		lan_turns(&lan, 2);
		usernet_post(a->u, USERNET_SLOTS);
		usernet_post(b->u, USERNET_SLOTS);
		while (usernet_receive(a->u, &got) > 0)
			;
		while (usernet_receive(b->u, &got) > 0)
			;
		lan_reap(a);
		lan_reap(b);
		usernet_push(a->u);
		usernet_push(b->u);
		if (round % 50)
			continue;
		/* who has no part in it has no harm from it */
		ck_assert(transmit(c, NULL, 5000));
		expect_whole(c == b ? a : b, c);
		lan_turns(&lan, 2);
		lan_reap(c);
	}
	if (_i)
		ck_assert_uint_eq(
			lan_count(a, SWITCH_LINKS_BROKEN) +
					lan_count(b, SWITCH_LINKS_BROKEN) >
				0,
			true);
	wait_ms(SWITCH_HOLD_MS + 20);
	lan_turns(&lan, 5);
	ck_assert_uint_eq(lan_count(b, SWITCH_RX_DROP_MAIL) +
					  lan_count(b, SWITCH_LINKS_BROKEN) >
				  0,
			  true);
	soak_count(GARBAGE_ROUNDS, "rounds of garbage");
}
END_TEST

Suite *switch_bad_suite(void)
{
	Suite *s = suite_create("switch_bad");
	TCase *tc = tcase_create("switch_bad");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, worker_that_does_not_pull);
	tcase_add_test(tc, stalls_again_and_again);
	tcase_add_test(tc, unlinked_is_not_claimed);
	tcase_add_test(tc, unlinked_is_closed);
	tcase_add_test(tc, fragments_that_are_none);
	tcase_add_test(tc, no_turns_for_nothing);
	tcase_add_test(tc, mailbox_is_full);
	tcase_add_test(tc, full_and_waiting);
	tcase_add_test(tc, guest_without_slots);
	tcase_add_test(tc, claimed_and_never_answered);
	tcase_add_test(tc, claimed_for_good);
	tcase_add_test(tc, flooded_past_the_full);
	tcase_add_test(tc, receiver_goes_away);
	tcase_add_test(tc, sender_goes_away);
	tcase_add_test(tc, sender_is_destroyed);
	tcase_add_test(tc, grants_that_are_none);
	tcase_add_test(tc, spoilt_in_the_middle);
	tcase_add_test(tc, spoilt_and_no_slot);
	tcase_add_test(tc, slots_that_are_none);
	tcase_add_test(tc, header_changed_after_the_check);
	tcase_add_test(tc, offload_that_is_none);
	tcase_add_loop_test(tc, garbage_in_shared_memory, 0, 2);
	suite_add_tcase(s, tc);
	return s;
}
