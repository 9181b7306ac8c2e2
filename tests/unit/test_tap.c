// SPDX-License-Identifier: MIT
/* Making taps, the tap port, and the batches that frames travel in. */
#include "netframe.h"
#include "netrig.h"
#include "suites.h"

#include "backend/port/port.h"
#include "backend/port/tap.h"
#include "backend/port/tap_make.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static struct reason why;
static int fds[IPC_MAX_QUEUES];

static void setup(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	why.text[0] = '\0';
}

static int make(const char *name, unsigned int queues, uint32_t mtu)
{
	struct tap_spec spec = {.name = name, .nr_queues = queues, .mtu = mtu};

	return tap_make(&spec, fds, &why);
}

/* One SIOCGIF* of the interface. */
static struct ifreq ask(const char *name, unsigned long what)
{
	int sock = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	strcpy(ifr.ifr_name, name);
	ck_assert_int_eq(ioctl(sock, what, &ifr), 0);
	close(sock);
	return ifr;
}

START_TEST(made_as_asked)
{
	struct ifreq ifr;

	ck_assert_msg(!make("vif3.0", 1, 0), "%s", why.text);
	ifr = ask("vif3.0", SIOCGIFHWADDR);
	ck_assert_mem_eq(ifr.ifr_hwaddr.sa_data, "\xfe\xff\xff\xff\xff\xff", 6);
	ck_assert_int_eq(ask("vif3.0", SIOCGIFMTU).ifr_mtu, 1500);
	ck_assert_int_le(ask("vif3.0", SIOCGIFTXQLEN).ifr_qlen, 256);
	ck_assert_int_eq(ask("vif3.0", SIOCGIFFLAGS).ifr_flags & IFF_UP, 0);
	ck_assert_int_eq(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	ck_assert(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
	close(fds[0]);
	ck_assert_int_eq(make("fifteen-bytes-x", 1, 9000), 0);
	ck_assert_int_eq(ask("fifteen-bytes-x", SIOCGIFMTU).ifr_mtu, 9000);
	close(fds[0]);
}
END_TEST

START_TEST(gone_when_both_have_closed)
{
	int worker;

	ck_assert_int_eq(make("vif3.0", 1, 0), 0);
	worker = dup(fds[0]);
	close(fds[0]);
	ck_assert_uint_ne(if_nametoindex("vif3.0"), 0);
	close(worker);
	ck_assert_uint_eq(if_nametoindex("vif3.0"), 0);
}
END_TEST

START_TEST(queues)
{
	unsigned int before = rig_open_fds();

	for (unsigned int n = 1; n <= IPC_MAX_QUEUES; n++) {
		ck_assert_msg(!make("vif3.0", n, 0), "%s", why.text);
		for (unsigned int i = 0; i < n; i++)
			close(fds[i]);
		ck_assert_uint_eq(if_nametoindex("vif3.0"), 0);
	}
	ck_assert_int_eq(make("vif3.0", 0, 0), -EINVAL);
	ck_assert_int_eq(make("vif3.0", IPC_MAX_QUEUES + 1, 0), -EINVAL);
	ck_assert_uint_eq(rig_open_fds(), before);
}
END_TEST

/* The supervisor holds the queues over a worker's death, and their state. */
START_TEST(a_queue_that_was_switched_off)
{
	struct port *port;

	ck_assert_msg(!make("vif3.0", 2, 0), "%s", why.text);
	for (int life = 0; life < 3; life++) {
		port = tap_open(fds[1], &why);
		ck_assert_ptr_nonnull(port);
		ck_assert_int_eq(port->ops->set_enabled(port, life == 2), 0);
		port->fd = -1;
		port_close(port);
	}
	close(fds[0]);
	close(fds[1]);
}
END_TEST

/* Each refusal names the interface, and leaves nothing open. */
static void expect_refused(const char *name, unsigned int n, uint32_t mtu,
			   int err, const char *what)
{
	unsigned int before = rig_open_fds();

	ck_assert_int_eq(make(name, n, mtu), err);
	ck_assert_msg(strstr(why.text, name) && strstr(why.text, what), "%s",
		      why.text);
	ck_assert_uint_eq(rig_open_fds(), before);
}

START_TEST(refusals)
{
	int first;

	expect_refused("", 1, 0, -EINVAL, "1 to 15");
	expect_refused("sixteen-bytes-xx", 1, 0, -EINVAL, "1 to 15");
	expect_refused("a/b", 1, 0, -EINVAL, "1 to 15");
	expect_refused("vif%d", 1, 0, -EINVAL, "1 to 15");
	expect_refused("vif3.0", 1, 70000, -EINVAL, "MTU");
	ck_assert_uint_eq(if_nametoindex("vif3.0"), 0);
	ck_assert_int_eq(make("vif3.0", 1, 0), 0);
	first = fds[0];
	expect_refused("vif3.0", 1, 0, -EEXIST, "exists already");
	expect_refused("vif3.0", 2, 0, -EEXIST, "exists already");
	expect_refused("lo", 1, 0, -EEXIST, "exists already");
	close(first);
}
END_TEST

START_TEST(without_privilege)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (setresuid(65534, 65534, 65534))
			_exit(2);
		_exit(make("vif3.0", 1, 0) == -EPERM &&
				      strstr(why.text, "vif3.0")
			      ? 0
			      : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(only_taps_are_served)
{
	int null = open("/dev/null", O_RDWR);

	ck_assert_ptr_null(tap_open(null, &why));
	ck_assert_ptr_nonnull(strstr(why.text, "no tap"));
	close(null);
	null = open("/dev/net/tun", O_RDWR);
	ck_assert_ptr_null(tap_open(null, &why));
	close(null);
}
END_TEST

/* ---- the port ---- */

static struct port *port;
static struct port_batch batch;
static uint8_t expected[65535];

static void setup_port(void)
{
	setup();
	ck_assert_int_eq(make("vif3.0", 1, 0), 0);
	port = tap_open(fds[0], &why);
	ck_assert_msg(port != NULL, "%s", why.text);
	ck_assert_int_eq(port_batch_init(&batch), 0);
}

static void teardown_port(void)
{
	port_batch_fini(&batch);
	port_close(port);
	ck_assert_uint_eq(if_nametoindex("vif3.0"), 0);
}

START_TEST(interface_down)
{
	netframe_plain(port_batch_room(&batch), 60, 1);
	port_batch_add(&batch, 60);
	port->ops->send(port, batch.frame, 1);
	ck_assert_uint_eq(port->stats.drop_down, 1);
	ck_assert_uint_eq(port->stats.sent, 0);
	ck_assert_uint_eq(port->ops->receive(port, &batch, 10), 0);
	rig_link_up("vif3.0");
	port->ops->send(port, batch.frame, 1);
	ck_assert_uint_eq(port->stats.sent, 1);
}
END_TEST

/* The kernel refuses what we would never ask of it; that is counted too. */
START_TEST(refused_by_the_kernel)
{
	struct port_frame *frame;

	rig_link_up("vif3.0");
	netframe_plain(port_batch_room(&batch), 60, 1);
	frame = port_batch_add(&batch, 60);
	frame->off.csum_needed = true;
	frame->off.csum_start = 1000;
	port->ops->send(port, batch.frame, 1);
	ck_assert_uint_eq(port->stats.drop_refused, 1);
}
END_TEST

/*
 * What no tap of this kernel does: a socket lies in its place from here on, the
 * other end of which is ours.
 */
static int stand_in(void)
{
	int end[2], room = 1 << 20;

	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, end), 0);
	ck_assert_int_eq(setsockopt(end[1], SOL_SOCKET, SO_SNDBUF, &room,
				    sizeof(room)),
			 0);
	ck_assert_int_eq(dup2(end[0], port->fd), port->fd);
	close(end[0]);
	return end[1];
}

/* A device that takes no more: neither an error nor a wait. */
START_TEST(no_room_behind_the_port)
{
	int other = stand_in();
	uint64_t sent;

	netframe_plain(port_batch_room(&batch), 1000, 1);
	port_batch_add(&batch, 1000);
	for (sent = 0; !port->stats.drop_full; sent++) {
		ck_assert_uint_lt(sent, 100000);
		port->ops->send(port, batch.frame, 1);
	}
	ck_assert_uint_eq(port->stats.drop_full, 1);
	ck_assert_uint_eq(port->stats.sent, sent - 1);
	ck_assert_int_gt(read(other, expected, sizeof(expected)), 1000);
	port->ops->send(port, batch.frame, 1);
	ck_assert_uint_eq(port->stats.sent, sent);
	ck_assert_uint_eq(port->stats.drop_full, 1);
	close(other);
}
END_TEST

/* A frame whose end was cut off, or to be cut by a way we never agreed to. */
START_TEST(long_and_unknown)
{
	static uint8_t raw[sizeof(struct virtio_net_hdr) + PORT_MAX_FRAME + 1];
	struct virtio_net_hdr *hdr = (struct virtio_net_hdr *)raw;
	int other = stand_in();

	netframe_plain(raw + sizeof(*hdr), 1000, 1);
	for (uint32_t more = 0; more < 2; more++) {
		size_t len = sizeof(raw) - 1 + more;

		ck_assert_int_eq(write(other, raw, len), (ssize_t)len);
	}
	hdr->gso_type = VIRTIO_NET_HDR_GSO_UDP;
	hdr->gso_size = 500;
	ck_assert_int_eq(write(other, raw, 1000), 1000);
	memset(hdr, 0, sizeof(*hdr));
	ck_assert_int_eq(write(other, raw, sizeof(*hdr) + 1000),
			 (ssize_t)sizeof(*hdr) + 1000);
	ck_assert_uint_eq(port->ops->receive(port, &batch, 10), 1);
	ck_assert_uint_eq(port->stats.drop_long, 3);
	ck_assert_uint_eq(port->stats.received, 1);
	ck_assert_uint_eq(batch.frame[0].len, 1000);
	ck_assert_mem_eq(batch.frame[0].data, raw + sizeof(*hdr), 1000);
	close(other);
}
END_TEST

START_TEST(caps_and_carrier)
{
	for (int i = 0; i < 8; i++) {
		struct port_caps caps = {
			.csum = i & 1, .tso4 = i & 2, .tso6 = i & 4};

		ck_assert_int_eq(port->ops->set_caps(port, &caps), 0);
	}
	rig_link_up("vif3.0");
	ck_assert_int_eq(port->ops->set_carrier(port, true), 0);
	ck_assert_int_eq(port->ops->set_carrier(port, false), 0);
}
END_TEST

/* ---- batches ---- */

START_TEST(batch_layout)
{
	uint32_t lens[] = {60, 1514, 65535, 65535, 60};
	uint8_t *last = batch.arena;

	for (int i = 0; i < 5; i++) {
		uint8_t *room = port_batch_room(&batch);
		struct port_frame *frame;

		if (i == 4) {
			ck_assert_ptr_null(room);
			break;
		}
		frame = port_batch_add(&batch, lens[i]);
		ck_assert_ptr_eq(frame->data, room);
		ck_assert_int_ge(room - last, PORT_HEADROOM);
		last = room + lens[i];
		memset(room, i, lens[i]);
		ck_assert_int_ge(PORT_ARENA_SIZE - (last - batch.arena), 0);
	}
	/* A frame behind a long one starts on a page. */
	ck_assert_int_eq((batch.frame[3].data - batch.arena) % 4096, 0);
	port_batch_keep(&batch, 2);
	ck_assert_uint_eq(batch.nr, 2);
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(batch.frame[i].len, 65535);
		memset(expected, i + 2, sizeof(expected));
		ck_assert_mem_eq(batch.frame[i].data, expected, 65535);
	}
	port_batch_keep(&batch, 0);
	ck_assert_uint_eq(batch.nr, 0);
	port_batch_release(&batch);
	ck_assert_uint_eq(*port_batch_room(&batch), 0);
	for (unsigned int i = 0; i < PORT_BATCH; i++) {
		ck_assert_ptr_nonnull(port_batch_room(&batch));
		port_batch_add(&batch, 60);
	}
	ck_assert_ptr_null(port_batch_room(&batch));
}
END_TEST

Suite *tap_suite(void)
{
	Suite *s = suite_create("tap");
	TCase *tc = tcase_create("making"), *used = tcase_create("port");

	suite_add_tcase(s, tc);
	suite_add_tcase(s, used);
	if (rig_missing())
		return s;
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, made_as_asked);
	tcase_add_test(tc, gone_when_both_have_closed);
	tcase_add_test(tc, queues);
	tcase_add_test(tc, a_queue_that_was_switched_off);
	tcase_add_test(tc, refusals);
	tcase_add_test(tc, without_privilege);
	tcase_add_test(tc, only_taps_are_served);
	tcase_add_checked_fixture(used, setup_port, teardown_port);
	tcase_add_test(used, interface_down);
	tcase_add_test(used, refused_by_the_kernel);
	tcase_add_test(used, no_room_behind_the_port);
	tcase_add_test(used, long_and_unknown);
	tcase_add_test(used, caps_and_carrier);
	tcase_add_test(used, batch_layout);
	return s;
}
