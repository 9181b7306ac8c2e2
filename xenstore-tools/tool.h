/* SPDX-License-Identifier: MIT */
/* What the subcommands of xpv share. */
#ifndef XPV_TOOL_H
#define XPV_TOOL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "hyper/hyper.h"

/* Exit statuses of every subcommand. */
enum {
	TOOL_OK = 0,
	TOOL_FAILED = 1,
	TOOL_USAGE = 2,
	TOOL_NO_DEVICE = 3,
	TOOL_UNREACHABLE = 4,
};

struct tool {
	const char *hyper; /* specification of the hypervisor */
	bool json;
	bool pretty;
	const char *run_dir; /* of xpvd: where the counters lie */
	const char *mode; /* --mode of `check disk` */
	const char *config; /* check disk: xpvd.conf */
	bool path; /* check disk: say nothing but where it is */
};

/* Subcommands: @argv after the verb, without options; an exit status. */
int tool_list(const struct tool *tool, int argc, char **argv);
int tool_show(const struct tool *tool, int argc, char **argv);
int tool_check(const struct tool *tool, int argc, char **argv);
int tool_resize(const struct tool *tool, int argc, char **argv);

/* Prints and frees @value. */
void tool_print(const struct tool *tool, json_t *value);
/* NULL, having said why. */
struct hyper *tool_store(const struct tool *tool);
/* "xpv: ..." on stderr. */
__attribute__((format(printf, 1, 2))) void tool_complain(const char *fmt, ...);

#endif
