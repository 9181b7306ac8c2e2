// SPDX-License-Identifier: MIT
#include "config.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "reason.h"

struct reading {
	struct config *config;
	const char *path;
	struct reason *why;
	int error; /* the first */
};

static int set_disk(struct config *c, const char *key, const char *value,
		    struct reason *why)
{
	return disk_options_set(&c->disk, key, value, why);
}

static int set_net(struct config *c, const char *key, const char *value,
		   struct reason *why)
{
	return net_options_set(&c->net, key, value, why);
}

static int set_worker(struct config *c, const char *key, const char *value,
		      struct reason *why)
{
	return worker_options_set(&c->worker, key, value, why);
}

static const struct {
	const char *name;
	int (*set)(struct config *c, const char *key, const char *value,
		   struct reason *why);
} sections[] = {
	{"disk", set_disk},
	{"net", set_net},
	{"worker", set_worker},
};
#define SWITCH	    "switch " /* and its name */
#define NR_SECTIONS (sizeof(sections) / sizeof(sections[0]))

static int set(struct reading *r, const char *section, const char *key,
	       const char *value)
{
	struct reason what;

	if (!strncmp(section, SWITCH, strlen(SWITCH))) {
		if (!switch_options_set(&r->config->switches,
					section + strlen(SWITCH), key, value,
					&what))
			return 0;
		reason_set(r->why, "%s: [%.32s] %.200s", r->path, section,
			   what.text);
		return -EINVAL;
	}
	for (size_t i = 0; i < NR_SECTIONS; i++) {
		if (strcmp(sections[i].name, section))
			continue;
		if (!sections[i].set(r->config, key, value, &what))
			return 0;
		reason_set(r->why, "%s: [%s] %s", r->path, section, what.text);
		return -EINVAL;
	}
	reason_set(r->why,
		   "%s: section [%.32s] of key \"%.32s\": expected [%s], [%s], "
		   "[%s] or [" SWITCH "NAME]",
		   r->path, section, key, sections[0].name, sections[1].name,
		   sections[2].name);
	return -EINVAL;
}

/* inih wants 1 for good, 0 for an error. */
static int pair(void *user, const char *section, const char *key,
		const char *value)
{
	struct reading *r = user;

	if (!r->error)
		r->error = set(r, section, key, value);
	return !r->error;
}

int config_read(const char *path, struct config *c, struct reason *why)
{
	struct reading r = {.config = c, .path = path, .why = why};
	FILE *file;
	int line;

	disk_options_init(&c->disk);
	net_options_init(&c->net);
	worker_options_init(&c->worker);
	memset(&c->switches, 0, sizeof(c->switches));
	file = fopen(path, "re");
	if (!file) {
		if (errno == ENOENT)
			return 0;
		r.error = -errno;
		reason_set(why, "%s: %s", path, strerror(errno));
		return r.error;
	}
	line = ini_parse_file(file, pair, &r);
	if (!line && ferror(file)) {
		r.error = -EIO;
		reason_set(why, "%s: cannot be read", path);
	}
	fclose(file);
	if (line && !r.error) {
		reason_set(why, "%s:%d: expected [section] or key = value",
			   path, line);
		return -EINVAL;
	}
	return r.error;
}
