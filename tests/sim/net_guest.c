// SPDX-License-Identifier: MIT
/*
 * A guest with a NIC: it sends packets of any layout and takes what comes, and
 * knows what may happen to them. Each packet that it is told is sent has come
 * to the wire once, whole and in its order, or the wire had no room for it; one
 * that failed has not. Each frame from the wire comes once, whole and in its
 * order, or is counted. Only where a worker died under them may a packet leave
 * twice, and frames that the dead one had read be lost.
 */
#include <string.h>

#include "sim.h"

#define WINDOW	  1024u /* packets that are remembered, of a queue */
#define FLIGHT	  64u /* under way, of a queue */
#define SOON_USEC 500000u

struct packet {
	uint32_t number;
	bool busy; /* not answered yet */
	bool left, dropped; /* by the wire */
	bool may_repeat; /* a worker died under it */
	unsigned int slots; /* without an answer */
	int16_t status;
};

struct usernet *net_queue[NET_QUEUES];
struct ipc_vif_connect net_connection;

static struct guest_queue {
	struct packet packet[WINDOW];
	uint32_t of_id[USERNET_SLOTS]; /* of each slot under way its packet */
	bool used[USERNET_SLOTS];
	unsigned int in_flight;
	uint32_t next; /* packet */
	uint32_t last_left; /* and one more: 0 is none */
	uint32_t last_came; /* frame from the wire, and one more */
	uint32_t died_with[WINDOW]; /* frames, and one more, see is_excused() */
	bool tx_woken, rx_woken; /* both, if they share a channel */
} knows[NET_QUEUES];

static struct {
	uint64_t failed; /* packets answered with an error */
	uint64_t spoilt; /* frames with an error in them */
	uint64_t missing; /* frames that did not come, those as well */
	uint64_t excused; /* of these: a worker died that had read them */
} sum;

static struct packet *packet_of(unsigned int queue, uint32_t number)
{
	struct packet *p = &knows[queue].packet[number % WINDOW];

	return p->number == number ? p : NULL;
}

/* ---- packets from the guest ---- */

static unsigned int cut(uint32_t len, struct usernet_piece *piece)
{
	unsigned int least = (len + XPV_PAGE_SIZE - 1) / XPV_PAGE_SIZE;
	unsigned int n = least + sim_chance(4);

	for (unsigned int i = 0; i < n; i++) {
		uint32_t behind = n - i - 1;
		uint32_t most = len - behind, min = 1;

		if (len > behind * XPV_PAGE_SIZE)
			min = len - behind * XPV_PAGE_SIZE;
		if (most > XPV_PAGE_SIZE)
			most = XPV_PAGE_SIZE;
		piece[i].size = (uint16_t)(min + sim_chance(most - min + 1));
		piece[i].offset =
			(uint16_t)sim_chance(XPV_PAGE_SIZE + 1 - piece[i].size);
		len -= piece[i].size;
	}
	return n;
}

static void send_one(unsigned int queue)
{
	static uint8_t data[WIRE_MAX];
	struct usernet_piece piece[XPV_NETIF_MAX_SLOTS];
	struct guest_queue *k = &knows[queue];
	struct usernet *u = net_queue[queue];
	struct packet *p = &k->packet[k->next % WINDOW];
	uint32_t most = sim_chance(8) ? 2000 : WIRE_MAX;
	struct usernet_packet pkt = {.data = data, .pieces = piece};
	unsigned int free_before = u->nr_tx_free;

	pkt.len = WIRE_MIN + sim_chance(most - WIRE_MIN + 1);
	wire_frame(data, false, queue, k->next, pkt.len);
	pkt.nr_pieces = cut(pkt.len, piece);
	if (k->in_flight == FLIGHT || usernet_send(u, &pkt) < 0)
		return;
	SIM_MUST(!p->busy);
	*p = (struct packet){
		.number = k->next, .busy = true, .slots = pkt.nr_pieces};
	/* Its ids were on top of the stack. */
	for (unsigned int i = 1; i <= pkt.nr_pieces; i++) {
		uint16_t id = u->tx_free[free_before - i];

		SIM_MUST(!k->used[id]);
		k->used[id] = true;
		k->of_id[id] = k->next;
	}
	k->next++;
	k->in_flight++;
	sim.requests++;
}

