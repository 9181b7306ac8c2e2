// SPDX-License-Identifier: MIT
/* The way out of a switch of a real xpvd: its uplink, and the host's bridge. */
#include <arpa/inet.h>
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
#include <sys/socket.h>
#include <unistd.h>

#include "stations.h"
#include "suites.h"

static struct station *const a = &station[0], *const b = &station[1];

static int sock;

/* Whose links are ours to see from then on. */
static void enter_namespace_of_xpvd(void)
{
	char path[64];
	int ns;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", stations_host.xpvd);
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

	for (int i = 0; i < STATION_PATIENCE / TRIES; i++) {
		ssize_t got = recv(sock, in, sizeof(in), 0);

		if (got > 0 && in[12] == 0x88 && in[13] == 0xb5)
			ck_assert(station_whole(in, (uint32_t)got, &number));
		if (got > 0 && number == station_seq)
			return got;
		if (got < 0)
			pause_ms(1);
		stations_serve();
	}
	return 0;
}

static void to_host(struct station *from, uint32_t len)
{
	ssize_t got = 0;

	for (int i = 0; i < TRIES && !got; i++) {
		station_send(from, outside, len);
		got = at_host();
	}
	ck_assert_int_eq(got, (int)len);
}

static void from_host(struct station *to, uint32_t len)
{
	for (int i = 0; i < TRIES && (!i || to->last != station_seq); i++) {
		station_frame(to->mac, outside, len);
		ck_assert_int_eq(write(sock, station_buf, len), (int)len);
		for (int n = 0;
		     n < STATION_PATIENCE / TRIES && to->last != station_seq;
		     n++) {
			stations_serve();
			pause_ms(1);
		}
	}
	ck_assert_uint_eq(to->last, station_seq);
	ck_assert_uint_eq(to->foreign + to->damaged, 0);
}

START_TEST(uplink_leads_out_and_in)
{
	pid_t old;

	station_add(a, "lan");
	station_add(b, "lan");
	station_reach(a, b);
	ck_assert(open_uplink());
	pause_ms(100);
	for (uint32_t len = 60; len <= 1514; len += 97) {
		to_host(a, len);
		from_host(a, len);
		from_host(b, len);
	}
	old = stations_worker(XPV_DOMID_SELF);
	ck_assert_int_gt(old, 0);
	kill(old, SIGKILL);
	UNTIL(stations_worker(XPV_DOMID_SELF) != old);
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
	station_add(b, "other");
	enter_namespace_of_xpvd();
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(ioctl(s, SIOCBRADDBR, "lan"), 0);
	station_add(a, "lan");
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

static int told_mtu(const struct station *g)
{
	char *text = hyper_readf(stations_host.dom0, 0, "%s/%s", g->d.front,
				 xpv_key(XPV_KEY_MTU));
	int mtu = text ? atoi(text) : 0;

	free(text);
	return mtu;
}

/* The bridge's MTU is the uplink's and the guest's, until a key says more. */
START_TEST(mtu_of_the_bridge)
{
	int s;

	station_add(b, "other");
	ck_assert_int_eq(told_mtu(b), 0);
	enter_namespace_of_xpvd();
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(ioctl(s, SIOCBRADDBR, "lan"), 0);
	close(s);
	interface(SIOCSIFMTU, "lan", 9000);
	interface(SIOCSIFFLAGS, "lan", IFF_UP);
	station_add(a, "lan");
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
	ck_assert_uint_eq(host_log_lines(&stations_host, "68 to 65521"), 1);
}
END_TEST

START_TEST(uplink_goes_with_the_last_guest)
{
	station_add(a, "lan");
	ck_assert(open_uplink());
	station_leave(a);
	ck_assert(wait_until(no_uplink, NULL, STATION_PATIENCE));
	close(sock);
}
END_TEST

Suite *lan_uplink_suite(void)
{
	Suite *s = suite_create("lan_uplink");
	TCase *tc = tcase_create("lan_uplink");

	if (!host_has_taps())
		return s;
	tcase_add_checked_fixture(tc, stations_setup, stations_teardown);
	tcase_add_test(tc, uplink_leads_out_and_in);
	tcase_add_test(tc, uplink_joins_its_bridge);
	tcase_add_test(tc, mtu_of_the_bridge);
	tcase_add_test(tc, uplink_goes_with_the_last_guest);
	suite_add_tcase(s, tc);
	return s;
}
