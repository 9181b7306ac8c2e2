// SPDX-License-Identifier: MIT
/*
 * A worker's devices and its conversation with the supervisor.
 *
 * A device never goes away under its own feet: what it reports
 * (worker_disconnected(), worker_broken()) is noted and acted upon by
 * settle(), from the loop.
 *
 * What we have to say fits in memory: no request is read while an answer
 * still waits to be sent, and a device breaks once a connection.
 */
#include "worker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../port/switch.h"
#include "log.h"

/* Requests read in one turn. */
#define TURN_REQUESTS 8

struct device {
	struct ipc_device id;
	union {
		struct vbd *vbd;
		struct vif *vif;
		struct uplink *uplink;
		void *any;
	};
	bool connected;
	bool disconnecting; /* asked to, has not reported back */
	bool settled; /* has reported back */
	bool broken;
	struct reason why;
	bool has_notice;
	bool noticed; /* the supervisor does not know it yet */
	union ipc_notice notice;
	/* DISCONNECT or DETACH to be answered once settled, else NONE. */
	enum ipc_type pending;
	LIST_ENTRY(device) next;
};

struct outgoing {
	struct ipc_msg msg;
	STAILQ_ENTRY(outgoing) next;
};

struct worker_private {
	struct worker *w;
	LIST_HEAD(, device) devices;
	STAILQ_HEAD(, outgoing) outgoing;
	struct loop_source control;
	struct loop_work settle;
	bool shutdown;
};

_Static_assert(REASON_TEXT == IPC_TEXT, "a reason fits into a reply");

/* ---- the supervisor ---- */

static void drop_outgoing(struct worker_private *p)
{
	struct outgoing *out;

	while ((out = STAILQ_FIRST(&p->outgoing))) {
		STAILQ_REMOVE_HEAD(&p->outgoing, next);
		free(out);
	}
}

static void supervisor_gone(struct worker *w)
{
	struct worker_private *p = w->priv;

	if (w->control < 0)
		return;
	drop_outgoing(p);
	loop_del(w->loop, &p->control);
	close(w->control);
	w->control = -1;
	log_line("domain %u: the supervisor is gone, serving on", w->domid);
}

static void enqueue(struct worker *w, const struct ipc_msg *msg)
{
	struct worker_private *p = w->priv;
	struct outgoing *out = malloc(sizeof(*out));

	if (!out) {
		/* An unanswered supervisor would wait for ever. */
		supervisor_gone(w);
		return;
	}
	out->msg = *msg;
	STAILQ_INSERT_TAIL(&p->outgoing, out, next);
	loop_modify(w->loop, &p->control, EPOLLOUT);
}

static void say(struct worker *w, const struct ipc_msg *msg)
{
	int err;

	if (w->control < 0)
		return;
	if (!STAILQ_EMPTY(&w->priv->outgoing)) {
		enqueue(w, msg);
		return;
	}
	err = ipc_send(w->control, msg, NULL, 0);
	if (err == -EAGAIN)
		enqueue(w, msg);
	else if (err)
		supervisor_gone(w);
}

static void send_waiting(struct worker *w)
{
	struct worker_private *p = w->priv;
	struct outgoing *out;
	int err;

	while ((out = STAILQ_FIRST(&p->outgoing))) {
		err = ipc_send(w->control, &out->msg, NULL, 0);
		if (err == -EAGAIN)
			return;
		if (err) {
			supervisor_gone(w);
			return;
		}
		STAILQ_REMOVE_HEAD(&p->outgoing, next);
		free(out);
	}
	loop_modify(w->loop, &p->control, EPOLLIN);
}

static void reply(struct worker *w, struct ipc_device id, enum ipc_type request,
		  int error, const struct reason *why)
{
	struct ipc_msg msg;

	memset(&msg, 0, sizeof(msg));
	msg.type = IPC_REPLY;
	msg.dev = id;
	msg.reply.request = request;
	msg.reply.error = error;
	if (error && why)
		memcpy(msg.reply.text, why->text, sizeof(msg.reply.text));
	say(w, &msg);
}

