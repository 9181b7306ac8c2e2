// SPDX-License-Identifier: MIT
/*
 * Guests of several queues on a switch: flows keep their order, a queue that
 * is neglected or blocked is in no other's way, and nobody is held for good.
 */
#include "backend/vif/hash.h"
#include "backend/vif/lan.h"
#include "backend/vif/queue.h"
#include "lanrig.h"
#include "netframe.h"
#include "suites.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLOWS	  160u /* enough to hit each of the most queues */
#define FEW_FLOWS 32u
#define PORT	  5000u
#define KEEPS_MS  (SWITCH_HOLD_MS / 2 + 20)

_Static_assert(LAN_WAIT_MS < KEEPS_MS && KEEPS_MS < SWITCH_HOLD_MS,
	       "nobody takes anything back while a test waits");

/*
 * What waits, waits for LAN_WAIT_MS: a test that has not had the processor for
 * so long since @began finds things done which it wants to see under way.
 */
#define LATE(began, ms) (loop_now() >= (began) + (ms))

static struct lan lan;
static struct lan_guest *a, *b, *c;
static uint8_t sent[LAN_FRAME];
static struct usernet_frame got;
static const struct netframe shape = {.payload = 0};

static void three(unsigned int queues)
{
	lan.features.nr_queues = (uint8_t)queues;
	a = lan_add(&lan, "lan", NULL);
	b = lan_add(&lan, "lan", NULL);
	c = lan_add(&lan, "lan", NULL);
}

static void setup(void)
{
	lan_setup(&lan);
	lan.features.has_ctrl = true;
}

static void teardown(void)
{
	lan_teardown(&lan);
}

/* Number @n of a flow, by @from's queue @q; false: its ring is full. */
static bool transmit(struct lan_guest *from, unsigned int q,
		     const struct lan_guest *to, uint16_t flow, uint32_t n,
		     uint32_t payload)
{
	struct netframe f = shape;
	struct usernet_packet pkt = {.data = sent};
	uint8_t *l4 = sent + netframe_l4_at(&f);
	int ret;

	f.payload = payload;
	pkt.len = netframe_build(sent, &f, n);
	memcpy(sent, to->mac, 6);
	memcpy(sent + 6, from->mac, 6);
	l4[0] = (uint8_t)((PORT + flow) >> 8);
	l4[1] = (uint8_t)(PORT + flow);
	memcpy(sent + netframe_hdr_len(&f), &n, sizeof(n));
	ret = usernet_send(from->queue[q], &pkt);
	usernet_push(from->queue[q]);
	return ret > 0;
}

/* The next frame of a queue: true, its flow and its number. */
static bool receive(struct lan_guest *g, unsigned int q, uint16_t *flow,
		    uint32_t *n)
{
	const uint8_t *l4 = got.data + netframe_l4_at(&shape);
	int ret = usernet_receive(g->queue[q], &got);

	ck_assert_int_ge(ret, 0);
	if (!ret)
		return false;
	ck_assert_uint_eq(got.errors, 0);
	*flow = (uint16_t)((l4[0] << 8 | l4[1]) - PORT);
	memcpy(n, got.data + netframe_hdr_len(&shape), sizeof(*n));
	ck_assert_uint_lt(*flow, FLOWS);
	/* Every byte is that of what was sent. */
	memcpy(sent, got.data, got.len);
	{
		struct netframe f = shape;
		static uint8_t want[LAN_FRAME];
		uint32_t at = netframe_hdr_len(&f) + sizeof(*n);

		f.payload = got.len - netframe_hdr_len(&f);
		ck_assert_uint_eq(netframe_build(want, &f, *n), got.len);
		ck_assert_mem_eq(want + at, got.data + at, got.len - at);
	}
	return true;
}

static void post(struct lan_guest *g, unsigned int q, unsigned int n)
{
	usernet_post(g->queue[q], n);
	usernet_push(g->queue[q]);
}

static unsigned int reap(struct lan_guest *g, unsigned int q)
{
	struct xpv_netif_tx_response rsp[USERNET_SLOTS];
	int n = usernet_reap(g->queue[q], rsp, USERNET_SLOTS);

	ck_assert_int_ge(n, 0);
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(rsp[i].status, XPV_NETIF_OKAY);
	return (unsigned int)n;
}

