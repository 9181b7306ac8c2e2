// SPDX-License-Identifier: MIT
/* xpvd: what it offers for a NIC, and what it follows while one is connected. */
#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/config.h"
#include "backend/reason.h"
#include "backend/vif/stats.h"
#include "suites.h"
#include "toolstack.h"

#define GUEST 5
#define MAC   "00:16:3e:01:02:03"
#define TAP   "vif5.0"

static struct host host;
static struct vdev d;
static struct fake f;

/* Where xpvd's taps are. */
static void enter_namespace(void)
{
	char path[64];
	int ns;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", host.xpvd);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(setns(ns, CLONE_NEWNET), 0);
	close(ns);
}

static void setup(void)
{
	host_setup(&host);
	host_domain(&host, GUEST, "a");
	d = vif_add(&host, GUEST, 0, MAC);
	wait_back(&d, XPV_STATE_INIT_WAIT);
	fake_open(&f, &d);
	enter_namespace();
}

static void teardown(void)
{
	vdev_delete(&d);
	host_teardown(&host);
}

static void connect_vif(void)
{
	vdev_hotplug(&d, NULL);
	fake_publish(&f, &d);
	wait_back(&d, XPV_STATE_CONNECTED);
}

static uint64_t back_number(enum xpv_key key)
{
	char *text = back_read(&d, xpv_key(key));
	uint64_t value = UINT64_MAX;

	ck_assert_msg(text && !xpv_key_parse(key, text, &value), "%s: %s",
		      xpv_key(key), text ? text : "absent");
	free(text);
	return value;
}

/* Of the tap. */
static int link_ioctl(unsigned long what, int value)
{
	int sock = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq ifr = {.ifr_name = TAP, .ifr_mtu = value};

	ck_assert_int_eq(ioctl(sock, what, &ifr), 0);
	close(sock);
	return ifr.ifr_mtu;
}

/* One queue is used: it holds what all of them were to hold, up to a ring. */
START_TEST(queues_share_what_the_tap_holds)
{
	unsigned int offered = (unsigned int)back_number(XPV_KEY_MQ_MAX_QUEUES);

	ck_assert_uint_gt(offered, 2);
	ck_assert_int_eq(link_ioctl(SIOCGIFTXQLEN, 0), 512 / (int)offered);
	connect_vif();
	ck_assert_int_eq(link_ioctl(SIOCGIFTXQLEN, 0), 256);
}
END_TEST

START_TEST(offers_all_of_it)
{
	static const enum xpv_key features[] = {
		XPV_KEY_FEATURE_SG,	   XPV_KEY_FEATURE_GSO_TCPV4,
		XPV_KEY_FEATURE_GSO_TCPV6, XPV_KEY_FEATURE_IPV6_CSUM,
		XPV_KEY_FEATURE_RX_COPY,   XPV_KEY_FEATURE_SPLIT_EVTCHN,
		XPV_KEY_FEATURE_MCAST,	   XPV_KEY_FEATURE_DYN_MCAST,
		XPV_KEY_FEATURE_CTRL_RING, XPV_KEY_FEATURE_XDP_HEADROOM,
	};
	char *no_csum = back_read(&d, xpv_key(XPV_KEY_FEATURE_NO_CSUM));
	uint64_t queues = back_number(XPV_KEY_MQ_MAX_QUEUES);

	for (size_t i = 0; i < sizeof(features) / sizeof(*features); i++)
		ck_assert_uint_eq(back_number(features[i]), 1);
	ck_assert_ptr_null(no_csum);
	ck_assert_uint_ge(queues, 4);
	ck_assert_uint_le(queues, 16);
}
END_TEST

static bool stats_gone(void *path)
{
	return access(path, F_OK) != 0;
}

static bool one_queue_counts(void *path)
{
	struct vif_stats *s = malloc(sizeof(*s));
	bool counts = !vif_stats_read(path, s) && s->nr_queues == 1;

	free(s);
	return counts;
}