static void report_broken(struct worker *w, const struct device *dev)
{
	struct ipc_msg msg;

	memset(&msg, 0, sizeof(msg));
	msg.type = IPC_BROKEN;
	msg.dev = dev->id;
	memcpy(msg.reply.text, dev->why.text, sizeof(msg.reply.text));
	say(w, &msg);
}

/* What changes faster than it can be told is told as it is then. */
static bool can_tell(const struct worker *w, const struct device *dev)
{
	return dev->noticed && w->control >= 0 &&
	       STAILQ_EMPTY(&w->priv->outgoing);
}

static void tell(struct worker *w, struct device *dev)
{
	struct ipc_msg msg;

	if (!can_tell(w, dev))
		return;
	memset(&msg, 0, sizeof(msg));
	msg.type = IPC_NOTICE;
	msg.dev = dev->id;
	msg.notice = dev->notice;
	dev->noticed = false;
	say(w, &msg);
}

/* ---- devices ---- */

static struct device *find(struct worker *w, struct ipc_device id)
{
	struct device *dev;

	LIST_FOREACH(dev, &w->priv->devices, next)
		if (dev->id.class == id.class && dev->id.handle == id.handle)
			return dev;
	return NULL;
}

static void disconnect(struct worker *w, struct device *dev)
{
	if (dev->disconnecting)
		return;
	dev->disconnecting = true;
	if (dev->id.class == IPC_VBD)
		vbd_disconnect(dev->vbd, w->priv->shutdown);
	else if (dev->id.class == IPC_VIF)
		vif_disconnect(dev->vif);
	else
		uplink_disconnect(dev->uplink);
}

static void detach(struct device *dev)
{
	LIST_REMOVE(dev, next);
	if (dev->id.class == IPC_VBD)
		vbd_detach(dev->vbd);
	else if (dev->id.class == IPC_VIF)
		vif_detach(dev->vif);
	else
		uplink_detach(dev->uplink);
	free(dev);
}

/* The device has nothing in flight and maps nothing any more. */
static void settle_device(struct worker *w, struct device *dev)
{
	enum ipc_type pending = dev->pending;
	struct ipc_device id = dev->id;

	dev->settled = false;
	dev->disconnecting = false;
	dev->connected = false;
	dev->pending = IPC_NONE;
	if (dev->broken)
		report_broken(w, dev);
	dev->broken = false;
	if (pending == IPC_DETACH || w->priv->shutdown)
		detach(dev);
	if (pending != IPC_NONE)
		reply(w, id, pending, 0, NULL);
}

static bool settle_run(struct loop_work *work)
{
	struct worker_private *p = work->owner;
	struct device *dev, *after;
	bool found = false;

	for (dev = LIST_FIRST(&p->devices); dev; dev = after) {
		after = LIST_NEXT(dev, next);
		tell(p->w, dev);
		if (dev->broken || p->shutdown)
			disconnect(p->w, dev);
		if (dev->settled) {
			settle_device(p->w, dev);
			found = true;
		}
	}
	/* No one to serve, and no one who could give us someone. */
	if (LIST_EMPTY(&p->devices) && (p->shutdown || p->w->control < 0))
		loop_stop(p->w->loop);
	return found;
}

/* A device may have reported after this turn's settle_run(). */
static bool settle_arm(struct loop_work *work)
{
	struct worker_private *p = work->owner;
	struct device *dev;

	LIST_FOREACH(dev, &p->devices, next)
		if (dev->settled || (dev->broken && !dev->disconnecting) ||
		    can_tell(p->w, dev))
			return true;
	return false;
}

void worker_disconnected(struct worker *w, struct ipc_device id)
{
	struct device *dev = find(w, id);

	if (dev && dev->disconnecting)
		dev->settled = true;
}

void worker_notice(struct worker *w, struct ipc_device id,
		   const union ipc_notice *notice)
{
	struct device *dev = find(w, id);

	if (!dev)
		return;
	dev->notice = *notice;
	dev->has_notice = true;
	dev->noticed = true;
}

