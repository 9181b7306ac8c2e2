/* SPDX-License-Identifier: MIT */
/*
 * Reading keys of a device. What comes from the store is text that a guest
 * may have written: each key is read once, checked against the table in
 * ring/xenbus.h, and complained about in words that name the path, the value
 * and what was expected.
 *
 * Results: 0; -EINVAL when the key is bad and @why says how; any other
 * negative errno when the store could not be asked, which says nothing about
 * the key.
 */
#ifndef XPV_SUPERVISOR_KEYS_H
#define XPV_SUPERVISOR_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "../reason.h"
#include "hyper/hyper.h"
#include "xenbus.h"

/* Longest path of a node, XENSTORE_ABS_PATH_MAX, and its NUL. */
#define PATH_MAX_STORE 3072

/* "%u" in the key's name becomes @n. */
int key_path(char path[PATH_MAX_STORE], const char *dir, enum xpv_key key,
	     unsigned int n);

int key_number(struct hyper *h, const char *dir, enum xpv_key key,
	       uint64_t *value, struct reason *why);
int key_number_at(struct hyper *h, const char *dir, enum xpv_key key,
		  unsigned int n, uint64_t *value, struct reason *why);
/* As key_number(), into 32 bits or a flag of the key's own range. */
int key_u32(struct hyper *h, const char *dir, enum xpv_key key, uint32_t *value,
	    struct reason *why);
int key_u32_at(struct hyper *h, const char *dir, enum xpv_key key,
	       unsigned int n, uint32_t *value, struct reason *why);
int key_flag(struct hyper *h, const char *dir, enum xpv_key key, bool *value,
	     struct reason *why);
/* A number that is not to exceed what we have offered, @max. */
int key_limit(struct hyper *h, const char *dir, enum xpv_key key, uint32_t max,
	      uint32_t *value, struct reason *why);
/* *text is to be freed; NULL if the key is absent and may be. */
int key_text(struct hyper *h, const char *dir, enum xpv_key key, char **text,
	     struct reason *why);
/* 1 there, 0 absent. @why may be NULL where the node is nobody's but ours. */
int key_there(struct hyper *h, const char *dir, enum xpv_key key,
	      struct reason *why);
/* -ENOENT if the node is not there; UNKNOWN if it holds no state. */
int key_state(struct hyper *h, uint32_t tx, const char *dir,
	      enum xpv_state *state);

/* "PATH = "VALUE": expected ...": for checks that are not in the table. */
void key_complain(struct reason *why, const char *dir, enum xpv_key key,
		  const char *value, const char *expected);

#endif
