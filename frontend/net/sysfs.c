// SPDX-License-Identifier: GPL-2.0-only
/*
 * rxbuf_min, rxbuf_max, rxbuf_cur: attributes of the stock driver that tools
 * may look at. The number of receive buffers is the ring's and cannot be set;
 * as there, a write is taken and means nothing.
 */
#include <linux/capability.h>
#include <linux/device.h>
#include <linux/sysfs.h>

#include "netfront.h"

static ssize_t rxbuf_show(struct device *device, struct device_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "%u\n", XPV_NET_RING_SLOTS);
}

static ssize_t rxbuf_store(struct device *device,
			   struct device_attribute *attr, const char *buf,
			   size_t len)
{
	unsigned long value;
	int err;

	if (!capable(CAP_NET_ADMIN))
		return -EPERM;
	err = kstrtoul(buf, 0, &value);
	return err ?: len;
}

static struct device_attribute rxbuf_min =
	__ATTR(rxbuf_min, 0644, rxbuf_show, rxbuf_store);
static struct device_attribute rxbuf_max =
	__ATTR(rxbuf_max, 0644, rxbuf_show, rxbuf_store);
static struct device_attribute rxbuf_cur =
	__ATTR(rxbuf_cur, 0444, rxbuf_show, NULL);

static struct attribute *attrs[] = {
	&rxbuf_min.attr,
	&rxbuf_max.attr,
	&rxbuf_cur.attr,
	NULL,
};

const struct attribute_group xpv_net_sysfs = {.attrs = attrs};
