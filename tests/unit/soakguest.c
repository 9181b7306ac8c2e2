// SPDX-License-Identifier: MIT
#include "soakguest.h"

#include <check.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_MTU (SOAK_LENGTH - 14)

/* clang-format off */
static const struct soak_role roles[SOAK_GUESTS] = {
	{"other", 'o', 0, {0}, false, true, true, true, false, 1, 0},
	{"other", 'o', 0, {0}, false, true, true, true, true, 4, 0},
	{"lan", 'l', 0, {0}, false, true, true, true, true, 4, 0},
	{"lan", 'l', 0, {0}, false, false, false, false, false, 2, 0},
	{"lan", 'l', 0, {0}, true, true, true, true, false, 1, 0},
	{"lan.5", 'l', 5, {0}, false, true, true, true, true, 3, 0},
	{"lan.5", 'l', 5, {0}, false, true, false, true, false, 2, 256},
	{"lan:0:5:6", 'l', 0, {5, 6}, false, true, true, true, true, 4, 0},
	{NULL, 'l', 0, {5, 6}, false, true, true, true, true, 2, 0},
	{NULL, 'l', 0, {5, 6}, false, true, false, false, false, 1, 32767},
};
/* clang-format on */

struct soak_guest soak_guest[SOAK_GUESTS];

static struct host host;
static uint8_t bridge_mac[6];

static bool has_tag(const struct soak_role *r, uint8_t vlan)
{
	return vlan && memchr(r->tagged, vlan, sizeof(r->tagged));
}

static bool carries(const struct soak_role *r, uint8_t vlan)
{
	return r->untagged == vlan || has_tag(r, vlan);
}

bool soak_reaches(const struct soak_guest *a, const struct soak_guest *b,
		  uint8_t vlan)
{
	return a != b && a->role->lan == b->role->lan &&
	       carries(a->role, vlan) && carries(b->role, vlan);
}

/* ---- the host ---- */

static void ask_link(const char *name, unsigned long what, int value)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {.ifr_mtu = value};

	strcpy(ifr.ifr_name, name);
	ck_assert_msg(!ioctl(sock, what, &ifr), "%s: ioctl 0x%lx: %m", name,
		      what);
	close(sock);
}

static void link_up(const char *name)
{
	ask_link(name, SIOCSIFMTU, MAX_MTU);
	ask_link(name, SIOCSIFFLAGS, IFF_UP);
}

static bool has_namespace(void *arg)
{
	struct stat own, its;
	char path[64];

	(void)arg;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", host.xpvd);
	return !stat("/proc/self/ns/net", &own) && !stat(path, &its) &&
	       own.st_ino != its.st_ino;
}

/* Where the supervisor's taps will be; no word there but the guests'. */
static void enter_namespace(void)
{
	char path[64];
	int fd;

	ck_assert(wait_until(has_namespace, NULL, 10000));
	snprintf(path, sizeof(path), "/proc/%d/ns/net", host.xpvd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(setns(fd, CLONE_NEWNET), 0);
	close(fd);
	fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY);
	ck_assert(fd < 0 || write(fd, "1", 1) == 1);
	close(fd);
}

static void read_bridge_mac(void)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {.ifr_name = "lan"};

	ck_assert_int_eq(ioctl(sock, SIOCGIFHWADDR, &ifr), 0);
	memcpy(bridge_mac, ifr.ifr_hwaddr.sa_data, sizeof(bridge_mac));
	close(sock);
}

static void make_bridge(void)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(ioctl(sock, SIOCBRADDBR, "lan"), 0);
	close(sock);
}

static void join_bridge(const struct soak_guest *g)
{
	char tap[IFNAMSIZ];

	snprintf(tap, sizeof(tap), "vif%u.0", g->domid);
	link_up(tap);
	ask_link("lan", SIOCBRADDIF, (int)if_nametoindex(tap));
}

/* ---- guests ---- */

