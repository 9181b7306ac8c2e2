// SPDX-License-Identifier: MIT
#include "switch_options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "reason.h"

/* A bridge of the switch's name, if there is one: as with vif-bridge. */
static struct switch_options plain(const char *name)
{
	struct switch_options o = {.uplink = true, .mac_guard = true};

	snprintf(o.name, sizeof(o.name), "%s", name);
	snprintf(o.bridge, sizeof(o.bridge), "%s", name);
	return o;
}

static struct switch_options *find(const struct switch_table *t,
				   const char *name)
{
	for (unsigned int i = 0; i < t->nr; i++)
		if (!strcmp(t->list[i].name, name))
			return (struct switch_options *)&t->list[i];
	return NULL;
}

struct switch_options switch_options_of(const struct switch_table *t,
					const char *name)
{
	const struct switch_options *o = find(t, name);

	return o ? *o : plain(name);
}

static int complain(struct reason *why, const char *key, const char *value,
		    const char *expected)
{
	reason_set(why, "%.32s = \"%.32s\": expected %s", key, value, expected);
	return -EINVAL;
}

static int set_flag(bool *flag, const char *key, const char *value,
		    struct reason *why)
{
	if (strcmp(value, "on") && strcmp(value, "off"))
		return complain(why, key, value, "on or off");
	*flag = !strcmp(value, "on");
	return 0;
}

int switch_options_set(struct switch_table *t, const char *name,
		       const char *key, const char *value, struct reason *why)
{
	struct switch_options *o = find(t, name);
	char parsed[SWITCH_NAME_MAX + 1];
	struct vlan_set vlans;

	if (vlan_parse(name, parsed, &vlans) || strcmp(parsed, name))
		return complain(why, "[switch]", name,
				"a name of 1 to 11 letters, digits, - or _");
	if (!o && t->nr == SWITCH_OPTIONS_MAX)
		return complain(why, "[switch]", name, "64 switches at most");
	if (!o) {
		o = &t->list[t->nr++];
		*o = plain(name);
	}
	if (!strcmp(key, "uplink"))
		return set_flag(&o->uplink, key, value, why);
	if (!strcmp(key, "mac-guard"))
		return set_flag(&o->mac_guard, key, value, why);
	if (strcmp(key, "bridge"))
		return complain(why, key, value,
				"the keys uplink, bridge or mac-guard");
	if (strlen(value) > SWITCH_BRIDGE_MAX)
		return complain(why, key, value, "an interface's name");
	snprintf(o->bridge, sizeof(o->bridge), "%s", value);
	return 0;
}
