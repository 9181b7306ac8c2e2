/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What both ends of a device agree on in xenstore: the states, who does what
 * in which pair of states, and every key with its type and range.
 *
 * Sources: xen/io/xenbus.h, xen/io/blkif.h, xen/io/netif.h of Xen 4.17;
 * libxl and the Linux drivers for what the headers leave open.
 */
#ifndef XPV_XENBUS_H
#define XPV_XENBUS_H

#include "barrier.h"

enum xpv_state {
	XPV_STATE_UNKNOWN = 0, /* the node is gone or holds no state */
	XPV_STATE_INITIALISING = 1,
	XPV_STATE_INIT_WAIT = 2,
	XPV_STATE_INITIALISED = 3,
	XPV_STATE_CONNECTED = 4,
	XPV_STATE_CLOSING = 5,
	XPV_STATE_CLOSED = 6,
	XPV_STATE_RECONFIGURING = 7,
	XPV_STATE_RECONFIGURED = 8,
	XPV_STATES,
};

const char *xpv_state_name(enum xpv_state state);

/* What an end does when it sees its peer in a state. */
enum xpv_action {
	XPV_DO_NOTHING = 0,
	XPV_DO_INIT, /* back: publish the offer, go to 2 */
	XPV_DO_PUBLISH, /* front: publish rings, go to 3 (block) or 4 (net) */
	XPV_DO_CONNECT, /* back: map the rings and go to 4;
			 * front: read the back's keys and go to 4 */
	XPV_DO_CLOSE, /* stop and disconnect, go to 5 (back), 6 (front) */
	XPV_DO_CLOSED, /* disconnect and go to 6 */
	XPV_DO_REFRESH, /* front: read keys that may change while connected */
	XPV_DO_RECONFIGURE, /* back: do so, then go to 8 */
	XPV_DO_REFUSE, /* the pair cannot be: `error` says so, then close */
};

/*
 * The two tables, [own state][peer's state]. Closing is the same for both
 * device classes; differences between the classes lie in what PUBLISH and
 * CONNECT do, not in when.
 */
enum xpv_action xpv_back_action(enum xpv_state own, enum xpv_state front);
enum xpv_action xpv_front_action(enum xpv_state own, enum xpv_state back);

/* ---- paths ---- */

/* Printf formats: own domid, class; then the peer's domid, the device's id. */
#define XPV_CLASS_VBD	  "vbd"
#define XPV_CLASS_VIF	  "vif"
#define XPV_PATH_DOMAIN	  "/local/domain/%u"
#define XPV_PATH_BACKENDS "/local/domain/%u/backend/%s"
#define XPV_PATH_BACK	  "/local/domain/%u/backend/%s/%u/%u"
#define XPV_PATH_FRONT	  "/local/domain/%u/device/%s/%u" /* front's domid */
/* Where xenbus_dev_error() of Linux writes what is wrong with a backend. */
#define XPV_PATH_ERROR "/local/domain/%u/error/backend/%s/%u/%u"
/* A domain may write there. Our own: this store has seen us before. */
#define XPV_PATH_MARK "/local/domain/%u/data/xpvd"
/* Fires when any domain has gone or is going. */
#define XPV_WATCH_RELEASE "@releaseDomain"

/* ---- keys ---- */

enum xpv_key_type {
	XPV_TYPE_UINT, /* decimal, no sign, no blanks; min..max */
	XPV_TYPE_BOOL, /* 0 or 1, as UINT */
	XPV_TYPE_TEXT, /* min..max bytes long */
};

/*
 * name, type, min, max, default when absent. A key with no default
 * (XPV_REQUIRED) must be there; XPV_NO_DEFAULT marks one whose absence the
 * reader handles itself. %u in a name stands for a number: xpv_key_name().
 */
#define XPV_REQUIRED   (-1)
#define XPV_NO_DEFAULT (-2)

