// SPDX-License-Identifier: MIT
#include "guest.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keys.h"
#include "process.h"
#include "record.h"

/*
 * A worker that dies again within this time dies "in a row". One that lived
 * longer has served its guest: to start it costs little at that rate, and to
 * give it up costs the guest its disks.
 */
#define GOOD_LIFE_USEC	 2000000u
#define DEATHS_IN_A_ROW	 6u
#define FORGIVE_USEC	 60000000u /* until one that was given up may try again */
#define OVERDUE_USEC	 3000000u /* for what is under way to finish */
#define FIRST_PAUSE_USEC 100000u /* doubled with each death after the first */

struct guest {
	uint32_t domid;
	char *vm; /* which domain of that number */
	struct supervisor *sv;
	struct process process;
	bool running;
	bool adopted; /* from the supervisor before us */
	sd_event_source *overdue; /* told to make way, and still there */
	sd_event_source *ended;
	sd_event_source *talk;
	sd_event_source *pause; /* before it is started again */
	LIST_HEAD(, device) devices;
	unsigned int deaths; /* in a row */
	uint64_t started, pause_until; /* monotonic microseconds */
	UT_hash_handle hh; /* only while not retired */
	bool retired; /* told to end, for good */
};

static uint64_t now_usec(struct supervisor *sv)
{
	uint64_t now = 0;

	sd_event_now(sv->event, CLOCK_MONOTONIC, &now);
	return now;
}

static struct guest *find(struct supervisor *sv, uint32_t domid)
{
	struct guest *g;

	HASH_FIND(hh, sv->guests, &domid, sizeof(domid), g);
	return g;
}

/*
 * "" when the toolstack has written none, or shows a driver domain none; NULL
 * when the store is away.
 */
static char *read_vm(struct supervisor *sv, uint32_t domid)
{
	struct reason ignored;
	char dir[64];
	char *vm;
	int err;

	snprintf(dir, sizeof(dir), XPV_PATH_DOMAIN, domid);
	err = key_text(sv->hyper, dir, XPV_KEY_VM, &vm, &ignored);
	if (err == -EINVAL)
		return strdup("");
	if (err)
		return NULL;
	return vm ? vm : strdup("");
}

/* ---- life and death ---- */

static void hang_up(struct guest *g)
{
	g->ended = sd_event_source_unref(g->ended);
	g->talk = sd_event_source_unref(g->talk);
	g->pause = sd_event_source_unref(g->pause);
	g->overdue = sd_event_source_unref(g->overdue);
	g->running = false;
}

static void guest_free(struct guest *g)
{
	hang_up(g);
	if (!g->retired)
		HASH_DEL(g->sv->guests, g);
	free(g->vm);
	free(g);
}

/* No new device comes to it; it ends when it has finished what it has. */
static void retire(struct guest *g)
{
	HASH_DEL(g->sv->guests, g);
	g->retired = true;
	if (g->running)
		process_signal(&g->process, SIGTERM);
	else
		guest_free(g);
}

static void drop(struct device *dev)
{
	dev->phase = PHASE_IDLE;
	dev->asked = IPC_NONE;
	if (dev->guest)
		LIST_REMOVE(dev, of_guest);
	dev->guest = NULL;
	record_forget_device(dev->sv, &dev->key);
}

void guest_drop_device(struct device *dev)
{
	struct guest *g = dev->guest;

	drop(dev);
	if (g && LIST_EMPTY(&g->devices) && !g->retired)
		retire(g);
}

static void drop_all(struct guest *g)
{
	struct device *dev;

	while ((dev = LIST_FIRST(&g->devices))) {
		drop(dev);
		device_schedule(dev);
	}
}

/* Decides when it may be started again. */
static void count_death(struct guest *g)
{
	uint64_t now = now_usec(g->sv);

	if (now - g->started > GOOD_LIFE_USEC)
		g->deaths = 0;
	if (g->deaths < DEATHS_IN_A_ROW)
		g->deaths++;
	g->pause_until = now;
	if (g->deaths > 1)
		g->pause_until += FIRST_PAUSE_USEC << (g->deaths - 2);
}

