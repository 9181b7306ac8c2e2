// SPDX-License-Identifier: MIT
#include "steer.h"

#include "queue.h"

#include <string.h>

/* Of a guest that has not set up one: addresses, and ports of TCP. */
static const struct vif_hash own = {
	.algorithm = XPV_HASH_ALGORITHM_TOEPLITZ,
	.flags = XPV_HASH_ALL_FLAGS,
	/* Any that is not regular; a flow keeps to its queue for good. */
	.key = {0x9e, 0x37, 0x79, 0xb9, 0x7f, 0x4a, 0x7c, 0x15, 0xf3, 0x9c,
		0xc0, 0x60, 0x5c, 0xed, 0xc8, 0x34, 0x10, 0x82, 0x27, 0x6b,
		0xf3, 0xa2, 0x72, 0x51, 0xf8, 0x6c, 0x6a, 0x11, 0xd0, 0xc1,
		0x8e, 0x95, 0x27, 0x67, 0xf0, 0xb1, 0x53, 0xd2, 0x7b, 0x7f},
};

struct vif_queue *vif_steer_queue(struct vif *vif, const uint8_t *frame,
				  uint32_t len)
{
	const struct vif_hash *h =
		hash_on(&vif->legacy->hash) ? &vif->legacy->hash : &own;
	struct hash_value v;

	if (vif->nr_connected < 2)
		return &vif->queue[0];
	v = hash_frame(h, frame, len);
	return &vif->queue[hash_queue(h, &v, vif->nr_connected)];
}

static void move(struct vif *vif, const struct port_frame *frame)
{
	struct vif_queue *q = vif_steer_queue(vif, frame->data, frame->len);
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
	bool want = !vif->lan && hash_on(&vif->legacy->hash) &&
		    vif->nr_connected > 1;
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
