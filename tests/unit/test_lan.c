// SPDX-License-Identifier: MIT
/*
 * Switches as a host has them: a real xpvd, a real worker for each guest, and
 * one for the uplink. What dies, and who notices.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "frontend/user/usernet.h"
#include "suites.h"
#include "toolstack.h"

#define FIRST	 7
#define QUEUES	 2u
#define ETH	 14u
#define PATIENCE 10000

struct guest {
	uint16_t domid;
	struct vdev d;
	struct hyper *h;
	struct usernet *u[QUEUES];
	uint8_t mac[6];
	unsigned int in, foreign, damaged;
	uint32_t last; /* number of the last frame that came */
};

static struct host host;
static struct guest guest[3], *const a = &guest[0], *const b = &guest[1],
				     *const c = &guest[2];
static uint8_t buf[70000];
static uint32_t seq;
static bool filtered; /* guests that are added ask for a multicast filter */

static void setup(void)
{
	filtered = false;
	memset(guest, 0, sizeof(guest));
	host_setup(&host);
}

static void leave(struct guest *g)
{
	if (!g->u[0])
		return;
	vdev_remove(&g->d);
	for (unsigned int q = 0; q < QUEUES; q++)
		ck_assert_int_eq(usernet_free(g->u[q]), 0);
	hyper_close(g->h);
	g->u[0] = NULL;
}

static void teardown(void)
{
	for (unsigned int i = 0; i < 3; i++)
		leave(&guest[i]);
	host_teardown(&host);
}

static void publish_queue(struct guest *g, unsigned int q)
{
	struct usernet *u = usernet_new(g->h, 0, false);
	char path[64];

	ck_assert_ptr_nonnull(u);
	g->u[q] = u;
	usernet_post(u, USERNET_SLOTS);
#define PUBLISH(key, value)                                                    \
	snprintf(path, sizeof(path), "queue-%u/%s", q, xpv_key(key)),          \
		front_number(&g->d, path, value)
	PUBLISH(XPV_KEY_TX_RING_REF, u->tx_gref);
	PUBLISH(XPV_KEY_RX_RING_REF, u->rx_gref);
	PUBLISH(XPV_KEY_EVENT_CHANNEL, u->tx_port);
#undef PUBLISH
}

static void connect_guest(struct guest *g)
{
	struct vdev *d = &g->d;

	wait_back(d, XPV_STATE_INIT_WAIT);
	back_write(d, xpv_key(XPV_KEY_HOTPLUG_STATUS), "connected");
	for (unsigned int q = 0; q < QUEUES; q++)
		publish_queue(g, q);
	front_number(d, xpv_key(XPV_KEY_MQ_NUM_QUEUES), QUEUES);
	front_number(d, xpv_key(XPV_KEY_REQUEST_RX_COPY), 1);
	front_number(d, xpv_key(XPV_KEY_FEATURE_SG), 1);
	front_number(d, xpv_key(XPV_KEY_FEATURE_GSO_TCPV4), 1);
	front_number(d, xpv_key(XPV_KEY_FEATURE_RX_NOTIFY), 1);
	front_number(d, xpv_key(XPV_KEY_REQUEST_MCAST), filtered);
	front_state(d, XPV_STATE_CONNECTED);
	wait_back(d, XPV_STATE_CONNECTED);
	for (unsigned int q = 0; q < QUEUES; q++)
		usernet_push(g->u[q]);
}

static void add(struct guest *g, const char *bridge)
{
	char mac[32], spec[256];

	g->domid = (uint16_t)(FIRST + (g - guest));
	memcpy(g->mac, (uint8_t[]){2, 0, 0, 0, 1, (uint8_t)g->domid}, 6);
	snprintf(mac, sizeof(mac), "02:00:00:00:01:%02x", g->domid);
	host_domain(&host, g->domid, mac);
	hyper_local_spec(host.machine, g->domid, spec, sizeof(spec));
	g->h = hyper_open(spec, HYPER_SHARE | HYPER_EVTCHN);
	ck_assert_ptr_nonnull(g->h);
	g->d = vif_add_to(&host, g->domid, 0, mac, bridge, NULL);
	connect_guest(g);
}

/* ---- frames ---- */

static void build(const uint8_t to[6], const uint8_t from[6], uint32_t len)
{
	uint32_t x = ++seq;

	memcpy(buf, to, 6);
	memcpy(buf + 6, from, 6);
	buf[12] = 0x88;
	buf[13] = 0xb5;
	memcpy(buf + ETH, &seq, 4);
	for (uint32_t i = ETH + 4; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		buf[i] = (uint8_t)(x >> 24);
	}
}

