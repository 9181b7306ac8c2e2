// SPDX-License-Identifier: MIT
#include "net_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipc.h"
#include "reason.h"

void net_options_init(struct net_options *o)
{
	memset(o, 0, sizeof(*o));
}

int net_options_set(struct net_options *o, const char *key, const char *value,
		    struct reason *why)
{
	unsigned long n;
	char *end;

	if (strcmp(key, "queues")) {
		reason_set(why, "%.32s = \"%.32s\": expected the key queues",
			   key, value);
		return -EINVAL;
	}
	n = strtoul(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || !n || n > IPC_MAX_QUEUES) {
		reason_set(why, "%s = \"%.32s\": expected 1 to %u", key, value,
			   IPC_MAX_QUEUES);
		return -EINVAL;
	}
	o->queues = (unsigned int)n;
	return 0;
}
