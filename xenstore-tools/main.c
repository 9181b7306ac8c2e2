// SPDX-License-Identifier: MIT
/* xpv: look at the devices of this host, and at what they are made of. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <string.h>

#include "backend/config.h"
#include "backend/reason.h"
#include "tool.h"

#ifndef XPV_VERSION
#define XPV_VERSION "unreleased"
#endif

static const struct {
	const char *verb;
	int (*run)(const struct tool *tool, int argc, char **argv);
} verbs[] = {
	{"list", tool_list},
	{"show", tool_show},
	{"check", tool_check},
	{"resize", tool_resize},
};

#define NR_VERBS (sizeof(verbs) / sizeof(*verbs))

static int usage(FILE *out)
{
	fputs("usage: xpv [OPTIONS] [VERB ...]\n"
	      "  list                      devices of this host (default)\n"
	      "  show [DOMAIN [DEVICE]]    all about them; DEVICE as xvda, "
	      "51712 or vif0\n"
	      "  check disk TARGET         can it be a disk, and what would be "
	      "done "
	      "with it? --mode r,\n"
	      "                            or w (default); --path: say where "
	      "it is; --config FILE\n"
	      "  check mac MAC             can a guest have it?\n"
	      "  resize DOMAIN DEVICE      look at the size of its disk now\n"
	      "options: -j, --json   -p, --pretty (JSON for people)   "
	      "--hyper SPEC   --run-dir DIR   --version\n"
	      "exit status: 0 ok, 1 failed, 2 usage, 3 no such device, "
	      "4 store not reachable\n",
	      out);
	return out == stdout ? TOOL_OK : TOOL_USAGE;
}

void tool_complain(const char *fmt, ...)
{
	va_list args;

	fputs("xpv: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

struct hyper *tool_store(const struct tool *tool)
{
	struct hyper *h = hyper_open(tool->hyper, HYPER_STORE);
	struct reason why;

	if (!h) {
		reason_no_store(&why, tool->hyper, errno);
		tool_complain("%s", why.text);
	}
	return h;
}

void tool_print(const struct tool *tool, json_t *value)
{
	json_dumpf(value, stdout, tool->pretty ? JSON_INDENT(2) : JSON_COMPACT);
	putchar('\n');
	json_decref(value);
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct tool *tool)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"pretty", no_argument, NULL, 'p'},
		{"hyper", required_argument, NULL, 'y'},
		{"mode", required_argument, NULL, 'm'},
		{"run-dir", required_argument, NULL, 'r'},
		{"config", required_argument, NULL, 'c'},
		{"path", no_argument, NULL, 'P'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "jph", options, NULL)) != -1) {
		if (opt == 'j')
			tool->json = true;
		else if (opt == 'p')
			tool->json = tool->pretty = true;
		else if (opt == 'y')
			tool->hyper = optarg;
		else if (opt == 'm')
			tool->mode = optarg;
		else if (opt == 'r')
			tool->run_dir = optarg;
		else if (opt == 'c')
			tool->config = optarg;
		else if (opt == 'P')
			tool->path = true;
		else if (opt == 'v')
			return puts("xpv " XPV_VERSION) < 0;
		else
			return usage(opt == 'h' ? stdout : stderr);
	}
	return -1;
}

int main(int argc, char **argv)
{
	struct tool tool = {
		.hyper = "xen",
		.mode = "w",
		.run_dir = "/run/xpv",
		.config = CONFIG_FILE,
	};
	int status = parse(argc, argv, &tool);
	size_t i;

	if (status >= 0)
		return status;
	argc -= optind;
	argv += optind;
	if (!argc)
		return tool_list(&tool, 0, argv);
	for (i = 0; i < NR_VERBS; i++)
		if (!strcmp(argv[0], verbs[i].verb))
			break;
	if (i == NR_VERBS) {
		tool_complain("\"%s\" is no verb", argv[0]);
		return usage(stderr);
	}
	status = verbs[i].run(&tool, argc - 1, argv + 1);
	return status == TOOL_USAGE ? usage(stderr) : status;
}
