// SPDX-License-Identifier: GPL-2.0-only
#include "drive.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "userblk.h"

/* A worker that says nothing for so long never will. */
#define ANSWER_MS 20000

static void run_worker(const char *program, const char *hyper_spec,
		       uint16_t domid, int control, unsigned int poll_us)
{
	char domid_arg[16], control_arg[16], poll_arg[16];

	snprintf(domid_arg, sizeof(domid_arg), "%u", domid);
	snprintf(control_arg, sizeof(control_arg), "%d", control);
	snprintf(poll_arg, sizeof(poll_arg), "%u", poll_us);
	fcntl(control, F_SETFD, 0);
	execl(program, program, "--domid", domid_arg, "--control", control_arg,
	      "--hyper", hyper_spec, "--poll", poll_arg, (char *)NULL);
	perror(program);
	_exit(127);
}

static int start(struct drive *d, const char *program, const char *hyper_spec,
		 uint16_t domid)
{
	int sock[2], err = ipc_pair(sock);

	if (err)
		return err;
	d->pid = fork();
	if (d->pid < 0) {
		err = -errno;
		close(sock[0]);
		close(sock[1]);
		return err;
	}
	if (!d->pid)
		run_worker(program, hyper_spec, domid, sock[1], d->poll_us);
	close(sock[1]);
	d->control = sock[0];
	return 0;
}

int drive_start(struct drive *d, const char *program, const char *hyper_spec,
		uint16_t domid)
{
	return drive_start_polling(d, program, hyper_spec, domid, 0);
}

int drive_start_polling(struct drive *d, const char *program,
			const char *hyper_spec, uint16_t domid,
			unsigned int poll_us)
{
	int err = 0;

	memset(d, 0, sizeof(*d));
	d->poll_us = poll_us;
	d->legacy = memfd_create("legacy", MFD_CLOEXEC);
	if (d->legacy < 0 ||
	    ftruncate(d->legacy, sizeof(struct ipc_vbd_legacy)))
		err = -errno;
	return err ? err : start(d, program, hyper_spec, domid);
}

int drive_replace(struct drive *d, const char *program, const char *hyper_spec,
		  uint16_t domid)
{
	if (kill(d->pid, SIGKILL) || waitpid(d->pid, NULL, 0) != d->pid)
		return -errno;
	close(d->control);
	d->resumed = true;
	return start(d, program, hyper_spec, domid);
}

int drive_stop(struct drive *d)
{
	int status = 0;

	if (d->pid &&
	    (kill(d->pid, SIGTERM) || waitpid(d->pid, &status, 0) != d->pid))
		return -errno;
	d->pid = 0;
	close(d->control);
	close(d->legacy);
	d->control = -1;
	return status;
}

static int receive(struct drive *d, struct ipc_msg *msg, int timeout_ms)
{
	struct pollfd fd = {.fd = d->control, .events = POLLIN};
	int fds[IPC_MAX_FDS];
	int got;

	do {
		got = poll(&fd, 1, timeout_ms);
		if (!got)
			return -ETIMEDOUT;
		if (got > 0)
			got = ipc_recv(d->control, msg, fds);
		else
			got = -errno;
	} while (got == -EINTR || got == -EAGAIN);
	while (got > 0)
		close(fds[--got]);
	if (!got && msg->type == IPC_BROKEN) {
		d->broken = true;
		d->broken_msg = *msg;
	}
	return got;
}

int drive_request(struct drive *d, const struct ipc_msg *msg, const int *fds,
		  unsigned int nr_fds)
{
	struct ipc_msg answer;
	int err = ipc_send(d->control, msg, fds, nr_fds);

	while (!err) {
		err = receive(d, &answer, ANSWER_MS);
		if (err || answer.type != IPC_REPLY)
			continue;
		if (answer.reply.request != msg->type ||
		    answer.dev.handle != msg->dev.handle)
			return -EPROTO;
		memcpy(d->text, answer.reply.text, sizeof(d->text));
		return answer.reply.error;
	}
	return err;
}

int drive_wait_broken(struct drive *d, int timeout_ms)
{
	struct ipc_msg msg;
	int err = 0;

	while (!d->broken && !err)
		err = receive(d, &msg, timeout_ms);
	return err;
}

int drive_attach(struct drive *d, uint32_t handle, int fd,
		 const struct ipc_vbd_attach *a)
{
	const int fds[] = {fd, d->legacy};
	struct ipc_msg msg;

	memset(&msg, 0, sizeof(msg));
	msg.type = IPC_ATTACH;
	msg.dev = (struct ipc_device){.class = IPC_VBD, .handle = handle};
	msg.vbd_attach = *a;
	msg.vbd_attach.legacy = fd >= 0 && d->legacy;
	if (fd < 0)
		strcpy(msg.vbd_attach.target, "null");
	return drive_request(d, &msg, fds,
			     fd < 0 ? 0 : 1u + msg.vbd_attach.legacy);
}

int drive_connect(struct drive *d, uint32_t handle, const struct userblk *fe)
{
	struct ipc_vbd_connect *c;
	struct ipc_msg msg;
	unsigned int i;

	memset(&msg, 0, sizeof(msg));
	msg.type = IPC_CONNECT;
	msg.dev = (struct ipc_device){.class = IPC_VBD, .handle = handle};
	c = &msg.vbd_connect;
	c->abi = fe->config.x86_32;
	c->ring_order = fe->config.ring_order;
	c->nr_queues = fe->config.nr_queues;
	c->persistent = fe->config.persistent;
	c->resumed = d->resumed;
	for (i = 0; i < c->nr_queues; i++) {
		memcpy(c->queue[i].gref, fe->queue[i].gref,
		       sizeof(c->queue[i].gref));
		c->queue[i].port = fe->queue[i].port;
	}
	return drive_request(d, &msg, NULL, 0);
}

int drive_simple(struct drive *d, uint32_t handle, enum ipc_type type)
{
	struct ipc_msg msg;

	memset(&msg, 0, sizeof(msg));
	msg.type = type;
	msg.dev = (struct ipc_device){.class = IPC_VBD, .handle = handle};
	return drive_request(d, &msg, NULL, 0);
}
