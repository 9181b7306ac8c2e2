// SPDX-License-Identifier: MIT
/* The device table and the queue of devices to look at. */
#include "device.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "watch.h"

/* Devices looked at before other sources of the loop get their turn. */
#define TURN_DEVICES 32
#define RETRY_USEC   1000000u

static const struct device_class *const classes[] = {
	[IPC_VBD] = &vbd_class,
	[IPC_VIF] = &vif_class,
	[IPC_UPLINK] = &uplink_class,
};
#define NR_CLASSES (sizeof(classes) / sizeof(classes[0]))

const struct device_class *device_class_named(const char *name)
{
	for (size_t i = 0; i < NR_CLASSES; i++)
		if (!strcmp(classes[i]->name, name))
			return classes[i];
	return NULL;
}

void device_log(struct device *dev, int level, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log_charged(&dev->budget, level, dev->name, "%s", text);
}

static int run_pending(sd_event_source *turn, void *userdata)
{
	struct supervisor *sv = userdata;
	struct device *dev;

	for (int n = 0; n < TURN_DEVICES; n++) {
		dev = sv->store ? TAILQ_FIRST(&sv->pending) : NULL;
		if (!dev)
			return sd_event_source_set_enabled(turn, SD_EVENT_OFF);
		TAILQ_REMOVE(&sv->pending, dev, pending);
		dev->scheduled = false;
		device_step(dev);
	}
	return 0;
}

static int run_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	devices_schedule_all(userdata);
	return 0;
}

void devices_retry(struct supervisor *sv)
{
	sd_event_source_set_time_relative(sv->retry, RETRY_USEC);
	sd_event_source_set_enabled(sv->retry, SD_EVENT_ONESHOT);
}

int devices_init(struct supervisor *sv)
{
	int err;

	TAILQ_INIT(&sv->pending);
	err = sd_event_add_defer(sv->event, &sv->turn, run_pending, sv);
	if (err < 0)
		return err;
	/* Watches and answers first: what they say coalesces. */
	sd_event_source_set_priority(sv->turn, SD_EVENT_PRIORITY_IDLE);
	sd_event_source_set_enabled(sv->turn, SD_EVENT_OFF);
	err = sd_event_add_time_relative(sv->event, &sv->retry, CLOCK_MONOTONIC,
					 0, 0, run_retry, sv);
	if (err < 0)
		return err;
	return sd_event_source_set_enabled(sv->retry, SD_EVENT_OFF);
}

void devices_fini(struct supervisor *sv)
{
	struct device *dev, *after;

	HASH_ITER(hh, sv->devices, dev, after)
		device_free(dev);
	sd_event_source_unref(sv->turn);
	sd_event_source_unref(sv->retry);
}

void device_schedule(struct device *dev)
{
	struct supervisor *sv = dev->sv;

	if (dev->scheduled)
		return;
	dev->scheduled = true;
	TAILQ_INSERT_TAIL(&sv->pending, dev, pending);
	if (sv->store)
		sd_event_source_set_enabled(sv->turn, SD_EVENT_ON);
}

void devices_schedule_all(struct supervisor *sv)
{
	struct device *dev, *after;

	HASH_ITER(hh, sv->devices, dev, after)
		device_schedule(dev);
	/* Those that were waiting for the store, too. */
	if (sv->store && !TAILQ_EMPTY(&sv->pending))
		sd_event_source_set_enabled(sv->turn, SD_EVENT_ON);
}

void devices_schedule_guest(struct supervisor *sv, uint32_t domid)
{
	struct device *dev, *after;

	HASH_ITER(hh, sv->devices, dev, after)
		if (dev->key.domid == domid)
			device_schedule(dev);
}

struct device *device_find(struct supervisor *sv, const struct device_key *key)
{
	struct device *dev;

	HASH_FIND(hh, sv->devices, key, sizeof(*key), dev);
	return dev;
}

static int name_device(struct device *dev)
{
	const struct device_key *key = &dev->key;
	const char *class = dev->class->name;

	snprintf(dev->name, sizeof(dev->name), "%s %u/%u", class, key->domid,
		 key->handle);
	if (dev->class->step)
		return 0;
	if (asprintf(&dev->back, XPV_PATH_BACK, dev->sv->hyper->self, class,
		     key->domid, key->handle) < 0)
		return -ENOMEM;
	if (asprintf(&dev->front, XPV_PATH_FRONT, key->domid, class,
		     key->handle) < 0)
		return -ENOMEM;
	return 0;
}

struct device *device_get(struct supervisor *sv, const struct device_key *key)
{
	struct device *dev = device_find(sv, key);

	if (dev)
		return dev;
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return NULL;
	dev->sv = sv;
	dev->key = *key;
	dev->class = classes[key->class];
	log_budget_init(&dev->budget);
	if (name_device(dev)) {
		free(dev->back);
		free(dev);
		return NULL;
	}
	HASH_ADD(hh, sv->devices, key, sizeof(dev->key), dev);
	guest_adopt_device(dev);
	watch_front(dev);
	return dev;
}

void device_free(struct device *dev)
{
	struct supervisor *sv = dev->sv;
	uint32_t domid = dev->key.domid;

	unwatch_front(dev);
	dev->class->release(dev);
	if (dev->guest)
		LIST_REMOVE(dev, of_guest);
	if (dev->scheduled)
		TAILQ_REMOVE(&sv->pending, dev, pending);
	HASH_DEL(sv->devices, dev);
	free(dev->back);
	free(dev->front);
	free(dev);
	guest_device_freed(sv, domid);
}
