// SPDX-License-Identifier: MIT
/*
 * xpvd and the workers are replaced by those that are installed now, under
 * guests that go on.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "livedisk.h"
#include "suites.h"

#define GUEST 5
#define MAC   "00:16:3e:01:02:03"

static struct host host;
static struct livedisk disk;
static struct vdev nic;
static struct fake rings; /* of the NIC */

static void open_nic(void)
{
	nic = vif_add_scripted(&host, GUEST, 0, MAC);
	wait_back(&nic, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&nic, NULL);
	fake_open(&rings, &nic);
	fake_publish(&rings, &nic);
	wait_back(&nic, XPV_STATE_CONNECTED);
}

static void setup(void)
{
	host_setup(&host);
	host_domain(&host, GUEST, "a");
	livedisk_open(&disk, &host, GUEST);
	livedisk_use(&disk, 1);
	if (host_has_taps())
		open_nic();
}

static void teardown(void)
{
	if (nic.host) {
		vdev_remove(&nic);
		fake_close(&rings);
	}
	livedisk_close(&disk);
	host_teardown(&host);
}

/* Both devices go on with the worker that came after @old. */
static void check_renewed(pid_t old, unsigned char byte)
{
	ck_assert(host_next_worker(&host, old, 5000));
	livedisk_use(&disk, byte);
	stays_connected(&disk.dev);
	if (!nic.host)
		return;
	stays_connected(&nic);
	/* The tap is the same: nobody had to bring it up again. */
	ck_assert(!vif_script_ran(&nic));
	ck_assert_uint_eq(host_log_lines(&host, "vif 5/0: "),
			  host_log_lines(&host, "vif 5/0: connected"));
}

static void reload(void)
{
	ck_assert_int_eq(kill(host.xpvd, SIGHUP), 0);
}

START_TEST(workers_make_way)
{
	for (unsigned char n = 2; n < 5; n++) {
		pid_t worker = host_worker(&host);

		reload();
		check_renewed(worker, n);
	}
	ck_assert_uint_eq(host_log_lines(&host, "has made way"), 3);
	/* It is the same process all the time. */
	host_stop_xpvd(&host, SIGTERM);
	host_start_xpvd(&host);
	stays_connected(&disk.dev);
}
END_TEST

/* One that cannot finish what it is at. */
START_TEST(worker_is_stuck)
{
	pid_t worker = host_worker(&host);

	kill(worker, SIGSTOP);
	reload();
	check_renewed(worker, 2);
	ck_assert_uint_eq(host_log_lines(&host, "is not done yet: killed"), 1);
}
END_TEST

/* The guest goes on as well: with the NIC's features, or without the NIC. */
START_TEST(guest_acts_meanwhile)
{
	pid_t worker = host_worker(&host);

	if (!nic.host)
		return;
	kill(worker, SIGSTOP);
	reload();
	pause_ms(300);
	if (_i) {
		vdev_delete(&nic);
		nic.host = NULL;
	} else {
		front_state(&nic, XPV_STATE_RECONFIGURING);
	}
	ck_assert(host_next_worker(&host, worker, 5000));
	livedisk_use(&disk, 2);
	stays_connected(&disk.dev);
	if (!_i) {
		wait_back(&nic, XPV_STATE_RECONFIGURED);
		front_state(&nic, XPV_STATE_CONNECTED);
		wait_back(&nic, XPV_STATE_CONNECTED);
	}
}
END_TEST

/* The one that comes would not start. */
START_TEST(bad_configuration)
{
	pid_t worker = host_worker(&host);
	FILE *file = fopen(host.config, "we");

	ck_assert_ptr_nonnull(file);
	fprintf(file, "[disk]\ncache = never\n");
	fclose(file);
	reload();
	livedisk_use(&disk, 2);
	stays_connected(&disk.dev);
	ck_assert_int_eq(host_worker(&host), worker);
	ck_assert_uint_eq(host_log_lines(&host, "going on as before"), 1);
	ck_assert_uint_eq(host_log_lines(&host, "never"), 1);
}
END_TEST

/* One network for this xpvd and the next: the NIC is made anew in it. */
static void share_network(void)
{
	vdev_remove(&nic);
	fake_close(&rings);
	host_stop_xpvd(&host, SIGTERM);
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	host.same_net = true;
	host_start_xpvd(&host);
	open_nic();
}

