/* SPDX-License-Identifier: MIT */
/*
 * One port of a virtual switch. The switch itself is nowhere: each worker has
 * a port, and a link (mailbox.h) to each other port that it may talk to.
 * Each port is a learning bridge of its own: it learns from what arrives and
 * picks the link for what leaves, or all of them. What came over a link never
 * leaves over another, so there is no loop.
 *
 * A port is used in one of two ways. A vif hands over headers and grants
 * (switch_forward) and copies what it pulls straight into its guest's pages
 * (switch_peek); an uplink has frames in memory, and uses the seam of port.h.
 *
 * The checks of a sender (guards, VLANs) are made again by the receiver as
 * far as it knows what to expect: a worker that went bad gains no more than
 * its guest's own place in the switch.
 */
#ifndef XPV_PORT_SWITCH_H
#define XPV_PORT_SWITCH_H

#include "../reason.h"
#include "../worker/loop.h"
#include "fdb.h"
#include "mailbox.h"
#include "port.h"
#include "switch_config.h"

struct hyper;

/* Other ports of a switch: n ports are n * (n - 1) / 2 links of 64 KiB. */
#define SWITCH_LINKS 63u
/* Mails pulled in one turn. */
#define SWITCH_TURN 64u
/*
 * A receiver that does not pull loses what was sent to it, and gets nothing
 * more until it pulls again: its sender's guest waits that long for its
 * pages, once. A guest that runs posts buffers much sooner; a worker on a
 * host that is short of processors may not get its turn before.
 */
#define SWITCH_HOLD_MS 200u
/*
 * One that stalls again and again gets nothing for longer each time, up to
 * this; after as long without a stall it is as good as new. Else it could
 * have its senders' guests wait most of the time.
 */
#define SWITCH_QUIET_MS 5000u
/*
 * A receiver that has claimed a mail is in the middle of a copy, which ends
 * with its turn of the loop. One that is stopped there is waited for that
 * long: for its copy to meet a page that the guest uses for something else
 * by then, it has to be continued later than that, and not killed.
 */
#define SWITCH_STUCK_MS 5000u

/* clang-format off */
#define SWITCH_COUNTERS(X)                                                    \
	X(TX_UNICAST, "switch_tx_unicast")          /* to one port */         \
	X(TX_FLOODED, "switch_tx_flooded")          /* to all of the VLAN */  \
	X(TX_DROP_MAC, "switch_tx_drop_mac")        /* source not the guest's */ \
	X(TX_DROP_ADDRESS, "switch_tx_drop_address") /* nor its IP address */ \
	X(TX_DROP_VLAN, "switch_tx_drop_vlan")      /* the port is not in */  \
	X(TX_DROP_RESERVED, "switch_tx_drop_reserved") /* 01:80:c2:00:00:0x */ \
	X(TX_DROP_CLOSED, "switch_tx_drop_closed")  /* receiver not connected */ \
	X(TX_DROP_FULL, "switch_tx_drop_full")      /* receiver has no room */ \
	X(TX_DROP_STALLED, "switch_tx_drop_stalled") /* receiver does not pull */ \
	X(TX_REVOKED, "switch_tx_revoked")          /* held for too long */   \
	X(TX_ABANDONED, "switch_tx_abandoned")      /* claimed and never answered */ \
	X(RX_INLINE, "switch_rx_inline")            /* whole in a header's bytes */ \
	X(RX_DIRECT, "switch_rx_direct")            /* copied grant to grant */ \
	X(RX_BOUNCED, "switch_rx_bounced")          /* through our memory */  \
	X(RX_REVOKED, "switch_rx_revoked")          /* before we came to it */ \
	X(RX_DROP_MAIL, "switch_rx_drop_mail")      /* no mail that can be */ \
	X(RX_DROP_MAC, "switch_rx_drop_mac")        /* source not the sender's */ \
	X(RX_DROP_VLAN, "switch_rx_drop_vlan")      /* of a VLAN not ours */  \
	X(RX_DROP_OFFLOAD, "switch_rx_drop_offload") /* headers deny it */    \
	X(RX_DROP_GRANT, "switch_rx_drop_grant")    /* the sender's, bad */   \
	X(LINKS_BROKEN, "switch_links_broken")      /* impossible indices */
/* clang-format on */

enum switch_counter {
#define SWITCH_COUNTER_ENUM(id, name) SWITCH_##id,
	SWITCH_COUNTERS(SWITCH_COUNTER_ENUM)
#undef SWITCH_COUNTER_ENUM
		SWITCH_NR_COUNTERS,
};

const char *switch_counter_name(enum switch_counter counter);

struct switch_port;

struct switch_link {
	struct switch_port *port;
	struct switch_peer peer;
	uint8_t *mem; /* NULL: the link is not used */
	int fd[2]; /* eventfds: that wakes us, that wakes the peer */
	struct loop_source woken;
	struct mail_sender tx;
	struct mail_receiver rx;
	bool broken; /* not looked at any more */
	bool stalled; /* has not pulled for SWITCH_HOLD_MS */
	bool pulled; /* since it has stalled */
	uint32_t quiet; /* ms that it gets nothing for at its next stall */
	uint64_t quiet_until;
	bool posted; /* since the last flush */
	uint32_t taken; /* mails of this turn, to be answered */
	bool held; /* its next mail finds no room in this turn */
};

