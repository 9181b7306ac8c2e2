// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Grants through /dev/xen/gntdev and /dev/xen/gntalloc. */
#include "hyper/xen.h"

#include <limits.h>
#include <sys/mman.h>

#define PAGE_BYTES 4096u /* a grant's, whatever our kernel's page is */

/*
 * Xen answers GNTST_eagain while it pages the guest's memory in. The kernel
 * retries for a while itself; this is on top of it, and bounded.
 */
#define EAGAIN_TRIES 4

void *xen_map(struct hyper *h, uint16_t domid, const uint32_t *grefs,
	      unsigned int n, int prot)
{
	int mmap_prot = (prot & HYPER_READ ? PROT_READ : 0) |
			(prot & HYPER_WRITE ? PROT_READ | PROT_WRITE : 0);
	struct xen *x = xen_of(h);

	if (!x->gnttab || !n || !mmap_prot) {
		errno = EINVAL;
		return NULL;
	}
	/* The library only reads the references. */
	return xengnttab_map_domain_grant_refs(
		x->gnttab, n, domid, (uint32_t *)(uintptr_t)grefs, mmap_prot);
}

int xen_unmap(struct hyper *h, void *addr, unsigned int n)
{
	struct xen *x = xen_of(h);

	if (!x->gnttab)
		return -EINVAL;
	return xengnttab_unmap(x->gnttab, addr, n) ? xen_error() : 0;
}

/* ---- copy ---- */

/*
 * What gntdev would refuse the whole batch for, and a guest can bring about,
 * must be the failure of its own operation only.
 */
static int16_t check_end(const struct hyper_copy_end *end, uint16_t len)
{
	if (!end->is_grant)
		return GNTST_okay;
	if ((uint32_t)end->offset + len > PAGE_BYTES)
		return GNTST_bad_copy_arg;
	if (end->domid >= XPV_DOMID_FIRST_RESERVED &&
	    end->domid != XPV_DOMID_SELF)
		return GNTST_bad_domain;
	return GNTST_okay;
}

static void fill_end(union xengnttab_copy_ptr *to,
		     const struct hyper_copy_end *end)
{
	if (!end->is_grant) {
		to->virt = end->virt;
		return;
	}
	to->foreign.ref = end->gref;
	to->foreign.offset = end->offset;
	to->foreign.domid = end->domid;
}

static void fill(xengnttab_grant_copy_segment_t *seg,
		 const struct hyper_copy *op)
{
	fill_end(&seg->source, &op->src);
	fill_end(&seg->dest, &op->dst);
	seg->len = op->len;
	seg->flags = (uint16_t)((op->src.is_grant ? GNTCOPY_source_gref : 0) |
				(op->dst.is_grant ? GNTCOPY_dest_gref : 0));
	seg->status = GNTST_general_error;
}

/*
 * One by one: gntdev gave up on the batch because of one of them (a part of
 * our memory that is not there, say), and the others are to run.
 */
static int run_singly(struct xen *x, unsigned int n)
{
	unsigned int i;
	int good = 0;

	for (i = 0; i < n; i++) {
		if (!xengnttab_grant_copy(x->gnttab, 1, &x->segs[i]))
			good++;
		else
			x->segs[i].status = GNTST_general_error;
	}
	return good ? 0 : xen_error();
}

static int run(struct xen *x, unsigned int n)
{
	unsigned int i, again, tries;
	int rc = 0;

	if (xengnttab_grant_copy(x->gnttab, n, x->segs))
		rc = run_singly(x, n);
	for (tries = 0; !rc && tries < EAGAIN_TRIES; tries++) {
		for (i = 0, again = 0; i < n; i++) {
			if (x->segs[i].status != GNTST_eagain)
				continue;
			again++;
			if (xengnttab_grant_copy(x->gnttab, 1, &x->segs[i]))
				x->segs[i].status = GNTST_general_error;
		}
		if (!again)
			break;
	}
	for (i = 0; i < n; i++)
		x->ops[i]->status =
			rc ? GNTST_general_error : x->segs[i].status;
	return rc;
}

int xen_copy(struct hyper *h, struct hyper_copy *ops, unsigned int n)
{
	struct xen *x = xen_of(h);
	unsigned int i, filled = 0;
	int rc, first = 0;
	bool any = false;

	if (!x->gnttab)
		return -EINVAL;
	for (i = 0; i < n; i++)
		if (!ops[i].src.is_grant && !ops[i].dst.is_grant)
			return -EINVAL;
	for (i = 0; i < n; i++) {
		ops[i].status = check_end(&ops[i].src, ops[i].len);
		if (ops[i].status == GNTST_okay)
			ops[i].status = check_end(&ops[i].dst, ops[i].len);
		if (ops[i].status != GNTST_okay) {
			any = true; /* an outcome of its own */
		} else {
			fill(&x->segs[filled], &ops[i]);
			x->ops[filled++] = &ops[i];
		}
		if (filled == XEN_COPY_BATCH || (filled && i + 1 == n)) {
			rc = run(x, filled);
			if (rc && !first)
				first = rc;
			any |= !rc;
			filled = 0;
		}
	}
	return any ? 0 : first;
}

/* ---- granting our own pages ---- */

void *xen_share(struct hyper *h, uint16_t domid, unsigned int n, bool writable,
		uint32_t *grefs)
{
	struct xen *x = xen_of(h);

	if (!x->gntshr || !n || n > INT_MAX) {
		errno = EINVAL;
		return NULL;
	}
	return xengntshr_share_pages(x->gntshr, domid, (int)n, grefs, writable);
}

/*
 * gntalloc takes the pages back even if the peer still maps them, and keeps
 * them to itself until it no longer does. So there is no -EBUSY here, and no
 * page is ever used again too early.
 */
int xen_unshare(struct hyper *h, void *addr, unsigned int n)
{
	struct xen *x = xen_of(h);

	if (!x->gntshr)
		return -EINVAL;
	return xengntshr_unshare(x->gntshr, addr, n) ? xen_error() : 0;
}
