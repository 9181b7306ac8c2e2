// SPDX-License-Identifier: MIT
/*
 * The initiator's side of vhost-user (QEMU's docs/interop/vhost-user), of the
 * split virtqueue and of the block device (virtio 1.1, 2.6 and 5.2).
 */
#include "vhost_blk.h"
#include "bench.h"
#include "disk_load.h"

#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "barrier.h"

/* ---- the conversation ---- */

enum {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	GET_VRING_BASE = 11,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	SET_VRING_ENABLE = 18,
};

#define MSG_VERSION	    1u
#define F_PROTOCOL_FEATURES 30

struct msg {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of what follows */
	union {
		uint64_t u64;
		struct {
			uint32_t index, num;
		} state;
		struct {
			uint32_t index, flags;
			uint64_t desc, used, avail, log;
		} addr;
		struct {
			uint32_t nr_regions, padding;
			uint64_t guest_addr, size, user_addr, offset;
		} memory; /* one region */
	};
} __attribute__((packed));

#define MSG_HEADER offsetof(struct msg, u64)

/* Three descriptors a request: header, data, status. */
#define PER_SLOT     3u
#define RING_ENTRIES 128u
_Static_assert(RING_ENTRIES >= DISK_DEPTH * PER_SLOT, "a slot has its own");

/* All that the server sees; it lies at guest address 0. */
struct shared {
	struct vring_desc desc[RING_ENTRIES];
	struct {
		uint16_t flags, idx, ring[RING_ENTRIES], used_event;
	} avail __attribute__((aligned(64)));
	struct {
		uint16_t flags, idx;
		struct vring_used_elem ring[RING_ENTRIES];
		uint16_t avail_event;
	} used __attribute__((aligned(64)));
	struct {
		struct virtio_blk_outhdr header;
		uint8_t status;
	} request[DISK_DEPTH] __attribute__((aligned(64)));
	uint8_t data[DISK_DEPTH][REQUEST_SIZE] __attribute__((aligned(4096)));
};

struct vhost_blk {
	int sock, mem, kick, call;
	struct shared *shared;
	uint16_t pushed, filled, reaped;
};

static void say(struct vhost_blk *v, struct msg *m, uint32_t request,
		size_t size, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {m, MSG_HEADER + size};
	struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	m->request = request;
	m->flags = MSG_VERSION;
	m->size = (uint32_t)size;
	if (fd >= 0) {
		hdr.msg_control = control;
		hdr.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&hdr);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	if (sendmsg(v->sock, &hdr, MSG_NOSIGNAL) != (ssize_t)iov.iov_len)
		die("vhost-user: the server is gone: %s", strerror(errno));
}

static void say_u64(struct vhost_blk *v, uint32_t request, uint64_t value,
		    int fd)
{
	struct msg m = {.u64 = value};

	say(v, &m, request, sizeof(m.u64), fd);
}

static void say_state(struct vhost_blk *v, uint32_t request, uint32_t num)
{
	struct msg m = {.state = {.num = num}};

	say(v, &m, request, sizeof(m.state), -1);
}

/* Every answer that we ask for has eight bytes. */
static uint64_t answer(struct vhost_blk *v, uint32_t request)
{
	struct msg m;
	ssize_t got =
		recv(v->sock, &m, MSG_HEADER + sizeof(m.u64), MSG_WAITALL);

	if (got != MSG_HEADER + sizeof(m.u64) || m.request != request)
		die("vhost-user: no answer to request %u", request);
	return m.u64;
}

static uint64_t ask(struct vhost_blk *v, uint32_t request)
{
	say(v, &(struct msg){0}, request, 0, -1);
	return answer(v, request);
}

/* ---- set up ---- */

static void make_memory(struct vhost_blk *v)
{
	struct shared *s;
	unsigned int i;

	v->mem = memfd_create("vhost-blk", MFD_CLOEXEC);
	if (v->mem < 0 || ftruncate(v->mem, sizeof(*s)))
		die("no memory to share");
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_POPULATE, v->mem, 0);
	if (s == MAP_FAILED)
		die("no memory to share");
	v->shared = s;
	for (i = 0; i < DISK_DEPTH; i++) {
		struct vring_desc *d = &s->desc[i * PER_SLOT];
		size_t at = offsetof(struct shared, request) +
			    i * sizeof(s->request[0]);

		d[0].addr = at;
		d[0].len = sizeof(struct virtio_blk_outhdr);
		d[0].flags = VRING_DESC_F_NEXT;
		d[0].next = (uint16_t)(i * PER_SLOT + 1);
		d[1].addr = offsetof(struct shared, data) +
			    (size_t)i * REQUEST_SIZE;
		d[1].len = REQUEST_SIZE;
		d[1].next = (uint16_t)(i * PER_SLOT + 2);
		d[2].addr = at + sizeof(struct virtio_blk_outhdr);
		d[2].len = 1;
		d[2].flags = VRING_DESC_F_WRITE;
	}
}

