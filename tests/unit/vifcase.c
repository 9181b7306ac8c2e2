// SPDX-License-Identifier: MIT
#include "vifcase.h"

#include <string.h>

struct netrig rig;
uint8_t sent[RIG_FRAME], got[RIG_FRAME];
struct usernet_frame frame;
struct xpv_netif_tx_response rsp[USERNET_SLOTS];

static void setup_messages(void)
{
	memset(&rig, 0, sizeof(rig));
	rig_setup(&rig);
	rig_connect(&rig);
}

static void setup_inside(void)
{
	memset(&rig, 0, sizeof(rig));
	rig.direct = true;
	rig_setup(&rig);
	rig_connect(&rig);
}

static void setup_queued(void)
{
	memset(&rig, 0, sizeof(rig));
	rig.direct = true;
	rig.queues = RIG_QUEUES;
	rig_setup(&rig);
}

static void setup_process(void)
{
	memset(&rig, 0, sizeof(rig));
	rig.process = true;
	rig.split = true;
	rig_setup(&rig);
	rig_connect(&rig);
}

static void teardown(void)
{
	rig_teardown(&rig);
}

TCase *rig_case(Suite *s, const char *name, enum rig_kind kind)
{
	static const SFun setup[] = {
		[RIG_MESSAGES] = setup_messages,
		[RIG_INSIDE] = setup_inside,
		[RIG_QUEUED] = setup_queued,
		[RIG_PROCESS] = setup_process,
	};
	TCase *tc = tcase_create(name);

	suite_add_tcase(s, tc);
	if (rig_missing())
		return NULL;
	tcase_add_checked_fixture(tc, setup[kind], teardown);
	tcase_set_timeout(tc, 120);
	return tc;
}

struct virtio_net_hdr rig_header(const struct netframe *f, uint16_t mss)
{
	struct virtio_net_hdr hdr = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = (uint16_t)netframe_l4_at(f),
		.csum_offset = (uint16_t)netframe_csum_offset(f),
	};

	if (mss) {
		hdr.gso_type = f->v6 ? VIRTIO_NET_HDR_GSO_TCPV6
				     : VIRTIO_NET_HDR_GSO_TCPV4;
		hdr.gso_size = mss;
		hdr.hdr_len = (uint16_t)netframe_hdr_len(f);
	}
	return hdr;
}