/* clang-format off */
#define XPV_KEYS(X)                                                           \
	/* common to both device classes */                                   \
	X(STATE, "state", UINT, 0, 8, 0)                                      \
	X(ONLINE, "online", BOOL, 0, 1, 0)                                    \
	X(BACKEND, "backend", TEXT, 1, 256, XPV_REQUIRED)                     \
	X(BACKEND_ID, "backend-id", UINT, 0, 32751, XPV_REQUIRED)             \
	X(FRONTEND, "frontend", TEXT, 1, 256, XPV_REQUIRED)                   \
	X(FRONTEND_ID, "frontend-id", UINT, 0, 32751, XPV_REQUIRED)           \
	X(ERROR, "error", TEXT, 0, 1024, XPV_NO_DEFAULT)                      \
	X(HOTPLUG_STATUS, "hotplug-status", TEXT, 0, 64, XPV_NO_DEFAULT)      \
	X(HOTPLUG_ERROR, "hotplug-error", TEXT, 0, 1024, XPV_NO_DEFAULT)      \
	X(EVENT_CHANNEL, "event-channel", UINT, 1, 131071, XPV_REQUIRED)      \
	X(MQ_MAX_QUEUES, "multi-queue-max-queues", UINT, 1, 4096, 1)          \
	X(MQ_NUM_QUEUES, "multi-queue-num-queues", UINT, 1, 4096, 1)          \
	X(QUEUE, "queue-%u", TEXT, 0, 0, XPV_NO_DEFAULT)                      \
	X(TRUSTED, "trusted", BOOL, 0, 1, 1)                                  \
	X(SCRIPT, "script", TEXT, 0, 4096, XPV_NO_DEFAULT)                    \
	/* of a domain, not of a device: what tells two lives of a domid apart */\
	X(VM, "vm", TEXT, 0, 256, XPV_NO_DEFAULT)                             \
	X(NAME, "name", TEXT, 0, 256, XPV_NO_DEFAULT)                         \
	/* block, written by the backend or the toolstack */                  \
	X(PARAMS, "params", TEXT, 0, 4096, XPV_NO_DEFAULT)                    \
	X(MODE, "mode", TEXT, 1, 2, XPV_REQUIRED)                             \
	X(DEV, "dev", TEXT, 1, 64, XPV_NO_DEFAULT)                            \
	X(DEVICE_TYPE, "device-type", TEXT, 1, 16, XPV_NO_DEFAULT)            \
	X(REMOVABLE, "removable", BOOL, 0, 1, 0)                              \
	X(PHYSICAL_DEVICE, "physical-device", TEXT, 3, 32, XPV_NO_DEFAULT)    \
	X(PHYSICAL_DEVICE_PATH, "physical-device-path", TEXT, 1, 4096,        \
	  XPV_NO_DEFAULT)                                                     \
	X(DIRECT_IO_SAFE, "direct-io-safe", BOOL, 0, 1, 0)                    \
	X(DISCARD_ENABLE, "discard-enable", BOOL, 0, 1, 1)                    \
	X(FEATURE_BARRIER, "feature-barrier", BOOL, 0, 1, 0)                  \
	X(FEATURE_FLUSH, "feature-flush-cache", BOOL, 0, 1, 0)                \
	X(FEATURE_DISCARD, "feature-discard", BOOL, 0, 1, 0)                  \
	X(DISCARD_GRANULARITY, "discard-granularity", UINT, 0, 4294967295, 0) \
	X(DISCARD_ALIGNMENT, "discard-alignment", UINT, 0, 4294967295, 0)     \
	X(DISCARD_SECURE, "discard-secure", BOOL, 0, 1, 0)                    \
	X(FEATURE_PERSISTENT, "feature-persistent", BOOL, 0, 1, 0)            \
	X(MAX_INDIRECT, "feature-max-indirect-segments", UINT, 0, 4096, 0)    \
	X(MAX_RING_ORDER, "max-ring-page-order", UINT, 0, 16, 0)              \
	X(SECTORS, "sectors", UINT, 0, 36028797018963967, XPV_REQUIRED)       \
	X(SECTOR_SIZE, "sector-size", UINT, 512, 4096, 512)                   \
	X(PHYSICAL_SECTOR_SIZE, "physical-sector-size", UINT, 512, 1048576,   \
	  512)                                                                \
	/* bits: one that we do not know takes nothing from the others */     \
	X(INFO, "info", UINT, 0, 4294967295, 0)                               \
	/* ours: for administrators, and for ourselves when a worker is new */    \
	X(CONDITION, "condition", TEXT, 0, 1024, XPV_NO_DEFAULT)              \
	X(FLUSH_ERROR, "flush-error", UINT, 0, 4095, 0)                       \
	X(RESIZE, "resize", TEXT, 0, 64, XPV_NO_DEFAULT)                      \
	/* block, written by the frontend */                                  \
	X(VIRTUAL_DEVICE, "virtual-device", UINT, 0, 4294967295,              \
	  XPV_NO_DEFAULT)                                                     \
	X(VIRTUAL_DEVICE_EXT, "virtual-device-ext", UINT, 0, 4294967295,      \
	  XPV_NO_DEFAULT)                                                     \
	X(RING_REF, "ring-ref", UINT, 1, 4294967295, XPV_REQUIRED)            \
	X(RING_REF_N, "ring-ref%u", UINT, 1, 4294967295, XPV_REQUIRED)        \
	X(RING_ORDER, "ring-page-order", UINT, 0, 4, 0)                       \
	X(PROTOCOL, "protocol", TEXT, 1, 32, XPV_NO_DEFAULT)                  \
	/* net, written by the backend or the toolstack */                    \
	X(MAC, "mac", TEXT, 17, 17, XPV_REQUIRED)                             \
	X(HANDLE, "handle", UINT, 0, 65535, XPV_REQUIRED)                     \
	X(BRIDGE, "bridge", TEXT, 1, 64, XPV_NO_DEFAULT)                      \
	X(IP, "ip", TEXT, 0, 1024, XPV_NO_DEFAULT)                            \
	X(VIFNAME, "vifname", TEXT, 1, 15, XPV_NO_DEFAULT)                    \
	X(RATE, "rate", TEXT, 3, 64, XPV_NO_DEFAULT)                          \
	X(MTU, "mtu", UINT, 68, 65535, 1500)                                  \
	X(FEATURE_RX_COPY, "feature-rx-copy", BOOL, 0, 1, 0)                  \
	X(FEATURE_SPLIT_EVTCHN, "feature-split-event-channels", BOOL, 0, 1, 0)\
	X(FEATURE_CTRL_RING, "feature-ctrl-ring", BOOL, 0, 1, 0)              \
	X(CARRIER, "carrier", BOOL, 0, 1, 1)                                  \
	X(FEATURE_DYN_MCAST, "feature-dynamic-multicast-control", BOOL, 0, 1, \
	  0)                                                                  \
	X(FEATURE_XDP_HEADROOM, "feature-xdp-headroom", BOOL, 0, 1, 0)        \
	/* net, written by either */                                          \
	X(FEATURE_SG, "feature-sg", BOOL, 0, 1, 0)                            \
	X(FEATURE_GSO_TCPV4, "feature-gso-tcpv4", BOOL, 0, 1, 0)              \
	X(FEATURE_GSO_TCPV6, "feature-gso-tcpv6", BOOL, 0, 1, 0)              \
	X(FEATURE_NO_CSUM, "feature-no-csum-offload", BOOL, 0, 1, 0)          \
	X(FEATURE_IPV6_CSUM, "feature-ipv6-csum-offload", BOOL, 0, 1, 0)      \
	X(FEATURE_MCAST, "feature-multicast-control", BOOL, 0, 1, 0)          \
	/* net, written by the frontend */                                    \
	X(REQUEST_RX_COPY, "request-rx-copy", BOOL, 0, 1, 0)                  \
	X(FEATURE_RX_NOTIFY, "feature-rx-notify", BOOL, 0, 1, 0)              \
	X(REQUEST_MCAST, "request-multicast-control", BOOL, 0, 1, 0)          \
	X(XDP_HEADROOM, "xdp-headroom", UINT, 0, 32767, 0)                    \
	X(CTRL_RING_REF, "ctrl-ring-ref", UINT, 1, 4294967295,                \
	  XPV_NO_DEFAULT)                                                     \
	X(EVENT_CHANNEL_CTRL, "event-channel-ctrl", UINT, 1, 131071,          \
	  XPV_NO_DEFAULT)                                                     \
	X(TX_RING_REF, "tx-ring-ref", UINT, 1, 4294967295, XPV_REQUIRED)      \
	X(RX_RING_REF, "rx-ring-ref", UINT, 1, 4294967295, XPV_REQUIRED)      \
	X(EVENT_CHANNEL_TX, "event-channel-tx", UINT, 1, 131071,              \
	  XPV_NO_DEFAULT)                                                     \
	X(EVENT_CHANNEL_RX, "event-channel-rx", UINT, 1, 131071,              \
	  XPV_NO_DEFAULT)