static void turn(struct lan_guest *g)
{
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(loop_turn(g->worker.loop, false), 0);
}

/* A flow from @from to @to for each of @to's queues. */
static void find_flows(struct lan_guest *from, struct lan_guest *to,
		       uint16_t flow[LAN_QUEUES])
{
	unsigned int found = 0, n = to->features.nr_queues;

	for (uint16_t i = 0; found != (1u << n) - 1; i++) {
		uint16_t which;
		uint32_t number;

		ck_assert_uint_lt(i, FLOWS);
		ck_assert(transmit(from, 0, to, i, 0, 100));
		lan_turns(&lan, 3);
		for (unsigned int q = 0; q < n; q++) {
			if (!receive(to, q, &which, &number))
				continue;
			ck_assert_uint_eq(which, i);
			flow[q] = i;
			found |= 1u << q;
			post(to, q, USERNET_SLOTS);
		}
		reap(from, 0);
	}
}

/* ---- order ---- */

/* Packets that were late for somebody, on a host that is short of processors. */
static uint64_t lost(void)
{
	return vif_counter(b->vif, VIF_RX_DRAINED) +
	       lan_count(a, SWITCH_TX_REVOKED) +
	       lan_count(c, SWITCH_TX_REVOKED) +
	       lan_count(a, SWITCH_TX_DROP_STALLED) +
	       lan_count(c, SWITCH_TX_DROP_STALLED);
}

static const unsigned int queue_numbers[] = {2, 3, 4, LAN_QUEUES};
#define NR_QUEUE_NUMBERS (sizeof(queue_numbers) / sizeof(queue_numbers[0]))

/*
 * So many queues each, flows bound to queues of their sender, slots now and then
 * too few: every packet arrives but those that are counted, in the order of
 * its flow, by one queue, and what is behind its header never enters our
 * memory.
 */
START_TEST(flows_keep_their_order)
{
	static uint32_t next[2][FLOWS], last[2][FLOWS];
	static unsigned int queue[2][FLOWS];
	unsigned int used = 0, n = queue_numbers[_i];
	uint32_t out = 0, in = 0, gaps = 0, total = 6000;

	memset(queue, 0xff, sizeof(queue));
	memset(next, 0, sizeof(next));
	memset(last, 0, sizeof(last));
	three(n);
	srandom(11);
	while (in + lost() < total) {
		for (long burst = random() % 16; burst && out < total;
		     burst--) {
			unsigned int from = (unsigned int)random() % 2;
			uint16_t flow = (uint16_t)(random() % FLOWS);
			uint32_t len = 4 + (uint32_t)random() % 9000;

			if (!transmit(from ? c : a, flow % n, b, flow,
				      next[from][flow] + 1, len))
				continue;
			next[from][flow]++;
			out++;
		}
		lan_turns(&lan, 1);
		for (unsigned int q = 0; q < n; q++) {
			uint16_t flow;
			uint32_t number;

			reap(a, q);
			reap(c, q);
			while (receive(b, q, &flow, &number)) {
				unsigned int from = got.data[11] == c->mac[5];

				ck_assert_uint_gt(number, last[from][flow]);
				gaps += number - last[from][flow] - 1;
				last[from][flow] = number;
				if (queue[from][flow] > n)
					queue[from][flow] = q;
				ck_assert_uint_eq(queue[from][flow], q);
				used |= 1u << q;
				in++;
			}
			post(b, q, (unsigned int)random() % 30);
		}
	}
	ck_assert_uint_eq(in + lost(), out);
	ck_assert_uint_le(gaps, lost());
	ck_assert_uint_eq(used, (1u << n) - 1);
	ck_assert_uint_le(lan.copies.largest_other, MAIL_HEADER);
}
END_TEST

static unsigned int copying;

/* a's worker looks for answers: there must be none yet. */
static void look_for_answers(void)
{
	copying++;
	ck_assert_int_eq(loop_turn(a->worker.loop, false), 0);
	for (unsigned int q = 0; q < 4; q++)
		ck_assert_uint_eq(reap(a, q), 0);
}

