/* SPDX-License-Identifier: MIT */
/* What barrier.h takes from the kernel, for a prover that knows no atomics: shared memory is volatile, so that each
 * access may see anything. */
#ifndef MODEL_TYPES_H
#define MODEL_TYPES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif
