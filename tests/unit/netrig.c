// SPDX-License-Identifier: MIT
#include "netrig.h"

#include "backend/port/tap_make.h"
#include "toolstack.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define DOM0 0
/* Of a worker that is a process: a turn has passed, in all likelihood. */
#define PROCESS_TURN_USEC 1000

static const struct ipc_device device = {.class = IPC_VIF, .handle = 0};

bool rig_missing(void)
{
	/* Root without /dev/net/tun is no excuse: the tests then fail. */
	if (geteuid() == 0)
		return false;
	fprintf(stderr, "skipped: making a tap needs root\n");
	return true;
}

/* ---- the host's side ---- */

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0)
		return;
	ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
	close(fd);
}

/* The kernel's own IPv6 chatter would mix with the test's frames. */
static void new_namespace(void)
{
	ck_assert_msg(!unshare(CLONE_NEWNET), "unshare: %s", strerror(errno));
	write_text("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
}

void rig_link_up(const char *name)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	strcpy(ifr.ifr_name, name);
	ck_assert_int_eq(ioctl(sock, SIOCGIFFLAGS, &ifr), 0);
	ifr.ifr_flags |= IFF_UP;
	ck_assert_int_eq(ioctl(sock, SIOCSIFFLAGS, &ifr), 0);
	close(sock);
}

void rig_set_mtu(const char *name, int mtu)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	strcpy(ifr.ifr_name, name);
	ifr.ifr_mtu = mtu;
	ck_assert_int_eq(ioctl(sock, SIOCSIFMTU, &ifr), 0);
	close(sock);
}

/* At once, unlike IFF_RUNNING. */
bool rig_has_carrier(const char *name)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ethtool_value link = {.cmd = ETHTOOL_GLINK};
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	strcpy(ifr.ifr_name, name);
	ifr.ifr_data = (char *)&link;
	ck_assert_int_eq(ioctl(sock, SIOCETHTOOL, &ifr), 0);
	close(sock);
	return link.data;
}