void net_guest_left(const uint8_t *data, uint32_t len, unsigned int queue,
		    bool room)
{
	struct packet *p;
	uint32_t number;

	SIM_MUST(wire_whole(data, len, false, queue, &number));
	p = packet_of(queue, number);
	/* Of another page, or of one that is the guest's again. */
	SIM_MUST(p && p->busy);
	SIM_MUST(!(p->left || p->dropped) || p->may_repeat);
	SIM_MUST(number >= knows[queue].last_left || p->may_repeat);
	knows[queue].last_left = number + 1;
	p->left |= room;
	p->dropped |= !room;
}

static void answered(struct guest_queue *k, struct packet *p)
{
	bool good = p->status == XPV_NETIF_OKAY;

	p->busy = false;
	k->in_flight--;
	sim.errors += !good;
	sum.failed += !good;
	sim_note((uint64_t)p->number << 1 | good);
	if (good)
		SIM_MUST(p->left || p->dropped);
	else
		SIM_MUST(!(p->left || p->dropped) || p->may_repeat);
}

static void reap(unsigned int queue)
{
	struct xpv_netif_tx_response rsp[USERNET_SLOTS];
	struct guest_queue *k = &knows[queue];
	int n = usernet_reap(net_queue[queue], rsp, USERNET_SLOTS);

	SIM_MUST(n >= 0);
	for (int i = 0; i < n; i++) {
		uint16_t id = rsp[i].id;
		struct packet *p;

		SIM_MUST(id < USERNET_SLOTS && k->used[id]);
		p = packet_of(queue, k->of_id[id]);
		SIM_MUST(p && p->busy && p->slots);
		SIM_MUST(rsp[i].status == XPV_NETIF_OKAY ||
			 rsp[i].status == XPV_NETIF_ERROR);
		k->used[id] = false;
		/* What looks like a frame no more, if somebody reads on. */
		memset(usernet_tx_page(net_queue[queue], id), 0xee,
		       XPV_PAGE_SIZE);
		SIM_MUST(!p->status || p->status == rsp[i].status);
		p->status = rsp[i].status;
		if (!--p->slots)
			answered(k, p);
	}
}

/* ---- frames to the guest ---- */

/* All between the last one that came and this one did not. */
static void miss(struct guest_queue *k, uint32_t number)
{
	for (; k->last_came < number; k->last_came++) {
		sum.missing++;
		sum.excused +=
			k->died_with[k->last_came % WINDOW] == k->last_came + 1;
	}
}

static void receive(unsigned int queue)
{
	static struct usernet_frame frame;
	uint32_t number;
	int ret;

	while ((ret = usernet_receive(net_queue[queue], &frame)) == 1) {
		if (frame.errors) {
			sum.spoilt++;
			continue;
		}
		SIM_MUST(wire_whole(frame.data, frame.len, true, queue,
				    &number));
		SIM_MUST(number < wire_taken(queue));
		SIM_MUST(number >= knows[queue].last_came);
		miss(&knows[queue], number);
		knows[queue].last_came = number + 1;
		sim_note(number);
	}
	SIM_MUST(!ret);
}

/* Taken from the wire, and not on its way to the guest by a ring. */
void net_guest_worker_died(void)
{
	for (unsigned int i = 0; i < net_connection.nr_queues; i++) {
		struct guest_queue *k = &knows[i];

		for (unsigned int n = 0; n < WINDOW; n++)
			k->packet[n].may_repeat |= k->packet[n].busy;
		/* The last that were taken; some of them may be shown. */
		for (uint32_t n = nic_holds(i), at = wire_taken(i); n--;) {
			at--;
			k->died_with[at % WINDOW] = at + 1;
		}
	}
}

/* ---- what it does ---- */

static void listen(void)
{
	const struct hyper_ops *ops = sim.guest->ops;
	int port;

	while ((port = ops->evtchn_next(sim.guest)) >= 0) {
		ops->evtchn_unmask(sim.guest, (uint32_t)port);
		for (unsigned int i = 0; i < net_connection.nr_queues; i++) {
			struct usernet *u = net_queue[i];

			knows[i].tx_woken |= u->tx_port == (uint32_t)port;
			knows[i].rx_woken |= u->rx_port == (uint32_t)port;
		}
	}
}

