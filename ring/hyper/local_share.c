// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Granting pages of our own. The broker owns the frames and the entries. */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hyper/local.h"

static int release(struct local *l, uint32_t frame)
{
	l->msg.len = 0;
	l->msg.arg[0] = frame;
	return local_call(l, LOCAL_UNSHARE, NULL);
}

static int enter(struct local *l, struct local_share *share)
{
	off_t at = (off_t)offsetof(struct shm, frames) +
		   (off_t)share->frame * XPV_PAGE_SIZE;
	size_t len = (size_t)share->n * XPV_PAGE_SIZE;

	/*
	 * A mapping apart from the machine's memory, so that a use after
	 * unshare() faults.
	 */
	share->addr = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED,
			   l->view->memfd, at);
	if (share->addr == MAP_FAILED)
		return -errno;
	if (tsearch(share, &l->shares, local_by_addr))
		return 0;
	munmap(share->addr, len);
	return -ENOMEM;
}

void *local_share(struct hyper *h, uint16_t domid, unsigned int n,
		  bool writable, uint32_t *grefs)
{
	struct local *l = local_of(h);
	struct local_share *share;
	int rc;

	if (!local_has(l, HYPER_SHARE)) {
		errno = EINVAL;
		return NULL;
	}
	share = malloc(sizeof(*share));
	if (!share)
		return NULL;
	l->msg.len = 0;
	l->msg.arg[0] = local_domid(l, domid);
	l->msg.arg[1] = n;
	l->msg.arg[2] = writable;
	rc = local_call(l, LOCAL_SHARE, NULL);
	if (!rc) {
		share->n = n;
		share->frame = l->msg.arg[0];
		memcpy(grefs, l->msg.data, n * sizeof(*grefs));
		rc = enter(l, share);
		if (!rc)
			return share->addr;
		release(l, share->frame);
	}
	free(share);
	errno = -rc;
	return NULL;
}

int local_unshare(struct hyper *h, void *addr, unsigned int n)
{
	struct local *l = local_of(h);
	struct local_share **found = tfind(&addr, &l->shares, local_by_addr);
	struct local_share *share = found ? *found : NULL;
	int rc;

	if (!share || share->n != n)
		return -EINVAL;
	rc = release(l, share->frame);
	if (rc)
		return rc;
	tdelete(share, &l->shares, local_by_addr);
	munmap(addr, (size_t)n * XPV_PAGE_SIZE);
	free(share);
	return 0;
}

/* The broker ends the grants when our socket closes. */
void local_share_close(struct local *l)
{
	struct local_share *share;

	while (l->shares) {
		share = *(struct local_share **)l->shares;
		tdelete(share, &l->shares, local_by_addr);
		munmap(share->addr, (size_t)share->n * XPV_PAGE_SIZE);
		free(share);
	}
}
