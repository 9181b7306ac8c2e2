/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The network protocol on the wire: transmit, receive and control rings of a
 * vif, and the assembler that turns transmit slots into one packet.
 *
 * Source: xen/io/netif.h of Xen 4.17. Directions are the guest's: TX leaves
 * the guest. The layout is the same for 32- and 64-bit guests.
 */
#ifndef XPV_NETIF_H
#define XPV_NETIF_H

#include "barrier.h"

/* Slots that a backend must accept for one packet; the wire's own minimum. */
#define XPV_NETIF_MAX_SLOTS 18u
/* Slots that end the connection rather than the packet: an attack. */
#define XPV_NETIF_FATAL_SLOTS 20u
#define XPV_NETIF_MAX_PACKET  65535u
#define XPV_NETIF_MIN_PACKET  14u /* an Ethernet header */

/* Flags of a tx request (NETTXF_*). */
#define XPV_TX_CSUM_BLANK     1u
#define XPV_TX_DATA_VALIDATED 2u
#define XPV_TX_MORE	      4u
#define XPV_TX_EXTRA	      8u

/* Flags of an rx response (NETRXF_*); the first two are swapped against TX. */
#define XPV_RX_DATA_VALIDATED 1u
#define XPV_RX_CSUM_BLANK     2u
#define XPV_RX_MORE	      4u
#define XPV_RX_EXTRA	      8u
#define XPV_RX_GSO_PREFIX     16u

/* Status (NETIF_RSP_*). An rx response's status is its length when >= 0. */
#define XPV_NETIF_OKAY	  0
#define XPV_NETIF_ERROR	  (-1)
#define XPV_NETIF_DROPPED (-2)
#define XPV_NETIF_NULL	  1 /* answers the slot of an extra info */

/* Types of extra info (XEN_NETIF_EXTRA_TYPE_*). */
enum xpv_netif_extra_type {
	XPV_EXTRA_NONE = 0,
	XPV_EXTRA_GSO = 1,
	XPV_EXTRA_MCAST_ADD = 2,
	XPV_EXTRA_MCAST_DEL = 3,
	XPV_EXTRA_HASH = 4,
	XPV_EXTRA_XDP = 5,
	XPV_EXTRA_TYPES,
};
#define XPV_EXTRA_MORE 1u /* flag of an extra: another one follows */

/* XEN_NETIF_GSO_TYPE_* */
enum xpv_netif_gso_type {
	XPV_GSO_NONE = 0,
	XPV_GSO_TCPV4 = 1,
	XPV_GSO_TCPV6 = 2,
};

/* Types of hash (XEN_NETIF_CTRL_HASH_TYPE_*): numbers, and bits of flags. */
enum xpv_hash_type {
	XPV_HASH_IPV4 = 0,
	XPV_HASH_IPV4_TCP = 1,
	XPV_HASH_IPV6 = 2,
	XPV_HASH_IPV6_TCP = 3,
	XPV_HASH_TYPES,
};
#define XPV_HASH_ALL_FLAGS ((1u << XPV_HASH_TYPES) - 1)

enum xpv_hash_algorithm {
	XPV_HASH_ALGORITHM_NONE = 0,
	XPV_HASH_ALGORITHM_TOEPLITZ = 1,
};

/* Requests on the control ring (XEN_NETIF_CTRL_TYPE_*), their data[]. */
enum xpv_ctrl_type {
	XPV_CTRL_GET_HASH_FLAGS = 1,
	XPV_CTRL_SET_HASH_FLAGS = 2, /* flags */
	XPV_CTRL_SET_HASH_KEY = 3, /* gref, bytes */
	XPV_CTRL_GET_HASH_MAPPING_SIZE = 4,
	XPV_CTRL_SET_HASH_MAPPING_SIZE = 5, /* entries */
	XPV_CTRL_SET_HASH_MAPPING = 6, /* gref, entries, first entry */
	XPV_CTRL_SET_HASH_ALGORITHM = 7, /* algorithm */
};

/* XEN_NETIF_CTRL_STATUS_* */
enum xpv_ctrl_status {
	XPV_CTRL_SUCCESS = 0,
	XPV_CTRL_NOT_SUPPORTED = 1,
	XPV_CTRL_INVALID_PARAMETER = 2,
	XPV_CTRL_BUFFER_OVERFLOW = 3,
};

struct xpv_netif_tx_request {
	uint32_t gref;
	uint16_t offset; /* within the page */
	uint16_t flags;
	uint16_t id;
	uint16_t size; /* first slot: of the whole packet; others: their own */
};

struct xpv_netif_tx_response {
	uint16_t id;
	int16_t status;
};

struct xpv_netif_rx_request {
	uint16_t id;
	uint16_t pad;
	uint32_t gref;
};

struct xpv_netif_rx_response {
	uint16_t id;
	uint16_t offset;
	uint16_t flags;
	int16_t status; /* bytes in this slot, or < 0 */
};

