// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Opening and closing a handle on the real hypervisor. */
#include "hyper/xen.h"

#include <stdlib.h>
#include <xentoollog.h>

#include "hyper/local.h" /* xen_open() */

/*
 * libxengnttab writes a line to stderr for each map that fails, and a guest
 * can make that happen at will. The errno says all that the line does.
 */
static void say_nothing(struct xentoollog_logger *logger,
			xentoollog_level level, int errnoval,
			const char *context, const char *format, va_list al)
{
	(void)logger;
	(void)level;
	(void)errnoval;
	(void)context;
	(void)format;
	(void)al;
}

static struct xentoollog_logger silence = {.vmessage = say_nothing};

/*
 * Our own domid, which only the store knows. A process without it works as
 * well: DOMID_SELF means the same to the hypervisor.
 */
static uint16_t own_domid(struct xen *x)
{
	uint16_t domid = XPV_DOMID_SELF;
	unsigned int len;
	char *value, *end;
	unsigned long n;

	if (!x->store)
		return domid;
	value = xs_read(x->store, XBT_NULL, "domid", &len);
	if (value) {
		n = strtoul(value, &end, 10);
		if (end != value && !*end && n < XPV_DOMID_FIRST_RESERVED)
			domid = (uint16_t)n;
		free(value);
	}
	return domid;
}

static void xen_close(struct hyper *h)
{
	struct xen *x = xen_of(h);

	if (x->gnttab)
		xengnttab_close(x->gnttab);
	if (x->gntshr)
		xengntshr_close(x->gntshr);
	if (x->evtchn)
		xenevtchn_close(x->evtchn);
	xen_store_close(x);
	free(x);
}

static const struct hyper_ops xen_ops = {
	.close = xen_close,
	.map = xen_map,
	.unmap = xen_unmap,
	.copy = xen_copy,
	.share = xen_share,
	.unshare = xen_unshare,
	.evtchn_fd = xen_evtchn_fd,
	.evtchn_alloc = xen_evtchn_alloc,
	.evtchn_bind = xen_evtchn_bind,
	.evtchn_unbind = xen_evtchn_unbind,
	.evtchn_restrict = xen_evtchn_restrict,
	.evtchn_notify = xen_evtchn_notify,
	.evtchn_next = xen_evtchn_next,
	.evtchn_unmask = xen_evtchn_unmask,
	.store_fd = xen_store_fd,
	.tx_start = xen_tx_start,
	.tx_end = xen_tx_end,
	.read = xen_read,
	.write = xen_write,
	.mkdir = xen_mkdir,
	.rm = xen_rm,
	.list = xen_list,
	.set_perms = xen_set_perms,
	.watch = xen_watch,
	.unwatch = xen_unwatch,
	.next_watch = xen_next_watch,
	.domain_alive = xen_domain_alive,
};

static int open_parts(struct xen *x, unsigned int parts)
{
	if (parts & HYPER_GRANT) {
		x->gnttab = xengnttab_open(&silence, 0);
		if (!x->gnttab)
			return xen_error();
	}
	if (parts & HYPER_SHARE) {
		x->gntshr = xengntshr_open(NULL, 0);
		if (!x->gntshr)
			return xen_error();
	}
	if (parts & HYPER_EVTCHN && xen_evtchn_open(x))
		return xen_error();
	return parts & HYPER_STORE ? xen_store_open(x) : 0;
}

struct hyper *xen_open(unsigned int parts)
{
	struct xen *x = calloc(1, sizeof(*x));
	int rc;

	if (!x)
		return NULL;
	x->base.ops = &xen_ops;
	x->base.parts = parts;
	x->store_end = -1;
	x->store_poll = -1;
	rc = open_parts(x, parts);
	if (!rc) {
		x->base.self = own_domid(x);
		return &x->base;
	}
	xen_close(&x->base);
	errno = -rc;
	return NULL;
}
