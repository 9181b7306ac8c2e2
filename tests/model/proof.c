// SPDX-License-Identifier: MIT
/*
 * What prove.sh has CBMC prove for every input, bit by bit: the ring engine
 * and the validators touch nothing but their own memory, overflow nothing, and
 * what they let through is in range. Each prove_*() is a proof of its own. The
 * peer's bytes are any bytes, and each look at an index sees any value.
 */
#define __KERNEL__ 1 /* barrier.h through kernel/, where loads see anything */

#include <stdint.h>

uint64_t nondet_u64(void);
void __CPROVER_assume(_Bool);
void __CPROVER_assert(_Bool, const char *);
void __CPROVER_havoc_object(void *);

#include "../../ring/blkif.c"
#include "../../ring/netif.c"
#include "../../ring/ring.h"
#include "../../ring/xenbus.c"

#define claim(what) __CPROVER_assert(what, #what)

static uint32_t any_u32(void)
{
	return (uint32_t)nondet_u64();
}

static bool either(void)
{
	return nondet_u64() & 1;
}

/* ---- block ---- */

static struct xpv_blk_limits any_limits(void)
{
	struct xpv_blk_limits l = {
		.sectors = nondet_u64(),
		.align = either() ? 1 : 8,
		.max_indirect = any_u32(),
		.read_only = either(),
		.discard = either(),
		.discard_secure = either(),
	};

	__CPROVER_assume(l.max_indirect <= XPV_BLKIF_MAX_SEGS);
	return l;
}

/* Let through: within the device, aligned, and no write to what is read-only. */
static void claim_range(const struct xpv_blk_limits *l,
			const struct xpv_blk_request *req)
{
	claim(req->nr_sectors <= l->sectors);
	claim(req->sector <= l->sectors - req->nr_sectors);
	claim(req->sector % l->align == 0);
	claim(req->nr_sectors % l->align == 0);
}

static void claim_segs(const struct xpv_blk_seg *segs, unsigned int n)
{
	unsigned int i = any_u32();

	__CPROVER_assume(i < n);
	claim(segs[i].last <= 7);
	claim(segs[i].first <= segs[i].last);
}

static void claim_decoded(const struct xpv_blk_limits *l,
			  const struct xpv_blk_request *req)
{
	claim(req->op != XPV_BLKIF_INDIRECT);
	claim(!l->read_only || req->op == XPV_BLKIF_READ || !req->nr_segs);
	if (req->indirect) {
		claim(req->nr_segs > 0 && req->nr_segs <= l->max_indirect);
		claim(req->op == XPV_BLKIF_READ || req->op == XPV_BLKIF_WRITE);
		return;
	}
	claim(req->nr_segs <= XPV_BLKIF_DIRECT_SEGS);
	claim(req->nr_segs || req->op == XPV_BLKIF_FLUSH ||
	      req->op == XPV_BLKIF_WRITE_BARRIER ||
	      req->op == XPV_BLKIF_DISCARD);
	if (req->op == XPV_BLKIF_DISCARD)
		claim(l->discard && (!req->secure || l->discard_secure));
	claim_segs(req->seg, req->nr_segs);
}

void prove_blkif(void)
{
	const struct xpv_blkif_abi *abi =
		either() ? &xpv_blkif_x86_64 : &xpv_blkif_x86_32;
	struct xpv_blk_limits limits = any_limits();
	struct xpv_blk_request req;
	uint8_t slot[XPV_BLKIF_MAX_SLOT]; /* any bytes */
	enum xpv_blk_verdict verdict;

	verdict = xpv_blkif_decode(abi, &limits, slot, &req);
	claim((unsigned int)verdict < XPV_BLK_VERDICTS);
	claim(xpv_blk_verdict_str(verdict));
	claim((xpv_blk_verdict_status(verdict) == XPV_BLKIF_OKAY) == !verdict);
	if (verdict)
		return;
	claim_decoded(&limits, &req);
	if (!req.indirect)
		claim_range(&limits, &req);
}

/* One pass of the loop is like the next: a few prove it for 256. */
#define SEGS 16

void prove_blkif_indirect(void)
{
	struct xpv_blk_seg segs[SEGS];
	uint8_t wire[SEGS * XPV_BLKIF_SEG_SIZE]; /* any bytes */
	struct xpv_blk_limits limits = any_limits();
	struct xpv_blk_request req;

	__CPROVER_assume(req.nr_segs > 0 && req.nr_segs <= SEGS);
	if (xpv_blkif_decode_indirect(&limits, wire, &req, segs))
		return;
	claim(req.nr_sectors <= SEGS * 8);
	claim_range(&limits, &req);
	claim_segs(segs, req.nr_segs);
}

/* ---- net ---- */

#define SLOTS 27 /* first, 6 extras, 20 fragments: one more is refused */

