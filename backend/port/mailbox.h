/* SPDX-License-Identifier: MIT */
/*
 * A mailbox: packets of one port of a switch on their way to one other port,
 * in memory that two workers share. What travels is a packet's header bytes
 * and where its other bytes are: in the sending guest's grants, from which
 * the receiver has them copied straight into its own guest's.
 *
 * Two mailboxes, one each way, are a link: one sealed memfd, made by the
 * supervisor, with an eventfd to wake either side. A worker has a link for
 * each port it may talk to and knows of no other. Neither side trusts the
 * other: what is read from shared memory is copied once and checked, and
 * every decision rests on private copies.
 *
 * The ring is that of ring.h, the sender its front half. Mails are taken and
 * answered in order. A mail with grants is claimed before it is copied, and
 * may be revoked until then: the sender cannot give a page back to its guest
 * while somebody copies from it, and need not wait for one who does not pull.
 *
 *	sender				receiver
 *	post, push, wake		peek, claim, (copy), answer, push
 *	reap, or revoke
 */
#ifndef XPV_PORT_MAILBOX_H
#define XPV_PORT_MAILBOX_H

#include "ring.h"

/* Header bytes of a packet that travel by value: all that is ever read. */
#define MAIL_HEADER 256u
#define MAIL_FRAGS  18u
#define MAIL_SLOTS  64u
#define MAIL_SLOT   448u
/* A ring, and behind it the claims. */
#define MAILBOX_BYTES (8u * XPV_PAGE_SIZE)
/*
 * Bytes of a port without grants (an uplink): a ring of bytes of its own
 * beside each of its mailboxes, in which frames lie whole.
 */
#define ARENA_BYTES (512u * 1024)

enum {
	MAIL_CSUM_BLANK = 1, /* the pseudo header's sum is in the checksum */
	MAIL_CSUM_VALID = 2, /* no need to check: it never left this host */
	MAIL_ARENA = 4, /* one fragment, in the sender's arena */
};

struct mail_frag {
	uint32_t gref; /* MAIL_ARENA: where in the arena */
	uint16_t offset;
	uint16_t len;
};

struct mail {
	uint16_t header_len; /* 14 to MAIL_HEADER */
	uint16_t tci; /* VLAN and priority; the header has no tag */
	uint16_t gso_size;
	uint8_t gso; /* enum port_gso */
	uint8_t flags;
	uint8_t nr_frags;
	uint8_t pad[3];
	struct mail_frag frag[MAIL_FRAGS]; /* what follows the header */
	uint8_t header[MAIL_HEADER];
};

_Static_assert(sizeof(struct mail) <= MAIL_SLOT, "a mail fits into its slot");

/* Bytes of the whole frame. */
uint32_t mail_len(const struct mail *mail);
/* Can a private copy be worked with? Nothing is out of any bounds then. */
bool mail_valid(const struct mail *mail);

/* ---- a link's memory ---- */

struct mailbox; /* shared memory */

/* Mailboxes of side 0 and side 1 as senders, then their arenas. */
#define LINK_BYTES(arena) (2u * MAILBOX_BYTES + 2u * (arena))

/* A sealed memfd of LINK_BYTES(@arena), ready for both sides; or -errno. */
int link_make(uint32_t arena);
/* Of that size, and sealed so that the peer cannot take pages away: 0. */
int link_map(int fd, uint32_t arena, uint8_t **mem);

/* ---- sending ---- */

#define MAIL_NO_COOKIE 0xffffu

struct mail_sender {
	struct xpv_front ring;
	struct mailbox *box;
	uint8_t *arena; /* NULL: there is none */
	uint32_t arena_head, arena_tail; /* bytes ever used and freed */
	/* Of the mail in each slot; the cookie until it is given back. */
	uint16_t cookie[MAIL_SLOTS];
	uint32_t arena_end[MAIL_SLOTS];
	uint64_t posted[MAIL_SLOTS]; /* ms */
	uint32_t oldest; /* all before it have no cookie any more */
};

void mail_sender_init(struct mail_sender *s, uint8_t *link, unsigned int side,
		      uint32_t arena);
/* Does the receiver take mail at all? */
bool mail_open(const struct mail_sender *s);
/* Room for @len bytes in the arena and a mail; NULL: none. */
uint8_t *mail_arena_room(struct mail_sender *s, uint32_t len);
/*
 * Post a mail, which is seen after a push; there must be room. @cookie comes
 * back from mail_reap() or mail_revoke(), or is MAIL_NO_COOKIE: nothing waits
 * for this mail, and it cannot be revoked.
 */
void mail_post(struct mail_sender *s, const struct mail *mail, uint16_t cookie,
	       uint64_t now);
/* As mail_post(), of bytes put to mail_arena_room(). */
void mail_post_arena(struct mail_sender *s, struct mail *mail, uint32_t len,
		     uint64_t now);
/* When the oldest mail without an answer was posted. */
uint64_t mail_oldest(const struct mail_sender *s);
/* True: wake the receiver. */
bool mail_push(struct mail_sender *s);
/*
 * The cookie of an answered mail: 1; 0: no more answers; XPV_RING_BROKEN.
 * Mails without a cookie are not reported.
 */
int mail_reap(struct mail_sender *s, uint16_t *cookie);
/*
 * Take back the next mail posted before @before: 1 and its cookie; 0: none.
 * The receiver is at work on those left with a cookie; see mail_waits().
 * Their slots stay used until the receiver comes along.
 */
int mail_revoke(struct mail_sender *s, uint64_t before, uint16_t *cookie);
/* Since when the oldest mail with a cookie waits; false: none does. */
bool mail_waits(struct mail_sender *s, uint64_t *since);
/* Give up on the receiver: as mail_revoke(), of mails it is at work on too. */
int mail_abandon(struct mail_sender *s, uint16_t *cookie);
/* Ask to be woken at the next answer; true if one is there. */
bool mail_arm_sender(struct mail_sender *s);

/* ---- receiving ---- */

struct mail_receiver {
	struct xpv_back ring;
	struct mailbox *box;
	const uint8_t
		*arena; /* shared: bytes to copy from, never to decide on */
};

/* XPV_RING_BROKEN: the indices cannot be. */
int mail_receiver_init(struct mail_receiver *r, uint8_t *link,
		       unsigned int side, uint32_t arena);
/* Closed until this is called: senders then drop at once. */
void mail_set_open(struct mail_receiver *r, bool open);
/*
 * A private copy of the mail @ahead of the next: 1; 0: there is none;
 * XPV_RING_BROKEN. It may be worth nothing: ask mail_valid().
 */
int mail_peek(const struct mail_receiver *r, uint32_t ahead, struct mail *mail);
/* May the mail @ahead be copied from? It then has to be answered soon. */
bool mail_claim(struct mail_receiver *r, uint32_t ahead);
/* Done with the next @n mails. True: wake the sender. */
bool mail_answer(struct mail_receiver *r, uint32_t n);
/* Ask to be woken at the next mail; true if one is there. */
bool mail_arm_receiver(struct mail_receiver *r);

#endif
