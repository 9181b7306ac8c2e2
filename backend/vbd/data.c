// SPDX-License-Identifier: MIT
/*
 * Where the data of a request is. A page that is mapped (kept.h) is handed to
 * the storage as it is, if that may be; the rest passes through memory of
 * ours, by the processor from mapped pages and by the hypervisor from others.
 * One request may have pages of all kinds.
 *
 * The guest can change its pages while the storage reads them. What then
 * arrives on its disk is its own affair.
 */
#include "vbd.h"

#include <string.h>

static bool is_mapped(const struct vbd_request *rq, unsigned int i)
{
	return rq->mapped[i / 64] >> (i % 64) & 1;
}

static unsigned int seg_bytes(const struct xpv_blk_seg *seg)
{
	return xpv_blk_seg_sectors(seg) << XPV_SECTOR_SHIFT;
}

static uint8_t *seg_at(const struct vbd_request *rq,
		       const struct xpv_blk_seg *seg)
{
	uint8_t *page = kept_at(&rq->queue->vbd->kept, seg->gref);

	return page + (seg->first << XPV_SECTOR_SHIFT);
}

void data_find(struct vbd_request *rq)
{
	const struct xpv_blk_seg *seg = request_segs(rq);
	struct vbd *vbd = rq->queue->vbd;
	unsigned int i = rq->req.nr_segs;

	rq->bounce =
		i ? (unsigned int)rq->req.nr_sectors << XPV_SECTOR_SHIFT : 0;
	if (!vbd->kept.limit)
		return;
	rq->found = true;
	memset(rq->mapped, 0, (i + 63) / 64 * sizeof(rq->mapped[0]));
	/*
	 * From the last to the first: a kernel puts a mapping below the one
	 * before, so new ones become neighbours in their right order, and
	 * neighbours are one piece to the storage.
	 */
	while (i--) {
		if (!kept_get(&vbd->kept, seg[i].gref))
			continue;
		rq->mapped[i / 64] |= 1ull << (i % 64);
		if (vbd->in_place)
			rq->bounce -= seg_bytes(&seg[i]);
	}
}

void data_release(struct vbd_request *rq)
{
	const struct xpv_blk_seg *seg;
	unsigned int i;

	if (!rq->found)
		return;
	rq->found = false;
	seg = request_segs(rq);
	for (i = 0; i < rq->req.nr_segs; i++)
		if (is_mapped(rq, i))
			kept_put(&rq->queue->vbd->kept, seg[i].gref);
}

unsigned int data_iov(struct vbd_request *rq)
{
	const struct xpv_blk_seg *seg = request_segs(rq);
	bool in_place = rq->found && rq->queue->vbd->in_place;
	uint8_t *data = request_data(rq), *at;
	struct iovec *iov = request_iov(rq);
	unsigned int i, len, n = 0;

	if (!in_place) {
		iov[0].iov_base = data;
		iov[0].iov_len = rq->bounce;
		return 1;
	}
	for (i = 0; i < rq->req.nr_segs; i++, seg++) {
		len = seg_bytes(seg);
		if (is_mapped(rq, i)) {
			at = seg_at(rq, seg);
		} else {
			at = data;
			data += len;
		}
		if (n &&
		    (uint8_t *)iov[n - 1].iov_base + iov[n - 1].iov_len == at) {
			iov[n - 1].iov_len += len;
		} else {
			iov[n].iov_base = at;
			iov[n++].iov_len = len;
		}
	}
	return n;
}

static bool copy(struct vbd_request *rq, enum copy_direction direction)
{
	const struct xpv_blk_seg *seg = request_segs(rq);
	uint8_t *data = request_data(rq), *at;
	bool asked = false;
	unsigned int i, len;

	if (!rq->bounce)
		return false;
	for (i = 0; i < rq->req.nr_segs; i++, seg++) {
		len = seg_bytes(seg);
		if (!rq->found || !is_mapped(rq, i)) {
			grant_copy(rq, seg->gref,
				   (unsigned int)seg->first << XPV_SECTOR_SHIFT,
				   data, len, direction);
			asked = true;
		} else if (rq->queue->vbd->in_place) {
			continue;
		} else {
			at = seg_at(rq, seg);
			memcpy(direction == FROM_GUEST ? data : at,
			       direction == FROM_GUEST ? at : data, len);
		}
		data += len;
	}
	return asked;
}

bool data_gather(struct vbd_request *rq)
{
	return copy(rq, FROM_GUEST);
}

bool data_scatter(struct vbd_request *rq)
{
	return copy(rq, TO_GUEST);
}
