/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The block protocol on the wire: requests and responses of a vbd in the
 * three layouts that guests use, and one canonical form for our own code.
 *
 * Sources: xen/io/blkif.h of Xen 4.17 and, where the two disagree, the Linux
 * drivers (units: every sector number on the wire counts 512 bytes).
 *
 * x86_64 and x86_32 differ by padding alone, so one table of offsets
 * (struct xpv_blkif_abi) serves both and there is one decoder.
 */
#ifndef XPV_BLKIF_H
#define XPV_BLKIF_H

#include "barrier.h"

#define XPV_SECTOR_SHIFT     9
#define XPV_SECTOR_SIZE	     512u
#define XPV_SECTORS_PER_PAGE 8u

/* Wire limits. */
#define XPV_BLKIF_DIRECT_SEGS	 11u
#define XPV_BLKIF_INDIRECT_PAGES 8u
#define XPV_BLKIF_SEGS_PER_PAGE	 512u
#define XPV_BLKIF_SEG_SIZE	 8u /* gref u32, first u8, last u8, pad u16 */
/* What a backend of ours accepts in one indirect request, at most and unless
 * it is told otherwise. */
#define XPV_BLKIF_MAX_SEGS	 512u
#define XPV_BLKIF_OFFER_SEGS	 256u
#define XPV_BLKIF_MAX_RING_ORDER 4u
/* The largest slot of any layout, bytes. */
#define XPV_BLKIF_MAX_SLOT 112u

/* Wire operations (BLKIF_OP_*). */
enum xpv_blkif_op {
	XPV_BLKIF_READ = 0,
	XPV_BLKIF_WRITE = 1,
	XPV_BLKIF_WRITE_BARRIER = 2,
	XPV_BLKIF_FLUSH = 3,
	XPV_BLKIF_RESERVED = 4,
	XPV_BLKIF_DISCARD = 5,
	XPV_BLKIF_INDIRECT = 6,
};

#define XPV_BLKIF_DISCARD_SECURE 1u /* flag of a discard request */

/* Wire status (BLKIF_RSP_*). */
enum xpv_blkif_status {
	XPV_BLKIF_OKAY = 0,
	XPV_BLKIF_ERROR = -1,
	XPV_BLKIF_EOPNOTSUPP = -2,
};

/* Bits of the backend's `info` key. */
#define XPV_VDISK_CDROM	    1u
#define XPV_VDISK_REMOVABLE 2u
#define XPV_VDISK_READONLY  4u

/* Where the fields of one layout lie, in bytes from the start of the slot. */
struct xpv_blkif_abi {
	const char *protocol; /* value of the `protocol` key */
	uint8_t slot_size; /* of the ring: the larger of the two below */
	uint8_t id;
	uint8_t sector;
	uint8_t segments;
	uint8_t discard_sectors;
	uint8_t indirect_handle;
	uint8_t indirect_grefs;
	uint8_t rsp_size; /* id at 0, operation at 8, status at 10 */
};

extern const struct xpv_blkif_abi xpv_blkif_x86_64;
extern const struct xpv_blkif_abi xpv_blkif_x86_32;
#if defined(__i386__)
#define xpv_blkif_native xpv_blkif_x86_32
#else
#define xpv_blkif_native xpv_blkif_x86_64
#endif

/*
 * The layout that `protocol` names; NULL if it is none we know. An absent
 * key is the caller's to decide.
 */
const struct xpv_blkif_abi *xpv_blkif_abi_by_name(const char *protocol);

/* A run of sectors in one granted page: @first to @last, both included. */
struct xpv_blk_seg {
	uint32_t gref;
	uint8_t first; /* 0-7 */
	uint8_t last; /* first-7 */
};

static inline uint32_t xpv_blk_seg_sectors(const struct xpv_blk_seg *seg)
{
	return (uint32_t)seg->last - seg->first + 1;
}

/* A block request as our code sees it, whatever its layout was. */
struct xpv_blk_request {
	uint64_t id; /* the front's, echoed in the response */
	uint64_t sector; /* first sector, units of 512 bytes */
	uint64_t nr_sectors; /* of the data, or of the discarded range */
	uint8_t op; /* enum xpv_blkif_op; of an indirect: the inner one */
	bool indirect;
	bool secure; /* discard only */
	uint16_t handle;
	uint16_t nr_segs; /* of an indirect: in the indirect pages */
	union {
		struct xpv_blk_seg seg[XPV_BLKIF_DIRECT_SEGS];
		uint32_t indirect_gref[XPV_BLKIF_INDIRECT_PAGES];
	};
};