/* A page is the sender's again when all queues have copied, not before. */
START_TEST(answered_behind_the_copies)
{
	uint16_t flow[LAN_QUEUES], which;
	uint32_t n;

	three(4);
	find_flows(a, b, flow);
	for (unsigned int q = 0; q < 4; q++)
		ck_assert(transmit(a, q, b, flow[q], q, 4000));
	turn(a);
	copying = 0;
	lan.before_copy = look_for_answers;
	turn(b);
	lan.before_copy = NULL;
	ck_assert_uint_eq(copying, 4);
	turn(a);
	for (unsigned int q = 0; q < 4; q++) {
		ck_assert_uint_eq(reap(a, q), 1);
		ck_assert(receive(b, q, &which, &n));
		ck_assert_uint_eq(n, q);
	}
}
END_TEST

/* ---- the guest's own hash ---- */

static void ask(struct lan_guest *g, uint16_t type, uint32_t x, uint32_t y,
		uint32_t z)
{
	struct xpv_netif_ctrl_request req = {.type = type, .data = {x, y, z}};
	struct xpv_netif_ctrl_response answer;

	usernet_ctrl(g->u, &req);
	turn(g);
	ck_assert_int_eq(usernet_ctrl_reap(g->u, &answer), 1);
	ck_assert_uint_eq(answer.status, XPV_CTRL_SUCCESS);
}

/* Entry i of @n leads to queue[i]. */
static void map_queues(struct lan_guest *g, const uint32_t *queue, uint32_t n)
{
	ask(g, XPV_CTRL_SET_HASH_ALGORITHM, XPV_HASH_ALGORITHM_TOEPLITZ, 0, 0);
	memset(g->u->ctrl_page, 0x5a, HASH_MAX_KEY);
	ask(g, XPV_CTRL_SET_HASH_KEY, g->u->ctrl_page_gref, HASH_MAX_KEY, 0);
	ask(g, XPV_CTRL_SET_HASH_MAPPING_SIZE, n, 0, 0);
	memcpy(g->u->ctrl_page, queue, n * sizeof(*queue));
	ask(g, XPV_CTRL_SET_HASH_MAPPING, g->u->ctrl_page_gref, n, 0);
	ask(g, XPV_CTRL_SET_HASH_FLAGS, XPV_HASH_ALL_FLAGS, 0, 0);
}

START_TEST(mapping_of_the_guest)
{
	static const uint32_t all_to_3[] = {3}, some[] = {1, 2, 1, 2, 1};
	uint16_t flow;
	uint32_t n;

	three(4);
	map_queues(b, all_to_3, 1);
	for (uint16_t i = 0; i < FEW_FLOWS; i++) {
		ck_assert(transmit(a, i % 4, b, i, i, 3000));
		lan_turns(&lan, 3);
		ck_assert(receive(b, 3, &flow, &n));
		ck_assert_uint_eq(flow, i);
		ck_assert(got.has_hash);
		ck_assert_uint_eq(got.hash_type, XPV_HASH_IPV4_TCP);
		post(b, 3, USERNET_SLOTS);
	}
	map_queues(b, some, 5);
	for (uint16_t i = 0; i < FEW_FLOWS; i++) {
		ck_assert(transmit(a, i % 4, b, i, i, 3000));
		lan_turns(&lan, 3);
		n = receive(b, 1, &flow, &n) ? 1 : 2;
		ck_assert(n == 1 || receive(b, 2, &flow, &n));
		ck_assert_uint_eq(some[got.hash % 5], got.hash % 5 & 1 ? 2 : 1);
		ck_assert_uint_eq(flow, i);
	}
	/* What has no hash is for the first. */
	lan_frame(sent, a, b, 500, 1);
	ck_assert(lan_send(a,
			   &(struct usernet_packet){.data = sent, .len = 500}));
	lan_turns(&lan, 3);
	/* The mapping's first entry: queue 1. */
	ck_assert_int_eq(usernet_receive(b->queue[1], &got), 1);
	ck_assert(!got.has_hash);
	/* c has no say in it: its own is as it was. */
	ck_assert(transmit(a, 0, c, 0, 0, 100));
	lan_turns(&lan, 3);
	for (unsigned int q = 0; q < 4; q++)
		if (receive(c, q, &flow, &n))
			ck_assert(!got.has_hash);
}
END_TEST

