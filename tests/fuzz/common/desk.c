// SPDX-License-Identifier: MIT
#include "desk.h"

struct supervisor desk;

void desk_start(void)
{
	memset(&desk, 0, sizeof(desk));
	FUZZ_NEED(sd_event_default(&desk.event) >= 0);
	desk.hyper = words_hyper();
	disk_options_init(&desk.config.disk);
	net_options_init(&desk.config.net);
	FUZZ_NEED(devices_init(&desk) >= 0);
}

struct device *desk_device(enum ipc_class class)
{
	struct device_key key = {class, HOST_GUEST, 1};
	struct device *dev = device_get(&desk, &key);

	FUZZ_NEED(dev);
	return dev;
}

void desk_stop(void)
{
	devices_fini(&desk);
	sd_event_unref(desk.event);
}

void desk_check_reason(const struct reason *why)
{
	const char *end = memchr(why->text, '\0', sizeof(why->text));

	FUZZ_CHECK(end && end > why->text);
	for (const char *c = why->text; c < end; c++)
		FUZZ_CHECK((unsigned char)*c >= ' ');
}
