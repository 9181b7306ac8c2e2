// SPDX-License-Identifier: MIT
#include "uring_stock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SQ_ENTRIES 64
/* As many as a ring of 16 pages holds requests; more than that only waits. */
#define CQ_ENTRIES 512

static struct uring_ring *stock;
static bool stock_only; /* there was one: no more can be made */

static int open_ring(struct io_uring *ring)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE |
			 IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		.cq_entries = CQ_ENTRIES,
	};
	int err = io_uring_queue_init_params(SQ_ENTRIES, ring, &p);

	if (err != -EINVAL)
		return err;
	/* Before Linux 6.1. */
	p = (struct io_uring_params){
		.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE,
		.cq_entries = CQ_ENTRIES,
	};
	return io_uring_queue_init_params(SQ_ENTRIES, ring, &p);
}

/* liburing 2.3 declares functions for these, which it does not export. */
static int call(const struct io_uring *ring, unsigned int op, void *arg,
		unsigned int n)
{
	return syscall(SYS_io_uring_register, ring->ring_fd, op, arg, n)
		       ? -errno
		       : 0;
}

/* From here on. */
static int restrict_ring(struct io_uring *ring)
{
	struct io_uring_restriction allowed[] = {
		{.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READ},
		{.opcode = IORING_RESTRICTION_SQE_OP,
		 .sqe_op = IORING_OP_READV},
		{.opcode = IORING_RESTRICTION_SQE_OP,
		 .sqe_op = IORING_OP_WRITE},
		{.opcode = IORING_RESTRICTION_SQE_OP,
		 .sqe_op = IORING_OP_WRITEV},
		{.opcode = IORING_RESTRICTION_SQE_OP,
		 .sqe_op = IORING_OP_FSYNC},
		{.opcode = IORING_RESTRICTION_SQE_OP,
		 .sqe_op = IORING_OP_FALLOCATE},
		{.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
		 .sqe_flags = IOSQE_FIXED_FILE},
		{.opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED,
		 .sqe_flags = IOSQE_FIXED_FILE},
		{.opcode = IORING_RESTRICTION_REGISTER_OP,
		 .register_op = IORING_REGISTER_FILES},
		{.opcode = IORING_RESTRICTION_REGISTER_OP,
		 .register_op = IORING_UNREGISTER_FILES},
	};
	int err = call(ring, IORING_REGISTER_RESTRICTIONS, allowed,
		       sizeof(allowed) / sizeof(allowed[0]));

	return err ? err : call(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

static int setup(struct uring_ring *r)
{
	int err = io_uring_register_eventfd(&r->ring, r->wake);

	if (err)
		return err;
	io_uring_cq_eventfd_toggle(&r->ring, false);
	io_uring_ring_dontfork(&r->ring);
	/* Saves a lookup a call; a thread has few of them, so it may fail. */
	io_uring_register_ring_fd(&r->ring);
	return restrict_ring(&r->ring);
}

static struct uring_ring *make(void)
{
	struct uring_ring *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return NULL;
	r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = r->wake < 0 ? -errno : open_ring(&r->ring);
	if (!err) {
		err = setup(r);
		if (!err)
			return r;
		io_uring_queue_exit(&r->ring);
	}
	if (r->wake >= 0)
		close(r->wake);
	free(r);
	errno = -err;
	return NULL;
}

static void put(struct uring_ring *r)
{
	r->next = stock;
	stock = r;
}

void uring_stock(void)
{
	struct uring_ring *r;

	stock_only = true;
	for (unsigned int n = 0; n < URING_STOCK && (r = make()); n++) {
		r->stocked = true;
		put(r);
	}
}

struct uring_ring *uring_take(void)
{
	struct uring_ring *r = stock;

	if (!r && !stock_only)
		return make();
	if (r)
		stock = r->next;
	else
		errno = EUSERS;
	return r;
}

void uring_return(struct uring_ring *r)
{
	/* Else the kernel lets go of the disk when it gets round to it, and
	 * the script that takes the disk apart finds it busy. */
	io_uring_unregister_files(&r->ring);
	if (r->stocked) {
		put(r);
		return;
	}
	io_uring_queue_exit(&r->ring);
	close(r->wake);
	free(r);
}
