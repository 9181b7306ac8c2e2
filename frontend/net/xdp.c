// SPDX-License-Identifier: GPL-2.0-only
/*
 * XDP on received pages, and frames that XDP sends.
 *
 * A program wants its packet in one piece with room before and behind it. A
 * backend with feature-xdp-headroom leaves the room; where it does not, or
 * spread the packet over slots, it is copied together in a fresh page. What
 * no page can hold, a GSO packet for one, goes through the program as an skb.
 * So a program sees every packet, whatever the backend, the MTU and the
 * offloads are.
 */
#include <linux/bpf_trace.h>
#include <linux/filter.h>
#include <net/xdp.h>

#include "netfront.h"

/* Of a page: XDP wants the tail for a struct skb_shared_info. */
#define XDP_END \
	(PAGE_SIZE - SKB_DATA_ALIGN(sizeof(struct skb_shared_info)))

/* ---- sending frames; under the xmit lock ---- */

/* Is it in one page, and may the backend see what else is there? */
static bool sent_in_place(const struct xpv_net_device *dev,
			  const struct xdp_frame *frame)
{
	return dev->trusted && !xdp_frame_has_frags((struct xdp_frame *)frame) &&
	       offset_in_page(frame->data) + frame->len <= PAGE_SIZE;
}

static bool has_room(struct xpv_net_queue *q, unsigned int slots)
{
	if (xpv_front_room(&q->tx.front) >= slots)
		return true;
	xpv_net_count(&q->tx.stats, XPV_NET_TX_XDP_FULL, 1);
	return false;
}

static bool send_in_place(struct xpv_net_queue *q, struct xdp_frame *frame,
			  u16 flags)
{
	const struct xpv_net_tx_slot what = {
		.owner = XPV_NET_FRAME,
		.frame = frame,
		.page = virt_to_page(frame->data),
	};
	struct xpv_netif_tx_request req = {
		.offset = offset_in_page(frame->data),
		.size = frame->len,
		.flags = flags,
	};

	if (!has_room(q, 1))
		return false;
	xpv_net_tx_put(q, &what, &req);
	xpv_net_tx_stop_if_full(q);
	return true;
}

/* As an skb, the frame is split or copied as the backend needs it. */
static bool send_as_skb(struct xpv_net_queue *q, struct xdp_frame *frame,
			u16 flags)
{
	struct sk_buff *skb;

	if (!has_room(q, XPV_NET_TX_ROOM))
		return false;
	skb = xdp_build_skb_from_frame(frame, q->dev->netdev);
	if (!skb)
		return false;
	skb_push(skb, ETH_HLEN);
	if (flags & XPV_TX_CSUM_BLANK)
		skb->ip_summed = CHECKSUM_PARTIAL;
	xpv_net_send(q, skb, true);
	return true;
}

/* True: the frame is the ring's. The caller pushes. */
static bool send_frame(struct xpv_net_queue *q, struct xdp_frame *frame,
		       u16 flags)
{
	if (!q->tx.live || xpv_net_is_broken(q->dev) || frame->len < ETH_HLEN)
		return false;
	if (sent_in_place(q->dev, frame))
		return send_in_place(q, frame, flags);
	return send_as_skb(q, frame, flags);
}

/* Frames of other devices. Returns how many of them were taken. */
int xpv_net_xdp_xmit(struct net_device *netdev, int n, struct xdp_frame **frame,
		     u32 flags)
{
	struct xpv_net_device *dev = netdev_priv(netdev);
	unsigned int cpu = smp_processor_id(), nr = READ_ONCE(dev->nr_queues);
	struct xpv_net_queue *q;
	int sent = 0;

	if (flags & ~XDP_XMIT_FLAGS_MASK)
		return -EINVAL;
	if (!nr)
		return -ENETDOWN;
	q = &dev->queue[cpu % nr];
	__netif_tx_lock(xpv_net_txq(q), cpu);
	while (sent < n && send_frame(q, frame[sent], 0))
		sent++;
	if (flags & XDP_XMIT_FLUSH && q->tx.live)
		xpv_net_tx_push(q);
	__netif_tx_unlock(xpv_net_txq(q));
	return sent;
}

/* ---- running the program; in NAPI ---- */

/*
 * Send a packet back. A checksum that the backend left blank is so still. False:
 * its page is still ours.
 */
static bool send_back(struct xpv_net_queue *q, struct xdp_buff *xdp, bool blank)
{
	u16 flags = blank ? XPV_TX_CSUM_BLANK | XPV_TX_DATA_VALIDATED : 0;
	struct xdp_frame *frame = xdp_convert_buff_to_frame(xdp);
	bool sent;

	if (!frame)
		return false;
	__netif_tx_lock(xpv_net_txq(q), smp_processor_id());
	sent = send_frame(q, frame, flags);
	__netif_tx_unlock(xpv_net_txq(q));
	q->rx.sent_back |= sent;
	return sent;
}

static bool redirect(struct xpv_net_queue *q, struct xdp_buff *xdp,
		     struct bpf_prog *prog)
{
	if (xdp_do_redirect(q->dev->netdev, xdp, prog))
		return false;
	q->rx.redirected = true;
	return true;
}

