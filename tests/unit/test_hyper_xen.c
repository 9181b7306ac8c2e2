// SPDX-License-Identifier: MIT
/*
 * The store through the real libxenstore, over an xenstored that knows nothing
 * and says so.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xen/io/xs_wire.h>

#include "hyper/hyper.h"
#include "suites.h"

static char path[64];
static pid_t xenstored;

/* One connection: no node is there, all else is well. */
static void serve(int fd)
{
	char body[XENSTORE_PAYLOAD_MAX];
	struct xsd_sockmsg msg;
	const char *answer;

	while (recv(fd, &msg, sizeof(msg), MSG_WAITALL) == sizeof(msg)) {
		if (msg.len)
			recv(fd, body, msg.len, MSG_WAITALL);
		answer = msg.type == XS_READ ? "ENOENT" : "OK";
		msg.type = msg.type == XS_READ ? XS_ERROR : msg.type;
		msg.len = (uint32_t)strlen(answer) + 1;
		send(fd, &msg, sizeof(msg), MSG_NOSIGNAL);
		send(fd, answer, msg.len, MSG_NOSIGNAL);
	}
}

static void setup(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(path, sizeof(path), "/tmp/xpv-store-%d", getpid());
	strcpy(sa.sun_path, path);
	unlink(path);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
	setenv("XENSTORED_PATH", path, 1);
	xenstored = fork();
	if (!xenstored) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(accept(listener, NULL, NULL));
		_exit(0);
	}
	close(listener);
}

static void teardown(void)
{
	kill(xenstored, SIGKILL);
	waitpid(xenstored, NULL, 0);
	unlink(path);
}

START_TEST(end_is_noticed)
{
	struct hyper *h = hyper_open("xen", HYPER_STORE);
	static struct hyper_watch_event event;
	struct pollfd p = {.events = POLLIN};

	ck_assert_ptr_nonnull(h);
	p.fd = h->ops->store_fd(h);
	ck_assert_int_ge(p.fd, 0);
	ck_assert_int_eq(h->ops->watch(h, "/a", "token"), 0);
	ck_assert_int_eq(poll(&p, 1, 100), 0);
	ck_assert_int_eq(h->ops->next_watch(h, &event), -EAGAIN);
	kill(xenstored, SIGKILL);
	ck_assert_int_eq(poll(&p, 1, 5000), 1);
	ck_assert_int_eq(h->ops->next_watch(h, &event), -EPIPE);
	hyper_close(h);
}
END_TEST

Suite *hyper_xen_suite(void)
{
	Suite *s = suite_create("hyper_xen");
	TCase *tc = tcase_create("store");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, end_is_noticed);
	suite_add_tcase(s, tc);
	return s;
}
