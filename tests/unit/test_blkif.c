// SPDX-License-Identifier: MIT
/* Block wire formats: both layouts, every field, every refusal. */
#include "suites.h"

#include "ring/blkif.h"

#include <stdlib.h>
#include <xen/xen.h>
#include <xen/io/blkif.h>

static const struct xpv_blkif_abi *const abis[] = {&xpv_blkif_x86_64,
						   &xpv_blkif_x86_32};
#define NR_ABIS 2

static const struct xpv_blk_limits limits = {
	.sectors = 1000,
	.align = 1,
	.max_indirect = XPV_BLKIF_OFFER_SEGS,
	.discard = true,
	.discard_secure = true,
};

static uint8_t slot[XPV_BLKIF_MAX_SLOT];
static struct xpv_blk_request in, out;

static struct xpv_blk_request rw_request(uint8_t op, unsigned int nr_segs)
{
	struct xpv_blk_request req = {
		.id = 0x1122334455667788u,
		.op = op,
		.sector = 16,
		.handle = 51712,
		.nr_segs = (uint16_t)nr_segs,
	};

	for (unsigned int i = 0; i < nr_segs; i++)
		req.seg[i] = (struct xpv_blk_seg){
			.gref = 100 + i,
			.first = (uint8_t)(i % 8),
			.last = 7,
		};
	return req;
}

static enum xpv_blk_verdict pass(const struct xpv_blkif_abi *abi,
				 const struct xpv_blk_limits *lim)
{
	memset(slot, 0xa5, sizeof(slot));
	memset(&out, 0x5a, sizeof(out));
	xpv_blkif_encode(abi, &in, slot);
	return xpv_blkif_decode(abi, lim, slot, &out);
}

START_TEST(native_layout_is_xens)
{
	const struct xpv_blkif_abi *abi = &xpv_blkif_x86_64;

	ck_assert_uint_eq(abi->slot_size, sizeof(union blkif_sring_entry));
	ck_assert_uint_eq(abi->rsp_size, sizeof(blkif_response_t));
	ck_assert_uint_eq(abi->id, offsetof(blkif_request_t, id));
	ck_assert_uint_eq(abi->sector,
			  offsetof(blkif_request_t, sector_number));
	ck_assert_uint_eq(abi->segments, offsetof(blkif_request_t, seg));
	ck_assert_uint_eq(abi->discard_sectors,
			  offsetof(blkif_request_discard_t, nr_sectors));
	ck_assert_uint_eq(abi->indirect_handle,
			  offsetof(blkif_request_indirect_t, handle));
	ck_assert_uint_eq(abi->indirect_grefs,
			  offsetof(blkif_request_indirect_t, indirect_grefs));
	ck_assert_uint_eq(sizeof(struct blkif_request_segment),
			  XPV_BLKIF_SEG_SIZE);
	ck_assert_int_eq(BLKIF_MAX_SEGMENTS_PER_REQUEST, XPV_BLKIF_DIRECT_SEGS);
	ck_assert_int_eq(BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST,
			 XPV_BLKIF_INDIRECT_PAGES);
	ck_assert_int_eq(BLKIF_OP_INDIRECT, XPV_BLKIF_INDIRECT);
	ck_assert_int_eq(BLKIF_OP_DISCARD, XPV_BLKIF_DISCARD);
	ck_assert_int_eq(BLKIF_OP_FLUSH_DISKCACHE, XPV_BLKIF_FLUSH);
	ck_assert_int_eq(BLKIF_OP_WRITE_BARRIER, XPV_BLKIF_WRITE_BARRIER);
	ck_assert_int_eq(BLKIF_RSP_EOPNOTSUPP, XPV_BLKIF_EOPNOTSUPP);
	ck_assert_int_eq(VDISK_READONLY, XPV_VDISK_READONLY);
}
END_TEST

