// SPDX-License-Identifier: MIT
/*
 * The life of a vif: connecting again and again, failing at each step, guests
 * that post no slots. What it holds stays bounded, and is given back.
 */
#include "netframe.h"
#include "vifcase.h"
#include "suites.h"

#include "backend/vif/queue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct vif_queue *first_queue(void)
{
	return &rig.vif->queue[0];
}

/* rig_disconnect() fails if one grant of the frontend is still mapped. */
START_TEST(reconnects_leak_nothing)
{
	unsigned int fds = rig_open_fds();

	for (int i = 0; i < 1000; i++) {
		struct usernet_packet pkt = {.data = sent, .len = 100};

		rig_disconnect(&rig);
		rig.split = i & 1;
		rig_connect_only(&rig);
		usernet_post(rig.u, (unsigned int)i % 256);
		usernet_send(rig.u, &pkt);
		usernet_push(rig.u);
		rig_turns(&rig, 1);
	}
	rig_disconnect(&rig);
	rig_connect(&rig);
	ck_assert_uint_eq(rig_open_fds(), fds);
}
END_TEST

/* Each thing that connect needs, missing; then all there. */
START_TEST(failed_connects_leak_nothing)
{
	unsigned int fds;

	rig_disconnect(&rig);
	fds = rig_open_fds();
	for (int i = 0; i < 300; i++) {
		struct ipc_vif_connect good;
		struct ipc_vif_queue *q = &rig.guest.queue[0];

		rig.split = i & 1;
		rig_connect_only(&rig);
		vif_disconnect(rig.vif);
		good = rig.guest;
		switch (i % 6) {
		case 0:
			q->tx_gref = 0x7fffff00;
			break;
		case 1:
			q->rx_gref = 0x7fffff00;
			break;
		case 2:
			q->tx_port = 77777;
			break;
		case 3:
			q->rx_port = 77777;
			break;
		case 4:
			rig.guest.nr_queues = 0;
			break;
		case 5:
			rig.u->tx.ring.shared->req_prod = 300;
			break;
		}
		ck_assert_int_lt(rig_try_connect(&rig), 0);
		rig.guest = good;
		rig_disconnect(&rig);
	}
	ck_assert_uint_eq(rig_open_fds(), fds);
	rig_connect(&rig);
}
END_TEST

/*
 * The first slots of a packet, and later the others: meanwhile the worker
 * sleeps until there are more slots, not fewer, than it has seen.
 */
START_TEST(unfinished_packet_waits_asleep)
{
	struct loop_work *work = &rig.vif->queue[0].work;
	struct usernet_packet pkt = {.data = sent, .len = 3 * 4096};
	uint32_t end;

	for (int i = 0; i < 100; i++) {

		ck_assert_int_eq(usernet_send(rig.u, &pkt), 3);
		end = rig.u->tx.req_prod;
		for (uint32_t left = 2; left; left--) {
			rig.u->tx.req_prod = end - left;
			usernet_push(rig.u);
			rig_turns(&rig, 3);
			ck_assert(!work->run(work) && !work->arm(work));
			ck_assert_uint_eq(rig.u->tx.ring.shared->req_event,
					  end - left + 1);
		}
		rig.u->tx.req_prod = end;
		usernet_push(rig.u);
		ck_assert_uint_eq(rig_reap(&rig, rsp, 3), 3);
		ck_assert_int_eq(rsp[0].status, XPV_NETIF_OKAY);
	}
}
END_TEST

/* An unfinished packet of an earlier connection is forgotten. */
START_TEST(unfinished_packet_ends_with_its_connection)
{
	struct usernet_packet pkt = {.data = sent, .len = 3 * 4096};

	ck_assert_int_eq(usernet_send(rig.u, &pkt), 3);
	rig.u->tx.req_prod--;
	usernet_push(rig.u);
	rig_turns(&rig, 3);
	rig_disconnect(&rig);
	rig_connect(&rig);
	/* As many slots as were seen of the other. */
	pkt.len = 2 * 4096;
	ck_assert_int_eq(usernet_send(rig.u, &pkt), 2);
	usernet_push(rig.u);
	ck_assert_uint_eq(rig_reap(&rig, rsp, 2), 2);
}
END_TEST

