// SPDX-License-Identifier: MIT
/*
 * A whole worker in process: a supervisor that attaches, connects and detaches
 * in any order and with any values, a guest that writes to its rings, and a
 * worker at the other end of a switch's link that writes to that.
 *
 * What has to hold: each request has one answer, of its type and device; after
 * everything is detached no page of the guest's is in use and no descriptor is
 * left open.
 */
#include "backend/port/mailbox.h"
#include "backend/storage/storage.h"
#include "backend/vif/legacy.h"
#include "backend/vif/stats.h"
#include "blkif.h"
#include "common/host.h"
#include "common/input.h"
#include "common/memport.h"
#include "netif.h"

#include <dirent.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum op {
	OP_ATTACH_VBD,
	OP_ATTACH_VIF,
	OP_ATTACH_UPLINK,
	OP_CONNECT_VBD,
	OP_CONNECT_VIF,
	OP_PLAIN, /* DISCONNECT, DETACH, RESIZE, TUNE, UNLINK or none of them */
	OP_LINK,
	OP_TURN,
	OP_RING,
	OP_SLOT,
	OP_LINK_BYTES,
	OP_NO_MESSAGE,
	OP_HANG_UP,
	OP_PORT_FRAME,
	OPS,
};

#define RINGS	4u
#define LINKS	4u
#define PENDING 64u
#define DISK	(64u * 512)

static const struct ipc_device devices[] = {
	{IPC_VBD, 51712}, {IPC_VBD, 51728}, {IPC_VIF, 0},
	{IPC_VIF, 1},	  {IPC_UPLINK, 1},  {IPC_CLASSES, 7},
};
#define NR_DEVICES (sizeof(devices) / sizeof(devices[0]))

static struct worker worker;
static struct loop_source awake;
static int control; /* the supervisor's end; -1: it has hung up */

/* The guest's: pages that may be rings and may be data. */
static struct {
	void *mem;
	uint32_t gref, port;
} ring[RINGS];

/* Links' memory, as the worker at the other end has it. */
static struct {
	uint8_t *mem;
	size_t bytes;
} links[LINKS];
static unsigned int nr_links;

static struct asked {
	uint32_t type;
	struct ipc_device dev;
} asked[PENDING];
static unsigned int nr_asked;

/* ---- the supervisor ---- */

static void answered(const struct ipc_msg *msg)
{
	unsigned int i;

	FUZZ_CHECK(msg->type == IPC_REPLY || msg->type == IPC_BROKEN ||
		   msg->type == IPC_NOTICE);
	if (msg->type == IPC_NOTICE)
		return;
	FUZZ_CHECK(memchr(msg->reply.text, 0, sizeof(msg->reply.text)));
	if (msg->type == IPC_BROKEN)
		return;
	FUZZ_CHECK(msg->reply.error <= 0);
	for (i = 0; i < nr_asked; i++)
		if (asked[i].type == msg->reply.request &&
		    !memcmp(&asked[i].dev, &msg->dev, sizeof(msg->dev)))
			break;
	FUZZ_CHECK(i < nr_asked);
	asked[i] = asked[--nr_asked];
}

static void turn(void)
{
	int fds[IPC_MAX_FDS], got;
	struct ipc_msg msg;

	FUZZ_CHECK(!loop_turn(worker.loop, true));
	if (control < 0)
		return;
	while ((got = ipc_recv(control, &msg, fds)) >= 0) {
		FUZZ_CHECK(!got);
		answered(&msg);
	}
	FUZZ_CHECK(got == -EAGAIN);
}

static void ask(const struct ipc_msg *msg, int *fds, unsigned int n)
{
	int err = -EPIPE;

	if (control >= 0 && nr_asked < PENDING)
		err = ipc_send(control, msg, fds, n);
	if (!err)
		asked[nr_asked++] = (struct asked){msg->type, msg->dev};
	while (n)
		close(fds[--n]);
}

