// SPDX-License-Identifier: MIT
#include "answers.h"

/*
 * What a process that is killed has stored, its successor finds as far as the
 * program had got: it is the compiler's order alone that matters here.
 */
static void record(struct answers *a, uint32_t first)
{
	a->record->first = first;
	xpv_store_release(&a->record->n, a->n);
	xpv_compiler_barrier();
}

static void erase(struct answers *a)
{
	a->n = 0;
	xpv_store_release(&a->record->n, 0);
}

void answers_add(struct answers *a, const struct xpv_blkif_abi *abi,
		 const struct xpv_blk_response *rsp)
{
	xpv_blkif_encode_response(abi, rsp, a->record->answer[a->n++]);
}

static bool show(struct answers *a, const struct xpv_blkif_abi *abi,
		 struct xpv_back *back)
{
	unsigned int i;
	bool notify;

	for (i = 0; i < a->n; i++)
		xpv_back_put(back, a->record->answer[i], abi->rsp_size);
	notify = xpv_back_push(back);
	erase(a);
	return notify;
}

bool answers_push(struct answers *a, const struct xpv_blkif_abi *abi,
		  struct xpv_back *back)
{
	if (!a->n)
		return false;
	record(a, back->rsp_prod);
	return show(a, abi, back);
}

void answers_attach(struct answers *a, struct ipc_vbd_answers *record,
		    const struct xpv_blkif_abi *abi, struct xpv_back *back,
		    bool resumed)
{
	int asked = xpv_back_pending(back);
	uint32_t n = record->n;

	a->record = record;
	/* The guest has the ring, and could have changed its indices. */
	if (!resumed || n > IPC_VBD_ANSWERS || asked < 0 ||
	    n > (uint32_t)asked || record->first != back->rsp_prod) {
		erase(a);
		return;
	}
	a->n = n;
	xpv_back_skip(back, n);
	show(a, abi, back);
}

_Static_assert(sizeof(struct ipc_vbd_answers) == 1024,
	       "the answers of four rings fill a page");