/* The link is there while the guest is. */
START_TEST(carrier_follows_the_guest)
{
	for (int i = 0; i < 3; i++) {
		ck_assert(rig_has_carrier(RIG_NAME));
		rig_disconnect(&rig);
		ck_assert(!rig_has_carrier(RIG_NAME));
		rig_connect_only(&rig);
	}
}
END_TEST

START_TEST(counters_count)
{
	struct usernet_packet pkt = {.data = sent, .len = 100};

	netframe_plain(sent, 100, 1);
	usernet_send(rig.u, &pkt);
	usernet_post(rig.u, 10);
	usernet_push(rig.u);
	ck_assert(rig_write(&rig, NULL, sent, 100));
	ck_assert_uint_eq(rig_reap(&rig, rsp, 1), 1);
	ck_assert(rig_receive(&rig, &frame));
	ck_assert_uint_eq(rig_count(&rig, VIF_TX_PACKETS), 1);
	ck_assert_uint_eq(rig_count(&rig, VIF_TX_BYTES), 100);
	/* And the probe of 60 bytes that came first. */
	ck_assert_uint_eq(rig_count(&rig, VIF_RX_PACKETS), 2);
	ck_assert_uint_eq(rig_count(&rig, VIF_RX_BYTES), 160);
	ck_assert_str_eq(vif_counter_name(VIF_RX_DRAINED), "rx_drained");
}
END_TEST

/* What others read of the file is what the vif has counted, by name. */
START_TEST(counters_are_read_from_outside)
{
	struct usernet_packet pkt = {.data = sent, .len = 100};
	struct vif_stats *s = malloc(sizeof(*s));
	unsigned int found = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", rig.stats);
	netframe_plain(sent, 100, 1);
	usernet_send(rig.u, &pkt);
	usernet_push(rig.u);
	ck_assert_uint_eq(rig_reap(&rig, rsp, 1), 1);
	first_queue()->work.arm(&first_queue()->work);
	ck_assert_int_eq(vif_stats_read(path, s), 0);
	ck_assert_uint_eq(s->nr_queues, 1);
	for (unsigned int i = 0; vif_stats_name(i); i++) {
		uint64_t value = vif_stats_value(&s->queue[0], i);

		if (!strcmp(vif_stats_name(i), "tx_bytes"))
			found += value == 100;
		if (!strcmp(vif_stats_name(i), "port_sent"))
			found += value == 1;
	}
	ck_assert_uint_eq(found, 2);
	/* Not a file of ours, or of another version. */
	ck_assert_int_eq(vif_stats_read("/proc/self/exe", s), -EPROTO);
	ck_assert_int_eq(vif_stats_read("/dev/null", s), -EPROTO);
	ck_assert_int_eq(vif_stats_read("/nowhere", s), -ENOENT);
	free(s);
}
END_TEST

static unsigned int flood(unsigned int n, uint32_t len)
{
	unsigned int accepted = 0;

	for (unsigned int i = 0; i < n; i++) {
		netframe_plain(sent, len, i);
		accepted += rig_write(&rig, NULL, sent, len);
		if (i % 64 == 0)
			rig_turns(&rig, 1);
	}
	return accepted;
}

