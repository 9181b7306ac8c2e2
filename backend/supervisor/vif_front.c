// SPDX-License-Identifier: MIT
/* What the frontend of a network device has published, as the worker wants it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "keys.h"

/* Beyond them no rate limits anything, and products stay within bounds. */
#define RATE_MAX_BYTES (UINT64_C(1) << 48)
#define RATE_MAX_USEC  (UINT64_C(1) << 32)

static int read_split_ports(struct device *dev, const char *dir,
			    struct ipc_vif_queue *q, struct reason *why)
{
	struct hyper *h = dev->sv->hyper;
	int err = key_u32(h, dir, XPV_KEY_EVENT_CHANNEL_TX, &q->tx_port, why);
	char expected[64];

	if (!err)
		err = key_u32(h, dir, XPV_KEY_EVENT_CHANNEL_RX, &q->rx_port,
			      why);
	if (err || q->rx_port)
		return err;
	snprintf(expected, sizeof(expected), "a port, as there is %s",
		 xpv_key(XPV_KEY_EVENT_CHANNEL_TX));
	key_complain(why, dir, XPV_KEY_EVENT_CHANNEL_RX, NULL, expected);
	return -EINVAL;
}

/* Two channels if the frontend has made two, else one for both. */
static int read_ports(struct device *dev, const char *dir,
		      struct ipc_vif_queue *q, struct reason *why)
{
	struct hyper *h = dev->sv->hyper;
	int split = key_there(h, dir, XPV_KEY_EVENT_CHANNEL_TX, why);
	int err;

	if (split < 0)
		return split;
	if (split)
		return read_split_ports(dev, dir, q, why);
	err = key_u32(h, dir, XPV_KEY_EVENT_CHANNEL, &q->tx_port, why);
	q->rx_port = q->tx_port;
	return err;
}

static int read_queue(struct device *dev, const char *dir,
		      struct ipc_vif_queue *q, struct reason *why)
{
	struct hyper *h = dev->sv->hyper;
	int err = key_u32(h, dir, XPV_KEY_TX_RING_REF, &q->tx_gref, why);

	if (!err)
		err = key_u32(h, dir, XPV_KEY_RX_RING_REF, &q->rx_gref, why);
	if (!err)
		err = read_ports(dev, dir, q, why);
	return err;
}

static int read_queues(struct device *dev, struct ipc_vif_connect *c,
		       struct reason *why)
{
	char dir[PATH_MAX_STORE];
	int err = 0;

	if (c->nr_queues == 1)
		return read_queue(dev, dev->front, &c->queue[0], why);
	for (unsigned int i = 0; !err && i < c->nr_queues; i++) {
		err = key_path(dir, dev->front, XPV_KEY_QUEUE, i);
		if (!err)
			err = read_queue(dev, dir, &c->queue[i], why);
	}
	return err;
}

static int read_features(struct device *dev, struct ipc_vif_connect *c,
			 struct reason *why)
{
	bool copy, no_csum;
	const struct {
		enum xpv_key key;
		bool *flag;
	} wanted[] = {
		{XPV_KEY_REQUEST_RX_COPY, &copy},
		{XPV_KEY_FEATURE_SG, &c->sg},
		{XPV_KEY_FEATURE_GSO_TCPV4, &c->gso_tcpv4},
		{XPV_KEY_FEATURE_GSO_TCPV6, &c->gso_tcpv6},
		{XPV_KEY_FEATURE_NO_CSUM, &no_csum},
		{XPV_KEY_FEATURE_IPV6_CSUM, &c->csum_ipv6},
		{XPV_KEY_FEATURE_RX_NOTIFY, &c->rx_notify},
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(wanted) / sizeof(*wanted); i++)
		err = key_flag(dev->sv->hyper, dev->front, wanted[i].key,
			       wanted[i].flag, why);
	if (err)
		return err;
	c->csum_ipv4 = !no_csum;
	if (copy)
		return 0;
	key_complain(why, dev->front, XPV_KEY_REQUEST_RX_COPY, "0",
		     "1: the backend copies, it does not flip pages");
	return -EINVAL;
}

