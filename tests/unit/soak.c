// SPDX-License-Identifier: MIT
#include "soak.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static unsigned int number(const char *name, unsigned long most)
{
	const char *text = getenv(name);
	unsigned long n;
	char *end;

	if (!text)
		return 1;
	n = strtoul(text, &end, 10);
	if (*end || !n || n > most) {
		fprintf(stderr, "%s=\"%s\": expected 1 to %lu\n", name, text,
			most);
		exit(2);
	}
	return (unsigned int)n;
}

unsigned int soak(void)
{
	return number("XPV_SOAK", 1000000);
}

unsigned int soak_seed(void)
{
	return number("XPV_SEED", 2000000000);
}

void soak_count(unsigned long n, const char *what)
{
	fprintf(stderr, "soak: %lu %s\n", n, what);
}

uint64_t soak_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}
