// SPDX-License-Identifier: MIT
#include "ctrl.h"

#include "queue.h"

#include <errno.h>
#include <string.h>

_Static_assert(HASH_MAX_MAPPING * sizeof(uint32_t) <= XPV_PAGE_SIZE,
	       "a mapping fits into the one page that a request can name");

/* ---- requests ---- */

/* Copy @len bytes from the start of a page of the guest's. */
static bool fetch(struct vif *vif, uint32_t gref, void *to, uint32_t len)
{
	struct hyper *h = vif->worker->hyper;
	struct hyper_copy op;

	if (!len)
		return true;
	memset(&op, 0, sizeof(op));
	op.src.is_grant = true;
	op.src.domid = vif->worker->domid;
	op.src.gref = gref;
	op.dst.virt = to;
	op.len = (uint16_t)len;
	return !h->ops->copy(h, &op, 1) && op.status == HYPER_COPY_OKAY;
}

static enum xpv_ctrl_status set_algorithm(struct vif *vif, uint32_t algorithm)
{
	if (algorithm != XPV_HASH_ALGORITHM_NONE &&
	    algorithm != XPV_HASH_ALGORITHM_TOEPLITZ)
		return XPV_CTRL_INVALID_PARAMETER;
	vif->legacy->hash.algorithm = algorithm;
	return XPV_CTRL_SUCCESS;
}

static enum xpv_ctrl_status get_flags(const struct vif *vif, uint32_t *flags)
{
	if (vif->legacy->hash.algorithm == XPV_HASH_ALGORITHM_NONE)
		return XPV_CTRL_NOT_SUPPORTED;
	*flags = XPV_HASH_ALL_FLAGS;
	return XPV_CTRL_SUCCESS;
}

static enum xpv_ctrl_status set_flags(struct vif *vif, uint32_t flags)
{
	if (flags & ~XPV_HASH_ALL_FLAGS ||
	    vif->legacy->hash.algorithm == XPV_HASH_ALGORITHM_NONE)
		return XPV_CTRL_INVALID_PARAMETER;
	vif->legacy->hash.flags = flags;
	return XPV_CTRL_SUCCESS;
}

/* What the guest does not give of the key is zero. */
static enum xpv_ctrl_status set_key(struct vif *vif, uint32_t gref,
				    uint32_t len)
{
	uint8_t key[HASH_MAX_KEY] = {0};

	if (len > sizeof(key))
		return XPV_CTRL_BUFFER_OVERFLOW;
	if (!fetch(vif, gref, key, len))
		return XPV_CTRL_INVALID_PARAMETER;
	memcpy(vif->legacy->hash.key, key, sizeof(key));
	return XPV_CTRL_SUCCESS;
}

static enum xpv_ctrl_status set_mapping_size(struct vif *vif, uint32_t entries)
{
	if (entries > HASH_MAX_MAPPING)
		return XPV_CTRL_INVALID_PARAMETER;
	vif->legacy->hash.nr_mapping = entries;
	memset(vif->legacy->hash.mapping, 0, sizeof(vif->legacy->hash.mapping));
	return XPV_CTRL_SUCCESS;
}

/* All of a part, or nothing of it. */
static enum xpv_ctrl_status set_mapping(struct vif *vif, uint32_t gref,
					uint32_t entries, uint32_t first)
{
	struct vif_hash *h = &vif->legacy->hash;
	uint32_t part[HASH_MAX_MAPPING];

	/* No sum of the two, which may wrap (XSA-270). */
	if (first > h->nr_mapping || entries > h->nr_mapping - first)
		return entries > HASH_MAX_MAPPING ? XPV_CTRL_BUFFER_OVERFLOW
						  : XPV_CTRL_INVALID_PARAMETER;
	if (!fetch(vif, gref, part, entries * (uint32_t)sizeof(part[0])))
		return XPV_CTRL_INVALID_PARAMETER;
	for (uint32_t i = 0; i < entries; i++)
		if (part[i] >= vif->nr_connected)
			return XPV_CTRL_INVALID_PARAMETER;
	memcpy(h->mapping + first, part, entries * sizeof(part[0]));
	return XPV_CTRL_SUCCESS;
}

