/* SPDX-License-Identifier: MIT */
/*
 * What the supervisor and a worker say to each other: one fixed-size message
 * a datagram over a SOCK_SEQPACKET socket pair, file descriptors beside it.
 *
 * The supervisor asks, the worker answers each request with exactly one
 * IPC_REPLY of the same request type and device; IPC_BROKEN and IPC_NOTICE come
 * unasked.
 * A worker without a supervisor goes on serving, a supervisor without its
 * worker starts another. Descriptor 4 of a worker is the supervisor's end of
 * the pair: never used, never closed, for the next supervisor to fetch.
 *
 * The supervisor has checked every value it took from xenstore; the worker
 * checks again what its own memory safety depends on.
 */
#ifndef XPV_IPC_H
#define XPV_IPC_H

#include <stdbool.h>
#include <stdint.h>

#include "port/switch_config.h"

#define IPC_MAX_QUEUES	   16u
#define IPC_MAX_RING_PAGES 16u /* ring-page-order 4 */
#define IPC_MAX_FDS	   (IPC_MAX_QUEUES + 2) /* and two files */
#define IPC_TEXT	   256u

/*
 * Who has another one cannot be talked to: a worker then makes way for a new
 * one. Any change of what a message means raises the first part.
 */
#define IPC_VERSION (3u << 16 | (uint32_t)sizeof(struct ipc_msg))

/* Answers that one store shows to a guest; more are shown in several. */
#define IPC_VBD_ANSWERS 48u
#define IPC_VBD_ANSWER	16u /* bytes of the largest */

enum ipc_type {
	IPC_NONE,
	/* supervisor to worker */
	IPC_ATTACH, /* a device and its storage or tap, as fds */
	IPC_CONNECT, /* the frontend's rings */
	IPC_DISCONNECT, /* finish what is in flight, unmap the rings */
	IPC_DETACH, /* disconnect and close the fds */
	IPC_RESIZE, /* vbd: the target's new size */
	IPC_VIF_TUNE, /* vif: what may change while it is connected */
	IPC_LINK, /* a port of a switch: there is another one; 3 fds */
	IPC_UNLINK, /* it is gone, or has stopped; or all of them */
	/* worker to supervisor */
	IPC_REPLY,
	IPC_BROKEN, /* the frontend broke the protocol; text says how. The
			 * rings are disconnected already. */
	IPC_NOTICE, /* how the device is, unasked, when that has changed */
	IPC_TYPES,
};

enum ipc_class {
	IPC_VBD,
	IPC_VIF,
	IPC_UPLINK, /* of a switch; the handle is the switch's number */
	IPC_CLASSES,
};

/* A device of the worker's guest. */
struct ipc_device {
	uint32_t class; /* enum ipc_class */
	uint32_t handle; /* xenstore device id: 51712, or 0 for the first vif */
};

/*
 * Answers on their way into a ring. They overwrite the requests in its slots
 * before the guest can see them: a worker that dies in between has left
 * neither in the ring.
 */
struct ipc_answers {
	uint32_t first; /* response index of the first one */
	uint32_t n; /* 0: none are on their way */
	uint32_t made_room; /* what follows may overwrite their slots now */
	uint8_t pad[4];
	uint8_t answer[];
};

#define IPC_ANSWERS_BYTES(n, size) (sizeof(struct ipc_answers) + (n) * (size))

/* Of one ring of a disk. */
struct ipc_vbd_answers {
	_Alignas(struct ipc_answers) uint8_t
		record[IPC_ANSWERS_BYTES(IPC_VBD_ANSWERS, IPC_VBD_ANSWER)];
	/* Where the request goes in whose slot each of them is written. */
	uint32_t move[IPC_VBD_ANSWERS];
	uint8_t pad[48];
};

/*
 * What a disk's worker leaves to the next one however it ends: a file that it
 * maps.
 */
struct ipc_vbd_legacy {
	/* A flush has failed since the toolstack made the disk, a negative
	 * errno: none succeeds any more. */
	int32_t flush_error;
	uint8_t pad[1020];
	struct ipc_vbd_answers answers[IPC_MAX_QUEUES];
};

_Static_assert(sizeof(struct ipc_vbd_answers) == 1024,
	       "the answers of four rings fill a page");

struct ipc_vbd_attach {
	uint64_t sectors; /* units of 512 bytes */
	uint32_t sector_size; /* logical, bytes: 512 or 4096 */
	uint32_t physical_sector_size; /* bytes, a power of two */
	/* Bytes; what the storage does best, it takes any. */
	uint32_t discard_granularity;
	uint32_t discard_alignment;
	bool discard;
	bool discard_secure;
	bool read_only;
	bool direct; /* the fd was opened with O_DIRECT */
	/* Nobody looks at pages of an O_DIRECT write once it is done, as a
	 * network below might that sends twice: pages mapped from the guest
	 * may be handed to the kernel. */
	bool direct_io_safe;
	uint8_t cache; /* enum storage_cache, not DEFAULT */
	uint8_t full; /* enum storage_full */
	uint8_t engine; /* enum storage_engine */
	/* What the frontend was offered. */
	bool persistent;
	uint8_t max_ring_order;
	uint16_t max_queues;
	uint16_t max_indirect; /* segments */
	/* A flush has failed since the toolstack made the disk, a negative
	 * errno: none succeeds any more. */
	int32_t flush_error;
	/* Behind the disk comes a file that holds a struct ipc_vbd_legacy; it is
	 * not let go of as long as a request may be under way. */
	bool legacy;
	char target[IPC_TEXT]; /* for the log */
};

