/* SPDX-License-Identifier: MIT */
/*
 * Packets that say whose they are. A payload is one or more pieces, each of
 * which begins with a stamp that every other byte of it follows from: so
 * whoever likes may cut a large packet at its pieces, and each part can be
 * judged on its own.
 */
#ifndef XPV_TESTS_SOAKFRAME_H
#define XPV_TESTS_SOAKFRAME_H

#include <stdbool.h>
#include <stdint.h>

#define SOAK_STAMP  24u /* bytes: the shortest piece */
#define SOAK_GROUP  0xffffu
#define SOAK_LENGTH 65535u /* of a frame, at most */

enum soak_kind {
	SOAK_PLAIN, /* of no protocol */
	SOAK_UDP,
	SOAK_TCP,
};

struct soak_frame {
	enum soak_kind kind;
	bool v6;
	bool tagged;
	bool blank; /* the checksum is not finished */
	uint8_t vlan; /* that it belongs to, tagged or not */
	uint16_t from, to; /* domids; SOAK_GROUP: to all of the VLAN */
	bool forbidden; /* nobody must get it */
	uint32_t number; /* of its first piece */
	uint32_t payload;
	uint32_t piece; /* bytes of each, but of the last */
};

/* The station of a domid, or of them all. */
void soak_mac(uint8_t mac[6], uint16_t domid);
uint32_t soak_headers(const struct soak_frame *f);
/* Returns its length. */
uint32_t soak_build(uint8_t *buf, const struct soak_frame *f);
/*
 * What is wrong with a received frame, or NULL; then *f is what it says, or,
 * of a frame that was cut, what this part of it says. @blank: the receiver is
 * left to finish its checksum.
 */
const char *soak_judge(const uint8_t *buf, uint32_t len, bool blank,
		       struct soak_frame *f);

/* Numbers that came from one sender: each at most once. */
#define SOAK_WINDOW 65536u
struct soak_seen {
	uint32_t next; /* above all that came */
	uint64_t bit[SOAK_WINDOW / 64];
};
/* False: it came before, or the window is long past it. */
bool soak_once(struct soak_seen *seen, uint32_t number);

#endif