void worker_broken(struct worker *w, struct ipc_device id,
		   const struct reason *why)
{
	struct device *dev = find(w, id);

	if (!dev || dev->broken)
		return;
	dev->broken = true;
	dev->why = *why;
	log_line("domain %u %s %u: %s", w->domid,
		 id.class == IPC_VBD ? "vbd" : "vif", id.handle, why->text);
}

/* ---- requests ---- */

static void close_fds(const int *fds, unsigned int n)
{
	while (n)
		close(fds[--n]);
}

static int attach(struct worker *w, const struct ipc_msg *msg, const int *fds,
		  unsigned int nr_fds, struct reason *why)
{
	struct device *dev;

	if (find(w, msg->dev)) {
		reason_set(why, "device %u is attached already",
			   msg->dev.handle);
		return -EEXIST;
	}
	dev = calloc(1, sizeof(*dev));
	if (!dev) {
		reason_set(why, "out of memory");
		return -ENOMEM;
	}
	dev->id = msg->dev;
	errno = EINVAL;
	if (msg->dev.class == IPC_VBD)
		dev->vbd = vbd_attach(w, msg, fds, nr_fds, why);
	else if (msg->dev.class == IPC_VIF)
		dev->vif = vif_attach(w, msg, fds, nr_fds, why);
	else
		dev->uplink = uplink_attach(w, msg, fds, nr_fds, why);
	if (!dev->any) {
		free(dev);
		return errno ? -errno : -EINVAL;
	}
	LIST_INSERT_HEAD(&w->priv->devices, dev, next);
	return 0;
}

static int connect_device(struct device *dev, const struct ipc_msg *msg,
			  struct reason *why)
{
	int err;

	if (dev->connected) {
		/* From a supervisor that is new. */
		dev->noticed = dev->has_notice;
		reason_set(why, "device %u is connected already",
			   dev->id.handle);
		return -EBUSY;
	}
	if (dev->id.class == IPC_VBD)
		err = vbd_connect(dev->vbd, &msg->vbd_connect, why);
	else if (dev->id.class == IPC_VIF)
		err = vif_connect(dev->vif, &msg->vif_connect, why);
	else
		return 0; /* an uplink has nobody to connect to */
	dev->connected = !err;
	return err;
}

/* A port of a switch is told of another, and takes over @fds; or of its end. */
static int change_link(struct device *dev, const struct ipc_msg *msg,
		       const int *fds, unsigned int nr_fds, struct reason *why)
{
	struct switch_port *port = NULL;

	if (dev->id.class == IPC_VIF)
		port = vif_switch_port(dev->vif);
	else if (dev->id.class == IPC_UPLINK)
		port = uplink_switch_port(dev->uplink);
	if (!port) {
		reason_set(why, "device %u is on no switch", dev->id.handle);
		return -EINVAL;
	}
	if (msg->type == IPC_LINK)
		return switch_link_add(port, &msg->link, fds, nr_fds, why);
	switch_unlink(port, msg->unlink);
	return 0;
}

/*
 * A request on a device that exists; a LINK takes over @fds. -EINPROGRESS: it
 * is answered when settled.
 */
static int device_request(struct worker *w, struct device *dev,
			  const struct ipc_msg *msg, const int *fds,
			  unsigned int nr_fds, struct reason *why)
{
	if (dev->pending != IPC_NONE) {
		reason_set(why, "device %u is still disconnecting",
			   dev->id.handle);
		return -EBUSY;
	}
	switch (msg->type) {
	case IPC_CONNECT:
		return connect_device(dev, msg, why);
	case IPC_DISCONNECT:
	case IPC_DETACH:
		dev->pending = msg->type;
		disconnect(w, dev);
		return -EINPROGRESS;
	case IPC_RESIZE:
		if (dev->id.class == IPC_VBD)
			return vbd_resize(dev->vbd, msg->sectors, why);
		break;
	case IPC_VIF_TUNE:
		if (dev->id.class == IPC_VIF)
			return vif_tune(dev->vif, &msg->vif_tune, why);
		break;
	case IPC_LINK:
	case IPC_UNLINK:
		return change_link(dev, msg, fds, nr_fds, why);
	default:
		break;
	}
	reason_set(why, "request %u makes no sense here", msg->type);
	return -EINVAL;
}

