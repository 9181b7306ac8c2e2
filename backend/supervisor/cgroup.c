// SPDX-License-Identifier: MIT
#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mntent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "log.h"
#include "supervisor.h"

/* Ours, at the top of the hierarchy, and in it one a guest. */
#define OWN_DIR		"xpv"
#define GUEST_DIR	"guest-%u"
#define PATH_BYTES	4096

#define CPU_PERIOD_USEC 100000u
#define CPU_WEIGHT	100u /* the kernel's default */

/* ---- files of a group ---- */

/* 0 or -errno. */
__attribute__((format(printf, 3, 4))) static int put(const char *dir,
						     const char *name,
						     const char *fmt, ...)
{
	char path[PATH_BYTES], text[64];
	va_list args;
	int fd, len, err = 0;

	va_start(args, fmt);
	len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= PATH_BYTES)
		return -ENAMETOOLONG;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, (size_t)len) != len)
		err = errno ? -errno : -EIO;
	close(fd);
	return err;
}

/* Processes that were killed for want of memory in it so far. */
static uint64_t oom_kills(const char *dir)
{
	char path[PATH_BYTES], line[128];
	uint64_t n = 0;
	FILE *file;

	if (snprintf(path, sizeof(path), "%s/memory.events", dir) >= PATH_BYTES)
		return 0;
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "oom_kill %" SCNu64, &n) == 1)
			break;
	fclose(file);
	return n;
}

/* ---- groups of our own ---- */

static void guest_dir(const struct supervisor *sv, uint32_t domid,
		      char dir[PATH_BYTES])
{
	snprintf(dir, PATH_BYTES, "%s/" GUEST_DIR, sv->cgroup_dir, domid);
}

/* Those whose workers ended while no supervisor was there; not those in use. */
static void remove_empty(const struct supervisor *sv)
{
	DIR *dir = opendir(sv->cgroup_dir);
	struct dirent *entry;
	unsigned int domid;
	char end, path[PATH_BYTES];

	while (dir && (entry = readdir(dir)))
		if (sscanf(entry->d_name, GUEST_DIR "%c", &domid, &end) == 1) {
			guest_dir(sv, domid, path);
			rmdir(path);
		}
	if (dir)
		closedir(dir);
}

/* One at a time: what a kernel was built without costs no other limit. */
static void want_controllers(const struct supervisor *sv, const char *dir,
			     bool complain)
{
	static const char *const controllers[] = {"memory", "pids", "cpu"};
	int err;

	for (size_t i = 0; i < sizeof(controllers) / sizeof(*controllers);
	     i++) {
		err = put(dir, "cgroup.subtree_control", "+%s", controllers[i]);
		if (err && complain)
			log_daemon(LOG_WARNING,
				   "control groups in %s know no %s: %s, and "
				   "workers have no such limit",
				   sv->cgroup_dir, controllers[i],
				   strerror(-err));
	}
}

static int own_groups(struct supervisor *sv, const char *top)
{
	if (mkdir(sv->cgroup_dir, 0755) && errno != EEXIST)
		return -errno;
	if (top)
		want_controllers(sv, top, false);
	want_controllers(sv, sv->cgroup_dir, true);
	remove_empty(sv);
	return 0;
}

/* The first error; a controller that is not there is none: the log has it. */
static void keep(int *err, int result)
{
	if (!*err && result != -ENOENT)
		*err = result;
}

/* All of them, as the group may have been there before. */
static int limit(const struct supervisor *sv, const char *dir)
{
	const struct worker_options *o = &sv->config.worker;
	int err = 0;

	keep(&err,
	     put(dir, "memory.max", "%" PRIu64, (uint64_t)o->memory << 20));
	keep(&err, put(dir, "pids.max", "%u", o->threads));
	keep(&err, put(dir, "cpu.weight", "%u",
		       o->cpu_weight ? o->cpu_weight : CPU_WEIGHT));
	if (o->cpu)
		keep(&err,
		     put(dir, "cpu.max", "%u %u",
			 CPU_PERIOD_USEC / 100 * o->cpu, CPU_PERIOD_USEC));
	else
		keep(&err, put(dir, "cpu.max", "max"));
	return err;
}

static int own_enter(const struct supervisor *sv, uint32_t domid, pid_t pid)
{
	char dir[PATH_BYTES];
	int err;

	guest_dir(sv, domid, dir);
	if (mkdir(dir, 0755) && errno != EEXIST)
		return -errno;
	err = limit(sv, dir);
	return err ? err : put(dir, "cgroup.procs", "%d", pid);
}

/* ---- where ---- */

/* Where version 2 is mounted; false: nowhere. */
static bool hierarchy(char dir[PATH_BYTES])
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *m = NULL;

	while (mounts && (m = getmntent(mounts)))
		if (!strcmp(m->mnt_type, "cgroup2"))
			break;
	if (m)
		snprintf(dir, PATH_BYTES, "%s", m->mnt_dir);
	if (mounts)
		endmntent(mounts);
	return m;
}

/* The group that a process is in, and for the dead: was in. */
static bool group_of(pid_t pid, char dir[PATH_BYTES])
{
	char path[64], line[PATH_BYTES], top[PATH_BYTES];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		found = !strncmp(line, "0::/", 4);
	}
	if (file)
		fclose(file);
	return found && hierarchy(top) &&
	       snprintf(dir, PATH_BYTES, "%s%s", top, line + 3) < PATH_BYTES;
}

void cgroup_init(struct supervisor *sv)
{
	char top[PATH_BYTES];
	bool given = sv->cgroup_dir;
	int err = -ENOENT;

	sv->cgroups = CGROUPS_OFF;
	if (given && !strcmp(sv->cgroup_dir, CGROUP_NONE))
		return;
	if (!given && sd_booted() > 0) {
		sv->cgroups = CGROUPS_SYSTEMD;
		return;
	}
	if (!given && hierarchy(top) &&
	    asprintf(&sv->cgroup_own, "%s/" OWN_DIR, top) > 0)
		sv->cgroup_dir = sv->cgroup_own;
	if (sv->cgroup_dir)
		err = own_groups(sv, given ? NULL : top);
	if (err)
		log_daemon(LOG_WARNING,
			   "no control groups of version 2 to be had in %s: "
			   "%s; workers have no limit on memory and "
			   "processors",
			   sv->cgroup_dir ? sv->cgroup_dir : "/proc/mounts",
			   strerror(-err));
	else
		sv->cgroups = CGROUPS_OWN;
}

void cgroup_complain(uint32_t domid, pid_t pid, int err)
{
	log_daemon(LOG_WARNING,
		   "worker %d of domain %u goes without limits on memory and "
		   "processors: its control group: %s",
		   pid, domid, strerror(-err));
}

void cgroup_enter(struct supervisor *sv, uint32_t domid, pid_t pid)
{
	int err = 0;

	if (sv->cgroups == CGROUPS_OWN)
		err = own_enter(sv, domid, pid);
	else if (sv->cgroups == CGROUPS_SYSTEMD)
		err = scope_enter(sv, domid, pid);
	if (err)
		cgroup_complain(domid, pid, err);
}

bool cgroup_leave(struct supervisor *sv, uint32_t domid, pid_t pid)
{
	char dir[PATH_BYTES];
	bool oom;

	if (sv->cgroups == CGROUPS_OWN) {
		guest_dir(sv, domid, dir);
		oom = oom_kills(dir);
		rmdir(dir);
		return oom;
	}
	return sv->cgroups == CGROUPS_SYSTEMD && group_of(pid, dir) &&
	       oom_kills(dir);
}
