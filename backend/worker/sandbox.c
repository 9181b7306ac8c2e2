// SPDX-License-Identifier: MIT
#include "sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/landlock.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static int own_namespaces(uint32_t uid)
{
	(void)uid;
	return unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC |
		       CLONE_NEWUTS | CLONE_NEWCGROUP);
}

/*
 * An empty tmpfs becomes the root, and the old one goes with all that hung on
 * it. Descriptors that we hold stay good. /dev, which is always there, is only
 * where the new root hangs for a moment, seen by nobody else.
 *
 * A host that runs from its initramfs has a root that cannot go: there the new
 * one covers it for good. What is unmounted in the host goes here too.
 */
static int empty_root(uint32_t uid)
{
	const unsigned long flags =
		MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY;

	(void)uid;
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) ||
	    mount("none", "/dev", "tmpfs", flags,
		  "size=4k,nr_inodes=2,mode=0555") ||
	    chdir("/dev"))
		return -1;
	/* Both in one place: the old root then lies over the new one. */
	if (!syscall(SYS_pivot_root, ".", "."))
		return umount2(".", MNT_DETACH) || chdir("/") ? -1 : 0;
	if (errno != EINVAL || mount(".", "/", NULL, MS_MOVE, NULL))
		return -1;
	return chroot(".") || chdir("/") ? -1 : 0;
}

static int limits(uint32_t uid)
{
	const struct rlimit none = {0, 0};
	struct rlimit files;

	(void)uid;
	if (getrlimit(RLIMIT_NOFILE, &files))
		return -1;
	if (files.rlim_max > SANDBOX_FILES)
		files.rlim_max = SANDBOX_FILES;
	if (files.rlim_cur > files.rlim_max)
		files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files))
		return -1;
	if (setrlimit(RLIMIT_CORE, &none) || setrlimit(RLIMIT_MSGQUEUE, &none))
		return -1;
	return prctl(PR_SET_DUMPABLE, 0);
}

/* Leaving uid 0 empties the other sets; this one would survive. */
static int no_bounding_set(uint32_t uid)
{
	(void)uid;
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap))
			return -1;
	return 0;
}

static int identity(uint32_t uid)
{
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) ||
	    setresuid(uid, uid, uid))
		return -1;
	/* setuid() may have said yes and not done it, long ago. */
	if (!setuid(0)) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

static int no_new_privileges(uint32_t uid)
{
	(void)uid;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* Everything to do with paths is handled, and nothing is allowed. */
static int landlock(uint32_t uid)
{
	struct landlock_ruleset_attr all = {
		/* of ABI 1, which every kernel with Landlock knows */
		.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1,
	};
	int fd, rc;

	(void)uid;
	fd = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
	if (fd < 0) /* not built in, or not among the kernel's lsm= */
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -1;
	rc = (int)syscall(SYS_landlock_restrict_self, fd, 0);
	close(fd);
	return rc;
}

static int system_calls(uint32_t uid)
{
	int err = sandbox_syscalls();

	(void)uid;
	errno = -err;
	return err ? -1 : 0;
}

static const struct {
	const char *name;
	int (*raise)(uint32_t uid); /* 0, or -1 and errno */
} walls[SANDBOX_WALLS] = {
	[WALL_NAMESPACES] = {"namespaces", own_namespaces},
	[WALL_ROOT] = {"empty root", empty_root},
	[WALL_LIMITS] = {"limits", limits},
	[WALL_BOUNDING_SET] = {"bounding set", no_bounding_set},
	[WALL_IDENTITY] = {"user and group", identity},
	[WALL_NO_NEW_PRIVILEGES] = {"no new privileges", no_new_privileges},
	[WALL_LANDLOCK] = {"landlock", landlock},
	[WALL_SYSCALLS] = {"system calls", system_calls},
};

int sandbox_raise(enum sandbox_wall wall, uint32_t uid, struct reason *why)
{
	int err;

	if (!walls[wall].raise(uid))
		return 0;
	err = errno;
	reason_set(why, "sandbox, %s: %s", walls[wall].name, strerror(err));
	return -err;
}

int sandbox_enter(uint32_t uid, struct reason *why)
{
	int err = 0;

	for (int wall = 0; !err && wall < SANDBOX_WALLS; wall++)
		err = sandbox_raise((enum sandbox_wall)wall, uid, why);
	return err;
}