static bool whole(const uint8_t *frame, uint32_t len, uint32_t *number)
{
	uint32_t x;

	memcpy(number, frame + ETH, 4);
	x = *number;
	for (uint32_t i = ETH + 4; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		if (frame[i] != (uint8_t)(x >> 24))
			return false;
	}
	return true;
}

/* Is the frame one of this test's, and if so: is it whole and @g's? */
static void judge(struct guest *g, const uint8_t *frame, uint32_t len)
{
	uint32_t number;

	if (frame[12] != 0x88 || frame[13] != 0xb5)
		return;
	g->in++;
	g->foreign += memcmp(frame, g->mac, 6) && !(frame[0] & 1);
	g->damaged += !whole(frame, len, &number);
	g->last = number;
}

static void serve_queue(struct guest *g, struct usernet *u)
{
	static struct usernet_frame frame;
	struct xpv_netif_tx_response rsp[64];

	usernet_events(u);
	ck_assert_int_ge(usernet_reap(u, rsp, 64), 0);
	while (usernet_receive(u, &frame) > 0)
		judge(g, frame.data, frame.len);
	usernet_post(u, USERNET_SLOTS);
	usernet_push(u);
	usernet_arm(u);
}

/* Answers and frames that have come. */
static void serve(void)
{
	for (unsigned int i = 0; i < 3; i++)
		for (unsigned int q = 0; guest[i].u[0] && q < QUEUES; q++)
			serve_queue(&guest[i], guest[i].u[q]);
}

static bool transmit(struct guest *from, const uint8_t to[6], uint32_t len)
{
	struct usernet_packet pkt = {.data = buf, .len = len};
	bool sent;

	build(to, from->mac, len);
	sent = usernet_send(from->u[seq % QUEUES], &pkt) > 0;
	usernet_push(from->u[seq % QUEUES]);
	return sent;
}

#define UNTIL(cond)                                                            \
	do {                                                                   \
		unsigned int left_ = PATIENCE;                                 \
		while (!(cond) && left_--) {                                   \
			serve();                                               \
			pause_ms(1);                                           \
		}                                                              \
		ck_assert_msg(left_ != UINT32_MAX, "never: " #cond);           \
	} while (0)

static bool idle(const struct guest *g)
{
	for (unsigned int q = 0; q < QUEUES; q++)
		if (g->u[q]->nr_tx_free < USERNET_SLOTS)
			return false;
	return true;
}

/* Until frames get through: links are made when both sides are there. */
static void wait_link(struct guest *from, struct guest *to)
{
	unsigned int before = to->in;

	for (unsigned int i = 0; i < PATIENCE && to->in == before; i++) {
		transmit(from, to->mac, 60);
		serve();
		pause_ms(1);
	}
	ck_assert_msg(to->in > before, "no frame gets from %u to %u",
		      from->domid, to->domid);
	UNTIL(idle(from));
}

/* Small frames are answered before they arrive: wait for those of wait_link(). */
static void settle(void)
{
	unsigned int before, now = a->in + b->in + c->in;

	do {
		before = now;
		for (int i = 0; i < 50; i++) {
			serve();
			pause_ms(1);
		}
		now = a->in + b->in + c->in;
	} while (now != before);
}

/*
 * @n frames, every byte of them. Workers that are not scheduled for long lose
 * some, as any network does: those are sent again.
 */
static void pass(struct guest *from, struct guest *to, unsigned int n)
{
	unsigned int before = to->in, sent = 0, quiet = 0, in;

	while (sent < n || to->in < before + n) {
		if (sent < n && sent - (to->in - before) < 16)
			sent += transmit(from, to->mac,
					 60 + (uint32_t)random() %
							 (sent % 4 ? 1454
								   : 65475));
		in = to->in;
		serve();
		quiet = in == to->in && idle(from) ? quiet + 1 : 0;
		if (quiet)
			pause_ms(1);
		if (quiet > 500)
			sent = in - before;
	}
	UNTIL(idle(from));
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_uint_eq(guest[i].foreign + guest[i].damaged, 0);
}

static pid_t worker_of(uint16_t domid)
{
	char path[HOST_PATH];
	pid_t pid = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/run/worker-%u", host.dir, domid);
	file = fopen(path, "re");
	if (file) {
		if (fscanf(file, "%d", &pid) != 1)
			pid = 0;
		fclose(file);
	}
	return pid;
}

/* ---- tests ---- */

START_TEST(guests_talk)
{
	add(a, "lan");
	add(b, "lan");
	add(c, "lan.7");
	wait_link(a, b);
	pass(a, b, 300);
	pass(b, a, 300);
	/* to all is to all of the VLAN */
	transmit(a, (uint8_t[]){255, 255, 255, 255, 255, 255}, 1000);
	UNTIL(b->last == seq);
	transmit(a, c->mac, 1000);
	UNTIL(idle(a));
	ck_assert_uint_eq(c->in, 0);
	/* its own address, or none */
	a->mac[5]++;
	transmit(a, b->mac, 1000);
	a->mac[5]--;
	UNTIL(idle(a));
	pass(a, b, 10);
}
END_TEST

/* Asked for once, as the guest connects: no group, but what is for all. */
START_TEST(static_multicast_filter)
{
	static const uint8_t group[6] = {1, 0, 0x5e, 1, 2, 3};
	static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};
	unsigned int in_a, in_c;

	filtered = true;
	add(a, "lan");
	filtered = false;
	add(b, "lan");
	add(c, "lan");
	wait_link(b, a);
	wait_link(b, c);
	settle();
	in_a = a->in;
	in_c = c->in;
	transmit(b, group, 100);
	/* by another queue, which is not behind the first */
	UNTIL(idle(b));
	transmit(b, all, 100);
	UNTIL(a->last == seq && c->last == seq);
	ck_assert_uint_eq(a->in, in_a + 1);
	ck_assert_uint_eq(c->in, in_c + 2);
}
END_TEST

