// SPDX-License-Identifier: MIT
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../ipc.h"
#include "../worker/sandbox.h"
#include "log.h"
#include "record.h"
#include "supervisor.h"

/* Descriptors in the worker, after stderr. */
#define FD_CONTROL 3
#define FD_KEPT	   4 /* the supervisor's end, for the supervisor after us */

extern char **environ;

/* Of /proc/PID/stat. */
#define STAT_PARENT 4
#define STAT_START  22

/* That field; 0: no such process. */
static uint64_t process_stat(pid_t pid, int wanted)
{
	char path[64], line[1024];
	uint64_t value = 0;
	char *rest = NULL;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	/* The name, field 2, may hold blanks and parentheses. */
	if (fgets(line, sizeof(line), file))
		rest = strrchr(line, ')');
	fclose(file);
	if (!rest)
		return 0;
	for (int field = 2; rest && field < wanted; field++)
		rest = strchr(rest + 1, ' ');
	if (rest)
		sscanf(rest, " %" SCNu64, &value);
	return value;
}

void process_forget(struct supervisor *sv, uint32_t domid, pid_t pid)
{
	struct record r;

	/* By now it may be the file of that domid's next worker. */
	if (!record_read(sv, domid, &r) && r.pid == pid)
		record_remove(sv, domid);
}

/*
 * A pid namespace is made by who starts the process, and is for one child:
 * it has to be left before the next one can be made.
 */
static int spawn_alone(pid_t *pid, const char *path,
		       const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attr, char *const argv[])
{
	int home = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	int err = home < 0 || unshare(CLONE_NEWPID) ? errno : 0;

	if (!err) {
		err = posix_spawn(pid, path, actions, attr, argv, environ);
		if (setns(home, CLONE_NEWPID))
			log_daemon(LOG_ERR,
				   "leaving a worker's pid namespace: %s",
				   strerror(errno));
	}
	if (home >= 0)
		close(home);
	return err;
}

/* Both descriptors above those that they become: dup2() clobbers nothing. */
static int spawn(const struct supervisor *sv, char *const argv[],
		 const int sock[2], pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t blocked, all;
	int high[2];
	int err;

	high[0] = fcntl(sock[0], F_DUPFD_CLOEXEC, FD_KEPT + 1);
	high[1] = fcntl(sock[1], F_DUPFD_CLOEXEC, FD_KEPT + 1);
	/* As the first process of its pid namespace it would ignore it. */
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, high[1], FD_CONTROL);
	posix_spawn_file_actions_adddup2(&actions, high[0], FD_KEPT);
	posix_spawnattr_init(&attr);
	/* A session of its own: no ^C at our terminal reaches a guest. */
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID |
						POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &blocked);
	posix_spawnattr_setsigdefault(&attr, &all);
	if (high[0] < 0 || high[1] < 0)
		err = EMFILE;
	else if (sv->sandbox)
		err = spawn_alone(pid, sv->worker_path, &actions, &attr, argv);
	else
		err = posix_spawn(pid, sv->worker_path, &actions, &attr, argv,
				  environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	close(high[0]);
	close(high[1]);
	return -err;
}

int process_start(struct supervisor *sv, uint32_t domid, const char *vm,
		  struct process *p)
{
	char domid_text[16], control[16], poll[16], uid[16];
	char *argv[] = {"xpv-worker",
			"--domid",
			domid_text,
			"--control",
			control,
			"--hyper",
			(char *)sv->hyper_spec,
			"--poll",
			poll,
			sv->sandbox ? "--sandbox" : NULL,
			uid,
			NULL};
	struct record r;
	int sock[2];
	int err = ipc_pair(sock);

	if (err)
		return err;
	snprintf(domid_text, sizeof(domid_text), "%u", domid);
	snprintf(control, sizeof(control), "%d", FD_CONTROL);
	snprintf(poll, sizeof(poll), "%u", sv->config.worker.poll);
	snprintf(uid, sizeof(uid), "%u", SANDBOX_UID_BASE + domid);
	err = spawn(sv, argv, sock, &p->pid);
	close(sock[1]);
	if (err) {
		close(sock[0]);
		return err;
	}
	p->sock = sock[0];
	p->ours = true;
	p->pidfd = pidfd_open(p->pid, 0);
	r.pid = p->pid;
	r.start = process_stat(p->pid, STAT_START);
	r.ipc = IPC_VERSION;
	snprintf(r.vm, sizeof(r.vm), "%s", vm);
	err = p->pidfd < 0 ? -errno : record_write(sv, domid, &r);
	if (err) {
		kill(p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
		p->ours = false;
		process_close(p, NULL);
	}
	return err;
}

int process_adopt(struct supervisor *sv, uint32_t domid, const char *vm,
		  struct process *p)
{
	struct record r;

	if (record_read(sv, domid, &r))
		return -ENOENT;
	*p = (struct process){.pid = r.pid, .sock = -1};
	p->pidfd = pidfd_open(r.pid, 0);
	/* Asked after the pidfd was made: then it is that process's. */
	if (p->pidfd < 0 || process_stat(r.pid, STAT_START) != r.start)
		goto none;
	if (strcmp(r.vm, vm)) {
		process_signal(p, SIGTERM);
		goto none;
	}
	/* Of an xpvd that we were before we became another program. */
	p->ours = process_stat(r.pid, STAT_PARENT) == (uint64_t)getpid();
	if (sv->renew || r.ipc != IPC_VERSION)
		return -ESTALE;
	p->sock = pidfd_getfd(p->pidfd, FD_KEPT, 0);
	if (p->sock >= 0)
		return 0;
	log_daemon(LOG_ERR, "worker %d of domain %u cannot be adopted: %s",
		   r.pid, domid, strerror(errno));
	return -errno;
none:
	process_close(p, NULL);
	process_forget(sv, domid, r.pid);
	return -ENOENT;
}

void process_signal(const struct process *p, int signal)
{
	pidfd_send_signal(p->pidfd, signal, NULL, 0);
}

bool process_close(struct process *p, int *status)
{
	bool ended = p->ours && waitpid(p->pid, status, WNOHANG) == p->pid;

	if (p->pidfd >= 0)
		close(p->pidfd);
	if (p->sock >= 0)
		close(p->sock);
	*p = (struct process){.pidfd = -1, .sock = -1};
	return ended;
}
