/* SPDX-License-Identifier: MIT */
/* What an administrator may say about NICs: the [net] section of xpvd.conf. */
#ifndef XPV_NET_OPTIONS_H
#define XPV_NET_OPTIONS_H

struct reason;

struct net_options {
	unsigned int queues; /* offered to a guest; 0: as seems best */
};

void net_options_init(struct net_options *o);
/* 0, or -EINVAL and @why: the key, its value, what was expected. */
int net_options_set(struct net_options *o, const char *key, const char *value,
		    struct reason *why);

#endif
