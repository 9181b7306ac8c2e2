// SPDX-License-Identifier: MIT
/* Workers, in the place of process.c: sockets and states, and no process. */
#include "play.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "backend/supervisor/process.h"
#include "backend/supervisor/record.h"

struct play_worker play_worker[PLAY_WORKERS];

struct play_worker *play_worker_of(uint16_t domid)
{
	for (unsigned int i = 0; i < PLAY_WORKERS; i++)
		if (play_worker[i].alive && !play_worker[i].told &&
		    play_worker[i].domid == domid)
			return &play_worker[i];
	return NULL;
}

struct play_device *play_device(struct play_worker *w, struct ipc_device id)
{
	for (unsigned int i = 0; i < PLAY_DEVICES; i++)
		if (w->device[i].there && w->device[i].id.class == id.class &&
		    w->device[i].id.handle == id.handle)
			return &w->device[i];
	return NULL;
}

static struct play_worker *with_pid(pid_t pid)
{
	for (unsigned int i = 0; i < PLAY_WORKERS; i++)
		if (play_worker[i].pid && play_worker[i].pid == pid)
			return &play_worker[i];
	return NULL;
}

/* ---- its end ---- */

static void close_device(struct play_device *d)
{
	while (d->nr_fds)
		close(d->fds[--d->nr_fds]);
	memset(d, 0, sizeof(*d));
}

void play_worker_die(struct play_worker *w)
{
	for (unsigned int i = 0; i < PLAY_DEVICES; i++)
		close_device(&w->device[i]);
	close(w->sock);
	close(w->kept);
	w->alive = false;
	FUZZ_NEED(eventfd_write(w->ended, 1) == 0);
	close(w->ended);
}

void play_workers_stop(void)
{
	for (unsigned int i = 0; i < PLAY_WORKERS; i++)
		if (play_worker[i].alive)
			play_worker_die(&play_worker[i]);
	memset(play_worker, 0, sizeof(play_worker));
}

/* ---- what it is asked ---- */

void play_worker_say(struct play_worker *w, const struct ipc_msg *msg)
{
	/* A supervisor that does not listen hears it no more. */
	ipc_send(w->sock, msg, NULL, 0);
}

static int attach(struct play_worker *w, const struct ipc_msg *msg,
		  const int *fds, unsigned int nr_fds)
{
	struct play_device *d = w->device;

	if (play_device(w, msg->dev))
		return -EEXIST;
	while (d < w->device + PLAY_DEVICES && d->there)
		d++;
	FUZZ_CHECK(d < w->device + PLAY_DEVICES);
	d->id = msg->dev;
	d->there = true;
	d->nr_fds = nr_fds;
	memcpy(d->fds, fds, nr_fds * sizeof(*fds));
	return 0;
}

/* As worker.c answers; those of an attach stay open with the device. */
static int serve(struct play_worker *w, const struct ipc_msg *msg)
{
	struct play_device *d = play_device(w, msg->dev);

	if (!d)
		return -ENODEV;
	switch (msg->type) {
	case IPC_CONNECT:
		if (d->connected)
			return -EBUSY;
		d->connected = true;
		return 0;
	case IPC_DISCONNECT:
		d->connected = false;
		return 0;
	case IPC_DETACH:
		close_device(d);
		return 0;
	default:
		return 0;
	}
}

/* What makes sense to ask at all. */
static void check(const struct play_worker *w, const struct ipc_msg *msg,
		  unsigned int nr_fds)
{
	FUZZ_CHECK(msg->type > IPC_NONE && msg->type < IPC_REPLY);
	FUZZ_CHECK(msg->dev.class < IPC_CLASSES);
	FUZZ_CHECK(!nr_fds || msg->type == IPC_ATTACH || msg->type == IPC_LINK);
	if (msg->type == IPC_CONNECT && msg->dev.class == IPC_VBD)
		FUZZ_CHECK(msg->vbd_connect.nr_queues &&
			   msg->vbd_connect.queue[0].gref[0]);
	if (msg->type == IPC_CONNECT && msg->dev.class == IPC_VIF)
		FUZZ_CHECK(msg->vif_connect.nr_queues &&
			   msg->vif_connect.queue[0].tx_gref &&
			   msg->vif_connect.queue[0].rx_gref);
	if (play.undisturbed && w->domid == play.undisturbed)
		FUZZ_CHECK(msg->type != IPC_DISCONNECT &&
			   msg->type != IPC_DETACH);
}

/* To stop and to let go never fails; what it has it says that it has. */
static bool can_fail(const struct play_device *d, uint32_t type)
{
	switch (type) {
	case IPC_ATTACH:
		return !d;
	case IPC_CONNECT:
		return !d || !d->connected;
	default:
		return type != IPC_DISCONNECT && type != IPC_DETACH &&
		       type != IPC_UNLINK;
	}
}