struct xpv_netif_extra {
	uint8_t type;
	uint8_t flags;
	union {
		struct {
			uint16_t size; /* bytes of TCP payload a segment */
			uint8_t type;
			uint8_t pad;
			uint16_t features;
		} gso;
		struct {
			uint8_t addr[6];
		} mcast;
		struct {
			uint8_t type;
			uint8_t algorithm;
			uint8_t value[4];
		} hash;
		struct {
			uint16_t headroom;
			uint16_t pad[2];
		} xdp;
	};
};

struct xpv_netif_ctrl_request {
	uint16_t id;
	uint16_t type;
	uint32_t data[3];
};

struct xpv_netif_ctrl_response {
	uint16_t id;
	uint16_t type;
	uint32_t status;
	uint32_t data;
};

/* Slot sizes of the three rings: the larger of request and response. */
#define XPV_NETIF_TX_SLOT   12u
#define XPV_NETIF_TX_RSP    4u /* bytes of it that an answer fills */
#define XPV_NETIF_RX_SLOT   8u
#define XPV_NETIF_CTRL_SLOT 16u

_Static_assert(sizeof(struct xpv_netif_tx_request) == 12, "netif.h");
_Static_assert(offsetof(struct xpv_netif_tx_request, size) == 10, "netif.h");
_Static_assert(sizeof(struct xpv_netif_tx_response) == 4, "netif.h");
_Static_assert(sizeof(struct xpv_netif_rx_request) == 8, "netif.h");
_Static_assert(offsetof(struct xpv_netif_rx_request, gref) == 4, "netif.h");
_Static_assert(sizeof(struct xpv_netif_rx_response) == 8, "netif.h");
_Static_assert(offsetof(struct xpv_netif_rx_response, status) == 6, "netif.h");
_Static_assert(sizeof(struct xpv_netif_extra) == 8, "netif.h");
_Static_assert(offsetof(struct xpv_netif_extra, gso.features) == 6, "netif.h");
_Static_assert(sizeof(struct xpv_netif_ctrl_request) == 16, "netif.h");
_Static_assert(sizeof(struct xpv_netif_ctrl_response) == 12, "netif.h");

/* One run of bytes of a packet inside one granted page. */
struct xpv_net_frag {
	uint32_t gref;
	uint16_t offset;
	uint16_t size; /* 0 is allowed: such a slot holds nothing to copy */
	uint16_t id; /* of its tx request */
};

/*
 * A transmitted packet. Its slots on the ring are: the first fragment's, then
 * nr_extras extras, then the other fragments; each wants one response, an
 * extra's being XPV_NETIF_NULL.
 */
struct xpv_net_packet {
	uint32_t size; /* bytes of all fragments */
	uint8_t nr_frags;
	uint8_t nr_extras;
	bool csum_blank;
	bool data_validated;
	uint8_t gso_type; /* enum xpv_netif_gso_type */
	uint16_t gso_size;
	uint16_t xdp_headroom;
	uint8_t mcast_op; /* 0, XPV_EXTRA_MCAST_ADD or XPV_EXTRA_MCAST_DEL */
	uint8_t mcast_addr[6];
	bool has_hash;
	uint8_t hash_type;
	uint8_t hash_value[4];
	struct xpv_net_frag frag[XPV_NETIF_MAX_SLOTS];
};

/*
 * Verdicts of the assembler. DROP: answer each slot with an error, go on.
 * FATAL: the front breaks the protocol; stop the vif.
 */
enum xpv_net_verdict {
	XPV_NET_OK = 0,
	XPV_NET_INCOMPLETE, /* the packet's other slots are not on the ring */
	XPV_NET_DROP_SLOTS, /* more slots than we accept */
	XPV_NET_DROP_SHORT, /* less than an Ethernet header */
	XPV_NET_DROP_LONG, /* fragments exceed the packet's size */
	XPV_NET_FATAL, /* values from here on end the connection */
	XPV_NET_FATAL_SLOTS = XPV_NET_FATAL,
	XPV_NET_FATAL_CROSS_PAGE, /* offset + size over one page */
	XPV_NET_FATAL_EXTRA, /* unknown, or repeated beyond reason */
	XPV_NET_FATAL_GSO, /* size 0 or unknown type */
	XPV_NET_VERDICTS,
};

const char *xpv_net_verdict_str(enum xpv_net_verdict verdict);

/*
 * Assemble the packet that starts at slots[0]. @slots are private copies of
 * @nr tx slots (extras overlay them). On OK and DROP, *used is the number of
 * slots that the packet takes on the ring; @pkt holds the first *used slots'
 * meaning on OK only, but for nr_extras, which every answer needs. On
 * INCOMPLETE nothing is used: call again when more slots are there.
 */
enum xpv_net_verdict xpv_netif_assemble(
	const struct xpv_netif_tx_request *slots, unsigned int nr,
	struct xpv_net_packet *pkt, unsigned int *used);

#endif
