// SPDX-License-Identifier: MIT
/*
 * A NIC's worker is killed in the midst of everything, again and again, and
 * another one goes on with the rings: the guest has each packet answered once
 * and without an error, each that was answered has left, none leaves that is
 * not the guest's packet as it was, and none does twice that was not under way
 * when a worker died. What comes to the guest is whole and in order; the few
 * that a worker had read and not yet handed over are lost.
 *
 * XPV_SOAK=N: N times as many kills; XPV_SEED=N: at other moments.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "soak.h"
#include "stepper.h"
#include "suites.h"
#include "vifcase.h"

#define KILLS	  60u
#define LIFE_USEC 4000u /* at most */
#define FLIGHT	  64u /* packets under way */
#define POSTED	  128u
#define PATIENCE  10000 /* ms that nothing takes */
#define HEADER	  14u
#define MIN_LEN	  60u
#define SEEN	  (1u << 20) /* packets of all the test */
#define LENGTHS	  1400u /* no two packets under way have the same */

static struct {
	unsigned int seed;
	uint32_t next; /* packet to leave */
	uint32_t of_id[USERNET_SLOTS];
	uint8_t *left; /* [SEEN]: times that it left */
	uint8_t *may_repeat; /* [SEEN]: a worker died under it */
	bool busy[USERNET_SLOTS];
	unsigned int nr_busy;
	unsigned long answers, at_kill;
	uint32_t to_guest; /* next frame to come */
	uint32_t came; /* the last that came */
	unsigned long nr_came;
} load;

static unsigned int chance(unsigned int n)
{
	return (unsigned int)rand_r(&load.seed) % n;
}

/* ---- frames that tell their number ---- */

static uint32_t make_frame(uint8_t *to, uint32_t number)
{
	uint32_t len = MIN_LEN + number % LENGTHS;

	netframe_plain(to, len, number);
	memcpy(to + HEADER, &number, sizeof(number));
	return len;
}

static uint32_t frame_number(const uint8_t *data, uint32_t len)
{
	static uint8_t expected[RIG_FRAME];
	uint32_t number;

	ck_assert_uint_ge(len, MIN_LEN);
	memcpy(&number, data + HEADER, sizeof(number));
	ck_assert_msg(len == make_frame(expected, number),
		      "frame %u has %u bytes", number, len);
	ck_assert_mem_eq(data, expected, len);
	return number;
}

/* ---- from the guest ---- */

static bool send_one(void)
{
	struct usernet_packet pkt = {.data = sent};
	uint16_t id;

	if (load.nr_busy == FLIGHT || !rig.u->nr_tx_free ||
	    load.next == SEEN - 1)
		return false;
	id = rig.u->tx_free[rig.u->nr_tx_free - 1];
	pkt.len = make_frame(sent, load.next);
	if (usernet_send(rig.u, &pkt) < 0)
		return false;
	ck_assert(!load.busy[id]);
	load.busy[id] = true;
	load.nr_busy++;
	load.of_id[id] = load.next++;
	return true;
}

/*
 * A page that is not under way holds what looks like a frame and is none: it
 * must not be what leaves when a slot is not what it was.
 */
static void spoil(uint16_t id)
{
	uint8_t *page = usernet_tx_page(rig.u, id);

	memset(page, 0xee, XPV_PAGE_SIZE);
	page[0] = 2;
}

static void reap(void)
{
	int n = usernet_reap(rig.u, rsp, USERNET_SLOTS);

	ck_assert_int_ge(n, 0);
	for (int i = 0; i < n; i++) {
		uint16_t id = rsp[i].id;

		ck_assert_uint_lt(id, USERNET_SLOTS);
		ck_assert_msg(load.busy[id], "id %u is answered twice", id);
		ck_assert_int_eq(rsp[i].status, XPV_NETIF_OKAY);
		load.busy[id] = false;
		load.nr_busy--;
		load.answers++;
		spoil(id);
	}
}

