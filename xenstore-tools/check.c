// SPDX-License-Identifier: MIT
/* xpv check: would this be accepted as a disk, as a MAC address? */
#include <inttypes.h>
#include <string.h>

#include "backend/mac.h"
#include "backend/reason.h"
#include "backend/storage/target.h"
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

static json_t *disk_facts(const struct tool *tool, const char *path,
			  const struct target *t)
{
	if (!tool->json)
		printf("%s: %s, %" PRIu64 " bytes, sectors of %u, %s, %s\n",
		       path, t->is_block ? "block device" : "file", t->size,
		       t->logical_sector_size,
		       t->read_only ? "read-only" : "writable",
		       t->direct ? "direct I/O" : "through the page cache");
	return json_pack("{s:s, s:I, s:i, s:i, s:b, s:b}", "kind",
			 t->is_block ? "block" : "file", "size",
			 (json_int_t)t->size, "sector_size",
			 (int)t->logical_sector_size, "physical_sector_size",
			 (int)t->physical_sector_size, "direct", t->direct,
			 "discard", t->discard_granularity != 0);
}

static int check_disk(const struct tool *tool, const char *path)
{
	bool read_only = *tool->mode == 'r';
	struct reason why = {""};
	struct target t;
	json_t *facts;

	if (strcmp(tool->mode, "r") && strcmp(tool->mode, "w")) {
		tool_complain("--mode \"%s\": expected r or w", tool->mode);
		return TOOL_USAGE;
	}
	if (target_open(path, read_only, true, &t, &why) &&
	    target_open(path, read_only, false, &t, &why))
		return verdict(tool, path, why.text, json_object());
	facts = disk_facts(tool, path, &t);
	target_close(&t);
	return verdict(tool, path, NULL, facts);
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
	return TOOL_USAGE;
}
