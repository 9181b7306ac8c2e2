/* SPDX-License-Identifier: MIT */
/* Tests that can be made to run for longer: XPV_SOAK=N, N times as long. */
#ifndef XPV_TESTS_SOAK_H
#define XPV_TESTS_SOAK_H

#include <stdint.h>

/* 1: nobody asked for more; fails on what is no number over 0. */
unsigned int soak(void);
/* CLOCK_MONOTONIC. */
uint64_t soak_usec(void);

#endif
