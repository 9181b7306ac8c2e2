// SPDX-License-Identifier: MIT
/*
 * Runs every suite, or those named on the command line; --list names them all.
 * The runner takes Check's own environment too: CK_FORK=no under a debugger,
 * CK_RUN_CASE=..., CK_TAP_LOG_FILE_NAME for the counts of `make check`.
 */
#include "suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	const char *name;
	Suite *(*make)(void);
};

static const struct entry entries[] = {
#define XPV_SUITE_ENTRY(name) {#name, name##_suite},
	XPV_SUITES(XPV_SUITE_ENTRY)
#undef XPV_SUITE_ENTRY
};
#define NR_ENTRIES (sizeof(entries) / sizeof(entries[0]))

static const struct entry *find(const char *name)
{
	for (size_t i = 0; i < NR_ENTRIES; i++)
		if (!strcmp(entries[i].name, name))
			return &entries[i];
	return NULL;
}

int main(int argc, char **argv)
{
	SRunner *runner;
	int failed;

	if (argc == 2 && !strcmp(argv[1], "--list")) {
		for (size_t i = 0; i < NR_ENTRIES; i++)
			puts(entries[i].name);
		return EXIT_SUCCESS;
	}
	runner = srunner_create(NULL);
	/* Check's own 4 s is too short for a loaded machine or a sanitizer. */
	setenv("CK_DEFAULT_TIMEOUT", "120", 0);
	for (int i = 1; i < argc; i++) {
		const struct entry *e = find(argv[i]);

		if (!e) {
			fprintf(stderr, "%s: no suite of this name\n", argv[i]);
			return 2;
		}
		srunner_add_suite(runner, e->make());
	}
	if (argc == 1)
		for (size_t i = 0; i < NR_ENTRIES; i++)
			srunner_add_suite(runner, entries[i].make());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
