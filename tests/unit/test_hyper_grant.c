// SPDX-License-Identifier: MIT
/* Grants: what may be used by whom, and for how long. */
#include "hyper_doms.h"
#include "suites.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static char own[PAGE];

static char *share(unsigned int n, bool writable, uint32_t *grefs)
{
	char *p = doms.front->ops->share(doms.front, doms.back_id, n, writable,
					 grefs);

	ck_assert_ptr_nonnull(p);
	return p;
}

static char *map(const uint32_t *grefs, unsigned int n, int prot)
{
	return doms.back->ops->map(doms.back, doms.front_id, grefs, n, prot);
}

static int unmap(void *addr, unsigned int n)
{
	return doms.back->ops->unmap(doms.back, addr, n);
}

static int unshare(void *addr, unsigned int n)
{
	return doms.front->ops->unshare(doms.front, addr, n);
}

START_TEST(granted_pages_are_zeroed)
{
	uint32_t grefs[8];
	char *p;

	/* Twice: the second time they are pages that were written to. */
	for (int round = 0; round < 2; round++) {
		p = share(8, true, grefs);
		for (unsigned int i = 0; i < 8 * PAGE; i++)
			ck_assert_int_eq(p[i], 0);
		memset(p, 0xff, 8 * PAGE);
		ck_assert_int_eq(unshare(p, 8), 0);
	}
}
END_TEST

START_TEST(both_see_one_memory)
{
	uint32_t grefs[4];
	char *p = share(4, true, grefs), *q = map(grefs, 4, RW);

	ck_assert_ptr_nonnull(q);
	for (int i = 0; i < 4; i++)
		p[i * PAGE] = (char)(i + 1);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(q[i * PAGE], i + 1);
	q[PAGE - 1] = 99;
	ck_assert_int_eq(p[PAGE - 1], 99);
	ck_assert_int_eq(unmap(q, 4), 0);
	ck_assert_int_eq(unshare(p, 4), 0);
}
END_TEST

START_TEST(maps_any_order_side_by_side)
{
	static const int order[4] = {2, 0, 3, 0};
	uint32_t grefs[4], mixed[4];
	char *p = share(4, true, grefs), *q;

	for (int i = 0; i < 4; i++) {
		p[i * (int)PAGE] = (char)i;
		mixed[i] = grefs[order[i]];
	}
	q = map(mixed, 4, HYPER_READ);
	ck_assert_ptr_nonnull(q);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(q[i * (int)PAGE], order[i]);
	/* Mapped twice and let go once is mapped. */
	ck_assert_int_eq(unmap(q, 3), -EINVAL);
	ck_assert_int_eq(unmap(q, 4), 0);
	ck_assert_int_eq(unmap(q, 4), -EINVAL);
	ck_assert_int_eq(unshare(p, 4), 0);
}
END_TEST

START_TEST(map_is_all_or_nothing)
{
	uint32_t grefs[4];
	char *p = share(4, true, grefs);
	uint32_t good = grefs[_i];

	grefs[_i] = 31999; /* not in use */
	errno = 0;
	ck_assert_ptr_null(map(grefs, 4, RW));
	ck_assert_int_ne(errno, 0);
	grefs[_i] = good;
	/* Nothing of it is still mapped. */
	ck_assert_int_eq(unshare(p, 4), 0);
}
END_TEST

START_TEST(bad_references_are_refused)
{
	static const uint32_t bad[] = {0,     7,	  31999,
				       32768, 0x7fffffff, 0xffffffff};
	uint32_t gref = bad[_i];

	ck_assert_ptr_null(map(&gref, 1, HYPER_READ));
	ck_assert_int_lt(copy_in(doms.back, doms.front_id, gref, own, 0, 8), 0);
	ck_assert_int_lt(copy_out(doms.back, doms.front_id, gref, own, 0, 8),
			 0);
}
END_TEST

START_TEST(bad_domains_are_refused)
{
	static const uint16_t bad[] = {77, 0x7fef, 0x7ff1, 0xffff};
	uint32_t gref;
	char *p = share(1, true, &gref);

	ck_assert_ptr_null(
		doms.back->ops->map(doms.back, bad[_i], &gref, 1, HYPER_READ));
	ck_assert_int_lt(copy_in(doms.back, bad[_i], gref, own, 0, 8), 0);
	ck_assert_int_eq(unshare(p, 1), 0);
}
END_TEST

