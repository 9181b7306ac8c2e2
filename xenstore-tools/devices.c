// SPDX-License-Identifier: MIT
#include "devices.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xenbus.h"

/* Device numbers of xen/include/public/io/blkif.h's "virtual-device". */
#define XVD_MAJOR    202u
#define XVD_EXTENDED (1u << 28)

static void put_text(json_t *device, const char *field, char *text)
{
	if (text && *text)
		json_object_set_new(device, field, json_string(text));
	free(text);
}

static char *read_key(struct hyper *h, const char *dir, enum xpv_key key)
{
	return hyper_readf(h, 0, "%s/%s", dir, xpv_key(key));
}

static void put_key(json_t *device, const char *field, struct hyper *h,
		    const char *dir, enum xpv_key key)
{
	put_text(device, field, read_key(h, dir, key));
}

static void put_state(json_t *device, const char *field, struct hyper *h,
		      const char *dir)
{
	char *text = read_key(h, dir, XPV_KEY_STATE);
	uint64_t state;
	const char *name = "gone";

	if (text && xpv_key_parse(XPV_KEY_STATE, text, &state))
		name = "invalid";
	else if (text)
		name = xpv_state_name((enum xpv_state)state);
	json_object_set_new(device, field, json_string(name));
	free(text);
}

/* 51712 is xvda, 51713 its first partition. */
static void disk_name(char *name, size_t size, uint32_t id)
{
	unsigned int disk, part;

	if (id & XVD_EXTENDED) {
		disk = (id & ~XVD_EXTENDED) >> 8;
		part = id & 0xff;
	} else {
		disk = (id & 0xff) >> 4;
		part = id & 0xf;
	}
	if ((!(id & XVD_EXTENDED) && id >> 8 != XVD_MAJOR) || disk >= 26)
		snprintf(name, size, "%u", id);
	else if (part)
		snprintf(name, size, "xvd%c%u", 'a' + disk, part);
	else
		snprintf(name, size, "xvd%c", 'a' + disk);
}

static void put_name(json_t *device, struct hyper *h, const char *class,
		     uint32_t id, const char *back)
{
	char *dev = read_key(h, back, XPV_KEY_DEV);
	char name[32];

	if (!strcmp(class, XPV_CLASS_VIF))
		snprintf(name, sizeof(name), "vif%u", id);
	else if (dev && *dev)
		snprintf(name, sizeof(name), "%.16s", dev);
	else
		disk_name(name, sizeof(name), id);
	free(dev);
	json_object_set_new(device, "device", json_string(name));
}

static void put_target(json_t *device, struct hyper *h, const char *back)
{
	char *path = read_key(h, back, XPV_KEY_PARAMS);

	if (!path || !*path) {
		free(path);
		path = read_key(h, back, XPV_KEY_PHYSICAL_DEVICE_PATH);
	}
	put_text(device, "target", path);
}

static json_t *read_device(struct hyper *h, const char *class, uint32_t domid,
			   uint32_t id)
{
	json_t *device = json_object();
	char back[256], front[256], domain[64];

	snprintf(back, sizeof(back), XPV_PATH_BACK, h->self, class, domid, id);
	snprintf(front, sizeof(front), XPV_PATH_FRONT, domid, class, id);
	snprintf(domain, sizeof(domain), XPV_PATH_DOMAIN, domid);
	json_object_set_new(device, "domid", json_integer(domid));
	put_key(device, "domain", h, domain, XPV_KEY_NAME);
	json_object_set_new(device, "class", json_string(class));
	json_object_set_new(device, "id", json_integer(id));
	put_name(device, h, class, id, back);
	put_state(device, "state", h, back);
	put_state(device, "frontend", h, front);
	if (!strcmp(class, XPV_CLASS_VBD)) {
		put_target(device, h, back);
		put_key(device, "mode", h, back, XPV_KEY_MODE);
	} else {
		put_key(device, "mac", h, back, XPV_KEY_MAC);
		put_key(device, "bridge", h, back, XPV_KEY_BRIDGE);
	}
	put_key(device, "error", h, back, XPV_KEY_ERROR);
	put_key(device, "hotplug_error", h, back, XPV_KEY_HOTPLUG_ERROR);
	put_key(device, "condition", h, back, XPV_KEY_CONDITION);
	return device;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Names of children that are numbers, in order; to be freed. */
static uint32_t *numbers(struct hyper *h, const char *dir, unsigned int *n)
{
	unsigned int nr_names = 0;
	char **names = h->ops->list(h, 0, dir, &nr_names);
	uint32_t *list = names ? calloc(nr_names + 1, sizeof(*list)) : NULL;
	char end;

	*n = 0;
	for (unsigned int i = 0; list && i < nr_names; i++)
		if (sscanf(names[i], "%" SCNu32 "%c", &list[*n], &end) == 1)
			(*n)++;
	if (list)
		qsort(list, *n, sizeof(*list), compare);
	free(names);
	return list;
}

static void read_class(json_t *devices, struct hyper *h, const char *class)
{
	unsigned int nr_guests, nr_ids;
	uint32_t *guests, *ids;
	char dir[256];

	snprintf(dir, sizeof(dir), XPV_PATH_BACKENDS, h->self, class);
	guests = numbers(h, dir, &nr_guests);
	for (unsigned int g = 0; g < nr_guests; g++) {
		snprintf(dir, sizeof(dir), XPV_PATH_BACKENDS "/%u", h->self,
			 class, guests[g]);
		ids = numbers(h, dir, &nr_ids);
		for (unsigned int i = 0; i < nr_ids; i++)
			json_array_append_new(devices,
					      read_device(h, class, guests[g],
							  ids[i]));
		free(ids);
	}
	free(guests);
}

json_t *devices_read(struct hyper *h)
{
	json_t *devices = json_array();

	read_class(devices, h, XPV_CLASS_VBD);
	read_class(devices, h, XPV_CLASS_VIF);
	return devices;
}

static bool is_number(const json_t *device, const char *field, const char *text)
{
	char number[32];

	snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
		 json_integer_value(json_object_get(device, field)));
	return !strcmp(number, text);
}

static bool is_text(const json_t *device, const char *field, const char *text)
{
	const char *value = json_string_value(json_object_get(device, field));

	return value && !strcmp(value, text);
}

bool devices_is(const json_t *device, const char *name)
{
	return is_text(device, "device", name) || is_number(device, "id", name);
}

bool devices_is_of(const json_t *device, const char *domain)
{
	return is_text(device, "domain", domain) ||
	       is_number(device, "domid", domain);
}
