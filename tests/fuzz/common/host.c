// SPDX-License-Identifier: MIT
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define DOM0 0

struct host host;

void fuzz_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

static struct hyper *open_as(uint16_t domid, unsigned int parts)
{
	char spec[256];
	struct hyper *h = hyper_open(hyper_local_spec(host.machine, domid, spec,
						      sizeof(spec)),
				     parts);

	FUZZ_NEED(h);
	return h;
}

/* Or its socket stays behind. */
static void stop(void)
{
	hyper_close(host.front);
	hyper_close(host.back);
	hyper_local_destroy(host.machine);
}

static void woken(struct loop_source *src, uint32_t events)
{
	(void)src;
	(void)events;
}

void host_keep_awake(struct loop *loop, struct loop_source *src)
{
	src->fd = eventfd(1, EFD_CLOEXEC);
	src->ready = woken;
	FUZZ_NEED(src->fd >= 0 && !loop_add(loop, src, EPOLLIN));
}

void host_start(void)
{
	static struct loop_source awake;
	int sock[2];

	if (host.machine)
		return;
	host.machine = hyper_local_create(NULL);
	FUZZ_NEED(host.machine);
	FUZZ_NEED(!hyper_local_domain_create(host.machine, HOST_GUEST));
	host.back = open_as(DOM0, HYPER_GRANT | HYPER_EVTCHN);
	host.front = open_as(HOST_GUEST, HYPER_SHARE | HYPER_EVTCHN);
	FUZZ_NEED(!ipc_pair(sock));
	host.control = sock[0];
	FUZZ_NEED(!worker_init(&host.worker, HOST_GUEST, host.back, sock[1]));
	host_keep_awake(host.worker.loop, &awake);
	atexit(stop);
}

void host_turn(void)
{
	FUZZ_CHECK(!loop_turn(host.worker.loop, true));
}

void *host_share(unsigned int n, bool writable, uint32_t *grefs)
{
	void *mem =
		host.front->ops->share(host.front, DOM0, n, writable, grefs);

	FUZZ_NEED(mem);
	return mem;
}

uint32_t host_port(void)
{
	int port = host.front->ops->evtchn_alloc(host.front, DOM0);

	FUZZ_NEED(port > 0);
	return (uint32_t)port;
}

void host_drain_events(void)
{
	struct hyper *h = host.front;
	int port;

	while ((port = h->ops->evtchn_next(h)) >= 0)
		h->ops->evtchn_unmask(h, (uint32_t)port);
}

uint32_t host_gref(uint8_t choice, const uint32_t *grefs, unsigned int n)
{
	static const uint32_t wild[] = {0, UINT32_MAX, 1u << 18, 32767, 32768};

	choice %= n + sizeof(wild) / sizeof(wild[0]);
	return choice < n ? grefs[choice] : wild[choice - n];
}
