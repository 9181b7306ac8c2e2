/* SPDX-License-Identifier: MIT */
/*
 * Lines on stderr, with syslog levels where that is the journal. What a guest
 * can provoke goes through a budget of its device: a burst, then a line every
 * few seconds, and the same line once until something else happens (XSA-43,
 * XSA-157).
 */
#ifndef XPV_SUPERVISOR_LOG_H
#define XPV_SUPERVISOR_LOG_H

#include <stdint.h>
#include <syslog.h>

struct log_budget {
	uint64_t refilled; /* monotonic seconds */
	uint32_t tokens;
	uint32_t dropped;
	uint32_t last; /* hash of the last line */
};

void log_init(void);
void log_budget_init(struct log_budget *budget);

/* About the supervisor itself. @level: LOG_ERR, LOG_WARNING, LOG_INFO. */
__attribute__((format(printf, 2, 3))) void log_daemon(int level,
						      const char *fmt, ...);
/* About what @who has charged to @budget. */
__attribute__((format(printf, 4, 5))) void log_charged(
	struct log_budget *budget, int level, const char *who, const char *fmt,
	...);

#endif