START_TEST(abi_by_name)
{
	ck_assert_ptr_eq(xpv_blkif_abi_by_name("x86_64-abi"),
			 &xpv_blkif_x86_64);
	ck_assert_ptr_eq(xpv_blkif_abi_by_name("x86_32-abi"),
			 &xpv_blkif_x86_32);
	ck_assert_ptr_null(xpv_blkif_abi_by_name(""));
	ck_assert_ptr_null(xpv_blkif_abi_by_name("x86_64-abi "));
	ck_assert_ptr_null(xpv_blkif_abi_by_name("arm-abi"));
}
END_TEST

START_TEST(direct_request_survives_the_wire)
{
	for (int a = 0; a < NR_ABIS; a++) {
		for (unsigned int n = 1; n <= XPV_BLKIF_DIRECT_SEGS; n++) {
			uint64_t sectors = 0;

			in = rw_request(XPV_BLKIF_WRITE, n);
			ck_assert_int_eq(pass(abis[a], &limits), XPV_BLK_OK);
			ck_assert_uint_eq(out.id, in.id);
			ck_assert_uint_eq(out.op, in.op);
			ck_assert_uint_eq(out.sector, in.sector);
			ck_assert_uint_eq(out.handle, in.handle);
			ck_assert_uint_eq(out.nr_segs, n);
			ck_assert(!out.indirect);
			for (unsigned int i = 0; i < n; i++) {
				ck_assert_uint_eq(out.seg[i].gref, 100 + i);
				ck_assert_uint_eq(out.seg[i].first, i % 8);
				ck_assert_uint_eq(out.seg[i].last, 7);
				sectors += 8 - i % 8;
			}
			ck_assert_uint_eq(out.nr_sectors, sectors);
		}
	}
}
END_TEST

START_TEST(discard_survives_the_wire)
{
	for (int a = 0; a < NR_ABIS; a++) {
		in = (struct xpv_blk_request){.id = 5,
					      .op = XPV_BLKIF_DISCARD,
					      .sector = 10,
					      .nr_sectors = 990,
					      .secure = true,
					      .handle = 3};
		ck_assert_int_eq(pass(abis[a], &limits), XPV_BLK_OK);
		ck_assert_uint_eq(out.sector, 10);
		ck_assert_uint_eq(out.nr_sectors, 990);
		ck_assert(out.secure);
		in.nr_sectors = 991;
		ck_assert_int_eq(pass(abis[a], &limits), XPV_BLK_OUT_OF_RANGE);
		in.nr_sectors = UINT64_MAX;
		ck_assert_int_eq(pass(abis[a], &limits), XPV_BLK_OUT_OF_RANGE);
	}
}
END_TEST

START_TEST(discard_only_where_offered)
{
	struct xpv_blk_limits none = limits;

	in = (struct xpv_blk_request){
		.op = XPV_BLKIF_DISCARD, .nr_sectors = 8, .secure = true};
	none.discard_secure = false;
	ck_assert_int_eq(pass(abis[0], &none), XPV_BLK_NO_DISCARD);
	in.secure = false;
	ck_assert_int_eq(pass(abis[0], &none), XPV_BLK_OK);
	none.read_only = true;
	ck_assert_int_eq(pass(abis[0], &none), XPV_BLK_READ_ONLY);
	none.discard = false;
	ck_assert_int_eq(pass(abis[0], &none), XPV_BLK_NO_DISCARD);
	ck_assert_int_eq(xpv_blk_verdict_status(XPV_BLK_NO_DISCARD),
			 XPV_BLKIF_EOPNOTSUPP);
}
END_TEST