bool play_worker_answer(struct play_worker *w, enum play_answer how,
			int32_t error, uint32_t lie)
{
	struct ipc_msg msg, answer;
	int fds[IPC_MAX_FDS], got = ipc_recv(w->sock, &msg, fds), err;
	bool may_fail;

	if (got < 0)
		return false;
	check(w, &msg, (unsigned int)got);
	memset(&answer, 0, sizeof(answer));
	answer.type = IPC_REPLY;
	answer.dev = msg.dev;
	answer.reply.request = msg.type;
	may_fail = can_fail(play_device(w, msg.dev), msg.type);
	if (how == PLAY_ERROR && may_fail) {
		err = error;
		snprintf(answer.reply.text, IPC_TEXT, "it is %d", error);
	} else if (msg.type == IPC_ATTACH) {
		err = attach(w, &msg, fds, (unsigned int)got);
		got = err ? got : 0;
	} else {
		err = serve(w, &msg);
	}
	while (got > 0)
		close(fds[--got]);
	answer.reply.error = err;
	if (how == PLAY_LIE) {
		w->liar = true;
		answer.reply.request = lie % IPC_TYPES;
		answer.reply.error = error;
	}
	play_worker_say(w, &answer);
	return true;
}

/* ---- process.h ---- */

int process_start(struct supervisor *sv, uint32_t domid, const char *vm,
		  struct process *p)
{
	static pid_t last_pid = 1;
	struct play_worker *w = play_worker;
	struct record r = {.ipc = IPC_VERSION, .start = 1};
	int sock[2];

	FUZZ_CHECK(!play_worker_of((uint16_t)domid));
	while (w < play_worker + PLAY_WORKERS && w->pid)
		w++;
	/* Or one that is dead, and nobody has waited for it yet. */
	if (w == play_worker + PLAY_WORKERS)
		w = play_worker;
	while (w < play_worker + PLAY_WORKERS && w->alive)
		w++;
	FUZZ_NEED(w < play_worker + PLAY_WORKERS);
	FUZZ_NEED(!ipc_pair(sock));
	memset(w, 0, sizeof(*w));
	w->domid = (uint16_t)domid;
	w->pid = ++last_pid;
	w->alive = true;
	w->sock = sock[1];
	w->kept = fcntl(sock[0], F_DUPFD_CLOEXEC, 0);
	w->ended = eventfd(0, EFD_CLOEXEC);
	p->sock = sock[0];
	p->pidfd = fcntl(w->ended, F_DUPFD_CLOEXEC, 0);
	p->pid = w->pid;
	p->ours = true;
	r.pid = p->pid;
	snprintf(r.vm, sizeof(r.vm), "%s", vm);
	FUZZ_NEED(w->kept >= 0 && w->ended >= 0 && p->pidfd >= 0);
	FUZZ_NEED(!record_write(sv, domid, &r));
	return 0;
}

int process_adopt(struct supervisor *sv, uint32_t domid, const char *vm,
		  struct process *p)
{
	struct play_worker *w;
	struct record r;

	if (record_read(sv, domid, &r))
		return -ENOENT;
	w = with_pid(r.pid);
	if (!w || !w->alive || strcmp(r.vm, vm)) {
		if (w && w->alive)
			w->told = true;
		process_forget(sv, domid, r.pid);
		return -ENOENT;
	}
	p->pid = r.pid;
	p->ours = false;
	p->pidfd = fcntl(w->ended, F_DUPFD_CLOEXEC, 0);
	p->sock = fcntl(w->kept, F_DUPFD_CLOEXEC, 0);
	FUZZ_NEED(p->pidfd >= 0 && p->sock >= 0);
	return 0;
}

void process_signal(const struct process *p, int signal)
{
	struct play_worker *w = with_pid(p->pid);

	if (!w || !w->alive)
		return;
	w->told = true;
	if (signal == SIGKILL)
		play_worker_die(w);
}

bool process_close(struct process *p, int *status)
{
	struct play_worker *w = with_pid(p->pid);
	bool ended = p->ours && w && !w->alive;

	if (ended && status)
		*status = SIGKILL;
	/* Nobody asks for it any more. */
	if (w && !w->alive)
		w->pid = 0;
	if (p->pidfd >= 0)
		close(p->pidfd);
	if (p->sock >= 0)
		close(p->sock);
	*p = (struct process){.pidfd = -1, .sock = -1};
	return ended;
}

void process_forget(struct supervisor *sv, uint32_t domid, pid_t pid)
{
	struct record r;

	if (!record_read(sv, domid, &r) && r.pid == pid)
		record_remove(sv, domid);
}
