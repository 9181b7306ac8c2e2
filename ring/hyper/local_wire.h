/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What a handle and the broker of its machine say to each other, one datagram
 * each way on a SOCK_SEQPACKET unix socket. Nothing here is on a data path.
 */
#ifndef XPV_LOCAL_WIRE_H
#define XPV_LOCAL_WIRE_H

#include <stddef.h>
#include <stdint.h>

enum local_op {
	LOCAL_HELLO, /* domid, parts -> slot; fds: memory, events, store */
	LOCAL_SHARE, /* domid, n, writable -> frame; data: grefs */
	LOCAL_UNSHARE, /* frame */
	LOCAL_PORT_ALLOC, /* domid -> port */
	LOCAL_PORT_BIND, /* domid, port -> port */
	LOCAL_PORT_RESTRICT, /* domid */
	LOCAL_PORT_CLOSE, /* port */
	LOCAL_PEER_FD, /* token -> fd */
	/* The store: arg[0] is the transaction, data holds strings. */
	LOCAL_TX_START, /* -> transaction */
	LOCAL_TX_END, /* transaction, abort */
	LOCAL_READ, /* path -> value */
	LOCAL_WRITE, /* path, value */
	LOCAL_MKDIR, /* path */
	LOCAL_RM, /* path */
	LOCAL_LIST, /* path -> names; arg[0] their number */
	LOCAL_PERMS, /* path; owner, peer, access */
	LOCAL_WATCH, /* path, token */
	LOCAL_UNWATCH, /* path, token */
	LOCAL_NEXT_WATCH, /* -> path, token */
};

#define LOCAL_DATA 61440u
#define LOCAL_FDS  3

struct local_msg {
	int32_t op; /* reply: 0 or -errno */
	uint32_t len; /* of data */
	uint32_t arg[4];
	uint64_t token;
	char data[LOCAL_DATA];
};

#define LOCAL_MSG_HEAD offsetof(struct local_msg, data)

/* One datagram with up to LOCAL_FDS descriptors; 0 or -errno (local_wire.c). */
int local_send(int sock, const struct local_msg *msg, const int *fds,
	       unsigned int nfds, int flags);
/* fds that did not come are -1. -EPIPE: the other end is gone. */
int local_recv(int sock, struct local_msg *msg, int *fds, int flags);

#endif
