/* SPDX-License-Identifier: MIT */
/*
 * A process walked through its program, instruction by instruction, so that it
 * can be killed between any two of them.
 */
#ifndef XPV_TESTS_STEPPER_H
#define XPV_TESTS_STEPPER_H

#include <stdbool.h>
#include <sys/types.h>

/* A step is a switch to the other process and back: fast on one CPU. */
void stepper_stay_here(void);
/* Stop a process that runs or sleeps; fails the test. */
void stepper_stop(pid_t pid);
/* Steps it once. False: it sleeps, and was left running. */
bool stepper_step(pid_t pid);

#endif