struct ipc_vbd_queue {
	uint32_t gref[IPC_MAX_RING_PAGES];
	uint32_t port; /* the frontend's event channel */
};

struct ipc_vbd_connect {
	uint8_t abi; /* 0 native (x86_64), 1 x86_32 */
	uint8_t ring_order;
	uint8_t nr_queues;
	bool persistent; /* both sides want persistent grants */
	bool resumed; /* the rings are in use, a worker before had them */
	struct ipc_vbd_queue queue[IPC_MAX_QUEUES];
};

/* A vif on a switch, which has no tap. */
struct ipc_vif_switch {
	struct vlan_set vlans;
	struct guard guard; /* but for the MAC */
	uint8_t max_queues; /* that the guest was offered */
};

struct ipc_vif_attach {
	char name[16]; /* of the tap, for the log */
	uint8_t mac[6]; /* of the guest */
	uint8_t nr_fds; /* tap queues handed over */
	bool stats; /* and behind them a file for struct vif_stats */
	bool legacy; /* and behind that one for struct vif_legacy */
	bool on_switch;
	struct ipc_vif_switch lan;
};

struct ipc_vif_queue {
	uint32_t tx_gref;
	uint32_t rx_gref;
	uint32_t tx_port;
	uint32_t rx_port; /* equal to tx_port: one channel for both */
};

/*
 * Of a page, for a program of the frontend's (XDP); Linux asks for 256. A
 * frontend may ask for up to 32767, which is more than a page: it gets what
 * leaves room for a frame of 64 KiB in half a ring, and each packet tells it.
 */
#define IPC_VIF_MAX_HEADROOM 3584u

/* What may change at any time. */
struct ipc_vif_tune {
	uint64_t rate_bytes; /* in rate_usec may leave the guest; 0: no limit */
	uint64_t rate_usec;
	uint16_t headroom; /* in front of each piece of a frame */
	bool multicast_filter;
};

struct ipc_vif_connect {
	uint8_t nr_queues;
	bool resumed; /* the rings are in use, a worker before had them */
	/* What the frontend can receive. */
	bool sg;
	bool gso_tcpv4;
	bool gso_tcpv6;
	bool csum_ipv4;
	bool csum_ipv6;
	bool rx_notify;
	/* The control ring, if there is one. */
	bool has_ctrl;
	uint32_t ctrl_gref;
	uint32_t ctrl_port;
	struct ipc_vif_tune tune;
	struct ipc_vif_queue queue[IPC_MAX_QUEUES];
};

/* IPC_NOTICE: all there is to know, each time. */
union ipc_notice {
	struct { /* 0 or a negative errno */
		int32_t waiting; /* writes wait for space */
		int32_t flush_error; /* no flush succeeds any more */
	} vbd;
};

struct ipc_reply {
	uint32_t request; /* enum ipc_type that is answered */
	int32_t error; /* 0 or a negative errno */
	char text[IPC_TEXT];
};

struct ipc_msg {
	uint32_t type; /* enum ipc_type */
	struct ipc_device dev;
	union {
		struct ipc_vbd_attach vbd_attach;
		struct ipc_vbd_connect vbd_connect;
		struct ipc_vif_attach vif_attach;
		struct ipc_vif_connect vif_connect;
		struct ipc_vif_tune vif_tune;
		struct switch_peer link; /* IPC_LINK */
		uint32_t unlink; /* IPC_UNLINK: peer, or SWITCH_ALL_PEERS */
		uint64_t sectors; /* IPC_RESIZE */
		union ipc_notice notice; /* IPC_NOTICE */
		struct ipc_reply reply; /* IPC_REPLY, IPC_BROKEN (text) */
	};
};

/* A socket pair for one worker, close-on-exec, non-blocking. 0 or -errno. */
int ipc_pair(int sock[2]);

/*
 * Send one message with @nr_fds descriptors. 0; -EAGAIN if the peer does not
 * read; -EPIPE if it is gone.
 */
int ipc_send(int sock, const struct ipc_msg *msg, const int *fds,
	     unsigned int nr_fds);

/*
 * Receive one message. Returns the number of descriptors put into
 * fds[IPC_MAX_FDS] (close-on-exec, the caller's to close), or -EAGAIN,
 * -EPIPE (peer gone), -EPROTO (not a message of ours; nothing is kept),
 * -EMFILE (*msg is one, but there was no room for the descriptors with it).
 */
int ipc_recv(int sock, struct ipc_msg *msg, int *fds);

#endif
