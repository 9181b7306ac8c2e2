// SPDX-License-Identifier: MIT
/* xpv-worker: started by the supervisor, one for each guest. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../storage/uring_stock.h"
#include "hyper/hyper.h"
#include "log.h"
#include "sandbox.h"
#include "worker.h"

enum {
	EXIT_USAGE = 2,
};

struct args {
	long domid;
	long control;
	long sandbox; /* uid; -1: no walls */
	long poll; /* us */
	const char *hyper;
};

static int usage(void)
{
	fprintf(stderr,
		"usage: xpv-worker --domid N --control FD [--hyper SPEC]\n"
		"                  [--poll MICROSECONDS] [--sandbox UID]\n");
	return EXIT_USAGE;
}

/* -1: not a number, or not in 0..max. */
static long number(const char *text, long max)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < 0 || value > max)
		return -1;
	return value;
}

static int parse(int argc, char **argv, struct args *args)
{
	static const struct option options[] = {
		{"domid", required_argument, NULL, 'd'},
		{"control", required_argument, NULL, 'c'},
		{"hyper", required_argument, NULL, 'h'},
		{"poll", required_argument, NULL, 'p'},
		{"sandbox", required_argument, NULL, 's'},
		{NULL, 0, NULL, 0},
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'd')
			args->domid = number(optarg, XPV_DOMID_FIRST_RESERVED);
		else if (opt == 'c')
			args->control = number(optarg, 1 << 20);
		else if (opt == 'h')
			args->hyper = optarg;
		else if (opt == 'p')
			args->poll = number(optarg, 1000000);
		else if (opt != 's' ||
			 (args->sandbox = number(optarg, INT32_MAX)) <= 0)
			return -1;
	}
	return optind == argc && args->domid >= 0 && args->control >= 0 &&
			       args->poll >= 0
		       ? 0
		       : -1;
}

static void terminate(struct loop_source *src, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	if (read(src->fd, &info, sizeof(info)) == sizeof(info))
		worker_shutdown(src->owner);
}

/* SIGTERM and SIGINT finish what is in flight, then end the process. */
static int watch_signals(struct worker *w, struct loop_source *src)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	src->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	src->ready = terminate;
	src->owner = w;
	if (src->fd < 0)
		return -errno;
	return loop_add(w->loop, src, EPOLLIN);
}

static int serve(struct worker *w)
{
	struct loop_source signals = {.fd = -1};
	int err = watch_signals(w, &signals);

	if (!err)
		err = worker_run(w);
	if (signals.fd >= 0)
		close(signals.fd);
	return err;
}

/* What it takes to serve is open: nothing else is ever needed. */
static int enclose(const struct args *args, struct hyper *hyper)
{
	uint16_t domid = (uint16_t)args->domid;
	struct reason why;
	int err;

	if (args->sandbox < 0)
		return 0;
	uring_stock();
	/* An uplink's worker has no guest: it may call one that is not there. */
	if (domid == XPV_DOMID_SELF)
		domid = XPV_DOMID_FIRST_RESERVED - 1;
	err = hyper->ops->evtchn_restrict(hyper, domid);
	if (err)
		reason_set(&why, "event channels of one domain alone: %s",
			   strerror(-err));
	else
		err = sandbox_enter((uint32_t)args->sandbox, &why);
	if (err)
		log_line("domain %ld: %s", args->domid, why.text);
	return err;
}

int main(int argc, char **argv)
{
	struct args args = {
		.domid = -1, .control = -1, .sandbox = -1, .hyper = "xen"};
	struct hyper *hyper;
	struct worker w;
	int err;

	if (parse(argc, argv, &args))
		return usage();
	hyper = hyper_open(args.hyper, HYPER_GRANT | HYPER_EVTCHN);
	if (!hyper) {
		log_line("hypervisor %s: %s", args.hyper, strerror(errno));
		return EXIT_FAILURE;
	}
	err = enclose(&args, hyper);
	if (!err)
		err = worker_init(&w, (uint16_t)args.domid, hyper,
				  (int)args.control);
	if (!err) {
		loop_poll(w.loop, (uint32_t)args.poll);
		err = serve(&w);
		worker_fini(&w);
	}
	hyper_close(hyper);
	if (err)
		log_line("domain %ld: %s", args.domid, strerror(-err));
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
