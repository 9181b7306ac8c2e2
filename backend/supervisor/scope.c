// SPDX-License-Identifier: MIT
/*
 * A worker as a scope of systemd's, org.freedesktop.systemd1(5). Asked over the
 * socket that process 1 keeps for root, so that no bus has to run.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <systemd/sd-bus.h>

#include "cgroup.h"
#include "supervisor.h"

#define MANAGER_SOCKET "unix:path=/run/systemd/private"
#define MANAGER	       "org.freedesktop.systemd1"
#define MANAGER_PATH   "/org/freedesktop/systemd1"
#define UNIT_EXISTS    "org.freedesktop.systemd1.UnitExists"
#define NAME	       "xpv-worker-%u-%d.scope"
/* Process 1 may be busy, and guests wait for us. */
#define ANSWER_USEC 2000000u

static int open_manager(sd_bus **bus)
{
	int err = sd_bus_new(bus);

	if (err >= 0)
		err = sd_bus_set_address(*bus, MANAGER_SOCKET);
	if (err >= 0)
		err = sd_bus_start(*bus);
	return err;
}

/* The limits, as elements of an array that is open in @m. */
static int append_limits(sd_bus_message *m, const struct worker_options *o)
{
	uint64_t memory = (uint64_t)o->memory << 20, threads = o->threads;
	uint64_t weight = o->cpu_weight ? o->cpu_weight : UINT64_MAX;
	uint64_t cpu = o->cpu ? (uint64_t)o->cpu * 10000 : UINT64_MAX;

	return sd_bus_message_append(m, "(sv)(sv)(sv)(sv)", "MemoryMax", "t",
				     memory, "TasksMax", "t", threads,
				     "CPUWeight", "t", weight,
				     "CPUQuotaPerSecUSec", "t", cpu);
}

static int call(sd_bus *bus, sd_bus_message *m, sd_bus_error *error)
{
	return sd_bus_call(bus, m, ANSWER_USEC, error, NULL);
}

/*
 * No default dependencies: at shutdown the scope would end before the guests
 * do, which is not for workers, see KillMode= of xpvd.service.
 */
static int start(sd_bus *bus, const struct worker_options *o, const char *name,
		 uint32_t domid, pid_t pid, sd_bus_error *error)
{
	sd_bus_message *m = NULL;
	char what[64];
	int err = sd_bus_message_new_method_call(bus, &m, MANAGER, MANAGER_PATH,
						 MANAGER ".Manager",
						 "StartTransientUnit");

	snprintf(what, sizeof(what), "xpv worker of domain %u", domid);
	if (err >= 0)
		err = sd_bus_message_append(m, "ss", name, "fail");
	if (err >= 0)
		err = sd_bus_message_open_container(m, 'a', "(sv)");
	if (err >= 0)
		err = sd_bus_message_append(
			m, "(sv)(sv)(sv)(sv)", "Description", "s", what, "PIDs",
			"au", 1, (uint32_t)pid, "DefaultDependencies", "b", 0,
			"CollectMode", "s", "inactive-or-failed");
	if (err >= 0)
		err = append_limits(m, o);
	if (err >= 0)
		err = sd_bus_message_close_container(m);
	if (err >= 0)
		err = sd_bus_message_append(m, "a(sa(sv))", 0);
	if (err >= 0)
		err = call(bus, m, error);
	sd_bus_message_unref(m);
	return err;
}

/* A worker that is found has its scope already. */
static int change(sd_bus *bus, const struct worker_options *o, const char *name)
{
	sd_bus_message *m = NULL;
	int err = sd_bus_message_new_method_call(bus, &m, MANAGER, MANAGER_PATH,
						 MANAGER ".Manager",
						 "SetUnitProperties");

	if (err >= 0)
		err = sd_bus_message_append(m, "sb", name, 1);
	if (err >= 0)
		err = sd_bus_message_open_container(m, 'a', "(sv)");
	if (err >= 0)
		err = append_limits(m, o);
	if (err >= 0)
		err = sd_bus_message_close_container(m);
	if (err >= 0)
		err = call(bus, m, NULL);
	sd_bus_message_unref(m);
	return err;
}

int scope_enter(const struct supervisor *sv, uint32_t domid, pid_t pid)
{
	const struct worker_options *o = &sv->config.worker;
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus *bus = NULL;
	char name[64];
	int err;

	snprintf(name, sizeof(name), NAME, domid, pid);
	err = open_manager(&bus);
	if (err >= 0)
		err = start(bus, o, name, domid, pid, &error);
	if (err < 0 && sd_bus_error_has_name(&error, UNIT_EXISTS))
		err = change(bus, o, name);
	sd_bus_error_free(&error);
	sd_bus_close_unref(bus);
	return err < 0 ? err : 0;
}