/* ---- neglect ---- */

/* Take all of a queue's slots. */
static void use_up(struct lan_guest *from, struct lan_guest *to, uint16_t flow,
		   unsigned int q)
{
	uint16_t which;
	uint32_t n;

	for (unsigned int i = 0; i < USERNET_SLOTS; i++) {
		ck_assert(transmit(from, 0, to, flow, i, 100));
		lan_turns(&lan, 2);
		reap(from, 0);
		ck_assert(receive(to, q, &which, &n));
	}
}

/* b posts no slots for one of its queues: the others wait for it once. */
START_TEST(neglected_queue)
{
	uint16_t flow[LAN_QUEUES], which;
	uint32_t n, drained;
	uint64_t began;
	bool early;

	three(3);
	find_flows(a, b, flow);
	use_up(a, b, flow[1], 1);
	began = loop_now();
	ck_assert(transmit(a, 0, b, flow[1], 1, 4000));
	ck_assert(transmit(a, 0, b, flow[2], 2, 4000));
	lan_turns(&lan, 3);
	early = receive(b, 2, &which, &n);
	if (LATE(began, LAN_WAIT_MS))
		return;
	ck_assert(!early);
	/* from others they come meanwhile */
	ck_assert(transmit(c, 0, b, flow[2], 3, 4000));
	lan_turns(&lan, 3);
	if (LATE(began, LAN_WAIT_MS))
		return;
	ck_assert(receive(b, 2, &which, &n));
	ck_assert_uint_eq(n, 3);
	usleep(KEEPS_MS * 1000);
	turn(b);
	ck_assert(receive(b, 2, &which, &n));
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_eq(vif_counter(b->vif, VIF_RX_DRAINED), 1);
	/* no second wait, and nothing that the senders take back */
	for (unsigned int i = 0; i < 3 * MAIL_SLOTS; i++) {
		ck_assert(transmit(a, i % 3, b, flow[i & 1], i, 4000));
		lan_turns(&lan, 3);
		for (unsigned int q = 0; q < 3; q++)
			reap(a, q);
		if (i & 1)
			continue;
		ck_assert(receive(b, 0, &which, &n));
		ck_assert_uint_eq(n, i);
		post(b, 0, USERNET_SLOTS);
	}
	drained = (uint32_t)vif_counter(b->vif, VIF_RX_DRAINED);
	ck_assert_uint_eq(drained, 1 + 3 * MAIL_SLOTS / 2);
	ck_assert_uint_eq(lan_count(a, SWITCH_TX_REVOKED), 0);
	ck_assert_uint_eq(lan_count(a, SWITCH_TX_DROP_STALLED), 0);
	/* it is as good as new when it has slots */
	post(b, 1, USERNET_SLOTS);
	lan_turns(&lan, 3);
	ck_assert(transmit(a, 0, b, flow[1], 77, 20000));
	lan_turns(&lan, 3);
	ck_assert(receive(b, 1, &which, &n));
	ck_assert_uint_eq(n, 77);
	ck_assert_uint_eq(vif_counter(b->vif, VIF_RX_DRAINED), drained);
}
END_TEST

/* What needs many slots gets them, though others would do with fewer. */
START_TEST(large_is_not_overtaken)
{
	uint16_t flow[LAN_QUEUES], which;
	uint64_t began;
	uint32_t n;
	bool early;

	three(2);
	find_flows(a, b, flow);
	use_up(a, b, flow[1], 1);
	post(b, 1, 4);
	began = loop_now();
	ck_assert(transmit(a, 0, b, flow[1], 1, 20000));
	turn(a);
	turn(b);
	for (uint32_t i = 0; i < 4; i++) {
		ck_assert(transmit(c, 0, b, flow[1], 2 + i, 100));
		turn(c);
		turn(b);
		early = receive(b, 1, &which, &n);
		if (LATE(began, LAN_WAIT_MS))
			return;
		ck_assert(!early);
	}
	post(b, 1, USERNET_SLOTS);
	turn(b);
	if (LATE(began, LAN_WAIT_MS))
		return;
	for (uint32_t i = 0; i < 5; i++) {
		ck_assert(receive(b, 1, &which, &n));
		ck_assert_uint_eq(n, 1 + i);
	}
}
END_TEST

