// SPDX-License-Identifier: GPL-2.0-only
#include "attach.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "xenbus.h"

#define TOKEN "attach"

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- keys ---- */

static int read_text(struct attach *a, const char *dir, enum xpv_key key,
		     char *text, size_t len)
{
	char *value = hyper_readf(a->fe->hyper, 0, "%s/%s", dir, xpv_key(key));
	int n;

	if (!value)
		return -errno;
	n = snprintf(text, len, "%s", value);
	free(value);
	return n < 0 || (size_t)n >= len ? -ENAMETOOLONG : 0;
}

/* 0 if there is nothing sensible, which is what an absent node stands for. */
static uint64_t read_number(struct attach *a, const char *dir, enum xpv_key key)
{
	char *value = hyper_readf(a->fe->hyper, 0, "%s/%s", dir, xpv_key(key));
	uint64_t number;

	if (xpv_key_parse(key, value, &number))
		number = 0;
	free(value);
	return number;
}

static int write_number(struct attach *a, uint32_t tx, const char *dir,
			const char *key, uint64_t number)
{
	return hyper_writef(a->fe->hyper, tx, dir, key, "%" PRIu64, number);
}

static int set_state(struct attach *a, enum xpv_state state)
{
	int err = write_number(a, 0, a->front, xpv_key(XPV_KEY_STATE), state);

	if (!err)
		a->state = state;
	return err;
}

/* ---- publishing ---- */

static int publish_queue(struct attach *a, uint32_t tx, const char *dir,
			 const struct userblk_queue *q)
{
	char key[32];
	unsigned int i;
	int err = write_number(a, tx, dir, xpv_key(XPV_KEY_EVENT_CHANNEL),
			       q->port);

	if (!err && a->fe->ring_pages == 1)
		return write_number(a, tx, dir, xpv_key(XPV_KEY_RING_REF),
				    q->gref[0]);
	for (i = 0; i < a->fe->ring_pages && !err; i++) {
		snprintf(key, sizeof(key), xpv_key(XPV_KEY_RING_REF_N), i);
		err = write_number(a, tx, dir, key, q->gref[i]);
	}
	return err;
}

/* A key that is there only when it says something; one of a former life goes. */
static int publish_option(struct attach *a, uint32_t tx, enum xpv_key key,
			  uint64_t number, bool present)
{
	struct hyper *h = a->fe->hyper;
	char path[320];
	int err;

	if (present)
		return write_number(a, tx, a->front, xpv_key(key), number);
	snprintf(path, sizeof(path), "%s/%s", a->front, xpv_key(key));
	err = h->ops->rm(h, tx, path);
	return err == -ENOENT ? 0 : err;
}

static int publish_queues(struct attach *a, uint32_t tx)
{
	const struct userblk_config *c = &a->fe->config;
	char dir[320], name[32];
	unsigned int i;
	int err;

	err = publish_option(a, tx, XPV_KEY_MQ_NUM_QUEUES, c->nr_queues,
			     c->nr_queues > 1);
	if (!err && c->nr_queues == 1)
		return publish_queue(a, tx, a->front, &a->fe->queue[0]);
	for (i = 0; i < c->nr_queues && !err; i++) {
		snprintf(name, sizeof(name), xpv_key(XPV_KEY_QUEUE), i);
		snprintf(dir, sizeof(dir), "%s/%s", a->front, name);
		err = publish_queue(a, tx, dir, &a->fe->queue[i]);
	}
	return err;
}

static int publish_keys(struct attach *a, uint32_t tx)
{
	int err = publish_queues(a, tx);

	if (!err)
		err = publish_option(a, tx, XPV_KEY_RING_ORDER,
				     a->fe->config.ring_order,
				     a->fe->config.ring_order > 0);
	if (!err)
		err = publish_option(a, tx, XPV_KEY_FEATURE_PERSISTENT, 1,
				     a->fe->config.persistent);
	if (!err)
		err = hyper_writef(a->fe->hyper, tx, a->front,
				   xpv_key(XPV_KEY_PROTOCOL), "%s",
				   a->fe->abi->protocol);
	return err;
}

static int publish(struct attach *a)
{
	struct hyper *h = a->fe->hyper;
	uint32_t tx;
	int err;

	do {
		err = h->ops->tx_start(h, &tx);
		if (err)
			return err;
		err = publish_keys(a, tx);
		if (err) {
			h->ops->tx_end(h, tx, true);
			return err;
		}
		err = h->ops->tx_end(h, tx, false);
	} while (err == -EAGAIN);
	return err ? err : set_state(a, XPV_STATE_INITIALISED);
}

