// SPDX-License-Identifier: MIT
#include "record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../vif/stats.h"
#include "device.h"
#include "supervisor.h"

#define WORKER_FILE    "worker-%u"
#define DEVICE_FILE    "device-"
#define LEGACY_FILE    "legacy-"
#define DEVICE_NUMBERS "%u-%u-%u"
#define PATH_BYTES     4096

static void worker_path(char path[PATH_BYTES], struct supervisor *sv,
			uint32_t domid)
{
	snprintf(path, PATH_BYTES, "%s/" WORKER_FILE, sv->run_dir, domid);
}

static void device_path(char path[PATH_BYTES], struct supervisor *sv,
			const struct device_key *key)
{
	snprintf(path, PATH_BYTES, "%s/" DEVICE_FILE DEVICE_NUMBERS,
		 sv->run_dir, key->class, key->domid, key->handle);
}

int record_open(struct supervisor *sv)
{
	char path[PATH_BYTES];
	int fd, err;

	if (mkdir(sv->run_dir, 0700) && errno != EEXIST)
		return -errno;
	snprintf(path, sizeof(path), "%s/lock", sv->run_dir);
	/* Open for as long as we live: two would serve the same rings. */
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return 0;
	err = errno == EWOULDBLOCK ? -EBUSY : -errno;
	close(fd);
	return err;
}

int record_write(struct supervisor *sv, uint32_t domid, const struct record *r)
{
	char path[PATH_BYTES];
	FILE *file;

	worker_path(path, sv, domid);
	file = fopen(path, "we");
	if (!file)
		return -errno;
	fprintf(file, "%d %" PRIu64 " %" PRIu32 " %s\n", r->pid, r->start,
		r->ipc, r->vm);
	return fclose(file) ? -errno : 0;
}

int record_read(struct supervisor *sv, uint32_t domid, struct record *r)
{
	char path[PATH_BYTES];
	FILE *file;
	int got;

	*r = (struct record){0};
	worker_path(path, sv, domid);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	got = fscanf(file, "%d %" SCNu64 " %" SCNu32 " %256s", &r->pid,
		     &r->start, &r->ipc, r->vm);
	fclose(file);
	return got >= 3 ? 0 : -ENOENT;
}

void record_remove(struct supervisor *sv, uint32_t domid)
{
	char path[PATH_BYTES];

	worker_path(path, sv, domid);
	unlink(path);
}

/* An empty file. */
static int touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static void mark_path(char path[PATH_BYTES], struct supervisor *sv)
{
	snprintf(path, PATH_BYTES, "%s/marked", sv->run_dir);
}

int record_mark(struct supervisor *sv)
{
	char path[PATH_BYTES];

	mark_path(path, sv);
	return touch(path);
}

bool record_marked(struct supervisor *sv)
{
	char path[PATH_BYTES];

	mark_path(path, sv);
	return !access(path, F_OK);
}

int record_device(struct supervisor *sv, const struct device_key *key)
{
	char path[PATH_BYTES];

	device_path(path, sv, key);
	return touch(path);
}

static void stats_path(char path[PATH_BYTES], struct supervisor *sv,
		       const struct device_key *key)
{
	snprintf(path, PATH_BYTES, "%s/" VIF_STATS_FILE, sv->run_dir,
		 key->domid, key->handle);
}

int record_stats(struct supervisor *sv, const struct device_key *key)
{
	char path[PATH_BYTES];
	int fd;

	stats_path(path, sv, key);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

static void legacy_path(char path[PATH_BYTES], struct supervisor *sv,
			const struct device_key *key)
{
	snprintf(path, PATH_BYTES, "%s/" LEGACY_FILE DEVICE_NUMBERS,
		 sv->run_dir, key->class, key->domid, key->handle);
}

int record_legacy(struct supervisor *sv, const struct device_key *key,
		  size_t bytes)
{
	char path[PATH_BYTES];
	int fd, err;

	legacy_path(path, sv, key);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	/* What is there now a worker cannot find full later. */
	err = posix_fallocate(fd, 0, (off_t)bytes);
	if (err) {
		close(fd);
		return -err;
	}
	return fd;
}

void record_forget_legacy(struct supervisor *sv, const struct device_key *key)
{
	char path[PATH_BYTES];

	legacy_path(path, sv, key);
	unlink(path);
	stats_path(path, sv, key);
	if (key->class == IPC_VIF)
		unlink(path);
}

void record_forget_device(struct supervisor *sv, const struct device_key *key)
{
	char path[PATH_BYTES];

	device_path(path, sv, key);
	unlink(path);
}

void record_each_worker(struct supervisor *sv,
			void (*found)(struct supervisor *sv, uint32_t domid))
{
	DIR *dir = opendir(sv->run_dir);
	struct dirent *entry;
	unsigned int domid;
	char end;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (sscanf(entry->d_name, WORKER_FILE "%c", &domid, &end) == 1)
			found(sv, domid);
	closedir(dir);
}

static void each_named(struct supervisor *sv, const char *kind,
		       void (*found)(struct supervisor *sv,
				     const struct device_key *key))
{
	DIR *dir = opendir(sv->run_dir);
	struct device_key key;
	struct dirent *entry;
	size_t len = strlen(kind);
	char end;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (!strncmp(entry->d_name, kind, len) &&
		    sscanf(entry->d_name + len, DEVICE_NUMBERS "%c", &key.class,
			   &key.domid, &key.handle, &end) == 3 &&
		    key.class < IPC_CLASSES)
			found(sv, &key);
	closedir(dir);
}

void record_each_device(struct supervisor *sv,
			void (*found)(struct supervisor *sv,
				      const struct device_key *key))
{
	each_named(sv, DEVICE_FILE, found);
}

void record_each_legacy(struct supervisor *sv,
			void (*found)(struct supervisor *sv,
				      const struct device_key *key))
{
	each_named(sv, LEGACY_FILE, found);
}
