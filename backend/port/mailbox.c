// SPDX-License-Identifier: MIT
#include "mailbox.h"

#include "port.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/*
 * A claim is a slot's index, as far as it goes, and one of these. The sender
 * posts and revokes, the receiver claims: whoever is first has it.
 */
enum {
	CLAIM_POSTED = 1,
	CLAIM_TAKEN,
	CLAIM_REVOKED,
	CLAIM_BITS = 2,
};

struct mailbox {
	uint8_t ring[MAILBOX_BYTES - XPV_PAGE_SIZE / 2];
	uint32_t open; /* the receiver's */
	uint32_t claim[MAIL_SLOTS];
};

_Static_assert(sizeof(struct mailbox) <= MAILBOX_BYTES, "whole pages");
_Static_assert(sizeof(((struct mailbox *)0)->ring) >=
		       XPV_RING_HEADER_SIZE + MAIL_SLOTS * MAIL_SLOT,
	       "the ring has MAIL_SLOTS slots");
_Static_assert(sizeof(((struct mailbox *)0)->ring) <
		       XPV_RING_HEADER_SIZE + 2 * MAIL_SLOTS * MAIL_SLOT,
	       "and no more");

static uint32_t claim_value(uint32_t index, uint32_t state)
{
	return index << CLAIM_BITS | state;
}

static bool claim_move(struct mailbox *box, uint32_t index, uint32_t from,
		       uint32_t to)
{
	uint32_t expected = claim_value(index, from);

	return __atomic_compare_exchange_n(&box->claim[index % MAIL_SLOTS],
					   &expected, claim_value(index, to),
					   false, __ATOMIC_ACQ_REL,
					   __ATOMIC_ACQUIRE);
}

/* ---- a mail ---- */

uint32_t mail_len(const struct mail *mail)
{
	uint32_t len = mail->header_len;

	for (unsigned int i = 0; i < mail->nr_frags; i++)
		len += mail->frag[i].len;
	return len;
}

bool mail_valid(const struct mail *mail)
{
	if (mail->header_len < 14 || mail->header_len > MAIL_HEADER ||
	    mail->nr_frags > MAIL_FRAGS || mail->gso > PORT_GSO_TCPV6)
		return false;
	if (mail->flags & MAIL_ARENA) {
		if (mail->nr_frags != 1 ||
		    mail->frag[0].gref > ARENA_BYTES - mail->frag[0].len)
			return false;
	} else {
		for (unsigned int i = 0; i < mail->nr_frags; i++) {
			const struct mail_frag *f = &mail->frag[i];

			/* A copy of nothing is an error (XSA-448). */
			if (!f->len ||
			    (uint32_t)f->offset + f->len > XPV_PAGE_SIZE)
				return false;
		}
	}
	return mail_len(mail) <= PORT_MAX_FRAME;
}

/* ---- a link's memory ---- */

static struct mailbox *box_of(uint8_t *link, unsigned int side)
{
	return (struct mailbox *)(link + (size_t)side * MAILBOX_BYTES);
}

static uint8_t *arena_of(uint8_t *link, unsigned int side, uint32_t arena)
{
	if (!arena)
		return NULL;
	return link + 2 * MAILBOX_BYTES + (size_t)side * arena;
}

