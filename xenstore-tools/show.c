// SPDX-License-Identifier: MIT
/* xpv list, xpv show: the devices of this host. */
#include <errno.h>
#include <string.h>

#include "devices.h"
#include "tool.h"

/* NULL, having said why. */
static json_t *read_all(const struct tool *tool)
{
	struct hyper *h = hyper_open(tool->hyper, HYPER_STORE);
	json_t *devices;

	if (!h) {
		tool_complain("the store of %s cannot be reached: %s",
			      tool->hyper, strerror(errno));
		return NULL;
	}
	devices = devices_read(h);
	hyper_close(h);
	return devices;
}

static const char *text(const json_t *device, const char *field)
{
	const char *value = json_string_value(json_object_get(device, field));

	return value ? value : "-";
}

/* What it is made of, and what is wrong with it. */
static const char *gist(const json_t *device)
{
	static const char *const fields[] = {"error", "target", "mac"};

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (json_object_get(device, fields[i]))
			return text(device, fields[i]);
	return "-";
}

static void print_table(const json_t *devices)
{
	const json_t *device;
	size_t i;

	printf("%5s  %-16s %-8s %-14s %-14s %s\n", "DOMID", "DOMAIN", "DEVICE",
	       "STATE", "FRONTEND", "TARGET");
	json_array_foreach(devices, i, device) printf(
		"%5d  %-16s %-8s %-14s %-14s %s\n",
		(int)json_integer_value(json_object_get(device, "domid")),
		text(device, "domain"), text(device, "device"),
		text(device, "state"), text(device, "frontend"), gist(device));
}

int tool_list(const struct tool *tool, int argc, char **argv)
{
	json_t *devices;

	(void)argv;
	if (argc)
		return TOOL_USAGE;
	devices = read_all(tool);
	if (!devices)
		return TOOL_UNREACHABLE;
	if (tool->json) {
		tool_print(tool, devices);
	} else {
		print_table(devices);
		json_decref(devices);
	}
	return TOOL_OK;
}

/* One fact a line, an empty line between devices. */
static void print_facts(json_t *devices)
{
	const char *field;
	json_t *device, *value;
	size_t i;

	json_array_foreach(devices, i, device)
	{
		if (i)
			putchar('\n');
		json_object_foreach(device, field, value)
		{
			if (json_is_integer(value))
				printf("%s: %" JSON_INTEGER_FORMAT "\n", field,
				       json_integer_value(value));
			else
				printf("%s: %s\n", field,
				       json_string_value(value));
		}
	}
}

/* xpv show [DOMAIN [DEVICE]] */
int tool_show(const struct tool *tool, int argc, char **argv)
{
	json_t *devices, *found, *device;
	size_t i;

	if (argc > 2)
		return TOOL_USAGE;
	devices = read_all(tool);
	if (!devices)
		return TOOL_UNREACHABLE;
	found = json_array();
	json_array_foreach(
		devices, i,
		device) if ((argc < 1 || devices_is_of(device, argv[0])) &&
			    (argc < 2 || devices_is(device, argv[1])))
		json_array_append(found, device);
	json_decref(devices);
	if (argc && !json_array_size(found)) {
		tool_complain("no device %s%s%s", argv[0], argc > 1 ? " " : "",
			      argc > 1 ? argv[1] : "");
		json_decref(found);
		return TOOL_NO_DEVICE;
	}
	if (tool->json) {
		tool_print(tool, found);
	} else {
		print_facts(found);
		json_decref(found);
	}
	return TOOL_OK;
}
