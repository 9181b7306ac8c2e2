/* SPDX-License-Identifier: MIT */
/*
 * What a NIC's worker leaves to the next one however it ends: a file that it
 * maps. It holds what the guest has set up by its rings and will not set up
 * again, and answers on their way into them (see worker/answers.h). Whoever
 * takes over believes nothing of it that it could be harmed by.
 */
#ifndef XPV_VIF_LEGACY_H
#define XPV_VIF_LEGACY_H

#include <stddef.h>

#include "../ipc.h"
#include "hash.h"
#include "multicast.h"
#include "netif.h"

/* Answers that one store shows to a guest. */
#define LEGACY_CTRL 8u
#define LEGACY_TX   252u /* more are shown in several */
#define LEGACY_RX   256u /* the ring: a frame's are shown together */

struct vif_legacy_queue {
	_Alignas(struct ipc_answers)
		uint8_t tx[IPC_ANSWERS_BYTES(LEGACY_TX, XPV_NETIF_TX_RSP)];
	_Alignas(struct ipc_answers)
		uint8_t rx[IPC_ANSWERS_BYTES(LEGACY_RX, XPV_NETIF_RX_SLOT)];
};

struct vif_legacy {
	struct multicast multicast;
	struct vif_hash hash;
	_Alignas(struct ipc_answers) uint8_t
		ctrl[IPC_ANSWERS_BYTES(LEGACY_CTRL, XPV_NETIF_CTRL_SLOT)];
	struct vif_legacy_queue queue[];
};

/* Of a vif of @nr_queues. */
static inline size_t vif_legacy_bytes(unsigned int nr_queues)
{
	return sizeof(struct vif_legacy) +
	       nr_queues * sizeof(struct vif_legacy_queue);
}

/*
 * Map @fd, of so many bytes, which stays the caller's; -1: nobody takes over.
 * NULL + errno.
 */
struct vif_legacy *vif_legacy_map(int fd, unsigned int nr_queues);
void vif_legacy_unmap(struct vif_legacy *l, unsigned int nr_queues);
/*
 * A connection begins: what the guest has set up is gone, unless the
 * connection is a predecessor's (@resumed).
 */
void vif_legacy_begin(struct vif_legacy *l, bool resumed);

#endif
