// SPDX-License-Identifier: MIT
/* xpvd: serves the block and network devices that the toolstack asks for. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "device.h"
#include "errand.h"
#include "guest.h"
#include "keep.h"
#include "record.h"
#include "size_watch.h"
#include "supervisor.h"
#include "watch.h"

#ifndef XPV_VERSION
#define XPV_VERSION "unreleased"
#endif
#ifndef XPV_LIBEXEC
#define XPV_LIBEXEC "/usr/libexec/xpv"
#endif

enum {
	EXIT_USAGE = 2,
	RENEW = 1, /* the loop ended because another program is to go on */
};

static int usage(FILE *out)
{
	fprintf(out,
		"usage: xpvd [OPTIONS]\n"
		"  --hyper SPEC     xen (default) or local:PATH:DOMID\n"
		"  --worker PATH    (default " XPV_LIBEXEC "/xpv-worker)\n"
		"  --config FILE    (default " CONFIG_FILE ")\n"
		"  --run-dir DIR    where workers are recorded, so that the\n"
		"                   next xpvd finds them (default /run/xpv)\n"
		"  --cgroup DIR     of version 2, where guests' groups are "
		"made,\n"
		"                   or none (default: scopes of systemd, or\n"
		"                   xpv at the top of the hierarchy)\n"
		"  --renew          workers that are found make way for new\n"
		"                   ones; SIGHUP does so, with the xpvd that\n"
		"                   is installed by now\n"
		"  --foreground     (default)\n"
		"  --no-sandbox     workers without walls: for debugging\n"
		"  --version\n"
		"  --help\n");
	return out == stdout ? EXIT_SUCCESS : EXIT_USAGE;
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct supervisor *sv)
{
	static const struct option options[] = {
		{"hyper", required_argument, NULL, 'y'},
		{"worker", required_argument, NULL, 'w'},
		{"run-dir", required_argument, NULL, 'r'},
		{"config", required_argument, NULL, 'c'},
		{"cgroup", required_argument, NULL, 'g'},
		{"renew", no_argument, NULL, 'e'},
		{"foreground", no_argument, NULL, 'f'},
		{"no-sandbox", no_argument, NULL, 'n'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (opt == 'y')
			sv->hyper_spec = optarg;
		else if (opt == 'w')
			sv->worker_path = optarg;
		else if (opt == 'r')
			sv->run_dir = optarg;
		else if (opt == 'c')
			sv->config_path = optarg;
		else if (opt == 'g')
			sv->cgroup_dir = optarg;
		else if (opt == 'e')
			sv->renew = true;
		else if (opt == 'n')
			sv->sandbox = false;
		else if (opt == 'v')
			return puts("xpvd " XPV_VERSION) < 0;
		else if (opt != 'f')
			return usage(opt == 'h' ? stdout : stderr);
	}
	return optind == argc ? -1 : usage(stderr);
}

/* A disk, a tap's queues and a worker's socket for each of many guests. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int leave(sd_event_source *source, const struct signalfd_siginfo *si,
		 void *userdata)
{
	(void)userdata;
	log_daemon(LOG_INFO, "leaving on signal %u; workers go on serving",
		   si->ssi_signo);
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

/* With a configuration that cannot be read the next one would not start. */
static int make_way(sd_event_source *source, const struct signalfd_siginfo *si,
		    void *userdata)
{
	struct supervisor *sv = userdata;
	struct config config;
	struct reason why;

	(void)si;
	if (config_read(sv->config_path, &config, &why)) {
		log_daemon(LOG_ERR, "going on as before: %s", why.text);
		return 0;
	}
	/* Its workers would have to make way, and nobody could follow them. */
	if (sv->forgetful) {
		log_daemon(LOG_ERR, "going on as before: the store has "
				    "forgotten the guests that are served");
		return 0;
	}
	log_daemon(LOG_INFO, "making way for the xpvd that is installed");
	return sd_event_exit(sd_event_source_get_event(source), RENEW);
}

static const struct {
	int nr;
	sd_event_signal_handler_t handler;
} signals[] = {{SIGTERM, leave}, {SIGINT, leave}, {SIGHUP, make_way}};

/* They wait for the loop: a reload that comes too early ends nobody. */
static void hold_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&set, signals[i].nr);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int watch_signals(struct supervisor *sv)
{
	int err;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		err = sd_event_add_signal(sv->event, NULL, signals[i].nr,
					  signals[i].handler, sv);
		if (err < 0)
			return err;
	}
	return 0;
}

static int serve(struct supervisor *sv)
{
	struct reason why;
	int err = watch_signals(sv);

	/* Children that ended while we became another program. */
	while (sv->renew && waitpid(-1, NULL, WNOHANG) > 0)
		;
	if (err >= 0)
		err = keep_init(sv);
	if (err >= 0)
		err = devices_init(sv);
	if (err >= 0)
		err = errands_init(sv);
	if (err >= 0)
		err = size_watch_init(sv);
	if (err < 0) {
		log_daemon(LOG_ERR, "cannot start: %s", strerror(-err));
		return err;
	}
	err = watch_init(sv);
	if (err < 0) {
		reason_no_store(&why, sv->hyper_spec, -err);
		log_daemon(LOG_ERR, "%s", why.text);
		return err;
	}
	cgroup_init(sv);
	/* Before the first watch event is looked at. */
	guests_init(sv);
	sd_event_set_watchdog(sv->event, true);
	sd_notify(0, "READY=1");
	err = sd_event_loop(sv->event);
	sd_notify(0, err == RENEW ? "RELOADING=1" : "STOPPING=1");
	return err;
}

/* Only if it fails it comes back. */
static void renew(struct supervisor *sv, int argc, char **argv)
{
	char *again[argc + 2];
	int err;

	memcpy(again, argv, (size_t)argc * sizeof(*argv));
	if (!sv->renew)
		again[argc++] = "--renew";
	again[argc] = NULL;
	err = keep_exec(sv, again);
	log_daemon(LOG_ERR, "the installed xpvd cannot be started: %s",
		   strerror(-err));
}

int main(int argc, char **argv)
{
	struct supervisor sv = {
		.hyper_spec = "xen",
		.worker_path = XPV_LIBEXEC "/xpv-worker",
		.run_dir = "/run/xpv",
		.config_path = CONFIG_FILE,
		.sandbox = true,
	};
	struct reason why;
	int err = parse(argc, argv, &sv);

	if (err >= 0)
		return err;
	hold_signals();
	log_init();
	if (config_read(sv.config_path, &sv.config, &why)) {
		log_daemon(LOG_ERR, "%s", why.text);
		return EXIT_FAILURE;
	}
	raise_limits();
	err = record_open(&sv);
	if (err) {
		log_daemon(LOG_ERR, "%s: %s", sv.run_dir,
			   err == -EBUSY ? "another xpvd is running"
					 : strerror(-err));
		return EXIT_FAILURE;
	}
	err = sd_event_default(&sv.event);
	if (err >= 0)
		err = serve(&sv);
	sv.leaving = true;
	guests_fini(&sv);
	devices_fini(&sv);
	size_watch_fini(&sv);
	errands_fini(&sv);
	watch_fini(&sv);
	sd_event_source_unref(sv.store_retry);
	if (err == RENEW)
		renew(&sv, argc, argv);
	keep_fini(&sv);
	scope_fini(&sv);
	free(sv.cgroup_own);
	sd_event_unref(sv.event);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
