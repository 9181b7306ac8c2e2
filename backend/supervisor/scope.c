// SPDX-License-Identifier: MIT
/*
 * A worker as a scope of systemd's, org.freedesktop.systemd1(5). Asked over the
 * socket that process 1 keeps for root, so that no bus has to run.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-bus.h>

#include "cgroup.h"
#include "supervisor.h"

#define MANAGER_SOCKET "unix:path=/run/systemd/private"
#define MANAGER	       "org.freedesktop.systemd1"
#define MANAGER_PATH   "/org/freedesktop/systemd1"
#define UNIT_EXISTS    "org.freedesktop.systemd1.UnitExists"
#define NAME	       "xpv-worker-%u-%d.scope"
/* Process 1 may be busy; nobody waits for it. */
#define ANSWER_USEC 60000000u

/* A worker on its way into its scope. */
struct entry {
	struct supervisor *sv;
	uint32_t domid;
	pid_t pid;
	bool found; /* there was a scope already: it gets today's limits */
};

/* ---- what is asked ---- */

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

/*
 * No default dependencies: at shutdown the scope would end before the guests
 * do, which is not for workers, see KillMode= of xpvd.service.
 */
static int append_start(sd_bus_message *m, const struct entry *e,
			const char *name)
{
	const struct worker_options *o = &e->sv->config.worker;
	char what[64];
	int err = sd_bus_message_append(m, "ss", name, "fail");

	snprintf(what, sizeof(what), "xpv worker of domain %u", e->domid);
	if (err >= 0)
		err = sd_bus_message_open_container(m, 'a', "(sv)");
	if (err >= 0)
		err = sd_bus_message_append(
			m, "(sv)(sv)(sv)(sv)", "Description", "s", what, "PIDs",
			"au", 1, (uint32_t)e->pid, "DefaultDependencies", "b",
			0, "CollectMode", "s", "inactive-or-failed");
	if (err >= 0)
		err = append_limits(m, o);
	if (err >= 0)
		err = sd_bus_message_close_container(m);
	if (err >= 0)
		err = sd_bus_message_append(m, "a(sa(sv))", 0);
	return err;
}

/* A worker that is found has its scope already. */
static int append_change(sd_bus_message *m, const struct entry *e,
			 const char *name)
{
	int err = sd_bus_message_append(m, "sb", name, 1);

	if (err >= 0)
		err = sd_bus_message_open_container(m, 'a', "(sv)");
	if (err >= 0)
		err = append_limits(m, &e->sv->config.worker);
	if (err >= 0)
		err = sd_bus_message_close_container(m);
	return err;
}

/* ---- asking ---- */

static int answered(sd_bus_message *m, void *userdata, sd_bus_error *error);

static void forget(void *userdata)
{
	struct entry *e = userdata;

	e->sv->asked--;
	free(e);
}

static int ask(struct entry *e)
{
	sd_bus_message *m = NULL;
	sd_bus_slot *slot = NULL;
	char name[64];
	int err = sd_bus_message_new_method_call(
		e->sv->manager, &m, MANAGER, MANAGER_PATH, MANAGER ".Manager",
		e->found ? "SetUnitProperties" : "StartTransientUnit");

	snprintf(name, sizeof(name), NAME, e->domid, e->pid);
	if (err >= 0)
		err = e->found ? append_change(m, e, name)
			       : append_start(m, e, name);
	if (err >= 0)
		err = sd_bus_call_async(e->sv->manager, &slot, m, answered, e,
					ANSWER_USEC);
	if (err >= 0) {
		/* It goes with the answer, or with the connection. */
		e->sv->asked++;
		sd_bus_slot_set_destroy_callback(slot, forget);
		sd_bus_slot_set_floating(slot, true);
	}
	sd_bus_slot_unref(slot);
	sd_bus_message_unref(m);
	return err;
}

static int answered(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const sd_bus_error *failed = sd_bus_message_get_error(m);
	struct entry *e = userdata, *again;
	int err = failed ? -sd_bus_message_get_errno(m) : 0;

	(void)error;
	if (!e->found && failed && sd_bus_error_has_name(failed, UNIT_EXISTS)) {
		again = malloc(sizeof(*again));
		err = -ENOMEM;
		if (again) {
			*again = *e;
			again->found = true;
			err = ask(again);
		}
		if (err < 0)
			free(again);
	}
	/* One that has ended meanwhile needs no limits. */
	if (err < 0 && err != -ESRCH)
		cgroup_complain(e->domid, e->pid, err);
	/* Who stays connected is told of every unit that changes. */
	if (e->sv->asked == 1)
		sd_bus_close(e->sv->manager);
	return 0;
}

/* Nobody has one open, or process 1 left it, as when it executes itself. */
static int open_manager(struct supervisor *sv)
{
	int err;

	if (sd_bus_is_open(sv->manager) > 0)
		return 0;
	scope_fini(sv);
	err = sd_bus_new(&sv->manager);
	if (err >= 0)
		err = sd_bus_set_address(sv->manager, MANAGER_SOCKET);
	/* Who leaves waits for no answer either. */
	if (err >= 0)
		err = sd_bus_set_close_on_exit(sv->manager, 0);
	if (err >= 0)
		err = sd_bus_start(sv->manager);
	if (err >= 0)
		err = sd_bus_attach_event(sv->manager, sv->event, 0);
	if (err < 0)
		scope_fini(sv);
	return err;
}

int scope_enter(struct supervisor *sv, uint32_t domid, pid_t pid)
{
	struct entry *e = malloc(sizeof(*e));
	int err;

	if (!e)
		return -ENOMEM;
	*e = (struct entry){.sv = sv, .domid = domid, .pid = pid};
	err = open_manager(sv);
	if (err >= 0)
		err = ask(e);
	if (err < 0)
		free(e);
	return err < 0 ? err : 0;
}

void scope_fini(struct supervisor *sv)
{
	sv->manager = sd_bus_close_unref(sv->manager);
}
