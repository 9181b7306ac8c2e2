// SPDX-License-Identifier: MIT
#include "soakframe.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

#define MAGIC	  0x78707673u
#define ETH	  14u
#define TAG	  4u
#define TYPE_TAG  0x8100
#define TYPE_IPV4 0x0800
#define TYPE_IPV6 0x86dd
#define TYPE_OWN  0x88b5 /* for experiments */
#define TCP	  6
#define UDP	  17

struct stamp {
	uint32_t magic;
	uint16_t from, to;
	uint32_t number;
	uint32_t offset; /* of the piece, in the payload */
	uint16_t size;
	uint8_t vlan;
	uint8_t forbidden;
	uint32_t sum; /* of all the above */
};

_Static_assert(sizeof(struct stamp) == SOAK_STAMP, "no holes");

/* ---- bytes ---- */

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static uint64_t mix(uint64_t x)
{
	x *= 0x9e3779b97f4a7c15u;
	return x ^ x >> 29;
}

static uint32_t stamp_sum(const struct stamp *s)
{
	uint32_t word;
	uint64_t x = 0;

	for (size_t at = 0; at < offsetof(struct stamp, sum); at += 4) {
		memcpy(&word, (const uint8_t *)s + at, 4);
		x = mix(x + word + 1);
	}
	return (uint32_t)(x >> 32);
}

/* What follows a stamp: eight bytes at a time, each word its own. */
static void fill(uint8_t *at, uint32_t len, uint32_t seed)
{
	for (uint64_t i = 0; len; i++) {
		uint64_t word = mix(mix(seed + i));
		uint32_t n = len < 8 ? len : 8;

		memcpy(at, &word, n);
		at += n;
		len -= n;
	}
}

