// SPDX-License-Identifier: MIT
/* The store: values, permissions, transactions, watches. */
#include "hyper_doms.h"
#include "suites.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DIR "/xpv-test" /* all that the tests touch, over Xen too */

static struct hyper *h; /* a privileged domain's */

static void setup(void)
{
	doms_setup();
	h = doms.back;
	h->ops->rm(h, 0, DIR);
}

static void teardown(void)
{
	h->ops->rm(h, 0, DIR);
	doms_teardown();
}

static int put(struct hyper *by, uint32_t tx, const char *path,
	       const char *value)
{
	return by->ops->write(by, tx, path, value);
}

static void expect(struct hyper *by, uint32_t tx, const char *path,
		   const char *value)
{
	char *got = by->ops->read(by, tx, path);

	ck_assert_ptr_nonnull(got);
	ck_assert_str_eq(got, value);
	free(got);
}

/* The errno of a read that has to fail. */
static int refusal(struct hyper *by, uint32_t tx, const char *path)
{
	errno = 0;
	ck_assert_ptr_null(by->ops->read(by, tx, path));
	return errno;
}

/* ---- values ---- */

START_TEST(what_is_written_is_read)
{
	ck_assert_int_eq(refusal(h, 0, DIR "/a"), ENOENT);
	ck_assert_int_eq(put(h, 0, DIR "/a/b/c", "1"), 0);
	expect(h, 0, DIR "/a/b/c", "1");
	expect(h, 0, DIR "/a", ""); /* made on the way */
	ck_assert_int_eq(put(h, 0, DIR "/a/b/c", ""), 0);
	expect(h, 0, DIR "/a/b/c", "");
	ck_assert_int_eq(hyper_writef(h, 0, DIR "/a", "n", "%d-%s", 7, "x"), 0);
	expect(h, 0, DIR "/a/n", "7-x");
	free(hyper_readf(h, 0, "%s/%c", DIR, 'a'));
}
END_TEST

START_TEST(removal_takes_all_below)
{
	put(h, 0, DIR "/a/b/c", "1");
	put(h, 0, DIR "/ab", "2");
	ck_assert_int_eq(h->ops->rm(h, 0, DIR "/a"), 0);
	ck_assert_int_eq(refusal(h, 0, DIR "/a/b/c"), ENOENT);
	ck_assert_int_eq(refusal(h, 0, DIR "/a"), ENOENT);
	expect(h, 0, DIR "/ab", "2");
	/* As xenstored: fine where there is a parent. */
	ck_assert_int_eq(h->ops->rm(h, 0, DIR "/a"), 0);
	ck_assert_int_eq(h->ops->rm(h, 0, DIR "/a/b/c"), -ENOENT);
}
END_TEST

START_TEST(lists_names)
{
	unsigned int n = 99;
	char name[64], **names;

	ck_assert_ptr_null(h->ops->list(h, 0, DIR, &n));
	ck_assert_int_eq(h->ops->mkdir(h, 0, DIR), 0);
	names = h->ops->list(h, 0, DIR, &n);
	ck_assert_ptr_nonnull(names);
	ck_assert_uint_eq(n, 0);
	ck_assert_ptr_null(names[0]);
	free(names);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), DIR "/n%d/below", i);
		put(h, 0, name, "");
	}
	names = h->ops->list(h, 0, DIR, &n);
	ck_assert_uint_eq(n, 20);
	ck_assert_ptr_null(names[20]);
	for (int i = 0; i < 20; i++) {
		int found = 0;

		snprintf(name, sizeof(name), "n%d", i);
		for (int k = 0; k < 20; k++)
			found += !strcmp(names[k], name);
		ck_assert_int_eq(found, 1);
	}
	free(names);
}
END_TEST

START_TEST(mkdir_keeps_what_is_there)
{
	put(h, 0, DIR "/a", "value");
	ck_assert_int_eq(h->ops->mkdir(h, 0, DIR "/a"), 0);
	expect(h, 0, DIR "/a", "value");
}
END_TEST

START_TEST(bad_paths_are_refused)
{
	static const char *const bad[] = {
		"",	"/a/",	    "//",   "/a//b", "/a b",
		"/a\n", "@nothing", "/a/%", "a/",
	};

	ck_assert_int_eq(put(h, 0, bad[_i], "x"), -EINVAL);
	ck_assert_int_eq(refusal(h, 0, bad[_i]), EINVAL);
	ck_assert_int_eq(h->ops->rm(h, 0, bad[_i]), -EINVAL);
	ck_assert_int_eq(h->ops->watch(h, bad[_i], "t"), -EINVAL);
}
END_TEST

