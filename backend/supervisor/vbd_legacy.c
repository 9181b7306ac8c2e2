// SPDX-License-Identifier: MIT
/*
 * What of a disk outlives its worker: that a flush has failed, and requests
 * that the kernel still has of a worker that is dead.
 *
 * Both are told by one file in the run directory. It is opened anew for each
 * worker, and locked: such a lock, of flock(2), is the opening's, and ends with
 * the last that refers to it. The worker maps the file, and registers it with
 * its io_uring, whose files are let go of when no request is under way any
 * more. So whoever gets the lock knows that the last worker is dead, that its
 * threads are out of their system calls, and that no write of its can land any
 * more behind one that the guest asks for later.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "device.h"
#include "record.h"

#define LOOK_AGAIN_USEC 10000u
#define LONG_USEC	1000000u
#define MAX_ERRNO	4095

/* A worker writes there: any number may be found. */
static int32_t errno_of(int32_t found)
{
	return found < 0 && found >= -MAX_ERRNO ? found : found ? -EIO : 0;
}

static int read_error(int fd, int32_t *error)
{
	int32_t found;

	_Static_assert(!offsetof(struct ipc_vbd_legacy, flush_error),
		       "it is what the file begins with");
	if (pread(fd, &found, sizeof(found), 0) != sizeof(found))
		return -EIO;
	*error = errno_of(found);
	return 0;
}

static int open_legacy(struct device *dev)
{
	int fd = record_legacy(dev->sv, &dev->key,
			       sizeof(struct ipc_vbd_legacy));

	if (fd < 0)
		device_log(dev, LOG_ERR, "no place for a flush error: %s",
			   strerror(-fd));
	return fd;
}

int vbd_read_legacy(struct device *dev, int32_t *error)
{
	int err, fd = open_legacy(dev);

	if (fd < 0)
		return fd;
	err = read_error(fd, error);
	close(fd);
	return err;
}

void vbd_drop_legacy(struct device *dev)
{
	struct vbd *vbd = &dev->vbd;

	vbd->legacy_timer = sd_event_source_unref(vbd->legacy_timer);
	vbd->legacy_since = 0;
	if (vbd->legacy > 0)
		close(vbd->legacy);
	vbd->legacy = 0;
}

static int look_again(sd_event_source *timer, uint64_t usec, void *userdata)
{
	(void)timer;
	(void)usec;
	device_schedule(userdata);
	return 0;
}

static int wait_for_legacy(struct device *dev)
{
	struct vbd *vbd = &dev->vbd;
	sd_event *event = dev->sv->event;
	uint64_t now = 0;

	sd_event_now(event, CLOCK_MONOTONIC, &now);
	if (!vbd->legacy_since)
		vbd->legacy_since = now;
	else if (now - vbd->legacy_since > LONG_USEC)
		device_log(dev, LOG_WARNING,
			   "%s has yet to finish what a worker that is gone "
			   "has begun",
			   vbd->open ? vbd->path : "its disk");
	vbd->legacy_timer = sd_event_source_unref(vbd->legacy_timer);
	return sd_event_add_time_relative(event, &vbd->legacy_timer,
					  CLOCK_MONOTONIC, LOOK_AGAIN_USEC, 0,
					  look_again, dev);
}

int vbd_take_legacy(struct device *dev)
{
	struct vbd *vbd = &dev->vbd;
	int fd, err;

	if (vbd->legacy)
		vbd_drop_legacy(dev);
	fd = open_legacy(dev);
	if (fd < 0)
		return fd;
	if (!flock(fd, LOCK_EX | LOCK_NB)) {
		vbd_drop_legacy(dev);
		vbd->legacy = fd;
		return 1;
	}
	err = -errno;
	close(fd);
	if (err == -EWOULDBLOCK)
		err = wait_for_legacy(dev);
	return err < 0 ? err : 0;
}

bool vbd_quiet(struct device *dev)
{
	/* What cannot be told is no reason to keep a device for ever. */
	return vbd_take_legacy(dev) != 0;
}