static int connected(struct attach *a)
{
	struct attach_disk *d = &a->disk;

	d->sectors = read_number(a, a->back, XPV_KEY_SECTORS);
	d->sector_size = read_number(a, a->back, XPV_KEY_SECTOR_SIZE);
	d->physical_sector_size =
		read_number(a, a->back, XPV_KEY_PHYSICAL_SECTOR_SIZE);
	d->info = read_number(a, a->back, XPV_KEY_INFO);
	d->flush = read_number(a, a->back, XPV_KEY_FEATURE_FLUSH);
	d->barrier = read_number(a, a->back, XPV_KEY_FEATURE_BARRIER);
	d->discard = read_number(a, a->back, XPV_KEY_FEATURE_DISCARD);
	d->max_indirect = read_number(a, a->back, XPV_KEY_MAX_INDIRECT);
	d->persistent = read_number(a, a->back, XPV_KEY_FEATURE_PERSISTENT);
	if (!d->sectors)
		return -ENXIO;
	return set_state(a, XPV_STATE_CONNECTED);
}

/* ---- the walk ---- */

static int act(struct attach *a, enum xpv_state back)
{
	switch (xpv_front_action((enum xpv_state)a->state, back)) {
	case XPV_DO_PUBLISH:
		return publish(a);
	case XPV_DO_CONNECT:
		return connected(a);
	case XPV_DO_CLOSE:
	case XPV_DO_CLOSED:
	case XPV_DO_REFUSE:
		return -ECONNREFUSED;
	default:
		return 0;
	}
}

static enum xpv_state back_state(struct attach *a)
{
	return (enum xpv_state)read_number(a, a->back, XPV_KEY_STATE);
}

/* A watch has fired, for whatever node: look again. */
static int wait_for_store(struct hyper *h, int64_t end)
{
	struct hyper_watch_event event;
	struct pollfd fd = {.fd = h->ops->store_fd(h), .events = POLLIN};
	int64_t left = end - now_ms();

	if (left <= 0)
		return -ETIMEDOUT;
	if (poll(&fd, 1, (int)left) < 0 && errno != EINTR)
		return -errno;
	while (!h->ops->next_watch(h, &event))
		;
	return 0;
}

static int watch_back(struct attach *a)
{
	struct hyper *h = a->fe->hyper;
	char path[320];

	snprintf(path, sizeof(path), "%s/%s", a->back, xpv_key(XPV_KEY_STATE));
	return h->ops->watch(h, path, TOKEN);
}

static void unwatch_back(struct attach *a)
{
	struct hyper *h = a->fe->hyper;
	char path[320];

	snprintf(path, sizeof(path), "%s/%s", a->back, xpv_key(XPV_KEY_STATE));
	h->ops->unwatch(h, path, TOKEN);
}

int attach_begin(struct attach *a, struct userblk *fe, const char *front,
		 int timeout_ms)
{
	int64_t end = now_ms() + timeout_ms;
	int err;

	memset(a, 0, sizeof(*a));
	a->fe = fe;
	a->state = XPV_STATE_INITIALISING;
	if (strlen(front) >= sizeof(a->front))
		return -ENAMETOOLONG;
	strcpy(a->front, front);
	err = read_text(a, front, XPV_KEY_BACKEND, a->back, sizeof(a->back));
	if (!err)
		err = watch_back(a);
	while (!err && a->state != XPV_STATE_CONNECTED) {
		err = act(a, back_state(a));
		if (!err && a->state != XPV_STATE_CONNECTED)
			err = wait_for_store(fe->hyper, end);
	}
	return err;
}

static bool gone(enum xpv_state state)
{
	return state == XPV_STATE_CLOSED || state == XPV_STATE_UNKNOWN ||
	       state == XPV_STATE_INIT_WAIT;
}

int attach_end(struct attach *a, int timeout_ms)
{
	int64_t end = now_ms() + timeout_ms;
	int err;

	if (!a->back[0])
		return 0;
	err = set_state(a, XPV_STATE_CLOSING);
	while (!err && !gone(back_state(a))) {
		if (back_state(a) == XPV_STATE_CLOSING &&
		    a->state != XPV_STATE_CLOSED)
			err = set_state(a, XPV_STATE_CLOSED);
		if (!err)
			err = wait_for_store(a->fe->hyper, end);
	}
	unwatch_back(a);
	return err;
}