/* The guest posts nothing and is flooded: the rest is dropped outside. */
START_TEST(stalled_guest_hoards_nothing)
{
	unsigned int received = 0;

	flood(5000, 1000);
	rig_turns(&rig, 10);
	/* Not even one was read: there is nowhere to put it. */
	ck_assert_uint_eq(rig.vif->queue[0].rx_batch.nr, 0);
	usernet_post(rig.u, USERNET_SLOTS);
	usernet_push(rig.u);
	while (rig_receive(&rig, &frame)) {
		ck_assert_uint_eq(frame.len, 1000);
		received++;
		usernet_post(rig.u, USERNET_SLOTS);
		usernet_push(rig.u);
	}
	/* The tap's queue, and the queueing discipline's before it. */
	ck_assert_uint_ge(received, 200);
	ck_assert_uint_le(received, 2 * 256 + 1);
}
END_TEST

/* One slot, and a frame of many: one frame waits here and no second one. */
START_TEST(one_slot_holds_one_frame)
{
	struct netframe f = {.blank = true, .payload = 60000};
	struct virtio_net_hdr hdr = rig_header(&f, 1448);
	uint32_t len = netframe_build(sent, &f, 1);

	usernet_post(rig.u, 1);
	usernet_push(rig.u);
	for (int i = 0; i < 100; i++)
		ck_assert(rig_write(&rig, &hdr, sent, len));
	rig_turns(&rig, 100);
	ck_assert_uint_eq(rig.vif->queue[0].rx_batch.nr, 1);
	ck_assert_int_eq(usernet_receive(rig.u, &frame), 0);
	/* It sleeps until there are as many slots as the frame takes. */
	ck_assert(!rig.vif->queue[0].work.arm(&rig.vif->queue[0].work));
	ck_assert_uint_eq(rig.u->rx.ring.shared->req_event,
			  rig.vif->queue[0].rx.req_cons + 16);
}
END_TEST

/* Turns of a loop that may sleep, until a counter has moved. */
static void wait_for_counter(enum vif_counter counter)
{
	uint64_t before = rig_count(&rig, counter);

	for (int i = 0; i < 2000 && rig_count(&rig, counter) == before; i++) {
		rig.vif->queue[0].work.arm(&rig.vif->queue[0].work);
		rig_turns(&rig, 1);
		usleep(1000);
	}
	ck_assert_uint_gt(rig_count(&rig, counter), before);
}

START_TEST(frames_are_drained_after_a_while)
{
	rig.vif->drain_ms = 50;
	flood(100, 500);
	wait_for_counter(VIF_RX_STARVED);
	ck_assert_uint_eq(rig_count(&rig, VIF_RX_DRAINED), 0);
	wait_for_counter(VIF_RX_DRAINED);
	ck_assert_uint_eq(rig_count(&rig, VIF_RX_DRAINED), 100);
	/* And it goes on when the guest has slots again. */
	usernet_post(rig.u, 10);
	usernet_push(rig.u);
	netframe_plain(sent, 100, 1);
	ck_assert(rig_write(&rig, NULL, sent, 100));
	ck_assert(rig_receive(&rig, &frame));
	ck_assert_mem_eq(frame.data, sent, 100);
}
END_TEST

/* Frames meant for an earlier connection do not reach the next one. */
START_TEST(stale_frames_are_dropped)
{
	flood(50, 500);
	rig_disconnect(&rig);
	rig_connect(&rig);
	usernet_post(rig.u, USERNET_SLOTS);
	usernet_push(rig.u);
	netframe_plain(sent, 100, 1);
	ck_assert(rig_write(&rig, NULL, sent, 100));
	ck_assert(rig_receive(&rig, &frame));
	ck_assert_uint_eq(frame.len, 100);
}
END_TEST

