// SPDX-License-Identifier: MIT
#include "ipc.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union fd_space {
	char bytes[CMSG_SPACE(IPC_MAX_FDS * sizeof(int))];
	struct cmsghdr align;
};

int ipc_pair(int sock[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       0, sock))
		return -errno;
	return 0;
}

int ipc_send(int sock, const struct ipc_msg *msg, const int *fds,
	     unsigned int nr_fds)
{
	union fd_space space;
	struct iovec iov = {.iov_base = (void *)msg, .iov_len = sizeof(*msg)};
	struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *cmsg;

	if (nr_fds > IPC_MAX_FDS)
		return -EINVAL;
	if (nr_fds) {
		memset(&space, 0, sizeof(space));
		hdr.msg_control = space.bytes;
		hdr.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&hdr);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nr_fds * sizeof(int));
	}
	if (sendmsg(sock, &hdr, MSG_NOSIGNAL) < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return 0;
}

static unsigned int collect_fds(struct msghdr *hdr, int *fds)
{
	struct cmsghdr *cmsg;
	unsigned int n = 0;

	for (cmsg = CMSG_FIRSTHDR(hdr); cmsg; cmsg = CMSG_NXTHDR(hdr, cmsg)) {
		unsigned int count;

		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds + n, CMSG_DATA(cmsg), count * sizeof(int));
		n += count;
	}
	return n;
}

#define MAX_ERRNO 4095 /* the kernel's */

static bool is_error(int32_t error)
{
	return error <= 0 && error >= -MAX_ERRNO;
}

/* It is to be written to logs and nodes: it ends, and on one line. */
static void tame(char text[IPC_TEXT])
{
	text[IPC_TEXT - 1] = '\0';
	for (; *text; text++)
		if ((unsigned char)*text < ' ')
			*text = '?';
}

/* A worker may be a guest's by now: what it says can be read aloud. */
static bool sound(struct ipc_msg *msg)
{
	switch (msg->type) {
	case IPC_REPLY:
	case IPC_BROKEN:
		tame(msg->reply.text);
		return is_error(msg->reply.error);
	case IPC_NOTICE:
		return is_error(msg->notice.vbd.waiting) &&
		       is_error(msg->notice.vbd.flush_error);
	default:
		return msg->type != IPC_NONE && msg->type < IPC_TYPES;
	}
}

int ipc_recv(int sock, struct ipc_msg *msg, int *fds)
{
	union fd_space space;
	struct iovec iov = {.iov_base = msg, .iov_len = sizeof(*msg)};
	struct msghdr hdr = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = space.bytes,
		/* CMSG_SPACE() is aligned, and has room for one more. */
		.msg_controllen = CMSG_LEN(IPC_MAX_FDS * sizeof(int)),
	};
	ssize_t len = recvmsg(sock, &hdr, MSG_CMSG_CLOEXEC);
	unsigned int n;
	bool ours;

	if (len < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (len == 0)
		return -EPIPE;
	n = collect_fds(&hdr, fds);
	ours = len == sizeof(*msg) && !(hdr.msg_flags & MSG_TRUNC) &&
	       sound(msg);
	if (ours && !(hdr.msg_flags & MSG_CTRUNC))
		return (int)n;
	while (n)
		close(fds[--n]);
	return ours ? -EMFILE : -EPROTO;
}
