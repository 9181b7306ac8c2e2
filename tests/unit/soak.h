/* SPDX-License-Identifier: MIT */
/*
 * Tests that chance has a part in: XPV_SOAK=N makes them N times as long,
 * XPV_SEED=N other ones; what they counted stands on stderr, for
 * tests/soak.sh.
 */
#ifndef XPV_TESTS_SOAK_H
#define XPV_TESTS_SOAK_H

#include <stdint.h>

/* 1: nobody asked for more; fails on what is no number over 0. */
unsigned int soak(void);
/* 1: nobody asked for another one. */
unsigned int soak_seed(void);
/* "soak: N WHAT"; once all of it has gone well. */
void soak_count(unsigned long n, const char *what);
/* CLOCK_MONOTONIC. */
uint64_t soak_usec(void);

#endif
