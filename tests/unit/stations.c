// SPDX-License-Identifier: MIT
#include "stations.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST 7 /* domid */
#define ETH   14u

struct host stations_host;
struct station station[STATIONS];
uint8_t station_buf[70000];
uint32_t station_seq;
bool stations_filtered;

void stations_setup(void)
{
	stations_filtered = false;
	memset(station, 0, sizeof(station));
	host_setup(&stations_host);
}

void station_leave(struct station *g)
{
	if (!g->u[0])
		return;
	vdev_remove(&g->d);
	for (unsigned int q = 0; q < STATION_QUEUES; q++)
		ck_assert_int_eq(usernet_free(g->u[q]), 0);
	hyper_close(g->h);
	g->u[0] = NULL;
}

void stations_teardown(void)
{
	for (unsigned int i = 0; i < STATIONS; i++)
		station_leave(&station[i]);
	host_teardown(&stations_host);
}

static void publish_queue(struct station *g, unsigned int q)
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

static void connect_guest(struct station *g)
{
	struct vdev *d = &g->d;

	wait_back(d, XPV_STATE_INIT_WAIT);
	back_write(d, xpv_key(XPV_KEY_HOTPLUG_STATUS), "connected");
	for (unsigned int q = 0; q < STATION_QUEUES; q++)
		publish_queue(g, q);
	front_number(d, xpv_key(XPV_KEY_MQ_NUM_QUEUES), STATION_QUEUES);
	front_number(d, xpv_key(XPV_KEY_REQUEST_RX_COPY), 1);
	front_number(d, xpv_key(XPV_KEY_FEATURE_SG), 1);
	front_number(d, xpv_key(XPV_KEY_FEATURE_GSO_TCPV4), 1);
	front_number(d, xpv_key(XPV_KEY_FEATURE_RX_NOTIFY), 1);
	front_number(d, xpv_key(XPV_KEY_REQUEST_MCAST), stations_filtered);
	front_state(d, XPV_STATE_CONNECTED);
	wait_back(d, XPV_STATE_CONNECTED);
	for (unsigned int q = 0; q < STATION_QUEUES; q++)
		usernet_push(g->u[q]);
}

void station_add(struct station *g, const char *bridge)
{
	char mac[32], spec[256];

	g->domid = (uint16_t)(FIRST + (g - station));
	memcpy(g->mac, (uint8_t[]){2, 0, 0, 0, 1, (uint8_t)g->domid}, 6);
	snprintf(mac, sizeof(mac), "02:00:00:00:01:%02x", g->domid);
	host_domain(&stations_host, g->domid, mac);
	hyper_local_spec(stations_host.machine, g->domid, spec, sizeof(spec));
	g->h = hyper_open(spec, HYPER_SHARE | HYPER_EVTCHN);
	ck_assert_ptr_nonnull(g->h);
	g->d = vif_add_to(&stations_host, g->domid, 0, mac, bridge, NULL);
	connect_guest(g);
}

/* ---- frames ---- */

void station_frame(const uint8_t to[6], const uint8_t from[6], uint32_t len)
{
	uint32_t x = ++station_seq;

	memcpy(station_buf, to, 6);
	memcpy(station_buf + 6, from, 6);
	station_buf[12] = 0x88;
	station_buf[13] = 0xb5;
	memcpy(station_buf + ETH, &station_seq, 4);
	for (uint32_t i = ETH + 4; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		station_buf[i] = (uint8_t)(x >> 24);
	}
}

bool station_whole(const uint8_t *frame, uint32_t len, uint32_t *number)
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
static void judge(struct station *g, const uint8_t *frame, uint32_t len)
{
	uint32_t number;

	if (frame[12] != 0x88 || frame[13] != 0xb5)
		return;
	g->in++;
	g->foreign += memcmp(frame, g->mac, 6) && !(frame[0] & 1);
	g->damaged += !station_whole(frame, len, &number);
	g->last = number;
}

static void serve_queue(struct station *g, struct usernet *u)
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

void stations_serve(void)
{
	for (unsigned int i = 0; i < STATIONS; i++)
		for (unsigned int q = 0; station[i].u[0] && q < STATION_QUEUES;
		     q++)
			serve_queue(&station[i], station[i].u[q]);
}

bool station_send(struct station *from, const uint8_t to[6], uint32_t len)
{
	struct usernet_packet pkt = {.data = station_buf, .len = len};
	bool sent;

	station_frame(to, from->mac, len);
	sent = usernet_send(from->u[station_seq % STATION_QUEUES], &pkt) > 0;
	usernet_push(from->u[station_seq % STATION_QUEUES]);
	return sent;
}

bool station_idle(const struct station *g)
{
	for (unsigned int q = 0; q < STATION_QUEUES; q++)
		if (g->u[q]->nr_tx_free < USERNET_SLOTS)
			return false;
	return true;
}

void station_reach(struct station *from, struct station *to)
{
	unsigned int before = to->in;

	for (unsigned int i = 0; i < STATION_PATIENCE && to->in == before;
	     i++) {
		station_send(from, to->mac, 60);
		stations_serve();
		pause_ms(1);
	}
	ck_assert_msg(to->in > before, "no frame gets from %u to %u",
		      from->domid, to->domid);
	UNTIL(station_idle(from));
}

void station_pass(struct station *from, struct station *to, unsigned int n)
{
	unsigned int before = to->in, sent = 0, quiet = 0, in;

	while (sent < n || to->in < before + n) {
		if (sent < n && sent - (to->in - before) < 16)
			sent += station_send(
				from, to->mac,
				60 + (uint32_t)random() %
						(sent % 4 ? 1454 : 65475));
		in = to->in;
		stations_serve();
		quiet = in == to->in && station_idle(from) ? quiet + 1 : 0;
		if (quiet)
			pause_ms(1);
		if (quiet > 500)
			sent = in - before;
	}
	UNTIL(station_idle(from));
	for (unsigned int i = 0; i < STATIONS; i++)
		ck_assert_uint_eq(station[i].foreign + station[i].damaged, 0);
}

pid_t stations_worker(uint16_t domid)
{
	char path[HOST_PATH];
	pid_t pid = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/run/worker-%u", stations_host.dir,
		 domid);
	file = fopen(path, "re");
	if (file) {
		if (fscanf(file, "%d", &pid) != 1)
			pid = 0;
		fclose(file);
	}
	return pid;
}
