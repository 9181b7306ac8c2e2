// SPDX-License-Identifier: MIT
/*
 * Texts that a guest or an administrator has written: every key of a device
 * as the supervisor reads it, a disk's URI, the configuration file, names of
 * switches, addresses.
 *
 * What has to hold: what is accepted lies within the bounds that the worker
 * and the table of keys name; what is refused comes with a reason, one line
 * of it, whatever the value.
 */
#include "common/desk.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/mac.h"
#include "backend/supervisor/keys.h"
#include "blkif.h"

#define LAST_PORT 131071u

/* ---- one text ---- */

static void parse_keys(const char *text)
{
	for (unsigned int key = 0; key < XPV_KEY_COUNT; key++) {
		const struct xpv_key_desc *desc = &xpv_keys[key];
		uint64_t value;

		if (desc->type == XPV_TYPE_TEXT ||
		    xpv_key_parse((enum xpv_key)key, text, &value))
			continue;
		FUZZ_CHECK(value >= desc->min && value <= desc->max);
		/* Nothing but digits means itself. */
		FUZZ_CHECK(strspn(text, "0123456789") == strlen(text));
	}
}

static void check_options(const struct disk_options *o)
{
	FUZZ_CHECK(o->cache < STORAGE_CACHES && o->full < STORAGE_FULLS &&
		   o->engine < STORAGE_ENGINES);
	FUZZ_CHECK(o->queues <= IPC_MAX_QUEUES);
	FUZZ_CHECK(o->ring_order <= XPV_BLKIF_MAX_RING_ORDER);
	FUZZ_CHECK(o->indirect <= XPV_BLKIF_MAX_SEGS);
	FUZZ_CHECK(!o->sector_size || o->sector_size == 512 ||
		   o->sector_size == 4096);
	FUZZ_CHECK(!(o->physical_sector_size & (o->physical_sector_size - 1)));
}

static void parse_target(const char *text)
{
	char path[DISK_PATH_MAX];
	struct disk_options o;
	struct reason why;

	disk_options_init(&o);
	memset(&why, 0, sizeof(why));
	if (disk_target_parse(text, path, &o, &why)) {
		FUZZ_CHECK(why.text[0] &&
			   memchr(why.text, 0, sizeof(why.text)));
		return;
	}
	FUZZ_CHECK(path[0] == '/' && memchr(path, 0, sizeof(path)));
	check_options(&o);
}

static void parse_names(const char *text)
{
	char name[SWITCH_NAME_MAX + 1];
	struct vlan_set vlans;
	struct guard guard;
	uint8_t mac[6];

	memset(&guard, 0, sizeof(guard));
	if (!vlan_parse(text, name, &vlans))
		FUZZ_CHECK(name[0] && memchr(name, 0, sizeof(name)));
	guard_parse(text, &guard);
	if (!mac_parse(text, mac))
		FUZZ_CHECK(strlen(text) == 17 && !(mac[0] & 1));
}

/* ---- the configuration file ---- */

static void parse_config(const uint8_t *data, size_t size)
{
	static struct config c;
	struct reason why;
	char path[64];
	int fd = memfd_create("conf", MFD_CLOEXEC);

	FUZZ_NEED(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	FUZZ_NEED(!lseek(fd, 0, SEEK_SET));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	memset(&why, 0, sizeof(why));
	if (config_read(path, &c, &why)) {
		FUZZ_CHECK(why.text[0] &&
			   memchr(why.text, 0, sizeof(why.text)));
	} else {
		check_options(&c.disk);
		FUZZ_CHECK(c.net.queues <= IPC_MAX_QUEUES);
		FUZZ_CHECK(c.switches.nr <= SWITCH_OPTIONS_MAX);
	}
	close(fd);
}

/* ---- the keys of a device ---- */

static void check_answer(int err, const struct reason *why)
{
	FUZZ_CHECK(err <= 0);
	if (err == -EINVAL)
		desk_check_reason(why);
}

static void check_vbd(const struct ipc_vbd_connect *c)
{
	FUZZ_CHECK(c->abi <= 1 && c->ring_order <= XPV_BLKIF_MAX_RING_ORDER);
	FUZZ_CHECK(c->nr_queues && c->nr_queues <= IPC_MAX_QUEUES);
	for (unsigned int q = 0; q < c->nr_queues; q++) {
		FUZZ_CHECK(c->queue[q].port && c->queue[q].port <= LAST_PORT);
		for (unsigned int i = 0; i < 1u << c->ring_order; i++)
			FUZZ_CHECK(c->queue[q].gref[i]);
	}
}

static void check_vif(const struct ipc_vif_connect *c)
{
	FUZZ_CHECK(c->nr_queues && c->nr_queues <= IPC_MAX_QUEUES);
	FUZZ_CHECK(c->tune.headroom <= IPC_VIF_MAX_HEADROOM);
	FUZZ_CHECK(!c->has_ctrl ||
		   (c->ctrl_gref && c->ctrl_port && c->ctrl_port <= LAST_PORT));
	for (unsigned int q = 0; q < c->nr_queues; q++) {
		FUZZ_CHECK(c->queue[q].tx_gref && c->queue[q].rx_gref);
		FUZZ_CHECK(c->queue[q].tx_port &&
			   c->queue[q].tx_port <= LAST_PORT);
		FUZZ_CHECK(c->queue[q].rx_port &&
			   c->queue[q].rx_port <= LAST_PORT);
	}
}

static void read_device(enum ipc_class class)
{
	struct device *dev = desk_device(class);
	struct reason why = {""};
	struct ipc_msg msg;
	int err;

	memset(&msg, 0, sizeof(msg));
	device_read(dev);
	check_answer(device_check_back(dev, &why), &why);
	check_answer(device_check_front(dev, &why), &why);
	err = dev->class->connect(dev, &msg, &why);
	check_answer(err, &why);
	if (!err && class == IPC_VBD)
		check_vbd(&msg.vbd_connect);
	else if (!err)
		check_vif(&msg.vif_connect);
	if (class == IPC_VIF) {
		check_answer(vif_read_mac(dev, &why), &why);
		return;
	}
	check_answer(vbd_read_mode(dev, &why), &why);
	/* An administrator's, who may put a line feed into a URI. */
	err = vbd_read_options(dev, &why);
	FUZZ_CHECK(err <= 0 && (err != -EINVAL || why.text[0]));
	if (!err)
		check_options(&dev->vbd.options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[WORD_MAX];
	struct input in = {data, size};
	uint8_t how = input_u8(&in);

	if (how == 'C') {
		parse_config(in.at, in.left);
		return 0;
	}
	if (how & 1) {
		words_text(&in, text);
		parse_keys(text);
		parse_target(text);
		parse_names(text);
		return 0;
	}
	words_load(&in);
	desk_start();
	read_device(how & 2 ? IPC_VBD : IPC_VIF);
	desk_stop();
	return 0;
}