/* Where `xpv show` reads them, whoever dies meanwhile. */
START_TEST(counters_lie_in_the_run_folder)
{
	char path[256];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/run/stats-5-0", host.dir);
	connect_vif();
	ck_assert(one_queue_counts(path));
	host_stop_xpvd(&host, SIGKILL);
	host_start_xpvd(&host);
	pause_ms(300);
	ck_assert(one_queue_counts(path));
	ck_assert_uint_eq(host_workers(&host, &pid, 1), 1);
	kill(pid, SIGKILL);
	pause_ms(300);
	ck_assert(wait_until(one_queue_counts, path, 5000));
	vdev_remove(&d);
	ck_assert(wait_until(stats_gone, path, 5000));
}
END_TEST

/* ---- MTU ---- */

static bool tap_mtu_is(void *mtu)
{
	return link_ioctl(SIOCGIFMTU, 0) == *(int *)mtu;
}

static bool front_mtu_is(void *mtu)
{
	char *text = hyper_readf(host.dom0, 0, "%s/%s", d.front,
				 xpv_key(XPV_KEY_MTU));
	bool is = text && atoi(text) == *(int *)mtu;

	free(text);
	return is;
}

static void expect_mtu(int mtu)
{
	ck_assert_msg(wait_until(tap_mtu_is, &mtu, 5000), "%d, not %d",
		      link_ioctl(SIOCGIFMTU, 0), mtu);
	ck_assert(wait_until(front_mtu_is, &mtu, 5000));
}

START_TEST(mtu_follows_the_key)
{
	front_write(&d, "feature-sg", "1");
	connect_vif();
	back_write(&d, "mtu", "9000");
	expect_mtu(9000);
	back_write(&d, "mtu", "65521");
	expect_mtu(65521);
	/* More than the kernel has: said once, and the old one stays. */
	back_write(&d, "mtu", "65535");
	pause_ms(300);
	ck_assert_int_eq(link_ioctl(SIOCGIFMTU, 0), 65521);
	ck_assert_uint_eq(host_log_lines(&host, "65535"), 1);
	/* An administrator's own hand is not overruled by other keys. */
	link_ioctl(SIOCSIFMTU, 1600);
	back_write(&d, "rate", "1000,1000");
	pause_ms(300);
	ck_assert_int_eq(link_ioctl(SIOCGIFMTU, 0), 1600);
	back_write(&d, "mtu", "1400");
	expect_mtu(1400);
	ck_assert_int_eq(back_state(&d), XPV_STATE_CONNECTED);
}
END_TEST

/* One page, one slot: the bridge's MTU does not fit. And back with sg. */
START_TEST(mtu_without_sg)
{
	link_ioctl(SIOCSIFMTU, 4000);
	connect_vif();
	expect_mtu(1500);
	back_write(&d, "mtu", "1400");
	expect_mtu(1400);
	back_write(&d, "mtu", "3000");
	expect_mtu(1500);
	/* Looked at once more, it is not forgotten. */
	back_write(&d, "rate", "1000,1000");
	pause_ms(300);
	front_state(&d, XPV_STATE_CLOSED);
	wait_back(&d, XPV_STATE_CLOSED);
	front_state(&d, XPV_STATE_INITIALISING);
	wait_back(&d, XPV_STATE_INIT_WAIT);
	front_write(&d, "feature-sg", "1");
	connect_vif();
	expect_mtu(3000);
}
END_TEST

/* On a switch there is no tap, and the guest is told the same. */
START_TEST(mtu_without_sg_on_a_switch)
{
	struct vdev tap = d;
	struct fake ring;
	int mtu = 9000;

	/* As the toolstack does it, all keys at once. */
	kill(host.xpvd, SIGSTOP);
	d = vif_add_to(&host, GUEST, 1, MAC, "lan", NULL);
	back_write(&d, "mtu", "9000");
	kill(host.xpvd, SIGCONT);
	wait_back(&d, XPV_STATE_INIT_WAIT);
	ck_assert(wait_until(front_mtu_is, &mtu, 5000));
	fake_open(&ring, &d);
	vdev_hotplug(&d, NULL);
	fake_publish(&ring, &d);
	wait_back(&d, XPV_STATE_CONNECTED);
	mtu = 1500;
	ck_assert(wait_until(front_mtu_is, &mtu, 5000));
	vdev_delete(&d);
	d = tap;
}
END_TEST

