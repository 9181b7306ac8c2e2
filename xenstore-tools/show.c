// SPDX-License-Identifier: MIT
/* xpv list, xpv show: the devices of this host. */
#include <string.h>

#include "devices.h"
#include "tool.h"
#include "backend/vif/stats.h"
#include "xenbus.h"

/* NULL, having said why. */
static json_t *read_all(const struct tool *tool)
{
	struct hyper *h = tool_store(tool);
	json_t *devices;

	if (!h)
		return NULL;
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
	static const char *const fields[] = {"error", "hotplug_error",
					     "condition", "target", "mac"};

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

/*
 * Of each queue what is not zero, as far as they can be read: a device that
 * no worker serves has none.
 */
static void add_counters(const struct tool *tool, json_t *device)
{
	json_t *queues, *queue;
	struct vif_stats stats;
	char path[4096];

	snprintf(path, sizeof(path), "%s/" VIF_STATS_FILE, tool->run_dir,
		 (unsigned int)json_integer_value(
			 json_object_get(device, "domid")),
		 (unsigned int)json_integer_value(
			 json_object_get(device, "id")));
	if (strcmp(text(device, "class"), XPV_CLASS_VIF) ||
	    vif_stats_read(path, &stats))
		return;
	queues = json_array();
	for (uint32_t i = 0; i < stats.nr_queues; i++) {
		queue = json_object();
		for (unsigned int c = 0; vif_stats_name(c); c++) {
			uint64_t value = vif_stats_value(&stats.queue[i], c);

			if (value)
				json_object_set_new(
					queue, vif_stats_name(c),
					json_integer((json_int_t)value));
		}
		json_array_append_new(queues, queue);
	}
	json_object_set_new(device, "queues", queues);
}

static void print_counters(json_t *queues)
{
	const char *name;
	json_t *queue, *value;
	size_t i;

	json_array_foreach(queues, i, queue)
	{
		json_object_foreach(queue, name, value)
			printf("queue %zu %s: %" JSON_INTEGER_FORMAT "\n", i,
			       name, json_integer_value(value));
	}
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
			else if (json_is_array(value))
				print_counters(value);
			else
				printf("%s: %s\n", field,
				       json_string_value(value));
		}
	}
}

/* What there is in place of what was asked for. */
static void complain_none(const json_t *devices, int argc, char **argv)
{
	char names[256] = "";
	const json_t *device;
	size_t i, len = 0;

	json_array_foreach(devices, i, device)
	{
		if (!devices_is_of(device, argv[0]) || len >= sizeof(names))
			continue;
		len += (size_t)snprintf(names + len, sizeof(names) - len,
					"%s%s", len ? ", " : "",
					text(device, "device"));
	}
	if (argc > 1 && *names)
		tool_complain("domain \"%s\" has no device \"%s\": expected %s",
			      argv[0], argv[1], names);
	else
		tool_complain("no domain \"%s\" has devices here: `xpv list` "
			      "shows those that have",
			      argv[0]);
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
	if (argc && !json_array_size(found)) {
		complain_none(devices, argc, argv);
		json_decref(devices);
		json_decref(found);
		return TOOL_NO_DEVICE;
	}
	json_decref(devices);
	json_array_foreach(found, i, device) add_counters(tool, device);
	if (tool->json) {
		tool_print(tool, found);
	} else {
		print_facts(found);
		json_decref(found);
	}
	return TOOL_OK;
}
