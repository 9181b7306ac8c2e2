// SPDX-License-Identifier: MIT
#include "words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "host.h"
#include "xenbus.h"

#define NODES 64u

static struct {
	char name[64]; /* of the key, behind the last slash */
	bool front; /* of the guest's directory, and not ours */
	int error; /* the store does not say */
	char value[WORD_MAX];
} nodes[NODES];
static unsigned int nr_nodes;

void words_text(struct input *in, char text[WORD_MAX])
{
	static const char *const known[] = {
		"",	   "0",		 "1",		"x86_32-abi",
		"r",	   "w!",	 "62500,50000", "00:16:3e:01:02:03",
		"lan0.5",  "lan0.5:7:9", "10.0.0.1/24", "file:/a?cache=unsafe",
		"vif-xpv", "4294967295", "connected",	"fe80::1 10.0.0.1",
	};
	uint8_t how = input_u8(in);
	size_t len;

	switch (how & 3) {
	case 0:
		snprintf(text, WORD_MAX, "%s", known[how >> 2 & 15]);
		break;
	case 1:
		snprintf(text, WORD_MAX, "%u", input_u8(in));
		break;
	case 2:
		snprintf(text, WORD_MAX, "%llu",
			 (unsigned long long)input_u32(in) << (how >> 2 & 31));
		break;
	default:
		len = how >> 2;
		/* Long ones repeat. */
		if (len == 63)
			len = 64 + input_u16(in) % (WORD_MAX - 65);
		for (size_t i = 0; i < len; i++)
			text[i] = i < 64 ? (char)input_u8(in) : text[i - 64];
		text[len] = '\0';
	}
}

void words_load(struct input *in)
{
	for (nr_nodes = 0; nr_nodes < NODES && in->left; nr_nodes++) {
		uint8_t key = input_u8(in), how = input_u8(in);

		if (key == 0xff)
			break;
		/* "%u" is the number of a queue or a ring page. */
		snprintf(nodes[nr_nodes].name, sizeof(nodes[0].name),
			 xpv_key(key % XPV_KEY_COUNT), how & 15);
		nodes[nr_nodes].front = how & 16;
		nodes[nr_nodes].error = (how & 0xe0) != 0xe0 ? 0
					: how & 8	     ? EACCES
							     : EIO;
		words_text(in, nodes[nr_nodes].value);
	}
}

static char *words_read(struct hyper *h, uint32_t tx, const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	bool front = strstr(path, "/device/");

	(void)h;
	(void)tx;
	for (unsigned int i = 0; i < nr_nodes; i++) {
		if (nodes[i].front != front || strcmp(nodes[i].name, name))
			continue;
		errno = nodes[i].error;
		return errno ? NULL : strdup(nodes[i].value);
	}
	errno = ENOENT;
	return NULL;
}

static int words_write(struct hyper *h, uint32_t tx, const char *path,
		       const char *value)
{
	(void)h;
	(void)tx;
	FUZZ_CHECK(*path == '/');
	/* xenstored's limit of one message. */
	FUZZ_CHECK(strlen(path) + strlen(value) < 4096);
	return 0;
}

static int tx_start(struct hyper *h, uint32_t *tx)
{
	(void)h;
	*tx = 1;
	return 0;
}

static int tx_end(struct hyper *h, uint32_t tx, bool abort)
{
	(void)h;
	(void)tx;
	(void)abort;
	return 0;
}

static int on_path(struct hyper *h, uint32_t tx, const char *path)
{
	(void)h;
	(void)tx;
	(void)path;
	return 0;
}

static int set_perms(struct hyper *h, uint32_t tx, const char *path,
		     uint16_t owner, uint16_t peer, const char *access)
{
	(void)owner;
	(void)peer;
	(void)access;
	return on_path(h, tx, path);
}

static int on_watch(struct hyper *h, const char *path, const char *token)
{
	(void)token;
	return on_path(h, 0, path);
}

static char **list(struct hyper *h, uint32_t tx, const char *path,
		   unsigned int *n)
{
	(void)n;
	on_path(h, tx, path);
	errno = ENOENT;
	return NULL;
}

static bool alive(struct hyper *h, uint16_t domid)
{
	(void)h;
	return domid == HOST_GUEST;
}

struct hyper *words_hyper(void)
{
	static const struct hyper_ops ops = {
		.tx_start = tx_start,
		.tx_end = tx_end,
		.read = words_read,
		.write = words_write,
		.mkdir = on_path,
		.rm = on_path,
		.list = list,
		.set_perms = set_perms,
		.watch = on_watch,
		.unwatch = on_watch,
		.domain_alive = alive,
	};
	static struct hyper hyper = {.ops = &ops, .parts = HYPER_STORE};

	return &hyper;
}
