// SPDX-License-Identifier: MIT
#include "errand.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "supervisor.h"

struct errands {
	int wake; /* an eventfd */
	sd_event_source *source;
	pthread_mutex_t lock; /* of the list */
	STAILQ_HEAD(, errand) finished;
};

static int on_finished(sd_event_source *source, int fd, uint32_t events,
		       void *userdata)
{
	struct errands *all = userdata;
	struct errand *e;
	eventfd_t count;

	(void)source;
	(void)events;
	eventfd_read(fd, &count);
	for (;;) {
		pthread_mutex_lock(&all->lock);
		e = STAILQ_FIRST(&all->finished);
		if (e)
			STAILQ_REMOVE_HEAD(&all->finished, next);
		pthread_mutex_unlock(&all->lock);
		if (!e)
			return 0;
		e->done(e);
	}
}

static void *thread(void *arg)
{
	struct errand *e = arg;
	struct errands *all = e->errands;

	e->run(e);
	pthread_mutex_lock(&all->lock);
	STAILQ_INSERT_TAIL(&all->finished, e, next);
	pthread_mutex_unlock(&all->lock);
	eventfd_write(all->wake, 1);
	return NULL;
}

void errand_start(struct supervisor *sv, struct errand *e)
{
	pthread_attr_t attr;
	pthread_t id;
	int err;

	e->errands = sv->errands;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = pthread_create(&id, &attr, thread, e);
	pthread_attr_destroy(&attr);
	/* Late is better than never. */
	if (err)
		thread(e);
}

int errands_init(struct supervisor *sv)
{
	struct errands *all = calloc(1, sizeof(*all));
	int err;

	if (!all)
		return -ENOMEM;
	STAILQ_INIT(&all->finished);
	pthread_mutex_init(&all->lock, NULL);
	all->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = all->wake < 0
		      ? -errno
		      : sd_event_add_io(sv->event, &all->source, all->wake,
					EPOLLIN, on_finished, all);
	sv->errands = all;
	return err;
}

void errands_fini(struct supervisor *sv)
{
	/* A thread may still come back: it is the process that forgets it. */
	if (sv->errands)
		sd_event_source_unref(sv->errands->source);
}
