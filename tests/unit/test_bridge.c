// SPDX-License-Identifier: MIT
/* The parts of a switch that know no memory but their own. */
#include "backend/port/fdb.h"
#include "backend/port/guard.h"
#include "backend/port/segment.h"
#include "backend/port/vlan.h"
#include "backend/vif/headers.h"
#include "netframe.h"
#include "suites.h"

#include <stdio.h>
#include <string.h>

/* ---- forwarding database ---- */

static struct fdb fdb;

static void station(uint8_t mac[6], uint32_t n)
{
	const uint8_t bytes[6] = {
		2,
		1,
		(uint8_t)(n >> 24),
		(uint8_t)(n >> 16),
		(uint8_t)(n >> 8),
		(uint8_t)n,
	};

	memcpy(mac, bytes, sizeof(bytes));
}

START_TEST(fdb_learns_moves_and_ages)
{
	uint8_t mac[6];

	fdb_init(&fdb, 1);
	station(mac, 7);
	ck_assert_uint_eq(fdb_find(&fdb, mac, 0, 10), FDB_NONE);
	ck_assert(fdb_learn(&fdb, mac, 0, 3, 10));
	ck_assert_uint_eq(fdb_find(&fdb, mac, 0, 10), 3);
	/* another VLAN is another station */
	ck_assert_uint_eq(fdb_find(&fdb, mac, 5, 10), FDB_NONE);
	ck_assert(fdb_learn(&fdb, mac, 0, 4, 11));
	ck_assert_uint_eq(fdb_find(&fdb, mac, 0, 11 + FDB_AGE_S - 1), 4);
	ck_assert_uint_eq(fdb_find(&fdb, mac, 0, 11 + FDB_AGE_S), FDB_NONE);
	ck_assert(fdb_learn(&fdb, mac, 0, 4, 900));
	ck_assert_uint_eq(fdb_find(&fdb, mac, 0, 901), 4);
	fdb_forget(&fdb, 4);
	ck_assert_uint_eq(fdb_find(&fdb, mac, 0, 901), FDB_NONE);
}
END_TEST

START_TEST(fdb_fixed_entries_stay)
{
	uint8_t mac[6];

	fdb_init(&fdb, 1);
	station(mac, 7);
	ck_assert(fdb_learn(&fdb, mac, 2, 1, 0));
	fdb_fix(&fdb, mac, 9);
	ck_assert_uint_eq(fdb_find(&fdb, mac, 2, 0), 9);
	ck_assert_uint_eq(fdb_find(&fdb, mac, 0, 100000), 9);
	ck_assert(!fdb_learn(&fdb, mac, 0, 1, 5));
	ck_assert(fdb_learn(&fdb, mac, 0, 9, 5));
	/* whatever else comes along */
	for (uint32_t i = 100; i < 100000; i++) {
		uint8_t other[6];

		station(other, i);
		fdb_learn(&fdb, other, 0, 1, i);
	}
	ck_assert_uint_eq(fdb_find(&fdb, mac, 0, 100000), 9);
}
END_TEST

/* A flood of addresses costs those not seen for long, and never more room. */
START_TEST(fdb_full_forgets_the_oldest)
{
	unsigned int kept = 0;
	uint8_t mac[6];

	fdb_init(&fdb, 99);
	for (uint32_t i = 0; i < 5 * FDB_SETS * FDB_WAYS; i++) {
		station(mac, i);
		ck_assert(fdb_learn(&fdb, mac, 0, 1, i / 100));
		ck_assert_uint_eq(fdb_find(&fdb, mac, 0, i / 100), 1);
	}
	for (uint32_t i = 0; i < 5 * FDB_SETS * FDB_WAYS; i++) {
		station(mac, i);
		kept += fdb_find(&fdb, mac, 0, 55) == 1;
	}
	ck_assert_uint_le(kept, FDB_SETS * FDB_WAYS);
	ck_assert_uint_gt(kept, FDB_SETS * FDB_WAYS / 2);
}
END_TEST

/* ---- VLANs ---- */

