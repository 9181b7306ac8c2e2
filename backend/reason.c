// SPDX-License-Identifier: MIT
#include "reason.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void reason_set(struct reason *why, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, args);
	va_end(args);
}

void reason_no_store(struct reason *why, const char *spec, int err)
{
	if (strcmp(spec, "xen"))
		reason_set(why, "the store of \"%.128s\": %s", spec,
			   strerror(err));
	else if (access(XEN_SIGN, F_OK))
		reason_set(why, XEN_SIGN
			   " is missing: expected a Linux that Xen has "
			   "started, Dom0 or a driver domain");
	else if (err == EACCES || err == EPERM)
		reason_set(why,
			   XENSTORE_SOCKET ", " XENSTORE_DEVICE
					   ": %s: expected root",
			   strerror(err));
	else
		reason_set(why,
			   XENSTORE_SOCKET ", " XENSTORE_DEVICE
					   ": %s: expected xenstored to run",
			   strerror(err));
}