START_TEST(indirect_request_survives_the_wire)
{
	static uint8_t pages[XPV_BLKIF_MAX_SEGS * XPV_BLKIF_SEG_SIZE];
	static struct xpv_blk_seg segs[XPV_BLKIF_MAX_SEGS];
	struct xpv_blk_seg seg = {.gref = 9, .first = 1, .last = 2};

	for (int a = 0; a < NR_ABIS; a++) {
		in = (struct xpv_blk_request){.id = 77,
					      .op = XPV_BLKIF_WRITE,
					      .indirect = true,
					      .sector = 4,
					      .handle = 1,
					      .nr_segs = 256};
		for (int i = 0; i < 8; i++)
			in.indirect_gref[i] = 0xf0000000u + (uint32_t)i;
		ck_assert_int_eq(pass(abis[a], &limits), XPV_BLK_OK);
		ck_assert(out.indirect);
		ck_assert_uint_eq(out.op, XPV_BLKIF_WRITE);
		ck_assert_uint_eq(out.id, 77);
		ck_assert_uint_eq(out.handle, 1);
		ck_assert_uint_eq(out.sector, 4);
		ck_assert_mem_eq(out.indirect_gref, in.indirect_gref, 32);
		for (unsigned int i = 0; i < 256; i++)
			xpv_blkif_encode_seg(&seg, pages, i);
		seg.gref = 10;
		xpv_blkif_encode_seg(&seg, pages, 255);
		ck_assert_uint_eq(xpv_blkif_seg_gref(pages, 254), 9);
		ck_assert_uint_eq(xpv_blkif_seg_gref(pages, 255), 10);
		seg.gref = 9;
		ck_assert_int_eq(xpv_blkif_decode_indirect(&limits, pages, &out,
							   segs),
				 XPV_BLK_OK);
		ck_assert_uint_eq(out.nr_sectors, 512);
		out.sector = 1000 - 511;
		ck_assert_int_eq(xpv_blkif_decode_indirect(&limits, pages, &out,
							   segs),
				 XPV_BLK_OUT_OF_RANGE);
	}
	ck_assert_uint_eq(xpv_blkif_indirect_pages(1), 1);
	ck_assert_uint_eq(xpv_blkif_indirect_pages(512), 1);
	ck_assert_uint_eq(xpv_blkif_indirect_pages(513), 2);
}
END_TEST

START_TEST(indirect_refusals)
{
	struct xpv_blk_limits lim = limits;

	in = (struct xpv_blk_request){.indirect = true, .nr_segs = 1};
	in.op = XPV_BLKIF_FLUSH;
	ck_assert_int_eq(pass(abis[0], &lim), XPV_BLK_BAD_INNER_OP);
	in.op = XPV_BLKIF_INDIRECT;
	ck_assert_int_eq(pass(abis[0], &lim), XPV_BLK_BAD_INNER_OP);
	in.op = XPV_BLKIF_READ;
	in.nr_segs = 0;
	ck_assert_int_eq(pass(abis[0], &lim), XPV_BLK_NO_SEGMENTS);
	in.nr_segs = 257;
	ck_assert_int_eq(pass(abis[0], &lim), XPV_BLK_MANY_SEGMENTS);
	in.nr_segs = 65535;
	ck_assert_int_eq(pass(abis[0], &lim), XPV_BLK_MANY_SEGMENTS);
	in.nr_segs = 256;
	lim.max_indirect = 0;
	ck_assert_int_eq(pass(abis[0], &lim), XPV_BLK_MANY_SEGMENTS);
	lim.max_indirect = 256;
	lim.read_only = true;
	ck_assert_int_eq(pass(abis[0], &lim), XPV_BLK_OK);
	in.op = XPV_BLKIF_WRITE;
	ck_assert_int_eq(pass(abis[0], &lim), XPV_BLK_READ_ONLY);
}
END_TEST

START_TEST(every_op_byte_is_answered)
{
	for (unsigned int op = 0; op < 256; op++) {
		enum xpv_blk_verdict v;

		in = rw_request(XPV_BLKIF_READ, 1);
		xpv_blkif_encode(abis[0], &in, slot);
		slot[0] = (uint8_t)op;
		v = xpv_blkif_decode(abis[0], &limits, slot, &out);
		ck_assert_uint_eq(out.id, in.id);
		if (op > XPV_BLKIF_INDIRECT || op == XPV_BLKIF_RESERVED) {
			ck_assert_int_eq(v, XPV_BLK_BAD_OP);
			ck_assert_uint_eq(out.op, op);
		}
		ck_assert_str_ne(xpv_blk_verdict_str(v), "unknown verdict");
	}
	ck_assert_int_eq(xpv_blk_verdict_status(XPV_BLK_BAD_OP),
			 XPV_BLKIF_EOPNOTSUPP);
}
END_TEST

