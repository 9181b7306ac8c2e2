/* SPDX-License-Identifier: MIT */
/*
 * The backend's side of a device, for programs that play one and break the
 * rules: everything in xenstore as it should be, until the rings are there.
 * Whatever goes wrong here ends the program: the test is not the peer's.
 */
#ifndef XPV_PEER_H
#define XPV_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "hyper/hyper.h"
#include "xenbus.h"

struct peer {
	struct hyper *h;
	uint16_t domid;
	char back[128]; /* our folder */
	char front[128];
};

void peer_die(const char *what);
/* Of a device that the toolstack makes now: waits for it. */
void peer_open(struct peer *p, const char *class, unsigned int domid,
	       unsigned int id);
void peer_put(struct peer *p, enum xpv_key key, unsigned int value);
void peer_put_text(struct peer *p, enum xpv_key key, const char *value);
uint32_t peer_get(struct peer *p, enum xpv_key key); /* of the frontend */
unsigned int peer_front_state(struct peer *p);
unsigned int peer_back_state(struct peer *p); /* the toolstack writes it too */
/* The frontend's state; false: it takes too long. */
bool peer_front_reaches(struct peer *p, enum xpv_state state);
/* The toolstack's script wants to see us in InitWait until it is done. */
void peer_wait_for_script(struct peer *p);
void *peer_map(struct peer *p, uint32_t gref);
uint32_t peer_bind(struct peer *p, uint32_t port);

#endif
