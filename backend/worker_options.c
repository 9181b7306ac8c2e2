// SPDX-License-Identifier: MIT
#include "worker_options.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "reason.h"

static const struct option {
	const char *key;
	size_t offset;
	unsigned long min, max;
} options[] = {
	/* Less than a worker with some disks and NICs needs ends it. */
	{"memory", offsetof(struct worker_options, memory), 64, 1048576},
	/* The loop, and those of disks that are driven by threads. */
	{"threads", offsetof(struct worker_options, threads), 16, 32768},
	{"cpu-weight", offsetof(struct worker_options, cpu_weight), 1, 10000},
	/* Longer than any wake takes, and no turn to be seen by a human. */
	{"poll", offsetof(struct worker_options, poll), 0, 1000},
	{"cpu", offsetof(struct worker_options, cpu), 1, 100000},
};
#define NR_OPTIONS (sizeof(options) / sizeof(options[0]))

void worker_options_init(struct worker_options *o)
{
	*o = (struct worker_options){.memory = 1024, .threads = 1024};
}

int worker_options_set(struct worker_options *o, const char *key,
		       const char *value, struct reason *why)
{
	const struct option *opt = options;
	unsigned long n;
	uint32_t number;
	char *end;

	while (opt < options + NR_OPTIONS && strcmp(opt->key, key))
		opt++;
	if (opt == options + NR_OPTIONS) {
		reason_set(why,
			   "unknown key \"%.32s\": expected one of memory, "
			   "threads, poll, cpu-weight, cpu",
			   key);
		return -EINVAL;
	}
	errno = 0;
	n = strtoul(value, &end, 10);
	if (errno || *value < '0' || *value > '9' || *end || n < opt->min ||
	    n > opt->max) {
		reason_set(why,
			   "%s = \"%.32s\": expected a number from %lu to %lu",
			   key, value, opt->min, opt->max);
		return -EINVAL;
	}
	number = (uint32_t)n;
	memcpy((char *)o + opt->offset, &number, sizeof(number));
	return 0;
}
