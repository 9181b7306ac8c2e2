// SPDX-License-Identifier: MIT
/* A worker with a disk: its lives, one after the other, and their ends. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sim.h"

static struct {
	enum storage_cache cache;
	int size; /* a file of the disk's size: it is asked for that */
	int legacy; /* what a worker leaves behind */
	int control; /* the supervisor's end */
	struct ipc_vbd_connect connection;
} of;

/* On record at once, as vbd.c does: the next worker has to know. */
static void changed(void *owner, const struct storage_health *health)
{
	struct vbd *vbd = owner;

	vbd->legacy->flush_error = health->flush_error;
}

static void start_worker(void)
{
	const struct ipc_vbd_attach a = {
		.sectors = MODEL_SECTORS,
		.sector_size = 512,
		.max_queues = IPC_MAX_QUEUES,
		.max_ring_order = XPV_BLKIF_MAX_RING_ORDER,
		.max_indirect = XPV_BLKIF_OFFER_SEGS,
	};
	struct storage_config config = {.cache = of.cache, .changed = changed};
	int sock[2];

	sim.back = faults_open();
	SIM_MUST(!ipc_pair(sock));
	of.control = sock[0];
	SIM_MUST(!worker_init(&sim.worker, SIM_GUEST, sim.back, sock[1]));
	sim.vbd = vbd_make(&sim.worker, (struct ipc_device){.class = IPC_VBD},
			   &a, of.legacy);
	SIM_MUST(sim.vbd);
	config.owner = sim.vbd;
	config.flush_error = sim.vbd->legacy->flush_error;
	sim.vbd->storage =
		storage_file_over(sim.worker.loop, model_disk_engine(sim.disk),
				  dup(of.size), &config);
	SIM_MUST(sim.vbd->storage);
	sim.asleep = false;
}

/* What the kernel takes from a process that ends, and nothing else. */
static void end_worker(void)
{
	/* Nobody waits for what is under way, and nobody hears of it. */
	sim.vbd->in_storage = 0;
	vbd_disconnect(sim.vbd, true);
	vbd_detach(sim.vbd);
	worker_fini(&sim.worker);
	close(of.control);
	hyper_close(sim.back);
}

/* The ring and the disk are as the dead one left them. */
static void replace_worker(void)
{
	/* Nobody goes on before what was under way has landed. */
	model_disk_orphan(sim.disk);
	end_worker();
	start_worker();
	backend_connect(true);
}

void backend_start(enum storage_cache cache)
{
	of.cache = cache;
	of.size = memfd_create("size", MFD_CLOEXEC);
	of.legacy = memfd_create("legacy", MFD_CLOEXEC);
	SIM_MUST(!ftruncate(of.size, MODEL_SECTORS * 512));
	SIM_MUST(!ftruncate(of.legacy, sizeof(struct ipc_vbd_legacy)));
	start_worker();
}

void backend_stop(void)
{
	vbd_detach(sim.vbd);
	worker_fini(&sim.worker);
	close(of.control);
	hyper_close(sim.back);
	close(of.size);
	close(of.legacy);
}

void backend_connect(bool resumed)
{
	struct ipc_vbd_connect *c = &of.connection;
	struct reason why;

	if (!resumed) {
		*c = (struct ipc_vbd_connect){
			.abi = sim.fe->config.x86_32,
			.ring_order = sim.fe->config.ring_order,
			.nr_queues = sim.fe->config.nr_queues,
			.persistent = sim.fe->config.persistent,
		};
		for (unsigned int i = 0; i < c->nr_queues; i++) {
			memcpy(c->queue[i].gref, sim.fe->queue[i].gref,
			       sizeof(c->queue[i].gref));
			c->queue[i].port = sim.fe->queue[i].port;
		}
		sim.connections++;
	}
	c->resumed = resumed;
	SIM_MUST(!vbd_connect(sim.vbd, c, &why));
	sim.asleep = false;
}

void backend_disconnect(void)
{
	vbd_disconnect(sim.vbd, false);
	for (int i = 0; sim.vbd->state != VBD_IDLE; i++) {
		SIM_MUST(i < 10000);
		SIM_MUST(!loop_turn(sim.worker.loop, false));
	}
}

void backend_turn(void)
{
	turn_of_worker(replace_worker);
}
