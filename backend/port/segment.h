/* SPDX-License-Identifier: MIT */
/*
 * TCP segmentation in software, for a guest that takes no large frames. The
 * segments come one by one, so that one large frame does not need the memory
 * of all its segments.
 */
#ifndef XPV_PORT_SEGMENT_H
#define XPV_PORT_SEGMENT_H

#include "port.h"

struct segmenter {
	const uint8_t *frame; /* stays the caller's, who may move it */
	uint32_t len;
	uint32_t at; /* the next payload byte; len: no more segments */
	uint16_t ip_at, l4_at, hdr_len, size;
	uint8_t ip; /* 4 or 6 */
	uint16_t id; /* of the IPv4 packet */
	uint32_t seq;
};

/*
 * Begin with a frame that has a GSO type. False: its headers are not those of
 * such a frame.
 */
bool segment_start(struct segmenter *s, const uint8_t *frame, uint32_t len,
		   const struct port_offload *off);
static inline bool segment_more(const struct segmenter *s)
{
	return s->at < s->len;
}
/* Bytes of the next segment; 0: there is none. */
static inline uint32_t segment_len(const struct segmenter *s)
{
	uint32_t left = s->len - s->at;

	return left ? s->hdr_len + (left < s->size ? left : s->size) : 0;
}
/*
 * The next segment, to @out; returns its length. Its checksum is still to be
 * completed, and *off says so.
 */
uint32_t segment_next(struct segmenter *s, uint8_t *out,
		      struct port_offload *off);

#endif
