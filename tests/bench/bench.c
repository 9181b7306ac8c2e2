// SPDX-License-Identifier: MIT
/*
 * bench: what the ring and the block device can do on this machine, each
 * beside a peer that does the same work in the same minute.
 */
#include "bench.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

struct bench_options options = {
	.worker = "build/xpv-worker",
	.qemu = "qemu-storage-daemon",
	.dir = "/tmp",
	.json = "build/bench.json",
};

/* In place of all that: one disk with these settings. */
static char *settings;
static uint64_t requests = 20000;

static int usage(void)
{
	fprintf(stderr,
		"usage: bench [--quick] [--only PART-OF-NAME] [--worker FILE]"
		" [--qemu FILE]\n"
		"             [--dir DIR] [--json FILE]\n"
		"       bench --setting NAME=NUMBER,... [--requests N]\n");
	return 2;
}

static int parse(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"quick", no_argument, NULL, 'q'},
		{"only", required_argument, NULL, 'o'},
		{"worker", required_argument, NULL, 'w'},
		{"qemu", required_argument, NULL, 'Q'},
		{"dir", required_argument, NULL, 'd'},
		{"json", required_argument, NULL, 'j'},
		{"setting", required_argument, NULL, 's'},
		{"requests", required_argument, NULL, 'r'},
		{NULL, 0, NULL, 0},
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (opt) {
		case 'q':
			options.quick = true;
			break;
		case 'o':
			options.only = optarg;
			break;
		case 'w':
			options.worker = optarg;
			break;
		case 'Q':
			options.qemu = optarg;
			break;
		case 'd':
			options.dir = optarg;
			break;
		case 'j':
			options.json = optarg;
			break;
		case 's':
			settings = optarg;
			break;
		case 'r':
			requests = strtoull(optarg, NULL, 10);
			break;
		default:
			return -1;
		}
	}
	return optind == argc ? 0 : -1;
}

int main(int argc, char **argv)
{
	if (parse(argc, argv))
		return usage();
	if (settings) {
		bench_setting(settings, requests);
		return EXIT_SUCCESS;
	}
	bench_ring();
	bench_disk();
	bench_many();
	printf("\nA row is the round whose ratio, ours / peer, is the "
	       "median.\n");
	report_write(options.json);
	printf("\nwritten to %s\n", options.json);
	return EXIT_SUCCESS;
}
