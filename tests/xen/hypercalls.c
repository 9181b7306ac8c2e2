// SPDX-License-Identifier: MIT
/*
 * hypercalls FILE DOMAIN: what a PV domain asked of Xen while xentrace wrote
 * FILE, with the runstate changes of the scheduler (which tell whose the
 * processor is) and the entries of PV domains (-e 0x223000):
 *	events N	hypercalls for event channels: sends above all
 *	grants N	hypercalls for grants
 *	copied N	pieces of pages that those copied; likewise
 *	mapped N
 *	unmapped N
 * It fails when records were lost. Formats: xen/trace.h.
 */
/* or the headers number hypercalls as Xen 3.2 did */
#define __XEN_TOOLS__

#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/trace.h>

enum { CPUS = 64, WORDS = TRACE_EXTRA_MAX, OPS = 16 };

static unsigned long events, grants, ops[OPS];
static uint32_t runs[CPUS]; /* whose each processor is */

/* The first word: the number, and which arguments follow. Of grants these are
 * the operation and how many there are. */
static void hypercall(const uint32_t *word, uint32_t words)
{
	uint32_t op = word[0] & ~TRC_PV_HYPERCALL_V2_ARG_MASK;

	events += op == __HYPERVISOR_event_channel_op;
	if (op != __HYPERVISOR_grant_table_op)
		return;
	grants++;
	if (words < 3 || word[1] >= OPS)
		errx(1, "a grant operation of no known kind");
	ops[word[1]] += word[2];
}

static void record(uint32_t event, const uint32_t *word, uint32_t words,
		   uint32_t *runner, uint32_t domain)
{
	/* the states of before and after are in the event: to 0, running */
	const uint32_t states = 0x330, after = 0x030;

	if (event == TRC_LOST_RECORDS)
		errx(1, "records were lost");
	if ((event & ~states) == TRC_SCHED_RUNSTATE_CHANGE && words &&
	    !(event & after))
		*runner = word[0] >> 16;
	else if ((event == TRC_PV_HYPERCALL_V2 ||
		  event == TRC_PV_HYPERCALL_SUBCALL) &&
		 words && *runner == domain)
		hypercall(word, words);
}

int main(int argc, char **argv)
{
	uint32_t head, word[WORDS], *runner = &runs[0], domain;
	FILE *in;

	if (argc != 3)
		errx(2, "usage: hypercalls FILE DOMAIN");
	in = fopen(argv[1], "r");
	if (!in)
		err(1, "%s", argv[1]);
	domain = (uint32_t)strtoul(argv[2], NULL, 10);
	for (int i = 0; i < CPUS; i++)
		runs[i] = UINT32_MAX;

	while (fread(&head, sizeof(head), 1, in) == 1) {
		uint32_t words = TRC_HD_EXTRA(head), time[2];

		if ((TRC_HD_INCLUDES_CYCLE_COUNT(head) &&
		     fread(time, sizeof(time), 1, in) != 1) ||
		    fread(word, sizeof(*word), words, in) != words)
			errx(1, "%s: ends within a record", argv[1]);
		if (TRC_HD_TO_EVENT(head) != TRC_TRACE_CPU_CHANGE)
			record(TRC_HD_TO_EVENT(head), word, words, runner,
			       domain);
		else if (!words || word[0] >= CPUS)
			errx(1, "%s: more processors than expected", argv[1]);
		else
			runner = &runs[word[0]];
	}
	printf("events %lu\ngrants %lu\ncopied %lu\nmapped "
	       "%lu\nunmapped %lu\n",
	       events, grants, ops[GNTTABOP_copy], ops[GNTTABOP_map_grant_ref],
	       ops[GNTTABOP_unmap_grant_ref] + ops[GNTTABOP_unmap_and_replace]);
	return 0;
}