START_TEST(a_grant_is_for_one_domain)
{
	struct hyper *third;
	uint32_t gref;
	char *p = share(1, true, &gref);

	ck_assert_int_eq(hyper_local_domain_create(doms.machine, 6), 0);
	third = doms_open(6, ALL);
	ck_assert_ptr_nonnull(third);
	ck_assert_ptr_null(
		third->ops->map(third, doms.front_id, &gref, 1, HYPER_READ));
	ck_assert_int_lt(copy_in(third, doms.front_id, gref, own, 0, 8), 0);
	ck_assert_int_lt(copy_out(third, doms.front_id, gref, own, 0, 8), 0);
	/* Nor for the one that granted it. */
	ck_assert_int_lt(copy_in(doms.front, doms.front_id, gref, own, 0, 8),
			 0);
	ck_assert_int_eq(copy_in(doms.back, doms.front_id, gref, own, 0, 8), 0);
	hyper_close(third);
	ck_assert_int_eq(unshare(p, 1), 0);
}
END_TEST

START_TEST(copies_both_ways)
{
	uint32_t gref;
	char *p = share(1, true, &gref);

	strcpy(p + 100, "from the guest");
	ck_assert_int_eq(copy_in(doms.back, doms.front_id, gref, own, 100, 15),
			 0);
	ck_assert_str_eq(own, "from the guest");
	strcpy(own, "to the guest");
	ck_assert_int_eq(
		copy_out(doms.back, doms.front_id, gref, own, 4083, 13), 0);
	ck_assert_str_eq(p + 4083, "to the guest");
	ck_assert_int_eq(p[4082], 0);
	ck_assert_int_eq(unshare(p, 1), 0);
}
END_TEST

START_TEST(copies_between_two_guests)
{
	struct hyper_copy op = {.len = PAGE};
	struct hyper *third;
	uint32_t from, to;
	char *p = share(1, false, &from), *q;

	ck_assert_int_eq(hyper_local_domain_create(doms.machine, 6), 0);
	third = doms_open(6, HYPER_SHARE);
	q = third->ops->share(third, 0, 1, true, &to);
	ck_assert_ptr_nonnull(q);
	memset(p, 0x5a, PAGE);
	op.src = (struct hyper_copy_end){
		.is_grant = true, .domid = doms.front_id, .gref = from};
	op.dst = (struct hyper_copy_end){
		.is_grant = true, .domid = 6, .gref = to};
	ck_assert_int_eq(doms.back->ops->copy(doms.back, &op, 1), 0);
	ck_assert_int_eq(op.status, HYPER_COPY_OKAY);
	ck_assert_int_eq(memcmp(p, q, PAGE), 0);
	/* And not the other way: that one is read-only. */
	op.dst = op.src;
	op.src.domid = 6;
	op.src.gref = to;
	ck_assert_int_eq(doms.back->ops->copy(doms.back, &op, 1), 0);
	ck_assert_int_lt(op.status, 0);
	hyper_close(third);
}
END_TEST

START_TEST(a_copy_stays_within_its_page)
{
	static const struct {
		uint16_t offset, len;
		bool good;
	} cases[] = {
		{0, 4096, true},   {4095, 1, true},	  {4096, 0, true},
		{1, 4096, false},  {4095, 2, false},	  {4096, 1, false},
		{65535, 1, false}, {65535, 65535, false}, {0, 4097, false},
	};
	static char big[65536];
	uint32_t grefs[2];
	char *p = share(2, true, grefs);
	int in, out;

	in = copy_in(doms.back, doms.front_id, grefs[0], big, cases[_i].offset,
		     cases[_i].len);
	memset(big, 1, sizeof(big));
	out = copy_out(doms.back, doms.front_id, grefs[0], big,
		       cases[_i].offset, cases[_i].len);
	ck_assert_int_eq(in == 0, cases[_i].good);
	ck_assert_int_eq(out == 0, cases[_i].good);
	ck_assert_int_eq(p[PAGE], 0); /* the neighbour */
	ck_assert_int_eq(unshare(p, 2), 0);
}
END_TEST

