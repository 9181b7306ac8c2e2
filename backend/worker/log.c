// SPDX-License-Identifier: MIT
#include "log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define BURST		 20u /* lines at once */
#define SECONDS_PER_LINE 5u /* afterwards */

static struct {
	uint64_t refilled; /* seconds */
	unsigned int tokens;
	unsigned int dropped;
} bucket = {.tokens = BURST};

static void refill(void)
{
	struct timespec now;
	uint64_t earned;

	clock_gettime(CLOCK_MONOTONIC, &now);
	earned = ((uint64_t)now.tv_sec - bucket.refilled) / SECONDS_PER_LINE;
	if (!earned)
		return;
	if (earned > BURST - bucket.tokens)
		earned = BURST - bucket.tokens;
	bucket.tokens += (unsigned int)earned;
	bucket.refilled = (uint64_t)now.tv_sec;
}

void log_line(const char *fmt, ...)
{
	char line[512];
	va_list ap;

	refill();
	if (!bucket.tokens) {
		bucket.dropped++;
		return;
	}
	bucket.tokens--;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (bucket.dropped)
		fprintf(stderr, "xpv-worker: %s (%u lines left out before)\n",
			line, bucket.dropped);
	else
		fprintf(stderr, "xpv-worker: %s\n", line);
	bucket.dropped = 0;
}
