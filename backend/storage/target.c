// SPDX-License-Identifier: MIT
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../reason.h"

#define SECTOR 512u
#define PAGE   4096u
/* O_NONBLOCK: not to hang should it have become a FIFO, nor move a drive's
 * tray. */
#define OPEN_FLAGS (O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

static int fail(struct reason *why, const char *path, int err, const char *what)
{
	reason_set(why, "%s: %s", path, what);
	return -err;
}

/* Looked at before it is opened: opening a device may set something off. */
static int check_kind(const struct stat *st, const char *path,
		      struct reason *why)
{
	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
	case S_IFBLK:
		return 0;
	case S_IFDIR:
		return fail(why, path, EISDIR, "is a directory");
	case S_IFIFO:
		return fail(why, path, ENOTBLK,
			    "is a FIFO, not a file or block device");
	case S_IFCHR:
		return fail(why, path, ENOTBLK,
			    "is a character device, not a file or block "
			    "device");
	default:
		return fail(why, path, ENOTBLK,
			    "is neither a file nor a block device");
	}
}

static int open_path(const char *path, bool read_only, bool direct,
		     struct reason *why)
{
	int flags = OPEN_FLAGS | (read_only ? O_RDONLY : O_RDWR);
	struct stat st;
	int fd, err;

	if (stat(path, &st))
		return fail(why, path, errno, strerror(errno));
	err = check_kind(&st, path, why);
	if (err)
		return err;
	fd = open(path, flags | (direct ? O_DIRECT : 0));
	if (fd >= 0)
		return fd;
	err = errno;
	if (err == EINVAL && direct)
		return fail(why, path, err,
			    "direct I/O is not possible on its file system");
	reason_set(why, "%s: cannot be opened for %s: %s", path,
		   read_only ? "reading" : "reading and writing",
		   strerror(err));
	return -err;
}

static void look_at_file(struct target *t, const struct stat *st)
{
	struct statx stx;

	t->size = (uint64_t)st->st_size;
	t->logical_sector_size = SECTOR;
	t->physical_sector_size = st->st_blksize >= PAGE ? PAGE : SECTOR;
#ifdef STATX_DIOALIGN
	/* A file system on a disk of 4096-byte sectors takes no less. */
	if (t->direct &&
	    !statx(t->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) &&
	    stx.stx_mask & STATX_DIOALIGN &&
	    stx.stx_dio_offset_align > t->logical_sector_size)
		t->logical_sector_size = stx.stx_dio_offset_align;
#else
	(void)stx;
#endif
	/* Behind the end there is nothing to lose: this only asks. */
	if (!t->read_only &&
	    !fallocate(t->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		       st->st_size, PAGE))
		t->discard_granularity = PAGE;
}

/* A number in sysfs of a disk, or of the disk around a partition. */
static uint32_t sysfs_limit(dev_t dev, const char *name)
{
	static const char *const format[] = {
		"/sys/dev/block/%u:%u/%s",
		"/sys/dev/block/%u:%u/../%s",
	};
	char path[128];
	uint64_t value;
	FILE *file;
	int i, got;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), format[i], major(dev), minor(dev),
			 name);
		file = fopen(path, "re");
		if (!file)
			continue;
		got = fscanf(file, "%" SCNu64, &value);
		fclose(file);
		if (got == 1)
			return value > UINT32_MAX ? UINT32_MAX
						  : (uint32_t)value;
	}
	return 0;
}

/*
 * A range that is none, to see what is said of it first: EINVAL from Linux
 * 5.19 on means that it could be. Nothing is lost, whoever answers what.
 */
static bool can_discard_securely(int fd)
{
	uint64_t range[2] = {1, 0};

	return ioctl(fd, BLKSECDISCARD, range) && errno == EINVAL;
}

static void look_at_discard(struct target *t)
{
	if (t->read_only || !sysfs_limit(t->device, "queue/discard_max_bytes"))
		return;
	t->discard_granularity =
		sysfs_limit(t->device, "queue/discard_granularity");
	if (t->discard_granularity < t->logical_sector_size)
		t->discard_granularity = t->logical_sector_size;
	/* Of a whole disk Linux from 5.19 on says here how its sectors lie. */
	t->discard_alignment = sysfs_limit(t->device, "discard_alignment");
	t->discard_secure = can_discard_securely(t->fd);
}

static int look_at_device(struct target *t, const struct stat *st)
{
	unsigned int physical;
	int logical;

	if (ioctl(t->fd, BLKGETSIZE64, &t->size) ||
	    ioctl(t->fd, BLKSSZGET, &logical) ||
	    ioctl(t->fd, BLKPBSZGET, &physical))
		return -errno;
	t->is_block = true;
	t->logical_sector_size = (uint32_t)logical;
	t->physical_sector_size = physical;
	t->device = st->st_rdev;
	look_at_discard(t);
	return 0;
}

/* Means nothing to a file or disk; is for the open alone. */
static void drop_nonblock(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

/* Not by its path, which may be another file's by now. */
static int open_twin(struct target *t, const char *path, struct reason *why)
{
	int flags = OPEN_FLAGS | (t->read_only ? O_RDONLY : O_RDWR);
	char link[32];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", t->fd);
	t->twin = open(link, flags | (t->direct ? O_DIRECT : 0));
	if (t->twin < 0)
		return fail(why, path, errno, strerror(errno));
	drop_nonblock(t->twin);
	return 0;
}

static int look(struct target *t, const char *path, struct reason *why)
{
	struct stat st;
	int err;

	if (fstat(t->fd, &st))
		return fail(why, path, errno, strerror(errno));
	err = check_kind(&st, path, why);
	if (err)
		return err;
	drop_nonblock(t->fd);
	if (S_ISBLK(st.st_mode)) {
		err = look_at_device(t, &st);
		if (err)
			return fail(why, path, -err, strerror(-err));
	} else {
		look_at_file(t, &st);
	}
	if (!t->size)
		return fail(why, path, ENODATA, "is empty");
	if (t->size % SECTOR) {
		reason_set(why,
			   "%s: its size, %" PRIu64
			   " bytes, is not a multiple of %u",
			   path, t->size, SECTOR);
		return -EINVAL;
	}
	return 0;
}

int target_open(const char *path, bool read_only, bool direct, struct target *t,
		struct reason *why)
{
	int err;

	memset(t, 0, sizeof(*t));
	t->read_only = read_only;
	t->direct = direct;
	t->twin = -1;
	t->fd = open_path(path, read_only, direct, why);
	if (t->fd < 0) {
		err = t->fd;
		t->fd = -1;
		return err;
	}
	err = look(t, path, why);
	if (!err)
		err = open_twin(t, path, why);
	if (err)
		target_close(t);
	return err;
}

void target_close(struct target *t)
{
	if (t->fd >= 0)
		close(t->fd);
	if (t->twin >= 0)
		close(t->twin);
	t->fd = t->twin = -1;
}

uint64_t target_size(const struct target *t)
{
	off_t end = lseek(t->fd, 0, SEEK_END); /* block devices, too */

	return end > 0 ? (uint64_t)end : 0;
}