static const struct {
	const char *text, *name;
	uint16_t untagged, tagged[3];
} good[] = {
	{"lan", "lan", 0, {0}},
	{"lan.7", "lan", 7, {0}},
	{"a-b_9.4094", "a-b_9", 4094, {0}},
	{"lan:1:4094", "lan", VLAN_NONE, {1, 4094}},
	{"lan:0:5", "lan", 0, {5}},
	{"lan.3:5:6", "lan", 3, {5, 6}},
};

START_TEST(vlan_syntax)
{
	static const char *const bad[] = {
		"",
		"lan.",
		"lan.4095",
		"lan:",
		"lan:1:",
		".5",
		"lan.x",
		"lan.5x",
		"lan:99999999999999999999",
		"l n",
		"lan.5.6",
		"a/b",
		"twelve-bytes",
		"lan.-1",
		"lan.5:5",
		"lan.3:0",
		"lan:1.5",
	};
	char name[SWITCH_NAME_MAX + 1];
	struct vlan_set set;

	for (unsigned int i = 0; i < sizeof(good) / sizeof(*good); i++) {
		ck_assert_ptr_null(vlan_parse(good[i].text, name, &set));
		ck_assert_str_eq(name, good[i].name);
		ck_assert_uint_eq(set.untagged, good[i].untagged);
		for (uint16_t v = 1; v <= VLAN_MAX; v++)
			ck_assert(vlan_is_tagged(&set, v) ==
				  (v == good[i].tagged[0] ||
				   v == good[i].tagged[1]));
	}
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(vlan_parse(bad[i], name, &set) != NULL,
			      "\"%s\" is none", bad[i]);
}
END_TEST

static struct vlan_set set_of(const char *text)
{
	char name[SWITCH_NAME_MAX + 1];
	struct vlan_set set;

	ck_assert_ptr_null(vlan_parse(text, name, &set));
	return set;
}

START_TEST(vlan_membership)
{
	struct vlan_set plain = set_of("x"), five = set_of("x.5"),
			trunk = set_of("x:5:6"), uplink;

	vlan_all(&uplink);
	ck_assert(vlan_meet(&plain, &plain));
	ck_assert(!vlan_meet(&plain, &five));
	ck_assert(!vlan_meet(&plain, &trunk));
	ck_assert(vlan_meet(&five, &trunk));
	ck_assert(vlan_meet(&trunk, &five));
	ck_assert(vlan_meet(&trunk, &trunk));
	ck_assert(vlan_meet(&uplink, &plain) && vlan_meet(&uplink, &five));
	ck_assert(!vlan_is_tagged(&uplink, 0) &&
		  !vlan_is_tagged(&uplink, 4095));
}
END_TEST

START_TEST(vlan_tags_come_and_go)
{
	struct vlan_set trunk = set_of("x.3:5"), access = set_of("x.5");
	uint8_t room[4 + 60], want[60], *frame = room + 4;
	uint16_t tci;

	netframe_plain(frame, 60, 1);
	memcpy(want, frame, 60);
	/* untagged: the native VLAN */
	ck_assert_int_eq(vlan_pop(&trunk, frame, 60, &tci), 0);
	ck_assert_uint_eq(tci, 3);
	ck_assert_int_eq(vlan_push(&trunk, frame, 3), 0);
	ck_assert_mem_eq(frame, want, 60);
	/* tagged, with a priority that survives */
	ck_assert_int_eq(vlan_push(&trunk, frame, 0xe005), 4);
	ck_assert_int_eq(vlan_pop(&trunk, room, 64, &tci), 4);
	ck_assert_uint_eq(tci, 0xe005);
	ck_assert_mem_eq(frame, want, 60);
	/* of no VLAN of the port's */
	ck_assert_int_eq(vlan_push(&trunk, frame, 6), -1);
	ck_assert_int_eq(vlan_push(&trunk, frame, 0), -1);
	room[14] = 0;
	memcpy(room,
	       (uint8_t[]){2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, 6},
	       16);
	ck_assert_int_eq(vlan_pop(&trunk, room, 64, &tci), -1);
	/* an access port takes no tag, not even its own */
	room[15] = 5;
	ck_assert_int_eq(vlan_pop(&access, room, 64, &tci), -1);
	/* but that of a priority */
	room[14] = 0x60;
	room[15] = 0;
	ck_assert_int_eq(vlan_pop(&access, room, 64, &tci), 4);
	ck_assert_uint_eq(tci, 0x6005);
	/* a tag cut short */
	room[12] = 0x81;
	room[13] = 0;
	ck_assert_int_eq(vlan_pop(&access, room, 17, &tci), -1);
}
END_TEST

