// SPDX-License-Identifier: MIT
/*
 * The MTU of a network device: on a tap, the tap's, which the hotplug script
 * has set; on a switch, what the script would have said: the key's, or else
 * that of the bridge behind the switch's uplink.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../port/tap_make.h"
#include "device.h"
#include "keys.h"
#include "netif.h"

/* Without feature-sg a frame has one page, and no more than this in it. */
#define MTU_WITHOUT_SG 1500u
#define MTU_MIN	       68u /* of IPv4 */
#define MTU_MAX	       (XPV_NETIF_MAX_PACKET - XPV_NETIF_MIN_PACKET)

int vif_read_mtu(struct device *dev, uint32_t *mtu, struct reason *why)
{
	int there = key_there(dev->sv->hyper, dev->back, XPV_KEY_MTU, why);

	*mtu = 0;
	if (there <= 0)
		return there;
	return key_u32(dev->sv->hyper, dev->back, XPV_KEY_MTU, mtu, why);
}

/* The guest reads its MTU beside the key that vif-bridge has written. */
static void tell_mtu(struct device *dev, uint32_t mtu)
{
	int err = hyper_writef(dev->sv->hyper, 0, dev->front,
			       xpv_key(XPV_KEY_MTU), "%u", mtu);

	device_log(dev, LOG_INFO, "MTU %u", mtu);
	if (err)
		device_log(dev, LOG_WARNING, "%s/%s cannot be written: %s",
			   dev->front, xpv_key(XPV_KEY_MTU), strerror(-err));
}

/* ---- on a tap ---- */

/*
 * The interface follows the key when that changes; without one it has what the
 * script gave it, the bridge's. It never exceeds what the guest can take.
 */
static uint32_t wanted_mtu(struct device *dev, uint32_t key, uint32_t current)
{
	struct vif *vif = &dev->vif;
	uint32_t want = current;

	if (key && key != vif->mtu)
		want = key;
	else if (vif->unclamped && current == MTU_WITHOUT_SG)
		want = vif->unclamped;
	vif->mtu = key;
	vif->unclamped = 0;
	if (vif->sg || want <= MTU_WITHOUT_SG)
		return want;
	vif->unclamped = want;
	return MTU_WITHOUT_SG;
}

static int follow_on_tap(struct device *dev, uint32_t key, struct reason *why)
{
	uint32_t current, want;

	/* The tap of a supervisor before us is out of reach. */
	if (!dev->vif.nr_fds)
		return 0;
	if (dev->vif.sg && !dev->vif.unclamped && key == dev->vif.mtu)
		return 0;
	if (tap_mtu(dev->vif.fds[0], &current, why))
		return -EINVAL;
	want = wanted_mtu(dev, key, current);
	if (want == current)
		return 0;
	if (tap_set_mtu(dev->vif.fds[0], want, why))
		return -EINVAL;
	tell_mtu(dev, want);
	return 0;
}

/* ---- on a switch ---- */

static int follow_on_lan(struct device *dev, uint32_t key, struct reason *why)
{
	bool connected = dev->phase == PHASE_CONNECTED;
	char expected[32], value[16];
	uint32_t want = key;

	if (key && (key < MTU_MIN || key > MTU_MAX)) {
		snprintf(expected, sizeof(expected), "%u to %u", MTU_MIN,
			 MTU_MAX);
		snprintf(value, sizeof(value), "%u", key);
		key_complain(why, dev->back, XPV_KEY_MTU, value, expected);
		return -EINVAL;
	}
	if (!key)
		want = vif_lan_mtu(dev);
	if (connected && !dev->vif.sg && want > MTU_WITHOUT_SG)
		want = MTU_WITHOUT_SG;
	if (want && want != dev->vif.mtu)
		tell_mtu(dev, want);
	dev->vif.mtu = want;
	return 0;
}

int vif_follow_mtu(struct device *dev, struct reason *why)
{
	uint32_t key;
	int err = vif_read_mtu(dev, &key, why);

	if (err)
		return err;
	return dev->vif.port.lan ? follow_on_lan(dev, key, why)
				 : follow_on_tap(dev, key, why);
}
