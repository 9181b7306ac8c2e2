/* SPDX-License-Identifier: MIT */
/*
 * A store whose every node says what the input says: a handle on a hypervisor
 * that has nothing else. Writes are accepted and forgotten.
 */
#ifndef XPV_FUZZ_WORDS_H
#define XPV_FUZZ_WORDS_H

#include "hyper/hyper.h"
#include "input.h"

#define WORD_MAX 4200u

/* The next piece of text: a number, bytes, or one of some known words. */
void words_text(struct input *in, char text[WORD_MAX]);
/* Take nodes out of the input, until it says that there are enough. */
void words_load(struct input *in);
struct hyper *words_hyper(void);

#endif
