/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The memory of a local machine: one sparse memfd, mapped whole by every
 * process that opens a handle.
 *
 * Who writes what: grant entries and ports are written by the broker only;
 * everybody reads them. A handle's records of what it uses (`in_use`, `maps`)
 * are written by that handle and read by the broker, and its event bits by
 * everybody.
 *
 * There are no reference counts. A user first publishes what it is about to
 * use in a record of its own and then looks at the grant entry; the broker
 * first clears the entry and then looks at the records (both sides
 * sequentially consistent, so at least one of them sees the other). When a
 * process dies at any instruction, clearing its records is all the clean-up
 * that its mappings and copies need; a count would be left wrong.
 */
#ifndef XPV_LOCAL_SHM_H
#define XPV_LOCAL_SHM_H

#include <stdbool.h>
#include <stdint.h>

#include "barrier.h"
#include "hyper/hyper.h"

#define LOCAL_MAGIC	 0x787076316c6f6361ull
#define LOCAL_DOMIDS	 XPV_DOMID_FIRST_RESERVED
#define LOCAL_SLOTS	 2048u /* living and dying domains */
#define LOCAL_GRANTS	 32768u /* a domain: 64 frames of v1 entries */
#define LOCAL_PORTS	 4096u /* a domain: as the 2-level ABI */
#define LOCAL_HANDLES	 4096u /* all processes together */
#define LOCAL_MAPS	 65536u /* pages mapped by one handle, as gntdev */
#define LOCAL_FRAMES	 (4u << 20) /* 16 GiB for all domains */

#define LOCAL_GREF_FIRST 8u /* Xen reserves 0-7 */

/* Sequentially consistent, see above. On x86 only the store costs. */
#define shm_load(p)	   __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define shm_store(p, v)	   __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define shm_or(p, v)	   __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define shm_and(p, v)	   __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST)
#define shm_exchange(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)

/* A grant entry: one word, so that one load is a consistent view. */
#define GRANT_VALID (1ull << 63)
#define GRANT_RO    (1ull << 62)
static inline uint64_t grant_entry(uint16_t to, bool writable, uint32_t frame)
{
	return GRANT_VALID | (writable ? 0 : GRANT_RO) | (uint64_t)to << 32 |
	       frame;
}
static inline uint16_t grant_to(uint64_t entry)
{
	return (uint16_t)(entry >> 32);
}
static inline uint32_t grant_frame(uint64_t entry)
{
	return (uint32_t)entry;
}

/* A record of use: a grant of one domain instance. 0 is an empty one. */
#define USE_VALID (1ull << 63)
static inline uint64_t use_record(uint32_t slot, uint32_t gref)
{
	return USE_VALID | (uint64_t)slot << 32 | gref;
}
static inline uint32_t use_slot(uint64_t use)
{
	return (uint32_t)(use >> 32) & 0xffff;
}
static inline uint32_t use_gref(uint64_t use)
{
	return (uint32_t)use;
}

enum port_state {
	PORT_FREE,
	PORT_UNBOUND, /* offered to domain `peer` */
	PORT_INTERDOMAIN, /* bound to port `peer_port` of slot `peer` */
};
static inline uint64_t port_link(enum port_state state, uint32_t peer,
				 uint32_t peer_port)
{
	return (uint64_t)state << 48 | (uint64_t)peer << 32 | peer_port;
}
static inline enum port_state link_state(uint64_t link)
{
	return (enum port_state)(link >> 48);
}
static inline uint32_t link_peer(uint64_t link)
{
	return (uint32_t)(link >> 32) & 0xffff;
}
static inline uint32_t link_peer_port(uint64_t link)
{
	return (uint32_t)link;
}

struct shm_port {
	uint64_t link;
	uint64_t owner; /* token of the handle that it signals */
};

/* A handle's name for its whole life: its index and a use count. */
static inline uint32_t token_id(uint64_t token)
{
	return (uint32_t)token & (LOCAL_HANDLES - 1);
}

struct shm_handle {
	/* This handle and the broker. */
	uint64_t in_use[2] __attribute__((aligned(64))); /* by a copy */
	uint32_t nr_maps; /* records of `maps` that may be set */

	/* Everybody that may notify it. */
	uint32_t signalled __attribute__((aligned(64))); /* fd is, or will be */
	uint64_t selector; /* words of pending & ~masked that may be set */
	uint64_t pending[LOCAL_PORTS / 64];
	uint64_t masked[LOCAL_PORTS / 64];
};

struct shm_domain {
	uint32_t dead;
	uint32_t domid;
	uint64_t grants[LOCAL_GRANTS];
	struct shm_port ports[LOCAL_PORTS];
};

struct shm {
	uint64_t magic;
	uint16_t slot_of[LOCAL_DOMIDS]; /* slot + 1 of the living domain */
	struct shm_handle handles[LOCAL_HANDLES];
	struct shm_domain domains[LOCAL_SLOTS];
	uint64_t maps[LOCAL_HANDLES][LOCAL_MAPS];
	unsigned char frames[LOCAL_FRAMES][XPV_PAGE_SIZE]
		__attribute__((aligned(4096)));
};

/* The slot of a living domain, or -1. */
static inline int shm_slot(struct shm *shm, uint32_t domid)
{
	if (domid >= LOCAL_DOMIDS)
		return -1;
	return (int)shm_load(&shm->slot_of[domid]) - 1;
}

/*
 * Raise @port of the handle @to. True: its eventfd has to be written, which
 * is the caller's promise from here on.
 */
static inline bool shm_raise(struct shm_handle *to, uint32_t port)
{
	uint64_t bit = 1ull << (port % 64);
	uint32_t word = port / 64;

	shm_or(&to->pending[word], bit);
	if (shm_load(&to->masked[word]) & bit)
		return false; /* shm_unmask() will see the pending bit */
	shm_or(&to->selector, 1ull << word);
	return !shm_load(&to->signalled) && !shm_exchange(&to->signalled, 1);
}

/* Unmask a port; true as for shm_raise(). */
static inline bool shm_unmask(struct shm_handle *me, uint32_t port)
{
	uint64_t bit = 1ull << (port % 64);
	uint32_t word = port / 64;

	shm_and(&me->masked[word], ~bit);
	if (!(shm_load(&me->pending[word]) & bit))
		return false;
	shm_or(&me->selector, 1ull << word);
	return !shm_load(&me->signalled) && !shm_exchange(&me->signalled, 1);
}

#endif
