// SPDX-License-Identifier: MIT
/* Messages between supervisor and worker. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/ipc.h"
#include "suites.h"

static int sock[2];

static void setup(void)
{
	ck_assert_int_eq(ipc_pair(sock), 0);
}

static void teardown(void)
{
	close(sock[0]);
	close(sock[1]);
}

static struct ipc_msg message(void)
{
	struct ipc_msg msg;

	memset(&msg, 0, sizeof(msg));
	msg.type = IPC_ATTACH;
	msg.dev.class = IPC_VIF;
	msg.dev.handle = 7;
	return msg;
}

static unsigned int open_fds(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

START_TEST(message_and_descriptors_arrive)
{
	struct ipc_msg msg = message(), got;
	int given[IPC_MAX_FDS], fds[IPC_MAX_FDS];
	struct stat a, b;

	for (unsigned int i = 0; i < IPC_MAX_FDS; i++) {
		given[i] = open(i & 1 ? "/dev/null" : "/dev/zero", O_RDONLY);
		ck_assert_int_ge(given[i], 0);
	}
	ck_assert_int_eq(ipc_send(sock[0], &msg, given, IPC_MAX_FDS), 0);
	ck_assert_int_eq(ipc_recv(sock[1], &got, fds), IPC_MAX_FDS);
	ck_assert_mem_eq(&got, &msg, sizeof(msg));
	for (unsigned int i = 0; i < IPC_MAX_FDS; i++) {
		ck_assert_int_eq(fstat(given[i], &a), 0);
		ck_assert_int_eq(fstat(fds[i], &b), 0);
		ck_assert_uint_eq(a.st_rdev, b.st_rdev);
		ck_assert_int_eq(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
		close(given[i]);
		close(fds[i]);
	}
}
END_TEST

START_TEST(too_many_descriptors)
{
	struct ipc_msg msg = message();
	int fds[IPC_MAX_FDS + 1] = {0};

	ck_assert_int_eq(ipc_send(sock[0], &msg, fds, IPC_MAX_FDS + 1),
			 -EINVAL);
}
END_TEST

START_TEST(nobody_there)
{
	struct ipc_msg msg = message();
	int fds[IPC_MAX_FDS];

	ck_assert_int_eq(ipc_recv(sock[1], &msg, fds), -EAGAIN);
	close(sock[0]);
	ck_assert_int_eq(ipc_recv(sock[1], &msg, fds), -EPIPE);
	ck_assert_int_eq(ipc_send(sock[1], &msg, NULL, 0), -EPIPE);
	ck_assert_int_eq(ipc_pair(sock), 0);
}
END_TEST

/* What was said before the end is heard before the end. */
START_TEST(last_words)
{
	struct ipc_msg msg = message(), got;
	int fds[IPC_MAX_FDS];

	ck_assert_int_eq(ipc_send(sock[0], &msg, NULL, 0), 0);
	close(sock[0]);
	ck_assert_int_eq(ipc_recv(sock[1], &got, fds), 0);
	ck_assert_int_eq(ipc_recv(sock[1], &got, fds), -EPIPE);
	ck_assert_int_eq(ipc_pair(sock), 0);
}
END_TEST

START_TEST(full_socket_does_not_block)
{
	struct ipc_msg msg = message(), got;
	int fds[IPC_MAX_FDS];
	int n = 0;

	while (!ipc_send(sock[0], &msg, NULL, 0))
		ck_assert_int_lt(++n, 100000);
	ck_assert_int_eq(ipc_send(sock[0], &msg, NULL, 0), -EAGAIN);
	ck_assert_int_eq(ipc_recv(sock[1], &got, fds), 0);
}
END_TEST

static void send_raw(size_t len, uint32_t type, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} space = {{0}};
	char data[sizeof(struct ipc_msg) + 8] = {0};
	struct iovec iov = {data, len};
	struct msghdr hdr = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = space.bytes,
		.msg_controllen = sizeof(space.bytes),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&hdr);

	memcpy(data, &type, sizeof(type));
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	ck_assert_int_eq(sendmsg(sock[0], &hdr, 0), len);
}

static const struct {
	size_t len;
	uint32_t type;
} wrong[] = {
	{4, IPC_ATTACH},
	{sizeof(struct ipc_msg) - 1, IPC_ATTACH},
	{sizeof(struct ipc_msg) + 1, IPC_ATTACH},
	{sizeof(struct ipc_msg), IPC_NONE},
	{sizeof(struct ipc_msg), IPC_TYPES},
	{sizeof(struct ipc_msg), UINT32_MAX},
};

/* Refused, and the descriptor that came along is not kept. */
START_TEST(not_a_message)
{
	unsigned int before = open_fds();
	struct ipc_msg msg;
	int fds[IPC_MAX_FDS];

	send_raw(wrong[_i].len, wrong[_i].type, STDERR_FILENO);
	ck_assert_int_eq(ipc_recv(sock[1], &msg, fds), -EPROTO);
	ck_assert_uint_eq(open_fds(), before);
	/* And the next one is heard. */
	msg = message();
	ck_assert_int_eq(ipc_send(sock[0], &msg, NULL, 0), 0);
	ck_assert_int_eq(ipc_recv(sock[1], &msg, fds), 0);
}
END_TEST

/* Descriptors that there is no room for: what it was is known all the same. */
START_TEST(no_room_for_descriptors)
{
	int given[2] = {STDERR_FILENO, STDERR_FILENO};
	struct ipc_msg msg = message(), got;
	unsigned int before = open_fds();
	int fds[IPC_MAX_FDS], top = dup(STDERR_FILENO);
	struct rlimit old, few;

	close(top);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = (rlim_t)top + 1; /* for one of them */
	ck_assert_int_eq(ipc_send(sock[0], &msg, given, 2), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ck_assert_int_eq(ipc_recv(sock[1], &got, fds), -EMFILE);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	ck_assert_mem_eq(&got, &msg, sizeof(msg));
	ck_assert_uint_eq(open_fds(), before);
}
END_TEST

Suite *ipc_suite(void)
{
	Suite *s = suite_create("ipc");
	TCase *tc = tcase_create("messages");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, message_and_descriptors_arrive);
	tcase_add_test(tc, too_many_descriptors);
	tcase_add_test(tc, no_room_for_descriptors);
	tcase_add_test(tc, nobody_there);
	tcase_add_test(tc, last_words);
	tcase_add_test(tc, full_socket_does_not_block);
	tcase_add_loop_test(tc, not_a_message, 0,
			    sizeof(wrong) / sizeof(wrong[0]));
	suite_add_tcase(s, tc);
	return s;
}