START_TEST(one_bad_copy_stops_no_other)
{
	struct hyper_copy ops[40] = {0};
	static char to[40][16];
	uint32_t gref;
	char *p = share(1, true, &gref);

	strcpy(p, "good");
	for (int i = 0; i < 40; i++) {
		ops[i].src.is_grant = true;
		ops[i].src.domid = doms.front_id;
		ops[i].src.gref = i % 3 ? gref : 31999;
		ops[i].src.offset = i % 5 ? 0 : 4090;
		ops[i].dst.virt = to[i];
		ops[i].len = 16;
		ops[i].status = 77;
	}
	ck_assert_int_eq(doms.back->ops->copy(doms.back, ops, 40), 0);
	for (int i = 0; i < 40; i++) {
		bool good = i % 3 && i % 5;

		ck_assert_int_ne(ops[i].status, 77);
		ck_assert_int_eq(ops[i].status == HYPER_COPY_OKAY, good);
		ck_assert_str_eq(to[i], good ? "good" : "");
	}
	ck_assert_int_eq(unshare(p, 1), 0);
}
END_TEST

START_TEST(a_copy_needs_a_grant)
{
	struct hyper_copy op = {.src.virt = own, .dst.virt = own + 8, .len = 8};

	ck_assert_int_eq(doms.back->ops->copy(doms.back, &op, 1), -EINVAL);
}
END_TEST

START_TEST(read_only_is_read_only)
{
	uint32_t gref;
	char *p = share(1, false, &gref), *q;

	p[0] = 1;
	ck_assert_ptr_null(map(&gref, 1, RW));
	ck_assert_ptr_null(map(&gref, 1, HYPER_WRITE));
	ck_assert_int_lt(copy_out(doms.back, doms.front_id, gref, own, 0, 8),
			 0);
	q = map(&gref, 1, HYPER_READ);
	ck_assert_ptr_nonnull(q);
	ck_assert_int_eq(q[0], 1);
	ck_assert_int_eq(unmap(q, 1), 0);
	ck_assert_int_eq(unshare(p, 1), 0);
}
END_TEST

static void expect_segv(volatile char *at)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (!pid) {
		signal(SIGSEGV, SIG_DFL); /* not the sanitizer's */
		*at = 1;
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGSEGV);
}

/* In a process of its own: mappings are not inherited. */
static void write_to_mapping(struct child *parent, void *arg)
{
	struct hyper *back = doms_open(doms.back_id, HYPER_GRANT);
	uint32_t *gref = arg;
	volatile char *q;

	(void)parent;
	MUST(back);
	q = back->ops->map(back, doms.front_id, gref, 1, HYPER_READ);
	MUST(q && !*q);
	signal(SIGSEGV, SIG_DFL);
	*q = 1;
	_exit(0);
}

START_TEST(a_read_mapping_faults_on_write)
{
	struct child c;
	uint32_t gref;

	/* Granted for writing, mapped for reading. */
	share(1, true, &gref);
	c = child_start(write_to_mapping, &gref);
	child_expect_signal(&c, SIGSEGV);
}
END_TEST

START_TEST(a_child_inherits_no_mapping)
{
	uint32_t gref;
	char *p = share(1, true, &gref), *q = map(&gref, 1, RW);

	expect_segv(q);
	ck_assert_int_eq(unmap(q, 1), 0);
	ck_assert_int_eq(unshare(p, 1), 0);
	expect_segv(p); /* after unshare() */
}
END_TEST

START_TEST(a_mapped_page_is_not_given_back)
{
	uint32_t gref, other;
	char *p = share(1, true, &gref), *q = map(&gref, 1, RW), *r;

	ck_assert_int_eq(unshare(p, 1), -EBUSY);
	p[0] = 42; /* it is still ours, and theirs */
	ck_assert_int_eq(q[0], 42);
	r = share(1, true, &other);
	ck_assert_uint_ne(other, gref);
	r[0] = 43;
	ck_assert_int_eq(q[0], 42);
	/* The grant was not ended: it can be used on. */
	ck_assert_int_eq(copy_in(doms.back, doms.front_id, gref, own, 0, 1), 0);
	ck_assert_int_eq(own[0], 42);
	ck_assert_int_eq(unmap(q, 1), 0);
	ck_assert_int_eq(unshare(p, 1), 0);
	ck_assert_int_lt(copy_in(doms.back, doms.front_id, gref, own, 0, 1), 0);
	ck_assert_ptr_null(map(&gref, 1, HYPER_READ));
	ck_assert_int_eq(unshare(r, 1), 0);
}
END_TEST

