// SPDX-License-Identifier: MIT
#include "netframe.h"

#include <stdlib.h>
#include <string.h>

#define TCP 6
#define UDP 17

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

static uint32_t sum16(const uint8_t *at, uint32_t len, uint32_t sum)
{
	for (uint32_t i = 0; i < len; i++) {
		sum += i & 1 ? at[i] : (uint32_t)at[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static uint8_t proto(const struct netframe *f)
{
	return f->udp ? UDP : TCP;
}

uint32_t netframe_ip_at(const struct netframe *f)
{
	return 14 + 4u * f->vlan;
}

uint32_t netframe_l4_at(const struct netframe *f)
{
	return netframe_ip_at(f) + (f->v6 ? 40 : 20);
}

uint32_t netframe_hdr_len(const struct netframe *f)
{
	return netframe_l4_at(f) + (f->udp ? 8 : 20);
}

uint32_t netframe_csum_offset(const struct netframe *f)
{
	return f->udp ? 6 : 16;
}

/* The sum of the pseudo header for a frame of @len bytes. */
static uint32_t pseudo(const uint8_t *buf, const struct netframe *f,
		       uint32_t len)
{
	const uint8_t *ip = buf + netframe_ip_at(f);
	uint32_t l4_len = len - netframe_l4_at(f);
	uint32_t sum = sum16(ip + (f->v6 ? 8 : 12), f->v6 ? 32 : 8, 0);
	uint8_t tail[8] = {0};

	put32(tail, l4_len);
	tail[7] = proto(f);
	return sum16(tail, sizeof(tail), sum);
}

static void fill(uint8_t *at, uint32_t len, uint32_t seed)
{
	uint32_t x = seed * 2654435761u + 1;

	for (uint32_t i = 0; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		at[i] = (uint8_t)(x >> 24);
	}
}

static void build_eth(uint8_t *buf, const struct netframe *f)
{
	static const uint8_t macs[12] = {0x02, 0, 0, 0, 0, 1,
					 0x02, 0, 0, 0, 0, 2};

	memcpy(buf, macs, sizeof(macs));
	for (unsigned int i = 0; i < f->vlan; i++) {
		put16(buf + 12 + 4 * i, i + 1 < f->vlan ? 0x88a8 : 0x8100);
		put16(buf + 14 + 4 * i, 7 + i);
	}
	put16(buf + netframe_ip_at(f) - 2, f->v6 ? 0x86dd : 0x0800);
}

static void build_ip(uint8_t *buf, const struct netframe *f, uint32_t len)
{
	uint8_t *ip = buf + netframe_ip_at(f);
	uint32_t l4_len = len - netframe_l4_at(f);

	if (f->v6) {
		ip[0] = 0x60;
		put16(ip + 4, l4_len);
		ip[6] = proto(f);
		ip[7] = 64;
		fill(ip + 8, 32, 6);
		return;
	}
	ip[0] = 0x45;
	put16(ip + 2, l4_len + 20);
	ip[8] = 64;
	ip[9] = proto(f);
	put32(ip + 12, 0x0a000001);
	put32(ip + 16, 0x0a000002);
	put16(ip + 10, ~sum16(ip, 20, 0));
}

uint32_t netframe_build(uint8_t *buf, const struct netframe *f, uint32_t seed)
{
	uint32_t hdr = netframe_hdr_len(f), len = hdr + f->payload;
	uint8_t *l4 = buf + netframe_l4_at(f);

	memset(buf, 0, hdr);
	build_eth(buf, f);
	build_ip(buf, f, len);
	put16(l4, 1000);
	put16(l4 + 2, 2000);
	if (f->udp) {
		put16(l4 + 4, 8 + f->payload);
	} else {
		put32(l4 + 4, 1); /* sequence */
		l4[12] = 5 << 4;
		l4[13] = 0x10; /* ACK */
		put16(l4 + 14, 1024);
	}
	fill(buf + hdr, f->payload, seed);
	put16(l4 + netframe_csum_offset(f), pseudo(buf, f, len));
	if (!f->blank)
		netframe_complete(buf, len, netframe_l4_at(f),
				  netframe_csum_offset(f));
	return len;
}

bool netframe_csum_ok(const uint8_t *buf, const struct netframe *f,
		      uint32_t len)
{
	uint32_t at = netframe_l4_at(f);

	return sum16(buf + at, len - at, pseudo(buf, f, len)) == 0xffff;
}

bool netframe_ip_ok(const uint8_t *buf, const struct netframe *f, uint32_t len)
{
	const uint8_t *ip = buf + netframe_ip_at(f);
	uint32_t want = len - netframe_ip_at(f);

	if (f->v6)
		return (uint32_t)(ip[4] << 8 | ip[5]) == want - 40;
	return (uint32_t)(ip[2] << 8 | ip[3]) == want &&
	       sum16(ip, 20, 0) == 0xffff;
}

void netframe_complete(uint8_t *buf, uint32_t len, uint32_t start,
		       uint32_t offset)
{
	put16(buf + start + offset, ~sum16(buf + start, len - start, 0));
}

void netframe_plain(uint8_t *buf, uint32_t len, uint32_t seed)
{
	static const uint8_t head[14] = {0x02, 0, 0, 0, 0, 1,	 0x02,
					 0,    0, 0, 0, 2, 0x88, 0xb5};

	memcpy(buf, head, len < sizeof(head) ? len : sizeof(head));
	if (len > sizeof(head))
		fill(buf + sizeof(head), len - sizeof(head), seed);
}

/* At least one a page of what is left. */
unsigned int netframe_cut(uint32_t len, struct usernet_piece *piece)
{
	unsigned int least = (len + 4095) / 4096, n;

	n = least + (unsigned int)random() % (XPV_NETIF_MAX_SLOTS - least + 1);
	for (unsigned int i = 0; i < n; i++) {
		uint32_t rest = n - i - 1;
		uint32_t min = len > rest * 4096 ? len - rest * 4096 : 0;
		uint32_t max = len < 4096 ? len : 4096;
		uint32_t size = min + (uint32_t)random() % (max - min + 1);

		if (!rest)
			size = len;
		piece[i].size = (uint16_t)size;
		piece[i].offset =
			(uint16_t)((uint32_t)random() % (4097 - size));
		len -= size;
	}
	return n;
}
