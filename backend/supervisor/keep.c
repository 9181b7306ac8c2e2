// SPDX-License-Identifier: MIT
#include "keep.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "log.h"
#include "supervisor.h"

#define WANTED_USEC 10000000u /* all devices have been looked at by then */
#define DELETED	    " (deleted)" /* what the kernel says of a program */

struct kept {
	TAILQ_ENTRY(kept) next; /* in the order of the queues */
	char name[IFNAMSIZ];
	int fd;
};

/* Takes over @fd. */
static void add(struct supervisor *sv, const char *name, int fd)
{
	struct kept *k = calloc(1, sizeof(*k));

	if (!k) {
		close(fd);
		return;
	}
	snprintf(k->name, sizeof(k->name), "%s", name);
	k->fd = fd;
	TAILQ_INSERT_TAIL(&sv->kept, k, next);
}

/* Its descriptor is the caller's. */
static int pull(struct supervisor *sv, struct kept *k)
{
	int fd = k->fd;

	TAILQ_REMOVE(&sv->kept, k, next);
	free(k);
	return fd;
}

static void close_all(struct supervisor *sv)
{
	while (!TAILQ_EMPTY(&sv->kept))
		close(pull(sv, TAILQ_FIRST(&sv->kept)));
}

static int not_wanted(sd_event_source *timer, uint64_t usec, void *userdata)
{
	struct supervisor *sv = userdata;
	struct kept *k;

	(void)timer;
	(void)usec;
	TAILQ_FOREACH(k, &sv->kept, next)
		keep_release(sv, k->name, NULL, 0);
	close_all(sv);
	return 0;
}

int keep_init(struct supervisor *sv)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(true, &names);

	TAILQ_INIT(&sv->kept);
	if (n < 0)
		log_daemon(LOG_WARNING, "what was handed to us is lost: %s",
			   strerror(-n));
	for (int i = 0; i < n; i++) {
		add(sv, names[i], SD_LISTEN_FDS_START + i);
		free(names[i]);
	}
	free(names);
	return sd_event_add_time_relative(sv->event, &sv->kept_timer,
					  CLOCK_MONOTONIC, WANTED_USEC, 0,
					  not_wanted, sv);
}

void keep_fini(struct supervisor *sv)
{
	sd_event_source_unref(sv->kept_timer);
	close_all(sv);
}

void keep_store(const char *name, const int *fds, unsigned int n)
{
	char text[64];

	/* A queue that the guest does not use is in error, which is no reason
	 * to throw it away. */
	snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
	sd_pid_notify_with_fds(0, false, text, fds, n);
}

unsigned int keep_take(struct supervisor *sv, const char *name, int *fds,
		       unsigned int max)
{
	struct kept *k = TAILQ_FIRST(&sv->kept), *after;
	unsigned int n = 0;

	for (; k && n < max; k = after) {
		after = TAILQ_NEXT(k, next);
		if (!strcmp(k->name, name))
			fds[n++] = pull(sv, k);
	}
	return n;
}

void keep_release(struct supervisor *sv, const char *name, const int *fds,
		  unsigned int n)
{
	if (sv->leaving) {
		while (n--)
			add(sv, name, *fds++);
		return;
	}
	sd_notifyf(false, "FDSTOREREMOVE=1\nFDNAME=%s", name);
	while (n--)
		close(*fds++);
}

/* ---- making way ---- */

/* The kernel tells of the file that we are, which an upgrade has replaced. */
static int own_path(char path[PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *gone;

	if (len < 0)
		return -errno;
	path[len] = 0;
	gone = strstr(path, DELETED);
	if (gone && !strcmp(gone, DELETED))
		*gone = 0;
	return 0;
}

/* All of them from SD_LISTEN_FDS_START on, and their names. */
static int hand_over(struct supervisor *sv)
{
	int n = 0, to = SD_LISTEN_FDS_START;
	char *names, number[16];
	struct kept *k;
	size_t size;
	FILE *text;

	TAILQ_FOREACH(k, &sv->kept, next)
		n++;
	/* It is an error to tell of none. */
	if (!n)
		return 0;
	text = open_memstream(&names, &size);
	if (!text)
		return -ENOMEM;
	/* Out of the way first. */
	TAILQ_FOREACH(k, &sv->kept, next)
		k->fd = fcntl(k->fd, F_DUPFD_CLOEXEC, to + n);
	TAILQ_FOREACH(k, &sv->kept, next) {
		if (k->fd < 0)
			continue;
		dup2(k->fd, to++);
		fprintf(text, "%s%s", ftell(text) ? ":" : "", k->name);
	}
	fclose(text);
	snprintf(number, sizeof(number), "%d", to - SD_LISTEN_FDS_START);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", names, 1);
	snprintf(number, sizeof(number), "%d", getpid());
	setenv("LISTEN_PID", number, 1);
	free(names);
	return 0;
}

int keep_exec(struct supervisor *sv, char *const argv[])
{
	char path[PATH_MAX];
	int err = own_path(path);

	if (!err)
		err = hand_over(sv);
	if (err)
		return err;
	execv(path, argv);
	return -errno;
}
