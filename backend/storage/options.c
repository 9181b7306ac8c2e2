// SPDX-License-Identifier: MIT
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../ipc.h"
#include "../reason.h"
#include "blkif.h"

#define SCHEME "file:"
/* Longest key and value of a URI. */
#define WORD 64

static const char *const cache_words[] = {
	[STORAGE_CACHE_DIRECT] = "direct",
	[STORAGE_CACHE_WRITETHROUGH] = "writethrough",
	[STORAGE_CACHE_WRITEBACK] = "writeback",
	[STORAGE_CACHE_UNSAFE] = "unsafe",
	NULL,
};
static const char *const full_words[] = {
	[STORAGE_FULL_PAUSE] = "pause",
	[STORAGE_FULL_ERROR] = "error",
	NULL,
};
static const char *const engine_words[] = {
	[STORAGE_ENGINE_AUTO] = "auto",
	[STORAGE_ENGINE_URING] = "uring",
	[STORAGE_ENGINE_POOL] = "threads",
	NULL,
};
static const char *const switch_words[] = {"off", "on", NULL};

enum kind {
	ENUM, /* of the words, the index; of numbers, too */
	SWITCH, /* bool */
	NUMBER, /* min..max */
	SECTOR, /* min or max */
	SIZE, /* min..max, a power of two */
};

struct option {
	const char *key;
	enum kind kind;
	size_t offset; /* in struct disk_options */
	const char *const *words;
	uint32_t min, max;
};

#define AT(field) offsetof(struct disk_options, field)

static const struct option options[] = {
	{"cache", ENUM, AT(cache), cache_words, 0, 0},
	{"full", ENUM, AT(full), full_words, 0, 0},
	{"engine", ENUM, AT(engine), engine_words, 0, 0},
	{"discard", SWITCH, AT(discard), switch_words, 0, 0},
	{"persistent", SWITCH, AT(persistent), switch_words, 0, 0},
	{"sector-size", SECTOR, AT(sector_size), NULL, 512, 4096},
	{"physical-sector-size", SIZE, AT(physical_sector_size), NULL, 512,
	 1048576},
	{"queues", NUMBER, AT(queues), NULL, 1, IPC_MAX_QUEUES},
	{"ring-order", NUMBER, AT(ring_order), NULL, 0,
	 XPV_BLKIF_MAX_RING_ORDER},
	{"indirect", NUMBER, AT(indirect), NULL, 0, XPV_BLKIF_MAX_SEGS},
};
#define NR_OPTIONS (sizeof(options) / sizeof(options[0]))

void disk_options_init(struct disk_options *o)
{
	*o = (struct disk_options){
		.discard = true,
		.persistent = true,
		.queues = IPC_MAX_QUEUES,
		.ring_order = XPV_BLKIF_MAX_RING_ORDER,
		.indirect = XPV_BLKIF_OFFER_SEGS,
	};
}

const char *storage_cache_name(enum storage_cache cache)
{
	return cache ? cache_words[cache] : "direct or writethrough";
}

const char *storage_full_name(enum storage_full full)
{
	return full_words[full];
}

/* -1: none of them. */
static int word_index(const char *const *words, const char *value)
{
	/* Values that cannot be said have no word. */
	for (int i = 0; !i || words[i]; i++)
		if (words[i] && !strcmp(words[i], value))
			return i;
	return -1;
}

static bool parse_number(const struct option *opt, const char *value,
			 uint32_t *number)
{
	unsigned long n;
	char *end;

	if (!isdigit((unsigned char)*value))
		return false;
	errno = 0;
	n = strtoul(value, &end, 10);
	if (errno || *end || n < opt->min || n > opt->max)
		return false;
	*number = (uint32_t)n;
	if (opt->kind == SECTOR)
		return n == opt->min || n == opt->max;
	return opt->kind == NUMBER || !(n & (n - 1));
}

static bool set(const struct option *opt, struct disk_options *o,
		const char *value)
{
	char *field = (char *)o + opt->offset;
	uint32_t number;
	int index;

	if (!opt->words) {
		if (!parse_number(opt, value, &number))
			return false;
		memcpy(field, &number, sizeof(number));
		return true;
	}
	index = word_index(opt->words, value);
	if (index < 0)
		return false;
	if (opt->kind == SWITCH)
		*(bool *)(void *)field = index == 1;
	else
		memcpy(field, &index, sizeof(index));
	return true;
}

_Static_assert(sizeof(enum storage_cache) == sizeof(int) &&
		       sizeof(enum storage_full) == sizeof(int) &&
		       sizeof(enum storage_engine) == sizeof(int),
	       "set() writes them as int");

