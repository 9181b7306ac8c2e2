// SPDX-License-Identifier: MIT
#include "hyper_doms.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct doms doms;

bool over_xen(void)
{
	const char *which = getenv("XPV_HYPER");

	return which && !strcmp(which, "xen");
}

struct hyper *doms_open(uint16_t domid, unsigned int parts)
{
	char spec[256];

	if (!doms.machine)
		return hyper_open("xen", parts);
	return hyper_open(hyper_local_spec(doms.machine, domid, spec,
					   sizeof(spec)),
			  parts);
}

void doms_setup(void)
{
	memset(&doms, 0, sizeof(doms));
	if (!over_xen()) {
		doms.machine = hyper_local_create(NULL);
		ck_assert_ptr_nonnull(doms.machine);
		doms.front_id = 5;
		ck_assert_int_eq(hyper_local_domain_create(doms.machine, 5), 0);
	}
	doms.front = doms_open(doms.front_id, ALL);
	doms.back = doms_open(doms.back_id, ALL);
	ck_assert_ptr_nonnull(doms.front);
	ck_assert_ptr_nonnull(doms.back);
	doms.front_id = doms.front->self;
	doms.back_id = doms.back->self;
}

void doms_teardown(void)
{
	hyper_close(doms.front);
	hyper_close(doms.back);
	hyper_local_destroy(doms.machine);
}

/* ---- processes ---- */

struct child child_start(void (*body)(struct child *parent, void *arg),
			 void *arg)
{
	int up[2], down[2];
	struct child c;

	ck_assert_int_eq(pipe(up), 0);
	ck_assert_int_eq(pipe(down), 0);
	c.pid = fork();
	ck_assert_int_ge(c.pid, 0);
	if (!c.pid) {
		struct child parent = {.from = down[0], .to = up[1]};

		close(up[0]);
		close(down[1]);
		body(&parent, arg);
		_exit(0);
	}
	close(up[1]);
	close(down[0]);
	c.from = up[0];
	c.to = down[1];
	return c;
}

void child_tell(struct child *c, int value)
{
	if (write(c->to, &value, sizeof(value)) != sizeof(value))
		abort();
}

int child_hear(struct child *c)
{
	int value;

	if (read(c->from, &value, sizeof(value)) != sizeof(value))
		abort(); /* it said on stderr why it ended */
	return value;
}

static int wait_for(struct child *c)
{
	int status;

	ck_assert_int_eq(waitpid(c->pid, &status, 0), c->pid);
	close(c->from);
	close(c->to);
	return status;
}

void child_kill(struct child *c)
{
	ck_assert_int_eq(kill(c->pid, SIGKILL), 0);
	wait_for(c);
}

void child_join(struct child *c)
{
	int status = wait_for(c);

	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}

void child_expect_signal(struct child *c, int sig)
{
	int status = wait_for(c);

	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), sig);
}

/* ---- small things ---- */

bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1 && p.revents & POLLIN;
}

int copy_in(struct hyper *h, uint16_t domid, uint32_t gref, void *to,
	    uint16_t offset, uint16_t len)
{
	struct hyper_copy op = {
		.src = {.is_grant = true,
			.domid = domid,
			.gref = gref,
			.offset = offset},
		.dst = {.virt = to},
		.len = len,
	};

	ck_assert_int_eq(h->ops->copy(h, &op, 1), 0);
	return op.status;
}

int copy_out(struct hyper *h, uint16_t domid, uint32_t gref, void *from,
	     uint16_t offset, uint16_t len)
{
	struct hyper_copy op = {
		.src = {.virt = from},
		.dst = {.is_grant = true,
			.domid = domid,
			.gref = gref,
			.offset = offset},
		.len = len,
	};

	ck_assert_int_eq(h->ops->copy(h, &op, 1), 0);
	return op.status;
}