static enum xpv_ctrl_status serve(struct vif *vif,
				  const struct xpv_netif_ctrl_request *req,
				  uint32_t *data)
{
	switch (req->type) {
	case XPV_CTRL_SET_HASH_ALGORITHM:
		return set_algorithm(vif, req->data[0]);
	case XPV_CTRL_GET_HASH_FLAGS:
		return get_flags(vif, data);
	case XPV_CTRL_SET_HASH_FLAGS:
		return set_flags(vif, req->data[0]);
	case XPV_CTRL_SET_HASH_KEY:
		return set_key(vif, req->data[0], req->data[1]);
	case XPV_CTRL_GET_HASH_MAPPING_SIZE:
		*data = HASH_MAX_MAPPING;
		return XPV_CTRL_SUCCESS;
	case XPV_CTRL_SET_HASH_MAPPING_SIZE:
		return set_mapping_size(vif, req->data[0]);
	case XPV_CTRL_SET_HASH_MAPPING:
		return set_mapping(vif, req->data[0], req->data[1],
				   req->data[2]);
	default:
		return XPV_CTRL_NOT_SUPPORTED;
	}
}

/* ---- the ring ---- */

static void answer(struct vif *vif, const struct xpv_netif_ctrl_request *req)
{
	struct xpv_netif_ctrl_response rsp = {.id = req->id, .type = req->type};

	rsp.status = serve(vif, req, &rsp.data);
	memcpy(answers_add(&vif->ctrl.answers), &rsp, sizeof(rsp));
}

static void broken(struct vif *vif)
{
	struct reason why;

	reason_set(&why,
		   "ctrl ring: req_prod is ahead of the %u slots of the ring",
		   vif->ctrl.ring.ring.entries);
	vif_broken(vif, &why);
}

static bool run(struct loop_work *work)
{
	struct vif *vif = work->owner;
	struct vif_ctrl *ctrl = &vif->ctrl;
	struct xpv_netif_ctrl_request req;
	int n;

	if (vif->broken)
		return false;
	n = xpv_back_pending(&ctrl->ring);
	if (n < 0)
		broken(vif);
	for (int i = 0; i < n && !answers_full(&ctrl->answers); i++) {
		xpv_back_take(&ctrl->ring, &req, sizeof(req));
		answer(vif, &req);
	}
	if (answers_push(&ctrl->answers, &ctrl->ring))
		loop_notify(vif->worker->loop, &ctrl->event);
	if (n > 0)
		vif_steer_update(vif);
	return n != 0;
}

static bool arm(struct loop_work *work)
{
	struct vif *vif = work->owner;

	return !vif->broken && xpv_back_final_check(&vif->ctrl.ring);
}

/* run() looks at the ring in every turn. */
static void ring_event(struct loop_port *port)
{
	(void)port;
}

int vif_ctrl_connect(struct vif *vif, uint32_t gref, uint32_t port,
		     bool resumed, struct reason *why)
{
	struct vif_ctrl *ctrl = &vif->ctrl;
	struct worker *w = vif->worker;
	int err;

	ctrl->page = vif_map_page(vif, "ctrl-ring-ref", gref, why);
	if (!ctrl->page)
		return -errno;
	if (xpv_back_attach(&ctrl->ring, ctrl->page, XPV_PAGE_SIZE,
			    XPV_NETIF_CTRL_SLOT)) {
		reason_set(why, "ctrl-ring-ref %u: its indices cannot be",
			   gref);
		vif_ctrl_disconnect(vif);
		return -EPROTO;
	}
	answers_attach(&ctrl->answers, vif->legacy->ctrl, NULL, LEGACY_CTRL,
		       XPV_NETIF_CTRL_SLOT, &ctrl->ring, resumed);
	ctrl->event.event = ring_event;
	err = loop_bind(w->loop, &ctrl->event, w->domid, port);
	if (err) {
		reason_set(why, "event channel %u of domain %u: %s", port,
			   w->domid, strerror(-err));
		vif_ctrl_disconnect(vif);
		return err;
	}
	ctrl->bound = true;
	if (resumed)
		loop_notify(w->loop, &ctrl->event);
	ctrl->work.run = run;
	ctrl->work.arm = arm;
	ctrl->work.owner = vif;
	loop_work_add(w->loop, &ctrl->work);
	return 0;
}

void vif_ctrl_disconnect(struct vif *vif)
{
	struct vif_ctrl *ctrl = &vif->ctrl;

	if (ctrl->bound) {
		loop_work_del(vif->worker->loop, &ctrl->work);
		loop_unbind(vif->worker->loop, &ctrl->event);
	}
	ctrl->bound = false;
	vif_unmap_page(vif, &ctrl->page);
}