static void look_outside(void)
{
	uint32_t len, number;

	while ((len = rig_read(&rig, NULL, got))) {
		/* Our own, on their way to the guest. */
		if (got[1] == 1)
			continue;
		number = frame_number(got, len);
		ck_assert_uint_lt(number, load.next);
		ck_assert_msg(!load.left[number] || load.may_repeat[number],
			      "packet %u has left twice", number);
		load.left[number] = 1;
	}
}

/* ---- to the guest ---- */

static void send_to_guest(void)
{
	uint32_t len = make_frame(sent, load.to_guest);

	sent[1] = 1;
	if (rig_write(&rig, NULL, sent, len))
		load.to_guest++;
}

static void receive(void)
{
	uint32_t number;
	int ret;

	while ((ret = usernet_receive(rig.u, &frame)) == 1) {
		ck_assert_uint_eq(frame.errors, 0);
		if (frame.data[0] != 2)
			continue; /* the probe of the link */
		ck_assert_uint_eq(frame.data[1], 1);
		frame.data[1] = 0;
		number = frame_number(frame.data, frame.len);
		ck_assert_uint_lt(number, load.to_guest);
		ck_assert_msg(!load.nr_came || number > load.came,
			      "frame %u came after %u", number, load.came);
		load.came = number;
		load.nr_came++;
	}
	ck_assert_int_eq(ret, 0);
	usernet_post(rig.u, POSTED - (rig.u->rx.req_prod - rig.u->rx.rsp_cons));
}

/* ---- the load ---- */

static void turn(void)
{
	while (send_one())
		;
	send_to_guest();
	receive();
	usernet_push(rig.u);
	reap();
	look_outside();
}

/* Until all is answered that was asked for, and a frame gets in. */
static void drain(void)
{
	unsigned long before = load.nr_came;
	int ms;

	for (ms = 0; ms < PATIENCE; ms++) {
		if (!load.nr_busy && load.nr_came > before)
			return;
		if (load.nr_came == before)
			send_to_guest();
		receive();
		usernet_push(rig.u);
		reap();
		look_outside();
		usleep(1000);
	}
	ck_abort_msg("%u packets are never answered, %lu frames came",
		     load.nr_busy, load.nr_came - before);
}

static void kill_worker(void)
{
	load.at_kill += load.nr_busy;
	for (unsigned int id = 0; id < USERNET_SLOTS; id++)
		if (load.busy[id])
			load.may_repeat[load.of_id[id]] = 1;
	rig_replace_worker(&rig);
}

static void begin(unsigned int seed)
{
	load.seed = seed;
	load.left = calloc(SEEN, 1);
	load.may_repeat = calloc(SEEN, 1);
	for (unsigned int id = 0; id < USERNET_SLOTS; id++)
		spoil((uint16_t)id);
	receive();
	usernet_push(rig.u);
}

static void finish(void)
{
	drain();
	for (uint32_t number = 0; number < load.next; number++)
		ck_assert_msg(load.left[number],
			      "packet %u was answered and has not left",
			      number);
	free(load.left);
	free(load.may_repeat);
}

START_TEST(at_random_moments)
{
	unsigned int kills = KILLS * soak();
	uint64_t end;

	begin(soak_seed());
	while (kills--) {
		end = soak_usec() + chance(LIFE_USEC);
		do
			turn();
		while (soak_usec() < end);
		kill_worker();
	}
	finish();
	ck_assert_uint_gt(load.answers, KILLS * soak());
	ck_assert_uint_gt(load.at_kill, KILLS * soak());
	ck_assert_uint_gt(load.nr_came, KILLS * soak());
	soak_count(KILLS * soak(), "kills at random moments");
	soak_count(load.answers + load.nr_came, "packets");
}
END_TEST

/* ---- at an instruction ---- */

#define BATCH	  4u
#define POINTS	  60u /* of the instructions of a batch */
#define MAX_STEPS 1000000u

static uint8_t *tx_slot(unsigned int i)
{
	return xpv_ring_slot(&rig.u->tx.ring, rig.u->tx.rsp_cons + i);
}

static uint8_t *rx_slot(void)
{
	return xpv_ring_slot(&rig.u->rx.ring, rig.u->rx.rsp_cons);
}