/* References are numbers of their domain: the same one is another's too. */
START_TEST(a_mapping_keeps_its_own_page_only)
{
	uint32_t gref, same;
	char *p = share(1, true, &gref), *q, *r;
	struct hyper *third;

	ck_assert_int_eq(hyper_local_domain_create(doms.machine, 6), 0);
	third = doms_open(6, HYPER_SHARE);
	r = third->ops->share(third, doms.back_id, 1, true, &same);
	ck_assert_uint_eq(same, gref);
	q = map(&gref, 1, RW);
	ck_assert_int_eq(third->ops->unshare(third, r, 1), 0);
	ck_assert_int_eq(unshare(p, 1), -EBUSY);
	ck_assert_int_eq(unmap(q, 1), 0);
	hyper_close(third);
}
END_TEST

START_TEST(one_mapped_page_keeps_all)
{
	uint32_t grefs[3];
	char *p = share(3, true, grefs), *q = map(&grefs[2], 1, HYPER_READ);

	ck_assert_int_eq(unshare(p, 3), -EBUSY);
	ck_assert_int_eq(copy_in(doms.back, doms.front_id, grefs[0], own, 0, 1),
			 0);
	ck_assert_int_eq(unmap(q, 1), 0);
	ck_assert_int_eq(unshare(p, 3), 0);
}
END_TEST

START_TEST(close_ends_mappings_and_grants)
{
	uint32_t gref;
	char *p = share(1, true, &gref);
	struct hyper *back = doms_open(doms.back_id, HYPER_GRANT);

	ck_assert_ptr_nonnull(
		back->ops->map(back, doms.front_id, &gref, 1, HYPER_READ));
	ck_assert_int_eq(unshare(p, 1), -EBUSY);
	hyper_close(back);
	ck_assert_int_eq(unshare(p, 1), 0);

	p = share(1, true, &gref);
	hyper_close(doms.front);
	doms.front = doms_open(doms.front_id, ALL);
	EVENTUALLY(copy_in(doms.back, doms.front_id, gref, own, 0, 1) < 0);
}
END_TEST

START_TEST(many_grants_come_and_go)
{
	uint32_t grefs[512];
	char *p;

	/* Far more than there are references: none may leak. */
	for (int i = 0; i < 100; i++) {
		p = share(512, true, grefs);
		ck_assert_int_eq(unshare(p, 512), 0);
	}
	for (int i = 0; i < 70000; i++) {
		grefs[1] = 31999;
		ck_assert_ptr_null(map(grefs, 2, RW));
	}
	p = share(512, true, grefs);
	for (int i = 0; i < 300; i++) {
		char *q = map(grefs, 512, RW);

		ck_assert_ptr_nonnull(q);
		ck_assert_int_eq(unmap(q, 512), 0);
	}
	ck_assert_int_eq(unshare(p, 512), 0);
}
END_TEST

START_TEST(grants_run_out_with_an_error)
{
	uint32_t grefs[8192];
	unsigned int n = 0;

	while (doms.front->ops->share(doms.front, 0, 8192, true, grefs))
		n++;
	ck_assert_int_eq(errno, ENOSPC);
	ck_assert_uint_eq(n, 3); /* 32768 - 8 references */
	errno = 0;
	ck_assert_ptr_null(
		doms.front->ops->share(doms.front, 0, 0, true, grefs));
	ck_assert_ptr_null(
		doms.front->ops->share(doms.front, 0xfff0, 1, true, grefs));
}
END_TEST

