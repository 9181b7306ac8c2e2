// SPDX-License-Identifier: MIT
/* xpv, the tool: what it says of devices, and to those who mistype. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "suites.h"
#include "toolstack.h"

#define GUEST 5
#define XVDA  51712

static struct host host;

static void setup(void)
{
	host_setup(&host);
	host_domain(&host, GUEST, "guest");
}

static void teardown(void)
{
	host_teardown(&host);
}

/* Runs `xpv @words`; @out gets what it printed on both streams. */
static int xpv(const char *words, char *out, size_t size)
{
	char program[HOST_PATH], spec[HOST_PATH], command[1024];
	FILE *pipe;
	size_t len;
	int status;

	own_program(program, sizeof(program), "xpv");
	hyper_local_spec(host.machine, 0, spec, sizeof(spec));
	snprintf(command, sizeof(command), "'%s' --hyper '%s' %s 2>&1", program,
		 spec, words);
	pipe = popen(command, "re");
	ck_assert_ptr_nonnull(pipe);
	len = fread(out, 1, size - 1, pipe);
	out[len] = '\0';
	status = pclose(pipe);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(shows_why_the_script_gave_up)
{
	struct vdev d = vbd_add(&host, GUEST, XVDA, "/missing", "w");
	char out[4096];

	wait_back(&d, XPV_STATE_INIT_WAIT);
	back_write(&d, xpv_key(XPV_KEY_HOTPLUG_ERROR), "/missing: no such");
	back_write(&d, xpv_key(XPV_KEY_HOTPLUG_STATUS), "error");
	ck_assert_int_eq(xpv("list", out, sizeof(out)), 0);
	ck_assert_ptr_nonnull(strstr(out, "/missing: no such\n"));
	ck_assert_int_eq(xpv("show 5 xvda", out, sizeof(out)), 0);
	ck_assert_ptr_nonnull(
		strstr(out, "hotplug_error: /missing: no such\n"));
	ck_assert_ptr_nonnull(strstr(out, "target: /missing\n"));
}
END_TEST

START_TEST(names_what_is_not_there)
{
	struct vdev d = vbd_add(&host, GUEST, XVDA, host.disk, "w");
	char out[4096];

	wait_back(&d, XPV_STATE_INIT_WAIT);
	ck_assert_int_eq(xpv("show 0", out, sizeof(out)), 3);
	ck_assert_str_eq(out, "xpv: no domain \"0\" has devices here: "
			      "`xpv list` shows those that have\n");
	ck_assert_int_eq(xpv("show 5 xvdq", out, sizeof(out)), 3);
	ck_assert_str_eq(out, "xpv: domain \"5\" has no device \"xvdq\": "
			      "expected xvda\n");
}
END_TEST

static const struct {
	const char *words, *said;
	int status;
} wrong[] = {
	{"lst", "xpv: \"lst\" is no verb\n", 2},
	{"check dsk /x", "xpv: check \"dsk\": expected disk or mac\n", 2},
	{"check disk ''", "target \"\": expected an absolute path", 1},
	{"check mac 01:00:5e:00:00:01", "expected a unicast MAC address", 1},
	{"--hyper local:/none:0 list", "the store of \"local:/none:0\": ", 4},
};

START_TEST(names_the_bad_word)
{
	char out[4096];

	ck_assert_int_eq(xpv(wrong[_i].words, out, sizeof(out)),
			 wrong[_i].status);
	ck_assert_ptr_nonnull(strstr(out, wrong[_i].said));
}
END_TEST

Suite *tool_suite(void)
{
	Suite *s = suite_create("tool");
	TCase *tc = tcase_create("xpv");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, shows_why_the_script_gave_up);
	tcase_add_test(tc, names_what_is_not_there);
	tcase_add_loop_test(tc, names_the_bad_word, 0,
			    sizeof(wrong) / sizeof(*wrong));
	suite_add_tcase(s, tc);
	return s;
}
