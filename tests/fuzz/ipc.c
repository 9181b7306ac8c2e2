// SPDX-License-Identifier: MIT
/*
 * Messages of a worker that a guest has taken over, to the supervisor: bytes
 * on the socket, received and acted upon.
 *
 * What has to hold: what is no message of ours leaves nothing behind; what is
 * one says what it says in text that ends and in numbers that are errors; and
 * the supervisor writes nothing to the store that the store would not take.
 */
#include "common/desk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/ipc.h"

static void send_bytes(int sock, const void *bytes, size_t len,
		       unsigned int nr_fds)
{
	char space[CMSG_SPACE(32 * sizeof(int))] = {0};
	struct iovec iov = {.iov_base = (void *)bytes, .iov_len = len};
	struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *cmsg;

	if (nr_fds) {
		hdr.msg_control = space;
		hdr.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&hdr);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		for (unsigned int i = 0; i < nr_fds; i++)
			memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &sock,
			       sizeof(int));
	}
	FUZZ_NEED(sendmsg(sock, &hdr, MSG_NOSIGNAL) == (ssize_t)len);
}

static bool is_error(int32_t error)
{
	return error <= 0 && error >= -4095;
}

static void check(const struct ipc_msg *msg)
{
	FUZZ_CHECK(msg->type != IPC_NONE && msg->type < IPC_TYPES);
	if (msg->type == IPC_REPLY || msg->type == IPC_BROKEN) {
		FUZZ_CHECK(memchr(msg->reply.text, 0, IPC_TEXT));
		for (const char *c = msg->reply.text; *c; c++)
			FUZZ_CHECK((unsigned char)*c >= ' ');
		FUZZ_CHECK(is_error(msg->reply.error));
	}
	if (msg->type == IPC_NOTICE && msg->dev.class == IPC_VBD)
		FUZZ_CHECK(is_error(msg->notice.vbd.waiting) &&
			   is_error(msg->notice.vbd.flush_error));
}

static void hear(struct input *in, const struct ipc_msg *msg)
{
	uint8_t how = input_u8(in);
	struct device *dev;

	if (msg->type != IPC_REPLY && msg->type != IPC_BROKEN &&
	    msg->type != IPC_NOTICE)
		return;
	dev = desk_device((enum ipc_class)(how % IPC_CLASSES));
	dev->phase = (enum device_phase)(how >> 2 & 3);
	device_answer(dev, msg);
	if (dev->class->id == IPC_VBD)
		vbd_tell_health(dev);
}

/* A message, its text repeated from a few bytes; or less, or more than one. */
static size_t build(struct input *in, uint8_t bytes[2 * sizeof(struct ipc_msg)])
{
	struct ipc_msg msg;
	uint8_t how = input_u8(in), some[32];

	memset(&msg, 0, sizeof(msg));
	msg.type = input_u8(in) % 16;
	msg.dev.class = input_u8(in) % 4;
	msg.dev.handle = 1;
	if (how & 1) {
		msg.reply.request = input_u8(in);
		msg.reply.error = (int32_t)input_u32(in);
	} else {
		msg.notice.vbd.waiting = (int32_t)input_u32(in);
		msg.notice.vbd.flush_error = (int32_t)input_u32(in);
	}
	input_bytes(in, some, sizeof(some));
	if (how & 2)
		for (unsigned int i = 0; i < IPC_TEXT; i++)
			msg.reply.text[i] = (char)some[i % (1 + how / 8)];
	memset(bytes, 0x41, 2 * sizeof(msg));
	memcpy(bytes, &msg, sizeof(msg));
	if (how & 4)
		return 1 + input_u16(in) % (2 * sizeof(msg));
	return sizeof(msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t bytes[2 * sizeof(struct ipc_msg)];
	struct input in = {data, size};
	int sock[2], fds[IPC_MAX_FDS], got, before, after;
	struct ipc_msg msg;

	FUZZ_NEED(!ipc_pair(sock));
	words_load(&in);
	desk_start();
	before = dup(0);
	while (in.left) {
		size_t len = build(&in, bytes);

		send_bytes(sock[0], bytes, len, input_u8(&in) % 24);
		/* What it is not told of is not its to close. */
		memset(fds, 0xff, sizeof(fds));
		got = ipc_recv(sock[1], &msg, fds);
		FUZZ_CHECK(got == -EPROTO || len == sizeof(msg));
		FUZZ_CHECK(got >= 0 || got == -EPROTO || got == -EMFILE);
		while (got > 0)
			FUZZ_CHECK(!close(fds[--got]));
		if (got != -EPROTO) {
			check(&msg);
			hear(&in, &msg);
		}
	}
	/* The next free number is what it was. */
	close(before);
	after = dup(0);
	FUZZ_CHECK(after == before);
	close(after);
	desk_stop();
	close(sock[0]);
	close(sock[1]);
	return 0;
}
