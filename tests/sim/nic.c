// SPDX-License-Identifier: MIT
/* A worker with a NIC: its lives, one after the other, and their ends. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sim.h"

static struct {
	int legacy; /* what a worker leaves behind */
	int control; /* the supervisor's end */
	uint64_t counted[VIF_NR_COUNTERS]; /* by those that are dead */
} of;

static void start_worker(void)
{
	struct ipc_msg msg = {.type = IPC_ATTACH, .dev = {.class = IPC_VIF}};
	struct reason why;
	int fds[NET_QUEUES + 1], sock[2];

	sim.back = faults_open();
	SIM_MUST(!ipc_pair(sock));
	of.control = sock[0];
	SIM_MUST(!worker_init(&sim.worker, SIM_GUEST, sim.back, sock[1]));
	msg.vif_attach.nr_fds = NET_QUEUES;
	msg.vif_attach.legacy = true;
	for (unsigned int i = 0; i < NET_QUEUES; i++)
		fds[i] = wire_fd(i);
	fds[NET_QUEUES] = dup(of.legacy);
	sim.vif = vif_attach(&sim.worker, &msg, fds, NET_QUEUES + 1, &why);
	SIM_MUST(sim.vif);
	sim.asleep = false;
}

static void end_worker(void)
{
	vif_detach(sim.vif);
	worker_fini(&sim.worker);
	close(of.control);
	hyper_close(sim.back);
}

/* The rings and the wire are as the dead one left them. */
static void replace_worker(void)
{
	net_guest_worker_died();
	for (unsigned int i = 0; i < VIF_NR_COUNTERS; i++)
		of.counted[i] += vif_counter(sim.vif, i);
	/* A process that ends counts nothing any more. */
	for (unsigned int i = 0; i < NET_QUEUES; i++)
		port_batch_reset(&sim.vif->queue[i].rx_batch);
	vif_disconnect(sim.vif);
	end_worker();
	start_worker();
	nic_connect(true);
}

void nic_start(void)
{
	size_t bytes = vif_legacy_bytes(NET_QUEUES);

	memset(&of, 0, sizeof(of));
	of.legacy = memfd_create("legacy", MFD_CLOEXEC);
	SIM_MUST(!ftruncate(of.legacy, (off_t)bytes));
	start_worker();
}

void nic_stop(void)
{
	end_worker();
	close(of.legacy);
}

uint64_t nic_count(enum vif_counter counter)
{
	return of.counted[counter] + vif_counter(sim.vif, counter);
}

unsigned int nic_holds(unsigned int queue)
{
	return sim.vif->queue[queue].rx_batch.nr;
}

void nic_connect(bool resumed)
{
	struct ipc_vif_connect *c = &net_connection;
	struct reason why;

	for (unsigned int i = 0; !resumed && i < c->nr_queues; i++)
		c->queue[i] = (struct ipc_vif_queue){
			.tx_gref = net_queue[i]->tx_gref,
			.rx_gref = net_queue[i]->rx_gref,
			.tx_port = net_queue[i]->tx_port,
			.rx_port = net_queue[i]->rx_port,
		};
	sim.connections += !resumed;
	c->resumed = resumed;
	SIM_MUST(!vif_connect(sim.vif, c, &why));
	sim.asleep = false;
}

void nic_disconnect(void)
{
	vif_disconnect(sim.vif);
}

/* Of a NIC nobody waits for, one frame at most is out of the wire. */
void nic_turn(void)
{
	turn_of_worker(replace_worker);
	for (unsigned int i = 0; i < NET_QUEUES; i++)
		SIM_MUST(nic_holds(i) <= 1);
	SIM_MUST(!sim.vif->broken);
}