START_TEST(long_things_are_refused)
{
	char path[4000], value[5000], junk[2001];

	memset(path, 'a', sizeof(path));
	memcpy(path, DIR "/", strlen(DIR "/"));
	path[3073] = '\0';
	ck_assert_int_lt(put(h, 0, path, "x"), 0);
	path[1000] = '\0';
	ck_assert_int_eq(put(h, 0, path, "x"), 0);
	memset(value, 'v', sizeof(value));
	value[4999] = '\0';
	ck_assert_int_lt(put(h, 0, DIR "/v", value), 0);
	ck_assert_int_eq(hyper_writef(h, 0, DIR, "v", "%s%s", value, value),
			 -E2BIG);
	ck_assert_ptr_null(hyper_readf(h, 0, "%s/%s", path, value));
	ck_assert_int_eq(errno, ENAMETOOLONG);
	memset(junk, 'j', sizeof(junk));
	junk[2000] = '\0';
	ck_assert_int_eq(put(h, 0, DIR "/v", junk), 0);
	expect(h, 0, DIR "/v", junk);
}
END_TEST

START_TEST(relative_paths_are_ones_own)
{
	expect(doms.front, 0, "domid", "5");
	ck_assert_int_eq(put(doms.front, 0, "data/x", "y"), 0);
	expect(h, 0, "/local/domain/5/data/x", "y");
	expect(h, 0, "domid", "0");
}
END_TEST

/* ---- permissions ---- */

START_TEST(a_guest_owns_its_home_only)
{
	struct hyper *other;

	ck_assert_int_eq(hyper_local_domain_create(doms.machine, 6), 0);
	other = doms_open(6, HYPER_STORE);
	put(doms.front, 0, "secret", "s");
	ck_assert_int_eq(refusal(other, 0, "/local/domain/5/secret"), EACCES);
	ck_assert_int_eq(put(other, 0, "/local/domain/5/secret", "x"), -EACCES);
	ck_assert_int_eq(put(other, 0, "/local/domain/5/new", "x"), -EACCES);
	ck_assert_int_eq(other->ops->rm(other, 0, "/local/domain/5/secret"),
			 -EACCES);
	ck_assert_int_eq(put(other, 0, "/tool", "x"), -EACCES);
	/* Not even whether there is something. */
	ck_assert_int_eq(refusal(other, 0, "/local/domain/5/none"), EACCES);
	expect(h, 0, "/local/domain/5/secret", "s"); /* domain 0 may all */
	ck_assert_int_eq(put(h, 0, "/local/domain/5/secret", "t"), 0);
	hyper_close(other);
}
END_TEST

START_TEST(access_is_given_node_by_node)
{
	struct hyper *other;
	struct hyper *f = doms.front;

	ck_assert_int_eq(hyper_local_domain_create(doms.machine, 6), 0);
	other = doms_open(6, HYPER_STORE);
	put(f, 0, "open", "1");
	ck_assert_int_eq(f->ops->set_perms(f, 0, "open", 5, 6, "r"), 0);
	expect(other, 0, "/local/domain/5/open", "1");
	ck_assert_int_eq(put(other, 0, "/local/domain/5/open", "2"), -EACCES);
	ck_assert_int_eq(f->ops->set_perms(f, 0, "open", 5, 6, "rw"), 0);
	ck_assert_int_eq(put(other, 0, "/local/domain/5/open", "2"), 0);
	/* What it makes below belongs to it, and not to the owner above. */
	ck_assert_int_eq(put(other, 0, "/local/domain/5/open/k", "3"), 0);
	ck_assert_int_eq(other->ops->set_perms(
				 other, 0, "/local/domain/5/open/k", 6, 6, ""),
			 0);
	ck_assert_int_eq(refusal(f, 0, "open/k"), EACCES);
	ck_assert_int_eq(f->ops->set_perms(f, 0, "open", 5, 6, ""), 0);
	ck_assert_int_eq(refusal(other, 0, "/local/domain/5/open"), EACCES);
	ck_assert_int_eq(f->ops->set_perms(f, 0, "open", 6, 6, ""), -EPERM);
	ck_assert_int_eq(f->ops->set_perms(f, 0, "/local", 5, 6, ""), -EACCES);
	ck_assert_int_eq(h->ops->set_perms(h, 0, "/none", 5, 6, ""), -ENOENT);
	ck_assert_int_eq(h->ops->set_perms(h, 0, "/", 5, 6, "x"), -EINVAL);
	hyper_close(other);
}
END_TEST

/* ---- transactions ---- */

