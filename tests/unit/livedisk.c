// SPDX-License-Identifier: MIT
#include "livedisk.h"

#include <check.h>
#include <string.h>

#include "frontend/user/userblk.h"

#define XVDA 51712

static void publish(struct livedisk *k)
{
	struct userblk_queue *q = &k->fe->queue[0];

	front_number(&k->dev, xpv_key(XPV_KEY_RING_REF), q->gref[0]);
	front_number(&k->dev, xpv_key(XPV_KEY_EVENT_CHANNEL), q->port);
	front_write(&k->dev, xpv_key(XPV_KEY_PROTOCOL), "x86_64-abi");
	front_state(&k->dev, XPV_STATE_INITIALISED);
}

void livedisk_open(struct livedisk *k, struct host *host, uint16_t domid)
{
	struct userblk_config config = {.backend = host->self, .data_pages = 4};
	char spec[HOST_PATH];

	k->dev = vbd_add(host, domid, XVDA, host->disk, "w");
	wait_back(&k->dev, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&k->dev, host->disk);
	hyper_local_spec(host->machine, domid, spec, sizeof(spec));
	k->guest = hyper_open(spec, HYPER_SHARE | HYPER_EVTCHN);
	ck_assert_ptr_nonnull(k->guest);
	k->fe = userblk_new(k->guest, &config);
	ck_assert_ptr_nonnull(k->fe);
	publish(k);
	wait_back(&k->dev, XPV_STATE_CONNECTED);
	front_state(&k->dev, XPV_STATE_CONNECTED);
}

void livedisk_close(struct livedisk *k)
{
	vdev_remove(&k->dev);
	ck_assert_int_eq(userblk_free(k->fe), 0);
	hyper_close(k->guest);
}

void livedisk_use(struct livedisk *k, unsigned char byte)
{
	struct xpv_blk_request req = {.op = XPV_BLKIF_WRITE, .id = byte};
	unsigned char *page = userblk_page(k->fe, 0);
	int status = -1;

	memset(page, byte, XPV_PAGE_SIZE);
	userblk_segments(k->fe, &req, 0, 1);
	ck_assert_int_eq(userblk_call(k->fe, 0, &req, 5000, &status), 0);
	ck_assert_int_eq(status, 0);
	memset(page, 0, XPV_PAGE_SIZE);
	req.op = XPV_BLKIF_READ;
	ck_assert_int_eq(userblk_call(k->fe, 0, &req, 5000, &status), 0);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(page[0], byte);
	ck_assert_uint_eq(page[XPV_PAGE_SIZE - 1], byte);
}