START_TEST(worker_dies_in_the_middle)
{
	pid_t old;

	add(a, "lan");
	add(b, "lan");
	add(c, "lan");
	wait_link(a, b);
	wait_link(a, c);
	for (int round = 0; round < 3; round++) {
		struct guest *victim = round & 1 ? a : b;

		for (int i = 0; i < 40; i++)
			transmit(a, i & 1 ? b->mac : c->mac, 30000);
		old = worker_of(victim->domid);
		ck_assert_int_gt(old, 0);
		kill(old, SIGKILL);
		/* nothing of a guest's is held for good */
		UNTIL(idle(a));
		UNTIL(worker_of(victim->domid) != old);
		wait_link(a, b);
		wait_link(b, a);
		wait_link(c, b);
		pass(a, b, 50);
		pass(c, b, 50);
	}
}
END_TEST

START_TEST(guest_goes_under_load)
{
	add(a, "lan");
	add(b, "lan");
	add(c, "lan");
	wait_link(a, b);
	wait_link(a, c);
	for (int i = 0; i < 60; i++)
		transmit(a, b->mac, 8000);
	leave(b);
	UNTIL(idle(a));
	pass(a, c, 50);
	/* and one that is destroyed, with no word to anyone */
	for (int i = 0; i < 60; i++)
		transmit(a, c->mac, 8000);
	host_destroy_domain(&host, c->domid);
	vdev_delete(&c->d);
	/* a dead domain's handle ends nothing any more */
	for (unsigned int q = 0; q < QUEUES; q++)
		if (usernet_free(c->u[q]))
			free(c->u[q]);
	hyper_close(c->h);
	c->u[0] = NULL;
	UNTIL(idle(a));
}
END_TEST

START_TEST(supervisor_dies)
{
	add(a, "lan");
	add(b, "lan");
	wait_link(a, b);
	host_stop_xpvd(&host, SIGKILL);
	pass(a, b, 100);
	host_start_xpvd(&host);
	add(c, "lan");
	wait_link(a, c);
	wait_link(b, c);
	wait_link(a, b);
	pass(a, b, 100);
	pass(c, b, 100);
}
END_TEST

static bool complained(void *arg)
{
	(void)arg;
	return host_log_lines(&host, "no link to") > 0;
}

/*
 * How many descriptors a worker may have; 0: as many as ever. Only who has its
 * identity may always say so.
 */
