// SPDX-License-Identifier: MIT
#include "reason.h"

#include <stdarg.h>
#include <stdio.h>

void reason_set(struct reason *why, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, args);
	va_end(args);
}