/* A mail that was pulled, with everything about it checked. */
struct switch_mail {
	struct switch_link *link;
	struct mail mail;
	uint8_t *header; /* of this port's form, with a tag if it wants one */
	uint32_t header_len;
	uint32_t len; /* of the frame */
	struct port_offload off;
	uint8_t room[VLAN_TAG_LEN + MAIL_HEADER];
};

struct switch_port {
	struct port port;
	struct loop *loop;
	struct hyper *hyper;
	struct vlan_set vlans;
	struct guard guard;
	struct fdb fdb;
	struct switch_link link[SWITCH_LINKS];
	unsigned int nr_links; /* used ones are below it */
	unsigned int next; /* link to be looked at first */
	unsigned int first_held; /* of this turn; SWITCH_LINKS: none */
	bool open;
	unsigned int nr_mails;
	struct switch_mail mails[SWITCH_TURN];
	uint64_t counter[SWITCH_NR_COUNTERS];
	/* A forwarded packet is held by one link less. */
	void (*released)(void *owner, uint16_t cookie);
	void *owner;
};

/* ---- life ---- */

/* NULL + errno. @h: with HYPER_GRANT. */
struct switch_port *switch_new(struct loop *loop, struct hyper *h,
			       const struct vlan_set *vlans,
			       const struct guard *guard);
void switch_free(struct switch_port *sp);
/*
 * A link to a peer: its memory, the eventfd that wakes us, the peer's. All
 * SWITCH_LINK_FDS become the port's on success. 0 or -errno.
 */
int switch_link_add(struct switch_port *sp, const struct switch_peer *peer,
		    const int *fds, unsigned int nr_fds, struct reason *why);
/*
 * The peer has ended or is not to be talked to; or all of them,
 * SWITCH_ALL_PEERS, of whom some may be in the middle of a copy.
 */
void switch_unlink(struct switch_port *sp, uint32_t id);
/* Take mail: else what is sent here is dropped by its senders. */
void switch_set_open(struct switch_port *sp, bool open);
/* No packet of ours is held by anyone any more. May take SWITCH_QUIESCE_MS. */
#define SWITCH_QUIESCE_MS 1000u
void switch_quiesce(struct switch_port *sp);

/* ---- sending ---- */

/* A packet that leaves; the header may be written to. */
struct switch_packet {
	uint8_t *header;
	uint32_t header_len; /* MAIL_HEADER, or all of a shorter packet */
	uint8_t flags; /* MAIL_CSUM_* */
	uint8_t gso; /* enum port_gso */
	uint16_t gso_size;
	unsigned int nr_frags; /* what is behind the header: grants, or */
	const struct mail_frag *frag;
	const uint8_t *rest; /* bytes */
	uint32_t rest_len;
};

/*
 * Send a packet to whom it may concern, or drop and count it. Returns the
 * number of links that hold its grants now, each of which will give @cookie
 * back; -EAGAIN: its receiver has no room at the moment.
 */
int switch_forward(struct switch_port *sp, const struct switch_packet *pkt,
		   uint16_t cookie, uint64_t now);
/* Wake receivers of what was forwarded. */
void switch_flush(struct switch_port *sp);
/* Release what was answered; true if anything was. */
bool switch_reap(struct switch_port *sp, uint64_t now);
/* Ask for answers before a sleep; true if there are some. */
bool switch_arm_sender(struct switch_port *sp);
/* Is a packet held by a link? Then sleep no longer than SWITCH_HOLD_MS. */
bool switch_holds(struct switch_port *sp);

/* ---- receiving ---- */

/* A turn begins: mails that were held back are looked at again. */
void switch_begin(struct switch_port *sp);
/*
 * The next mail for this port, which stays in its mailbox; NULL: none now, or
 * a whole turn's are taken.
 */
struct switch_mail *switch_peek(struct switch_port *sp);
/* Take the mail just seen: true if it may be copied from until the answer. */
bool switch_take(struct switch_port *sp, struct switch_mail *mail);
/*
 * There is no room for it now: it stays where it is, and what is behind it
 * over the same link, until the next turn. Then its link is the first.
 */
void switch_hold(struct switch_port *sp, struct switch_mail *mail);
static inline bool switch_holding(const struct switch_port *sp)
{
	return sp->first_held != SWITCH_LINKS;
}
/* Do not take it. */
void switch_skip(struct switch_port *sp, struct switch_mail *mail);
/* The same, for a reason. */
void switch_drop(struct switch_port *sp, struct switch_mail *mail,
		 enum switch_counter why);
/*
 * Copy a mail that was taken to memory of ours, m->len bytes. False: it
 * cannot be copied.
 */
bool switch_fetch(struct switch_port *sp, const struct switch_mail *mail,
		  uint8_t *to);
/* Everything taken in this turn is copied. */
void switch_answer(struct switch_port *sp);
/* Ask for mail before a sleep; true if there is some that is not held. */
bool switch_arm_receiver(struct switch_port *sp);

#endif