void prove_netif(void)
{
	struct xpv_netif_tx_request slots[SLOTS]; /* any bytes */
	struct xpv_net_packet pkt;
	unsigned int nr = any_u32(), used, i = any_u32();
	enum xpv_net_verdict verdict;

	__CPROVER_assume(nr <= SLOTS);
	verdict = xpv_netif_assemble(slots, nr, &pkt, &used);
	claim((unsigned int)verdict < XPV_NET_VERDICTS);
	claim(xpv_net_verdict_str(verdict));
	claim(used <= nr);
	if (verdict)
		return;
	claim(pkt.nr_frags > 0 && pkt.nr_frags <= XPV_NETIF_MAX_SLOTS);
	claim(used == (unsigned int)pkt.nr_frags + pkt.nr_extras);
	claim(pkt.size >= XPV_NETIF_MIN_PACKET || pkt.mcast_op);
	claim(pkt.size <= XPV_NETIF_MAX_PACKET);
	claim(pkt.gso_type <= XPV_GSO_TCPV6 && !pkt.gso_type == !pkt.gso_size);
	__CPROVER_assume(i < pkt.nr_frags);
	claim(pkt.frag[i].offset + pkt.frag[i].size <= XPV_PAGE_SIZE);
}

/* ---- rings ---- */

#define SLOT 16

static uint8_t page[XPV_PAGE_SIZE];

/* At any point of its life, at any index. */
void prove_ring_back(void)
{
	struct xpv_back b;
	uint8_t copy[SLOT];
	int n;

	if (xpv_back_attach(&b, page, sizeof(page), SLOT))
		return;
	b.req_cons = any_u32();
	b.rsp_prod = any_u32();
	b.rsp_pushed = any_u32();
	__CPROVER_assume(b.req_cons - b.rsp_prod <= b.ring.entries);
	n = xpv_back_pending(&b);
	if (n == XPV_RING_BROKEN)
		return;
	claim(n >= 0 && (uint32_t)n <= b.ring.entries);
	claim(xpv_back_unanswered(&b) + (uint32_t)n <= b.ring.entries);
	if (n)
		xpv_back_take(&b, copy, sizeof(copy));
	claim(xpv_back_unanswered(&b) <= b.ring.entries);
	xpv_back_peek(&b, any_u32(), copy, sizeof(copy));
	xpv_back_move(&b, any_u32(), any_u32());
	if (xpv_back_unanswered(&b))
		xpv_back_put(&b, copy, sizeof(copy));
	xpv_back_push(&b);
	n = xpv_back_final_check(&b);
	claim(n == XPV_RING_BROKEN ||
	      (n >= 0 && (uint32_t)n <= b.ring.entries));
}

void prove_ring_front(void)
{
	struct xpv_front f;
	uint8_t copy[SLOT];
	int n;

	xpv_front_init(&f, page, sizeof(page), SLOT);
	f.req_prod = any_u32();
	f.req_pushed = any_u32();
	f.rsp_cons = any_u32();
	__CPROVER_assume(f.req_prod - f.rsp_cons <= f.ring.entries);
	__CPROVER_assume(f.req_pushed - f.rsp_cons <= f.req_prod - f.rsp_cons);
	if (xpv_front_room(&f))
		memset(xpv_front_request(&f), 0, SLOT);
	claim(xpv_front_room(&f) <= f.ring.entries);
	xpv_front_push(&f);
	n = xpv_front_pending(&f);
	if (n == XPV_RING_BROKEN)
		return;
	claim(n >= 0 && (uint32_t)n <= f.ring.entries);
	if (n)
		xpv_front_take(&f, copy, sizeof(copy));
	claim(xpv_front_room(&f) <= f.ring.entries);
	n = xpv_front_final_check(&f);
	claim(n == XPV_RING_BROKEN ||
	      (n >= 0 && (uint32_t)n <= f.ring.entries));
}

/* ---- xenstore ---- */

#define TEXT 24

void prove_keys(void)
{
	char text[TEXT]; /* any bytes */
	uint32_t key = any_u32();
	uint64_t value;
	enum xpv_key_verdict verdict;

	text[TEXT - 1] = '\0';
	__CPROVER_assume(key < XPV_KEY_COUNT);
	__CPROVER_assume(xpv_keys[key].type != XPV_TYPE_TEXT);
	verdict = xpv_key_parse((enum xpv_key)key, text, &value);
	if (!verdict)
		claim(value >= xpv_keys[key].min && value <= xpv_keys[key].max);
	claim((unsigned int)xpv_back_action((enum xpv_state)any_u32(),
					    (enum xpv_state)any_u32()) <=
	      XPV_DO_REFUSE);
	claim((unsigned int)xpv_front_action((enum xpv_state)any_u32(),
					     (enum xpv_state)any_u32()) <=
	      XPV_DO_REFUSE);
}
