// SPDX-License-Identifier: MIT
/*
 * soft-reset DOMAIN: what a toolstack does for a guest that has shut down with
 * SHUTDOWN_soft_reset, as Linux does in the midst of a kexec in an HVM or PVH
 * guest. libxl does it for HVM guests alone (libxl_domain_soft_reset() refuses
 * every other type, from 4.7 to this day, and xl then destroys the guest), so
 * that a PVH guest wants on_soft_reset = "preserve" and this.
 *
 * Xen takes the guest's event channels and its shared page away and lets it go
 * on where it was. New channels to xenstored and xenconsoled are made here. The
 * devices stay as they are: the new kernel finds them as the old one left them
 * and closes them first (xenbus_probe_frontend.c of Linux), which libxl spares
 * it by making all nodes anew.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <xenctrl.h>
#include <xenstore.h>

#include <xen/hvm/params.h>

static xc_interface *xc;
static struct xs_handle *xs;
static uint32_t domain;

/* A channel that @service may bind, where the guest and the service find it. */
static int channel(const char *service, uint32_t param)
{
	int port = xc_evtchn_alloc_unbound(xc, domain, 0);
	char path[64], value[16];
	int n = snprintf(value, sizeof(value), "%d", port);

	snprintf(path, sizeof(path), "/local/domain/%u/%s/port", domain,
		 service);
	if (port <= 0 || xc_hvm_param_set(xc, domain, param, (uint64_t)port) ||
	    !xs_write(xs, XBT_NULL, path, value, (unsigned int)n))
		err(1, "%s: no channel", service);
	return port;
}

int main(int argc, char **argv)
{
	xc_dominfo_t info;
	uint64_t frame;
	int port;

	if (argc != 2)
		errx(2, "usage: soft-reset DOMAIN");
	domain = (uint32_t)strtoul(argv[1], NULL, 10);
	xc = xc_interface_open(NULL, NULL, 0);
	xs = xs_open(0);
	if (!xc || !xs)
		err(1, "Xen");
	if (xc_domain_getinfo(xc, domain, 1, &info) != 1 ||
	    info.domid != domain || !info.shutdown ||
	    info.shutdown_reason != SHUTDOWN_soft_reset)
		errx(1, "domain %u does not wait for a soft reset", domain);

	if (xc_domain_pause(xc, domain) || xc_domain_soft_reset(xc, domain))
		err(1, "soft reset of domain %u", domain);
	port = channel("store", HVM_PARAM_STORE_EVTCHN);
	channel("console", HVM_PARAM_CONSOLE_EVTCHN);
	if (xc_hvm_param_get(xc, domain, HVM_PARAM_STORE_PFN, &frame) ||
	    !xs_introduce_domain(xs, domain, frame, (unsigned int)port))
		err(1, "xenstored does not take domain %u anew", domain);
	if (xc_domain_unpause(xc, domain))
		err(1, "domain %u stays paused", domain);
	xs_close(xs);
	xc_interface_close(xc);
	return 0;
}
