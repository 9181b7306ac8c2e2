// SPDX-License-Identifier: MIT
/* A network device whose `bridge` is a switch of ours: script=vif-xpv. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../port/tap_make.h"
#include "device.h"
#include "keys.h"
#include "uplink.h"

#define SCRIPT "vif-xpv"

/* The toolstack writes a path. */
static bool is_ours(const char *script)
{
	const char *name = script ? strrchr(script, '/') : NULL;

	return script && !strcmp(name ? name + 1 : script, SCRIPT);
}

static int read_bridge(struct device *dev, char name[SWITCH_NAME_MAX + 1],
		       struct vlan_set *vlans, struct reason *why)
{
	const char *expected = "a switch's name";
	char *text;
	int err =
		key_text(dev->sv->hyper, dev->back, XPV_KEY_BRIDGE, &text, why);

	if (err)
		return err;
	if (text)
		expected = vlan_parse(text, name, vlans);
	if (expected)
		key_complain(why, dev->back, XPV_KEY_BRIDGE, text, expected);
	free(text);
	return expected ? -EINVAL : 0;
}

static int read_addresses(struct device *dev, struct guard *guard,
			  struct reason *why)
{
	const char *expected = NULL;
	char *text;
	int err = key_text(dev->sv->hyper, dev->back, XPV_KEY_IP, &text, why);

	if (err)
		return err;
	if (text && *text)
		expected = guard_parse(text, guard);
	if (expected)
		key_complain(why, dev->back, XPV_KEY_IP, text, expected);
	free(text);
	return expected ? -EINVAL : 0;
}

static int join(struct device *dev, struct reason *why)
{
	struct lan_port *port = &dev->vif.port;
	char name[SWITCH_NAME_MAX + 1];
	int err = read_bridge(dev, name, &port->vlans, why);

	memset(&port->guard, 0, sizeof(port->guard));
	if (!err)
		err = vif_read_mac(dev, why);
	if (!err)
		err = read_addresses(dev, &port->guard, why);
	if (err)
		return err;
	port->guard.check_mac =
		switch_options_of(&dev->sv->config.switches, name).mac_guard;
	memcpy(port->guard.mac, dev->vif.mac, sizeof(port->guard.mac));
	err = lan_join(port, dev, name, why);
	if (!err)
		uplink_want(dev->sv, name);
	return err;
}

int vif_join_lan(struct device *dev, struct reason *why)
{
	char *script;
	bool ours;
	int err;

	if (dev->vif.port.lan)
		return 1;
	err = key_text(dev->sv->hyper, dev->back, XPV_KEY_SCRIPT, &script, why);
	if (err)
		return err;
	ours = is_ours(script);
	free(script);
	if (!ours)
		return 0;
	err = join(dev, why);
	return err ? err : 1;
}

uint32_t vif_lan_mtu(const struct device *dev)
{
	struct switch_options o = switch_options_of(
		&dev->sv->config.switches, lan_name(dev->vif.port.lan));

	return o.uplink ? tap_bridge_mtu(o.bridge) : 0;
}

int vif_tend_lan(struct device *dev, struct ipc_msg *msg, int *fds,
		 unsigned int *nr_fds)
{
	struct reason why;
	int err = 0;

	/* Of an earlier supervisor's: it has been prepared by that one. */
	if (dev->phase != PHASE_IDLE && !dev->vif.port.lan)
		err = vif_join_lan(dev, &why);
	/* What is wrong with its keys is none of its connection's. */
	if (err < 0 && err != -EINVAL)
		return err;
	return lan_tend(&dev->vif.port, msg, fds, nr_fds);
}
