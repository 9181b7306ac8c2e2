// SPDX-License-Identifier: MIT
#include "segment.h"

#include "../vif/headers.h"

#include <string.h>

#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
	       (uint32_t)at[2] << 8 | at[3];
}

bool segment_start(struct segmenter *s, const uint8_t *frame, uint32_t len,
		   const struct port_offload *off)
{
	struct headers h;

	headers_parse(frame, len, &h);
	if (h.proto != 6 || !off->gso_size ||
	    h.ip != (off->gso == PORT_GSO_TCPV4 ? 4 : 6))
		return false;
	*s = (struct segmenter){
		.frame = frame,
		.len = len,
		.at = (uint32_t)h.l4_at + h.l4_len,
		.ip_at = h.ip_at,
		.l4_at = h.l4_at,
		.hdr_len = (uint16_t)(h.l4_at + h.l4_len),
		.size = off->gso_size,
		.ip = h.ip,
		.id = (uint16_t)(frame[h.ip_at + 4] << 8 | frame[h.ip_at + 5]),
		.seq = get32(frame + h.l4_at + 4),
	};
	return segment_more(s);
}

static void fix_ip(const struct segmenter *s, uint8_t *out, uint32_t len)
{
	uint8_t *ip = out + s->ip_at;
	uint32_t size = (uint32_t)(ip[0] & 15) * 4;

	if (s->ip == 6) {
		put16(ip + 4, len - s->ip_at - 40);
		return;
	}
	put16(ip + 2, len - s->ip_at);
	put16(ip + 4, s->id);
	put16(ip + 10, 0);
	csum_complete(ip, size, 0, 10);
}

static void fix_tcp(const struct segmenter *s, uint8_t *tcp, bool first,
		    bool last)
{
	put16(tcp + 4, s->seq >> 16);
	put16(tcp + 6, s->seq & 0xffff);
	if (!last)
		tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (!first)
		tcp[13] &= (uint8_t)~TCP_CWR;
}

uint32_t segment_next(struct segmenter *s, uint8_t *out,
		      struct port_offload *off)
{
	uint32_t payload = s->len - s->at;
	bool first = s->at == s->hdr_len;
	struct headers h;
	uint32_t len;

	if (payload > s->size)
		payload = s->size;
	len = s->hdr_len + payload;
	memcpy(out, s->frame, s->hdr_len);
	memcpy(out + s->hdr_len, s->frame + s->at, payload);
	fix_ip(s, out, len);
	fix_tcp(s, out + s->l4_at, first, s->at + payload == s->len);
	headers_parse(out, len, &h);
	headers_put_pseudo_sum(out, len, &h);
	memset(off, 0, sizeof(*off));
	off->csum_needed = true;
	off->csum_start = s->l4_at;
	off->csum_offset = headers_csum_offset(&h);
	s->at += payload;
	s->seq += payload;
	s->id++;
	return len;
}