static struct ipc_msg message(uint32_t type, uint8_t device)
{
	struct ipc_msg msg;

	memset(&msg, 0, sizeof(msg));
	msg.type = type;
	msg.dev = devices[device % NR_DEVICES];
	return msg;
}

static int disk_file(void)
{
	int fd = memfd_create("disk", MFD_CLOEXEC);

	FUZZ_NEED(fd >= 0 && !ftruncate(fd, DISK));
	return fd;
}

/* What a worker has left to its disk's next one, whatever became of it. */
static int disk_legacy(struct input *in)
{
	struct ipc_vbd_legacy l = {.flush_error = 0};
	struct ipc_answers *record = (void *)l.answers[0].record;
	int fd = memfd_create("legacy", MFD_CLOEXEC);

	record->first = input_u8(in);
	record->n = input_u8(in);
	record->made_room = input_u8(in) & 1;
	for (unsigned int i = 0; i < 8; i++)
		l.answers[0].move[i] = input_u8(in);
	FUZZ_NEED(write(fd, &l, sizeof(l)) == sizeof(l));
	return fd;
}

static void attach_vbd(struct input *in)
{
	struct ipc_msg msg = message(IPC_ATTACH, input_u8(in) & 1);
	struct ipc_vbd_attach *a = &msg.vbd_attach;
	uint8_t flags = input_u8(in), odd = input_u8(in);
	int fd[2];

	*a = (struct ipc_vbd_attach){
		.sectors = DISK / 512,
		.sector_size = flags & 1 ? 4096 : 512,
		.read_only = flags & 2,
		.discard = flags & 4,
		.direct = flags & 8,
		.persistent = flags & 16,
		.engine =
			flags & 32 ? STORAGE_ENGINE_POOL : STORAGE_ENGINE_AUTO,
		.cache = STORAGE_CACHE_WRITEBACK,
		.max_indirect = 256,
		.max_queues = 16,
		.max_ring_order = 4,
	};
	if (odd & 1)
		a->sectors = (uint64_t)input_u32(in) << (odd & 31);
	if (odd & 2)
		a->sector_size = input_u16(in);
	if (odd & 4)
		a->max_indirect = input_u16(in);
	if (odd & 8)
		a->engine = a->cache = a->full = input_u8(in) & 7;
	if (flags & 64) {
		strcpy(a->target, "null");
		ask(&msg, NULL, 0);
		return;
	}
	fd[0] = disk_file();
	/* Once in a while one more than is said, or less. */
	a->legacy = odd & 16 && odd != 0xff;
	fd[1] = odd & 16 ? disk_legacy(in) : -1;
	ask(&msg, fd, odd & 16 ? 2 : 1);
}

/* What a worker has left that a guest may have taken over. */
static int legacy_file(struct input *in)
{
	size_t bytes = vif_legacy_bytes(3);
	struct vif_legacy *l = vif_legacy_map(-1, 3);
	struct ipc_answers *record[] = {(void *)l->ctrl, (void *)l->queue[0].tx,
					(void *)l->queue[0].rx};
	int fd = memfd_create("legacy", MFD_CLOEXEC);

	l->multicast.nr = input_u8(in);
	l->hash.algorithm = input_u8(in);
	l->hash.flags = input_u8(in);
	l->hash.nr_mapping = input_u16(in);
	l->hash.mapping[0] = input_u32(in);
	for (unsigned int i = 0; i < 3; i++) {
		record[i]->first = input_u8(in);
		record[i]->n = input_u16(in);
		input_bytes(in, record[i]->answer, 16);
	}
	FUZZ_NEED(write(fd, l, bytes) == (ssize_t)bytes);
	vif_legacy_unmap(l, 3);
	return fd;
}