START_TEST(parts_not_opened_are_refused)
{
	struct hyper *h = doms_open(doms.back_id, HYPER_STORE), *g;
	struct hyper_copy op = {.src.is_grant = true, .dst.virt = own};
	uint32_t gref = 9;

	ck_assert_ptr_null(h->ops->map(h, 5, &gref, 1, HYPER_READ));
	ck_assert_int_eq(h->ops->copy(h, &op, 1), -EINVAL);
	ck_assert_ptr_null(h->ops->share(h, 5, 1, true, &gref));
	ck_assert_int_eq(h->ops->unmap(h, own, 1), -EINVAL);
	ck_assert_int_eq(h->ops->unshare(h, own, 1), -EINVAL);
	ck_assert_int_eq(h->ops->evtchn_alloc(h, 5), -EINVAL);
	ck_assert_int_eq(h->ops->evtchn_bind(h, 5, 1), -EINVAL);
	ck_assert_int_lt(h->ops->evtchn_notify(h, 1), 0);
	ck_assert_int_lt(h->ops->evtchn_next(h), 0);
	ck_assert_int_lt(h->ops->evtchn_fd(h), 0);
	hyper_close(h);
	g = doms_open(doms.back_id, HYPER_GRANT);
	ck_assert_ptr_null(g->ops->read(g, 0, "domid"));
	ck_assert_int_eq(g->ops->write(g, 0, "/a", ""), -EINVAL);
	ck_assert_int_eq(g->ops->watch(g, "/a", "t"), -EINVAL);
	ck_assert_int_lt(g->ops->store_fd(g), 0);
	hyper_close(g);
}
END_TEST

START_TEST(bad_specifications_are_refused)
{
	static const char *const bad[] = {
		"",	     "local",	      "local:",	     "local:/x",
		"local:/x:", "local:/x:-1",   "local:/x:1x", "local:/x:32752",
		"kvm",	     "local:/none:0", "local::0",
	};

	errno = 0;
	ck_assert_ptr_null(hyper_open(bad[_i], ALL));
	ck_assert_int_ne(errno, 0);
	ck_assert_ptr_null(doms_open(0, 0));
	ck_assert_ptr_null(doms_open(0, 64));
}
END_TEST

Suite *hyper_grant_suite(void)
{
	Suite *s = suite_create("hyper_grant");
	TCase *t = tcase_create("rules");
	TCase *l = tcase_create("local");

	tcase_add_checked_fixture(t, doms_setup, doms_teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, granted_pages_are_zeroed);
	tcase_add_test(t, both_see_one_memory);
	tcase_add_test(t, maps_any_order_side_by_side);
	tcase_add_loop_test(t, map_is_all_or_nothing, 0, 4);
	tcase_add_loop_test(t, bad_references_are_refused, 0, 6);
	tcase_add_loop_test(t, bad_domains_are_refused, 0, 4);
	tcase_add_test(t, copies_both_ways);
	tcase_add_loop_test(t, a_copy_stays_within_its_page, 0, 9);
	tcase_add_test(t, one_bad_copy_stops_no_other);
	tcase_add_test(t, a_copy_needs_a_grant);
	tcase_add_test(t, read_only_is_read_only);
	tcase_add_test(t, a_read_mapping_faults_on_write);
	tcase_add_test(t, parts_not_opened_are_refused);
	suite_add_tcase(s, t);
	if (over_xen())
		return s;
	/* Several domains; or what Linux keeps to itself under Xen. */
	tcase_add_checked_fixture(l, doms_setup, doms_teardown);
	tcase_set_timeout(l, 60);
	tcase_add_test(l, a_grant_is_for_one_domain);
	tcase_add_test(l, copies_between_two_guests);
	tcase_add_test(l, a_child_inherits_no_mapping);
	tcase_add_test(l, a_mapped_page_is_not_given_back);
	tcase_add_test(l, a_mapping_keeps_its_own_page_only);
	tcase_add_test(l, one_mapped_page_keeps_all);
	tcase_add_test(l, close_ends_mappings_and_grants);
	tcase_add_test(l, many_grants_come_and_go);
	tcase_add_test(l, grants_run_out_with_an_error);
	tcase_add_loop_test(l, bad_specifications_are_refused, 0, 11);
	suite_add_tcase(s, l);
	return s;
}
