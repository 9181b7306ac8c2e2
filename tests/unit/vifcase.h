/* SPDX-License-Identifier: MIT */
/* What the tests of a vif share: one rig, and test cases that stand on it. */
#ifndef XPV_TESTS_VIFCASE_H
#define XPV_TESTS_VIFCASE_H

#include "netframe.h"
#include "netrig.h"

/*
 * The one of a test with a fixture below, and what most tests need besides.
 * Tests are processes of their own.
 */
extern struct netrig rig;
extern uint8_t sent[RIG_FRAME], got[RIG_FRAME];
extern struct usernet_frame frame;
extern struct xpv_netif_tx_response rsp[USERNET_SLOTS];

/*
 * A test case on a rig, which is set up and connected: through messages, or
 * to look inside, or on a tap of RIG_QUEUES queues and not connected, or with
 * a worker that can be killed. NULL and a word why: not root; the suite then
 * has no tests.
 */
enum rig_kind {
	RIG_MESSAGES,
	RIG_INSIDE,
	RIG_QUEUED,
	RIG_PROCESS,
};
#define RIG_QUEUES 4
TCase *rig_case(Suite *s, const char *name, enum rig_kind kind);

/* What the host's kernel says of a frame that is @f, blank; @mss 0: no GSO. */
struct virtio_net_hdr rig_header(const struct netframe *f, uint16_t mss);

#endif
