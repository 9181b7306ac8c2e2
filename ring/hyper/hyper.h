/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The hypervisor seam: grants, event channels and the store, as a userspace
 * process of one domain sees them.
 *
 * Two implementations: xen.c (the real ones, through libxengnttab,
 * libxenevtchn and libxenstore) and local.c (memfd, eventfd and an in-memory
 * store: the same rules, permissions and failures without Xen, across
 * processes). Nothing above this header knows which one it has.
 *
 * A handle is opened for the parts it needs and belongs to one thread; an
 * operation of a part that it was not opened for is -EINVAL. A forked child
 * must not use the handles of its parent except to close them.
 * Functions return 0 or a non-negative result, or a negative errno.
 *
 * A process that enters a seccomp sandbox with open handles needs, over Xen,
 * ioctl, mmap, munmap, read and write on them; over a local machine mmap,
 * munmap, madvise, sendmsg, recvmsg, read, write, poll and close. Copies make
 * no system call there, notifications a write.
 */
#ifndef XPV_HYPER_H
#define XPV_HYPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XPV_DOMID_SELF		 0x7ff0u /* DOMID_SELF, xen/xen.h */
#define XPV_DOMID_FIRST_RESERVED 0x7ff0u

/* Parts of a handle. */
enum {
	HYPER_GRANT = 1, /* map and copy what others granted to us */
	HYPER_SHARE = 2, /* grant pages of our own to others */
	HYPER_EVTCHN = 4,
	HYPER_STORE = 8,
};

/* Protection of a mapping. */
enum {
	HYPER_READ = 1,
	HYPER_WRITE = 2,
};

/*
 * Status of one copy operation: GNTST_* of xen/grant_table.h, unchanged. Only
 * HYPER_COPY_OKAY means that the bytes were copied; compare with nothing else.
 */
enum {
	HYPER_COPY_OKAY = 0,
	HYPER_COPY_ERROR = -1, /* GNTST_general_error, one of several */
};

/* One end of a copy: bytes in a granted page, or in our own memory. */
struct hyper_copy_end {
	bool is_grant;
	uint16_t domid; /* grant only */
	uint16_t offset; /* grant only: within the page */
	uint32_t gref; /* grant only */
	void *virt; /* own memory only; any alignment */
};

/*
 * Copy @len bytes. A grant end lies within one page. Both ends may be grants,
 * of different domains. @status is set per operation: one failed operation
 * does not stop the others.
 */
struct hyper_copy {
	struct hyper_copy_end src, dst;
	uint16_t len;
	int16_t status;
};

struct hyper;

/* Called for each node that a watch reports. */
struct hyper_watch_event {
	char path[3072 + 1];
	char token[128];
};

struct hyper_ops {
	void (*close)(struct hyper *h);

	/* --- HYPER_GRANT --- */
	/*
	 * Map @n pages that @domid granted, side by side. All or nothing:
	 * returns NULL and sets errno if any of them cannot be mapped. A
	 * mapping stays valid memory until unmap(), even if the domain is
	 * destroyed or ends the grant meanwhile. Children do not inherit it.
	 */
	void *(*map)(struct hyper *h, uint16_t domid, const uint32_t *grefs,
		     unsigned int n, int prot);
	/* Of exactly what one map() returned. */
	int (*unmap)(struct hyper *h, void *addr, unsigned int n);
	/* 0 if the batch ran (see each status), -errno if none of it did. */
	int (*copy)(struct hyper *h, struct hyper_copy *ops, unsigned int n);

	/* --- HYPER_SHARE --- */
	/* @n zeroed pages granted to @domid; fills grefs[n]. NULL + errno. */
	void *(*share)(struct hyper *h, uint16_t domid, unsigned int n,
		       bool writable, uint32_t *grefs);
	/*
	 * End the grants and free the pages of exactly one share(). -EBUSY:
	 * the peer still maps one of them; nothing was freed then (XSA-396:
	 * never reuse such a page). Over Xen it is the kernel that keeps such
	 * pages back, and the answer is 0. close() ends what is left, and
	 * pages that are in use then are kept back as well.
	 */
	int (*unshare)(struct hyper *h, void *addr, unsigned int n);

	/* --- HYPER_EVTCHN --- */
	/*
	 * Readable when an event is pending; wake-ups without one happen.
	 * Owned by the handle: only evtchn_next() reads it.
	 */
	int (*evtchn_fd)(struct hyper *h);
	/*
	 * Offer a port to @domid; returns the local port. When the other end
	 * is closed or its process dies, the port is on offer again; a notify
	 * meanwhile is dropped and is no error. The end that binds next
	 * starts with a pending event, so it need not be told.
	 */
	int (*evtchn_alloc)(struct hyper *h, uint16_t domid);
	/*
	 * Bind to @remote_port that @domid offers us; returns the local port.
	 * The local port is pending at once, so that no event is lost.
	 */
	int (*evtchn_bind)(struct hyper *h, uint16_t domid,
			   uint32_t remote_port);
	int (*evtchn_unbind)(struct hyper *h, uint32_t port);
	/*
	 * From now on and for good, this handle binds to ports of @domid alone:
	 * any other domain's, and an alloc, is -EACCES; so is a second call.
	 */
	int (*evtchn_restrict)(struct hyper *h, uint16_t domid);
	int (*evtchn_notify)(struct hyper *h, uint32_t port);
	/*
	 * The next pending port, which is then masked until evtchn_unmask();
	 * -EAGAIN if none is. Never blocks.
	 *
	 * -EOVERFLOW: events were lost. Treat every port of this handle as if
	 * it had been returned: look at all rings, and unmask all ports.
	 */
	int (*evtchn_next)(struct hyper *h);
	int (*evtchn_unmask)(struct hyper *h, uint32_t port);

