// SPDX-License-Identifier: MIT
#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BURST		 10u /* lines at once */
#define SECONDS_PER_LINE 10u /* afterwards */

static bool journal;

/* systemd sets JOURNAL_STREAM when stderr is the journal's. */
void log_init(void)
{
	journal = getenv("JOURNAL_STREAM") != NULL;
	setvbuf(stderr, NULL, _IOLBF, 0);
}

static uint64_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

void log_budget_init(struct log_budget *budget)
{
	*budget = (struct log_budget){
		.refilled = seconds(),
		.tokens = BURST,
	};
}

static void refill(struct log_budget *budget)
{
	uint64_t earned = (seconds() - budget->refilled) / SECONDS_PER_LINE;

	if (!earned)
		return;
	budget->refilled += earned * SECONDS_PER_LINE;
	if (earned > BURST - budget->tokens)
		earned = BURST - budget->tokens;
	budget->tokens += (uint32_t)earned;
}

/* FNV-1a: equal lines are to be told, not to be kept. */
static uint32_t hash(const char *text)
{
	uint32_t sum = 2166136261u;

	for (; *text; text++)
		sum = (sum ^ (unsigned char)*text) * 16777619u;
	return sum;
}

static void put(int level, const char *who, const char *text, uint32_t dropped)
{
	char prefix[8] = "";

	if (journal)
		snprintf(prefix, sizeof(prefix), "<%d>", level);
	if (dropped)
		fprintf(stderr, "%sxpvd: %s%s (%u lines left out before)\n",
			prefix, who, text, dropped);
	else
		fprintf(stderr, "%sxpvd: %s%s\n", prefix, who, text);
}

void log_daemon(int level, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	put(level, "", text, 0);
}

void log_charged(struct log_budget *budget, int level, const char *who,
		 const char *fmt, ...)
{
	char text[1024], prefix[64];
	va_list args;
	uint32_t sum;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	sum = hash(text);
	refill(budget);
	if (!budget->tokens || sum == budget->last) {
		budget->dropped++;
		return;
	}
	budget->tokens--;
	budget->last = sum;
	snprintf(prefix, sizeof(prefix), "%s: ", who);
	put(level, prefix, text, budget->dropped);
	budget->dropped = 0;
}
