// SPDX-License-Identifier: MIT
/*
 * What is under the disk: the same requests from a loop over io_uring alone, on
 * one core, with everything registered that can be. No guest, no copy, no
 * check; what it reads stays where it is.
 */
#include "disk_load.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>

struct peer {
	struct io_uring ring;
	struct iovec iov[DISK_DEPTH];
};

static void open_peer(struct peer *p, int fd)
{
	struct io_uring_params params = {
		.flags =
			IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	};
	unsigned int i;
	int err = io_uring_queue_init_params(64, &p->ring, &params);

	if (err)
		die("io_uring: %s", strerror(-err));
	for (i = 0; i < DISK_DEPTH; i++) {
		p->iov[i].iov_base = aligned_alloc(4096, REQUEST_SIZE);
		p->iov[i].iov_len = REQUEST_SIZE;
		memset(p->iov[i].iov_base, 0, REQUEST_SIZE);
	}
	err = io_uring_register_files(&p->ring, &fd, 1);
	if (!err)
		err = io_uring_register_buffers(&p->ring, p->iov, DISK_DEPTH);
	if (err)
		die("io_uring: %s", strerror(-err));
	io_uring_register_ring_fd(&p->ring);
}

static void close_peer(struct peer *p)
{
	unsigned int i;

	io_uring_queue_exit(&p->ring);
	for (i = 0; i < DISK_DEPTH; i++)
		free(p->iov[i].iov_base);
}

static void queue(struct peer *p, unsigned int slot, bool write)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&p->ring);
	void *buf = p->iov[slot].iov_base;

	if (write)
		io_uring_prep_write_fixed(sqe, 0, buf, REQUEST_SIZE,
					  random_offset(), (int)slot);
	else
		io_uring_prep_read_fixed(sqe, 0, buf, REQUEST_SIZE,
					 random_offset(), (int)slot);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	io_uring_sqe_set_data64(sqe, slot);
}

/* Requests answered in this turn; each is followed by another. */
static unsigned int turn(struct peer *p, bool write)
{
	struct io_uring_cqe *cqe[DISK_DEPTH];
	unsigned int n, i;

	io_uring_submit_and_wait(&p->ring, 1);
	n = io_uring_peek_batch_cqe(&p->ring, cqe, DISK_DEPTH);
	for (i = 0; i < n; i++) {
		if (cqe[i]->res != (int)REQUEST_SIZE)
			die("the file: %s", strerror(-cqe[i]->res));
		queue(p, (unsigned int)io_uring_cqe_get_data64(cqe[i]), write);
	}
	io_uring_cq_advance(&p->ring, n);
	return n;
}

struct figure disk_uring(void *arg)
{
	const struct disk_load *load = arg;
	struct peer p;
	uint64_t start, end, cpu, done = 0;
	unsigned int i;

	pin_thread(1); /* where the worker runs */
	open_peer(&p, load->fd);
	for (i = 0; i < load->depth; i++)
		queue(&p, i, load->write);
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	start = now_ns();
	do {
		for (i = 0; i < 16; i++)
			done += turn(&p, load->write);
		end = now_ns();
	} while (end - start < load->duration);
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	close_peer(&p);
	return (struct figure){
		.value = (double)done * 1e9 / (double)(end - start),
		.cpu = (double)cpu / (double)done,
	};
}
