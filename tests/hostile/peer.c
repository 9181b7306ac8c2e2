// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"

#define POLL_US	 20000
#define PATIENCE 3000 /* polls: a minute */

void peer_die(const char *what)
{
	perror(what);
	exit(1);
}

static unsigned int state_of(struct peer *p, const char *dir)
{
	char *text = hyper_readf(p->h, 0, "%s/%s", dir, xpv_key(XPV_KEY_STATE));
	unsigned int state = text ? (unsigned int)atoi(text) : 0;

	free(text);
	return state;
}

static bool reaches(struct peer *p, const char *dir, enum xpv_state state)
{
	for (int i = 0; i < PATIENCE; i++) {
		if (state_of(p, dir) == (unsigned int)state)
			return true;
		usleep(POLL_US);
	}
	fprintf(stderr, "%s is %s, not %s\n", dir,
		xpv_state_name((enum xpv_state)state_of(p, dir)),
		xpv_state_name(state));
	return false;
}

void peer_open(struct peer *p, const char *class, unsigned int domid,
	       unsigned int id)
{
	p->h = hyper_open("xen", HYPER_GRANT | HYPER_EVTCHN | HYPER_STORE);
	if (!p->h)
		peer_die("xen");
	p->domid = (uint16_t)domid;
	snprintf(p->back, sizeof(p->back), XPV_PATH_BACK,
		 (unsigned int)p->h->self, class, domid, id);
	snprintf(p->front, sizeof(p->front), XPV_PATH_FRONT, domid, class, id);
	if (!reaches(p, p->back, XPV_STATE_INITIALISING))
		exit(1);
}

void peer_put_text(struct peer *p, enum xpv_key key, const char *value)
{
	if (hyper_writef(p->h, 0, p->back, xpv_key(key), "%s", value))
		peer_die(xpv_key(key));
}

void peer_put(struct peer *p, enum xpv_key key, unsigned int value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	peer_put_text(p, key, text);
}

uint32_t peer_get(struct peer *p, enum xpv_key key)
{
	char *text = hyper_readf(p->h, 0, "%s/%s", p->front, xpv_key(key));
	uint32_t value;

	if (!text)
		peer_die(xpv_key(key));
	value = (uint32_t)strtoul(text, NULL, 10);
	free(text);
	return value;
}

unsigned int peer_front_state(struct peer *p)
{
	return state_of(p, p->front);
}

unsigned int peer_back_state(struct peer *p)
{
	return state_of(p, p->back);
}

bool peer_front_reaches(struct peer *p, enum xpv_state state)
{
	return reaches(p, p->front, state);
}

void peer_wait_for_script(struct peer *p)
{
	bool done = false;

	for (int i = 0; i < PATIENCE && !done; i++) {
		char *text = hyper_readf(p->h, 0, "%s/%s", p->back,
					 xpv_key(XPV_KEY_HOTPLUG_STATUS));

		done = text && !strcmp(text, "connected");
		free(text);
		usleep(POLL_US);
	}
	if (!done)
		peer_die("the hotplug script does not end");
}

void *peer_map(struct peer *p, uint32_t gref)
{
	void *page = p->h->ops->map(p->h, p->domid, &gref, 1,
				    HYPER_READ | HYPER_WRITE);

	if (!page)
		peer_die("mapping a page");
	return page;
}

uint32_t peer_bind(struct peer *p, uint32_t port)
{
	int local = p->h->ops->evtchn_bind(p->h, p->domid, port);

	if (local < 0)
		peer_die("binding an event channel");
	return (uint32_t)local;
}
