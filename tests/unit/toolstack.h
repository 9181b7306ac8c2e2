/* SPDX-License-Identifier: MIT */
/*
 * A Dom0 for tests of the supervisor: a local machine, a real xpvd with its
 * real workers in a network namespace of their own, and the part of libxl and
 * of a guest's xenbus that devices see.
 *
 * Binaries are those beside the test program.
 */
#ifndef XPV_TESTS_TOOLSTACK_H
#define XPV_TESTS_TOOLSTACK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "hyper/hyper.h"
#include "xenbus.h"

#define HOST_PATH 256

/* A sanitizer's own files and threads do not fit into a worker's sandbox. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HOST_SANITIZED 1
#elif defined(__has_feature)
#define HOST_SANITIZED                                                         \
	(__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define HOST_SANITIZED 0
#endif

struct host {
	struct hyper_machine *machine;
	struct hyper *dom0; /* HYPER_STORE */
	uint16_t self; /* where xpvd runs: in Dom0, or a driver domain */
	char dir[64]; /* temporary: sockets, log, disks */
	char disk[96]; /* 1 MiB */
	char log[96];
	char config[96]; /* xpvd.conf, for a test to write */
	pid_t xpvd;
	pid_t guard; /* ends when @alive closes, and cleans up */
	int alive;
	/* Descriptors that systemd kept for xpvd, and hands to the next one;
	 * their names with colons between. */
	int kept[16];
	unsigned int nr_kept;
	char kept_names[256];
	/* For xpvd to make guests' groups in; "": none; USUAL: as it likes. */
#define HOST_CGROUP_USUAL "usual"
	char cgroup[96];
	bool same_net; /* xpvd stays in the test's network namespace */
};

/* A device, as libxl knows it. */
struct vdev {
	struct host *host;
	const char *class;
	uint16_t domid;
	uint32_t id;
	char back[HOST_PATH], front[HOST_PATH];
};

/* The path of a program beside this one. */
void own_program(char *path, size_t size, const char *name);

void host_setup(struct host *host);
/* With xpvd in a driver domain, which is made. */
void host_setup_in(struct host *host, uint16_t domid);
void host_teardown(struct host *host);
void host_start_xpvd(struct host *host);
/* Waits for its end; returns the wait status. */
int host_stop_xpvd(struct host *host, int signal);
/* Processes in the run directory: their number, pids in @pids. */
unsigned int host_workers(struct host *host, pid_t *pids, unsigned int max);
/* The only one; has another one taken its place after @ms? */
pid_t host_worker(struct host *host);
bool host_next_worker(struct host *host, pid_t old, unsigned int ms);
/* Resident KiB, open descriptors of xpvd; size and lines of its log. */
unsigned long host_rss(struct host *host);
unsigned int host_fds(struct host *host);
unsigned int host_log_lines(struct host *host, const char *containing);
/* Can a tap be made here? Root has to be able to. */
bool host_has_taps(void);

/* Domains, as xl makes them. @vm tells two lives of a domid apart. */
void host_domain(struct host *host, uint16_t domid, const char *vm);
void host_destroy_domain(struct host *host, uint16_t domid);

/* Names a device; nothing is written. */
struct vdev vdev_of(struct host *host, const char *class, uint16_t domid,
		    uint32_t id);
/* Write both directories in one transaction, as libxl does. */
struct vdev vbd_add(struct host *host, uint16_t domid, uint32_t id,
		    const char *params, const char *mode);
struct vdev vif_add(struct host *host, uint16_t domid, uint32_t id,
		    const char *mac);
/* With a script of its own. Has that been run, once, to bring its tap up? */
struct vdev vif_add_scripted(struct host *host, uint16_t domid, uint32_t id,
			     const char *mac);
bool vif_script_ran(void *d);
/* On a switch: its `bridge` and `ip`; NULL: absent. */
struct vdev vif_add_to(struct host *host, uint16_t domid, uint32_t id,
		       const char *mac, const char *bridge, const char *ip);
/* What the hotplug script writes on success. */
void vdev_hotplug(struct vdev *d, const char *path);
/* online=0 and state=5 in one transaction; wait for 6; delete. */
void vdev_remove(struct vdev *d);
/* Delete both directories, with no word to anyone. */
void vdev_delete(struct vdev *d);

/* Of a key, or of "queue-0/ring-ref" and the like. */
void back_write(struct vdev *d, const char *key, const char *value);
void front_write(struct vdev *d, const char *key, const char *value);
void front_number(struct vdev *d, const char *key, uint64_t value);
void front_rm(struct vdev *d, const char *key);
void back_rm(struct vdev *d, const char *key);
/* To be freed; NULL: absent. */
char *back_read(struct vdev *d, const char *key);
void front_state(struct vdev *d, enum xpv_state state);
int back_state(struct vdev *d);
/* Fails the test if that takes longer than a few seconds. */
void wait_back(struct vdev *d, enum xpv_state state);
/* Any other state would have shown by now: it is the next thing done. */
void stays_connected(struct vdev *d);
/* Wait for the `error` node, which must hold both texts, at both places. */
void wait_error(struct vdev *d, const char *text, const char *more);
/* True as soon as @is(@arg) is, false after @ms. */
bool wait_until(bool (*is)(void *arg), void *arg, unsigned int ms);
void pause_ms(unsigned int ms);

/* Ring pages and an event channel of a frontend that does no I/O. */
struct fake {
	struct hyper *guest; /* HYPER_SHARE | HYPER_EVTCHN */
	void *page[2];
	uint32_t gref[2];
	uint32_t port;
};

void fake_open(struct fake *f, struct vdev *d);
/* -EBUSY fails the test: the backend must have let go. */
void fake_close(struct fake *f);
/* Publish one page a ring, and go to 3 (vbd) or 4 (vif). */
void fake_publish(struct fake *f, struct vdev *d);
/* The same with @key spoilt: @value, or NULL for none at all. */
void fake_publish_but(struct fake *f, struct vdev *d, const char *key,
		      const char *value);

#endif