START_TEST(a_transaction_shows_when_it_ends)
{
	uint32_t tx;

	put(h, 0, DIR "/a", "1");
	ck_assert_int_eq(h->ops->tx_start(h, &tx), 0);
	ck_assert_uint_ne(tx, 0);
	put(h, tx, DIR "/a", "2");
	put(h, tx, DIR "/b", "3");
	expect(h, tx, DIR "/a", "2");
	expect(h, 0, DIR "/a", "1");
	ck_assert_int_eq(refusal(h, 0, DIR "/b"), ENOENT);
	if (_i) {
		ck_assert_int_eq(h->ops->tx_end(h, tx, true), 0);
		expect(h, 0, DIR "/a", "1");
		ck_assert_int_eq(refusal(h, 0, DIR "/b"), ENOENT);
	} else {
		ck_assert_int_eq(h->ops->tx_end(h, tx, false), 0);
		expect(h, 0, DIR "/a", "2");
		expect(h, 0, DIR "/b", "3");
	}
	ck_assert_int_lt(h->ops->tx_end(h, tx, false), 0);
	ck_assert_int_lt(put(h, tx, DIR "/a", "9"), 0);
}
END_TEST

static void tx_value(uint32_t tx)
{
	free(h->ops->read(h, tx, DIR "/a"));
}
static void tx_missing(uint32_t tx)
{
	ck_assert_int_eq(refusal(h, tx, DIR "/new"), ENOENT);
}
static void tx_list(uint32_t tx)
{
	unsigned int n;

	free(h->ops->list(h, tx, DIR, &n));
}
static void tx_rm(uint32_t tx)
{
	ck_assert_int_eq(h->ops->rm(h, tx, DIR "/d"), 0);
}
static void tx_other(uint32_t tx)
{
	put(h, tx, DIR "/other/x", "1");
}

static const struct {
	void (*inside)(uint32_t tx);
	const char *outside; /* written meanwhile */
	bool conflict;
} conflicts[] = {
	{tx_value, DIR "/a", true},	{tx_value, DIR "/d/x", false},
	{tx_missing, DIR "/new", true}, {tx_list, DIR "/new", true},
	{tx_list, DIR "/a", false},	{tx_rm, DIR "/d/x", true},
	{tx_rm, DIR "/d/e/new", true},	{tx_rm, DIR "/a", false},
	{tx_other, DIR "/a", false},
};

START_TEST(a_conflict_is_eagain)
{
	uint32_t tx;

	put(h, 0, DIR "/a", "1");
	put(h, 0, DIR "/d/x", "1");
	put(h, 0, DIR "/d/e/y", "1");
	put(h, 0, DIR "/other/x", "0");
	put(h, 0, DIR "/result", "none");
	ck_assert_int_eq(h->ops->tx_start(h, &tx), 0);
	conflicts[_i].inside(tx);
	put(h, tx, DIR "/result", "done");
	h->ops->mkdir(h, 0, DIR); /* changes nothing */
	put(h, 0, conflicts[_i].outside, "2");
	ck_assert_int_eq(h->ops->tx_end(h, tx, false),
			 conflicts[_i].conflict ? -EAGAIN : 0);
	expect(h, 0, DIR "/result", conflicts[_i].conflict ? "none" : "done");
}
END_TEST

START_TEST(a_transaction_sees_one_state)
{
	uint32_t tx;

	put(h, 0, DIR "/a", "1");
	put(h, 0, DIR "/b", "1");
	h->ops->tx_start(h, &tx);
	expect(h, tx, DIR "/a", "1");
	put(h, 0, DIR "/a", "2");
	put(h, 0, DIR "/b", "2");
	expect(h, tx, DIR "/a", "1");
	expect(h, tx, DIR "/b", "1");
	ck_assert_int_eq(h->ops->tx_end(h, tx, false), -EAGAIN);
}
END_TEST

START_TEST(guests_have_few_transactions_and_watches)
{
	struct hyper *f = doms.front;
	char token[16];
	uint32_t tx;

	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(f->ops->tx_start(f, &tx), 0);
	ck_assert_int_eq(f->ops->tx_start(f, &tx), -ENOSPC);
	for (int i = 0; i < 128; i++) {
		snprintf(token, sizeof(token), "%d", i);
		ck_assert_int_eq(f->ops->watch(f, "x", token), 0);
	}
	ck_assert_int_eq(f->ops->watch(f, "x", "more"), -E2BIG);
}
END_TEST

/* ---- watches ---- */

