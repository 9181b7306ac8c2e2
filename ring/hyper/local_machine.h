/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The machine behind the handles: its memory, its domains and its broker, a
 * thread of the process that created it. Everything here is under
 * hyper_machine.lock, which the broker holds while it serves a request and
 * hyper_local_domain_create() and its like while they run.
 */
#ifndef XPV_LOCAL_MACHINE_H
#define XPV_LOCAL_MACHINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <sys/un.h>

#include "hyper/local_shm.h"
#include "hyper/local_wire.h"
#include "hyper/local_xs.h"

/* Pages granted by one hyper_share(). */
struct grants {
	LIST_ENTRY(grants) link;
	uint32_t slot, frame, n;
	uint16_t to;
	uint32_t gref[];
};
LIST_HEAD(grants_list, grants);

/* One opened handle. */
struct conn {
	int sock;
	uint32_t id;
	uint64_t token;
	uint32_t slot;
	uint16_t domid;
	bool ready; /* it said hello */
	unsigned int parts;
	bool restricted; /* binds to restricted_to alone */
	uint16_t restricted_to;
	int event_fd, store_fd;
	struct grants_list grants;
	struct lxs_client store;
};

/* One domain, from its creation until nobody uses its memory any more. */
struct domain {
	bool taken;
	uint16_t domid;
	unsigned int conns; /* handles that it has open */
	unsigned int held; /* struct grants that are its own */
	uint16_t *free_grefs; /* a stack, made with the first grant */
	unsigned int nr_free_grefs;
};

struct hyper_machine {
	pthread_mutex_t lock;
	pthread_t thread;
	pid_t pid; /* whose thread it is: a forked child has none */
	char dir[64]; /* the temporary directory that we made, or "" */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int listener, poll, stop;
	int memfd;
	struct shm *shm;
	uint64_t uses; /* counts handles, for their tokens */
	uint32_t last_conn; /* where the search for a free one goes on */
	struct conn *conns[LOCAL_HANDLES];
	struct domain domains[LOCAL_SLOTS];
	uint64_t *frame_map; /* a bit a frame: taken */
	uint32_t next_frame;
	/* Grants whose handle is gone while a peer still uses them. */
	struct grants_list deferred;
	struct lxs_store store;
	bool store_away;
	struct local_msg msg; /* the request being served, then its reply */
};

/* local_broker.c */
int broker_start(struct hyper_machine *m);
void broker_stop(struct hyper_machine *m);
void conn_write_event(const struct conn *c);
/* Its handle finds the connection broken. */
void conn_break(struct hyper_machine *m, struct conn *c);

/* local_pages.c; 0 or -errno. The request is m->msg, and so is the reply. */
int pages_init(struct hyper_machine *m);
void pages_exit(struct hyper_machine *m);
int pages_share(struct hyper_machine *m, struct conn *c);
int pages_unshare(struct hyper_machine *m, struct conn *c);
void pages_close(struct hyper_machine *m, struct conn *c);
/* Free what was in use before and no longer is; false: nothing is left. */
bool pages_retry(struct hyper_machine *m);

/* local_ports.c */
int port_alloc(struct hyper_machine *m, struct conn *c);
int port_bind(struct hyper_machine *m, struct conn *c);
int port_restrict(struct hyper_machine *m, struct conn *c);
int port_close(struct hyper_machine *m, struct conn *c);
/* Every port of the domain, or only those that @token owns (0: all). */
void ports_close(struct hyper_machine *m, uint32_t slot, uint64_t token);

/* local_requests.c: the store's requests */
int store_request(struct hyper_machine *m, struct conn *c, enum local_op op);

/* local_machine.c: free the slots of dead domains that nobody uses. */
void domains_reap(struct hyper_machine *m);

#endif
