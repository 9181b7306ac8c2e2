// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Helpers on the store, over either hypervisor. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "hyper/hyper.h"

/* XENSTORE_ABS_PATH_MAX and XENSTORE_PAYLOAD_MAX of xen/io/xs_wire.h. */
#define PATH_BYTES  (3072 + 1)
#define VALUE_BYTES (4096 + 1)

char *hyper_readf(struct hyper *h, uint32_t tx, const char *fmt, ...)
{
	char path[PATH_BYTES];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	return h->ops->read(h, tx, path);
}

int hyper_writef(struct hyper *h, uint32_t tx, const char *dir, const char *key,
		 const char *fmt, ...)
{
	char path[PATH_BYTES], value[VALUE_BYTES];
	va_list ap;
	int len;

	len = snprintf(path, sizeof(path), "%s/%s", dir, key);
	if (len < 0 || (size_t)len >= sizeof(path))
		return -ENAMETOOLONG;
	va_start(ap, fmt);
	len = vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= sizeof(value))
		return -E2BIG;
	return h->ops->write(h, tx, path, value);
}
