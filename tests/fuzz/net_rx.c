// SPDX-License-Identifier: MIT
/*
 * A hostile guest that receives: frames from the host, slots of the guest's
 * choice. See common/nic_rx.h for what has to hold.
 */
#include "common/nic_rx.h"

enum op {
	OP_POST,
	OP_POST_MANY,
	OP_PUSH,
	OP_TURN,
	OP_FRAME,
	OP_RING,
	OP_REWRITE,
	OP_RECONNECT,
	OP_TUNE,
	OPS,
};

static unsigned int choose(struct input *in)
{
	return input_u8(in) % nic.connect.nr_queues;
}

static void post(struct input *in, unsigned int n)
{
	unsigned int q = choose(in);
	uint8_t first = input_u8(in);

	for (unsigned int i = 0; i < n; i++)
		nic_rx_post(q, (uint16_t)(first + i),
			    host_gref((uint8_t)(first + i), nic.gref,
				      n > 1 ? NIC_WRITABLE : NIC_PAGES));
}

/* Pages with headroom and pages without would be checked as one. */
static void tune(struct input *in)
{
	struct ipc_vif_tune t = nic.connect.tune;
	struct reason why;

	t.multicast_filter = input_u8(in) & 1;
	t.headroom = input_u16(in) & 0x3ff;
	vif_tune(nic.vif, &t, &why);
}

static void rewrite(struct input *in)
{
	struct nic_ring *r = &nic.rx[choose(in)];

	input_bytes(in, nic_slot(r, input_u8(in), XPV_NETIF_RX_SLOT),
		    XPV_NETIF_RX_SLOT);
}

static void operation(struct input *in)
{
	switch (input_u8(in) % OPS) {
	case OP_POST:
		post(in, 1);
		break;
	case OP_POST_MANY:
		post(in, 1 + input_u8(in) % 32);
		break;
	case OP_PUSH:
		nic_push(&nic.rx[choose(in)]);
		break;
	case OP_TURN:
		nic_rx_turn();
		break;
	case OP_FRAME:
		nic_rx_frame(in);
		break;
	case OP_RING:
		nic_write_header(&nic.rx[choose(in)], in);
		break;
	case OP_REWRITE:
		rewrite(in);
		break;
	case OP_RECONNECT:
		nic_reconnect(in);
		break;
	case OP_TUNE:
		tune(in);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};

	nic_start(&in);
	nic_rx_start();
	while (in.left)
		operation(&in);
	nic_rx_settle();
	nic_stop();
	return 0;
}
