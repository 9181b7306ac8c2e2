// SPDX-License-Identifier: MIT
#include "disk_guest.h"

#include <signal.h>
#include <stdlib.h>

#include "frontend/user/userblk.h"

#define DISK 51712

/* Who dies leaves no worker behind, which would serve on. */
static LIST_HEAD(, disk_guest) started = LIST_HEAD_INITIALIZER(started);

static void end_workers(void)
{
	struct disk_guest *g;

	LIST_FOREACH(g, &started, next)
		kill(g->drive.pid, SIGKILL);
}

static void remember(struct disk_guest *g)
{
	static bool once;

	if (!once)
		atexit(end_workers);
	once = true;
	LIST_INSERT_HEAD(&started, g, next);
}

void disk_guest_start(struct disk_guest *g, struct hyper_machine *machine,
		      uint16_t domid, unsigned int poll_us)
{
	struct userblk_config c = {.data_pages = DISK_DEPTH};
	char spec[256];

	if (hyper_local_domain_create(machine, domid))
		die("no domain %u", domid);
	hyper_local_spec(machine, domid, spec, sizeof(spec));
	g->hyper = hyper_open(spec, HYPER_SHARE | HYPER_EVTCHN);
	g->fe = g->hyper ? userblk_new(g->hyper, &c) : NULL;
	if (!g->fe)
		die("no frontend");
	hyper_local_spec(machine, 0, spec, sizeof(spec));
	if (drive_start_polling(&g->drive, options.worker, spec, domid,
				poll_us))
		die("no worker");
	remember(g);
	pin_process(g->drive.pid, 1);
}

void disk_guest_stop(struct disk_guest *g)
{
	int status;

	LIST_REMOVE(g, next);
	status = drive_stop(&g->drive);
	if (status)
		die("the worker ended with status %d", status);
	userblk_free(g->fe);
	hyper_close(g->hyper);
}

void disk_guest_connect(struct disk_guest *g, const struct disk_load *load)
{
	struct ipc_vbd_attach a = {
		.sectors = DISK_BYTES / 512,
		.sector_size = 512,
		.max_queues = IPC_MAX_QUEUES,
		.max_ring_order = XPV_BLKIF_MAX_RING_ORDER,
		.max_indirect = XPV_BLKIF_MAX_SEGS,
	};

	userblk_reset(g->fe);
	g->fe->config.persistent = load->persistent;
	g->asleep = load->asleep;
	if (drive_attach(&g->drive, DISK, load->fd, &a) ||
	    drive_connect(&g->drive, DISK, g->fe))
		die("disk: %s", g->drive.text);
}

void disk_guest_disconnect(struct disk_guest *g)
{
	if (drive_simple(&g->drive, DISK, IPC_DETACH))
		die("disk: %s", g->drive.text);
}

/* ---- the client ---- */

static void submit(void *to, unsigned int slot, bool write, uint64_t offset)
{
	struct disk_guest *g = to;
	struct xpv_blk_request req = {
		.id = slot,
		.op = write ? XPV_BLKIF_WRITE : XPV_BLKIF_READ,
		.sector = offset / 512,
	};

	userblk_segments(g->fe, &req, slot, 1);
	userblk_submit(g->fe, 0, &req);
}

static void push(void *to)
{
	struct disk_guest *g = to;

	userblk_push(g->fe, 0);
}

static unsigned int reap(void *to, unsigned int *slots, unsigned int max)
{
	struct xpv_blk_response rsp[DISK_DEPTH];
	struct disk_guest *g = to;
	int i, n;

	if (g->asleep)
		userblk_wait(g->fe, -1);
	n = userblk_reap(g->fe, 0, rsp, max);
	if (n < 0)
		die("the worker broke the ring");
	for (i = 0; i < n; i++) {
		if (rsp[i].status)
			die("request failed");
		slots[i] = (unsigned int)rsp[i].id;
	}
	return (unsigned int)n;
}

struct disk_client disk_guest_client(struct disk_guest *g)
{
	return (struct disk_client){.name = options.worker,
				    .submit = submit,
				    .push = push,
				    .reap = reap,
				    .to = g,
				    .pid = g->drive.pid};
}
