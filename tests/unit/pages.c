// SPDX-License-Identifier: MIT
#include "pages.h"

#include <check.h>
#include <string.h>

#include "rig.h"

void pages_start(bool persistent, bool direct)
{
	const struct script_options o = {
		.front = {.data_pages = PAGES, .persistent = persistent},
		.direct = direct,
	};

	script_start(&o);
}

void pages_setup(void)
{
	pages_start(true, false);
}

void *pages_at(unsigned int n)
{
	return userblk_page(script.fe, n);
}

struct kept *pages_kept(void)
{
	return &script.vbd->kept;
}

uint32_t pages_gref(unsigned int n)
{
	return script.fe->gref[n];
}

bool pages_mapped(unsigned int n)
{
	return kept_at(pages_kept(), pages_gref(n));
}

/* One write from each page, until it is answered. */
void pages_use(unsigned int first, unsigned int n)
{
	unsigned int i;

	for (i = first; i < first + n; i++) {
		script_ask(0, i, XPV_BLKIF_WRITE, i, 1);
		script_answer(STORAGE_WRITE, i, 0);
		script_expect(0, i, XPV_BLKIF_OKAY);
	}
}

/* The storage reads: every sector its number. */
void pages_stamp(struct storage_io *io)
{
	uint64_t sector = io->offset / 512;
	unsigned int i;

	for (i = 0; i < io->nr_iov; i++) {
		rig_stamp(io->iov[i].iov_base, io->iov[i].iov_len, sector, 1);
		sector += io->iov[i].iov_len / 512;
	}
}

bool pages_stamped(const struct storage_io *io, uint32_t salt)
{
	uint64_t sector = io->offset / 512;
	unsigned int i;

	for (i = 0; i < io->nr_iov; i++) {
		if (!rig_stamped(io->iov[i].iov_base, io->iov[i].iov_len,
				 sector, salt))
			return false;
		sector += io->iov[i].iov_len / 512;
	}
	return sector == (io->offset + io->length) / 512;
}

void pages_read(uint64_t id, unsigned int first, unsigned int n)
{
	memset(pages_at(first), 0, n * 4096ul);
	script_ask(0, id, XPV_BLKIF_READ, first, n);
	script_answer_all(pages_stamp);
	script_expect(0, id, XPV_BLKIF_OKAY);
	ck_assert(rig_stamped(pages_at(first), n * 4096ul, 8 * id, 1));
}

void pages_write(uint64_t id, unsigned int first, unsigned int n)
{
	rig_stamp(pages_at(first), n * 4096ul, 8 * id, 2);
	script_ask(0, id, XPV_BLKIF_WRITE, first, n);
	ck_assert(pages_stamped(script_next(STORAGE_WRITE), 2));
	script_answer_all(NULL);
	script_expect(0, id, XPV_BLKIF_OKAY);
}

void pages_round_trip(unsigned int first, unsigned int n)
{
	pages_read(1, first, n);
	pages_write(2, first, n);
}
