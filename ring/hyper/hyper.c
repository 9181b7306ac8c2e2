// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include "hyper/hyper.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "hyper/local.h"

#define PARTS (HYPER_GRANT | HYPER_SHARE | HYPER_EVTCHN | HYPER_STORE)

/* "PATH:DOMID"; the path may hold colons. */
static struct hyper *open_local(const char *rest, unsigned int parts)
{
	const char *colon = strrchr(rest, ':');
	struct hyper *h = NULL;
	unsigned long domid;
	char *path, *end;

	if (!colon || colon == rest || colon[1] < '0' || colon[1] > '9') {
		errno = EINVAL;
		return NULL;
	}
	domid = strtoul(colon + 1, &end, 10);
	if (*end || domid >= XPV_DOMID_FIRST_RESERVED) {
		errno = EINVAL;
		return NULL;
	}
	path = strndup(rest, (size_t)(colon - rest));
	if (path)
		h = local_open(path, (uint16_t)domid, parts);
	free(path);
	return h;
}

struct hyper *hyper_open(const char *spec, unsigned int parts)
{
	if (!parts || parts & ~(unsigned int)PARTS) {
		errno = EINVAL;
		return NULL;
	}
	if (!strcmp(spec, "xen"))
		return xen_open(parts);
	if (!strncmp(spec, "local:", 6))
		return open_local(spec + 6, parts);
	errno = EINVAL;
	return NULL;
}
