/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Barriers and single-access loads and stores on memory that is shared with
 * a domain we do not trust.
 *
 * acquire: what the peer wrote before it published an index is visible after
 *          we have loaded that index.
 * release: what we wrote into slots is visible before the index that
 *          publishes them.
 * mb:      the only store-to-load barrier: an index or event we published is
 *          visible before we look at the peer's. Without it both sides can
 *          go to sleep on a full ring.
 *
 * The kernel variants are the virt_* ones: a guest built for one CPU still
 * shares memory with a backend on another.
 */
#ifndef XPV_BARRIER_H
#define XPV_BARRIER_H

#ifdef __KERNEL__

#include <linux/types.h>
#include <linux/string.h>
#include <linux/compiler.h>
#include <asm/barrier.h>

#define xpv_load_once(p)	READ_ONCE(*(p))
#define xpv_store_once(p, v)	WRITE_ONCE(*(p), (v))
#define xpv_load_acquire(p)	virt_load_acquire(p)
#define xpv_store_release(p, v) virt_store_release(p, v)
#define xpv_mb()		virt_mb()
#define xpv_compiler_barrier()	barrier()

#else

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define xpv_load_once(p)	__atomic_load_n((p), __ATOMIC_RELAXED)
#define xpv_store_once(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define xpv_load_acquire(p)	__atomic_load_n((p), __ATOMIC_ACQUIRE)
#define xpv_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define xpv_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xpv_compiler_barrier()	__asm__ __volatile__("" ::: "memory")

#endif

/* Grants are of 4 KiB pages, whatever page size either kernel uses. */
#define XPV_PAGE_SHIFT 12
#define XPV_PAGE_SIZE  4096u

/*
 * Copy @len bytes out of shared memory exactly once. The barrier forbids the
 * compiler to go back to @shared for a value that was already checked in the
 * private copy (a double fetch, XSA-155).
 */
static inline void xpv_copy_once(void *private, const void *shared, size_t len)
{
	memcpy(private, shared, len);
	xpv_compiler_barrier();
}

#endif