/* In the order of memory, as any order will do. */
static uint16_t sum16(const uint8_t *at, uint32_t len, uint64_t sum)
{
	uint32_t word;

	for (; len >= 4; at += 4, len -= 4) {
		memcpy(&word, at, 4);
		sum += word;
	}
	if (len) {
		word = 0;
		memcpy(&word, at, len);
		sum += word;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* ---- headers ---- */

void soak_mac(uint8_t mac[6], uint16_t domid)
{
	const uint8_t group[6] = {3, 0, 0, 0, 0, 1};
	const uint8_t own[6] = {2, 0, 0, 0, 1, (uint8_t)domid};

	memcpy(mac, domid == SOAK_GROUP ? group : own, 6);
}

static uint32_t ip_at(const struct soak_frame *f)
{
	return ETH + (f->tagged ? TAG : 0);
}

static uint32_t l4_at(const struct soak_frame *f)
{
	return ip_at(f) + (f->v6 ? 40 : 20);
}

static uint32_t csum_at(const struct soak_frame *f)
{
	return l4_at(f) + (f->kind == SOAK_TCP ? 16 : 6);
}

uint32_t soak_headers(const struct soak_frame *f)
{
	if (f->kind == SOAK_PLAIN)
		return ip_at(f);
	return l4_at(f) + (f->kind == SOAK_TCP ? 20 : 8);
}

static uint32_t type_of(const struct soak_frame *f)
{
	if (f->kind == SOAK_PLAIN)
		return TYPE_OWN;
	return f->v6 ? TYPE_IPV6 : TYPE_IPV4;
}

static uint16_t pseudo(const uint8_t *buf, const struct soak_frame *f,
		       uint32_t len)
{
	const uint8_t *ip = buf + ip_at(f);
	uint64_t sum = htons(f->kind == SOAK_TCP ? TCP : UDP);

	sum += htonl(len - l4_at(f));
	return sum16(ip + (f->v6 ? 8 : 12), f->v6 ? 32 : 8, sum);
}

/* 10.0.0.DOMID, fd00::DOMID */
static void build_ip(uint8_t *buf, const struct soak_frame *f, uint32_t len)
{
	uint8_t *ip = buf + ip_at(f), proto = f->kind == SOAK_TCP ? TCP : UDP;
	uint16_t sum;

	if (f->v6) {
		ip[0] = 0x60;
		put16(ip + 4, len - l4_at(f));
		ip[6] = proto;
		ip[7] = 64;
		ip[8] = ip[24] = 0xfd;
		ip[23] = (uint8_t)f->from;
		ip[39] = (uint8_t)f->to;
		return;
	}
	ip[0] = 0x45;
	put16(ip + 2, len - ip_at(f));
	ip[8] = 64;
	ip[9] = proto;
	ip[12] = ip[16] = 10;
	ip[15] = (uint8_t)f->from;
	ip[19] = (uint8_t)f->to;
	sum = (uint16_t)~sum16(ip, 20, 0);
	memcpy(ip + 10, &sum, 2);
}

static void build_l4(uint8_t *buf, const struct soak_frame *f, uint32_t len)
{
	uint8_t *l4 = buf + l4_at(f);

	put16(l4, 1000u + f->from);
	put16(l4 + 2, 2000u + (f->to & 0xff));
	if (f->kind == SOAK_UDP) {
		put16(l4 + 4, len - l4_at(f));
		return;
	}
	l4[7] = 1; /* sequence */
	l4[12] = 5 << 4;
	l4[13] = 0x10; /* ACK */
	put16(l4 + 14, 1024);
}

static void build_headers(uint8_t *buf, const struct soak_frame *f,
			  uint32_t len)
{
	memset(buf, 0, soak_headers(f));
	soak_mac(buf, f->to);
	soak_mac(buf + 6, f->from);
	if (f->tagged) {
		put16(buf + 12, TYPE_TAG);
		put16(buf + 14, f->vlan);
	}
	put16(buf + ip_at(f) - 2, type_of(f));
	if (f->kind == SOAK_PLAIN)
		return;
	build_ip(buf, f, len);
	build_l4(buf, f, len);
}

static void put_checksum(uint8_t *buf, const struct soak_frame *f, uint32_t len)
{
	uint16_t sum = pseudo(buf, f, len);

	memcpy(buf + csum_at(f), &sum, 2);
	if (f->blank)
		return;
	sum = (uint16_t)~sum16(buf + l4_at(f), len - l4_at(f), 0);
	if (!sum)
		sum = 0xffff;
	memcpy(buf + csum_at(f), &sum, 2);
}

uint32_t soak_build(uint8_t *buf, const struct soak_frame *f)
{
	uint32_t headers = soak_headers(f), len = headers + f->payload;
	struct stamp s = {
		.magic = MAGIC,
		.from = f->from,
		.to = f->to,
		.number = f->number,
		.vlan = f->vlan,
		.forbidden = f->forbidden,
	};

	build_headers(buf, f, len);
	for (; s.offset < f->payload; s.offset += s.size, s.number++) {
		uint32_t left = f->payload - s.offset;
		uint8_t *at = buf + headers + s.offset;

		s.size = (uint16_t)(left < f->piece ? left : f->piece);
		s.sum = stamp_sum(&s);
		memcpy(at, &s, sizeof(s));
		fill(at + sizeof(s), s.size - SOAK_STAMP, s.sum);
	}
	if (f->kind != SOAK_PLAIN)
		put_checksum(buf, f, len);
	return len;
}

/* ---- judging ---- */

/* Which kind of frame it is; the rest of *f comes from the stamps. */
static bool recognize(const uint8_t *buf, uint32_t len, struct soak_frame *f)
{
	uint32_t proto, ip;

	memset(f, 0, sizeof(*f));
	f->tagged = get16(buf + 12) == TYPE_TAG;
	ip = ip_at(f);
	if (len < ip + SOAK_STAMP || (f->tagged && get16(buf + 14) > 255))
		return false;
	if (get16(buf + ip - 2) == TYPE_OWN)
		return true;
	f->v6 = get16(buf + ip - 2) == TYPE_IPV6;
	if (!f->v6 && get16(buf + ip - 2) != TYPE_IPV4)
		return false;
	proto = buf[ip + (f->v6 ? 6 : 9)];
	f->kind = proto == TCP ? SOAK_TCP : SOAK_UDP;
	return proto == TCP || proto == UDP;
}

static const char *judge_headers(const uint8_t *buf, uint32_t len, bool blank,
				 const struct soak_frame *f)
{
	const uint8_t *ip = buf + ip_at(f), *l4 = buf + l4_at(f);
	uint16_t sum = pseudo(buf, f, len), field;

	if (f->v6 ? get16(ip + 4) != len - l4_at(f)
		  : get16(ip + 2) != len - ip_at(f))
		return "the IP header's length";
	if (!f->v6 && sum16(ip, 20, 0) != 0xffff)
		return "the IP header's checksum";
	if (f->kind == SOAK_UDP && get16(l4 + 4) != len - l4_at(f))
		return "the UDP header's length";
	memcpy(&field, buf + csum_at(f), 2);
	if (blank)
		return field == sum ? NULL : "the pseudo header's checksum";
	if (f->kind == SOAK_UDP && !field)
		return "no checksum";
	/* The sum over the field, with the pseudo header's in its place. */
	return sum16(l4, len - l4_at(f), sum) == 0xffff ? NULL : "the checksum";
}

static bool piece_whole(const uint8_t *at, const struct stamp *s)
{
	static uint8_t want[SOAK_LENGTH];

	fill(want, s->size - SOAK_STAMP, s->sum);
	return !memcmp(at + sizeof(*s), want, s->size - SOAK_STAMP);
}

/* The pieces from @at on follow each other, and are all there. */
static const char *judge_pieces(const uint8_t *at, struct soak_frame *f)
{
	uint32_t left = f->payload, n = 0;
	struct stamp s, first;

	for (; left; left -= s.size, at += s.size, n++) {
		if (left < SOAK_STAMP)
			return "a piece shorter than its stamp";
		memcpy(&s, at, sizeof(s));
		if (!n)
			first = s;
		if (s.magic != MAGIC || s.sum != stamp_sum(&s))
			return "a stamp";
		if (s.size < SOAK_STAMP || s.size > left)
			return "the length of a piece";
		if (s.number != first.number + n || s.from != first.from ||
		    s.to != first.to ||
		    s.offset != first.offset + (f->payload - left))
			return "pieces of several packets";
		if (!piece_whole(at, &s))
			return "the bytes of a piece";
	}
	if (!n)
		return "no payload";
	f->from = first.from;
	f->to = first.to;
	f->number = first.number;
	f->piece = first.size;
	f->vlan = first.vlan;
	f->forbidden = first.forbidden;
	return NULL;
}

/* Do the headers say what the stamp says? */
static bool same_ends(const uint8_t *buf, const struct soak_frame *f)
{
	uint8_t mac[12];

	soak_mac(mac, f->to);
	soak_mac(mac + 6, f->from);
	return !memcmp(buf, mac, sizeof(mac)) &&
	       (!f->tagged || (get16(buf + 14) & 0xfff) == f->vlan);
}

static bool same_place(const uint8_t *buf, const struct soak_frame *f)
{
	const uint8_t *l4 = buf + l4_at(f);
	struct stamp s;

	memcpy(&s, buf + soak_headers(f), sizeof(s));
	return (get16(l4 + 4) << 16 | get16(l4 + 6)) == 1 + s.offset;
}

const char *soak_judge(const uint8_t *buf, uint32_t len, bool blank,
		       struct soak_frame *f)
{
	const char *wrong;

	if (!recognize(buf, len, f))
		return "a frame that nobody sent";
	if (soak_headers(f) > len)
		return "the length";
	f->payload = len - soak_headers(f);
	wrong = judge_pieces(buf + soak_headers(f), f);
	if (!wrong && f->kind != SOAK_PLAIN)
		wrong = judge_headers(buf, len, blank, f);
	if (!wrong && !same_ends(buf, f))
		wrong = "addresses that are not the stamp's";
	if (!wrong && f->kind == SOAK_TCP && !same_place(buf, f))
		wrong = "the TCP sequence number";
	return wrong;
}

bool soak_once(struct soak_seen *seen, uint32_t number)
{
	uint64_t *word = &seen->bit[number % SOAK_WINDOW / 64];
	uint64_t bit = (uint64_t)1 << number % 64;

	if (number + SOAK_WINDOW <= seen->next)
		return false;
	for (; seen->next <= number; seen->next++)
		seen->bit[seen->next % SOAK_WINDOW / 64] &=
			~((uint64_t)1 << seen->next % 64);
	if (*word & bit)
		return false;
	*word |= bit;
	return true;
}
