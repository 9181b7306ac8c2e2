// SPDX-License-Identifier: MIT
#include "keys.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As much of a value as a complaint quotes. */
#define QUOTED 48

int key_path(char path[PATH_MAX_STORE], const char *dir, enum xpv_key key,
	     unsigned int n)
{
	const char *name = xpv_key(key);
	const char *mark = strstr(name, "%u");
	int len;

	if (mark)
		len = snprintf(path, PATH_MAX_STORE, "%s/%.*s%u%s", dir,
			       (int)(mark - name), name, n, mark + 2);
	else
		len = snprintf(path, PATH_MAX_STORE, "%s/%s", dir, name);
	return len < PATH_MAX_STORE ? 0 : -ENAMETOOLONG;
}

/* The value as the log and the `error` node may show it: short and printable.*/
static void quote(char out[QUOTED + 4], const char *value)
{
	size_t len = strlen(value);
	size_t shown = len > QUOTED ? QUOTED : len;

	for (size_t i = 0; i < shown; i++)
		out[i] = value[i] >= ' ' && value[i] <= '~' ? value[i] : '?';
	strcpy(out + shown, len > QUOTED ? "..." : "");
}

static void complain(struct reason *why, const char *path, const char *value,
		     const char *expected)
{
	char shown[QUOTED + 4];

	if (!value) {
		reason_set(why, "%s is missing: expected %s", path, expected);
		return;
	}
	quote(shown, value);
	reason_set(why, "%s = \"%s\": expected %s", path, shown, expected);
}

void key_complain(struct reason *why, const char *dir, enum xpv_key key,
		  const char *value, const char *expected)
{
	char path[PATH_MAX_STORE];

	if (!key_path(path, dir, key, 0))
		complain(why, path, value, expected);
}

static void complain_range(struct reason *why, const char *path,
			   enum xpv_key key, const char *value)
{
	const struct xpv_key_desc *desc = &xpv_keys[key];
	char expected[96];

	if (desc->type == XPV_TYPE_TEXT)
		snprintf(expected, sizeof(expected),
			 "a text of %" PRIu64 " to %" PRIu64 " bytes",
			 desc->min, desc->max);
	else
		snprintf(expected, sizeof(expected),
			 "a number from %" PRIu64 " to %" PRIu64, desc->min,
			 desc->max);
	complain(why, path, value, expected);
}

/*
 * *text NULL: absent. 0, or what keeps the store from answering, which goes
 * to @why if there is one.
 */
static int read_path(struct hyper *h, uint32_t tx, const char *path,
		     char **text, struct reason *why)
{
	int err;

	*text = h->ops->read(h, tx, path);
	if (*text || errno == ENOENT)
		return 0;
	/* A guest may make a node of its own unreadable to us: its fault. */
	err = errno;
	if (why)
		reason_set(why, "%s cannot be read: %s", path, strerror(err));
	if (err == EACCES)
		return -EINVAL;
	return err == EINVAL ? -EIO : -err;
}

int key_number_at(struct hyper *h, const char *dir, enum xpv_key key,
		  unsigned int n, uint64_t *value, struct reason *why)
{
	char path[PATH_MAX_STORE];
	char *text;
	int err;

	err = key_path(path, dir, key, n);
	if (!err)
		err = read_path(h, 0, path, &text, why);
	if (err)
		return err;
	if (xpv_key_parse(key, text, value)) {
		complain_range(why, path, key, text);
		err = -EINVAL;
	}
	free(text);
	return err;
}

int key_number(struct hyper *h, const char *dir, enum xpv_key key,
	       uint64_t *value, struct reason *why)
{
	return key_number_at(h, dir, key, 0, value, why);
}

int key_u32_at(struct hyper *h, const char *dir, enum xpv_key key,
	       unsigned int n, uint32_t *value, struct reason *why)
{
	uint64_t wide;
	int err = key_number_at(h, dir, key, n, &wide, why);

	/* The table keeps these keys within 32 bits. */
	if (!err)
		*value = (uint32_t)wide;
	return err;
}

int key_u32(struct hyper *h, const char *dir, enum xpv_key key, uint32_t *value,
	    struct reason *why)
{
	return key_u32_at(h, dir, key, 0, value, why);
}

int key_flag(struct hyper *h, const char *dir, enum xpv_key key, bool *value,
	     struct reason *why)
{
	uint64_t wide;
	int err = key_number(h, dir, key, &wide, why);

	if (!err)
		*value = wide != 0;
	return err;
}

int key_limit(struct hyper *h, const char *dir, enum xpv_key key, uint32_t max,
	      uint32_t *value, struct reason *why)
{
	char had[16], expected[64];
	int err = key_u32(h, dir, key, value, why);

	if (err || *value <= max)
		return err;
	snprintf(had, sizeof(had), "%u", *value);
	snprintf(expected, sizeof(expected), "%" PRIu64 " to %u, as offered",
		 xpv_keys[key].min, max);
	key_complain(why, dir, key, had, expected);
	return -EINVAL;
}

int key_text(struct hyper *h, const char *dir, enum xpv_key key, char **text,
	     struct reason *why)
{
	const struct xpv_key_desc *desc = &xpv_keys[key];
	char path[PATH_MAX_STORE];
	bool good;
	int err;

	*text = NULL;
	err = key_path(path, dir, key, 0);
	if (!err)
		err = read_path(h, 0, path, text, why);
	if (err)
		return err;
	if (*text)
		good = strlen(*text) >= desc->min && strlen(*text) <= desc->max;
	else
		good = desc->def != XPV_REQUIRED;
	if (good)
		return 0;
	complain_range(why, path, key, *text);
	free(*text);
	*text = NULL;
	return -EINVAL;
}

int key_there(struct hyper *h, const char *dir, enum xpv_key key,
	      struct reason *why)
{
	char path[PATH_MAX_STORE];
	char *text;
	int err;

	err = key_path(path, dir, key, 0);
	if (!err)
		err = read_path(h, 0, path, &text, why);
	if (err)
		return err;
	free(text);
	return text != NULL;
}

int key_state(struct hyper *h, uint32_t tx, const char *dir,
	      enum xpv_state *state)
{
	char path[PATH_MAX_STORE];
	uint64_t value;
	char *text;
	int err;

	*state = XPV_STATE_UNKNOWN;
	err = key_path(path, dir, XPV_KEY_STATE, 0);
	if (!err)
		err = read_path(h, tx, path, &text, NULL);
	if (err)
		return err;
	if (!text)
		return -ENOENT;
	if (!xpv_key_parse(XPV_KEY_STATE, text, &value))
		*state = (enum xpv_state)value;
	free(text);
	return 0;
}
