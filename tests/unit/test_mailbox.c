// SPDX-License-Identifier: MIT
/* Mailboxes: what two workers that do not trust each other share. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/port/mailbox.h"
#include "backend/port/port.h"
#include "suites.h"

static int fd;
static uint8_t *a, *b; /* two mappings of the link */
static struct mail_sender tx;
static struct mail_receiver rx;
static struct mail mail, got;
static uint16_t cookie;

static void setup(void)
{
	fd = link_make(ARENA_BYTES);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(link_map(fd, ARENA_BYTES, &a), 0);
	ck_assert_int_eq(link_map(fd, ARENA_BYTES, &b), 0);
	mail_sender_init(&tx, a, 0, ARENA_BYTES);
	ck_assert_int_eq(mail_receiver_init(&rx, b, 1, ARENA_BYTES), 0);
	memset(&mail, 0, sizeof(mail));
	mail.header_len = 14;
	mail.nr_frags = 1;
	mail.frag[0] = (struct mail_frag){5, 100, 200};
}

static void teardown(void)
{
	munmap(a, LINK_BYTES(ARENA_BYTES));
	munmap(b, LINK_BYTES(ARENA_BYTES));
	close(fd);
}

static void post(uint16_t c, uint64_t now)
{
	mail.tci = c;
	mail_post(&tx, &mail, c, now);
	mail_push(&tx);
}

/* Claim and answer one. */
static bool serve_one(void)
{
	bool claimed;

	ck_assert_int_eq(mail_peek(&rx, 0, &got), 1);
	claimed = mail_claim(&rx, 0);
	mail_answer(&rx, 1);
	return claimed;
}

START_TEST(mail_goes_and_cookies_return)
{
	ck_assert(!mail_open(&tx));
	mail_set_open(&rx, true);
	ck_assert(mail_open(&tx));
	for (uint32_t i = 0; i < 1000; i++) {
		ck_assert_int_eq(mail_peek(&rx, 0, &got), 0);
		post((uint16_t)i, i);
		ck_assert_int_eq(mail_reap(&tx, &cookie), 0);
		ck_assert(serve_one());
		ck_assert_uint_eq(got.tci, i);
		ck_assert_mem_eq(&got.frag[0], &mail.frag[0], 8);
		ck_assert_int_eq(mail_reap(&tx, &cookie), 1);
		ck_assert_uint_eq(cookie, i);
		ck_assert_int_eq(mail_reap(&tx, &cookie), 0);
	}
}
END_TEST

/* Each cookie comes back once, whether answered, revoked or abandoned. */
START_TEST(revoked_mail_is_not_copied)
{
	uint64_t since;

	for (uint16_t i = 0; i < MAIL_SLOTS; i++)
		post(i, 100 + i);
	ck_assert_uint_eq(xpv_front_room(&tx.ring), 0);
	ck_assert(mail_claim(&rx, 0));
	ck_assert(!mail_claim(&rx, 0));
	ck_assert(mail_waits(&tx, &since));
	ck_assert_uint_eq(since, 100);
	/* not the claimed one, and not the young ones */
	for (uint16_t i = 1; i < 10; i++) {
		ck_assert(mail_revoke(&tx, 110, &cookie));
		ck_assert_uint_eq(cookie, i);
	}
	ck_assert(!mail_revoke(&tx, 110, &cookie));
	ck_assert(mail_waits(&tx, &since));
	ck_assert_uint_eq(since, 100);
	for (uint32_t i = 1; i < MAIL_SLOTS; i++)
		ck_assert(mail_claim(&rx, i) == (i >= 10));
	/* no slot is free before the receiver has been there */
	ck_assert_uint_eq(xpv_front_room(&tx.ring), 0);
	ck_assert(mail_abandon(&tx, &cookie));
	ck_assert_uint_eq(cookie, 0);
	mail_answer(&rx, MAIL_SLOTS);
	for (uint16_t i = 10; i < MAIL_SLOTS; i++) {
		ck_assert_int_eq(mail_reap(&tx, &cookie), 1);
		ck_assert_uint_eq(cookie, i);
	}
	ck_assert_int_eq(mail_reap(&tx, &cookie), 0);
	ck_assert(!mail_waits(&tx, &since));
	ck_assert_uint_eq(xpv_front_room(&tx.ring), MAIL_SLOTS);
}
END_TEST

/* A claim on an older mail of the slot is no claim on the one that is there. */
START_TEST(claims_do_not_outlive_their_mail)
{
	for (uint16_t i = 0; i < MAIL_SLOTS; i++) {
		post(i, 1);
		ck_assert(serve_one());
		mail_reap(&tx, &cookie);
	}
	post(7, 2);
	ck_assert(mail_revoke(&tx, 3, &cookie));
	ck_assert(!serve_one());
}
END_TEST

START_TEST(arena_is_a_bounded_ring)
{
	uint32_t in_flight = 0, n = 0;
	uint8_t *room;

	for (uint32_t i = 0; i < 5000; i++) {
		uint32_t len = 1 + i * 7919 % 65279;

		while (!(room = mail_arena_room(&tx, len))) {
			ck_assert_uint_gt(in_flight, 0);
			ck_assert_int_eq(mail_peek(&rx, 0, &got), 1);
			ck_assert(mail_valid(&got));
			ck_assert_uint_eq(rx.arena[got.frag[0].gref],
					  (uint8_t)got.frag[0].len);
			mail_answer(&rx, 1);
			in_flight--;
			ck_assert_int_eq(mail_reap(&tx, &cookie), 0);
		}
		memset(room, (uint8_t)len, len);
		mail.flags = 0;
		mail_post_arena(&tx, &mail, len, 0);
		mail_push(&tx);
		in_flight++;
		n++;
	}
	ck_assert_uint_eq(n, 5000);
	ck_assert_ptr_null(mail_arena_room(&tx, ARENA_BYTES + 1));
}
END_TEST

