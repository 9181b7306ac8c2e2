/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the supervisor share. One thread, one sd-event loop; the
 * supervisor reads and writes xenstore, opens disks, makes taps and starts
 * workers, and never touches guest memory.
 */
#ifndef XPV_SUPERVISOR_H
#define XPV_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "../config.h"
#include "cgroup.h"
#include "hyper/hyper.h"

struct device;
struct errands;
struct guest;
struct kept;
struct lan;
struct size_watch;

struct supervisor {
	sd_event *event;
	const char *hyper_spec;
	const char *worker_path;
	bool sandbox; /* of workers; off only for debugging */
	bool renew; /* workers that are found make way for new ones */
	bool leaving; /* what outlives us stays as it is */
	const char *run_dir; /* where a later supervisor finds the workers */
	const char *config_path;
	struct config config;

	/* watch.c */
	struct hyper *hyper; /* HYPER_STORE; broken while the store is away */
	sd_event_source *store; /* NULL while the store is away */
	bool forgetful; /* what is not in the store may be there all the same */
	sd_event_source *store_retry;

	/* device.c; a hash by class, domid and handle */
	struct device *devices;
	TAILQ_HEAD(, device) pending; /* each device at most once */
	sd_event_source *turn; /* enabled while a device is pending */
	sd_event_source *retry; /* everything again, when the store failed us */

	/* guest.c; a hash by domid */
	struct guest *guests;

	/* lan.c */
	LIST_HEAD(, lan) lans;
	uint32_t last_port; /* numbers given to ports of switches */

	/* keep.c */
	TAILQ_HEAD(, kept) kept;
	sd_event_source *kept_timer;

	/* cgroup.c */
	enum cgroup_kind cgroups;
	const char *cgroup_dir; /* as --cgroup says, or: */
	char *cgroup_own; /* to be freed */
	struct sd_bus *manager; /* scope.c: process 1, while it is asked */
	unsigned int asked; /* of it, and not answered */

	struct errands *errands; /* errand.c */
	struct size_watch *size_watch; /* size_watch.c */
};

#endif