static void allow_files(pid_t worker, unsigned int n)
{
	struct rlimit limit;
	char path[64], line[128];
	unsigned int uid = 0;
	pid_t child;
	FILE *file;
	int status;

	snprintf(path, sizeof(path), "/proc/%d/status", worker);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file) &&
	       sscanf(line, "Uid: %u", &uid) != 1)
		;
	fclose(file);
	child = fork();
	if (!child) {
		if (setresgid(uid, uid, uid) || setresuid(uid, uid, uid) ||
		    prlimit(worker, RLIMIT_NOFILE, NULL, &limit))
			_exit(1);
		limit.rlim_cur = n ? n : limit.rlim_max;
		_exit(prlimit(worker, RLIMIT_NOFILE, &limit, NULL) ? 1 : 0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}

/* b's worker has no descriptors left for a link, and then it has. */
START_TEST(link_fails_at_first)
{
	add(a, "lan");
	add(b, "lan");
	wait_link(a, b);
	allow_files(worker_of(b->domid), 3);
	add(c, "lan");
	wait_link(a, c);
	ck_assert(wait_until(complained, NULL, PATIENCE));
	allow_files(worker_of(b->domid), 0);
	wait_link(b, c);
	wait_link(c, b);
	ck_assert_uint_eq(host_log_lines(&host, "no link to"), 1);
}
END_TEST

START_TEST(bad_bridges)
{
	static const char *const bad[] = {"lan.4095", "no/name", "l:x"};
	struct vdev d;

	for (unsigned int i = 0; i < 3; i++) {
		host_domain(&host, (uint16_t)(30 + i), "x");
		d = vif_add_to(&host, (uint16_t)(30 + i), 0,
			       "02:00:00:00:00:09", bad[i], NULL);
		wait_error(&d, bad[i], "NAME.VLAN");
		vdev_delete(&d);
	}
	host_domain(&host, 33, "x");
	d = vif_add_to(&host, 33, 0, "02:00:00:00:00:09", "lan", "10.0.0.300");
	wait_error(&d, "10.0.0.300", "IPv4");
	vdev_delete(&d);
}
END_TEST

/* ---- the uplink ---- */

static int sock;

/* Whose links are ours to see from then on. */
static void enter_namespace_of_xpvd(void)
{
	char path[64];
	int ns;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", host.xpvd);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(ns, 0);
	ck_assert_int_eq(setns(ns, CLONE_NEWNET), 0);
	close(ns);
}

static bool open_uplink(void)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
	};

	enter_namespace_of_xpvd();
	addr.sll_ifindex = (int)if_nametoindex("xpv-lan");
	if (!addr.sll_ifindex)
		return false;
	sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
		      htons(ETH_P_ALL));
	ck_assert_int_eq(bind(sock, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return true;
}

/*
 * An uplink whose worker is not let run for a while loses what is sent to it,
 * as it should: then it is sent once more.
 */
#define TRIES 5

static const uint8_t outside[6] = {2, 0, 0, 0, 5, 5};

/* The length of the frame that came, if it is the last that was sent. */
static ssize_t at_host(void)
{
	static uint8_t in[70000];
	uint32_t number = 0;

	for (int i = 0; i < PATIENCE / TRIES; i++) {
		ssize_t got = recv(sock, in, sizeof(in), 0);

		if (got > 0 && in[12] == 0x88 && in[13] == 0xb5)
			ck_assert(whole(in, (uint32_t)got, &number));
		if (got > 0 && number == seq)
			return got;
		if (got < 0)
			pause_ms(1);
		serve();
	}
	return 0;
}

static void to_host(struct guest *from, uint32_t len)
{
	ssize_t got = 0;

	for (int i = 0; i < TRIES && !got; i++) {
		transmit(from, outside, len);
		got = at_host();
	}
	ck_assert_int_eq(got, (int)len);
}

static void from_host(struct guest *to, uint32_t len)
{
	for (int i = 0; i < TRIES && (!i || to->last != seq); i++) {
		build(to->mac, outside, len);
		ck_assert_int_eq(write(sock, buf, len), (int)len);
		for (int n = 0; n < PATIENCE / TRIES && to->last != seq; n++) {
			serve();
			pause_ms(1);
		}
	}
	ck_assert_uint_eq(to->last, seq);
	ck_assert_uint_eq(to->foreign + to->damaged, 0);
}

START_TEST(uplink_leads_out_and_in)
{
	pid_t old;

	add(a, "lan");
	add(b, "lan");
	wait_link(a, b);
	ck_assert(open_uplink());
	pause_ms(100);
	for (uint32_t len = 60; len <= 1514; len += 97) {
		to_host(a, len);
		from_host(a, len);
		from_host(b, len);
	}
	old = worker_of(XPV_DOMID_SELF);
	ck_assert_int_gt(old, 0);
	kill(old, SIGKILL);
	UNTIL(worker_of(XPV_DOMID_SELF) != old);
	pause_ms(500);
	to_host(a, 1000);
	from_host(a, 1000);
	close(sock);
}
END_TEST

static bool no_uplink(void *arg)
{
	(void)arg;
	return !if_nametoindex("xpv-lan");
}

/* As with vif-bridge: a bridge of the switch's name is where it leads. */
START_TEST(uplink_joins_its_bridge)
{
	struct ifreq ifr = {.ifr_name = "lan"};
	int s;

	/* the supervisor is in its namespace once it has served somebody */
	add(b, "other");
	enter_namespace_of_xpvd();
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(ioctl(s, SIOCBRADDBR, "lan"), 0);
	add(a, "lan");
	/* only a port of the bridge can be taken out of it */
	ifr.ifr_ifindex = (int)if_nametoindex("xpv-lan");
	ck_assert_int_eq(ioctl(s, SIOCBRDELIF, &ifr), 0);
	ifr.ifr_ifindex = (int)if_nametoindex("xpv-other");
	ck_assert_int_gt(ifr.ifr_ifindex, 0);
	ck_assert_int_ne(ioctl(s, SIOCBRDELIF, &ifr), 0);
	close(s);
}
END_TEST

static int interface(unsigned long what, const char *name, int value)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {.ifr_mtu = value};

	strcpy(ifr.ifr_name, name);
	ck_assert_int_eq(ioctl(s, what, &ifr), 0);
	close(s);
	return ifr.ifr_mtu;
}

