// SPDX-License-Identifier: MIT
#include "store.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hyper/hyper.h"

struct store store;

/* ---- a loop and a file ---- */

static void changed(void *owner, const struct storage_health *now)
{
	(void)owner;
	store.health = *now;
	store.nr_changes++;
}

void store_start(void)
{
	char spec[256];

	store.machine = hyper_local_create(NULL);
	ck_assert_ptr_nonnull(store.machine);
	hyper_local_spec(store.machine, 0, spec, sizeof(spec));
	store.hyper = hyper_open(spec, HYPER_EVTCHN);
	ck_assert_ptr_nonnull(store.hyper);
	store.loop = loop_new(store.hyper);
	ck_assert_ptr_nonnull(store.loop);
	store.file = memfd_create("disk", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(store.file, 1 << 20), 0);
	store.storage = NULL;
	store.config = (struct storage_config){.changed = changed};
	store.nr_changes = 0;
}

void store_stop(void)
{
	storage_close(store.storage);
	loop_free(store.loop);
	hyper_close(store.hyper);
	hyper_local_destroy(store.machine);
	close(store.file);
}

const enum storage_engine store_engines[STORE_ENGINES] = {STORAGE_ENGINE_URING,
							  STORAGE_ENGINE_POOL};

void store_open(enum storage_engine engine, int fd)
{
	struct reason why;

	store.config.engine = engine;
	store.storage = storage_file(store.loop, fd, &store.config, &why);
	ck_assert_msg(store.storage, "%s", why.text);
}

void store_make_dir(void)
{
	strcpy(store.dir, "/tmp/xpv-target-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(store.dir));
	snprintf(store.path, sizeof(store.path), "%s/disk", store.dir);
}

void store_remove_dir(void)
{
	unlink(store.path);
	rmdir(store.path);
	rmdir(store.dir);
}

void store_make_file(off_t size)
{
	int fd = open(store.path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, size), 0);
	close(fd);
}

/* ---- requests ---- */

static void done(struct storage_io *io, int error)
{
	store.results[store.nr_results++] = error;
	(void)io;
}

void store_submit(struct store_request *r, enum storage_op op, uint64_t offset,
		  void *buf, uint64_t length)
{
	memset(r, 0, sizeof(*r));
	r->iov[0] = (struct iovec){.iov_base = buf, .iov_len = length};
	r->io = (struct storage_io){
		.op = op,
		.iov = r->iov,
		.nr_iov = 1,
		.offset = offset,
		.length = length,
		.done = done,
	};
	storage_submit(store.storage, &r->io);
}

/* Turns as the loop of a worker makes them. */
struct pump {
	struct loop_work work;
	unsigned int want;
};

static bool pump_run(struct loop_work *work)
{
	struct pump *p = (struct pump *)work;
	bool found = storage_kick(store.storage);

	if (store.nr_results >= p->want)
		loop_stop(store.loop);
	return found;
}

static bool pump_arm(struct loop_work *work)
{
	(void)work;
	return storage_arm(store.storage);
}

void store_wait(unsigned int n)
{
	struct pump p = {
		.work = {.run = pump_run, .arm = pump_arm},
		.want = n,
	};

	loop_work_add(store.loop, &p.work);
	ck_assert_int_eq(loop_run(store.loop), 0);
	loop_work_del(store.loop, &p.work);
	ck_assert_uint_eq(store.nr_results, n);
	store.nr_results = 0;
}

int store_call(enum storage_op op, uint64_t offset, void *buf, uint64_t length)
{
	struct store_request r;

	store_submit(&r, op, offset, buf, length);
	store_wait(1);
	return store.results[0];
}

/* ---- an engine that answers what it is told ---- */

/* ---- the engine that answers what it is told ---- */

static void script_submit(struct engine *e, struct storage_io *io)
{
	struct store_script *s = (struct store_script *)e;

	STAILQ_INSERT_TAIL(&s->queue, io, next);
}

static bool script_kick(struct engine *e)
{
	struct store_script *s = (struct store_script *)e;
	struct storage_io *io = STAILQ_FIRST(&s->queue);

	if (!io)
		return false;
	STAILQ_REMOVE_HEAD(&s->queue, next);
	attempt_plan(io, &s->seen[s->nr_seen]);
	e->finished(e->owner, io, s->answers[s->nr_seen++]);
	return true;
}

static bool script_arm(struct engine *e)
{
	(void)e;
	return false;
}

static void script_close(struct engine *e)
{
	(void)e;
}

static const struct engine_ops script_ops = {
	.submit = script_submit,
	.kick = script_kick,
	.arm = script_arm,
	.close = script_close,
};

void store_answer(const ssize_t *answers)
{
	memset(&store.script, 0, sizeof(store.script));
	store.script.engine.ops = &script_ops;
	store.script.answers = answers;
	STAILQ_INIT(&store.script.queue);
	store.storage = storage_file_over(store.loop, &store.script.engine,
					  dup(store.file), &store.config);
	ck_assert_ptr_nonnull(store.storage);
}