START_TEST(segment_counts)
{
	in = rw_request(XPV_BLKIF_READ, 0);
	ck_assert_int_eq(pass(abis[0], &limits), XPV_BLK_NO_SEGMENTS);
	in.op = XPV_BLKIF_WRITE;
	ck_assert_int_eq(pass(abis[0], &limits), XPV_BLK_NO_SEGMENTS);
	in.op = XPV_BLKIF_FLUSH;
	in.sector = UINT64_MAX; /* means nothing */
	ck_assert_int_eq(pass(abis[0], &limits), XPV_BLK_OK);
	in.op = XPV_BLKIF_WRITE_BARRIER;
	ck_assert_int_eq(pass(abis[0], &limits), XPV_BLK_OK);
	for (unsigned int n = 12; n < 256; n++) {
		in = rw_request(XPV_BLKIF_READ, 1);
		xpv_blkif_encode(abis[0], &in, slot);
		slot[1] = (uint8_t)n;
		ck_assert_int_eq(xpv_blkif_decode(abis[0], &limits, slot, &out),
				 XPV_BLK_MANY_SEGMENTS);
	}
}
END_TEST

START_TEST(segment_bounds)
{
	for (unsigned int first = 0; first < 256; first++) {
		for (unsigned int last = 0; last < 256; last++) {
			bool fine = last < 8 && first <= last;

			in = rw_request(XPV_BLKIF_READ, 1);
			in.seg[0].first = (uint8_t)first;
			in.seg[0].last = (uint8_t)last;
			ck_assert_int_eq(pass(abis[0], &limits),
					 fine ? XPV_BLK_OK
					      : XPV_BLK_BAD_SEGMENT);
		}
	}
}
END_TEST

START_TEST(range)
{
	in = rw_request(XPV_BLKIF_READ, 1); /* 8 sectors */
	in.sector = 992;
	ck_assert_int_eq(pass(abis[0], &limits), XPV_BLK_OK);
	in.sector = 993;
	ck_assert_int_eq(pass(abis[0], &limits), XPV_BLK_OUT_OF_RANGE);
	in.sector = UINT64_MAX;
	ck_assert_int_eq(pass(abis[0], &limits), XPV_BLK_OUT_OF_RANGE);
	in.sector = UINT64_MAX - 7; /* sector + 8 is 0 */
	ck_assert_int_eq(pass(abis[0], &limits), XPV_BLK_OUT_OF_RANGE);
	in.sector = (uint64_t)1 << 55; /* its bytes overflow */
	ck_assert_int_eq(pass(abis[0], &limits), XPV_BLK_OUT_OF_RANGE);
}
END_TEST

START_TEST(alignment_of_4k_sectors)
{
	struct xpv_blk_limits lim = limits;

	lim.align = 8;
	in = rw_request(XPV_BLKIF_WRITE, 1);
	ck_assert_int_eq(pass(abis[0], &lim), XPV_BLK_OK);
	in.sector = 17;
	ck_assert_int_eq(pass(abis[0], &lim), XPV_BLK_MISALIGNED);
	in.sector = 16;
	in.seg[0].last = 6;
	ck_assert_int_eq(pass(abis[0], &lim), XPV_BLK_MISALIGNED);
	in.seg[0].first = 1;
	in.seg[0].last = 7;
	ck_assert_int_eq(pass(abis[0], &lim), XPV_BLK_MISALIGNED);
	in = (struct xpv_blk_request){.op = XPV_BLKIF_DISCARD, .nr_sectors = 4};
	ck_assert_int_eq(pass(abis[0], &lim), XPV_BLK_MISALIGNED);
}
END_TEST

