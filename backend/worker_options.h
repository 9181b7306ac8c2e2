/* SPDX-License-Identifier: MIT */
/* What a guest's worker may take of this host: [worker] of xpvd.conf. */
#ifndef XPV_WORKER_OPTIONS_H
#define XPV_WORKER_OPTIONS_H

#include <stdint.h>

struct reason;

struct worker_options {
	uint32_t memory; /* MiB, with the page cache that it fills */
	uint32_t threads;
	uint32_t cpu_weight; /* beside others; 0: what all have */
	uint32_t poll; /* us that it looks on before it sleeps; 0: none */
	uint32_t cpu; /* percent of one processor; 0: as many as there are */
};

void worker_options_init(struct worker_options *o);
/* 0, or -EINVAL and @why: the key, its value, what was expected. */
int worker_options_set(struct worker_options *o, const char *key,
		       const char *value, struct reason *why);

#endif
