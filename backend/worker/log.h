/* SPDX-License-Identifier: MIT */
/*
 * Lines for the journal, on stderr. What a guest can provoke is bounded: a
 * worker writes a burst and then a line every few seconds, and says how many
 * it left out (XSA-43, XSA-157).
 */
#ifndef XPV_LOG_H
#define XPV_LOG_H

__attribute__((format(printf, 1, 2))) void log_line(const char *fmt, ...);

#endif