/*
 * A worker of another version does not understand a word, and has the tap as
 * long as it lives.
 */
START_TEST(other_version)
{
	pid_t worker, pid;
	char path[HOST_PATH], vm[HOST_PATH];
	unsigned long long start;
	unsigned int version;
	FILE *file;

	if (nic.host)
		share_network();
	worker = host_worker(&host);
	kill(worker, SIGSTOP);
	host_stop_xpvd(&host, SIGTERM);
	snprintf(path, sizeof(path), "%s/run/worker-%d", host.dir, GUEST);
	file = fopen(path, "r+e");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%d %llu %u %255s", &pid, &start,
				&version, vm),
			 4);
	rewind(file);
	fprintf(file, "%d %llu %u %s\n", pid, start, version + 1, vm);
	fclose(file);
	host_start_xpvd(&host);
	ck_assert(host_next_worker(&host, worker, 5000));
	livedisk_use(&disk, 2);
	stays_connected(&disk.dev);
	if (!nic.host)
		return;
	stays_connected(&nic);
	ck_assert(wait_until(vif_script_ran, &nic, 5000));
}
END_TEST

/* ---- systemd, which keeps what it is given ---- */

static int listen_as_systemd(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int sock =
		socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(name.sun_path, sizeof(name.sun_path), "%s/notify", host.dir);
	ck_assert_int_eq(bind(sock, (struct sockaddr *)&name, sizeof(name)), 0);
	setenv("NOTIFY_SOCKET", name.sun_path, 1);
	return sock;
}

static void keep(const char *text, const struct msghdr *msg)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	const char *name = strstr(text, "FDNAME=") + strlen("FDNAME=");
	int len = (int)strcspn(name, "\n");

	ck_assert(strstr(text, "FDPOLL=0"));
	while (c && c->cmsg_type != SCM_RIGHTS)
		c = CMSG_NXTHDR((struct msghdr *)msg, (struct cmsghdr *)c);
	ck_assert_ptr_nonnull(c);
	for (size_t at = 0; at < c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
		size_t end = strlen(host.kept_names);

		memcpy(&host.kept[host.nr_kept++], CMSG_DATA(c) + at,
		       sizeof(int));
		snprintf(host.kept_names + end, sizeof(host.kept_names) - end,
			 "%s%.*s", end ? ":" : "", len, name);
	}
}

/* What xpvd has said; false: nothing. */
static bool hear(int sock)
{
	char text[512], rights[CMSG_SPACE(16 * sizeof(int)) + 64];
	struct iovec iov = {text, sizeof(text) - 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = rights,
			     .msg_controllen = sizeof(rights)};
	ssize_t got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);

	if (got < 0)
		return false;
	text[got] = 0;
	if (strstr(text, "FDSTORE=1"))
		keep(text, &msg);
	else if (strstr(text, "FDSTOREREMOVE=1\nFDNAME=vif5.0"))
		host.nr_kept = 0;
	return true;
}

START_TEST(systemd_keeps_the_tap)
{
	pid_t worker;
	int sock;

	if (!nic.host)
		return;
	sock = listen_as_systemd();
	share_network();
	while (hear(sock))
		;
	ck_assert_uint_ge(host.nr_kept, 4);
	/* Now nobody else has it. */
	worker = host_worker(&host);
	host_stop_xpvd(&host, SIGKILL);
	kill(worker, SIGKILL);
	host_start_xpvd(&host);
	check_renewed(worker, 2);
	vdev_remove(&nic);
	nic.host = NULL;
	fake_close(&rings);
	while (hear(sock))
		;
	ck_assert_uint_eq(host.nr_kept, 0);
	unsetenv("NOTIFY_SOCKET");
	close(sock);
}
END_TEST

Suite *supervisor_renew_suite(void)
{
	Suite *s = suite_create("supervisor_renew");
	TCase *tc = tcase_create("renew");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, workers_make_way);
	tcase_add_test(tc, worker_is_stuck);
	tcase_add_loop_test(tc, guest_acts_meanwhile, 0, 2);
	tcase_add_test(tc, bad_configuration);
	tcase_add_test(tc, other_version);
	tcase_add_test(tc, systemd_keeps_the_tap);
	suite_add_tcase(s, tc);
	return s;
}