/* What a device allows, against which its requests are checked. */
struct xpv_blk_limits {
	uint64_t sectors; /* capacity, units of 512 bytes */
	uint32_t align; /* logical sector, units of 512 bytes: 1 or 8 */
	uint32_t max_indirect; /* segments; 0: indirect requests are refused */
	bool read_only;
	bool discard;
	bool discard_secure;
};

/* Verdicts of the decoder. All but XPV_BLK_OK are answered with an error. */
enum xpv_blk_verdict {
	XPV_BLK_OK = 0,
	XPV_BLK_BAD_OP, /* unknown: answered with EOPNOTSUPP */
	XPV_BLK_BAD_INNER_OP, /* indirect, but neither read nor write */
	XPV_BLK_NO_SEGMENTS,
	XPV_BLK_MANY_SEGMENTS,
	XPV_BLK_BAD_SEGMENT, /* last sector over 7 or before the first */
	XPV_BLK_MISALIGNED, /* not on the logical sector size */
	XPV_BLK_OUT_OF_RANGE, /* beyond the end, or the sum overflows */
	XPV_BLK_READ_ONLY,
	XPV_BLK_NO_DISCARD, /* not offered: answered with EOPNOTSUPP */
	XPV_BLK_VERDICTS,
};

/* One line for a log or an `error` key. */
const char *xpv_blk_verdict_str(enum xpv_blk_verdict verdict);
/* The status that a request with this verdict is answered with. */
enum xpv_blkif_status xpv_blk_verdict_status(enum xpv_blk_verdict verdict);

/*
 * Check and convert one request. @slot is the private copy of a whole slot
 * (abi->slot_size bytes). @req->id and @req->op are valid whatever the
 * verdict, so that every request can be answered. The segments of an
 * indirect request are still to come (xpv_blkif_decode_indirect()); its
 * range is checked there.
 */
enum xpv_blk_verdict xpv_blkif_decode(const struct xpv_blkif_abi *abi,
				      const struct xpv_blk_limits *limits,
				      const void *slot,
				      struct xpv_blk_request *req);

/* Indirect pages that @nr_segs segments fill. */
static inline unsigned int xpv_blkif_indirect_pages(unsigned int nr_segs)
{
	return (nr_segs + XPV_BLKIF_SEGS_PER_PAGE - 1) /
	       XPV_BLKIF_SEGS_PER_PAGE;
}

/*
 * The second half for an indirect request: @wire is the private copy of its
 * req->nr_segs descriptors (XPV_BLKIF_SEG_SIZE bytes each). Fills
 * segs[nr_segs] and req->nr_sectors.
 */
enum xpv_blk_verdict xpv_blkif_decode_indirect(
	const struct xpv_blk_limits *limits, const void *wire,
	struct xpv_blk_request *req, struct xpv_blk_seg *segs);

/*
 * The front's side: write @req into @slot (abi->slot_size bytes, zeroed
 * first). No checks: the caller is our own driver.
 */
void xpv_blkif_encode(const struct xpv_blkif_abi *abi,
		      const struct xpv_blk_request *req, void *slot);
/* Write segment @index into an indirect page. */
void xpv_blkif_encode_seg(const struct xpv_blk_seg *seg, void *page,
			  unsigned int index);
/* The grant reference of segment @index there. */
uint32_t xpv_blkif_seg_gref(const void *page, unsigned int index);

/* A response as our code sees it. */
struct xpv_blk_response {
	uint64_t id;
	uint8_t op; /* of the request; of an indirect: the inner one */
	int16_t status; /* enum xpv_blkif_status */
};

/* @slot: abi->rsp_size bytes; every byte of it is written, padding as 0. */
void xpv_blkif_encode_response(const struct xpv_blkif_abi *abi,
			       const struct xpv_blk_response *rsp, void *slot);
void xpv_blkif_decode_response(const struct xpv_blkif_abi *abi,
			       const void *slot, struct xpv_blk_response *rsp);

#endif