static void log_death(const struct guest *g, bool known, int status, bool oom)
{
	if (oom)
		log_daemon(LOG_ERR,
			   "worker of domain %u was killed for want of memory: "
			   "xpvd.conf gives it %u MiB",
			   g->domid, g->sv->config.worker.memory);
	else if (known && WIFSIGNALED(status))
		log_daemon(LOG_ERR, "worker of domain %u died of signal %d",
			   g->domid, WTERMSIG(status));
	else if (known)
		log_daemon(LOG_ERR, "worker of domain %u ended with status %d",
			   g->domid, WEXITSTATUS(status));
	else
		log_daemon(LOG_ERR, "worker of domain %u ended", g->domid);
}

static int on_end(sd_event_source *source, int fd, uint32_t events,
		  void *userdata)
{
	struct guest *g = userdata;
	pid_t pid = g->process.pid;
	int status = 0;
	bool known, oom, told = g->overdue;

	(void)source;
	(void)fd;
	(void)events;
	hang_up(g);
	oom = cgroup_leave(g->sv, g->domid, pid);
	known = process_close(&g->process, &status);
	process_forget(g->sv, g->domid, pid);
	if (g->retired) {
		drop_all(g);
		guest_free(g);
		return 0;
	}
	if (told) {
		log_daemon(LOG_INFO, "worker %d of domain %u has made way", pid,
			   g->domid);
		devices_schedule_guest(g->sv, g->domid);
	} else {
		log_death(g, known, status, oom);
		count_death(g);
	}
	if (LIST_EMPTY(&g->devices)) {
		guest_free(g);
		return 0;
	}
	/* They come back through their own steps, see bring_up(). */
	drop_all(g);
	return 0;
}

/* ---- conversation ---- */

static void hear(struct guest *g, const struct ipc_msg *msg, const int *fds,
		 unsigned int nr_fds)
{
	struct device_key key = {msg->dev.class, g->domid, msg->dev.handle};
	struct device *dev = device_find(g->sv, &key);

	while (nr_fds)
		close(fds[--nr_fds]);
	if (msg->type != IPC_REPLY && msg->type != IPC_BROKEN &&
	    msg->type != IPC_NOTICE)
		return;
	if (dev && dev->guest == g)
		device_answer(dev, msg);
}

