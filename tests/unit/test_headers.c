// SPDX-License-Identifier: MIT
/* Header parsing and checksums of backend/vif, on frames of every length. */
#include "backend/vif/headers.h"

#include "netframe.h"
#include "suites.h"

#include <stdlib.h>
#include <string.h>

#define TCP 6
#define UDP 17

static uint8_t buf[4096];
static struct headers h;

/*
 * Parse a copy of exactly @len bytes, so that a read behind its end is seen
 * by the sanitizer.
 */
static void parse(uint32_t len)
{
	uint8_t *exact = malloc(len ? len : 1);

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, buf, len);
	headers_parse(exact, len, &h);
	free(exact);
}

/* _i: bit 0 IPv6, bit 1 UDP, from bit 2 VLAN tags; cut at each length. */
START_TEST(every_length)
{
	struct netframe f = {
		.v6 = _i & 1, .udp = _i & 2, .vlan = _i >> 2, .payload = 30};
	uint32_t len = netframe_build(buf, &f, 1);

	for (uint32_t cut = 0; cut <= len; cut++) {
		parse(cut);
		if (cut < netframe_hdr_len(&f)) {
			ck_assert_uint_eq(h.proto, 0);
			continue;
		}
		ck_assert_uint_eq(h.ip, f.v6 ? 6 : 4);
		ck_assert_uint_eq(h.vlan, f.vlan > 0);
		ck_assert_uint_eq(h.proto, f.udp ? UDP : TCP);
		ck_assert_uint_eq(h.ip_at, netframe_ip_at(&f));
		ck_assert_uint_eq(h.l4_at, netframe_l4_at(&f));
		ck_assert_uint_eq(h.l4_at + h.l4_len, netframe_hdr_len(&f));
		ck_assert_uint_eq(headers_csum_offset(&h),
				  netframe_csum_offset(&f));
	}
}
END_TEST

/* Everything behind the Ethernet header would do as a TCP header. */
static void all_tcp(uint16_t type)
{
	memset(buf, 0x55, sizeof(buf));
	buf[12] = (uint8_t)(type >> 8);
	buf[13] = (uint8_t)type;
}

START_TEST(ipv4_header_lengths)
{
	all_tcp(0x0800);
	buf[23] = TCP;
	buf[20] = 0;
	buf[21] = 0;
	for (uint8_t words = 0; words < 16; words++) {
		buf[14] = 0x40 | words;
		parse(200);
		ck_assert_uint_eq(h.proto, words < 5 ? 0 : TCP);
		if (words >= 5)
			ck_assert_uint_eq(h.l4_at, 14 + words * 4);
		/* Its options end with the frame. */
		parse(14 + words * 4u);
		ck_assert_uint_eq(h.proto, 0);
	}
}
END_TEST

START_TEST(ipv4_fragments)
{
	static const struct {
		uint8_t hi, lo;
		bool fragment;
	} f[] = {
		{0x00, 0x00, false}, {0x40, 0x00, false}, /* do not fragment */
		{0x20, 0x00, true},  {0x00, 0x01, true},  {0x1f, 0xff, true},
	};

	for (unsigned int i = 0; i < sizeof(f) / sizeof(f[0]); i++) {
		all_tcp(0x0800);
		buf[14] = 0x45;
		buf[23] = TCP;
		buf[20] = f[i].hi;
		buf[21] = f[i].lo;
		parse(200);
		ck_assert_uint_eq(h.ip, 4);
		ck_assert_uint_eq(h.fragment, f[i].fragment);
		ck_assert_uint_eq(h.proto, f[i].fragment ? 0 : TCP);
	}
}
END_TEST

/* An IPv6 frame with @n extension headers of 8 bytes each in front of TCP. */
static void ipv6_chain(unsigned int n, uint8_t kind)
{
	all_tcp(0x86dd);
	buf[14] = 0x60;
	buf[20] = n ? kind : TCP;
	for (unsigned int i = 0; i < n; i++) {
		uint8_t *ext = buf + 54 + i * 8;

		memset(ext, 0, 8);
		ext[0] = i + 1 < n ? kind : TCP;
	}
}

START_TEST(ipv6_extensions)
{
	static const uint8_t kinds[] = {0, 43, 44, 60};

	for (unsigned int k = 0; k < sizeof(kinds); k++) {
		for (unsigned int n = 0; n <= 8; n++) {
			ipv6_chain(n, kinds[k]);
			for (uint32_t len = 0; len < 54 + n * 8; len++) {
				parse(len);
				ck_assert_uint_eq(h.proto, 0);
			}
			parse(400);
			ck_assert_uint_eq(h.ip, 6);
			ck_assert_uint_eq(h.proto, TCP);
			ck_assert_uint_eq(h.l4_at, 54 + n * 8);
		}
	}
	ipv6_chain(9, 60);
	parse(400);
	ck_assert_uint_eq(h.proto, 0);
}
END_TEST

