// SPDX-License-Identifier: MIT
#include "watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "device.h"
#include "guest.h"
#include "keys.h"
#include "record.h"

/*
 * Watch events taken before devices get their turn. Many: an event that is
 * taken costs nothing but a mark, one that waits costs memory (XSA-349).
 */
#define TURN_EVENTS 65536
#define RETRY_USEC  1000000u

/* Tokens: the class's name, a frontend's "f CLASS DOMID HANDLE", or this. */
#define TOKEN_RELEASE "release"
#define TOKEN_FRONT   "f %u %u %u"
#define TOKEN_BYTES   64

static int lose_store(struct supervisor *sv, int err);

/* ---- what is there ---- */

static void found(struct supervisor *sv, const struct device_key *key)
{
	struct device *dev = device_get(sv, key);

	if (dev)
		device_schedule(dev);
	else
		log_daemon(LOG_ERR, "out of memory for a device of domain %u",
			   key->domid);
}

/* A name that is a number as libxl writes it, or not ours to judge. */
static bool number(const char *name, uint32_t *value)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(name, &end, 10);
	*value = (uint32_t)n;
	return !errno && end != name && !*end && n <= UINT32_MAX &&
	       *name >= '0' && *name <= '9';
}

/* The children of @dir whose names are numbers. */
static void each_number(struct supervisor *sv, struct device_key *key,
			uint32_t *part, const char *dir,
			void (*each)(struct supervisor *sv,
				     struct device_key *key))
{
	unsigned int n;
	char **names = sv->hyper->ops->list(sv->hyper, 0, dir, &n);

	for (unsigned int i = 0; names && i < n; i++)
		if (number(names[i], part))
			each(sv, key);
	free(names);
}

static void scan_device(struct supervisor *sv, struct device_key *key)
{
	found(sv, key);
}

static const char *class_name(uint32_t class)
{
	return class == IPC_VBD ? vbd_class.name : vif_class.name;
}

static void scan_guest(struct supervisor *sv, struct device_key *key)
{
	char dir[PATH_MAX_STORE];

	snprintf(dir, sizeof(dir), XPV_PATH_BACKENDS "/%u", sv->hyper->self,
		 class_name(key->class), key->domid);
	each_number(sv, key, &key->handle, dir, scan_device);
}

static void scan_class(struct supervisor *sv, uint32_t class)
{
	struct device_key key = {.class = class};
	char dir[PATH_MAX_STORE];

	snprintf(dir, sizeof(dir), XPV_PATH_BACKENDS, sv->hyper->self,
		 class_name(class));
	each_number(sv, &key, &key.domid, dir, scan_guest);
}

/* ---- events ---- */

/* @rest: what of the path follows .../backend/CLASS. */
static void back_event(struct supervisor *sv, uint32_t class, const char *rest)
{
	struct device_key key = {.class = class};
	char sep = '/';
	int got;

	got = sscanf(rest, "/%u/%u%c", &key.domid, &key.handle, &sep);
	if (got >= 2 && sep == '/') {
		/* What is gone is of interest only if we knew it. */
		if (device_find(sv, &key) || got == 3)
			found(sv, &key);
		else
			scan_guest(sv, &key);
		return;
	}
	/* A whole guest's, or all: look for new ones, and at those we know. */
	if (got == 1) {
		devices_schedule_guest(sv, key.domid);
		scan_guest(sv, &key);
	} else if (!*rest) {
		devices_schedule_all(sv);
		scan_class(sv, class);
	}
}

static void serve_event(struct supervisor *sv,
			const struct hyper_watch_event *event)
{
	const struct device_class *class = device_class_named(event->token);
	struct device_key key;
	struct device *dev;
	char dir[64];
	int len;

	if (!strcmp(event->token, TOKEN_RELEASE)) {
		devices_schedule_all(sv);
		return;
	}
	if (sscanf(event->token, TOKEN_FRONT, &key.class, &key.domid,
		   &key.handle) == 3) {
		dev = device_find(sv, &key);
		if (dev)
			device_schedule(dev);
		return;
	}
	if (!class)
		return;
	len = snprintf(dir, sizeof(dir), XPV_PATH_BACKENDS, sv->hyper->self,
		       class->name);
	if (!strncmp(event->path, dir, (size_t)len))
		back_event(sv, class->id, event->path + len);
}

static int on_store(sd_event_source *source, int fd, uint32_t events,
		    void *userdata)
{
	static struct hyper_watch_event event;
	struct supervisor *sv = userdata;
	int err;

	(void)source;
	(void)fd;
	for (int n = 0; n < TURN_EVENTS; n++) {
		err = sv->hyper->ops->next_watch(sv->hyper, &event);
		if (err == -EAGAIN && !(events & EPOLLHUP))
			return 0;
		if (err)
			return lose_store(sv, err);
		serve_event(sv, &event);
	}
	return 0;
}

/* ---- watches ---- */

static void front_token(const struct device *dev, char token[TOKEN_BYTES])
{
	snprintf(token, TOKEN_BYTES, TOKEN_FRONT, dev->key.class,
		 dev->key.domid, dev->key.handle);
}

/* Each key of the frontend's that is watched, `state` last. */
static void each_front_key(struct device *dev,
			   int (*each)(struct hyper *h, const char *path,
				       const char *token))
{
	static const enum xpv_key only_state = XPV_KEY_STATE;
	const enum xpv_key *key = dev->class->front_keys;
	char path[PATH_MAX_STORE], token[TOKEN_BYTES];
	int err;

	front_token(dev, token);
	for (key = key ? key : &only_state;; key++) {
		err = key_path(path, dev->front, *key, 0);
		if (!err)
			err = each(dev->sv->hyper, path, token);
		if (err && err != -EEXIST && err != -ENOENT)
			device_log(dev, LOG_ERR, "%s cannot be watched: %s",
				   path, strerror(-err));
		if (*key == XPV_KEY_STATE)
			return;
	}
}

