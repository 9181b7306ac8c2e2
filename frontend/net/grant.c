// SPDX-License-Identifier: GPL-2.0-only
/*
 * Grant references. A slot of a ring keeps one reference for as long as the
 * ring is made; per packet it is only opened to the backend and closed again,
 * so the path of a packet never allocates a reference.
 */
#include "netfront.h"

/* Fill @gref with @nr closed references, or with none at all. */
int xpv_net_grants_claim(grant_ref_t *gref, unsigned int nr)
{
	grant_ref_t head;
	unsigned int i;
	int err;

	err = gnttab_alloc_grant_references(nr, &head);
	if (err)
		return err;
	for (i = 0; i < nr; i++)
		gref[i] = gnttab_claim_grant_reference(&head);
	return 0;
}

/* Give back closed references. */
void xpv_net_grants_free(grant_ref_t *gref, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (gref[i] != INVALID_GRANT_REF)
			gnttab_free_grant_reference(gref[i]);
		gref[i] = INVALID_GRANT_REF;
	}
}

/*
 * Close a reference whose request was never answered, and give it back. The
 * backend may still have the page mapped; the grant table then holds the
 * reference and one count of the page until it lets go, so the page cannot
 * come back as somebody else's memory (XSA-396). The caller's own hold on the
 * page is not touched.
 */
void xpv_net_grant_abandon(grant_ref_t *gref, struct page *page)
{
	get_page(page);
	gnttab_end_foreign_access(*gref, page);
	*gref = INVALID_GRANT_REF;
}