static void share_memory(struct vhost_blk *v)
{
	uint64_t base = (uint64_t)(uintptr_t)v->shared;
	struct msg table = {
		.memory = {.nr_regions = 1,
			   .size = sizeof(struct shared),
			   .user_addr = base},
	};
	struct msg ring = {
		.addr = {.desc = base,
			 .used = base + offsetof(struct shared, used),
			 .avail = base + offsetof(struct shared, avail)},
	};

	say(v, &table, SET_MEM_TABLE, sizeof(table.memory), v->mem);
	say_state(v, SET_VRING_NUM, RING_ENTRIES);
	say_state(v, SET_VRING_BASE, 0);
	say(v, &ring, SET_VRING_ADDR, sizeof(ring.addr), -1);
}

static void set_features(struct vhost_blk *v)
{
	const uint64_t want = 1ull << VIRTIO_F_VERSION_1 |
			      1ull << VIRTIO_RING_F_EVENT_IDX |
			      1ull << F_PROTOCOL_FEATURES;
	uint64_t offered = ask(v, GET_FEATURES);

	if (want & ~offered)
		die("vhost-user: the server lacks features: %#llx",
		    (unsigned long long)(want & ~offered));
	ask(v, GET_PROTOCOL_FEATURES);
	say_u64(v, SET_PROTOCOL_FEATURES, 0, -1);
	say_u64(v, SET_FEATURES, want, -1);
}

struct vhost_blk *vhost_blk_open(int sock)
{
	struct vhost_blk *v = calloc(1, sizeof(*v));

	if (!v)
		die("no memory for a client");
	v->sock = sock;
	v->kick = eventfd(0, EFD_CLOEXEC);
	v->call = eventfd(0, EFD_CLOEXEC);
	if (v->kick < 0 || v->call < 0)
		die("no eventfd");
	make_memory(v);
	say(v, &(struct msg){0}, SET_OWNER, 0, -1);
	set_features(v);
	share_memory(v);
	say_u64(v, SET_VRING_CALL, 0, v->call);
	say_u64(v, SET_VRING_KICK, 0, v->kick);
	say_state(v, SET_VRING_ENABLE, 1);
	return v;
}

void vhost_blk_close(struct vhost_blk *v)
{
	/* The server stops the ring before it answers. */
	say_state(v, GET_VRING_BASE, 0);
	answer(v, GET_VRING_BASE);
	close(v->sock);
	munmap(v->shared, sizeof(*v->shared));
	close(v->mem);
	close(v->kick);
	close(v->call);
	free(v);
}

/* ---- requests ---- */

void vhost_blk_submit(struct vhost_blk *v, unsigned int slot, bool write,
		      uint64_t offset)
{
	struct shared *s = v->shared;
	struct vring_desc *data = &s->desc[slot * PER_SLOT + 1];

	s->request[slot].header.type =
		write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN;
	s->request[slot].header.sector = offset / 512;
	s->request[slot].status = 0xff;
	data->flags = VRING_DESC_F_NEXT | (write ? 0 : VRING_DESC_F_WRITE);
	s->avail.ring[v->filled++ % RING_ENTRIES] = (uint16_t)(slot * PER_SLOT);
}

void vhost_blk_push(struct vhost_blk *v)
{
	struct shared *s = v->shared;
	const uint64_t one = 1;
	uint16_t old = v->pushed;

	if (old == v->filled)
		return;
	v->pushed = v->filled;
	/* Half the indices away: no answer comes near it. */
	xpv_store_once(&s->avail.used_event, (uint16_t)(v->reaped + 0x8000));
	xpv_store_release(&s->avail.idx, v->filled);
	xpv_mb(); /* the server sees idx before we read its avail_event */
	if (vring_need_event(xpv_load_once(&s->used.avail_event), v->filled,
			     old) &&
	    write(v->kick, &one, sizeof(one)) != sizeof(one))
		die("no kick");
}

unsigned int vhost_blk_reap(struct vhost_blk *v, unsigned int *slots,
			    unsigned int max)
{
	struct shared *s = v->shared;
	uint16_t end = xpv_load_acquire(&s->used.idx);
	unsigned int n;

	for (n = 0; n < max && v->reaped != end; n++, v->reaped++) {
		slots[n] = s->used.ring[v->reaped % RING_ENTRIES].id / PER_SLOT;
		if (slots[n] >= DISK_DEPTH || s->request[slots[n]].status)
			die("vhost-user: a request failed");
	}
	return n;
}
