/* SPDX-License-Identifier: MIT */
/*
 * Three guests on switches of a real xpvd, a worker process for each, and
 * frames that are known again, each byte of them.
 */
#ifndef XPV_TESTS_STATIONS_H
#define XPV_TESTS_STATIONS_H

#include <sys/types.h>

#include "frontend/user/usernet.h"
#include "toolstack.h"

#define STATIONS	 3u
#define STATION_QUEUES	 2u
#define STATION_PATIENCE 10000 /* ms */

struct station {
	uint16_t domid;
	struct vdev d;
	struct hyper *h;
	struct usernet *u[STATION_QUEUES]; /* [0] NULL: it is not there */
	uint8_t mac[6];
	unsigned int in, foreign, damaged;
	uint32_t last; /* number of the last frame that came */
};

extern struct host stations_host;
extern struct station station[STATIONS];
extern uint8_t station_buf[70000]; /* the last frame that was made, */
extern uint32_t station_seq; /* and its number */
/* Those that are added ask for a multicast filter. */
extern bool stations_filtered;

void stations_setup(void);
void stations_teardown(void);
/* On the switch that @bridge names, connected. */
void station_add(struct station *g, const char *bridge);
void station_leave(struct station *g);
/* 0: there is none. XPV_DOMID_SELF: the uplink's. */
pid_t stations_worker(uint16_t domid);

/* Makes the next frame. */
void station_frame(const uint8_t to[6], const uint8_t from[6], uint32_t len);
bool station_whole(const uint8_t *frame, uint32_t len, uint32_t *number);
/* Makes the next frame and sends it; false: there is no room. */
bool station_send(struct station *from, const uint8_t to[6], uint32_t len);
/* Have all frames that it sent been answered? */
bool station_idle(const struct station *g);
/* Takes answers and frames that have come, of all. */
void stations_serve(void);
/* Until frames get through: links are made when both sides are there. */
void station_reach(struct station *from, struct station *to);
/*
 * @n frames, every byte of them. Workers that are not scheduled for long lose
 * some, as any network does: those are sent again.
 */
void station_pass(struct station *from, struct station *to, unsigned int n);

#define UNTIL(cond)                                                            \
	do {                                                                   \
		unsigned int left_ = STATION_PATIENCE;                         \
		while (!(cond) && left_--) {                                   \
			stations_serve();                                      \
			pause_ms(1);                                           \
		}                                                              \
		ck_assert_msg(left_ != UINT32_MAX, "never: " #cond);           \
	} while (0)

#endif