/* What would be left of the frame is a tag that nobody has checked. */
START_TEST(vlan_tags_behind_tags)
{
	static const uint16_t types[] = {0x8100, 0x88a8, 0x9100};
	struct vlan_set plain = set_of("x"), trunk = set_of("x.3:5");
	uint8_t frame[60] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81};
	uint16_t tci;

	for (unsigned int i = 0; i < 3; i++) {
		frame[12] = 0x81;
		frame[13] = 0;
		frame[15] = 0;
		frame[16] = (uint8_t)(types[i] >> 8);
		frame[17] = (uint8_t)types[i];
		ck_assert_int_eq(vlan_pop(&plain, frame, 60, &tci), -1);
		frame[15] = 5;
		ck_assert_int_eq(vlan_pop(&trunk, frame, 60, &tci), -1);
		frame[12] = frame[16];
		frame[13] = frame[17];
		frame[15] = 6;
		frame[16] = 8;
		frame[17] = 0;
		ck_assert_int_eq(vlan_pop(&plain, frame, 60, &tci), -1);
		ck_assert_int_eq(vlan_pop(&trunk, frame, 60, &tci), -1);
	}
	frame[12] = 8;
	frame[13] = 0;
	ck_assert_int_eq(vlan_pop(&plain, frame, 60, &tci), 0);
}
END_TEST

/* ---- guards ---- */

static const uint8_t own_mac[6] = {0x02, 0, 0, 0, 0, 2};
#define OWN_LL 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 2

static struct guard guarded(const char *ip)
{
	struct guard g = {.check_mac = true};

	memcpy(g.mac, own_mac, 6);
	if (ip)
		ck_assert_ptr_null(guard_parse(ip, &g));
	return g;
}

START_TEST(guard_syntax)
{
	static const char *const bad[] = {
		"",
		" ",
		"10.0.0",
		"10.0.0.256",
		"x",
		"fe80::g",
		"/24",
		"1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 "
		"1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 "
		"1.1.1.1 1.1.1.1 1.1.1.1",
	};
	struct guard g = {0};

	ck_assert_ptr_null(guard_parse(" 10.0.0.1/24  2001:db8::1 ", &g));
	ck_assert_uint_eq(g.nr_addresses, 2);
	ck_assert_uint_eq(g.address[0].family, 4);
	ck_assert_mem_eq(g.address[0].bytes, ((uint8_t[]){10, 0, 0, 1}), 4);
	ck_assert_uint_eq(g.address[1].family, 6);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(guard_parse(bad[i], &g) != NULL, "\"%s\"",
			      bad[i]);
}
END_TEST

START_TEST(guard_mac)
{
	struct guard g = guarded(NULL), off = {0};
	uint8_t frame[60];

	netframe_plain(frame, 60, 1);
	ck_assert_int_eq(guard_check(&g, frame, 60), GUARD_PASS);
	frame[11]++;
	ck_assert_int_eq(guard_check(&g, frame, 60), GUARD_MAC);
	ck_assert_int_eq(guard_check(&off, frame, 60), GUARD_PASS);
	frame[6] |= 1;
	ck_assert_int_eq(guard_check(&off, frame, 60), GUARD_MAC);
}
END_TEST

/* Frames are built by hand: type, then the bytes behind it. */
static enum guard_verdict check(const struct guard *g, uint16_t type,
				const uint8_t *body, uint32_t len)
{
	uint8_t frame[200] = {0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2};

	frame[12] = (uint8_t)(type >> 8);
	frame[13] = (uint8_t)type;
	memcpy(frame + 14, body, len);
	return guard_check(g, frame, 14 + len);
}