/* As an interrupt does: until the backend knows to tell of the next one. */
static void take_answers(void)
{
	listen();
	for (unsigned int i = 0; i < net_connection.nr_queues; i++) {
		if (knows[i].tx_woken)
			do
				reap(i);
			while (xpv_front_final_check(&net_queue[i]->tx));
		if (knows[i].rx_woken)
			do
				receive(i);
			while (xpv_front_final_check(&net_queue[i]->rx));
		knows[i].tx_woken = false;
		knows[i].rx_woken = false;
	}
}

void net_guest_act(void)
{
	unsigned int queue = sim_chance(net_connection.nr_queues);

	switch (sim_chance(6)) {
	case 0:
	case 1:
		send_one(queue);
		return;
	case 2:
		usernet_push(net_queue[queue]);
		return;
	case 3:
		usernet_post(net_queue[queue],
			     sim_chance(sim_chance(8) ? 4 : 100));
		return;
	default:
		take_answers();
		return;
	}
}

static bool is_settled(void)
{
	for (unsigned int i = 0; i < net_connection.nr_queues; i++)
		if (knows[i].in_flight || wire_waits(i) || nic_holds(i))
			return false;
	return true;
}

/* Every frame that was taken from the wire has come, or is counted. */
static void account(void)
{
	uint64_t counted = sum.spoilt + nic_count(VIF_RX_DRAINED);

	for (unsigned int i = 0; i < NET_QUEUES; i++)
		miss(&knows[i], wire_taken(i));
	SIM_MUST(counted <= sum.missing);
	SIM_MUST(sum.missing - sum.excused <= counted);
	SIM_MUST(!nic_count(VIF_RX_DROP_LONG) &&
		 !nic_count(VIF_RX_DROP_SHORT) && !nic_count(VIF_RX_DROP_GSO));
	SIM_MUST(nic_count(VIF_TX_DROP_GRANT) >= sum.failed);
	SIM_MUST(sim.deaths || nic_count(VIF_TX_DROP_GRANT) == sum.failed);
}

/*
 * With slots for all of it, everything gets to where it has to be; soon, and
 * nobody is told anything but what the rings say has to be told.
 */
static void get_done(void)
{
	for (unsigned int n = 0; n < 10 || !is_settled(); n++) {
		SIM_MUST(n < SOON_USEC / 100);
		for (unsigned int i = 0; i < net_connection.nr_queues; i++) {
			usernet_post(net_queue[i], USERNET_SLOTS);
			usernet_push(net_queue[i]);
		}
		nic_turn();
		take_answers();
		wire_drains(true);
		sim.now_usec += 100;
	}
}

static void settle(void)
{
	get_done();
	for (unsigned int i = 0; i < net_connection.nr_queues; i++)
		wire_give(i, WIRE_MIN);
	get_done();
	account();
}

/* ---- connections ---- */

static void connect_anew(void)
{
	struct ipc_vif_connect *c = &net_connection;

	memset(c, 0, sizeof(*c));
	c->nr_queues = (uint8_t)(1 + sim_chance(NET_QUEUES));
	c->sg = sim_chance(4);
	c->rx_notify = sim_chance(4);
	if (!sim_chance(4)) {
		c->tune.rate_bytes = 1000000;
		c->tune.rate_usec = 50000;
	}
	for (unsigned int i = 0; i < c->nr_queues; i++) {
		struct guest_queue *k = &knows[i];

		net_queue[i] = usernet_new(sim.guest, 0, sim_chance(2));
		SIM_MUST(net_queue[i]);
		memset(k->used, 0, sizeof(k->used));
		k->tx_woken = true;
		k->rx_woken = true;
	}
	nic_connect(false);
}

static void disconnect(void)
{
	settle();
	nic_disconnect();
	/* -EBUSY if anything were still mapped. */
	for (unsigned int i = 0; i < net_connection.nr_queues; i++)
		SIM_MUST(!usernet_free(net_queue[i]));
}

void net_guest_reconnect(void)
{
	disconnect();
	connect_anew();
}

void net_guest_start(void)
{
	memset(knows, 0, sizeof(knows));
	memset(&sum, 0, sizeof(sum));
	/* No packet has that number. */
	for (unsigned int i = 0; i < NET_QUEUES; i++)
		for (unsigned int n = 0; n < WINDOW; n++)
			knows[i].packet[n].number = UINT32_MAX;
	connect_anew();
}

void net_guest_stop(void)
{
	disconnect();
}
