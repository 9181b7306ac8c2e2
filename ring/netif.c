// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include "netif.h"

/* More extras than there are types say nothing new: an attack. */
#define MAX_EXTRAS XPV_EXTRA_TYPES

const char *xpv_net_verdict_str(enum xpv_net_verdict verdict)
{
	static const char *const text[XPV_NET_VERDICTS] = {
		[XPV_NET_OK] = "ok",
		[XPV_NET_INCOMPLETE] = "packet is not complete yet",
		[XPV_NET_DROP_SLOTS] = "packet of more than 18 slots",
		[XPV_NET_DROP_SHORT] = "packet shorter than 14 bytes",
		[XPV_NET_DROP_LONG] = "fragments exceed the packet's size",
		[XPV_NET_FATAL_SLOTS] = "packet of more than 20 slots",
		[XPV_NET_FATAL_CROSS_PAGE] = "fragment crosses its page",
		[XPV_NET_FATAL_EXTRA] = "bad extra info",
		[XPV_NET_FATAL_GSO] = "bad GSO size or type",
	};

	return (unsigned int)verdict < XPV_NET_VERDICTS ? text[verdict]
							: "unknown verdict";
}

static enum xpv_net_verdict take_gso(const struct xpv_netif_extra *extra,
				     struct xpv_net_packet *pkt)
{
	if (!extra->gso.size || (extra->gso.type != XPV_GSO_TCPV4 &&
				 extra->gso.type != XPV_GSO_TCPV6))
		return XPV_NET_FATAL_GSO;
	pkt->gso_type = extra->gso.type;
	pkt->gso_size = extra->gso.size;
	return XPV_NET_OK;
}

static enum xpv_net_verdict take_extra(const struct xpv_netif_extra *extra,
				       struct xpv_net_packet *pkt)
{
	switch (extra->type) {
	case XPV_EXTRA_GSO:
		return take_gso(extra, pkt);
	case XPV_EXTRA_MCAST_ADD:
	case XPV_EXTRA_MCAST_DEL:
		pkt->mcast_op = extra->type;
		memcpy(pkt->mcast_addr, extra->mcast.addr,
		       sizeof(pkt->mcast_addr));
		return XPV_NET_OK;
	case XPV_EXTRA_HASH:
		pkt->has_hash = true;
		pkt->hash_type = extra->hash.type;
		memcpy(pkt->hash_value, extra->hash.value,
		       sizeof(pkt->hash_value));
		return XPV_NET_OK;
	case XPV_EXTRA_XDP:
		pkt->xdp_headroom = extra->xdp.headroom;
		return XPV_NET_OK;
	default:
		return XPV_NET_FATAL_EXTRA;
	}
}

/* The extras from slots[1] on; *at moves behind them. */
static enum xpv_net_verdict take_extras(
	const struct xpv_netif_tx_request *slots, unsigned int nr,
	struct xpv_net_packet *pkt, unsigned int *at)
{
	struct xpv_netif_extra extra;
	enum xpv_net_verdict verdict;

	do {
		if (pkt->nr_extras == MAX_EXTRAS)
			return XPV_NET_FATAL_EXTRA;
		if (*at == nr)
			return XPV_NET_INCOMPLETE;
		memcpy(&extra, &slots[(*at)++], sizeof(extra));
		verdict = take_extra(&extra, pkt);
		if (verdict)
			return verdict;
		pkt->nr_extras++;
	} while (extra.flags & XPV_EXTRA_MORE);
	return XPV_NET_OK;
}

/*
 * Fragments behind the first: each states its own size, the first one what
 * remains of the total. Slots past XPV_NETIF_MAX_SLOTS are counted and not
 * kept: the packet is dropped whole.
 */
static enum xpv_net_verdict take_frags(const struct xpv_netif_tx_request *slots,
				       unsigned int nr,
				       struct xpv_net_packet *pkt,
				       unsigned int *at)
{
	const struct xpv_netif_tx_request *slot = &slots[0];
	uint32_t first = slots[0].size;
	unsigned int count = 1;
	bool too_long = false;

	while (slot->flags & XPV_TX_MORE) {
		if (count == XPV_NETIF_FATAL_SLOTS)
			return XPV_NET_FATAL_SLOTS;
		if (*at == nr)
			return XPV_NET_INCOMPLETE;
		slot = &slots[(*at)++];
		if ((uint32_t)slot->offset + slot->size > XPV_PAGE_SIZE)
			return XPV_NET_FATAL_CROSS_PAGE;
		if (slot->size > first)
			too_long = true;
		else
			first -= slot->size;
		if (count < XPV_NETIF_MAX_SLOTS)
			pkt->frag[count] = (struct xpv_net_frag){
				.gref = slot->gref,
				.offset = slot->offset,
				.size = slot->size,
				.id = slot->id,
			};
		count++;
	}
	/*
	 * A frame of 64 KiB and more wraps its 16-bit size; some fronts send
	 * such frames, so they are dropped and not punished.
	 */
	if (too_long)
		return XPV_NET_DROP_LONG;
	if (count > XPV_NETIF_MAX_SLOTS)
		return XPV_NET_DROP_SLOTS;
	if ((uint32_t)slots[0].offset + first > XPV_PAGE_SIZE)
		return XPV_NET_FATAL_CROSS_PAGE;
	pkt->frag[0] = (struct xpv_net_frag){
		.gref = slots[0].gref,
		.offset = slots[0].offset,
		.size = (uint16_t)first,
		.id = slots[0].id,
	};
	pkt->nr_frags = (uint8_t)count;
	return XPV_NET_OK;
}

enum xpv_net_verdict xpv_netif_assemble(
	const struct xpv_netif_tx_request *slots, unsigned int nr,
	struct xpv_net_packet *pkt, unsigned int *used)
{
	enum xpv_net_verdict verdict;
	unsigned int at = 1;

	*used = 0;
	if (!nr)
		return XPV_NET_INCOMPLETE;
	memset(pkt, 0, offsetof(struct xpv_net_packet, frag));
	pkt->size = slots[0].size;
	pkt->csum_blank = slots[0].flags & XPV_TX_CSUM_BLANK;
	pkt->data_validated = slots[0].flags & XPV_TX_DATA_VALIDATED;

	if (slots[0].flags & XPV_TX_EXTRA) {
		verdict = take_extras(slots, nr, pkt, &at);
		if (verdict)
			return verdict;
	}
	verdict = take_frags(slots, nr, pkt, &at);
	if (verdict == XPV_NET_INCOMPLETE || verdict >= XPV_NET_FATAL)
		return verdict;
	*used = at;
	/* A multicast request carries no packet. */
	if (!verdict && pkt->size < XPV_NETIF_MIN_PACKET && !pkt->mcast_op)
		verdict = XPV_NET_DROP_SHORT;
	return verdict;
}