START_TEST(guard_ipv4_and_arp)
{
	struct guard g = guarded("10.0.0.2");
	uint8_t ip[28] = {0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0,
			  10,	0, 0, 2,  1, 1, 1, 1, 0,  5,  0, 6};
	uint8_t arp[28] = {0, 1, 8, 0, 6, 4,  0, 1, 2,
			   0, 0, 0, 0, 2, 10, 0, 0, 2};

	ck_assert_int_eq(check(&g, 0x800, ip, 28), GUARD_PASS);
	ip[15] = 3;
	ck_assert_int_eq(check(&g, 0x800, ip, 28), GUARD_ADDRESS);
	/* from nowhere, but to ask DHCP */
	memset(ip + 12, 0, 4);
	ck_assert_int_eq(check(&g, 0x800, ip, 28), GUARD_ADDRESS);
	memcpy(ip + 20, (uint8_t[]){0, 68, 0, 67}, 4);
	ck_assert_int_eq(check(&g, 0x800, ip, 28), GUARD_PASS);
	/* behind the first fragment the ports are anything */
	ip[7] = 1;
	ck_assert_int_eq(check(&g, 0x800, ip, 28), GUARD_ADDRESS);
	ip[7] = 0;
	ip[6] = 0x20;
	ck_assert_int_eq(check(&g, 0x800, ip, 28), GUARD_ADDRESS);
	ip[6] = 0x40; /* not to be fragmented */
	ck_assert_int_eq(check(&g, 0x800, ip, 28), GUARD_PASS);
	ck_assert_int_eq(check(&g, 0x800, ip, 19), GUARD_ADDRESS);
	ip[0] = 0x4f;
	ck_assert_int_eq(check(&g, 0x800, ip, 28), GUARD_ADDRESS);

	ck_assert_int_eq(check(&g, 0x806, arp, 28), GUARD_PASS);
	arp[17] = 9;
	ck_assert_int_eq(check(&g, 0x806, arp, 28), GUARD_ADDRESS);
	memset(arp + 14, 0, 4); /* a probe */
	ck_assert_int_eq(check(&g, 0x806, arp, 28), GUARD_ADDRESS);
	memcpy(arp + 24, (uint8_t[]){10, 0, 0, 2}, 4);
	ck_assert_int_eq(check(&g, 0x806, arp, 28), GUARD_PASS);
	arp[13] = 9;
	ck_assert_int_eq(check(&g, 0x806, arp, 28), GUARD_ADDRESS);
	/* other types could hide anything, a second tag for one */
	ck_assert_int_eq(check(&g, 0x8100, ip, 28), GUARD_ADDRESS);
	ck_assert_int_eq(check(&g, 0x88b5, ip, 28), GUARD_ADDRESS);
	/* no address: no guard */
	g.nr_addresses = 0;
	ck_assert_int_eq(check(&g, 0x88b5, ip, 28), GUARD_PASS);
}
END_TEST

/* An IPv6 packet to @out: @source, next header, @len bytes of payload. */
static uint32_t ipv6(uint8_t *out, const uint8_t source[16], uint8_t next,
		     const uint8_t *payload, uint32_t len)
{
	memset(out, 0, 40);
	out[0] = 0x60;
	out[5] = (uint8_t)len;
	out[6] = next;
	memcpy(out + 8, source, 16);
	memcpy(out + 40, payload, len);
	return 40 + len;
}

START_TEST(guard_ipv6)
{
	static const uint8_t own[16] = {0x20, 1, 0xd, 0xb8, [15] = 2};
	static const uint8_t ll[16] = {OWN_LL}, none[16],
			     other[16] = {0x20, 1, 0xd, 0xb8, [15] = 3};
	struct guard g = guarded("2001:db8::2");
	uint8_t udp[8] = {0}, packet[160];
	uint32_t len;

	len = ipv6(packet, own, 17, udp, 8);
	ck_assert_int_eq(check(&g, 0x86dd, packet, len), GUARD_PASS);
	len = ipv6(packet, ll, 17, udp, 8);
	ck_assert_int_eq(check(&g, 0x86dd, packet, len), GUARD_PASS);
	len = ipv6(packet, none, 17, udp, 8);
	ck_assert_int_eq(check(&g, 0x86dd, packet, len), GUARD_ADDRESS);
	len = ipv6(packet, other, 17, udp, 8);
	ck_assert_int_eq(check(&g, 0x86dd, packet, len), GUARD_ADDRESS);
	ck_assert_int_eq(check(&g, 0x86dd, packet, 39), GUARD_ADDRESS);
}
END_TEST