START_TEST(ipv6_fragments)
{
	static const struct {
		uint8_t hi, lo;
		bool fragment;
	} f[] = {
		{0, 0, false}, /* alone: the whole packet */
		{0, 1, true},	 {0, 8, true},
		{0x80, 0, true}, {0, 6, false}, /* reserved bits */
	};

	for (unsigned int i = 0; i < sizeof(f) / sizeof(f[0]); i++) {
		ipv6_chain(1, 44);
		buf[56] = f[i].hi;
		buf[57] = f[i].lo;
		parse(400);
		ck_assert_uint_eq(h.fragment, f[i].fragment);
		ck_assert_uint_eq(h.proto, f[i].fragment ? 0 : TCP);
	}
}
END_TEST

/* Eight extensions of 2048 bytes each, as long as they get. */
START_TEST(ipv6_long_extensions)
{
	static uint8_t big[20000];
	uint32_t at = 54;

	big[12] = 0x86;
	big[13] = 0xdd;
	big[14] = 0x60;
	big[20] = 60;
	for (uint32_t i = 0; i < 8; i++) {
		big[at] = i < 7 ? 60 : TCP;
		big[at + 1] = 255;
		at += 2048;
	}
	big[at + 12] = 0x50;
	headers_parse(big, sizeof(big), &h);
	ck_assert_uint_eq(h.proto, TCP);
	ck_assert_uint_eq(h.l4_at, at);
	headers_parse(big, at, &h);
	ck_assert_uint_eq(h.proto, 0);
}
END_TEST

START_TEST(garbage)
{
	for (unsigned int round = 0; round < 20000; round++) {
		uint32_t len = (uint32_t)random() % 120;

		for (uint32_t i = 0; i < len; i++)
			buf[i] = (uint8_t)random();
		if (round & 1) {
			buf[12] = round & 2 ? 0x86 : 0x08;
			buf[13] = round & 2 ? 0xdd : 0x00;
		}
		parse(len);
		if (h.proto)
			ck_assert_uint_le((uint32_t)h.l4_at + h.l4_len, len);
	}
}
END_TEST

/* Sums of every length and alignment, against the obvious way. */
START_TEST(sums)
{
	struct netframe f = {.v6 = _i & 1, .udp = _i & 2};

	for (f.payload = 0; f.payload < 200; f.payload++) {
		uint32_t len, at = netframe_l4_at(&f);
		uint8_t *shifted = buf + f.payload % 8;

		f.blank = true;
		len = netframe_build(shifted, &f, f.payload);
		headers_parse(shifted, len, &h);
		/* The pseudo sum that stands there is what we would put. */
		memcpy(buf + 2048, shifted, len);
		headers_put_pseudo_sum(shifted, len, &h);
		ck_assert_mem_eq(buf + 2048, shifted, len);
		csum_complete(shifted, len, at, netframe_csum_offset(&f));
		ck_assert(netframe_csum_ok(shifted, &f, len));
	}
}
END_TEST

START_TEST(congestion_flag)
{
	struct netframe f = {.payload = 10};
	uint32_t len = netframe_build(buf, &f, 1);

	parse(len);
	ck_assert(!headers_tcp_cwr(buf, &h));
	buf[netframe_l4_at(&f) + 13] |= 0x80;
	ck_assert(headers_tcp_cwr(buf, &h));
	f.udp = true;
	len = netframe_build(buf, &f, 1);
	buf[netframe_l4_at(&f) + 13] = 0xff;
	parse(len);
	ck_assert(!headers_tcp_cwr(buf, &h));
}
END_TEST

Suite *headers_suite(void)
{
	Suite *s = suite_create("headers");
	TCase *tc = tcase_create("headers");

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, every_length, 0, 12);
	tcase_add_test(tc, ipv4_header_lengths);
	tcase_add_test(tc, ipv4_fragments);
	tcase_add_test(tc, ipv6_extensions);
	tcase_add_test(tc, ipv6_fragments);
	tcase_add_test(tc, ipv6_long_extensions);
	tcase_add_test(tc, garbage);
	tcase_add_loop_test(tc, sums, 0, 4);
	tcase_add_test(tc, congestion_flag);
	return s;
}