static void attach_vif(struct input *in)
{
	struct ipc_msg msg = message(IPC_ATTACH, 2 + (input_u8(in) & 1));
	struct ipc_vif_attach *a = &msg.vif_attach;
	uint8_t flags = input_u8(in);
	unsigned int n = flags & 3;
	int fd[5];

	a->on_switch = flags & 4;
	a->stats = flags & 8;
	a->nr_fds = (uint8_t)(flags & 16 ? flags : n);
	memset(a->name, flags & 32 ? 'x' : 0, sizeof(a->name));
	a->lan.max_queues = flags & 3;
	if (a->on_switch)
		n = 0;
	a->mac[5] = 1;
	a->lan.guard.check_mac = flags & 64;
	for (unsigned int i = 0; i < n; i++)
		fd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	a->legacy = flags & 128;
	if (a->stats) {
		fd[n] = memfd_create("stats", MFD_CLOEXEC);
		/* The supervisor makes it as large as that. */
		FUZZ_NEED(!ftruncate(fd[n++], sizeof(struct vif_stats)));
	}
	if (a->legacy)
		fd[n++] = legacy_file(in);
	ask(&msg, fd, n);
}

static void attach_uplink(struct input *in)
{
	struct ipc_msg msg = message(IPC_ATTACH, 4);
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	msg.vif_attach.nr_fds = 1;
	msg.vif_attach.on_switch = input_u8(in) & 1;
	ask(&msg, &fd, 1);
}

static uint32_t choose_gref(struct input *in)
{
	uint8_t choice = input_u8(in);

	return choice < 0xf0 ? ring[choice % RINGS].gref
			     : host_gref(choice, NULL, 0);
}

static uint32_t choose_port(struct input *in)
{
	uint8_t choice = input_u8(in);

	return choice < 0xf0 ? ring[choice % RINGS].port : choice;
}

static void connect_vbd(struct input *in)
{
	struct ipc_msg msg = message(IPC_CONNECT, input_u8(in));
	struct ipc_vbd_connect *c = &msg.vbd_connect;
	uint8_t flags = input_u8(in);

	if (msg.dev.class == IPC_VIF)
		return; /* one union's flags are no flags of the other's */
	c->abi = (flags & 3) % 3;
	c->persistent = flags & 4;
	c->ring_order = flags >> 3 & 7;
	c->nr_queues = 1;
	if (flags & 64)
		c->ring_order = 0;
	if (flags & 128)
		c->nr_queues = input_u8(in);
	for (unsigned int i = 0; i < 2; i++) {
		c->queue[i].port = choose_port(in);
		for (unsigned int j = 0; j < 3; j++)
			c->queue[i].gref[j] = choose_gref(in);
	}
	ask(&msg, NULL, 0);
}

static void connect_vif(struct input *in)
{
	struct ipc_msg msg = message(IPC_CONNECT, 2 + (input_u8(in) & 1));
	struct ipc_vif_connect *c = &msg.vif_connect;
	uint8_t flags = input_u8(in);

	c->nr_queues = 1;
	if (flags & 1)
		c->nr_queues = input_u8(in);
	c->sg = c->gso_tcpv4 = c->csum_ipv4 = flags & 2;
	c->rx_notify = flags & 4;
	c->has_ctrl = flags & 8;
	c->resumed = flags & 32;
	c->ctrl_gref = ring[3].gref;
	c->ctrl_port = choose_port(in);
	if (flags & 16) {
		c->tune.rate_bytes = input_u32(in);
		c->tune.rate_usec = input_u32(in);
		c->tune.headroom = input_u16(in);
	}
	for (unsigned int i = 0; i < 2; i++) {
		c->queue[i].tx_gref = choose_gref(in);
		c->queue[i].rx_gref = choose_gref(in);
		c->queue[i].tx_port = choose_port(in);
		c->queue[i].rx_port = choose_port(in);
	}
	ask(&msg, NULL, 0);
}

