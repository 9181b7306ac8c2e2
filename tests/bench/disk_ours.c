// SPDX-License-Identifier: MIT
/*
 * Whole disk requests: a userspace frontend, an xpv-worker process, a ring
 * between them over the local hypervisor.
 */
#include "disk_load.h"

#include <signal.h>
#include <stdlib.h>

#include "frontend/user/drive.h"
#include "frontend/user/userblk.h"

#define GUEST 1
#define DISK  51712

static struct {
	struct hyper_machine *machine;
	struct hyper *guest;
	struct drive drive;
	struct userblk *fe;
	bool asleep;
} lab;

/* Who dies leaves no worker behind, which would serve on. */
static void end_worker(void)
{
	if (lab.drive.pid > 0)
		kill(lab.drive.pid, SIGKILL);
}

void disk_ours_start(unsigned int poll_us)
{
	struct userblk_config c = {.data_pages = DISK_DEPTH};
	char spec[256];
	int err;

	lab.machine = hyper_local_create(NULL);
	if (!lab.machine || hyper_local_domain_create(lab.machine, GUEST))
		die("no local hypervisor");
	hyper_local_spec(lab.machine, GUEST, spec, sizeof(spec));
	lab.guest = hyper_open(spec, HYPER_SHARE | HYPER_EVTCHN);
	hyper_local_spec(lab.machine, 0, spec, sizeof(spec));
	err = drive_start_polling(&lab.drive, options.worker, spec, GUEST,
				  poll_us);
	if (!lab.guest || err)
		die("no worker");
	atexit(end_worker);
	pin_process(lab.drive.pid, 1);
	lab.fe = userblk_new(lab.guest, &c);
	if (!lab.fe)
		die("no frontend");
}

void disk_ours_stop(void)
{
	int status = drive_stop(&lab.drive);

	if (status)
		die("the worker ended with status %d", status);
	userblk_free(lab.fe);
	hyper_close(lab.guest);
	hyper_local_destroy(lab.machine);
}

static void connect_disk(const struct disk_load *load)
{
	struct ipc_vbd_attach a = {
		.sectors = DISK_BYTES / 512,
		.sector_size = 512,
		.max_queues = IPC_MAX_QUEUES,
		.max_ring_order = XPV_BLKIF_MAX_RING_ORDER,
		.max_indirect = XPV_BLKIF_MAX_SEGS,
	};

	userblk_reset(lab.fe);
	lab.fe->config.persistent = load->persistent;
	lab.asleep = load->asleep;
	if (drive_attach(&lab.drive, DISK, load->fd, &a) ||
	    drive_connect(&lab.drive, DISK, lab.fe))
		die("disk: %s", lab.drive.text);
}

static void disconnect_disk(void)
{
	if (drive_simple(&lab.drive, DISK, IPC_DETACH))
		die("disk: %s", lab.drive.text);
}

/* ---- the client ---- */

static void submit(void *to, unsigned int slot, bool write, uint64_t offset)
{
	struct xpv_blk_request req = {
		.id = slot,
		.op = write ? XPV_BLKIF_WRITE : XPV_BLKIF_READ,
		.sector = offset / 512,
	};

	userblk_segments(to, &req, slot, 1);
	userblk_submit(to, 0, &req);
}

static void push(void *to)
{
	userblk_push(to, 0);
}

static unsigned int reap(void *to, unsigned int *slots, unsigned int max)
{
	struct xpv_blk_response rsp[DISK_DEPTH];
	int i, n;

	if (lab.asleep)
		userblk_wait(to, -1);
	n = userblk_reap(to, 0, rsp, max);
	if (n < 0)
		die("the worker broke the ring");
	for (i = 0; i < n; i++) {
		if (rsp[i].status)
			die("request failed");
		slots[i] = (unsigned int)rsp[i].id;
	}
	return (unsigned int)n;
}

struct figure disk_ours(void *arg)
{
	const struct disk_client client = {.name = options.worker,
					   .submit = submit,
					   .push = push,
					   .reap = reap,
					   .to = lab.fe,
					   .pid = lab.drive.pid};
	struct figure f;

	connect_disk(arg);
	f = disk_drive(&client, arg);
	disconnect_disk();
	return f;
}
