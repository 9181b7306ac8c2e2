/* SPDX-License-Identifier: MIT */
/*
 * A guest with a NIC: the vif engine as it is, over the local hypervisor, on
 * a port in memory. Rings and pages are the guest's own and written as the
 * input says.
 */
#ifndef XPV_FUZZ_NIC_H
#define XPV_FUZZ_NIC_H

#include "backend/vif/headers.h"
#include "backend/vif/queue.h"
#include "host.h"
#include "input.h"
#include "memport.h"

#define NIC_QUEUES   3u
#define NIC_WRITABLE 12u
#define NIC_READONLY 8u
#define NIC_PAGES    (NIC_WRITABLE + NIC_READONLY)
#define NIC_SLOTS    256u /* of tx and rx */
#define NIC_FILL     0xa5

struct nic_ring {
	struct xpv_sring *shared;
	uint32_t gref, port;
	uint32_t prod; /* of an honest guest */
};

struct nic {
	struct vif *vif;
	struct ipc_vif_connect connect;
	uint8_t *page[NIC_PAGES];
	uint32_t gref[NIC_PAGES];
	struct nic_ring tx[NIC_QUEUES], rx[NIC_QUEUES], ctrl;
};

extern struct nic nic;

/* Attached and connected as the input says; every page of NIC_FILL. */
void nic_start(struct input *in);
/* Connect anew, to rings that are empty or to those that are there. */
void nic_reconnect(struct input *in);
/* Nothing of the guest's is held any more. */
void nic_stop(void);

static inline void *nic_slot(const struct nic_ring *r, uint32_t index,
			     uint32_t bytes)
{
	uint32_t n = xpv_ring_entries(XPV_PAGE_SIZE, bytes);

	return (uint8_t *)r->shared + XPV_RING_HEADER_SIZE +
	       (size_t)(index & (n - 1)) * bytes;
}

void nic_push(struct nic_ring *r);
/* The page behind @gref; NULL: none. */
uint8_t *nic_page(uint32_t gref, unsigned int *number);
/* Write to the ring's header as no guest should. */
void nic_write_header(struct nic_ring *r, struct input *in);

/*
 * Headers of a frame that engines look into: Ethernet, perhaps a tag, IPv4 or
 * IPv6 or neither, TCP or UDP, as @kind says. Returns their length; offsets in
 * *off as a kernel would say them of a frame of @len bytes.
 */
unsigned int nic_headers(uint8_t kind, uint32_t len, uint8_t *to,
			 struct port_offload *off);

#endif
