// SPDX-License-Identifier: MIT
#include "answers.h"

/*
 * What a process that is killed has stored, its successor finds as far as the
 * program had got: it is the compiler's order alone that matters here.
 */
static void record(struct answers *a, uint32_t first)
{
	a->record->first = first;
	a->record->made_room = 0;
	xpv_store_release(&a->record->n, a->n);
	xpv_compiler_barrier();
}

static void erase(struct answers *a)
{
	a->n = 0;
	xpv_store_release(&a->record->n, 0);
}

/*
 * Requests leave the slots that answers take. Each moves to a slot behind its
 * own, so that what was moved to where another one is yet to leave is moved
 * on; and all of it, as no answer is written yet, may be done once more.
 */
static void make_room(struct answers *a, struct xpv_back *back)
{
	uint32_t from = a->record->first;

	if (!a->move || a->record->made_room)
		return;
	for (uint32_t i = 0; i < a->n; i++, from++)
		if (a->move[i] != from)
			xpv_back_move(back, from, a->move[i]);
	xpv_compiler_barrier();
	xpv_store_release(&a->record->made_room, 1);
	xpv_compiler_barrier();
}

static bool show(struct answers *a, struct xpv_back *back)
{
	const uint8_t *answer = a->record->answer;
	bool notify;

	make_room(a, back);
	for (uint32_t i = 0; i < a->n; i++, answer += a->size)
		xpv_back_put(back, answer, a->size);
	notify = xpv_back_push(back);
	erase(a);
	return notify;
}

bool answers_push(struct answers *a, struct xpv_back *back)
{
	if (!a->n)
		return false;
	record(a, back->rsp_prod);
	return show(a, back);
}

void answers_attach(struct answers *a, void *record, uint32_t *move,
		    uint32_t max, uint32_t size, struct xpv_back *back,
		    bool resumed)
{
	int asked = xpv_back_pending(back);
	uint32_t n;

	a->record = record;
	a->move = move;
	a->max = max;
	a->size = size;
	n = a->record->n;
	/* The guest has the ring, and could have changed its indices. */
	if (!resumed || n > max || asked < 0 || n > (uint32_t)asked ||
	    a->record->first != back->rsp_prod) {
		erase(a);
		return;
	}
	a->n = n;
	xpv_back_skip(back, n);
	show(a, back);
}