/* Less than an Ethernet header, which no tap hands out: a socket in its place. */
START_TEST(short_frames_are_dropped)
{
	static const uint8_t hdr[sizeof(struct virtio_net_hdr)];
	static uint8_t raw[sizeof(hdr) + 60];
	int end[2];

	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, end), 0);
	ck_assert_int_ge(dup2(end[0], first_queue()->port->fd), 0);
	usernet_post(rig.u, USERNET_SLOTS);
	usernet_push(rig.u);
	netframe_plain(raw + sizeof(hdr), 60, 1);
	for (uint32_t len = 1; len <= 14; len++)
		ck_assert_int_gt(write(end[1], raw, sizeof(hdr) + len), 0);
	first_queue()->port_ready = true;
	first_queue()->work.run(&first_queue()->work);
	ck_assert(rig_receive(&rig, &frame));
	ck_assert_uint_eq(frame.len, 14);
	ck_assert_mem_eq(frame.data, raw + sizeof(hdr), 14);
	ck_assert_uint_eq(rig_count(&rig, VIF_RX_DROP_SHORT), 13);
	close(end[0]);
	close(end[1]);
}
END_TEST

/* Without sg a frame has one slot: longer ones are dropped and counted. */
START_TEST(no_sg_no_long_frames)
{
	rig_disconnect(&rig);
	rig.guest.sg = false;
	rig_connect(&rig);
	usernet_post(rig.u, USERNET_SLOTS);
	usernet_push(rig.u);
	rig_set_mtu(RIG_NAME, 9000);
	netframe_plain(sent, 8000, 1);
	ck_assert(rig_write(&rig, NULL, sent, 8000));
	netframe_plain(sent, 4096, 2);
	ck_assert(rig_write(&rig, NULL, sent, 4096));
	ck_assert(rig_receive(&rig, &frame));
	ck_assert_uint_eq(frame.len, 4096);
	ck_assert_uint_eq(rig_count(&rig, VIF_RX_DROP_LONG), 1);
}
END_TEST

/* Jumbo frames to a guest with sg. */
START_TEST(jumbo_frames)
{
	rig_set_mtu(RIG_NAME, 9000);
	for (uint32_t len = 1500; len <= 9014; len += 501) {
		usernet_post(rig.u, USERNET_SLOTS);
		usernet_push(rig.u);
		netframe_plain(sent, len, len);
		ck_assert(rig_write(&rig, NULL, sent, len));
		ck_assert(rig_receive(&rig, &frame));
		ck_assert_uint_eq(frame.len, len);
		ck_assert_mem_eq(frame.data, sent, len);
		ck_assert_uint_eq(frame.slots, (len + 4095) / 4096);
	}
}
END_TEST

/* ---- several queues ---- */

#define FLOWS 100

static void send_flows(void)
{
	struct netframe f = {.udp = true, .payload = 100};

	for (uint32_t i = 0; i < FLOWS; i++) {
		uint32_t len = netframe_build(sent, &f, i);

		sent[netframe_l4_at(&f)] = (uint8_t)i;
		ck_assert(rig_write(&rig, NULL, sent, len));
	}
}

static unsigned int count_received(struct usernet *u)
{
	unsigned int n = 0;

	for (int i = 0; i < 10; i++) {
		rig_turns(&rig, 1);
		while (usernet_receive(u, &frame) > 0)
			n += frame.data[0] == 2;
	}
	return n;
}

/* A guest with one queue on a tap of four gets every flow. */
START_TEST(one_queue_of_four)
{
	for (int i = 0; i < 3; i++) {
		rig_connect(&rig);
		usernet_post(rig.u, USERNET_SLOTS);
		usernet_push(rig.u);
		send_flows();
		ck_assert_uint_eq(count_received(rig.u), FLOWS);
		rig_disconnect(&rig);
	}
}
END_TEST

/*
 * With two, three and all, each gets its share, and each sends; the queues of
 * the tap that are not in use get nothing.
 */
