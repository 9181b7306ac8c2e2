/* SPDX-License-Identifier: MIT */
/*
 * Rings of io_uring that can do what a disk needs and nothing else: read,
 * write, flush and allocate, on files that are registered with them. What is
 * put into a ring no filter of system calls sees, so that a process whose
 * system calls are filtered must not make rings: it takes a stock of these
 * with it.
 */
#ifndef XPV_URING_STOCK_H
#define XPV_URING_STOCK_H

#include <liburing.h>
#include <stdbool.h>

/* As many disks of a guest are driven by io_uring in a sandbox. */
#define URING_STOCK 16u

struct uring_ring {
	struct io_uring ring; /* no file is registered */
	int wake; /* the registered eventfd */
	struct uring_ring *next; /* in the stock */
	bool stocked; /* goes back there */
};

/*
 * Make the stock. Rings are their thread's, which is the one that they are
 * taken in. What the kernel refuses is missing, no more.
 */
void uring_stock(void);
/* From the stock, if there ever was one, or new. NULL + errno. */
struct uring_ring *uring_take(void);
/* With nothing in flight. */
void uring_return(struct uring_ring *r);

#endif
