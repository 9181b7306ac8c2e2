// SPDX-License-Identifier: MIT
#include "stepper.h"

#include <check.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#define PATIENCE 20000 /* turns that a step takes, at most */

void stepper_stay_here(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
}

void stepper_stop(pid_t pid)
{
	ck_assert_int_eq(ptrace(PTRACE_SEIZE, pid, NULL, NULL), 0);
	ck_assert_int_eq(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

bool stepper_step(pid_t pid)
{
	int n, status;

	ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
	for (n = 0; n < PATIENCE; n++) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		ck_assert_int_ge(got, 0);
		if (got == pid) {
			ck_assert(WIFSTOPPED(status));
			return true;
		}
		sched_yield();
	}
	return false;
}