/* clang-format on */

enum xpv_key {
#define XPV_KEY_ENUM(id, name, type, min, max, def) XPV_KEY_##id,
	XPV_KEYS(XPV_KEY_ENUM)
#undef XPV_KEY_ENUM
		XPV_KEY_COUNT,
};

struct xpv_key_desc {
	const char *name;
	enum xpv_key_type type;
	uint64_t min;
	uint64_t max;
	int64_t def;
};

extern const struct xpv_key_desc xpv_keys[XPV_KEY_COUNT];

/* Verdicts of xpv_key_parse(). */
enum xpv_key_verdict {
	XPV_KEY_OK = 0,
	XPV_KEY_NOT_A_NUMBER,
	XPV_KEY_OUT_OF_RANGE,
	XPV_KEY_MISSING, /* and required */
};

/* The key's name; shorthand for xpv_keys[key].name. */
static inline const char *xpv_key(enum xpv_key key)
{
	return xpv_keys[key].name;
}

/*
 * Parse a UINT or BOOL key. @text NULL stands for an absent key: *value is
 * the default, or the verdict is XPV_KEY_MISSING when the key is required
 * (with XPV_NO_DEFAULT *value is 0; ask before you call). Strict: decimal
 * digits only, whole string, no leading sign or blank.
 */
enum xpv_key_verdict xpv_key_parse(enum xpv_key key, const char *text,
				   uint64_t *value);

#endif