/* ---- rate, filter, headroom ---- */

static const char *const bad_rates[] = {
	"1000,",
	",1000",
	"1000,1000,",
	"-1,1000",
	"1000 1000",
	"0,1000",
	"1000,1 ",
	"x,y",
	"1000,99999999999",
	"99999999999999999,50000",
};

START_TEST(bad_rate_at_first)
{
	back_write(&d, "rate", bad_rates[_i]);
	vdev_hotplug(&d, NULL);
	fake_publish(&f, &d);
	wait_error(&d, "rate", bad_rates[_i]);
}
END_TEST

/* Under a guest that is connected it is said, and the last good one holds. */
START_TEST(bad_rate_later)
{
	back_write(&d, "rate", "62500,50000");
	connect_vif();
	back_write(&d, "rate", bad_rates[_i]);
	for (int i = 0; i < 50 && !host_log_lines(&host, "/rate = "); i++)
		pause_ms(100);
	ck_assert_uint_eq(host_log_lines(&host, "/rate = "), 1);
	back_write(&d, "rate", "1000,0");
	front_write(&d, "request-multicast-control", "1");
	pause_ms(200);
	ck_assert_int_eq(back_state(&d), XPV_STATE_CONNECTED);
}
END_TEST

static bool headroom_is_said(void *arg)
{
	(void)arg;
	return host_log_lines(&host, "xdp-headroom");
}

START_TEST(headroom_by_states_7_and_8)
{
	connect_vif();
	for (int round = 0; round < 3; round++) {
		front_state(&d, XPV_STATE_RECONFIGURING);
		/* Linux writes the key behind the state. */
		front_write(&d, "xdp-headroom", round & 1 ? "0" : "256");
		wait_back(&d, XPV_STATE_RECONFIGURED);
		front_state(&d, XPV_STATE_CONNECTED);
		wait_back(&d, XPV_STATE_CONNECTED);
	}
	/* Too much of it: said, and the guest goes on as it was. */
	front_state(&d, XPV_STATE_RECONFIGURING);
	front_write(&d, "xdp-headroom", "32768");
	wait_back(&d, XPV_STATE_RECONFIGURED);
	/* The key may have come after the state. */
	ck_assert(wait_until(headroom_is_said, NULL, 5000));
	front_state(&d, XPV_STATE_CONNECTED);
	wait_back(&d, XPV_STATE_CONNECTED);
	/* And it may close out of any of these states. */
	front_state(&d, XPV_STATE_RECONFIGURING);
	wait_back(&d, XPV_STATE_RECONFIGURED);
	front_state(&d, XPV_STATE_CLOSED);
	wait_back(&d, XPV_STATE_CLOSED);
}
END_TEST

/* ---- what a frontend may get wrong ---- */

static const struct {
	const char *key, *value, *complaint, *more;
} wrong[] = {
	{"ctrl-ring-ref", "8", "event-channel-ctrl", "missing"},
	{"ctrl-ring-ref", "0", "ctrl-ring-ref", "\"0\""},
	{"multi-queue-num-queues", "2", "queue-0/tx-ring-ref", "missing"},
	{"multi-queue-num-queues", "17", "multi-queue-num-queues",
	 "as offered"},
	{"multi-queue-num-queues", "0", "multi-queue-num-queues", "\"0\""},
	{"multi-queue-num-queues", "-1", "multi-queue-num-queues", "-1"},
	{"request-multicast-control", "2", "request-multicast-control",
	 "\"2\""},
	{"xdp-headroom", "32768", "xdp-headroom", "32768"},
	{"request-rx-copy", "0", "request-rx-copy", "copies"},
	{"request-rx-copy", NULL, "request-rx-copy", "copies"},
};
#define NR_WRONG ((int)(sizeof(wrong) / sizeof(wrong[0])))