void watch_front(struct device *dev)
{
	if (dev->class->step)
		return;
	each_front_key(dev, dev->sv->hyper->ops->watch);
}

void unwatch_front(struct device *dev)
{
	if (dev->class->step)
		return;
	if (dev->sv->store)
		each_front_key(dev, dev->sv->hyper->ops->unwatch);
}

static int watch_class(struct supervisor *sv, const struct device_class *class)
{
	char dir[PATH_MAX_STORE];

	snprintf(dir, sizeof(dir), XPV_PATH_BACKENDS, sv->hyper->self,
		 class->name);
	return sv->hyper->ops->watch(sv->hyper, dir, class->name);
}

/* The first event of each watch comes at once and makes us look. */
static int watch_all(struct supervisor *sv)
{
	struct device *dev, *after;
	int err = watch_class(sv, &vbd_class);

	if (!err)
		err = watch_class(sv, &vif_class);
	if (err)
		return err;
	err = sv->hyper->ops->watch(sv->hyper, XPV_WATCH_RELEASE,
				    TOKEN_RELEASE);
	/* Not for a driver domain: the toolstack closes its devices. */
	if (err && err != -EACCES)
		return err;
	HASH_ITER(hh, sv->devices, dev, after)
		watch_front(dev);
	return 0;
}

/* ---- what the store remembers ---- */

static void mark_run_dir(struct supervisor *sv)
{
	int err = record_mark(sv);

	if (err)
		log_daemon(LOG_WARNING,
			   "the run directory cannot be marked: %s",
			   strerror(-err));
}

/*
 * An xenstored that was killed, and not updated in place, begins with nothing,
 * and the guests go on. That their devices are not there then does not mean
 * that anybody has removed them. A mark in the store, and another one in the
 * run directory that the first was made, tell such a store: it has no mark,
 * and gets none before the next boot, so that the supervisor after us knows it
 * too.
 */
static int remember(struct supervisor *sv)
{
	const struct hyper_ops *ops = sv->hyper->ops;
	char path[PATH_MAX_STORE], *text;
	int err;

	snprintf(path, sizeof(path), XPV_PATH_MARK, sv->hyper->self);
	text = ops->read(sv->hyper, 0, path);
	err = text ? 0 : -errno;
	free(text);
	sv->forgetful = err == -ENOENT && record_marked(sv);
	if (sv->forgetful)
		log_daemon(LOG_WARNING,
			   "the store has forgotten everything: guests are "
			   "served on as long as their workers live");
	if ((err && err != -ENOENT) || sv->forgetful)
		return err == -ENOENT ? 0 : err;
	if (err)
		err = ops->write(sv->hyper, 0, path, "1");
	if (!err) {
		mark_run_dir(sv);
		return 0;
	}
	/* Then we cannot tell, and believe what it says. */
	log_daemon(LOG_WARNING, "%s cannot be written: %s", path,
		   strerror(-err));
	return 0;
}

/* ---- the connection ---- */

static int open_store(struct supervisor *sv)
{
	struct hyper *h = hyper_open(sv->hyper_spec, HYPER_STORE);
	int err;

	if (!h)
		return errno ? -errno : -EIO;
	/* A new store does not know yet which domain is which. */
	if (sv->hyper && sv->hyper->self != h->self) {
		hyper_close(h);
		return -EAGAIN;
	}
	hyper_close(sv->hyper);
	sv->hyper = h;
	err = sd_event_add_io(sv->event, &sv->store,
			      sv->hyper->ops->store_fd(sv->hyper), EPOLLIN,
			      on_store, sv);
	if (err >= 0)
		err = watch_all(sv);
	if (err >= 0)
		err = remember(sv);
	if (err < 0)
		sv->store = sd_event_source_unref(sv->store);
	return err < 0 ? err : 0;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct supervisor *sv = userdata;

	(void)usec;
	if (!open_store(sv)) {
		log_daemon(LOG_INFO, "the store is back");
		devices_schedule_all(sv);
		return 0;
	}
	sd_event_source_set_time_relative(source, RETRY_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/*
 * xenstored went away: I/O goes on, and we come back when it does. Until then
 * whatever is asked of the broken handle fails, and is put off.
 */
static int lose_store(struct supervisor *sv, int err)
{
	struct device *dev, *after;

	log_daemon(LOG_ERR, "the store is lost: %s", strerror(-err));
	sv->store = sd_event_source_unref(sv->store);
	HASH_ITER(hh, sv->devices, dev, after)
		dev->found = false;
	sd_event_source_set_time_relative(sv->store_retry, RETRY_USEC);
	return sd_event_source_set_enabled(sv->store_retry, SD_EVENT_ONESHOT);
}

int watch_init(struct supervisor *sv)
{
	int err =
		sd_event_add_time_relative(sv->event, &sv->store_retry,
					   CLOCK_MONOTONIC, 0, 0, on_retry, sv);

	if (err < 0)
		return err;
	sd_event_source_set_enabled(sv->store_retry, SD_EVENT_OFF);
	return open_store(sv);
}

void watch_fini(struct supervisor *sv)
{
	sv->store = sd_event_source_unref(sv->store);
	hyper_close(sv->hyper);
	sv->hyper = NULL;
}
