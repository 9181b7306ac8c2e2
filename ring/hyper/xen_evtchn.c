// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Event channels through /dev/xen/evtchn. */
#include "hyper/xen.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <xen/sys/evtchn.h>

int xen_evtchn_open(struct xen *x)
{
	int fd, flags;

	x->evtchn = xenevtchn_open(NULL, 0);
	if (!x->evtchn)
		return -1;
	fd = xenevtchn_fd(x->evtchn);
	flags = fcntl(fd, F_GETFL);
	if (flags < 0)
		return -1;
	return fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int xen_evtchn_fd(struct hyper *h)
{
	struct xen *x = xen_of(h);

	return x->evtchn ? xenevtchn_fd(x->evtchn) : -EINVAL;
}

int xen_evtchn_alloc(struct hyper *h, uint16_t domid)
{
	struct xen *x = xen_of(h);
	int port;

	if (!x->evtchn)
		return -EINVAL;
	port = xenevtchn_bind_unbound_port(x->evtchn, domid);
	return port < 0 ? xen_error() : port;
}

int xen_evtchn_bind(struct hyper *h, uint16_t domid, uint32_t remote_port)
{
	struct xen *x = xen_of(h);
	int port;

	if (!x->evtchn)
		return -EINVAL;
	port = xenevtchn_bind_interdomain(x->evtchn, domid, remote_port);
	return port < 0 ? xen_error() : port;
}

int xen_evtchn_unbind(struct hyper *h, uint32_t port)
{
	struct xen *x = xen_of(h);

	if (!x->evtchn)
		return -EINVAL;
	return xenevtchn_unbind(x->evtchn, port) ? xen_error() : 0;
}

int xen_evtchn_restrict(struct hyper *h, uint16_t domid)
{
	struct xen *x = xen_of(h);

	if (!x->evtchn)
		return -EINVAL;
	return xenevtchn_restrict(x->evtchn, domid) ? xen_error() : 0;
}

int xen_evtchn_notify(struct hyper *h, uint32_t port)
{
	struct xen *x = xen_of(h);

	if (!x->evtchn)
		return -EINVAL;
	return xenevtchn_notify(x->evtchn, port) ? xen_error() : 0;
}

int xen_evtchn_next(struct hyper *h)
{
	struct xen *x = xen_of(h);
	int port;

	if (!x->evtchn)
		return -EINVAL;
	do {
		port = xenevtchn_pending(x->evtchn);
	} while (port < 0 && errno == EINTR);
	if (port >= 0)
		return port;
	if (errno != EFBIG)
		return xen_error();
	/* The kernel's ring ran over and it delivers nothing until this. */
	if (ioctl(xenevtchn_fd(x->evtchn), IOCTL_EVTCHN_RESET, 0))
		return xen_error();
	return -EOVERFLOW;
}

int xen_evtchn_unmask(struct hyper *h, uint32_t port)
{
	struct xen *x = xen_of(h);

	if (!x->evtchn)
		return -EINVAL;
	return xenevtchn_unmask(x->evtchn, port) ? xen_error() : 0;
}