/* "direct, writethrough or ...", "a number from 1 to 16" */
static void expected(const struct option *opt, char text[128])
{
	size_t len = 0;

	*text = 0;
	for (int i = 0; opt->words && (!i || opt->words[i]); i++)
		if (opt->words[i])
			len += (size_t)snprintf(text + len, 128 - len, "%s%s",
						!len		    ? ""
						: opt->words[i + 1] ? ", "
								    : " or ",
						opt->words[i]);
	if (opt->kind == SECTOR)
		snprintf(text, 128, "%u or %u", opt->min, opt->max);
	else if (!opt->words)
		snprintf(text, 128, "a %s from %u to %u",
			 opt->kind == SIZE ? "power of two" : "number",
			 opt->min, opt->max);
}

/* "cache, full, ...": for who asks for a key that is none. */
static void unknown_key(const char *key, struct reason *why)
{
	char known[REASON_TEXT] = "";
	size_t len = 0;

	for (size_t i = 0; i < NR_OPTIONS; i++)
		len += (size_t)snprintf(known + len, sizeof(known) - len,
					"%s%s", i ? ", " : "", options[i].key);
	reason_set(why, "unknown key \"%.*s\": expected one of %s", WORD, key,
		   known);
}

int disk_options_set(struct disk_options *o, const char *key, const char *value,
		     struct reason *why)
{
	const struct option *opt = options;
	char text[128];

	while (opt < options + NR_OPTIONS && strcmp(opt->key, key))
		opt++;
	if (opt == options + NR_OPTIONS) {
		unknown_key(key, why);
		return -EINVAL;
	}
	if (set(opt, o, value))
		return 0;
	expected(opt, text);
	reason_set(why, "%s = \"%.*s\": expected %s", key, WORD, value, text);
	return -EINVAL;
}

/* ---- targets ---- */

static int hex(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* @len bytes of @in into @out of @size. */
static int decode(const char *in, size_t len, char *out, size_t size,
		  struct reason *why)
{
	const char *end = in + len;
	size_t n = 0;

	for (; in < end; in++) {
		int c = (unsigned char)*in;

		if (*in == '%') {
			int high = end - in > 2 ? hex(in[1]) : -1;
			int low = high >= 0 ? hex(in[2]) : -1;

			c = low >= 0 ? high << 4 | low : 0;
			if (!c) {
				reason_set(why,
					   "\"%.3s\": expected %%XX, the "
					   "hexadecimal number of a byte that "
					   "is not 0",
					   in);
				return -EINVAL;
			}
			in += 2;
		}
		if (n + 1 >= size) {
			reason_set(why, "\"%.32s...\" is over %zu bytes",
				   end - len, size - 1);
			return -EINVAL;
		}
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return 0;
}

/* One "key=value" of @len bytes. */
static int parse_pair(const char *pair, size_t len, struct disk_options *o,
		      struct reason *why)
{
	const char *equals = memchr(pair, '=', len);
	char key[WORD], value[WORD];
	int err;

	if (!equals) {
		reason_set(why, "\"%.*s\": expected key=value",
			   (int)(len < WORD ? len : WORD), pair);
		return -EINVAL;
	}
	err = decode(pair, (size_t)(equals - pair), key, sizeof(key), why);
	if (!err)
		err = decode(equals + 1, len - (size_t)(equals + 1 - pair),
			     value, sizeof(value), why);
	return err ? err : disk_options_set(o, key, value, why);
}

static int parse_uri(const char *uri, char path[DISK_PATH_MAX],
		     struct disk_options *o, struct reason *why)
{
	size_t len = strcspn(uri, "?");
	const char *pair = uri + len;
	int err = decode(uri, len, path, DISK_PATH_MAX, why);

	while (!err && *pair) {
		pair++; /* the ? or & */
		len = strcspn(pair, "&");
		err = parse_pair(pair, len, o, why);
		pair += len;
	}
	return err;
}

bool disk_target_is_uri(const char *target)
{
	return !strncmp(target, SCHEME "/", strlen(SCHEME) + 1);
}

int disk_target_parse(const char *target, char path[DISK_PATH_MAX],
		      struct disk_options *o, struct reason *why)
{
	struct reason what;
	size_t len = strlen(SCHEME);

	if (*target == '/' && strlen(target) < DISK_PATH_MAX) {
		strcpy(path, target);
		return 0;
	}
	if (!disk_target_is_uri(target)) {
		reason_set(why,
			   "target \"%.96s\": expected an absolute path of "
			   "less than %u bytes, or file:/PATH?KEY=VALUE&...",
			   target, DISK_PATH_MAX);
		return -EINVAL;
	}
	if (!parse_uri(target + len, path, o, &what))
		return 0;
	reason_set(why, "target \"%.96s\": %s", target, what.text);
	return -EINVAL;
}
