// SPDX-License-Identifier: MIT
/* xpv check: would this be accepted as a disk, as a MAC address? */
#include <inttypes.h>
#include <string.h>

#include "backend/config.h"
#include "backend/mac.h"
#include "backend/reason.h"
#include "backend/storage/disk.h"
#include "tool.h"

/* @reason NULL: all is well, as @facts say, which are taken over. */
static int verdict(const struct tool *tool, const char *subject,
		   const char *reason, json_t *facts)
{
	json_object_set_new(facts, "subject", json_string(subject));
	json_object_set_new(facts, "ok", json_boolean(!reason));
	if (reason)
		json_object_set_new(facts, "reason", json_string(reason));
	if (tool->json) {
		tool_print(tool, facts);
	} else {
		if (reason)
			fprintf(stderr, "%s\n", reason);
		json_decref(facts);
	}
	return reason ? TOOL_FAILED : TOOL_OK;
}

/* What it is, and what would be done with it. */
static json_t *disk_facts(const char *path, const struct disk_options *o,
			  const struct disk *d)
{
	const struct target *t = &d->target;

	return json_pack(
		"{s:s, s:s, s:I, s:i, s:i, s:b, s:s, s:s, s:b, s:i, s:b, s:b}",
		"path", path, "kind", t->is_block ? "block" : "file", "size",
		(json_int_t)t->size, "sector_size", (int)d->sector_size,
		"physical_sector_size", (int)d->physical_sector_size,
		"read_only", t->read_only, "cache",
		storage_cache_name(d->cache), "full",
		storage_full_name(o->full), "discard", d->discard,
		"discard_granularity", (int)t->discard_granularity,
		"discard_secure", d->discard && t->discard_secure, "persistent",
		o->persistent);
}

static void print_facts(const char *path, const struct disk_options *o,
			const struct disk *d)
{
	const struct target *t = &d->target;

	printf("%s: %s, %" PRIu64 " bytes, sectors of %u (physical %u), %s, "
	       "cache=%s, full=%s, discard=%s\n",
	       path, t->is_block ? "block device" : "file", t->size,
	       d->sector_size, d->physical_sector_size,
	       t->read_only ? "read-only" : "writable",
	       storage_cache_name(d->cache), storage_full_name(o->full),
	       d->discard ? "on" : "off");
}

/* The options of the host, on top those of @target. */
static int read_options(const struct tool *tool, const char *target,
			char path[DISK_PATH_MAX], struct disk_options *o,
			struct reason *why)
{
	struct config config;
	int err = config_read(tool->config, &config, why);

	*o = config.disk;
	return err ? err : disk_target_parse(target, path, o, why);
}

static int check_disk(const struct tool *tool, const char *target)
{
	bool read_only = *tool->mode == 'r';
	char path[DISK_PATH_MAX];
	struct reason why = {""};
	struct disk_options o;
	struct disk d;
	json_t *facts;

	if (strcmp(tool->mode, "r") && strcmp(tool->mode, "w")) {
		tool_complain("--mode \"%s\": expected r or w", tool->mode);
		return TOOL_USAGE;
	}
	if (read_options(tool, target, path, &o, &why) ||
	    disk_open(path, read_only, &o, &d, &why))
		return verdict(tool, target, why.text, json_object());
	facts = disk_facts(path, &o, &d);
	if (tool->path)
		puts(path);
	else if (!tool->json)
		print_facts(path, &o, &d);
	target_close(&d.target);
	return verdict(tool, target, NULL, facts);
}

static int check_mac(const struct tool *tool, const char *text)
{
	const char *expected;
	struct reason why;
	uint8_t mac[6];

	expected = mac_parse(text, mac);
	if (expected)
		reason_set(&why, "\"%.64s\": expected %s", text, expected);
	else if (!tool->json)
		printf("%s: ok\n", text);
	return verdict(tool, text, expected ? why.text : NULL, json_object());
}

int tool_check(const struct tool *tool, int argc, char **argv)
{
	if (argc != 2)
		return TOOL_USAGE;
	if (!strcmp(argv[0], "disk"))
		return check_disk(tool, argv[1]);
	if (!strcmp(argv[0], "mac"))
		return check_mac(tool, argv[1]);
	tool_complain("check \"%s\": expected disk or mac", argv[0]);
	return TOOL_USAGE;
}