START_TEST(refused)
{
	vdev_hotplug(&d, NULL);
	fake_publish_but(&f, &d, wrong[_i].key, wrong[_i].value);
	wait_error(&d, wrong[_i].complaint, wrong[_i].more);
}
END_TEST

/* A grant that is none for the control ring: nothing else stays mapped. */
START_TEST(bad_ctrl_ring)
{
	vdev_hotplug(&d, NULL);
	front_write(&d, "event-channel-ctrl", "77");
	fake_publish_but(&f, &d, "ctrl-ring-ref", "2147483392");
	wait_error(&d, "ctrl-ring-ref", "2147483392");
	fake_close(&f);
}
END_TEST

static void expect_queues(const char *wanted)
{
	char *text = back_read(&d, xpv_key(XPV_KEY_MQ_MAX_QUEUES));

	ck_assert_str_eq(text, wanted);
	free(text);
}

static void restart_with(const char *config)
{
	FILE *file = fopen(host.config, "we");

	ck_assert_ptr_nonnull(file);
	fputs(config, file);
	fclose(file);
	host_stop_xpvd(&host, SIGTERM);
	host_start_xpvd(&host);
}

/* What its worker was made for is what a guest is offered again. */
START_TEST(port_keeps_its_queues)
{
	struct vdev tap = d;
	struct fake ring;

	restart_with("[net]\nqueues = 2\n");
	d = vif_add_to(&host, GUEST, 1, MAC, "lan", NULL);
	wait_back(&d, XPV_STATE_INIT_WAIT);
	expect_queues("2");
	fake_open(&ring, &d);
	vdev_hotplug(&d, NULL);
	fake_publish(&ring, &d);
	wait_back(&d, XPV_STATE_CONNECTED);
	front_state(&d, XPV_STATE_CONNECTED);
	restart_with("[net]\nqueues = 4\n");
	stays_connected(&d);
	front_state(&d, XPV_STATE_CLOSED);
	wait_back(&d, XPV_STATE_CLOSED);
	front_state(&d, XPV_STATE_INITIALISING);
	wait_back(&d, XPV_STATE_INIT_WAIT);
	expect_queues("2");
	vdev_remove(&d);
	d = tap;
}
END_TEST

START_TEST(options)
{
	struct net_options o;
	struct reason why;

	net_options_init(&o);
	ck_assert_uint_eq(o.queues, 0);
	ck_assert_int_eq(net_options_set(&o, "queues", "16", &why), 0);
	ck_assert_uint_eq(o.queues, 16);
	for (const char *const *bad = (const char *const[]){"0", "17", "", "-1",
							    "2x", " 2", NULL};
	     *bad; bad++) {
		ck_assert_int_lt(net_options_set(&o, "queues", *bad, &why), 0);
		ck_assert_msg(strstr(why.text, "1 to 16"), "%s", why.text);
	}
	ck_assert_int_lt(net_options_set(&o, "queue", "2", &why), 0);
	ck_assert_uint_eq(o.queues, 16);
}
END_TEST

Suite *supervisor_vif_suite(void)
{
	Suite *s = suite_create("supervisor_vif");
	TCase *plain = tcase_create("options"), *tc = tcase_create("vif");
	int rates = (int)(sizeof(bad_rates) / sizeof(bad_rates[0]));

	suite_add_tcase(s, plain);
	tcase_add_test(plain, options);
	if (!host_has_taps())
		return s;
	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, queues_share_what_the_tap_holds);
	tcase_add_test(tc, offers_all_of_it);
	tcase_add_test(tc, counters_lie_in_the_run_folder);
	tcase_add_test(tc, mtu_follows_the_key);
	tcase_add_test(tc, mtu_without_sg);
	tcase_add_test(tc, mtu_without_sg_on_a_switch);
	tcase_add_test(tc, port_keeps_its_queues);
	tcase_add_loop_test(tc, bad_rate_at_first, 0, rates);
	tcase_add_loop_test(tc, bad_rate_later, 0, rates);
	tcase_add_test(tc, headroom_by_states_7_and_8);
	tcase_add_loop_test(tc, refused, 0, NR_WRONG);
	tcase_add_test(tc, bad_ctrl_ring);
	return s;
}
