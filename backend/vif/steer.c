// SPDX-License-Identifier: MIT
#include "steer.h"

#include "queue.h"

#include <string.h>

static void move(struct vif *vif, const struct port_frame *frame)
{
	struct hash_value v =
		hash_frame(&vif->legacy->hash, frame->data, frame->len);
	unsigned int to = hash_queue(&vif->legacy->hash, &v, vif->nr_connected);
	struct vif_queue *q = &vif->queue[to];
	uint8_t *room = port_batch_room(&q->rx_batch);
	struct port_frame *moved;

	if (!room) {
		q->counter[VIF_RX_DROP_FULL]++;
		return;
	}
	memcpy(room, frame->data, frame->len);
	moved = port_batch_add(&q->rx_batch, frame->len);
	moved->off = frame->off;
	vif_rx_plan(q, q->rx_batch.nr - 1);
}

static bool run(struct loop_work *work)
{
	struct vif *vif = work->owner;
	struct vif_queue *first = &vif->queue[0];
	struct port_batch *b = &vif->steer.batch;
	unsigned int got;

	if (vif->broken || !first->port_ready)
		return false;
	port_batch_reset(b);
	got = first->port->ops->receive(first->port, b, PORT_BATCH);
	if (got < PORT_BATCH && port_batch_room(b))
		first->port_ready = false;
	for (unsigned int i = 0; i < b->nr; i++)
		move(vif, &b->frame[i]);
	port_batch_reset(b);
	return got;
}

static void start(struct vif *vif)
{
	struct reason why;

	if (port_batch_init(&vif->steer.batch))
		return; /* out of memory: the tap goes on deciding */
	vif->steer.on = true;
	vif->steer.work.run = run;
	vif->steer.work.arm = NULL;
	vif->steer.work.owner = vif;
	loop_work_add(vif->worker->loop, &vif->steer.work);
	vif_update_ports(vif, &why);
}

void vif_steer_stop(struct vif *vif)
{
	if (!vif->steer.on)
		return;
	vif->steer.on = false;
	loop_work_del(vif->worker->loop, &vif->steer.work);
	port_batch_fini(&vif->steer.batch);
}

void vif_steer_update(struct vif *vif)
{
	bool want = hash_on(&vif->legacy->hash) && vif->nr_connected > 1;
	struct reason why;

	if (want == vif->steer.on)
		return;
	if (want) {
		start(vif);
		return;
	}
	vif_steer_stop(vif);
	/* What came meanwhile waits in ports that nobody has looked at. */
	vif_update_ports(vif, &why);
	for (unsigned int i = 0; i < vif->nr_connected; i++)
		vif->queue[i].port_ready = true;
}