static void expect_event(struct hyper *by, const char *path, const char *token)
{
	struct hyper_watch_event e;

	EVENTUALLY(readable(by->ops->store_fd(by)));
	ck_assert_int_eq(by->ops->next_watch(by, &e), 0);
	ck_assert_str_eq(e.path, path);
	ck_assert_str_eq(e.token, token);
}

static void expect_silence(struct hyper *by)
{
	struct hyper_watch_event e;

	if (over_xen())
		usleep(100000);
	ck_assert_int_eq(by->ops->next_watch(by, &e), -EAGAIN);
	if (!over_xen())
		ck_assert(!readable(by->ops->store_fd(by)));
}

START_TEST(a_watch_fires_at_registration)
{
	ck_assert_int_eq(h->ops->watch(h, DIR "/none", "t"), 0);
	expect_event(h, DIR "/none", "t");
	expect_silence(h);
	ck_assert_int_eq(h->ops->watch(h, DIR "/none", "t"), -EEXIST);
	ck_assert_int_eq(h->ops->unwatch(h, DIR "/none", "u"), -ENOENT);
	ck_assert_int_eq(h->ops->unwatch(h, DIR "/none", "t"), 0);
	ck_assert_int_eq(h->ops->unwatch(h, DIR "/none", "t"), -ENOENT);
}
END_TEST

START_TEST(a_watch_covers_what_is_below)
{
	put(h, 0, DIR "/w/x", "0");
	h->ops->watch(h, DIR "/w", "t");
	expect_event(h, DIR "/w", "t");
	put(h, 0, DIR "/w", "1");
	expect_event(h, DIR "/w", "t");
	put(h, 0, DIR "/w/x", "1");
	expect_event(h, DIR "/w/x", "t");
	put(h, 0, DIR "/w/y/z", "1"); /* new, with its parent */
	expect_event(h, DIR "/w/y/z", "t");
	h->ops->mkdir(h, 0, DIR "/w/m");
	expect_event(h, DIR "/w/m", "t");
	h->ops->rm(h, 0, DIR "/w/x");
	expect_event(h, DIR "/w/x", "t");
	put(h, 0, DIR "/ww", "1");
	put(h, 0, DIR "/v", "1");
	h->ops->mkdir(h, 0, DIR "/w/m"); /* was there */
	expect_silence(h);
	h->ops->unwatch(h, DIR "/w", "t");
	put(h, 0, DIR "/w", "2");
	expect_silence(h);
}
END_TEST

START_TEST(a_watch_fires_when_a_parent_goes)
{
	put(h, 0, DIR "/p/q/r", "0");
	h->ops->watch(h, DIR "/p/q/r", "deep");
	expect_event(h, DIR "/p/q/r", "deep");
	h->ops->watch(h, DIR "/p/q/none", "none");
	expect_event(h, DIR "/p/q/none", "none");
	ck_assert_int_eq(h->ops->rm(h, 0, DIR "/p"), 0);
	expect_event(h, DIR "/p/q/r", "deep");
	expect_silence(h);
}
END_TEST

START_TEST(unread_events_merge)
{
	struct hyper_watch_event e;
	int n = 0;

	h->ops->watch(h, DIR "/w", "t");
	expect_event(h, DIR "/w", "t");
	for (int i = 0; i < 1000; i++) {
		put(doms.back, 0, DIR "/w/state", i % 2 ? "4" : "5");
		put(doms.back, 0, DIR "/w/other", "x");
	}
	while (!h->ops->next_watch(h, &e))
		n++;
	ck_assert_int_eq(n, 2);
}
END_TEST

START_TEST(unwatch_drops_what_is_unread)
{
	h->ops->watch(h, DIR "/w", "t");
	put(h, 0, DIR "/w", "1");
	ck_assert_int_eq(h->ops->unwatch(h, DIR "/w", "t"), 0);
	expect_silence(h);
}
END_TEST

START_TEST(a_transaction_fires_at_its_end)
{
	uint32_t tx;

	h->ops->watch(h, DIR "/w", "t");
	expect_event(h, DIR "/w", "t");
	h->ops->tx_start(h, &tx);
	put(h, tx, DIR "/w/a", "1");
	put(h, tx, DIR "/w/b", "1");
	expect_silence(h);
	h->ops->tx_end(h, tx, false);
	expect_event(h, DIR "/w/a", "t");
	expect_event(h, DIR "/w/b", "t");
	h->ops->tx_start(h, &tx);
	put(h, tx, DIR "/w/a", "2");
	h->ops->tx_end(h, tx, true);
	expect_silence(h);
}
END_TEST