/* From ::, what one does who has no address yet, and nothing else. */
START_TEST(guard_unspecified)
{
	static const uint8_t none[16], own[16] = {0x20, 1, 0xd, 0xb8, [15] = 2};
	static const uint8_t types[] = {128, 130, 131, 132, 133, 143};
	struct guard g = guarded("2001:db8::2");
	uint8_t solicit[24] = {135}, hop[16] = {58}, packet[160];
	uint32_t len;

	memcpy(solicit + 8, own, 16);
	len = ipv6(packet, none, 58, solicit, 24);
	ck_assert_int_eq(check(&g, 0x86dd, packet, len), GUARD_PASS);
	solicit[23] = 3;
	len = ipv6(packet, none, 58, solicit, 24);
	ck_assert_int_eq(check(&g, 0x86dd, packet, len), GUARD_ADDRESS);
	for (unsigned int i = 0; i < sizeof(types); i++) {
		uint8_t icmp[8] = {types[i]};
		bool mld = types[i] > 130 && types[i] != 133;

		len = ipv6(packet, none, 58, icmp, 8);
		ck_assert_int_eq(check(&g, 0x86dd, packet, len),
				 types[i] == 133 ? GUARD_PASS : GUARD_ADDRESS);
		hop[8] = types[i];
		len = ipv6(packet, none, 0, hop, 16);
		ck_assert_int_eq(check(&g, 0x86dd, packet, len),
				 mld ? GUARD_PASS : GUARD_ADDRESS);
		ck_assert_int_eq(check(&g, 0x86dd, packet, 48), GUARD_ADDRESS);
	}
}
END_TEST

START_TEST(guard_neighbours)
{
	static const uint8_t own[16] = {0x20, 1, 0xd, 0xb8, [15] = 2},
			     other[16] = {0x20, 1, 0xd, 0xb8, [15] = 3};
	struct guard g = guarded("2001:db8::2");
	uint8_t advert[32] = {136}, hidden[48] = {58}, packet[160];
	uint32_t len;

	memcpy(advert + 8, own, 16);
	memcpy(advert + 24, (uint8_t[]){2, 1, 2, 0, 0, 0, 0, 2}, 8);
	len = ipv6(packet, own, 58, advert, 32);
	ck_assert_int_eq(check(&g, 0x86dd, packet, len), GUARD_PASS);
	/* padding of the frame is no option */
	ck_assert_int_eq(check(&g, 0x86dd, packet, len + 5), GUARD_PASS);
	/* behind a header that hides it */
	memcpy(hidden + 8, advert, 32);
	len = ipv6(packet, own, 60, hidden, 40);
	ck_assert_int_eq(check(&g, 0x86dd, packet, len), GUARD_ADDRESS);
	len = ipv6(packet, own, 44, hidden, 40);
	ck_assert_int_eq(check(&g, 0x86dd, packet, len), GUARD_ADDRESS);
	/* an echo there is fine, and so is a fragment behind the first */
	hidden[8] = 128;
	len = ipv6(packet, own, 44, hidden, 40);
	ck_assert_int_eq(check(&g, 0x86dd, packet, len), GUARD_PASS);
	hidden[8] = 136;
	hidden[3] = 8;
	len = ipv6(packet, own, 44, hidden, 40);
	ck_assert_int_eq(check(&g, 0x86dd, packet, len), GUARD_PASS);
	/* someone else's link address, or someone else's IP address */
	advert[31] = 3;
	len = ipv6(packet, own, 58, advert, 32);
	ck_assert_int_eq(check(&g, 0x86dd, packet, len), GUARD_ADDRESS);
	advert[31] = 2;
	memcpy(advert + 8, other, 16);
	len = ipv6(packet, own, 58, advert, 32);
	ck_assert_int_eq(check(&g, 0x86dd, packet, len), GUARD_ADDRESS);
	/* no router */
	advert[0] = 134;
	len = ipv6(packet, own, 58, advert, 32);
	ck_assert_int_eq(check(&g, 0x86dd, packet, len), GUARD_ADDRESS);
}
END_TEST

/* ---- segmentation ---- */

static uint8_t whole[70000], segment[70000], joined[70000];