static void plain(struct input *in)
{
	static const uint32_t types[] = {
		IPC_DISCONNECT, IPC_DETACH, IPC_RESIZE, IPC_VIF_TUNE,
		IPC_UNLINK,	IPC_REPLY,  IPC_NOTICE, IPC_BROKEN,
	};
	uint32_t type = types[input_u8(in) % 8];
	struct ipc_msg msg = message(type, input_u8(in));

	if (type == IPC_RESIZE)
		msg.sectors = input_u32(in);
	else if (type == IPC_UNLINK)
		msg.unlink = input_u8(in) % 4;
	else if (type == IPC_VIF_TUNE)
		msg.vif_tune.headroom = input_u16(in);
	ask(&msg, NULL, 0);
}

static void link_up(struct input *in)
{
	struct ipc_msg msg = message(IPC_LINK, 2 + input_u8(in) % 3);
	uint8_t flags = input_u8(in);
	int fd[3];

	msg.link.id = 1 + flags % 4;
	msg.link.domid = flags & 16 ? HOST_GUEST : 9;
	msg.link.side = flags >> 5 & 1;
	msg.link.fixed = flags & 64;
	msg.link.mac[0] = 2;
	msg.link.arena = flags & 128 ? ARENA_BYTES : 0;
	if (nr_links == LINKS)
		return;
	fd[0] = link_make(msg.link.arena);
	FUZZ_NEED(fd[0] >= 0);
	links[nr_links].bytes = LINK_BYTES(msg.link.arena);
	links[nr_links].mem =
		mmap(NULL, links[nr_links].bytes, PROT_READ | PROT_WRITE,
		     MAP_SHARED, fd[0], 0);
	FUZZ_NEED(links[nr_links].mem != MAP_FAILED);
	nr_links++;
	fd[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fd[2] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ask(&msg, fd, flags & 8 ? 2 : 3);
	if (flags & 8)
		close(fd[2]);
}

/* What is no message, with a descriptor or without. */
static void no_message(struct input *in)
{
	uint8_t bytes[64];

	input_bytes(in, bytes, sizeof(bytes));
	if (control >= 0)
		send(control, bytes, 1 + bytes[0] % sizeof(bytes),
		     MSG_NOSIGNAL);
}

/* ---- its peers ---- */

static void write_ring(struct input *in)
{
	unsigned int r = input_u8(in) % RINGS;
	struct xpv_sring *s = ring[r].mem;
	uint8_t which = input_u8(in), more = input_u8(in);

	if (which & 1)
		s->req_prod += more;
	if (which & 2)
		s->rsp_event = s->rsp_prod + 1;
	if (which & 4)
		memset(s, 0, XPV_PAGE_SIZE);
	if (which & 8)
		s->rsp_prod = more;
	host.front->ops->evtchn_notify(host.front, ring[r].port);
}

/* A request of one page, for a disk or a NIC; or bytes. */
static void write_slot(struct input *in)
{
	unsigned int r = input_u8(in) % RINGS;
	uint8_t kind = input_u8(in), at = input_u8(in);
	uint8_t *slots = (uint8_t *)ring[r].mem + XPV_RING_HEADER_SIZE;
	struct xpv_netif_tx_request tx = {
		.gref = choose_gref(in),
		.size = 60 + kind,
		.id = at,
	};
	struct xpv_blk_request blk = {
		.op = kind % 6,
		.id = at,
		.nr_segs = 1,
		.seg = {{.gref = tx.gref, .last = 7}},
	};

	if (kind & 128)
		input_bytes(in, slots + at * 12, 12);
	else if (kind & 64)
		memcpy(slots + at * 12, &tx, sizeof(tx));
	else
		xpv_blkif_encode(&xpv_blkif_x86_64, &blk,
				 slots + at % 32 * 112);
}

static void write_link(struct input *in)
{
	uint8_t which = input_u8(in);
	uint32_t at = input_u32(in);
	uint8_t *mem;

	if (!nr_links)
		return;
	mem = links[which % nr_links].mem;
	/* Indices, a slot, or anywhere. */
	if (which & 0x80)
		at %= 32;
	else if (which & 0x40)
		at = at % 2 * MAILBOX_BYTES + XPV_RING_HEADER_SIZE +
		     at / 2 % 448;
	at %= (uint32_t)links[which % nr_links].bytes - 32;
	input_bytes(in, mem + at, 1 + (which >> 2 & 7));
}

static void port_frame(struct input *in)
{
	uint8_t data[128] = {2};
	struct port_offload off = {0};

	data[5] = input_u8(in) & 3;
	memport_give(data, 60, &off);
}

static void hang_up(void)
{
	/* Or nobody would detach anything any more. */
	if (control < 0)
		return;
	close(control);
	control = -1;
	nr_asked = 0;
}

static void operation(struct input *in)
{
	switch (input_u8(in) % OPS) {
	case OP_ATTACH_VBD:
		attach_vbd(in);
		break;
	case OP_ATTACH_VIF:
		attach_vif(in);
		break;
	case OP_ATTACH_UPLINK:
		attach_uplink(in);
		break;
	case OP_CONNECT_VBD:
		connect_vbd(in);
		break;
	case OP_CONNECT_VIF:
		connect_vif(in);
		break;
	case OP_PLAIN:
		plain(in);
		break;
	case OP_LINK:
		link_up(in);
		break;
	case OP_TURN:
		turn();
		break;
	case OP_RING:
		write_ring(in);
		break;
	case OP_SLOT:
		write_slot(in);
		break;
	case OP_LINK_BYTES:
		write_link(in);
		break;
	case OP_NO_MESSAGE:
		no_message(in);
		break;
	case OP_HANG_UP:
		/* Rare: little happens afterwards. */
		if (input_u16(in) == 0x1234)
			hang_up();
		break;
	case OP_PORT_FRAME:
		port_frame(in);
		break;
	}
}

/* ---- an input ---- */

static unsigned int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	FUZZ_NEED(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void start(void)
{
	int sock[2];

	host_start();
	memport_reset();
	for (unsigned int i = 0; i < RINGS; i++) {
		ring[i].mem = host_share(1, true, &ring[i].gref);
		if (!ring[i].port)
			ring[i].port = host_port();
	}
	FUZZ_NEED(!ipc_pair(sock));
	control = sock[0];
	FUZZ_NEED(!worker_init(&worker, HOST_GUEST, host.back, sock[1]));
	host_keep_awake(worker.loop, &awake);
	nr_asked = 0;
}

/* Storage is at work in threads of its own. */
static void settle(void)
{
	for (unsigned int i = 0; i < 20000 && nr_asked; i++) {
		turn();
		if (i > 50)
			usleep(100);
	}
	FUZZ_CHECK(!nr_asked);
}

static void stop(void)
{
	settle();
	for (unsigned int i = 0; i < NR_DEVICES; i++) {
		struct ipc_msg msg = message(IPC_DETACH, (uint8_t)i);

		if (control >= 0)
			ask(&msg, NULL, 0);
	}
	settle();
	if (control < 0) {
		worker_shutdown(&worker);
		FUZZ_CHECK(!worker_run(&worker));
	}
	hang_up();
	FUZZ_CHECK(!worker.vbd_common);
	worker_fini(&worker);
	close(awake.fd);
	for (unsigned int i = 0; i < RINGS; i++)
		FUZZ_CHECK(
			!host.front->ops->unshare(host.front, ring[i].mem, 1));
	while (nr_links) {
		nr_links--;
		munmap(links[nr_links].mem, links[nr_links].bytes);
	}
	host_drain_events();
}

/* Some are kept by the hypervisor's handles from their first use on. */
#define KEPT_FDS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned int fds;
	struct input in = {data, size};

	start();
	while (in.left)
		operation(&in);
	stop();
	if (!fds)
		fds = open_fds();
	FUZZ_CHECK(open_fds() <= fds + KEPT_FDS);
	return 0;
}
