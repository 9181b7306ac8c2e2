// SPDX-License-Identifier: MIT
#include "size_watch.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "device.h"

#define UEVENT_GROUP 1
#define UEVENT_BYTES 8192
/* Taken in one turn of the loop: it is level-triggered. */
#define TURN_UEVENTS 64

struct size_watch {
	int inotify;
	int uevent; /* -1: none to be had, as in a container */
	sd_event_source *file;
	sd_event_source *device;
};

static void each_vbd(struct supervisor *sv,
		     bool (*is)(const struct device *dev, const void *arg),
		     const void *arg)
{
	struct device *dev, *after;

	HASH_ITER(hh, sv->devices, dev, after)
		if (dev->key.class == IPC_VBD && dev->vbd.open && is(dev, arg))
			vbd_size_may_differ(dev);
}

/* ---- files ---- */

static bool has_watch(const struct device *dev, const void *arg)
{
	return dev->vbd.size_watch == *(const int *)arg;
}

static bool is_any(const struct device *dev, const void *arg)
{
	(void)arg;
	return dev->vbd.size_watch >= 0;
}

static int on_file(sd_event_source *source, int fd, uint32_t events,
		   void *userdata)
{
	char space[4096] __attribute__((aligned(8)));
	const struct inotify_event *event;
	ssize_t len = read(fd, space, sizeof(space));

	(void)source;
	(void)events;
	for (char *at = space; at < space + len; at += event->len) {
		event = (const void *)at;
		at += sizeof(*event);
		if (event->mask & IN_Q_OVERFLOW)
			each_vbd(userdata, is_any, NULL);
		else
			each_vbd(userdata, has_watch, &event->wd);
	}
	return 0;
}

static void watch_file(struct device *dev, struct size_watch *w)
{
	char path[64];

	/* The file that is open, whatever its name means by now. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d",
		 dev->vbd.disk.target.fd);
	dev->vbd.size_watch =
		inotify_add_watch(w->inotify, path, IN_CLOSE_WRITE);
}

/* Two disks on one file have one watch. */
static bool is_shared(const struct device *dev)
{
	struct device *other, *after;

	HASH_ITER(hh, dev->sv->devices, other, after)
		if (other != dev && other->key.class == IPC_VBD &&
		    other->vbd.open &&
		    other->vbd.size_watch == dev->vbd.size_watch)
			return true;
	return false;
}

void size_watch_add(struct device *dev)
{
	dev->vbd.size_watch = -1;
	if (!dev->vbd.disk.target.is_block)
		watch_file(dev, dev->sv->size_watch);
}

void size_watch_del(struct device *dev)
{
	if (dev->vbd.size_watch >= 0 && !is_shared(dev))
		inotify_rm_watch(dev->sv->size_watch->inotify,
				 dev->vbd.size_watch);
	dev->vbd.size_watch = -1;
}

/* ---- block devices ---- */

static bool has_number(const struct device *dev, const void *arg)
{
	const struct target *t = &dev->vbd.disk.target;

	return t->is_block && t->device == *(const dev_t *)arg;
}

static bool is_device(const struct device *dev, const void *arg)
{
	(void)arg;
	return dev->vbd.disk.target.is_block;
}

/* "ACTION@PATH", then "KEY=VALUE", each with a NUL. */
static bool parse_uevent(const char *text, const char *end, dev_t *number)
{
	bool change = false, block = false;
	unsigned int major = 0, minor = 0;

	for (; text < end; text += strlen(text) + 1) {
		change |= !strcmp(text, "ACTION=change");
		block |= !strcmp(text, "SUBSYSTEM=block");
		sscanf(text, "MAJOR=%u", &major);
		sscanf(text, "MINOR=%u", &minor);
	}
	*number = makedev(major, minor);
	return change && block;
}

static int on_device(sd_event_source *source, int fd, uint32_t events,
		     void *userdata)
{
	char text[UEVENT_BYTES + 1];
	struct sockaddr_nl from;
	socklen_t size;
	ssize_t len;
	dev_t number;

	(void)source;
	(void)events;
	for (int n = 0; n < TURN_UEVENTS; n++) {
		size = sizeof(from);
		len = recvfrom(fd, text, UEVENT_BYTES, 0,
			       (struct sockaddr *)&from, &size);
		if (len < 0 && errno == ENOBUFS)
			each_vbd(userdata, is_device, NULL);
		if (len <= 0)
			break;
		text[len] = '\0';
		/* Of the kernel alone. */
		if (!from.nl_pid && parse_uevent(text, text + len, &number))
			each_vbd(userdata, has_number, &number);
	}
	return 0;
}

static int open_uevent(void)
{
	const struct sockaddr_nl addr = {
		.nl_family = AF_NETLINK,
		.nl_groups = UEVENT_GROUP,
	};
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_KOBJECT_UEVENT);

	if (fd >= 0 && bind(fd, (const struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* ---- life ---- */

int size_watch_init(struct supervisor *sv)
{
	struct size_watch *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	sv->size_watch = w;
	w->uevent = open_uevent();
	if (w->uevent < 0)
		log_daemon(LOG_WARNING,
			   "no uevents: %s; a block device that grows needs "
			   "'xpv resize'",
			   strerror(errno));
	w->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->inotify < 0)
		return -errno;
	err = sd_event_add_io(sv->event, &w->file, w->inotify, EPOLLIN, on_file,
			      sv);
	if (err >= 0 && w->uevent >= 0)
		err = sd_event_add_io(sv->event, &w->device, w->uevent, EPOLLIN,
				      on_device, sv);
	return err;
}

void size_watch_fini(struct supervisor *sv)
{
	struct size_watch *w = sv->size_watch;

	if (!w)
		return;
	sd_event_source_unref(w->file);
	sd_event_source_unref(w->device);
	close(w->inotify);
	if (w->uevent >= 0)
		close(w->uevent);
	free(w);
}
