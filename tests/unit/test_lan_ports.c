// SPDX-License-Identifier: MIT
/*
 * The supervisor's part in a switch, without a worker: what the ports' workers
 * are asked, and what their answers are taken for when something else has
 * happened meanwhile.
 */
#include <string.h>
#include <unistd.h>

#include "backend/supervisor/device.h"
#include "suites.h"

#define PORTS 4u

static struct supervisor sv;
static struct device dev[PORTS];
static struct lan_port *const a = &dev[0].vif.port, *const b = &dev[1].vif.port,
			      *const c = &dev[2].vif.port,
			      *const d = &dev[3].vif.port;

static void setup(void)
{
	struct reason why;

	memset(&sv, 0, sizeof(sv));
	memset(dev, 0, sizeof(dev));
	TAILQ_INIT(&sv.pending);
	LIST_INIT(&sv.lans);
	ck_assert_int_ge(sd_event_new(&sv.event), 0);
	for (unsigned int i = 0; i < PORTS; i++) {
		dev[i].sv = &sv;
		dev[i].key.domid = 7 + i;
		dev[i].phase = PHASE_CONNECTED;
		vlan_all(&dev[i].vif.port.vlans);
		ck_assert_int_eq(
			lan_join(&dev[i].vif.port, &dev[i], "lan", &why), 0);
	}
}

static void teardown(void)
{
	for (unsigned int i = 0; i < PORTS; i++)
		lan_leave(&dev[i].vif.port);
	ck_assert(LIST_EMPTY(&sv.lans));
	sd_event_unref(sv.event);
}

/* What the worker of the port is asked now, IPC_NONE: nothing. */
static struct ipc_msg ask(struct lan_port *port)
{
	struct ipc_msg msg = {0};
	int fds[IPC_MAX_FDS];
	unsigned int nr_fds = 0;
	int asked = lan_tend(port, &msg, fds, &nr_fds);

	ck_assert_int_ge(asked, 0);
	ck_assert_uint_eq(!asked, msg.type == IPC_NONE);
	return msg;
}

static void answer(struct lan_port *port, const struct ipc_msg *msg)
{
	struct ipc_reply reply = {.request = msg->type};

	lan_answered(port, &reply);
}

static void settle(struct lan_port *port)
{
	struct ipc_msg msg;

	while ((msg = ask(port)).type != IPC_NONE)
		answer(port, &msg);
}

static void settle_all(void)
{
	for (unsigned int i = 0; i < 2 * PORTS; i++)
		settle(&dev[i % PORTS].vif.port);
}

static void dies(struct lan_port *port)
{
	port->dev->phase = PHASE_IDLE;
	ck_assert_uint_eq(ask(port).type, IPC_NONE);
}

static void expect_forget(struct lan_port *port, uint32_t id)
{
	struct ipc_msg msg = ask(port);

	ck_assert_uint_eq(msg.type, IPC_UNLINK);
	ck_assert_uint_eq(msg.unlink, id);
	answer(port, &msg);
}

/* Each is told of each other one, once. */
START_TEST(all_are_introduced)
{
	unsigned int links = 0;

	for (unsigned int i = 0; i < 2 * PORTS; i++) {
		struct ipc_msg msg;

		while ((msg = ask(&dev[i % PORTS].vif.port)).type) {
			links += msg.type == IPC_LINK;
			answer(&dev[i % PORTS].vif.port, &msg);
		}
	}
	ck_assert_uint_eq(links, PORTS * (PORTS - 1));
}
END_TEST

/* An answer is that to the question, whoever else has gone since it. */
START_TEST(others_go_while_one_is_forgotten)
{
	uint32_t id[PORTS];
	struct ipc_msg msg;

	settle_all();
	for (unsigned int i = 0; i < PORTS; i++)
		id[i] = dev[i].vif.port.id;
	dies(b);
	msg = ask(a);
	ck_assert_uint_eq(msg.type, IPC_UNLINK);
	ck_assert_uint_eq(msg.unlink, id[1]);
	dies(c);
	dies(d);
	answer(a, &msg);
	expect_forget(a, id[2]);
	expect_forget(a, id[3]);
	ck_assert_uint_eq(ask(a).type, IPC_NONE);
}
END_TEST

/* The worker may know it by now: it is told to forget it again. */
START_TEST(goes_while_it_is_introduced)
{
	struct ipc_msg msg;
	uint32_t id;

	settle(b);
	settle(c);
	settle(d);
	msg = ask(a);
	ck_assert_uint_eq(msg.type, IPC_UNLINK);
	ck_assert_uint_eq(msg.unlink, SWITCH_ALL_PEERS);
	answer(a, &msg);
	msg = ask(a);
	ck_assert_uint_eq(msg.type, IPC_LINK);
	id = msg.link.id;
	for (unsigned int i = 1; i < PORTS; i++)
		if (dev[i].vif.port.id == id)
			dies(&dev[i].vif.port);
	answer(a, &msg);
	expect_forget(a, id);
	settle(a);
}
END_TEST

/* A worker of an earlier supervisor's: it forgets all before it is told. */
START_TEST(forgets_all_before_the_first)
{
	struct ipc_msg msg = ask(a);

	ck_assert_uint_eq(msg.type, IPC_UNLINK);
	ck_assert_uint_eq(msg.unlink, SWITCH_ALL_PEERS);
	settle(b);
	settle(c);
	dies(c);
	answer(a, &msg);
	msg = ask(a);
	ck_assert_uint_eq(msg.type, IPC_LINK);
	ck_assert_uint_eq(msg.link.id, b->id);
}
END_TEST

Suite *lan_ports_suite(void)
{
	Suite *s = suite_create("lan_ports");
	TCase *tc = tcase_create("lan_ports");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, all_are_introduced);
	tcase_add_test(tc, others_go_while_one_is_forgotten);
	tcase_add_test(tc, goes_while_it_is_introduced);
	tcase_add_test(tc, forgets_all_before_the_first);
	suite_add_tcase(s, tc);
	return s;
}
