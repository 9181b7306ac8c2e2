// SPDX-License-Identifier: MIT
/* A table for people and a file for programs. */
#include "bench.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static json_t *cases;
static unsigned int set, reached;

void report_title(const char *title)
{
	printf("\n%-34s %12s %-8s %12s %7s %-13s %s\n", title, "ours", "",
	       "peer", "ratio", "(spread)", "peer is");
}

/* ---- for people ---- */

static void print_latency(const struct figure *f)
{
	printf("%.1f/%.1f/%.1f", f->p50 / 1000, f->p99 / 1000, f->p999 / 1000);
}

static void print_details(const struct contest *c)
{
	printf("    ");
	if (c->value.p50 > 0) {
		printf("p50/p99/p99.9 us ");
		print_latency(&c->value);
		if (c->peer_value.p50 > 0) {
			printf(", peer ");
			print_latency(&c->peer_value);
		}
		printf("; ");
	}
	if (c->value.cpu > 0) {
		printf("cpu ns %.0f", c->value.cpu);
		if (c->peer_value.cpu > 0)
			printf(", peer %.0f", c->peer_value.cpu);
		printf("; ");
	}
	printf("%s, probe %.0f ns, %u rounds, %u dropped\n",
	       c->probe < PROBE_FAR ? "NEAR" : "FAR", c->probe, c->good,
	       c->dropped);
}

static void print_goal(const struct goal *g, const struct contest *c)
{
	bool good = goal_reached(g, c);

	set++;
	reached += good;
	printf("    goal %s %.2f: %s\n",
	       g->at_most ? "<=" : ">=", goal_bound(g, c->probe),
	       good ? "reached" : "NOT REACHED");
}

/* ---- for programs ---- */

static json_t *figure_json(const struct figure *f)
{
	json_t *j = json_pack("{s:f}", "value", f->value);

	if (f->p50 > 0)
		json_object_set_new(j, "latency_ns",
				    json_pack("{s:f, s:f, s:f}", "p50", f->p50,
					      "p99", f->p99, "p99.9", f->p999));
	if (f->cpu > 0)
		json_object_set_new(j, "cpu_ns", json_real(f->cpu));
	return j;
}

static void note(const struct contest *c, const struct goal *g)
{
	json_t *j =
		json_pack("{s:s, s:s, s:o, s:f, s:s, s:i, s:i}", "name",
			  c->name, "unit", c->unit, "ours",
			  figure_json(&c->value), "probe_ns", c->probe,
			  "regime", c->probe < PROBE_FAR ? "NEAR" : "FAR",
			  "rounds", (int)c->good, "dropped", (int)c->dropped);

	if (c->peer_name) {
		json_object_set_new(j, "peer", json_string(c->peer_name));
		json_object_set_new(j, "theirs", figure_json(&c->peer_value));
		json_object_set_new(j, "ratio",
				    json_pack("{s:f, s:f, s:f}", "median",
					      c->ratio, "low", c->low, "high",
					      c->high));
	}
	if (g)
		json_object_set_new(j, "goal",
				    json_pack("{s:s, s:f, s:b}", "is",
					      g->at_most ? "at most"
							 : "at least",
					      "bound", goal_bound(g, c->probe),
					      "reached", goal_reached(g, c)));
	if (!cases)
		cases = json_array();
	json_array_append_new(cases, j);
}

/* ---- both ---- */

void report(const struct contest *c)
{
	const struct goal *g = goal_of(c);

	printf("  %-32s %12.0f %-8s", c->name, c->value.value, c->unit);
	if (c->peer_name)
		printf(" %12.0f %6.2fx (%.2f-%.2f)   %s", c->peer_value.value,
		       c->ratio, c->low, c->high, c->peer_name);
	putchar('\n');
	print_details(c);
	if (g)
		print_goal(g, c);
	fflush(stdout);
	note(c, g);
}

void report_write(const char *path)
{
	if (set)
		printf("\n%u of %u goals reached.\n", reached, set);
	if (!cases)
		cases = json_array();
	if (json_dump_file(cases, path, JSON_INDENT(2)))
		die("%s: cannot be written", path);
	json_decref(cases);
	cases = NULL;
}