	/* --- HYPER_STORE --- */
	/*
	 * Readable when a watch event is waiting. Take events until -EAGAIN
	 * before sleeping on it.
	 */
	int (*store_fd)(struct hyper *h);
	/*
	 * Transactions: @tx 0 means none. tx_end returns -EAGAIN when the
	 * transaction has to be run again.
	 */
	int (*tx_start)(struct hyper *h, uint32_t *tx);
	int (*tx_end)(struct hyper *h, uint32_t tx, bool abort);
	/* The value, NUL-terminated, to be freed; NULL + errno. */
	char *(*read)(struct hyper *h, uint32_t tx, const char *path);
	int (*write)(struct hyper *h, uint32_t tx, const char *path,
		     const char *value);
	int (*mkdir)(struct hyper *h, uint32_t tx, const char *path);
	int (*rm)(struct hyper *h, uint32_t tx, const char *path);
	/*
	 * The names of the children, a NULL-terminated array in one block to
	 * be freed; *n their number. NULL + errno.
	 */
	char **(*list)(struct hyper *h, uint32_t tx, const char *path,
		       unsigned int *n);
	/*
	 * Owner and one more domain's access ("" none, "r", "w", "rw");
	 * everybody else has none.
	 */
	int (*set_perms)(struct hyper *h, uint32_t tx, const char *path,
			 uint16_t owner, uint16_t peer, const char *access);
	int (*watch)(struct hyper *h, const char *path, const char *token);
	int (*unwatch)(struct hyper *h, const char *path, const char *token);
	/*
	 * 0 and *event, -EAGAIN if none waits. Never blocks. A watch fires
	 * once when it is made; events that nobody has read yet coalesce.
	 */
	int (*next_watch)(struct hyper *h, struct hyper_watch_event *event);
	/* Is this domain alive (known to the store)? */
	bool (*domain_alive)(struct hyper *h, uint16_t domid);
};

/* Implementations embed this as their first member. */
struct hyper {
	const struct hyper_ops *ops;
	/* Our own domid; XPV_DOMID_SELF if Xen's store cannot be asked. */
	uint16_t self;
	unsigned int parts;
};

/*
 * Open by specification: "xen", or "local:PATH:DOMID" where PATH is the
 * socket of a machine made by hyper_local_create(). NULL + errno.
 */
struct hyper *hyper_open(const char *spec, unsigned int parts);

static inline void hyper_close(struct hyper *h)
{
	if (h)
		h->ops->close(h);
}

/* ---- helpers on the store, the same over both (store.c) ---- */

/* printf-style path under @dir; "-ENAMETOOLONG" over 3072 bytes. */
char *hyper_readf(struct hyper *h, uint32_t tx, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* write value printed by @fmt at "@dir/@key". */
int hyper_writef(struct hyper *h, uint32_t tx, const char *dir, const char *key,
		 const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* ---- a local machine (local.c), for tests and benchmarks ---- */

struct hyper_machine;

/*
 * A machine whose store and grants live in this process and are reached by
 * others through the socket @path (NULL: a fresh one in a temporary
 * directory). NULL + errno.
 */
struct hyper_machine *hyper_local_create(const char *path);
void hyper_local_destroy(struct hyper_machine *m);
/* "local:PATH:DOMID" for hyper_open(), valid while the machine lives. */
const char *hyper_local_spec(struct hyper_machine *m, uint16_t domid, char *buf,
			     size_t len);
/*
 * Domains: created and destroyed as a toolstack would. Domain 0 is there from
 * the start. A new one gets /local/domain/N, which it owns, with its domid in
 * it; a destroyed one loses it. Handles that a destroyed domain has open fail
 * from then on with -ESRCH; what peers map of it stays until they unmap it.
 */
int hyper_local_domain_create(struct hyper_machine *m, uint16_t domid);
int hyper_local_domain_destroy(struct hyper_machine *m, uint16_t domid);
/*
 * As if xenstored were killed: handles with HYPER_STORE break, and new ones
 * fail until it is started again; with what it had, or with nothing but a home
 * of domain 0. Handles without that part notice nothing.
 */
void hyper_local_store_stop(struct hyper_machine *m);
int hyper_local_store_start(struct hyper_machine *m, bool empty);

#endif
