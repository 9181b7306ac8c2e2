// SPDX-License-Identifier: MIT
/*
 * The peer of the whole disk: QEMU's storage daemon (Debian's package
 * qemu-system-common) with a vhost-user-blk export, and the best client for
 * it that we can make.
 */
#include "disk_load.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vhost_blk.h"

static struct {
	pid_t pid;
	struct vhost_blk *client;
} qemu;

/* A server that does not come within this time never will. */
#define START_SECONDS 20

bool disk_qemu_there(void)
{
	char command[512];

	snprintf(command, sizeof(command), "command -v %s >/dev/null",
		 options.qemu);
	return !system(command);
}

/* ---- the server ---- */

static void run_qemu(int listener, int file, unsigned int poll_us)
{
	char node[128], thread[64], export[160];

	if (file < 0)
		snprintf(node, sizeof(node),
			 "driver=null-co,node-name=disk,size=%u", DISK_BYTES);
	else
		snprintf(node, sizeof(node),
			 "driver=file,node-name=disk,filename=/proc/self/fd/%d"
			 ",aio=io_uring",
			 file);
	snprintf(thread, sizeof(thread), "iothread,id=thread,poll-max-ns=%u",
		 poll_us * 1000);
	snprintf(export, sizeof(export),
		 "vhost-user-blk,id=export,node-name=disk,writable=on,"
		 "iothread=thread,addr.type=fd,addr.str=%d",
		 listener);
	fcntl(listener, F_SETFD, 0);
	if (file >= 0)
		fcntl(file, F_SETFD, 0);
	execlp(options.qemu, options.qemu, "--object", thread, "--blockdev",
	       node, "--export", export, (char *)NULL);
	perror(options.qemu);
	_exit(127);
}

/* An address that the kernel chooses, in no directory. */
static int listen_somewhere(struct sockaddr_un *at, socklen_t *len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memset(at, 0, sizeof(*at));
	at->sun_family = AF_UNIX;
	*len = sizeof(*at);
	if (fd < 0 || bind(fd, (void *)at, sizeof(at->sun_family)) ||
	    listen(fd, 1) || getsockname(fd, (void *)at, len))
		die("no socket to listen on: %s", strerror(errno));
	return fd;
}

static int connect_to(const struct sockaddr_un *at, socklen_t len)
{
	const struct timeval patience = {.tv_sec = START_SECONDS};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const void *)at, len) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		       sizeof(patience)))
		die("%s: %s", options.qemu, strerror(errno));
	return fd;
}

void disk_qemu_start(int fd, unsigned int poll_us)
{
	struct sockaddr_un at;
	socklen_t len;
	int listener, sock;

	if (!disk_qemu_there())
		return;
	listener = listen_somewhere(&at, &len);
	qemu.pid = fork();
	if (qemu.pid < 0)
		die("%s: %s", options.qemu, strerror(errno));
	if (!qemu.pid) {
		/* Before there are threads, which inherit it. */
		pin_thread(1);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run_qemu(listener, fd, poll_us);
	}
	sock = connect_to(&at, len);
	close(listener);
	qemu.client = vhost_blk_open(sock);
}

void disk_qemu_stop(void)
{
	if (!qemu.client)
		return;
	vhost_blk_close(qemu.client);
	/* Asked to end just as its client leaves, version 7.2 may hang. */
	kill(qemu.pid, SIGKILL);
	waitpid(qemu.pid, NULL, 0);
	qemu.client = NULL;
}

/* ---- the client ---- */

static void submit(void *to, unsigned int slot, bool write, uint64_t offset)
{
	vhost_blk_submit(to, slot, write, offset);
}

static void push(void *to)
{
	vhost_blk_push(to);
}

static unsigned int reap(void *to, unsigned int *slots, unsigned int max)
{
	return vhost_blk_reap(to, slots, max);
}

struct figure disk_qemu(void *arg)
{
	const struct disk_client client = {.name = options.qemu,
					   .submit = submit,
					   .push = push,
					   .reap = reap,
					   .to = qemu.client,
					   .pid = qemu.pid};

	return disk_drive(&client, arg);
}