/* A request is overwritten by its answer, which does not count yet. */
static bool torn(uint8_t (*asked)[XPV_NETIF_TX_SLOT], const uint8_t *posted)
{
	unsigned int n = (unsigned int)xpv_front_pending(&rig.u->tx);

	for (unsigned int i = n; i < BATCH; i++)
		if (memcmp(tx_slot(i), asked[i], XPV_NETIF_TX_SLOT))
			return true;
	return !xpv_front_pending(&rig.u->rx) &&
	       memcmp(rx_slot(), posted, XPV_NETIF_RX_SLOT);
}

static bool answered(void)
{
	return xpv_front_pending(&rig.u->tx) == BATCH &&
	       xpv_front_pending(&rig.u->rx) > 0;
}

/*
 * Packets both ways, and the worker stopped after @steps of its instructions,
 * or a bit after the last answer; with @when_torn they count from when a
 * request is overwritten. Returns the steps made.
 */
static unsigned int play(unsigned int steps, bool when_torn)
{
	pid_t pid = rig.drive.pid;
	uint8_t asked[BATCH][XPV_NETIF_TX_SLOT], posted[XPV_NETIF_RX_SLOT];
	unsigned int i, n = 0, after = 0;

	stepper_stop(pid);
	for (i = 0; i < BATCH; i++)
		ck_assert(send_one());
	send_to_guest();
	for (i = 0; i < BATCH; i++)
		memcpy(asked[i], tx_slot(i), XPV_NETIF_TX_SLOT);
	memcpy(posted, rx_slot(), XPV_NETIF_RX_SLOT);
	usernet_push(rig.u);
	while (n < steps && after < 200 && stepper_step(pid)) {
		after += answered();
		when_torn = when_torn && !torn(asked, posted);
		n += !when_torn;
	}
	return n;
}

START_TEST(at_any_instruction)
{
	unsigned int all;

	stepper_stay_here();
	begin(soak_seed());
	drain();
	all = play(MAX_STEPS, false);
	ck_assert_uint_gt(all, 1000);
	ck_assert_uint_lt(all, MAX_STEPS);
	kill_worker();
	drain();
	for (unsigned int point = 0; point < POINTS * soak(); point++) {
		if (point % 2)
			play(point % 100, true);
		else
			play(chance(all), false);
		kill_worker();
		drain();
	}
	finish();
	soak_count(POINTS * soak(), "kills between instructions");
}
END_TEST

/* ---- what else is not lost ---- */

/* The dead one may have shown an answer and not told: on both channels. */
START_TEST(guest_is_woken)
{
	struct pollfd fd = {.fd = rig.front->ops->evtchn_fd(rig.front),
			    .events = POLLIN};

	begin(1);
	drain();
	usernet_events(rig.u);
	ck_assert_int_eq(poll(&fd, 1, 0), 0);
	rig_replace_worker(&rig);
	ck_assert_uint_eq(usernet_events(rig.u), 2);
	finish();
}
END_TEST

/* What waits for the guest in the tap meanwhile is the guest's. */
START_TEST(tap_is_not_drained)
{
	begin(1);
	drain();
	stepper_stop(rig.drive.pid);
	for (int i = 0; i < 20; i++)
		send_to_guest();
	load.nr_came = 0;
	rig_replace_worker(&rig);
	for (int ms = 0; ms < PATIENCE && load.nr_came < 20; ms++) {
		receive();
		usernet_push(rig.u);
		usleep(1000);
	}
	ck_assert_uint_ge(load.nr_came, 20);
	finish();
}
END_TEST

Suite *vif_kill_suite(void)
{
	Suite *s = suite_create("vif_kill");
	TCase *kill = rig_case(s, "kill", RIG_PROCESS);

	if (!kill)
		return s;
	tcase_set_timeout(kill, 120 * (double)soak());
	tcase_add_test(kill, at_random_moments);
	tcase_add_test(kill, at_any_instruction);
	tcase_add_test(kill, guest_is_woken);
	tcase_add_test(kill, tap_is_not_drained);
	return s;
}