/* _i: IPv6 or not. Every segment is a right packet, together they are all. */
START_TEST(segments)
{
	static const uint32_t sizes[] = {8, 100, 536, 1448, 9000, 65000};
	struct netframe f = {.v6 = _i, .blank = true, .payload = 30000};
	uint32_t len = netframe_build(whole, &f, 5);
	uint32_t l4 = netframe_l4_at(&f), hdr = netframe_hdr_len(&f);

	whole[l4 + 13] |= 0x80 | 0x08 | 0x01; /* CWR, PSH, FIN */
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct port_offload off = {.gso = f.v6 ? PORT_GSO_TCPV6
						       : PORT_GSO_TCPV4,
					   .gso_size = (uint16_t)sizes[i]};
		uint32_t at = 0, n = 0;
		struct segmenter s;

		ck_assert(segment_start(&s, whole, len, &off));
		while (segment_more(&s)) {
			struct port_offload o;
			uint32_t got = segment_next(&s, segment, &o);
			uint8_t flags = segment[l4 + 13];
			struct netframe one = f;

			one.payload = got - hdr;
			ck_assert_uint_le(one.payload, sizes[i]);
			ck_assert(o.csum_needed && !o.gso);
			netframe_complete(segment, got, o.csum_start,
					  o.csum_offset);
			ck_assert(netframe_csum_ok(segment, &one, got));
			ck_assert_uint_eq(segment[l4 + 6] << 8 |
						  segment[l4 + 7],
					  (at + 1) & 0xffff);
			ck_assert(!(flags & 0x80) == (n > 0));
			ck_assert(!(flags & 0x09) == segment_more(&s));
			if (!f.v6)
				ck_assert_uint_eq(csum_sum(segment + 14, 20, 0),
						  0xffff);
			ck_assert_uint_eq(segment[14 + (f.v6 ? 4 : 2)] << 8 |
						  segment[15 + (f.v6 ? 4 : 2)],
					  got - (f.v6 ? 54 : 14));
			memcpy(joined + at, segment + hdr, one.payload);
			at += one.payload;
			n++;
		}
		ck_assert_uint_eq(at, f.payload);
		ck_assert_uint_eq(n, (f.payload + sizes[i] - 1) / sizes[i]);
		ck_assert_mem_eq(joined, whole + hdr, at);
	}
}
END_TEST

START_TEST(segments_of_nothing)
{
	struct netframe f = {.udp = true, .blank = true, .payload = 3000};
	struct port_offload off = {.gso = PORT_GSO_TCPV4, .gso_size = 1000};
	uint32_t len = netframe_build(whole, &f, 5);
	struct segmenter s;

	ck_assert(!segment_start(&s, whole, len, &off));
	f.udp = false;
	len = netframe_build(whole, &f, 5);
	off.gso = PORT_GSO_TCPV6;
	ck_assert(!segment_start(&s, whole, len, &off));
	off.gso = PORT_GSO_TCPV4;
	ck_assert(!segment_start(&s, whole, netframe_hdr_len(&f), &off));
	off.gso_size = 0;
	ck_assert(!segment_start(&s, whole, len, &off));
}
END_TEST

Suite *bridge_suite(void)
{
	Suite *s = suite_create("bridge");
	TCase *tc = tcase_create("bridge");

	tcase_add_test(tc, fdb_learns_moves_and_ages);
	tcase_add_test(tc, fdb_fixed_entries_stay);
	tcase_add_test(tc, fdb_full_forgets_the_oldest);
	tcase_add_test(tc, vlan_syntax);
	tcase_add_test(tc, vlan_membership);
	tcase_add_test(tc, vlan_tags_come_and_go);
	tcase_add_test(tc, vlan_tags_behind_tags);
	tcase_add_test(tc, guard_syntax);
	tcase_add_test(tc, guard_mac);
	tcase_add_test(tc, guard_ipv4_and_arp);
	tcase_add_test(tc, guard_ipv6);
	tcase_add_test(tc, guard_unspecified);
	tcase_add_test(tc, guard_neighbours);
	tcase_add_loop_test(tc, segments, 0, 2);
	tcase_add_test(tc, segments_of_nothing);
	suite_add_tcase(s, tc);
	return s;
}