static void serve_request(struct worker *w, const struct ipc_msg *msg,
			  const int *fds, unsigned int nr_fds)
{
	struct reason why = {""};
	struct device *dev;
	int err;

	if (msg->dev.class >= IPC_CLASSES) {
		reason_set(&why, "device class %u is unknown", msg->dev.class);
		err = -EINVAL;
	} else if (msg->type == IPC_ATTACH) {
		err = attach(w, msg, fds, nr_fds, &why);
		if (!err)
			nr_fds = 0; /* the device's now */
	} else if ((dev = find(w, msg->dev))) {
		err = device_request(w, dev, msg, fds, nr_fds, &why);
		if (!err && msg->type == IPC_LINK)
			nr_fds = 0;
	} else {
		reason_set(&why, "device %u is not attached", msg->dev.handle);
		err = -ENODEV;
	}
	close_fds(fds, nr_fds);
	if (err != -EINPROGRESS)
		reply(w, msg->dev, msg->type, err, &why);
}

static void serve_control(struct loop_source *src, uint32_t events)
{
	struct worker *w = src->owner;
	struct ipc_msg msg;
	int fds[IPC_MAX_FDS];
	struct reason why;
	int n, got;

	if (events & EPOLLOUT)
		send_waiting(w);
	for (n = 0; n < TURN_REQUESTS; n++) {
		if (w->control < 0 || !STAILQ_EMPTY(&w->priv->outgoing))
			return;
		got = ipc_recv(w->control, &msg, fds);
		if (got == -EAGAIN || got == -EINTR)
			return;
		if (got == -EPROTO) {
			log_line("domain %u: a message that is none was "
				 "ignored",
				 w->domid);
			continue;
		}
		if (got == -EMFILE) {
			reason_set(&why, "too many descriptors are open");
			reply(w, msg.dev, msg.type, got, &why);
			continue;
		}
		if (got < 0) {
			supervisor_gone(w);
			return;
		}
		serve_request(w, &msg, fds, (unsigned int)got);
	}
}

/* ---- life ---- */

int worker_init(struct worker *w, uint16_t domid, struct hyper *hyper,
		int control)
{
	struct worker_private *p = calloc(1, sizeof(*p));
	int err = -ENOMEM;

	memset(w, 0, sizeof(*w));
	w->domid = domid;
	w->hyper = hyper;
	w->control = control;
	w->priv = p;
	if (!p)
		return err;
	w->loop = loop_new(hyper);
	if (!w->loop) {
		err = -errno;
		goto out;
	}
	p->w = w;
	LIST_INIT(&p->devices);
	STAILQ_INIT(&p->outgoing);
	p->control.fd = control;
	p->control.ready = serve_control;
	p->control.owner = w;
	err = loop_add(w->loop, &p->control, EPOLLIN);
	if (err)
		goto out;
	p->settle.run = settle_run;
	p->settle.arm = settle_arm;
	p->settle.owner = p;
	loop_work_add(w->loop, &p->settle);
	return 0;
out:
	loop_free(w->loop);
	free(p);
	return err;
}

int worker_run(struct worker *w)
{
	return loop_run(w->loop);
}

void worker_shutdown(struct worker *w)
{
	w->priv->shutdown = true;
}

void worker_fini(struct worker *w)
{
	struct worker_private *p = w->priv;

	/*
	 * Normally none is left. After a failure of the loop the process is
	 * about to end, and the kernel unmaps and closes for us.
	 */
	if (!LIST_EMPTY(&p->devices))
		log_line("domain %u: leaving with devices attached", w->domid);
	drop_outgoing(p);
	if (w->control >= 0)
		close(w->control);
	loop_work_del(w->loop, &p->settle);
	loop_free(w->loop);
	free(p);
}
