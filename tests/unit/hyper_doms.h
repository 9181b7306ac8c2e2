/* SPDX-License-Identifier: MIT */
/*
 * Two domains for the tests of the hypervisor seam: a frontend's, which
 * grants and offers, and a backend's. On a local machine they are domains 5
 * and 0. With XPV_HYPER=xen they are both the domain that the test runs in,
 * on the real hypervisor, and the tests that need more are left out.
 */
#ifndef XPV_TESTS_HYPER_DOMS_H
#define XPV_TESTS_HYPER_DOMS_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "hyper/hyper.h"

#define PAGE 4096u
#define RW   (HYPER_READ | HYPER_WRITE)
#define ALL  (HYPER_GRANT | HYPER_SHARE | HYPER_EVTCHN | HYPER_STORE)

struct doms {
	struct hyper_machine *machine; /* NULL over Xen */
	uint16_t front_id, back_id;
	struct hyper *front, *back;
};

/* Each test's own: it is made by a fixture and forgotten with its process. */
extern struct doms doms;

bool over_xen(void);
void doms_setup(void);
void doms_teardown(void);
struct hyper *doms_open(uint16_t domid, unsigned int parts);

/* Run @body in a process of its own, which tells @step on a pipe as it goes. */
struct child {
	pid_t pid;
	int from, to; /* our ends of two pipes */
};
struct child child_start(void (*body)(struct child *parent, void *arg),
			 void *arg);
/* One number each way; a child that fails an assertion closes its end. */
void child_tell(struct child *c, int value);
int child_hear(struct child *c);
void child_kill(struct child *c);
/* It has to end by itself with status 0. */
void child_join(struct child *c);
void child_expect_signal(struct child *c, int sig);

/* In a child, where Check's own assertions do not reach the runner. */
#define MUST(x)                                                                \
	do {                                                                   \
		if (!(x)) {                                                    \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__,     \
				#x);                                           \
			_exit(3);                                              \
		}                                                              \
	} while (0)

/* Poll until @cond or 5 s; for what the broker does on its own. */
#define EVENTUALLY(cond)                                                       \
	do {                                                                   \
		int left_ = 5000;                                              \
		while (!(cond) && left_--)                                     \
			usleep(1000);                                          \
		ck_assert_msg(left_ >= 0, "never: " #cond);                    \
	} while (0)

bool readable(int fd);
/* A copy between our memory and a grant; its status. */
int copy_in(struct hyper *h, uint16_t domid, uint32_t gref, void *to,
	    uint16_t offset, uint16_t len);
int copy_out(struct hyper *h, uint16_t domid, uint32_t gref, void *from,
	     uint16_t offset, uint16_t len);

#endif