START_TEST(relative_watches_answer_in_kind)
{
	struct hyper *f = doms.front;

	ck_assert_int_eq(f->ops->watch(f, "dev/x", "t"), 0);
	expect_event(f, "dev/x", "t");
	put(h, 0, "/local/domain/5/dev/x/state", "1");
	expect_event(f, "dev/x/state", "t");
	f->ops->watch(f, "/local/domain/5/dev", "abs");
	expect_event(f, "/local/domain/5/dev", "abs");
}
END_TEST

START_TEST(events_tell_no_secrets)
{
	struct hyper *other;

	ck_assert_int_eq(hyper_local_domain_create(doms.machine, 6), 0);
	other = doms_open(6, HYPER_STORE);
	ck_assert_int_eq(other->ops->watch(other, "/local/domain/5", "spy"), 0);
	expect_event(other, "/local/domain/5", "spy");
	put(h, 0, "/local/domain/5/x", "1");
	h->ops->rm(h, 0, "/local/domain/5/x");
	expect_silence(other);
	put(h, 0, "/local/domain/5/y", "1");
	h->ops->set_perms(h, 0, "/local/domain/5/y", 5, 6, "r");
	expect_event(other, "/local/domain/5/y", "spy");
	hyper_close(other);
}
END_TEST

START_TEST(domains_are_announced)
{
	ck_assert_int_eq(h->ops->watch(h, "@introduceDomain", "in"), 0);
	expect_event(h, "@introduceDomain", "in");
	ck_assert_int_eq(h->ops->watch(h, "@releaseDomain", "out"), 0);
	expect_event(h, "@releaseDomain", "out");
	ck_assert(!h->ops->domain_alive(h, 7));
	ck_assert_int_eq(hyper_local_domain_create(doms.machine, 7), 0);
	ck_assert_int_eq(hyper_local_domain_create(doms.machine, 7), -EEXIST);
	expect_event(h, "@introduceDomain", "in");
	ck_assert(h->ops->domain_alive(h, 7));
	expect(h, 0, "/local/domain/7/domid", "7");
	ck_assert_int_eq(hyper_local_domain_destroy(doms.machine, 7), 0);
	expect_event(h, "@releaseDomain", "out");
	ck_assert(!h->ops->domain_alive(h, 7));
	ck_assert_int_eq(refusal(h, 0, "/local/domain/7"), ENOENT);
	ck_assert_int_eq(hyper_local_domain_destroy(doms.machine, 7), -ESRCH);
	ck_assert_int_eq(hyper_local_domain_destroy(doms.machine, 0), -EINVAL);
	ck_assert(h->ops->domain_alive(h, 0));
	/* They are not for guests. */
	doms.front->ops->watch(doms.front, "@releaseDomain", "t");
	expect_event(doms.front, "@releaseDomain", "t");
	hyper_local_domain_create(doms.machine, 7);
	hyper_local_domain_destroy(doms.machine, 7);
	expect_silence(doms.front);
}
END_TEST

Suite *hyper_store_suite(void)
{
	Suite *s = suite_create("hyper_store");
	TCase *t = tcase_create("rules");
	TCase *l = tcase_create("local");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_is_written_is_read);
	tcase_add_test(t, removal_takes_all_below);
	tcase_add_test(t, lists_names);
	tcase_add_test(t, mkdir_keeps_what_is_there);
	tcase_add_loop_test(t, bad_paths_are_refused, 0, 9);
	tcase_add_test(t, long_things_are_refused);
	tcase_add_loop_test(t, a_transaction_shows_when_it_ends, 0, 2);
	tcase_add_loop_test(t, a_conflict_is_eagain, 0, 9);
	tcase_add_test(t, a_transaction_sees_one_state);
	tcase_add_test(t, a_watch_fires_at_registration);
	tcase_add_test(t, a_watch_covers_what_is_below);
	tcase_add_test(t, a_watch_fires_when_a_parent_goes);
	tcase_add_test(t, unwatch_drops_what_is_unread);
	tcase_add_test(t, a_transaction_fires_at_its_end);
	suite_add_tcase(s, t);
	if (over_xen())
		return s;
	tcase_add_checked_fixture(l, setup, teardown);
	tcase_add_test(l, relative_paths_are_ones_own);
	tcase_add_test(l, a_guest_owns_its_home_only);
	tcase_add_test(l, access_is_given_node_by_node);
	tcase_add_test(l, guests_have_few_transactions_and_watches);
	tcase_add_test(l, unread_events_merge);
	tcase_add_test(l, relative_watches_answer_in_kind);
	tcase_add_test(l, events_tell_no_secrets);
	tcase_add_test(l, domains_are_announced);
	suite_add_tcase(s, l);
	return s;
}