static int open_packet(void)
{
	int sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			  htons(ETH_P_ALL));
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(RIG_NAME),
	};
	int on = 1, size = 8 << 20;

	ck_assert_int_ge(sock, 0);
	ck_assert_int_eq(setsockopt(sock, SOL_PACKET, PACKET_VNET_HDR, &on,
				    sizeof(on)),
			 0);
	setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(sock, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	ck_assert_int_eq(bind(sock, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return sock;
}

uint32_t rig_read(struct netrig *rig, struct virtio_net_hdr *hdr,
		  uint8_t *frame)
{
	struct virtio_net_hdr none;
	struct iovec iov[2] = {
		{hdr ? hdr : &none, sizeof(none)},
		{frame, RIG_FRAME},
	};
	ssize_t len;

	do {
		len = readv(rig->packet, iov, 2);
		if (len < 0)
			return 0;
	} while (frame[0] != 2);
	return (uint32_t)(len - (ssize_t)sizeof(none));
}

bool rig_write(struct netrig *rig, const struct virtio_net_hdr *hdr,
	       const uint8_t *frame, uint32_t len)
{
	struct virtio_net_hdr none = {0};
	struct iovec iov[2] = {
		{(void *)(hdr ? hdr : &none), sizeof(none)},
		{(void *)frame, len},
	};

	return writev(rig->packet, iov, 2) == (ssize_t)(len + sizeof(none));
}

/* ---- the supervisor's side ---- */

void rig_turns(struct netrig *rig, unsigned int n)
{
	if (rig->process) {
		usleep(n * PROCESS_TURN_USEC);
		return;
	}
	while (n--)
		ck_assert_int_eq(loop_turn(rig->worker.loop, false), 0);
}

static void next_message(struct netrig *rig, struct ipc_msg *msg)
{
	int fds[IPC_MAX_FDS], ret = -EAGAIN;

	for (int i = 0; i < 100 && ret == -EAGAIN; i++) {
		rig_turns(rig, 1);
		ret = ipc_recv(rig->control, msg, fds);
	}
	ck_assert_msg(ret == 0, "no message from the worker: %d", ret);
}

static int request(struct netrig *rig, struct ipc_msg *msg, const int *fds,
		   unsigned int nr_fds)
{
	struct ipc_msg reply;

	msg->dev = device;
	if (rig->process)
		return drive_request(&rig->drive, msg, fds, nr_fds);
	ck_assert_int_eq(ipc_send(rig->control, msg, fds, nr_fds), 0);
	next_message(rig, &reply);
	ck_assert_uint_eq(reply.type, IPC_REPLY);
	ck_assert_uint_eq(reply.reply.request, msg->type);
	if (reply.reply.error)
		ck_assert_uint_gt(strlen(reply.reply.text), 10);
	return reply.reply.error;
}

void rig_expect_broken(struct netrig *rig, const char *what)
{
	struct ipc_msg msg;

	next_message(rig, &msg);
	ck_assert_uint_eq(msg.type, IPC_BROKEN);
	ck_assert_msg(strstr(msg.reply.text, what) != NULL,
		      "\"%s\" does not say \"%s\"", msg.reply.text, what);
}

static void close_all(const int *fd, unsigned int n)
{
	while (n)
		close(fd[--n]);
}

static void attach(struct netrig *rig)
{
	struct ipc_msg msg = {.type = IPC_ATTACH, .dev = device};
	struct reason why = {""};
	unsigned int n = rig->queues;
	int fd[IPC_MAX_FDS];

	for (unsigned int i = 0; i < rig->queues; i++)
		fd[i] = dup(rig->tap[i]);
	if (!rig->stats)
		rig->stats = memfd_create("stats", MFD_CLOEXEC);
	fd[n++] = dup(rig->stats);
	msg.vif_attach.stats = true;
	if (rig->process) {
		fd[n++] = dup(rig->drive.legacy);
		msg.vif_attach.legacy = true;
	}
	msg.vif_attach.nr_fds = (uint8_t)rig->queues;
	strcpy(msg.vif_attach.name, RIG_NAME);
	if (rig->direct) {
		rig->vif = vif_attach(&rig->worker, &msg, fd, n, &why);
		ck_assert_msg(rig->vif != NULL, "%s", why.text);
		return;
	}
	ck_assert_int_eq(request(rig, &msg, fd, n), 0);
	close_all(fd, n);
}

static void detach(struct netrig *rig)
{
	struct ipc_msg msg = {.type = IPC_DETACH};

	if (rig->direct) {
		vif_disconnect(rig->vif);
		vif_detach(rig->vif);
	} else {
		ck_assert_int_eq(request(rig, &msg, NULL, 0), 0);
	}
}

int rig_try_connect(struct netrig *rig)
{
	struct ipc_msg msg = {.type = IPC_CONNECT};
	struct reason why = {""};
	int err;

	msg.vif_connect = rig->guest;
	msg.vif_connect.resumed = rig->process && rig->drive.resumed;
	if (!rig->direct)
		return request(rig, &msg, NULL, 0);
	err = vif_connect(rig->vif, &rig->guest, &why);
	if (err)
		ck_assert_uint_gt(strlen(why.text), 10);
	return err;
}

/* ---- the whole ---- */

static const struct ipc_vif_connect modern = {
	.nr_queues = 1,
	.sg = true,
	.gso_tcpv4 = true,
	.gso_tcpv6 = true,
	.csum_ipv4 = true,
	.csum_ipv6 = true,
	.rx_notify = true,
};

static void start_process(struct netrig *rig, const char *spec)
{
	char program[HOST_PATH];

	own_program(program, sizeof(program), "xpv-worker");
	ck_assert_int_eq(drive_start(&rig->drive, program, spec, RIG_GUEST), 0);
}

void rig_replace_worker(struct netrig *rig)
{
	char program[HOST_PATH], spec[256];

	own_program(program, sizeof(program), "xpv-worker");
	hyper_local_spec(rig->machine, DOM0, spec, sizeof(spec));
	ck_assert_int_eq(drive_replace(&rig->drive, program, spec, RIG_GUEST),
			 0);
	attach(rig);
	ck_assert_int_eq(rig_try_connect(rig), 0);
}

static void start_inside(struct netrig *rig)
{
	int sock[2];

	ck_assert_int_eq(ipc_pair(sock), 0);
	rig->control = sock[0];
	ck_assert_int_eq(
		worker_init(&rig->worker, RIG_GUEST, rig->back, sock[1]), 0);
}

static void open_machine(struct netrig *rig)
{
	char spec[256];

	rig->machine = hyper_local_create(NULL);
	ck_assert_ptr_nonnull(rig->machine);
	ck_assert_int_eq(hyper_local_domain_create(rig->machine, RIG_GUEST), 0);
	rig->back = hyper_open(hyper_local_spec(rig->machine, DOM0, spec,
						sizeof(spec)),
			       HYPER_GRANT | HYPER_EVTCHN);
	rig->front = hyper_open(hyper_local_spec(rig->machine, RIG_GUEST, spec,
						 sizeof(spec)),
				HYPER_SHARE | HYPER_EVTCHN);
	ck_assert_ptr_nonnull(rig->back);
	ck_assert_ptr_nonnull(rig->front);
}

void rig_setup(struct netrig *rig)
{
	struct tap_spec spec = {.name = RIG_NAME};
	struct reason why = {""};
	char host[256];

	rig->guest = modern;
	if (!rig->queues)
		rig->queues = 1;
	spec.nr_queues = rig->queues;
	new_namespace();
	ck_assert_msg(!tap_make(&spec, rig->tap, &why), "%s", why.text);
	rig_link_up(RIG_NAME);
	rig->packet = open_packet();
	open_machine(rig);
	if (rig->process)
		start_process(rig, hyper_local_spec(rig->machine, DOM0, host,
						    sizeof(host)));
	else
		start_inside(rig);
	attach(rig);
}

void rig_teardown(struct netrig *rig)
{
	if (rig->u)
		rig_disconnect(rig);
	detach(rig);
	if (rig->process) {
		ck_assert_int_eq(drive_stop(&rig->drive), 0);
	} else {
		worker_fini(&rig->worker);
		close(rig->control);
	}
	close(rig->packet);
	close_all(rig->tap, rig->queues);
	close(rig->stats);
	hyper_close(rig->front);
	hyper_close(rig->back);
	hyper_local_destroy(rig->machine);
}

static bool any_received(struct netrig *rig)
{
	static struct usernet_frame frame;

	for (unsigned int i = 0; i < rig->guest.nr_queues; i++)
		if (usernet_receive(rig->queue[i], &frame) == 1)
			return true;
	return false;
}

/*
 * The kernel notices the carrier a moment later, and drops frames until then:
 * send one to the guest until it arrives.
 */
static void wait_link(struct netrig *rig)
{
	uint8_t probe[60] = {0x04, 0, 0, 0, 0, 1, 0x04, 0, 0, 0, 0, 2, 0x88};

	for (unsigned int i = 0; i < rig->guest.nr_queues; i++) {
		usernet_post(rig->queue[i], 1);
		usernet_push(rig->queue[i]);
	}
	for (int i = 0; i < 200; i++) {
		ck_assert(rig_write(rig, NULL, probe, sizeof(probe)));
		for (int n = 0; n < 20; n++) {
			rig_turns(rig, 1);
			if (any_received(rig))
				return;
			usleep(1000);
		}
	}
	ck_abort_msg("no frame gets through " RIG_NAME);
}

static struct usernet *new_front(struct netrig *rig, struct ipc_vif_queue *q)
{
	struct usernet *u = usernet_new(rig->front, DOM0, rig->split);

	ck_assert_msg(u != NULL, "frontend: %s", strerror(errno));
	q->tx_gref = u->tx_gref;
	q->rx_gref = u->rx_gref;
	q->tx_port = u->tx_port;
	q->rx_port = u->rx_port;
	return u;
}

void rig_connect_only(struct netrig *rig)
{
	for (unsigned int i = 0; i < rig->guest.nr_queues; i++)
		rig->queue[i] = new_front(rig, &rig->guest.queue[i]);
	rig->u = rig->queue[0];
	if (rig->ctrl)
		ck_assert_int_eq(usernet_add_ctrl(rig->u), 0);
	rig->guest.has_ctrl = rig->ctrl;
	rig->guest.ctrl_gref = rig->u->ctrl_gref;
	rig->guest.ctrl_port = rig->u->ctrl_port;
	ck_assert_int_eq(rig_try_connect(rig), 0);
}

void rig_connect(struct netrig *rig)
{
	rig_connect_only(rig);
	wait_link(rig);
}

void rig_disconnect(struct netrig *rig)
{
	struct ipc_msg msg = {.type = IPC_DISCONNECT};

	if (rig->direct)
		vif_disconnect(rig->vif);
	else
		ck_assert_int_eq(request(rig, &msg, NULL, 0), 0);
	rig_free_front(rig);
}

void rig_free_front(struct netrig *rig)
{
	for (unsigned int i = 0; i < IPC_MAX_QUEUES; i++) {
		if (rig->queue[i])
			ck_assert_int_eq(usernet_free(rig->queue[i]), 0);
		rig->queue[i] = NULL;
	}
	rig->u = NULL;
}

unsigned int rig_reap(struct netrig *rig, struct xpv_netif_tx_response *rsp,
		      unsigned int want)
{
	unsigned int got = 0;

	for (int i = 0; i < 100 && got < want; i++) {
		int n;

		rig_turns(rig, 1);
		n = usernet_reap(rig->u, rsp + got, want - got);
		ck_assert_int_ge(n, 0);
		got += (unsigned int)n;
	}
	return got;
}

bool rig_receive(struct netrig *rig, struct usernet_frame *frame)
{
	for (int i = 0; i < 1000; i++) {
		int ret;

		rig_turns(rig, 1);
		ret = usernet_receive(rig->u, frame);
		ck_assert_int_ge(ret, 0);
		if (ret && (frame->errors || frame->data[0] == 2))
			return true;
		if (i > 10)
			usleep(1000);
	}
	return false;
}

uint64_t rig_count(const struct netrig *rig, enum vif_counter counter)
{
	ck_assert(rig->direct);
	return vif_counter(rig->vif, counter);
}

unsigned int rig_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}