static void publish_queue(struct soak_guest *g, unsigned int i)
{
	struct usernet *u = usernet_new(g->h, 0, g->role->split);
	const struct {
		enum xpv_key key;
		uint32_t value;
	} keys[] = {
		{XPV_KEY_TX_RING_REF, u->tx_gref},
		{XPV_KEY_RX_RING_REF, u->rx_gref},
		{g->role->split ? XPV_KEY_EVENT_CHANNEL_TX
				: XPV_KEY_EVENT_CHANNEL,
		 u->tx_port},
		{XPV_KEY_EVENT_CHANNEL_RX, u->rx_port},
	};
	char path[64] = "";

	g->u[i] = u;
	if (g->role->queues > 1)
		snprintf(path, sizeof(path), "queue-%u/", i);
	for (size_t k = 0; k < 3u + g->role->split; k++) {
		char name[128];

		snprintf(name, sizeof(name), "%s%s", path,
			 xpv_key(keys[k].key));
		front_number(&g->d, name, keys[k].value);
	}
}

static void publish_features(struct soak_guest *g)
{
	const struct soak_role *r = g->role;
	const struct {
		enum xpv_key key;
		unsigned int value;
	} keys[] = {
		{XPV_KEY_REQUEST_RX_COPY, 1},
		{XPV_KEY_FEATURE_RX_NOTIFY, 1},
		{XPV_KEY_FEATURE_SG, r->sg},
		{XPV_KEY_FEATURE_GSO_TCPV4, r->gso},
		{XPV_KEY_FEATURE_GSO_TCPV6, r->gso},
		{XPV_KEY_FEATURE_NO_CSUM, !r->csum},
		{XPV_KEY_FEATURE_IPV6_CSUM, r->csum},
		{XPV_KEY_XDP_HEADROOM, r->headroom},
		{XPV_KEY_MQ_NUM_QUEUES, r->queues},
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		front_number(&g->d, xpv_key(keys[i].key), keys[i].value);
}

static void add(struct soak_guest *g, const struct soak_role *r, uint16_t domid)
{
	char mac[32], spec[256], ip[64];

	g->role = r;
	g->domid = domid;
	g->seen = calloc(2 * SOAK_GUESTS, sizeof(*g->seen));
	snprintf(mac, sizeof(mac), "02:00:00:00:01:%02x", domid);
	snprintf(ip, sizeof(ip), "10.0.0.%u fd00::%x", domid, domid);
	host_domain(&host, domid, mac);
	hyper_local_spec(host.machine, domid, spec, sizeof(spec));
	g->h = hyper_open(spec, HYPER_SHARE | HYPER_EVTCHN);
	ck_assert(g->h && g->seen);
	g->d = vif_add_to(&host, domid, 0, mac, r->bridge,
			  r->guarded ? ip : NULL);
	wait_back(&g->d, XPV_STATE_INIT_WAIT);
	if (!r->bridge)
		join_bridge(g);
	vdev_hotplug(&g->d, NULL);
	for (unsigned int i = 0; i < r->queues; i++)
		publish_queue(g, i);
	publish_features(g);
	front_state(&g->d, XPV_STATE_CONNECTED);
	wait_back(&g->d, XPV_STATE_CONNECTED);
}

void soak_setup(void)
{
	host_setup(&host);
	enter_namespace();
	make_bridge();
	for (unsigned int i = 0; i < SOAK_GUESTS; i++)
		add(&soak_guest[i], &roles[i], (uint16_t)(SOAK_FIRST + i));
	link_up("xpv-lan");
	read_bridge_mac();
	link_up("lan");
}

void soak_teardown(void)
{
	for (unsigned int i = 0; i < SOAK_GUESTS; i++) {
		struct soak_guest *g = &soak_guest[i];

		vdev_remove(&g->d);
		for (unsigned int q = 0; q < g->role->queues; q++)
			ck_assert_int_eq(usernet_free(g->u[q]), 0);
		hyper_close(g->h);
		free(g->seen);
	}
	host_teardown(&host);
}

bool soak_of_bridge(const uint8_t *frame)
{
	return !memcmp(frame + 6, bridge_mac, sizeof(bridge_mac));
}
