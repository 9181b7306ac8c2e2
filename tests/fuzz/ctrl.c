// SPDX-License-Identifier: MIT
/*
 * A hostile guest on the control ring, with frames that are hashed and steered
 * as it says.
 *
 * What has to hold: each request has one answer, of its id and type; what the
 * guest has set stays within its bounds; and the receive rings are served as
 * common/nic_rx.h says.
 */
#include "common/nic_rx.h"

enum op {
	OP_REQUEST,
	OP_RAW,
	OP_PUSH,
	OP_TURN,
	OP_PAGE,
	OP_FRAME,
	OP_POST,
	OP_RING,
	OP_RECONNECT,
	OP_HASH,
	OPS,
};

#define CTRL_SLOTS 128u

static struct xpv_netif_ctrl_request asked[CTRL_SLOTS];

static const struct xpv_back *ring(void)
{
	return &nic.vif->ctrl.ring;
}

static void check_hash(void)
{
	const struct vif_hash *h = &nic.vif->legacy->hash;

	FUZZ_CHECK(h->algorithm <= XPV_HASH_ALGORITHM_TOEPLITZ);
	FUZZ_CHECK(!(h->flags & ~XPV_HASH_ALL_FLAGS));
	FUZZ_CHECK(h->nr_mapping <= HASH_MAX_MAPPING);
	for (unsigned int i = 0; i < h->nr_mapping; i++)
		FUZZ_CHECK(h->mapping[i] < nic.vif->nr_connected);
}

static void check_answer(uint32_t index)
{
	const struct xpv_netif_ctrl_request *req = &asked[index % CTRL_SLOTS];
	struct xpv_netif_ctrl_response rsp;

	memcpy(&rsp, nic_slot(&nic.ctrl, index, XPV_NETIF_CTRL_SLOT),
	       sizeof(rsp));
	FUZZ_CHECK(rsp.id == req->id && rsp.type == req->type);
	FUZZ_CHECK(rsp.status <= XPV_CTRL_BUFFER_OVERFLOW);
	if (!req->type || req->type > XPV_CTRL_SET_HASH_ALGORITHM)
		FUZZ_CHECK(rsp.status == XPV_CTRL_NOT_SUPPORTED);
}

static void turn(void)
{
	uint32_t answered = ring()->rsp_prod;
	int pending = nic.vif->ctrl.page ? xpv_back_pending(ring()) : 0;

	memcpy(asked, nic_slot(&nic.ctrl, 0, XPV_NETIF_CTRL_SLOT),
	       sizeof(asked));
	nic_rx_turn();
	if (!nic.vif->nr_connected)
		return;
	if (nic.vif->ctrl.page) {
		FUZZ_CHECK(ring()->rsp_prod == ring()->req_cons);
		FUZZ_CHECK((int)(ring()->rsp_prod - answered) <=
			   (pending > 0 ? pending : 0));
		for (; answered != ring()->rsp_prod; answered++)
			check_answer(answered);
	}
	check_hash();
}

static void put(const struct xpv_netif_ctrl_request *req)
{
	if (!nic.vif->ctrl.page ||
	    nic.ctrl.prod - ring()->rsp_prod >= CTRL_SLOTS)
		return;
	memcpy(nic_slot(&nic.ctrl, nic.ctrl.prod++, XPV_NETIF_CTRL_SLOT), req,
	       sizeof(*req));
}

static void request(struct input *in)
{
	uint8_t type = input_u8(in) & 15, id = input_u8(in);
	struct xpv_netif_ctrl_request req = {.type = type, .id = id};
	bool has_page = type == XPV_CTRL_SET_HASH_KEY ||
			type == XPV_CTRL_SET_HASH_MAPPING;
	uint8_t page = input_u8(in);

	req.data[0] = has_page ? host_gref(page, nic.gref, NIC_PAGES) : page;
	req.data[1] = input_u8(in);
	/* Also just below what wraps. */
	req.data[2] = (uint32_t)(int8_t)input_u8(in);
	put(&req);
}

static void raw(struct input *in)
{
	struct xpv_netif_ctrl_request req;

	input_bytes(in, &req, sizeof(req));
	put(&req);
}

/* A mapping to queues that are there, or bytes. */
static void write_page(struct input *in)
{
	uint8_t which = input_u8(in), value = input_u8(in);
	uint32_t *words = (uint32_t *)(void *)
				  nic.page[NIC_WRITABLE + which % NIC_READONLY];

	for (unsigned int i = 0; i < HASH_MAX_MAPPING; i++)
		words[i] = which & 0x80 ? value * 0x01010101u
					: i % (value % NIC_QUEUES + 1);
}

/* What it takes for frames to be steered. */
static void set_hash(void)
{
	struct xpv_netif_ctrl_request req = {
		.type = XPV_CTRL_SET_HASH_ALGORITHM,
		.data = {XPV_HASH_ALGORITHM_TOEPLITZ},
	};

	put(&req);
	req.type = XPV_CTRL_SET_HASH_FLAGS;
	req.data[0] = XPV_HASH_ALL_FLAGS;
	put(&req);
}

static void post(struct input *in)
{
	unsigned int q = input_u8(in) % nic.connect.nr_queues;
	unsigned int n = input_u8(in) % 64;

	for (unsigned int i = 0; i < n; i++)
		nic_rx_post(q, (uint16_t)i, nic.gref[i % NIC_WRITABLE]);
	nic_push(&nic.rx[q]);
}

static void operation(struct input *in)
{
	switch (input_u8(in) % OPS) {
	case OP_REQUEST:
		request(in);
		break;
	case OP_RAW:
		raw(in);
		break;
	case OP_PUSH:
		nic_push(&nic.ctrl);
		break;
	case OP_TURN:
		turn();
		break;
	case OP_PAGE:
		write_page(in);
		break;
	case OP_FRAME:
		nic_rx_frame(in);
		break;
	case OP_POST:
		post(in);
		break;
	case OP_RING:
		nic_write_header(&nic.ctrl, in);
		break;
	case OP_RECONNECT:
		nic_reconnect(in);
		break;
	case OP_HASH:
		set_hash();
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
	turn();
	nic_rx_settle();
	nic_stop();
	return 0;
}
