// SPDX-License-Identifier: MIT
/* What an administrator says of disks, in a target and in xpvd.conf. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/config.h"
#include "backend/reason.h"
#include "blkif.h"
#include "suites.h"

static struct disk_options options;
static char path[DISK_PATH_MAX];
static struct reason why;

static void setup(void)
{
	disk_options_init(&options);
	memset(&why, 0, sizeof(why));
}

static int parse(const char *target)
{
	return disk_target_parse(target, path, &options, &why);
}

START_TEST(defaults)
{
	ck_assert_int_eq(options.cache, STORAGE_CACHE_DEFAULT);
	ck_assert_int_eq(options.full, STORAGE_FULL_PAUSE);
	ck_assert_int_eq(options.engine, STORAGE_ENGINE_AUTO);
	ck_assert(options.discard && options.persistent);
	ck_assert_uint_eq(options.sector_size, 0);
	ck_assert_uint_eq(options.ring_order, 4);
	ck_assert_uint_eq(options.indirect, XPV_BLKIF_OFFER_SEGS);
}
END_TEST

START_TEST(plain_path)
{
	ck_assert_int_eq(parse("/srv/100%?cache=none&.img"), 0);
	ck_assert_str_eq(path, "/srv/100%?cache=none&.img");
	ck_assert_int_eq(options.cache, STORAGE_CACHE_DEFAULT);
}
END_TEST

START_TEST(every_key)
{
	ck_assert_int_eq(parse("file:/a?cache=unsafe&full=error&discard=off&"
			       "sector-size=4096&physical-sector-size=8192&"
			       "queues=16&ring-order=0&indirect=0&"
			       "persistent=off&engine=threads"),
			 0);
	ck_assert_str_eq(path, "/a");
	ck_assert_int_eq(options.cache, STORAGE_CACHE_UNSAFE);
	ck_assert_int_eq(options.full, STORAGE_FULL_ERROR);
	ck_assert_int_eq(options.engine, STORAGE_ENGINE_POOL);
	ck_assert(!options.discard && !options.persistent);
	ck_assert_uint_eq(options.sector_size, 4096);
	ck_assert_uint_eq(options.physical_sector_size, 8192);
	ck_assert_uint_eq(options.queues, 16);
	ck_assert_uint_eq(options.ring_order, 0);
	ck_assert_uint_eq(options.indirect, 0);
}
END_TEST

START_TEST(percent)
{
	ck_assert_int_eq(parse("file:/a%20b%3Fc%3d?c%61che=write%62ack"), 0);
	ck_assert_str_eq(path, "/a b?c=");
	ck_assert_int_eq(options.cache, STORAGE_CACHE_WRITEBACK);
	ck_assert_int_eq(parse("file:/a?"), -EINVAL);
}
END_TEST

/* The key, its value, what was expected. */
static const struct {
	const char *target, *reason;
} bad[] = {
	{"guest.img", "target \"guest.img\": expected an absolute path"},
	{"", "target \"\": expected an absolute path"},
	{"file:guest.img", "expected an absolute path"},
	{"nbd:/x", "file:/PATH?KEY=VALUE"},
	{"file:/a?cache", "\"cache\": expected key=value"},
	{"file:/a?cache=none",
	 "cache = \"none\": expected direct, writethrough, writeback or "
	 "unsafe"},
	{"file:/a?cache=", "cache = \"\": expected direct"},
	{"file:/a?Cache=direct",
	 "unknown key \"Cache\": expected one of cache"},
	{"file:/a?full=stop", "full = \"stop\": expected pause or error"},
	{"file:/a?discard=1", "discard = \"1\": expected off or on"},
	{"file:/a?engine=aio", "expected auto, uring or threads"},
	{"file:/a?sector-size=1024", "\"1024\": expected 512 or 4096"},
	{"file:/a?physical-sector-size=5000", "a power of two from 512"},
	{"file:/a?queues=0", "\"0\": expected a number from 1 to 16"},
	{"file:/a?queues=17", "\"17\": expected a number from 1 to 16"},
	{"file:/a?queues=+1", "\"+1\": expected a number"},
	{"file:/a?queues=1x", "\"1x\": expected a number"},
	{"file:/a?ring-order=5", "a number from 0 to 4"},
	{"file:/a?indirect=99999999999999999999", "a number from 0 to"},
	{"file:/a?indirect=-1", "\"-1\": expected a number"},
	{"file:/a?queues=1&&full=error", "\"\": expected key=value"},
	{"file:/a%zz", "\"%zz\": expected %XX"},
	{"file:/a%0", "expected %XX"},
	{"file:/a%00b", "\"%00\": expected %XX"},
};

START_TEST(refusals)
{
	ck_assert_int_eq(parse(bad[_i].target), -EINVAL);
	ck_assert_msg(strstr(why.text, bad[_i].reason), "%s", why.text);
}
END_TEST

START_TEST(long_ones)
{
	static char target[3 * DISK_PATH_MAX];

	memset(target, '/', DISK_PATH_MAX);
	ck_assert_int_eq(parse(target), -EINVAL);
	target[DISK_PATH_MAX - 1] = '\0';
	ck_assert_int_eq(parse(target), 0);
	memset(target, '/', sizeof(target) - 1);
	memcpy(target, "file:", 5);
	ck_assert_int_eq(parse(target), -EINVAL);
	ck_assert(strstr(why.text, "is over 4095 bytes"));
	target[5 + DISK_PATH_MAX - 1] = '\0';
	ck_assert_int_eq(parse(target), 0);
	memset(target, 'k', sizeof(target) - 1);
	memcpy(target, "file:/?", 7);
	ck_assert_int_eq(parse(target), -EINVAL);
	memcpy(target, "file:/?cache=", 13);
	ck_assert_int_eq(parse(target), -EINVAL);
}
END_TEST