static bool fits_xdp(const struct xpv_net_rx_packet *pkt)
{
	const struct xpv_net_rx_frag *frag = &pkt->frag[0];

	return pkt->nr_frags == 1 && frag->offset >= XDP_PACKET_HEADROOM &&
	       frag->offset + frag->len <= XDP_END;
}

/* The packet in one page with all the room it needs, and no page but that. */
static bool copy_packet(struct xpv_net_queue *q, struct xpv_net_rx_packet *pkt)
{
	struct page *page = xpv_net_rx_page(q);
	unsigned int i, at = XDP_PACKET_HEADROOM;

	if (!page)
		return false;
	for (i = 0; i < pkt->nr_frags; i++) {
		const struct xpv_net_rx_frag *frag = &pkt->frag[i];

		memcpy(page_address(page) + at,
		       page_address(frag->page) + frag->offset, frag->len);
		at += frag->len;
	}
	xpv_net_rx_drop_pages(q, pkt);
	pkt->nr_frags = 1;
	pkt->frag[0] = (struct xpv_net_rx_frag){
		.page = page,
		.offset = XDP_PACKET_HEADROOM,
		.len = pkt->len,
	};
	xpv_net_count(&q->rx.stats, XPV_NET_RX_XDP_COPIED, 1);
	return true;
}

/* What became of a packet that did not pass: the counter of that. */
static unsigned int dispose(struct xpv_net_queue *q, struct bpf_prog *prog,
			    struct xpv_net_rx_packet *pkt, struct xdp_buff *xdp,
			    u32 act)
{
	struct net_device *netdev = q->dev->netdev;

	switch (act) {
	case XDP_DROP:
		xpv_net_rx_drop_pages(q, pkt);
		return XPV_NET_RX_XDP_DROP;
	case XDP_TX:
		if (!send_back(q, xdp, pkt->flags & XPV_RX_CSUM_BLANK))
			break;
		pkt->nr_frags = 0;
		return XPV_NET_RX_XDP_TX;
	case XDP_REDIRECT:
		if (!redirect(q, xdp, prog))
			break;
		pkt->nr_frags = 0;
		return XPV_NET_RX_XDP_REDIRECT;
	case XDP_ABORTED:
		break;
	default:
		bpf_warn_invalid_xdp_action(netdev, prog, act);
	}
	trace_xdp_exception(netdev, prog, act);
	xpv_net_rx_drop_pages(q, pkt);
	return XPV_NET_RX_XDP_ERRORS;
}

enum xpv_net_xdp xpv_net_xdp_run(struct xpv_net_queue *q,
				 struct bpf_prog *prog,
				 struct xpv_net_rx_packet *pkt)
{
	struct xpv_net_stats *stats = &q->rx.stats;
	struct xpv_net_rx_frag *frag = &pkt->frag[0];
	struct xdp_buff xdp;
	u32 act;

	if (pkt->len > XDP_END - XDP_PACKET_HEADROOM) {
		xpv_net_count(stats, XPV_NET_RX_XDP_GENERIC, 1);
		return XPV_NET_XDP_GENERIC;
	}
	if (!fits_xdp(pkt) && !copy_packet(q, pkt)) {
		xpv_net_rx_drop_pages(q, pkt);
		xpv_net_count(stats, XPV_NET_RX_DROP_MEMORY, 1);
		return XPV_NET_XDP_TAKEN;
	}
	xdp_init_buff(&xdp, PAGE_SIZE, &q->rx.xdp);
	xdp_prepare_buff(&xdp, page_address(frag->page), frag->offset,
			 frag->len, false);
	act = bpf_prog_run_xdp(prog, &xdp);
	if (act != XDP_PASS) {
		xpv_net_count(stats, dispose(q, prog, pkt, &xdp, act), 1);
		return XPV_NET_XDP_TAKEN;
	}
	/* The program may have moved both ends. */
	frag->offset = xdp.data - xdp.data_hard_start;
	frag->len = xdp.data_end - xdp.data;
	pkt->len = frag->len;
	xpv_net_count(stats, XPV_NET_RX_XDP_PASS, 1);
	return XPV_NET_XDP_PASS;
}

/* At the end of a poll. */
void xpv_net_xdp_flush(struct xpv_net_queue *q)
{
	if (q->rx.redirected)
		xdp_do_flush();
	if (q->rx.sent_back) {
		__netif_tx_lock(xpv_net_txq(q), smp_processor_id());
		xpv_net_tx_push(q);
		__netif_tx_unlock(xpv_net_txq(q));
	}
	q->rx.redirected = false;
	q->rx.sent_back = false;
}

/* ---- attaching; under RTNL ---- */

int xpv_net_bpf(struct net_device *netdev, struct netdev_bpf *bpf)
{
	struct xpv_net_device *dev = netdev_priv(netdev);
	struct bpf_prog *old = rtnl_dereference(dev->xdp_prog);

	if (bpf->command != XDP_SETUP_PROG)
		return -EINVAL;
	rcu_assign_pointer(dev->xdp_prog, bpf->prog);
	if (old)
		bpf_prog_put(old); /* freed when no poll runs it any more */
	if (!old != !bpf->prog)
		xpv_net_ask_headroom(dev);
	return 0;
}
