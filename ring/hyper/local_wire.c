// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hyper/local_wire.h"

union fd_space {
	struct cmsghdr align;
	char buf[CMSG_SPACE(LOCAL_FDS * sizeof(int))];
};

int local_send(int sock, const struct local_msg *msg, const int *fds,
	       unsigned int nfds, int flags)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)msg,
			    .iov_len = LOCAL_MSG_HEAD + msg->len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	union fd_space space;
	struct cmsghdr *c;

	if (nfds) {
		memset(&space, 0, sizeof(space));
		mh.msg_control = space.buf;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	while (sendmsg(sock, &mh, flags | MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static unsigned int take_fds(struct msghdr *mh, int *fds)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(mh);
	unsigned int n;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return 0;
	n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	return n;
}

int local_recv(int sock, struct local_msg *msg, int *fds, int flags)
{
	struct iovec iov = {.iov_base = msg, .iov_len = sizeof(*msg)};
	union fd_space space;
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = space.buf,
			    .msg_controllen = sizeof(space.buf)};
	int got[LOCAL_FDS] = {-1, -1, -1};
	unsigned int i, n;
	ssize_t len;

	do {
		len = recvmsg(sock, &mh, flags | MSG_CMSG_CLOEXEC);
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	n = take_fds(&mh, got);
	for (i = 0; i < LOCAL_FDS; i++) {
		if (fds)
			fds[i] = got[i];
		else if (i < n)
			close(got[i]);
	}
	if (!len)
		return -EPIPE;
	if ((size_t)len < LOCAL_MSG_HEAD ||
	    (size_t)len != LOCAL_MSG_HEAD + msg->len)
		return -EPROTO;
	return 0;
}