static int on_talk(sd_event_source *source, int fd, uint32_t events,
		   void *userdata)
{
	struct guest *g = userdata;
	struct ipc_msg msg;
	int fds[IPC_MAX_FDS];
	struct device *dev;
	int got;

	(void)fd;
	if (events & EPOLLOUT) {
		sd_event_source_set_io_events(source, EPOLLIN);
		LIST_FOREACH(dev, &g->devices, of_guest)
			device_schedule(dev);
	}
	if (!(events & (EPOLLIN | EPOLLHUP)))
		return 0;
	got = ipc_recv(g->process.sock, &msg, fds);
	if (got >= 0)
		hear(g, &msg, fds, (unsigned int)got);
	else if (got == -EPIPE)
		/* Its end is in on_end(). */
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

static int listen_to(struct guest *g)
{
	int err = sd_event_add_io(g->sv->event, &g->ended, g->process.pidfd,
				  EPOLLIN, on_end, g);

	if (err < 0)
		return err;
	/* Last words before the death. */
	sd_event_source_set_priority(g->ended, SD_EVENT_PRIORITY_NORMAL + 1);
	if (g->process.sock >= 0)
		err = sd_event_add_io(g->sv->event, &g->talk, g->process.sock,
				      EPOLLIN, on_talk, g);
	if (err < 0)
		return err;
	g->running = true;
	g->started = now_usec(g->sv);
	return 0;
}

/* ---- starting ---- */

static int on_pause(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct guest *g = userdata;

	(void)source;
	(void)usec;
	devices_schedule_guest(g->sv, g->domid);
	return 0;
}

static int wait_a_while(struct guest *g)
{
	if (!g->pause)
		sd_event_add_time(g->sv->event, &g->pause, CLOCK_MONOTONIC,
				  g->pause_until, 0, on_pause, g);
	else
		sd_event_source_set_time(g->pause, g->pause_until);
	sd_event_source_set_enabled(g->pause, SD_EVENT_ONESHOT);
	return -EAGAIN;
}

static int start(struct guest *g, struct reason *why)
{
	uint64_t now = now_usec(g->sv);
	int err;

	if (g->running)
		return 0;
	if (g->deaths >= DEATHS_IN_A_ROW &&
	    now < g->pause_until + FORGIVE_USEC) {
		reason_set(why,
			   "the worker of domain %u died %u times in a "
			   "row",
			   g->domid, g->deaths);
		return -EINVAL;
	}
	if (now < g->pause_until)
		return wait_a_while(g);
	err = process_start(g->sv, g->domid, g->vm, &g->process);
	if (!err)
		err = listen_to(g);
	if (err) {
		reason_set(why, "%s cannot be started: %s", g->sv->worker_path,
			   strerror(-err));
		return -EINVAL;
	}
	g->adopted = false;
	cgroup_enter(g->sv, g->domid, g->process.pid);
	log_daemon(LOG_INFO, "worker %d serves domain %u", g->process.pid,
		   g->domid);
	return 0;
}

/* Takes over @vm. */
static struct guest *guest_new(struct supervisor *sv, uint32_t domid, char *vm)
{
	struct guest *g = calloc(1, sizeof(*g));

	if (!g) {
		free(vm);
		return NULL;
	}
	g->sv = sv;
	g->domid = domid;
	g->vm = vm;
	g->process.pidfd = -1;
	g->process.sock = -1;
	LIST_INIT(&g->devices);
	HASH_ADD(hh, sv->guests, domid, sizeof(g->domid), g);
	return g;
}

/* The present domain of that number; an earlier one's worker is let go. */
static struct guest *guest_get(struct supervisor *sv, uint32_t domid)
{
	struct guest *g = find(sv, domid);
	char *vm = read_vm(sv, domid);

	if (!vm)
		return NULL;
	if (g && strcmp(g->vm, vm)) {
		retire(g);
		g = NULL;
	}
	if (!g)
		return guest_new(sv, domid, vm);
	free(vm);
	return g;
}

bool guest_makes_way(struct supervisor *sv, uint32_t domid)
{
	struct guest *g = find(sv, domid);

	return g && g->running && g->process.sock < 0;
}

int guest_ask(struct device *dev, enum ipc_type type, struct ipc_msg *msg,
	      const int *fds, unsigned int nr_fds)
{
	struct ipc_msg bare = {0};
	struct guest *g = dev->guest;
	int err;

	if (!g) {
		g = guest_get(dev->sv, dev->key.domid);
		if (!g)
			return -EIO;
		err = start(g, &dev->why);
		if (!err)
			err = record_device(dev->sv, &dev->key);
		if (err)
			return err;
		dev->guest = g;
		LIST_INSERT_HEAD(&g->devices, dev, of_guest);
	}
	msg = msg ? msg : &bare;
	msg->type = type;
	msg->dev.class = dev->key.class;
	msg->dev.handle = dev->key.handle;
	err = ipc_send(g->process.sock, msg, fds, nr_fds);
	if (err == -EAGAIN)
		sd_event_source_set_io_events(g->talk, EPOLLIN | EPOLLOUT);
	if (!err)
		dev->asked = type;
	/* Gone, or on its way: on_end() comes, and looks at its devices. */
	return err == -EPIPE || err == -EBADF ? -EAGAIN : err;
}

void guest_device_freed(struct supervisor *sv, uint32_t domid)
{
	struct guest *g = find(sv, domid);
	struct device *dev, *after;

	if (!g || g->running)
		return;
	HASH_ITER(hh, sv->devices, dev, after)
		if (dev->key.domid == domid)
			return;
	guest_free(g);
}

/* ---- an earlier supervisor's ---- */

void guest_adopt_device(struct device *dev)
{
	struct guest *g = find(dev->sv, dev->key.domid);

	if (!g || !g->running || !g->adopted)
		return;
	dev->guest = g;
	dev->phase = PHASE_ADOPTED;
	LIST_INSERT_HEAD(&g->devices, dev, of_guest);
}

/* What is under way may take for ever; to be killed hurts no guest either. */
static int on_overdue(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct guest *g = userdata;

	(void)source;
	(void)usec;
	log_daemon(LOG_WARNING,
		   "worker %d of domain %u is not done yet: killed",
		   g->process.pid, g->domid);
	process_signal(&g->process, SIGKILL);
	return 0;
}

/* Its successor starts when it has ended. */
static void make_way(struct guest *g)
{
	process_signal(&g->process, SIGTERM);
	sd_event_add_time_relative(g->sv->event, &g->overdue, CLOCK_MONOTONIC,
				   OVERDUE_USEC, 0, on_overdue, g);
}

/* Where the store has forgotten it, the record has not. */
static char *recorded_vm(struct supervisor *sv, uint32_t domid)
{
	struct record r;

	if (!sv->forgetful)
		return read_vm(sv, domid);
	return record_read(sv, domid, &r) ? NULL : strdup(r.vm);
}

static void adopt(struct supervisor *sv, uint32_t domid)
{
	char *vm = recorded_vm(sv, domid);
	struct guest *g = vm ? guest_new(sv, domid, vm) : NULL;
	int err;

	if (!g)
		return;
	err = process_adopt(sv, domid, g->vm, &g->process);
	if (err == -ESTALE && sv->forgetful) {
		log_daemon(LOG_WARNING,
			   "worker %d of domain %u, of another version, serves "
			   "on by itself: the store has forgotten its devices",
			   g->process.pid, domid);
		guest_free(g);
		return;
	}
	if (err == -ENOENT || listen_to(g)) {
		guest_free(g);
		return;
	}
	g->adopted = !err;
	if (err) {
		make_way(g);
		return;
	}
	cgroup_enter(sv, domid, g->process.pid);
	log_daemon(LOG_INFO, "worker %d goes on serving domain %u",
		   g->process.pid, domid);
}

/* Its directory may be gone meanwhile: then there is all the more to do. */
static void adopt_device(struct supervisor *sv, const struct device_key *key)
{
	struct guest *g = find(sv, key->domid);
	struct device *dev = NULL;

	if (g && g->adopted)
		dev = device_get(sv, key);
	if (dev)
		device_schedule(dev);
	else if (g || !sv->forgetful)
		record_forget_device(sv, key);
}

/*
 * What was left for a next worker. Whoever removed the device while nobody
 * looked cannot have taken that away: its step does.
 */
static void look_for_device(struct supervisor *sv, const struct device_key *key)
{
	struct device *dev = device_get(sv, key);

	if (dev)
		device_schedule(dev);
}

int guests_init(struct supervisor *sv)
{
	record_each_worker(sv, adopt);
	record_each_device(sv, adopt_device);
	if (!sv->forgetful)
		record_each_legacy(sv, look_for_device);
	return 0;
}

/* Unlike drop_all(): the worker still has them. */
static void leave_all(struct guest *g)
{
	struct device *dev;

	while ((dev = LIST_FIRST(&g->devices))) {
		LIST_REMOVE(dev, of_guest);
		dev->guest = NULL;
		dev->phase = PHASE_IDLE;
	}
}

void guests_fini(struct supervisor *sv)
{
	struct guest *g, *after;

	HASH_ITER(hh, sv->guests, g, after) {
		leave_all(g);
		process_close(&g->process, NULL);
		guest_free(g);
	}
}