/* A ring by which the guest sets up its hash, if it wants one. */
static int read_ctrl(struct device *dev, struct ipc_vif_connect *c,
		     struct reason *why)
{
	struct hyper *h = dev->sv->hyper;
	int there = key_there(h, dev->front, XPV_KEY_CTRL_RING_REF, why);
	char expected[64];
	int err;

	if (there <= 0)
		return there;
	c->has_ctrl = true;
	err = key_u32(h, dev->front, XPV_KEY_CTRL_RING_REF, &c->ctrl_gref, why);
	if (!err)
		err = key_u32(h, dev->front, XPV_KEY_EVENT_CHANNEL_CTRL,
			      &c->ctrl_port, why);
	if (err || c->ctrl_port)
		return err;
	snprintf(expected, sizeof(expected), "a port, as there is %s",
		 xpv_key(XPV_KEY_CTRL_RING_REF));
	key_complain(why, dev->front, XPV_KEY_EVENT_CHANNEL_CTRL, NULL,
		     expected);
	return -EINVAL;
}

int vif_read_connect(struct device *dev, struct ipc_vif_connect *c,
		     struct reason *why)
{
	struct hyper *h = dev->sv->hyper;
	uint32_t offered, queues;
	/* Perhaps by a supervisor before us, whose limit was another. */
	int err = key_u32(h, dev->back, XPV_KEY_MQ_MAX_QUEUES, &offered, why);

	if (!err && offered > IPC_MAX_QUEUES)
		offered = IPC_MAX_QUEUES;
	if (!err)
		err = key_limit(h, dev->front, XPV_KEY_MQ_NUM_QUEUES, offered,
				&queues, why);
	if (err)
		return err;
	c->nr_queues = (uint8_t)queues;
	err = read_features(dev, c, why);
	if (!err)
		err = read_queues(dev, c, why);
	if (!err)
		err = read_ctrl(dev, c, why);
	if (!err)
		err = vif_read_tune(dev, &c->tune, why);
	return err;
}

/* ---- what may change while it is connected ---- */

/* "BYTES,USEC": libxl writes it from `rate` of xl's configuration. */
static int read_rate(struct device *dev, struct ipc_vif_tune *tune,
		     struct reason *why)
{
	char *text, end;
	int err = key_text(dev->sv->hyper, dev->back, XPV_KEY_RATE, &text, why);

	if (err || !text)
		return err;
	if (strspn(text, "0123456789,") != strlen(text) ||
	    sscanf(text, "%" SCNu64 ",%" SCNu64 "%c", &tune->rate_bytes,
		   &tune->rate_usec, &end) != 2 ||
	    !tune->rate_bytes || tune->rate_bytes > RATE_MAX_BYTES ||
	    tune->rate_usec > RATE_MAX_USEC) {
		key_complain(why, dev->back, XPV_KEY_RATE, text,
			     "BYTES,MICROSECONDS such as 62500,50000");
		err = -EINVAL;
	}
	/* As netback has it: no time, no limit. */
	if (!tune->rate_usec)
		tune->rate_bytes = 0;
	free(text);
	return err;
}

int vif_read_tune(struct device *dev, struct ipc_vif_tune *tune,
		  struct reason *why)
{
	struct hyper *h = dev->sv->hyper;
	uint32_t headroom;
	int err = read_rate(dev, tune, why);

	if (!err)
		err = key_flag(h, dev->front, XPV_KEY_REQUEST_MCAST,
			       &tune->multicast_filter, why);
	if (!err)
		err = key_u32(h, dev->front, XPV_KEY_XDP_HEADROOM, &headroom,
			      why);
	if (err)
		return err;
	tune->headroom = (uint16_t)(headroom < IPC_VIF_MAX_HEADROOM
					    ? headroom
					    : IPC_VIF_MAX_HEADROOM);
	return 0;
}