int link_make(uint32_t arena)
{
	struct xpv_front front;
	int fd = memfd_create("xpv-link", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *mem;
	int err;

	if (fd < 0)
		return -errno;
	mem = MAP_FAILED;
	if (!ftruncate(fd, LINK_BYTES(arena)) && !fcntl(fd, F_ADD_SEALS, SEALS))
		mem = mmap(NULL, 2 * MAILBOX_BYTES, PROT_READ | PROT_WRITE,
			   MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED) {
		err = -errno;
		close(fd);
		return err;
	}
	for (unsigned int side = 0; side < 2; side++)
		xpv_front_init(&front, box_of(mem, side)->ring,
			       sizeof(((struct mailbox *)0)->ring), MAIL_SLOT);
	munmap(mem, 2 * MAILBOX_BYTES);
	return fd;
}

int link_map(int fd, uint32_t arena, uint8_t **mem)
{
	struct stat st;
	void *at;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_size != LINK_BYTES(arena) ||
	    (fcntl(fd, F_GET_SEALS) & SEALS) != SEALS)
		return -EINVAL;
	at = mmap(NULL, LINK_BYTES(arena), PROT_READ | PROT_WRITE, MAP_SHARED,
		  fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	*mem = at;
	return 0;
}

/* ---- sending ---- */

/* Both sides start with a link, and nothing has been sent yet. */
void mail_sender_init(struct mail_sender *s, uint8_t *link, unsigned int side,
		      uint32_t arena)
{
	memset(s, 0, sizeof(*s));
	s->box = box_of(link, side);
	s->arena = arena_of(link, side, arena);
	xpv_ring_map(&s->ring.ring, s->box->ring, sizeof(s->box->ring),
		     MAIL_SLOT);
	memset(s->cookie, 0xff, sizeof(s->cookie));
}

bool mail_open(const struct mail_sender *s)
{
	return xpv_load_once(&s->box->open);
}

/* Frames lie in one piece: what is left before the end is skipped. */
uint8_t *mail_arena_room(struct mail_sender *s, uint32_t len)
{
	uint32_t at = s->arena_head % ARENA_BYTES;
	uint32_t skip = at + len > ARENA_BYTES ? ARENA_BYTES - at : 0;

	if (!s->arena || !xpv_front_room(&s->ring) ||
	    s->arena_head - s->arena_tail + skip + len > ARENA_BYTES)
		return NULL;
	s->arena_head += skip;
	return s->arena + s->arena_head % ARENA_BYTES;
}

void mail_post(struct mail_sender *s, const struct mail *mail, uint16_t cookie,
	       uint64_t now)
{
	uint32_t index = s->ring.req_prod, slot = index % MAIL_SLOTS;
	uint8_t *at = xpv_front_request(&s->ring);

	/* The bytes of the header that are not used are not copied either. */
	memcpy(at, mail, offsetof(struct mail, header) + mail->header_len);
	s->cookie[slot] = cookie;
	s->posted[slot] = now;
	s->arena_end[slot] = s->arena_head;
	xpv_store_once(&s->box->claim[slot], claim_value(index, CLAIM_POSTED));
}

void mail_post_arena(struct mail_sender *s, struct mail *mail, uint32_t len,
		     uint64_t now)
{
	mail->flags |= MAIL_ARENA;
	mail->nr_frags = 1;
	mail->frag[0] = (struct mail_frag){
		.gref = s->arena_head % ARENA_BYTES,
		.len = (uint16_t)len,
	};
	s->arena_head += len;
	mail_post(s, mail, MAIL_NO_COOKIE, now);
}

uint64_t mail_oldest(const struct mail_sender *s)
{
	return s->posted[s->ring.rsp_cons % MAIL_SLOTS];
}

bool mail_push(struct mail_sender *s)
{
	return xpv_front_push(&s->ring);
}

/* Give the cookie of slot @index back; false: it has none. */
static bool give_back(struct mail_sender *s, uint32_t index, uint16_t *cookie)
{
	uint16_t *at = &s->cookie[index % MAIL_SLOTS];

	*cookie = *at;
	*at = MAIL_NO_COOKIE;
	return *cookie != MAIL_NO_COOKIE;
}

int mail_reap(struct mail_sender *s, uint16_t *cookie)
{
	int n = xpv_front_pending(&s->ring);

	for (; n > 0; n--) {
		uint32_t index = s->ring.rsp_cons++;

		s->arena_tail = s->arena_end[index % MAIL_SLOTS];
		if (give_back(s, index, cookie))
			return 1;
	}
	return n;
}

/* Move over mails that nobody waits for any more. */
static void skip_done(struct mail_sender *s)
{
	if ((int32_t)(s->ring.rsp_cons - s->oldest) > 0)
		s->oldest = s->ring.rsp_cons;
	while (s->oldest != s->ring.req_prod &&
	       s->cookie[s->oldest % MAIL_SLOTS] == MAIL_NO_COOKIE)
		s->oldest++;
}

int mail_revoke(struct mail_sender *s, uint64_t before, uint16_t *cookie)
{
	skip_done(s);
	for (uint32_t i = s->oldest; i != s->ring.req_prod; i++) {
		if (s->cookie[i % MAIL_SLOTS] == MAIL_NO_COOKIE)
			continue;
		if (s->posted[i % MAIL_SLOTS] >= before)
			return 0;
		if (claim_move(s->box, i, CLAIM_POSTED, CLAIM_REVOKED))
			return give_back(s, i, cookie);
	}
	return 0;
}

bool mail_waits(struct mail_sender *s, uint64_t *since)
{
	skip_done(s);
	*since = s->posted[s->oldest % MAIL_SLOTS];
	return s->oldest != s->ring.req_prod;
}

int mail_abandon(struct mail_sender *s, uint16_t *cookie)
{
	skip_done(s);
	return s->oldest != s->ring.req_prod && give_back(s, s->oldest, cookie);
}

bool mail_arm_sender(struct mail_sender *s)
{
	return xpv_front_final_check(&s->ring);
}

/* ---- receiving ---- */

int mail_receiver_init(struct mail_receiver *r, uint8_t *link,
		       unsigned int side, uint32_t arena)
{
	r->box = box_of(link, !side);
	r->arena = arena_of(link, !side, arena);
	return xpv_back_attach(&r->ring, r->box->ring, sizeof(r->box->ring),
			       MAIL_SLOT);
}

void mail_set_open(struct mail_receiver *r, bool open)
{
	xpv_store_once(&r->box->open, open);
}

int mail_peek(const struct mail_receiver *r, uint32_t ahead, struct mail *mail)
{
	int n = xpv_back_pending(&r->ring);

	if (n < 0 || (uint32_t)n <= ahead)
		return n < 0 ? n : 0;
	xpv_back_peek(&r->ring, ahead, mail, sizeof(*mail));
	/* No bytes without an arena, whatever the mail says. */
	if (!r->arena && mail->flags & MAIL_ARENA)
		mail->header_len = 0;
	return 1;
}

bool mail_claim(struct mail_receiver *r, uint32_t ahead)
{
	return claim_move(r->box, r->ring.req_cons + ahead, CLAIM_POSTED,
			  CLAIM_TAKEN);
}

bool mail_answer(struct mail_receiver *r, uint32_t n)
{
	static const uint32_t answer;

	xpv_back_skip(&r->ring, n);
	while (n--)
		xpv_back_put(&r->ring, &answer, sizeof(answer));
	return xpv_back_push(&r->ring);
}

bool mail_arm_receiver(struct mail_receiver *r)
{
	return xpv_back_final_check(&r->ring);
}