/* XSA-142: no write of any kind; reads and empty flushes go on. */
START_TEST(read_only)
{
	struct xpv_blk_limits lim = limits;

	lim.read_only = true;
	in = rw_request(XPV_BLKIF_READ, 1);
	ck_assert_int_eq(pass(abis[0], &lim), XPV_BLK_OK);
	in.op = XPV_BLKIF_WRITE;
	ck_assert_int_eq(pass(abis[0], &lim), XPV_BLK_READ_ONLY);
	in.op = XPV_BLKIF_WRITE_BARRIER;
	ck_assert_int_eq(pass(abis[0], &lim), XPV_BLK_READ_ONLY);
	in.op = XPV_BLKIF_FLUSH;
	ck_assert_int_eq(pass(abis[0], &lim), XPV_BLK_READ_ONLY);
	in.nr_segs = 0;
	ck_assert_int_eq(pass(abis[0], &lim), XPV_BLK_OK);
	ck_assert_int_eq(xpv_blk_verdict_status(XPV_BLK_READ_ONLY),
			 XPV_BLKIF_ERROR);
}
END_TEST

/* XSA-216: every byte of the response is ours, padding 0. */
START_TEST(response_has_no_stale_byte)
{
	const struct xpv_blk_response rsp = {
		.id = 0x0102030405060708u, .op = 3, .status = -2};
	struct xpv_blk_response back;

	for (int a = 0; a < NR_ABIS; a++) {
		memset(slot, 0xff, sizeof(slot));
		xpv_blkif_encode_response(abis[a], &rsp, slot);
		ck_assert_uint_eq(slot[9], 0);
		for (unsigned int i = 12; i < abis[a]->rsp_size; i++)
			ck_assert_uint_eq(slot[i], 0);
		ck_assert_uint_eq(slot[abis[a]->rsp_size], 0xff);
		xpv_blkif_decode_response(abis[a], slot, &back);
		ck_assert_uint_eq(back.id, rsp.id);
		ck_assert_uint_eq(back.op, rsp.op);
		ck_assert_int_eq(back.status, rsp.status);
	}
}
END_TEST

/* Random slots: a verdict for each, and OK only for what is in range. */
START_TEST(random_slots)
{
	srand48(1);
	for (int n = 0; n < 200000; n++) {
		const struct xpv_blkif_abi *abi = abis[n & 1];
		uint64_t sum = 0;

		for (size_t i = 0; i < sizeof(slot); i++)
			slot[i] = (uint8_t)lrand48();
		slot[0] %= 8;
		slot[1] %= 14;
		memset(slot + abi->sector + 1, 0, 7);
		for (unsigned int i = 0; n % 3 && i < 11; i++) {
			slot[abi->segments + 8 * i + 4] &= 3;
			slot[abi->segments + 8 * i + 5] |= 4;
			slot[abi->segments + 8 * i + 5] &= 7;
		}
		if (xpv_blkif_decode(abi, &limits, slot, &out) || out.indirect)
			continue;
		ck_assert_uint_le(out.nr_segs, XPV_BLKIF_DIRECT_SEGS);
		ck_assert_uint_le(out.sector + out.nr_sectors, limits.sectors);
		for (unsigned int i = 0; i < out.nr_segs; i++)
			sum += xpv_blk_seg_sectors(&out.seg[i]);
		if (out.op != XPV_BLKIF_DISCARD)
			ck_assert_uint_eq(sum, out.nr_sectors);
	}
}
END_TEST

Suite *blkif_suite(void)
{
	Suite *s = suite_create("blkif");
	TCase *t = tcase_create("wire");

	tcase_add_test(t, native_layout_is_xens);
	tcase_add_test(t, abi_by_name);
	tcase_add_test(t, direct_request_survives_the_wire);
	tcase_add_test(t, discard_survives_the_wire);
	tcase_add_test(t, discard_only_where_offered);
	tcase_add_test(t, indirect_request_survives_the_wire);
	tcase_add_test(t, indirect_refusals);
	tcase_add_test(t, every_op_byte_is_answered);
	tcase_add_test(t, segment_counts);
	tcase_add_test(t, segment_bounds);
	tcase_add_test(t, range);
	tcase_add_test(t, alignment_of_4k_sectors);
	tcase_add_test(t, read_only);
	tcase_add_test(t, response_has_no_stale_byte);
	tcase_add_test(t, random_slots);
	suite_add_tcase(s, t);
	return s;
}
