/* SPDX-License-Identifier: MIT */
/*
 * What a vif counts, one name a reason. Directions are the guest's: tx leaves
 * it. What the port drops is counted by the port (struct port_stats).
 */
#ifndef XPV_VIF_STATS_H
#define XPV_VIF_STATS_H

#include <stdint.h>

#include "../ipc.h"
#include "../port/switch.h"

struct reason;
struct vif;

/* clang-format off */
#define VIF_COUNTERS(X)                                                   \
	X(TX_PACKETS, "tx_packets")	   /* handed to the port */           \
	X(TX_BYTES, "tx_bytes")						  \
	X(TX_GSO, "tx_gso_packets")					  \
	X(TX_CSUM_FIXED, "tx_csum_fixed")  /* GSO without csum_blank */       \
	X(TX_DROP_SLOTS, "tx_drop_slots")  /* 19 or 20 slots */               \
	X(TX_DROP_SHORT, "tx_drop_short")  /* no Ethernet header */           \
	X(TX_DROP_LONG, "tx_drop_long")	   /* fragments exceed the total */   \
	X(TX_DROP_GRANT, "tx_drop_grant")  /* a fragment cannot be read */    \
	X(TX_DROP_CSUM, "tx_drop_csum")	   /* csum_blank, no TCP or UDP */    \
	X(TX_DROP_GSO, "tx_drop_gso")	   /* GSO that its headers deny */    \
	X(TX_MULTICAST, "tx_multicast")	   /* changes of the filter's list */ \
	X(TX_MULTICAST_FULL, "tx_multicast_full") /* and those refused */     \
	X(TX_THROTTLED, "tx_throttled")	   /* waits for credit, see `rate` */ \
	X(RX_PACKETS, "rx_packets")	   /* put into the guest's slots */   \
	X(RX_BYTES, "rx_bytes")						  \
	X(RX_GSO, "rx_gso_packets")					  \
	X(RX_CSUM_DONE, "rx_csum_done")	   /* that the guest could not do */  \
	X(RX_CUT, "rx_cut_packets")	   /* GSO that it could not take */   \
	X(RX_GRANT_ERRORS, "rx_grant_errors") /* slots we cannot write */     \
	X(RX_DROP_LONG, "rx_drop_long")	   /* over a page, and no sg */       \
	X(RX_DROP_SHORT, "rx_drop_short")  /* no Ethernet header */           \
	X(RX_DROP_GSO, "rx_drop_gso")	   /* GSO that its headers deny */    \
	X(RX_DROP_MULTICAST, "rx_drop_multicast") /* by the guest's filter */ \
	X(RX_DROP_FULL, "rx_drop_full")	   /* no room in the hash's queue */  \
	X(RX_STARVED, "rx_starved")	   /* waits for slots */              \
	X(RX_STALLS, "rx_stalls")	   /* so long that the carrier went */\
	X(RX_DRAINED, "rx_drained")	   /* dropped after waiting */
/* clang-format on */

enum vif_counter {
#define VIF_COUNTER_ENUM(id, name) VIF_##id,
	VIF_COUNTERS(VIF_COUNTER_ENUM)
#undef VIF_COUNTER_ENUM
		VIF_NR_COUNTERS,
};

/*
 * Where the counters lie: in a file that the supervisor made and that the
 * worker maps, so that whoever wants to know reads it and wakes nobody. Each
 * counter is written by one thread and read by a glance at any time.
 */
#define VIF_STATS_FILE "stats-%u-%u" /* domid and handle, in the run folder */

struct vif_queue_stats {
	uint64_t counter[VIF_NR_COUNTERS];
	struct port_stats port;
	uint64_t lan[SWITCH_NR_COUNTERS]; /* on a switch */
};

struct vif_stats {
	uint32_t queue_bytes; /* of struct vif_queue_stats: tells versions */
	uint32_t nr_queues; /* that are connected */
	struct vif_queue_stats queue[IPC_MAX_QUEUES];
};

/* Of one queue, the port's ones behind the others; NULL: no more. */
const char *vif_stats_name(unsigned int i);
uint64_t vif_stats_value(const struct vif_queue_stats *q, unsigned int i);
/* Map @fd, which stays the caller's; -1: memory of our own. NULL + errno. */
struct vif_stats *vif_stats_map(int fd);
void vif_stats_unmap(struct vif_stats *s);
/* A copy of the file @path. 0 or -errno; -EPROTO: another version's. */
int vif_stats_read(const char *path, struct vif_stats *s);

const char *vif_counter_name(enum vif_counter counter);
/* Over all queues, since attach. */
uint64_t vif_counter(const struct vif *vif, enum vif_counter counter);
void vif_port_stats(const struct vif *vif, struct port_stats *stats);

#endif