START_TEST(no_arena_no_bytes)
{
	struct mail_receiver plain;

	ck_assert_int_eq(mail_receiver_init(&plain, b, 1, 0), 0);
	mail.flags = MAIL_ARENA;
	post(1, 1);
	ck_assert_int_eq(mail_peek(&plain, 0, &got), 1);
	ck_assert(!mail_valid(&got));
}
END_TEST

/* The peer can neither take pages away nor hand over other memory. */
START_TEST(link_memory_is_sealed)
{
	uint8_t *mem;
	int bad = memfd_create("bad", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_eq(ftruncate(fd, 0), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(ftruncate(bad, LINK_BYTES(0)), 0);
	ck_assert_int_eq(link_map(bad, 0, &mem), -EINVAL);
	ck_assert_int_eq(link_map(fd, 0, &mem), -EINVAL);
	close(bad);
}
END_TEST

START_TEST(impossible_indices)
{
	struct xpv_sring *ring = tx.ring.ring.shared;

	post(1, 1);
	ring->rsp_prod = 2;
	ck_assert_int_eq(mail_reap(&tx, &cookie), XPV_RING_BROKEN);
	ck_assert(mail_abandon(&tx, &cookie));
	ck_assert(!mail_abandon(&tx, &cookie));
	ring->rsp_prod = 0;
	ring->req_prod = MAIL_SLOTS + 1;
	ck_assert_int_eq(mail_peek(&rx, 0, &got), XPV_RING_BROKEN);
	ck_assert_int_eq(mail_receiver_init(&rx, b, 1, 0), XPV_RING_BROKEN);
}
END_TEST

/* Whatever a mail is made of, a valid one is within every bound. */
START_TEST(random_mails)
{
	unsigned int valid = 0;

	srandom(1);
	for (int n = 0; n < 200000; n++) {
		uint32_t total = 0;

		for (size_t i = 0; i < sizeof(mail) / 4; i++)
			((uint32_t *)&mail)[i] = (uint32_t)random();
		mail.header_len %= 300;
		mail.gso %= 4;
		mail.nr_frags %= 22;
		if (n & 1)
			for (unsigned int i = 0; i < MAIL_FRAGS; i++) {
				mail.frag[i].len %= 4200;
				mail.frag[i].offset %= 64;
			}
		if (!mail_valid(&mail))
			continue;
		valid++;
		ck_assert(mail.header_len >= 14 && mail.header_len <= 256);
		ck_assert(mail.gso <= PORT_GSO_TCPV6);
		for (unsigned int i = 0; i < mail.nr_frags; i++) {
			struct mail_frag *f = &mail.frag[i];

			total += f->len;
			if (mail.flags & MAIL_ARENA)
				ck_assert_uint_le((uint64_t)f->gref + f->len,
						  ARENA_BYTES);
			else
				ck_assert_int_le(f->offset + f->len, 4096);
		}
		ck_assert_uint_le(mail.header_len + total, PORT_MAX_FRAME);
	}
	ck_assert_uint_gt(valid, 1000);
}
END_TEST

/* Two processes: revoke and claim race, each mail has one winner. */
START_TEST(claims_race)
{
	enum { ROUNDS = 20000 };
	uint8_t *won = mmap(NULL, ROUNDS, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint32_t sent = 0, back = 0, revoked = 0, claimed = 0;
	pid_t pid;
	int status;

	pid = fork();
	if (!pid) {
		for (uint32_t n = 0; n < ROUNDS;) {
			int r = mail_peek(&rx, 0, &got);

			if (r < 0)
				_exit(1);
			if (!r)
				continue;
			won[n++] = mail_claim(&rx, 0);
			mail_answer(&rx, 1);
		}
		_exit(0);
	}
	while (back < ROUNDS) {
		if (sent < ROUNDS && xpv_front_room(&tx.ring)) {
			post((uint16_t)(sent % 1000), sent);
			sent++;
		}
		while (sent % 3 == 0 && mail_revoke(&tx, sent, &cookie)) {
			revoked++;
			back++;
		}
		while (mail_reap(&tx, &cookie) > 0)
			back++;
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	for (uint32_t i = 0; i < ROUNDS; i++)
		claimed += won[i];
	ck_assert_uint_eq(claimed + revoked, ROUNDS);
	munmap(won, ROUNDS);
}
END_TEST

Suite *mailbox_suite(void)
{
	Suite *s = suite_create("mailbox");
	TCase *tc = tcase_create("mailbox");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, mail_goes_and_cookies_return);
	tcase_add_test(tc, revoked_mail_is_not_copied);
	tcase_add_test(tc, claims_do_not_outlive_their_mail);
	tcase_add_test(tc, arena_is_a_bounded_ring);
	tcase_add_test(tc, no_arena_no_bytes);
	tcase_add_test(tc, link_memory_is_sealed);
	tcase_add_test(tc, impossible_indices);
	tcase_add_test(tc, random_mails);
	tcase_add_test(tc, claims_race);
	suite_add_tcase(s, tc);
	return s;
}
