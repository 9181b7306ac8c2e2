/* SPDX-License-Identifier: MIT */
/*
 * /etc/xpv/xpvd.conf: what holds for all devices of this host unless one says
 * otherwise. Read by the supervisor when it starts, and by `xpv check`.
 */
#ifndef XPV_CONFIG_H
#define XPV_CONFIG_H

#include "storage/options.h"
#include "net_options.h"
#include "switch_options.h"
#include "worker_options.h"

#define CONFIG_FILE "/etc/xpv/xpvd.conf"

struct reason;

struct config {
	struct disk_options disk; /* [disk] */
	struct net_options net; /* [net] */
	struct worker_options worker; /* [worker] */
	struct switch_table switches; /* [switch NAME] */
};

/*
 * A file that is not there says nothing. 0; -EINVAL or what keeps it from
 * being read, and @why, which names file, section, key and value.
 */
int config_read(const char *path, struct config *c, struct reason *why);

#endif
