// SPDX-License-Identifier: MIT
/* xpv resize: have xpvd look at a disk that has grown, and say what it saw. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "devices.h"
#include "tool.h"
#include "xenbus.h"

#define PATIENCE_MS 10000
#define STEP_MS	    20

static char *read_key(struct hyper *h, const char *back, enum xpv_key key)
{
	return hyper_readf(h, 0, "%s/%s", back, xpv_key(key));
}

static uint64_t read_bytes(struct hyper *h, const char *back)
{
	char *text = read_key(h, back, XPV_KEY_SECTORS);
	uint64_t sectors = 0;

	/* Absent: no guest was told of it yet. */
	if (text)
		xpv_key_parse(XPV_KEY_SECTORS, text, &sectors);
	free(text);
	return sectors * 512;
}

/* xpvd removes the node when it has looked, and the guest has been told. */
static bool ask(struct hyper *h, const char *back)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000};
	char *there;

	if (hyper_writef(h, 0, back, xpv_key(XPV_KEY_RESIZE), "now"))
		return false;
	for (int ms = 0; ms < PATIENCE_MS; ms += STEP_MS) {
		there = read_key(h, back, XPV_KEY_RESIZE);
		if (!there)
			return true;
		free(there);
		nanosleep(&step, NULL);
	}
	return false;
}

static int report(const struct tool *tool, const char *name, uint64_t before,
		  uint64_t after, const char *condition)
{
	json_t *facts =
		json_pack("{s:s, s:I, s:I}", "device", name, "before",
			  (json_int_t)before, "size", (json_int_t)after);

	if (condition)
		json_object_set_new(facts, "condition", json_string(condition));
	if (tool->json) {
		tool_print(tool, facts);
		return condition ? TOOL_FAILED : TOOL_OK;
	}
	json_decref(facts);
	if (before == after)
		printf("%s: %" PRIu64 " bytes, as before\n", name, after);
	else
		printf("%s: %" PRIu64 " bytes, was %" PRIu64 "\n", name, after,
		       before);
	if (condition)
		fprintf(stderr, "%s: %s\n", name, condition);
	return condition ? TOOL_FAILED : TOOL_OK;
}

static int resize(const struct tool *tool, struct hyper *h,
		  const json_t *device)
{
	const char *name = json_string_value(json_object_get(device, "device"));
	uint64_t before;
	char back[256];
	char *condition;
	int status;

	snprintf(back, sizeof(back), XPV_PATH_BACK, h->self, XPV_CLASS_VBD,
		 (unsigned int)json_integer_value(
			 json_object_get(device, "domid")),
		 (unsigned int)json_integer_value(
			 json_object_get(device, "id")));
	before = read_bytes(h, back);
	if (!ask(h, back)) {
		tool_complain("xpvd does not answer for %s", back);
		return TOOL_UNREACHABLE;
	}
	condition = read_key(h, back, XPV_KEY_CONDITION);
	status = report(tool, name, before, read_bytes(h, back), condition);
	free(condition);
	return status;
}

/* The disk that is meant; NULL: none. Borrowed. */
static const json_t *find(const json_t *devices, char **argv)
{
	const json_t *device;
	size_t i;

	json_array_foreach(
		devices, i,
		device) if (devices_is_of(device, argv[0]) &&
			    devices_is(device, argv[1]) &&
			    !strcmp(json_string_value(
					    json_object_get(device, "class")),
				    XPV_CLASS_VBD)) return device;
	return NULL;
}

/* xpv resize DOMAIN DEVICE */
int tool_resize(const struct tool *tool, int argc, char **argv)
{
	const json_t *device;
	struct hyper *h;
	json_t *devices;
	int status;

	if (argc != 2)
		return TOOL_USAGE;
	h = tool_store(tool);
	if (!h)
		return TOOL_UNREACHABLE;
	devices = devices_read(h);
	device = find(devices, argv);
	if (device) {
		status = resize(tool, h, device);
	} else {
		tool_complain("no disk %s %s", argv[0], argv[1]);
		status = TOOL_NO_DEVICE;
	}
	json_decref(devices);
	hyper_close(h);
	return status;
}
