// SPDX-License-Identifier: MIT
#include "offload.h"

#include "headers.h"

#include <string.h>

/*
 * The least payload of a segment, as the kernel's TCP has it. With less, one
 * frame of 64 KiB would make tens of thousands of segments.
 */
#define MIN_GSO_SIZE 8u

static bool gso_from_guest(struct vif_queue *q, const struct tx_packet *pkt,
			   struct port_frame *frame, const struct headers *h)
{
	uint8_t ip = pkt->gso_type == XPV_GSO_TCPV4 ? 4 : 6;
	uint32_t hdr_len = (uint32_t)h->l4_at + h->l4_len;

	if (h->ip != ip || h->proto != HEADERS_TCP ||
	    pkt->gso_size < MIN_GSO_SIZE)
		return false;
	if (!pkt->csum_blank) {
		/* Some fronts forget the flag; each segment needs its sum. */
		headers_put_pseudo_sum(frame->data, frame->len, h);
		q->counter[VIF_TX_CSUM_FIXED]++;
	}
	/* It fits into one segment: an ordinary packet. */
	if (frame->len - hdr_len <= pkt->gso_size)
		return true;
	frame->off.gso = ip == 4 ? PORT_GSO_TCPV4 : PORT_GSO_TCPV6;
	frame->off.gso_ecn = headers_tcp_cwr(frame->data, h);
	frame->off.gso_size = pkt->gso_size;
	frame->off.hdr_len = (uint16_t)hdr_len;
	q->counter[VIF_TX_GSO]++;
	return true;
}

bool offload_from_guest(struct vif_queue *q, const struct tx_packet *pkt,
			struct port_frame *frame, enum vif_counter *drop)
{
	struct headers h;

	if (!pkt->csum_blank && pkt->gso_type == XPV_GSO_NONE)
		return true;
	headers_parse(frame->data, frame->len, &h);
	*drop = VIF_TX_DROP_CSUM;
	if (pkt->gso_type == XPV_GSO_NONE && !h.proto)
		return false;
	*drop = VIF_TX_DROP_GSO;
	if (pkt->gso_type != XPV_GSO_NONE && !gso_from_guest(q, pkt, frame, &h))
		return false;
	frame->off.csum_needed = true;
	frame->off.csum_start = h.l4_at;
	frame->off.csum_offset = headers_csum_offset(&h);
	return true;
}

/*
 * The guest finds the checksum by parsing the headers itself, and knows of no
 * VLAN tag and of no tunnel. What it would not find is finished here.
 */
static bool guest_finds_csum(const struct vif_guest *guest,
			     const struct port_offload *off,
			     const struct headers *h)
{
	if (!h->proto || h->vlan || off->csum_start != h->l4_at ||
	    off->csum_offset != headers_csum_offset(h))
		return false;
	return h->ip == 4 ? guest->csum_ipv4 : guest->csum_ipv6;
}

/* Without sg a frame has one slot, which GSO would not fit. */
static uint8_t guest_gso_type(const struct vif_guest *guest,
			      const struct port_offload *off,
			      const struct headers *h)
{
	if (!guest->sg || h->proto != HEADERS_TCP)
		return XPV_GSO_NONE;
	if (off->gso == PORT_GSO_TCPV4 && h->ip == 4 && guest->gso_tcpv4)
		return XPV_GSO_TCPV4;
	if (off->gso == PORT_GSO_TCPV6 && h->ip == 6 && guest->gso_tcpv6)
		return XPV_GSO_TCPV6;
	return XPV_GSO_NONE;
}

bool offload_plan(struct vif_queue *q, const struct port_frame *frame,
		  struct rx_plan *plan)
{
	const struct port_offload *off = &frame->off;
	struct headers h;

	if (off->csum_valid)
		plan->flags = XPV_RX_DATA_VALIDATED;
	if (!off->csum_needed)
		return false;
	plan->flags = XPV_RX_DATA_VALIDATED;
	headers_parse(frame->data, frame->len, &h);
	if (guest_finds_csum(&q->vif->guest, off, &h)) {
		plan->flags |= XPV_RX_CSUM_BLANK;
		plan->gso_type = guest_gso_type(&q->vif->guest, off, &h);
		plan->gso_size = off->gso_size;
	}
	if (off->gso != PORT_GSO_NONE && plan->gso_type == XPV_GSO_NONE) {
		plan->cut = true;
		plan->flags = XPV_RX_DATA_VALIDATED;
	}
	return !(plan->flags & XPV_RX_CSUM_BLANK);
}

void offload_to_guest(struct vif_queue *q, struct port_frame *frame,
		      struct rx_plan *plan)
{
	if (!offload_plan(q, frame, plan) || plan->cut)
		return;
	csum_complete(frame->data, frame->len, frame->off.csum_start,
		      frame->off.csum_offset);
	q->counter[VIF_RX_CSUM_DONE]++;
}
