/* SPDX-License-Identifier: MIT */
/*
 * Every suite of the unit tests, once: main.c runs this list. A file of tests
 * defines one function `Suite *NAME_suite(void)`.
 */
#ifndef XPV_TESTS_SUITES_H
#define XPV_TESTS_SUITES_H

#include <check.h>

#define XPV_SUITES(X)                                                          \
	X(loop)                                                                \
	X(answers)                                                             \
	X(ring)                                                                \
	X(blkif)                                                               \
	X(netif)                                                               \
	X(xenbus)                                                              \
	X(storage)                                                             \
	X(storage_lost)                                                        \
	X(options)                                                             \
	X(vbd)                                                                 \
	X(vbd_bad)                                                             \
	X(vbd_life)                                                            \
	X(vbd_order)                                                           \
	X(vbd_queues)                                                          \
	X(vbd_kept_bad)                                                        \
	X(vbd_kept)                                                            \
	X(vbd_mix)                                                             \
	X(vbd_flip)                                                            \
	X(vbd_kill)                                                            \
	X(attach)                                                              \
	X(disks)                                                               \
	X(disks_bad)                                                           \
	X(powercut)                                                            \
	X(headers)                                                             \
	X(tap)                                                                 \
	X(vif)                                                                 \
	X(vif_hostile)                                                         \
	X(vif_flip)                                                            \
	X(vif_life)                                                            \
	X(vif_ctrl)                                                            \
	X(vif_tune)                                                            \
	X(vif_cut)                                                             \
	X(vif_starve)                                                          \
	X(vif_layout)                                                          \
	X(vif_kill)                                                            \
	X(bridge)                                                              \
	X(mailbox)                                                             \
	X(switch)                                                              \
	X(switch_bad)                                                          \
	X(switch_queues)                                                       \
	X(lan)                                                                 \
	X(lan_uplink)                                                          \
	X(lan_ports)                                                           \
	X(net_soak)                                                            \
	X(hyper_grant)                                                         \
	X(hyper_evtchn)                                                        \
	X(hyper_store)                                                         \
	X(hyper_xen)                                                           \
	X(hyper_crash)                                                         \
	X(hyper_step)                                                          \
	X(ipc)                                                                 \
	X(cgroup)                                                              \
	X(scope)                                                               \
	X(sandbox)                                                             \
	X(supervisor)                                                          \
	X(supervisor_close)                                                    \
	X(supervisor_bad)                                                      \
	X(supervisor_vif)                                                      \
	X(supervisor_faults)                                                   \
	X(supervisor_store)                                                    \
	X(supervisor_renew)                                                    \
	X(many_guests)                                                         \
	X(hostile_tenth)                                                       \
	X(tool)

#define XPV_SUITE_DECL(name) Suite *name##_suite(void);
XPV_SUITES(XPV_SUITE_DECL)

#endif