/* ---- the file ---- */

static int read_config(const char *text, struct config *c)
{
	char name[] = "/tmp/xpv-conf-XXXXXX";
	int fd = mkstemp(name), err;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	err = config_read(name, c, &why);
	unlink(name);
	return err;
}

START_TEST(config)
{
	struct config c;

	ck_assert_int_eq(config_read("/nowhere/xpvd.conf", &c, &why), 0);
	ck_assert_uint_eq(c.disk.ring_order, 4);
	ck_assert_int_eq(read_config("# words\n[disk]\ncache = writeback\n"
				     "queues=2 ; two\n",
				     &c),
			 0);
	ck_assert_int_eq(c.disk.cache, STORAGE_CACHE_WRITEBACK);
	ck_assert_uint_eq(c.disk.queues, 2);
	/* The target has the last word. */
	ck_assert_int_eq(disk_target_parse("file:/a?cache=direct", path,
					   &c.disk, &why),
			 0);
	ck_assert_int_eq(c.disk.cache, STORAGE_CACHE_DIRECT);
	ck_assert_uint_eq(c.disk.queues, 2);
}
END_TEST

static void says(const char *what)
{
	ck_assert_msg(strstr(why.text, what) != NULL, "\"%s\" lacks \"%s\"",
		      why.text, what);
}

START_TEST(switches)
{
	struct switch_options o;
	struct config c;

	ck_assert_int_eq(read_config("[switch lan]\nuplink = off\n"
				     "mac-guard = off\n[switch b-2]\n"
				     "bridge = xenbr0\n",
				     &c),
			 0);
	o = switch_options_of(&c.switches, "lan");
	ck_assert(!o.uplink && !o.mac_guard);
	ck_assert_str_eq(o.bridge, "lan");
	o = switch_options_of(&c.switches, "b-2");
	ck_assert(o.uplink && o.mac_guard);
	ck_assert_str_eq(o.bridge, "xenbr0");
	o = switch_options_of(&c.switches, "other");
	ck_assert(o.uplink && o.mac_guard);
	ck_assert_str_eq(o.bridge, "other");
	ck_assert_int_eq(read_config("[switch lan]\nuplink = maybe\n", &c),
			 -EINVAL);
	says("uplink");
	says("maybe");
	says("on or off");
	ck_assert_int_eq(read_config("[switch lan.5]\nuplink = on\n", &c),
			 -EINVAL);
	says("lan.5");
	ck_assert_int_eq(read_config("[switch lan]\nnonsense = 1\n", &c),
			 -EINVAL);
	says("nonsense");
	says("mac-guard");
}
END_TEST

START_TEST(worker)
{
	static const char *const bad_values[] = {
		"memory = 63",	  "memory = 1048577", "memory = 1G",
		"memory =",	  "threads = 15",     "cpu = 0",
		"cpu-weight = 0", "cpu-weight = -1",  "poll = 1001",
		"cpus = 1",
	};
	struct config c;
	char text[64];

	ck_assert_int_eq(config_read("/nowhere/xpvd.conf", &c, &why), 0);
	ck_assert_uint_eq(c.worker.memory, 1024);
	ck_assert_uint_eq(c.worker.cpu, 0);
	ck_assert_uint_eq(c.worker.poll, 0);
	ck_assert_int_eq(read_config("[worker]\nmemory = 256\nthreads = 16\n"
				     "cpu-weight = 200\ncpu = 150\n"
				     "poll = 50\n",
				     &c),
			 0);
	ck_assert_uint_eq(c.worker.memory, 256);
	ck_assert_uint_eq(c.worker.threads, 16);
	ck_assert_uint_eq(c.worker.cpu_weight, 200);
	ck_assert_uint_eq(c.worker.cpu, 150);
	ck_assert_uint_eq(c.worker.poll, 50);
	for (size_t i = 0; i < sizeof(bad_values) / sizeof(*bad_values); i++) {
		snprintf(text, sizeof(text), "[worker]\n%s\n", bad_values[i]);
		ck_assert_int_eq(read_config(text, &c), -EINVAL);
		says("[worker]");
		says("expected");
	}
	says("cpus");
	says("cpu-weight");
}
END_TEST

START_TEST(bad_config)
{
	struct config c;

	ck_assert_int_eq(read_config("[disk]\ncache = no\nfull = no\n", &c),
			 -EINVAL);
	ck_assert_msg(strstr(why.text, ": [disk] cache = \"no\": expected"),
		      "%s", why.text);
	ck_assert_int_eq(read_config("[disc]\ncache = direct\n", &c), -EINVAL);
	ck_assert_msg(strstr(why.text, "section [disc]"), "%s", why.text);
	ck_assert_int_eq(read_config("[disk]\nnonsense\n", &c), -EINVAL);
	ck_assert_msg(strstr(why.text, ":2: expected"), "%s", why.text);
	ck_assert_int_lt(config_read("/tmp", &c, &why), 0);
}
END_TEST

Suite *options_suite(void)
{
	Suite *s = suite_create("options");
	TCase *c = tcase_create("options");

	tcase_add_checked_fixture(c, setup, NULL);
	tcase_add_test(c, defaults);
	tcase_add_test(c, plain_path);
	tcase_add_test(c, every_key);
	tcase_add_test(c, percent);
	tcase_add_loop_test(c, refusals, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(c, long_ones);
	tcase_add_test(c, config);
	tcase_add_test(c, bad_config);
	tcase_add_test(c, switches);
	tcase_add_test(c, worker);
	suite_add_tcase(s, c);
	return s;
}