/* A guest that has stopped: its queues are not waited for one by one. */
START_TEST(guest_that_has_stopped)
{
	uint16_t flow[LAN_QUEUES];
	unsigned int answers;
	uint64_t began;

	lan.features.nr_queues = 4;
	a = lan_add(&lan, "lan", NULL);
	b = lan_add(&lan, "lan", NULL);
	find_flows(a, b, flow);
	for (unsigned int q = 0; q < 4; q++)
		use_up(a, b, flow[q], q);
	began = loop_now();
	for (unsigned int i = 0; i < 8; i++)
		ck_assert(transmit(a, 0, b, flow[i % 4], i, 4000));
	lan_turns(&lan, 3);
	answers = reap(a, 0);
	if (LATE(began, LAN_WAIT_MS))
		return;
	ck_assert_uint_eq(answers, 0);
	usleep(KEEPS_MS * 1000);
	turn(b);
	turn(a);
	ck_assert_uint_eq(reap(a, 0), 8);
	ck_assert_uint_eq(vif_counter(b->vif, VIF_RX_DRAINED), 8);
	ck_assert_uint_eq(lan_count(a, SWITCH_TX_REVOKED), 0);
}
END_TEST

/* c's worker is stopped: queue 1 waits for it, the others do not. */
START_TEST(queue_that_waits_for_a_receiver)
{
	uint64_t began = loop_now();
	uint16_t flow;
	uint32_t n;

	three(2);
	while (transmit(a, 1, c, 0, 0, 100))
		;
	for (uint32_t i = 0; i < 10; i++) {
		ck_assert(transmit(a, 0, b, 1, i, 4000));
		turn(a);
		turn(b);
		turn(a);
		ck_assert(receive(b, 0, &flow, &n) || receive(b, 1, &flow, &n));
		ck_assert_uint_eq(n, i);
		ck_assert_uint_eq(reap(a, 0), 1);
	}
	if (LATE(began, SWITCH_HOLD_MS))
		return;
	ck_assert(a->vif->queue[1].lan->blocked);
	ck_assert(!a->vif->queue[0].lan->blocked);
}
END_TEST

/* Queues share the room to one receiver; whoever comes first does not get all. */
START_TEST(queues_take_turns)
{
	unsigned int in[2] = {0};
	uint16_t flow;
	uint32_t n;

	three(2);
	for (unsigned int round = 0; round < 40; round++) {
		for (unsigned int q = 0; q < 2; q++) {
			reap(a, q);
			while (transmit(a, q, b, (uint16_t)q, round, 100))
				;
		}
		ck_assert_int_eq(loop_turn(a->worker.loop, false), 0);
		ck_assert_int_eq(loop_turn(b->worker.loop, false), 0);
		for (unsigned int q = 0; q < 2; q++) {
			while (receive(b, q, &flow, &n))
				in[flow]++;
			post(b, q, USERNET_SLOTS);
		}
	}
	ck_assert_uint_gt(in[0] + in[1], 20 * MAIL_SLOTS);
	ck_assert_uint_gt(in[0], (in[0] + in[1]) / 3);
	ck_assert_uint_gt(in[1], (in[0] + in[1]) / 3);
}
END_TEST

/*
 * The most queues at both ends, each of them full: any may send to any, what
 * every packet holds arrives, and all are answered with nothing held.
 */
