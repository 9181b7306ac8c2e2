// SPDX-License-Identifier: MIT
/* A table for people and a file for programs. */
#include "bench.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static json_t *measures;

void report_title(const char *title)
{
	printf("\n%-44s %12s %-6s %12s %7s  %s\n", title, "ours", "", "peer",
	       "ratio", "peer is");
}

void report(const struct measure *m)
{
	json_t *json = json_pack("{s:s, s:f, s:s}", "name", m->name, "value",
				 m->value, "unit", m->unit);

	if (m->peer)
		printf("  %-42s %12.0f %-6s %12.0f %6.2fx  %s\n", m->name,
		       m->value, m->unit, m->peer_value, m->ratio, m->peer);
	else
		printf("  %-42s %12.0f %-6s\n", m->name, m->value, m->unit);
	fflush(stdout);
	if (m->peer) {
		json_object_set_new(json, "peer", json_string(m->peer));
		json_object_set_new(json, "peer_value",
				    json_real(m->peer_value));
		json_object_set_new(json, "ratio", json_real(m->ratio));
	} else {
		json_object_set_new(json, "peer", json_null());
		json_object_set_new(json, "peer_value", json_null());
		json_object_set_new(json, "ratio", json_null());
	}
	if (!measures)
		measures = json_array();
	json_array_append_new(measures, json);
}

void report_note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("  ", stdout);
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
	fflush(stdout);
}

void report_write(const char *path)
{
	if (!measures)
		measures = json_array();
	if (json_dump_file(measures, path, JSON_INDENT(2)))
		die("%s: cannot be written", path);
	json_decref(measures);
	measures = NULL;
}
