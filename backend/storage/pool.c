// SPDX-License-Identifier: MIT
/*
 * The engine of last resort, where io_uring is refused: a few threads that
 * block in system calls. Requests travel to them and back through two lists
 * under one lock; an eventfd wakes the loop.
 */
#include "engine.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../worker/loop.h"

struct pool {
	struct engine engine;
	struct loop *loop;
	struct loop_source wake; /* an eventfd */
	int fd; /* of the file */
	struct storage_queue queue; /* the loop's: submitted, not kicked */
	unsigned int started;
	pthread_t thread[ENGINE_THREADS];
	pthread_mutex_t lock; /* of everything below */
	pthread_cond_t work;
	struct storage_queue todo;
	struct storage_queue finished;
	bool stop;
};

static void finish(struct pool *p, struct storage_io *io, ssize_t result)
{
	bool first;

	io->attempt = result;
	pthread_mutex_lock(&p->lock);
	first = STAILQ_EMPTY(&p->finished);
	STAILQ_INSERT_TAIL(&p->finished, io, next);
	pthread_mutex_unlock(&p->lock);
	if (first)
		eventfd_write(p->wake.fd, 1);
}

static struct storage_io *next(struct pool *p)
{
	struct storage_io *io;

	pthread_mutex_lock(&p->lock);
	while (STAILQ_EMPTY(&p->todo) && !p->stop)
		pthread_cond_wait(&p->work, &p->lock);
	io = STAILQ_FIRST(&p->todo);
	if (io)
		STAILQ_REMOVE_HEAD(&p->todo, next);
	pthread_mutex_unlock(&p->lock);
	return io;
}

static void *serve(void *arg)
{
	struct pool *p = arg;
	struct storage_io *io;
	struct attempt a;

	while ((io = next(p))) {
		attempt_plan(io, &a);
		finish(p, io, attempt_run(p->fd, &a));
	}
	return NULL;
}

static void pool_submit(struct engine *e, struct storage_io *io)
{
	struct pool *p = (struct pool *)e;

	STAILQ_INSERT_TAIL(&p->queue, io, next);
}

static bool pool_kick(struct engine *e)
{
	struct pool *p = (struct pool *)e;
	struct storage_queue finished = STAILQ_HEAD_INITIALIZER(finished);
	struct storage_io *io;
	bool found = false;

	pthread_mutex_lock(&p->lock);
	if (!STAILQ_EMPTY(&p->queue))
		pthread_cond_broadcast(&p->work);
	STAILQ_CONCAT(&p->todo, &p->queue);
	STAILQ_CONCAT(&finished, &p->finished);
	pthread_mutex_unlock(&p->lock);

	while ((io = STAILQ_FIRST(&finished))) {
		STAILQ_REMOVE_HEAD(&finished, next);
		e->finished(e->owner, io, io->attempt);
		found = true;
	}
	return found || !STAILQ_EMPTY(&p->queue);
}

/* The eventfd is written whenever the list was empty. */
static bool pool_arm(struct engine *e)
{
	(void)e;
	return false;
}

/* Finished requests are looked for in every turn. */
static void woken(struct loop_source *src, uint32_t events)
{
	eventfd_t count;

	(void)events;
	eventfd_read(src->fd, &count);
}

static void stop_threads(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	while (p->started)
		pthread_join(p->thread[--p->started], NULL);
}

static void pool_close(struct engine *e)
{
	struct pool *p = (struct pool *)e;

	stop_threads(p);
	loop_del(p->loop, &p->wake);
	close(p->wake.fd);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static const struct engine_ops pool_ops = {
	.submit = pool_submit,
	.kick = pool_kick,
	.arm = pool_arm,
	.close = pool_close,
};

/* Signals are the loop's: ours are all blocked. */
static int start_threads(struct pool *p, unsigned int threads)
{
	sigset_t all, old;
	int err = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (p->started < threads && !err) {
		err = pthread_create(&p->thread[p->started], NULL, serve, p);
		if (!err)
			p->started++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	/* Fewer than wanted will do. */
	return p->started ? 0 : -err;
}

struct engine *engine_pool(struct loop *loop, int fd, unsigned int threads)
{
	struct pool *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return NULL;
	STAILQ_INIT(&p->queue);
	STAILQ_INIT(&p->todo);
	STAILQ_INIT(&p->finished);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	p->engine.ops = &pool_ops;
	p->loop = loop;
	p->fd = fd;
	p->wake.ready = woken;
	p->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = p->wake.fd < 0 ? -errno : loop_add(loop, &p->wake, EPOLLIN);
	if (!err)
		err = start_threads(p, threads);
	if (!err)
		return &p->engine;
	if (p->wake.fd >= 0)
		close(p->wake.fd); /* which takes it out of the loop, too */
	free(p);
	errno = -err;
	return NULL;
}
