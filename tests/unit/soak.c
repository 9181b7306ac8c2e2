// SPDX-License-Identifier: MIT
#include "soak.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

unsigned int soak(void)
{
	const char *text = getenv("XPV_SOAK");
	unsigned long factor;
	char *end;

	if (!text)
		return 1;
	factor = strtoul(text, &end, 10);
	if (*end || !factor || factor > 1000000) {
		fprintf(stderr, "XPV_SOAK=\"%s\": expected 1 to 1000000\n",
			text);
		exit(2);
	}
	return (unsigned int)factor;
}

uint64_t soak_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}