START_TEST(some_queues_of_four)
{
	struct usernet_packet pkt = {.data = sent, .len = 60};
	unsigned int nr = (unsigned int)_i, all = 0;
	uint64_t before;

	rig.guest.nr_queues = (uint8_t)nr;
	rig_connect(&rig);
	for (unsigned int i = 0; i < nr; i++) {
		usernet_post(rig.queue[i], USERNET_SLOTS);
		usernet_push(rig.queue[i]);
	}
	send_flows();
	for (unsigned int i = 0; i < nr; i++) {
		unsigned int share = count_received(rig.queue[i]);

		ck_assert_uint_gt(share, 0);
		all += share;
	}
	ck_assert_uint_eq(all, FLOWS);
	before = rig_count(&rig, VIF_TX_PACKETS);
	netframe_plain(sent, 60, 1);
	for (unsigned int i = 0; i < nr; i++) {
		usernet_send(rig.queue[i], &pkt);
		usernet_push(rig.queue[i]);
	}
	rig_turns(&rig, 2);
	ck_assert_uint_eq(rig_count(&rig, VIF_TX_PACKETS) - before, nr);
	rig_disconnect(&rig);
	/* And back to one. */
	rig.guest.nr_queues = 1;
	rig_connect(&rig);
}
END_TEST

/* Queues that all have a full ring are served in turn, a batch each. */
START_TEST(queues_take_turns)
{
	struct usernet_packet pkt = {.data = sent, .len = 60};

	rig.guest.nr_queues = RIG_QUEUES;
	rig_connect_only(&rig);
	for (unsigned int i = 0; i < RIG_QUEUES; i++) {
		while (usernet_send(rig.queue[i], &pkt) > 0)
			;
		usernet_push(rig.queue[i]);
	}
	rig_turns(&rig, 1);
	for (unsigned int i = 0; i < RIG_QUEUES; i++)
		ck_assert_int_eq(usernet_reap(rig.queue[i], rsp, USERNET_SLOTS),
				 PORT_BATCH);
}
END_TEST

/* However fast its worker is told to let go: what broke is not looked at. */
START_TEST(broken_is_not_served)
{
	struct usernet_packet pkt = {.data = sent, .len = 100};

	netframe_plain(sent, 100, 1);
	rig.u->tx.ring.shared->req_prod += 300;
	rig_turns(&rig, 2);
	rig.u->tx.ring.shared->req_prod -= 300;
	usernet_post(rig.u, 8);
	usernet_send(rig.u, &pkt);
	usernet_push(rig.u);
	ck_assert(rig_write(&rig, NULL, sent, 100));
	rig_turns(&rig, 10);
	ck_assert_uint_eq(rig_read(&rig, NULL, got), 0);
	ck_assert_int_eq(usernet_reap(rig.u, rsp, 1), 0);
	ck_assert_int_eq(usernet_receive(rig.u, &frame), 0);
	rig_disconnect(&rig);
	rig_connect(&rig);
}
END_TEST

Suite *vif_life_suite(void)
{
	Suite *s = suite_create("vif_life");
	TCase *tc = rig_case(s, "life", RIG_INSIDE);
	TCase *queues = rig_case(s, "queues", RIG_QUEUED);

	if (!tc)
		return s;
	tcase_add_test(tc, reconnects_leak_nothing);
	tcase_add_test(tc, failed_connects_leak_nothing);
	tcase_add_test(tc, unfinished_packet_waits_asleep);
	tcase_add_test(tc, unfinished_packet_ends_with_its_connection);
	tcase_add_test(tc, carrier_follows_the_guest);
	tcase_add_test(tc, counters_count);
	tcase_add_test(tc, counters_are_read_from_outside);
	tcase_add_test(tc, stalled_guest_hoards_nothing);
	tcase_add_test(tc, one_slot_holds_one_frame);
	tcase_add_test(tc, frames_are_drained_after_a_while);
	tcase_add_test(tc, stale_frames_are_dropped);
	tcase_add_test(tc, short_frames_are_dropped);
	tcase_add_test(tc, no_sg_no_long_frames);
	tcase_add_test(tc, jumbo_frames);
	tcase_add_test(tc, broken_is_not_served);
	tcase_add_test(queues, one_queue_of_four);
	tcase_add_loop_test(queues, some_queues_of_four, 2, RIG_QUEUES + 1);
	tcase_add_test(queues, queues_take_turns);
	return s;
}