static int told_mtu(const struct guest *g)
{
	char *text = hyper_readf(host.dom0, 0, "%s/%s", g->d.front,
				 xpv_key(XPV_KEY_MTU));
	int mtu = text ? atoi(text) : 0;

	free(text);
	return mtu;
}

/* The bridge's MTU is the uplink's and the guest's, until a key says more. */
START_TEST(mtu_of_the_bridge)
{
	int s;

	add(b, "other");
	ck_assert_int_eq(told_mtu(b), 0);
	enter_namespace_of_xpvd();
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(ioctl(s, SIOCBRADDBR, "lan"), 0);
	close(s);
	interface(SIOCSIFMTU, "lan", 9000);
	interface(SIOCSIFFLAGS, "lan", IFF_UP);
	add(a, "lan");
	ck_assert_int_eq(told_mtu(a), 9000);
	ck_assert_int_eq(interface(SIOCGIFMTU, "xpv-lan", 0), 9000);
	ck_assert_int_eq(interface(SIOCGIFMTU, "lan", 0), 9000);
	ck_assert(open_uplink());
	pause_ms(100);
	to_host(a, 9014);
	from_host(a, 9014);
	close(sock);
	back_write(&a->d, xpv_key(XPV_KEY_MTU), "4000");
	UNTIL(told_mtu(a) == 4000);
	back_write(&b->d, xpv_key(XPV_KEY_MTU), "65521");
	UNTIL(told_mtu(b) == 65521);
	back_write(&b->d, xpv_key(XPV_KEY_MTU), "65535");
	pause_ms(200);
	ck_assert_int_eq(told_mtu(b), 65521);
	ck_assert_uint_eq(host_log_lines(&host, "68 to 65521"), 1);
}
END_TEST

START_TEST(uplink_goes_with_the_last_guest)
{
	add(a, "lan");
	ck_assert(open_uplink());
	leave(a);
	ck_assert(wait_until(no_uplink, NULL, PATIENCE));
	close(sock);
}
END_TEST

Suite *lan_suite(void)
{
	Suite *s = suite_create("lan");
	TCase *tc = tcase_create("lan");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, guests_talk);
	tcase_add_test(tc, static_multicast_filter);
	tcase_add_test(tc, worker_dies_in_the_middle);
	tcase_add_test(tc, guest_goes_under_load);
	tcase_add_test(tc, supervisor_dies);
	tcase_add_test(tc, link_fails_at_first);
	tcase_add_test(tc, bad_bridges);
	if (host_has_taps()) {
		tcase_add_test(tc, uplink_leads_out_and_in);
		tcase_add_test(tc, uplink_joins_its_bridge);
		tcase_add_test(tc, mtu_of_the_bridge);
		tcase_add_test(tc, uplink_goes_with_the_last_guest);
	}
	suite_add_tcase(s, tc);
	return s;
}