START_TEST(all_queues_answered)
{
	static uint16_t flow[LAN_QUEUES];
	unsigned int out = 0, in = 0, answered = 0;
	uint16_t which;
	uint32_t n;

	three(LAN_QUEUES);
	find_flows(a, b, flow);
	for (unsigned int from = 0; from < LAN_QUEUES; from++)
		for (unsigned int to = 0; to < LAN_QUEUES; to++, out++)
			ck_assert(transmit(a, from, b, flow[to], from, 9000));
	for (int turns = 0; in + lost() < out && turns < 1000; turns++) {
		lan_turns(&lan, 1);
		for (unsigned int q = 0; q < LAN_QUEUES; q++) {
			answered += reap(a, q);
			for (; receive(b, q, &which, &n); in++)
				ck_assert_uint_eq(which, flow[q]);
			post(b, q, USERNET_SLOTS);
		}
	}
	/* what a machine that stood still has made late counts as lost */
	ck_assert_uint_eq(in + lost(), out);
	lan_turns(&lan, 3);
	for (unsigned int q = 0; q < LAN_QUEUES; q++)
		answered += reap(a, q);
	/* three slots a packet */
	ck_assert_uint_eq(answered, 3 * out);
	ck_assert_uint_le(lan.copies.largest_other, MAIL_HEADER);
}
END_TEST

/* ---- life ---- */

/* All queues have packets under way when a end goes: nothing of them is held. */
START_TEST(goes_under_way)
{
	struct lan_guest *goes = _i & 1 ? a : b;
	uint32_t expected = 0;

	three(4);
	goes = _i & 1 ? a : b;
	for (unsigned int i = 0; i < 40; i++)
		ck_assert(
			transmit(a, i % 4, b, (uint16_t)(i % FLOWS), i, 4000));
	turn(a);
	if (_i & 2) {
		ck_assert_int_eq(loop_turn(b->worker.loop, false), 0);
		expected = (uint32_t)lan_count(b, SWITCH_RX_DIRECT);
		ck_assert_uint_gt(expected, 0);
	}
	/* which claims that no page is mapped any more */
	lan_remove(&lan, goes);
	lan_unlink(goes == a ? b : a, goes);
	lan_unlink(c, goes);
	if (goes == b) {
		turn(a);
		for (unsigned int q = 0; q < 4; q++)
			ck_assert_uint_eq(reap(a, q), 10);
	}
	/* and the others go on */
	goes = goes == a ? b : a;
	for (unsigned int q = 0; q < 4; q++) {
		ck_assert(transmit(goes, q, c, 0, q, 4000));
		lan_turns(&lan, 3);
		ck_assert_uint_eq(reap(goes, q), 1);
	}
	ck_assert_uint_eq(vif_counter(c->vif, VIF_RX_PACKETS), 4);
}
END_TEST

/* Counters of the port are not those of each queue. */
START_TEST(counted_once)
{
	uint64_t unicast = 0, packets = 0;

	three(4);
	for (unsigned int i = 0; i < 40; i++)
		ck_assert(transmit(a, i % 4, b, (uint16_t)(i % FLOWS), i, 100));
	lan_turns(&lan, 5);
	/* with nothing to do, and about to sleep */
	a->vif->lan->work.arm(&a->vif->lan->work);
	for (unsigned int q = 0; q < 4; q++) {
		const struct vif_queue_stats *s = &a->vif->stats->queue[q];

		unicast += s->lan[SWITCH_TX_UNICAST];
		packets += s->counter[VIF_TX_PACKETS];
		ck_assert_uint_eq(s->counter[VIF_TX_PACKETS], 10);
	}
	ck_assert_uint_eq(unicast, 40);
	ck_assert_uint_eq(packets, 40);
}
END_TEST

Suite *switch_queues_suite(void)
{
	Suite *s = suite_create("switch_queues");
	TCase *tc = tcase_create("switch_queues");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, flows_keep_their_order, 0, NR_QUEUE_NUMBERS);
	tcase_add_test(tc, answered_behind_the_copies);
	tcase_add_test(tc, mapping_of_the_guest);
	tcase_add_test(tc, neglected_queue);
	tcase_add_test(tc, large_is_not_overtaken);
	tcase_add_test(tc, guest_that_has_stopped);
	tcase_add_test(tc, queue_that_waits_for_a_receiver);
	tcase_add_test(tc, queues_take_turns);
	tcase_add_test(tc, all_queues_answered);
	tcase_add_loop_test(tc, goes_under_way, 0, 4);
	tcase_add_test(tc, counted_once);
	suite_add_tcase(s, tc);
	return s;
}
