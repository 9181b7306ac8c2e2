// SPDX-License-Identifier: MIT
/*
 * The supervisor's state machine: what a guest, a toolstack and a worker may
 * do to a device, in any order, and what may happen to the store and to the
 * supervisor itself meanwhile. The world around it is played (states/play.h).
 *
 * What has to hold: states move along the protocol's edges alone, to Connected
 * only when a worker has said that it has the rings, to Closed only when none
 * has them; a domain never has two workers; what is held stays bounded; a
 * guest that behaves is undisturbed; what was removed is let go of, all of it;
 * and in the end a device that behaves comes up.
 */
#include "common/input.h"
#include "common/words.h"
#include "states/play.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/supervisor/errand.h"
#include "backend/supervisor/guest.h"
#include "backend/supervisor/keep.h"
#include "backend/supervisor/record.h"
#include "backend/supervisor/size_watch.h"
#include "backend/supervisor/watch.h"

#define HOSTILE	  7u
#define GOOD	  9u
#define XVDA	  51712u
#define DISK	  (64 * 1024)
#define MAX_TURNS 20000u /* of the loop until nothing is left to do */
#define SECOND	  1000000u

static const struct place {
	uint16_t domid;
	uint8_t class;
	uint32_t handle;
	bool lan;
} places[] = {
	{HOSTILE, IPC_VBD, XVDA, false}, {HOSTILE, IPC_VIF, 0, false},
	{HOSTILE, IPC_VIF, 1, true},	 {GOOD, IPC_VBD, XVDA, false},
	{GOOD, IPC_VIF, 0, true},
};
#define OF_HOSTILE 3u
#define PLACES	   5u

static struct supervisor sv;
static char home[64], run_dir[80], disk[80];
static unsigned int life;
static bool ending; /* nobody is to be undisturbed any more */

/* ---- paths ---- */

static const char *class_name(const struct place *p)
{
	return p->class == IPC_VBD ? XPV_CLASS_VBD : XPV_CLASS_VIF;
}

static const char *back_of(const struct place *p)
{
	static char path[96];

	snprintf(path, sizeof(path), XPV_PATH_BACK, 0u, class_name(p), p->domid,
		 p->handle);
	return path;
}

static const char *front_of(const struct place *p)
{
	static char path[96];

	snprintf(path, sizeof(path), XPV_PATH_FRONT, p->domid, class_name(p),
		 p->handle);
	return path;
}

static unsigned int state_of(const struct place *p)
{
	const char *text = play_read(back_of(p), xpv_key(XPV_KEY_STATE));

	return text ? (unsigned int)strtoul(text, NULL, 10) : 0;
}

/* ---- what must hold when a state is written ---- */

static bool is_edge(unsigned int from, unsigned int to)
{
	static const uint16_t next[XPV_STATES] = {
		[XPV_STATE_UNKNOWN] = 1 << 2 | 1 << 5,
		[XPV_STATE_INITIALISING] = 1 << 2 | 1 << 5,
		[XPV_STATE_INIT_WAIT] = 1 << 4 | 1 << 5 | 1 << 6,
		[XPV_STATE_INITIALISED] = 1 << 4 | 1 << 5 | 1 << 6,
		/* to itself: the disk has another size */
		[XPV_STATE_CONNECTED] = 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8,
		[XPV_STATE_CLOSING] = 1 << 6,
		[XPV_STATE_CLOSED] = 1 << 2,
		[XPV_STATE_RECONFIGURING] = 1 << 5,
		[XPV_STATE_RECONFIGURED] = 1 << 4 | 1 << 5 | 1 << 6,
	};

	return to < XPV_STATES && next[from] & 1 << to;
}

static bool is_plugged(const char *back)
{
	const char *status = play_read(back, xpv_key(XPV_KEY_HOTPLUG_STATUS));

	return status && !strcmp(status, "connected");
}

void states_moved(const char *back, unsigned int from, unsigned int to)
{
	struct device_key key = {.class = strstr(back, "/vif/") ? IPC_VIF
								: IPC_VBD};
	struct play_device *d = NULL;
	struct play_worker *w;
	struct device *dev;

	FUZZ_CHECK(is_edge(from, to));
	FUZZ_CHECK(sscanf(strstr(back, "/v") + 4, "/%u/%u", &key.domid,
			  &key.handle) == 2);
	dev = device_find(&sv, &key);
	FUZZ_CHECK(dev);
	w = play_worker_of((uint16_t)key.domid);
	if (w)
		d = play_device(w, (struct ipc_device){key.class, key.handle});
	/* One that is dead, and is not known to be, may have had them. */
	if (to == XPV_STATE_CONNECTED)
		FUZZ_CHECK(dev->phase == PHASE_CONNECTED &&
			   (!w || w->liar || (d && d->connected)));
	if (to == XPV_STATE_CLOSED && d && !w->liar)
		FUZZ_CHECK(!d->connected && dev->online);
	/* A guest that sees 4 may send: its tap is in its bridge by then. */
	if (to == XPV_STATE_CONNECTED && key.class == IPC_VIF &&
	    from != XPV_STATE_RECONFIGURED)
		FUZZ_CHECK(is_plugged(back));
}

static bool is_connected(const struct place *p)
{
	struct play_worker *w = play_worker_of(p->domid);
	struct play_device *d =
		w ? play_device(w, (struct ipc_device){p->class, p->handle})
		  : NULL;

	return d && d->connected &&
	       (play.emptied || state_of(p) == XPV_STATE_CONNECTED);
}

static void check_all(void)
{
	FUZZ_CHECK(HASH_COUNT(sv.devices) <= PLACES + 1);
	for (unsigned int i = OF_HOSTILE; !ending && i < PLACES; i++)
		FUZZ_CHECK(is_connected(&places[i]));
}

/* ---- the loop ---- */

/* The good guest's worker is quick, and so is that of the switch's uplink. */
static bool good_worker(uint16_t domid)
{
	struct play_worker *w = play_worker_of(domid);

	return w && play_worker_answer(w, PLAY_GOOD, 0, 0);
}

static bool turn(void)
{
	int ran = sd_event_run(sv.event, 0);
	bool asked = good_worker(GOOD);

	FUZZ_CHECK(ran >= 0);
	asked |= good_worker(XPV_DOMID_SELF);
	return asked || ran > 0;
}

/* Nothing goes round for ever. */
static void settle(void)
{
	for (unsigned int n = 0; turn(); n++)
		FUZZ_CHECK(n < MAX_TURNS);
}

static bool workers_answer(void)
{
	bool any = false;

	for (unsigned int i = 0; i < PLAY_WORKERS; i++)
		while (play_worker[i].alive &&
		       play_worker_answer(&play_worker[i], PLAY_GOOD, 0, 0))
			any = true;
	return any;
}

/* Everybody does what there is to be done. */
static void settle_all(void)
{
	for (unsigned int n = 0;; n++) {
		FUZZ_CHECK(n < MAX_TURNS);
		settle();
		if (!workers_answer() && !play_errand_ends())
			return;
	}
}

/* ---- the supervisor ---- */

static void start_supervisor(void)
{
	memset(&sv, 0, sizeof(sv));
	sv.hyper_spec = "played";
	sv.worker_path = "played";
	sv.run_dir = run_dir;
	disk_options_init(&sv.config.disk);
	net_options_init(&sv.config.net);
	FUZZ_NEED(sd_event_default(&sv.event) >= 0);
	FUZZ_NEED(keep_init(&sv) >= 0 && devices_init(&sv) >= 0);
	FUZZ_NEED(watch_init(&sv) >= 0);
	guests_init(&sv);
}

static void stop_supervisor(void)
{
	sv.leaving = true;
	guests_fini(&sv);
	devices_fini(&sv);
	watch_fini(&sv);
	sd_event_source_unref(sv.store_retry);
	while (play_errand_ends())
		;
	keep_fini(&sv);
	sd_event_unref(sv.event);
}

/* ---- the toolstack, and frontends ---- */

static void back_write(const struct place *p, enum xpv_key key,
		       const char *text)
{
	play_write(&play.toolstack, back_of(p), xpv_key(key), text);
}

static void own(const char *dir, uint16_t owner, uint16_t peer)
{
	const struct tree_perm perms[2] = {
		{.domid = owner}, {.domid = peer, .access = TREE_READ}};

	lxs_make(&play.toolstack, 0, dir);
	lxs_perms(&play.toolstack, 0, dir, perms);
}

/* As libxl does, the states last. */
static void add(const struct place *p)
{
	struct lxs_client *t = &play.toolstack;

	own(front_of(p), p->domid, 0);
	own(back_of(p), 0, p->domid);
	back_write(p, XPV_KEY_FRONTEND, front_of(p));
	play_number(t, back_of(p), xpv_key(XPV_KEY_FRONTEND_ID), p->domid);
	back_write(p, XPV_KEY_ONLINE, "1");
	if (p->class == IPC_VBD) {
		back_write(p, XPV_KEY_PARAMS, disk);
		back_write(p, XPV_KEY_MODE, "w");
	} else {
		back_write(p, XPV_KEY_MAC, "00:16:3e:01:02:03");
		back_write(p, XPV_KEY_HANDLE, "0");
	}
	if (p->lan) {
		back_write(p, XPV_KEY_SCRIPT, "vif-xpv");
		back_write(p, XPV_KEY_BRIDGE, "lan0");
	}
	play_write(t, front_of(p), xpv_key(XPV_KEY_BACKEND), back_of(p));
	play_number(t, front_of(p), xpv_key(XPV_KEY_BACKEND_ID), 0);
	play_number(t, front_of(p), xpv_key(XPV_KEY_STATE), 1);
	back_write(p, XPV_KEY_STATE, "1");
}

static void front_number(const struct place *p, enum xpv_key key,
			 uint32_t value)
{
	play_number(&play.guest[p->domid], front_of(p), xpv_key(key), value);
}

static void publish(const struct place *p)
{
	front_number(p, XPV_KEY_EVENT_CHANNEL, 5);
	if (p->class == IPC_VBD) {
		front_number(p, XPV_KEY_RING_REF, 8);
		front_number(p, XPV_KEY_STATE, XPV_STATE_INITIALISED);
		return;
	}
	front_number(p, XPV_KEY_TX_RING_REF, 8);
	front_number(p, XPV_KEY_RX_RING_REF, 9);
	front_number(p, XPV_KEY_REQUEST_RX_COPY, 1);
	front_number(p, XPV_KEY_FEATURE_RX_NOTIFY, 1);
	front_number(p, XPV_KEY_STATE, XPV_STATE_CONNECTED);
}

static void remove_dirs(const struct place *p)
{
	play_rm(&play.toolstack, front_of(p), NULL);
	play_rm(&play.toolstack, back_of(p), NULL);
}

/* ---- devices that behave ---- */

/* Until it has that state, at most so many seconds, which nobody waits for. */
static void await(const struct place *p, unsigned int state)
{
	for (unsigned int n = 0; n < 400; n++) {
		settle_all();
		if (state_of(p) == state)
			return;
		play_usec += SECOND / 2;
	}
	FUZZ_CHECK(!"a device that behaves comes up");
}

static void bring_up(const struct place *p)
{
	add(p);
	await(p, XPV_STATE_INIT_WAIT);
	back_write(p, XPV_KEY_HOTPLUG_STATUS, "connected");
	publish(p);
	await(p, XPV_STATE_CONNECTED);
}

/* ---- what the input may do ---- */

static const struct place *hostile(struct input *in)
{
	return &places[input_u8(in) % OF_HOSTILE];
}

static void guest_writes(struct input *in)
{
	static char text[WORD_MAX];
	const struct place *p = hostile(in);
	uint8_t key = input_u8(in), n = input_u8(in);
	char name[64];

	snprintf(name, sizeof(name), xpv_key(key % XPV_KEY_COUNT), n & 15);
	if (n & 128) {
		play_rm(&play.guest[HOSTILE], front_of(p),
			n & 64 ? name : NULL);
		return;
	}
	words_text(in, text);
	play_write(&play.guest[HOSTILE], front_of(p), name, text);
}

static void toolstack_writes(struct input *in)
{
	static char text[WORD_MAX];
	const struct place *p = hostile(in);
	enum xpv_key key = (enum xpv_key)(input_u8(in) % XPV_KEY_COUNT);

	/* But not another target: whatever is there, it is somebody's. */
	if (key == XPV_KEY_PARAMS || key == XPV_KEY_PHYSICAL_DEVICE ||
	    key == XPV_KEY_PHYSICAL_DEVICE_PATH)
		return;
	words_text(in, text);
	if (play_read(back_of(p), xpv_key(XPV_KEY_STATE)))
		back_write(p, key, text);
}

static void toolstack_acts(struct input *in)
{
	static const char *const status[] = {"connected", "error", ""};
	const struct place *p = hostile(in);
	uint8_t how = input_u8(in);

	switch (how % 7) {
	case 0:
		if (play.alive[HOSTILE])
			add(p);
		return;
	case 6: /* the usual way, as far as it goes */
		if (!play.alive[HOSTILE])
			return;
		add(p);
		settle_all();
		back_write(p, XPV_KEY_HOTPLUG_STATUS, "connected");
		publish(p);
		settle_all();
		return;
	case 1:
		remove_dirs(p);
		return;
	case 2:
		play_rm(&play.toolstack, how & 64 ? back_of(p) : front_of(p),
			NULL);
		return;
	case 3:
		back_write(p, XPV_KEY_ONLINE, "0");
		back_write(p, XPV_KEY_STATE, "5");
		return;
	case 4:
		if (play_read(back_of(p), xpv_key(XPV_KEY_STATE)))
			back_write(p, XPV_KEY_HOTPLUG_STATUS,
				   status[how / 7 % 3]);
		return;
	default:
		if (play.alive[HOSTILE])
			play_domain_gone(HOSTILE);
		else
			play_domain(HOSTILE, ++life);
		return;
	}
}

/* One of the hostile guest's, also one that was told to end. */
static struct play_worker *some_worker(uint8_t which)
{
	struct play_worker *w = play_worker_of(HOSTILE);

	if (w && which % 4)
		return w;
	for (unsigned int i = 0; i < PLAY_WORKERS; i++)
		if (play_worker[i].alive && play_worker[i].domid == HOSTILE)
			return &play_worker[i];
	return NULL;
}

static void worker_says(struct play_worker *w, struct input *in)
{
	const struct place *p = hostile(in);
	struct ipc_msg msg;
	struct play_device *d;

	memset(&msg, 0, sizeof(msg));
	msg.dev = (struct ipc_device){p->class, p->handle};
	msg.type = input_u8(in) & 1 ? IPC_BROKEN : IPC_NOTICE;
	d = play_device(w, msg.dev);
	if (!d || !d->connected)
		w->liar = true;
	if (msg.type == IPC_BROKEN) {
		snprintf(msg.reply.text, IPC_TEXT, "a ring that is broken");
		if (d)
			d->connected = false;
	} else {
		msg.notice.vbd.waiting = -(int32_t)input_u8(in);
		msg.notice.vbd.flush_error = -(int32_t)input_u8(in);
	}
	play_worker_say(w, &msg);
}

static void worker_acts(struct input *in)
{
	/* The second half says something of the device: that may be a lie. */
	static const int32_t errors[] = {-EIO,	 -EINVAL, -ENOMEM, -EPERM,
					 -EBUSY, -ENODEV, -EEXIST, -4095};
	uint8_t which = input_u8(in), how = input_u8(in);
	struct play_worker *w = some_worker(which);

	if (!w)
		return;
	switch (how % 8) {
	case 0:
		play_worker_answer(w, PLAY_ERROR, errors[how / 8 % 4], 0);
		return;
	case 1:
		play_worker_die(w);
		return;
	case 2:
		worker_says(w, in);
		return;
	case 3:
		play_worker_answer(w, PLAY_LIE, errors[how / 8 % 8],
				   input_u8(in));
		return;
	default:
		play_worker_answer(w, PLAY_GOOD, 0, 0);
		return;
	}
}

/* Those that were told to end have done so. */
static void end_told(void)
{
	for (unsigned int i = 0; i < PLAY_WORKERS; i++)
		if (play_worker[i].alive && play_worker[i].told)
			play_worker_die(&play_worker[i]);
}

/* One that leaves waits for no worker, and we would never see the end of it. */
static void restart_supervisor(void)
{
	if (play.down)
		return;
	play.fails_in = play.conflicts = 0;
	end_told();
	settle();
	stop_supervisor();
	start_supervisor();
}

static void world_acts(struct input *in)
{
	uint8_t how = input_u8(in);

	switch (how % 8) {
	case 0:
		play_store_kill();
		return;
	case 1:
		play_store_restart(how >= 240);
		return;
	case 2:
		play.fails_in = 1 + how / 8;
		return;
	case 3:
		play.conflicts = how / 8;
		return;
	case 4:
		play_usec += SECOND << (how / 32);
		return;
	case 5:
		play_usec += 10000u << (how / 32);
		return;
	case 6:
		play_taps_fail = how / 64;
		return;
	default:
		restart_supervisor();
		return;
	}
}

/* None of them takes for ever. */
static void end_old(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < PLAY_WORKERS; i++)
		n += play_worker[i].alive && play_worker[i].told;
	if (n > PLAY_WORKERS / 4)
		end_told();
}

static void act(struct input *in)
{
	uint8_t what = input_u8(in);
	const struct place *p;

	end_old();
	switch (what % 8) {
	case 0:
		p = hostile(in);
		front_number(p, XPV_KEY_STATE, input_u8(in) % 10);
		break;
	case 1:
		publish(hostile(in));
		break;
	case 2:
		guest_writes(in);
		break;
	case 3:
		toolstack_acts(in);
		break;
	case 4:
		toolstack_writes(in);
		break;
	case 5:
		worker_acts(in);
		break;
	case 6:
		world_acts(in);
		break;
	default:
		play_errand_ends();
		break;
	}
	/* Who is how fast? */
	if (what & 128)
		settle_all();
	else if (what & 64)
		settle();
	else
		for (unsigned int n = what >> 3 & 7; n; n--)
			turn();
}

/* ---- the end ---- */

/* What is recorded of a domain, and of its devices. */
static unsigned int records_of(unsigned int domid)
{
	unsigned int n = 0, found, class;
	struct dirent *entry;
	DIR *dir = opendir(run_dir);

	FUZZ_NEED(dir);
	while ((entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (sscanf(name, "worker-%u", &found) != 1 &&
		    sscanf(name, "stats-%u", &found) != 1 &&
		    sscanf(name, "device-%u-%u", &class, &found) != 2 &&
		    sscanf(name, "legacy-%u-%u", &class, &found) != 2)
			continue;
		n += found == domid;
	}
	closedir(dir);
	return n;
}

/* Everybody behaves from now on; who lied is put to an end. */
static void make_peace(void)
{
	play.fails_in = play.conflicts = play_taps_fail = 0;
	play_store_restart(false);
	for (unsigned int i = 0; i < PLAY_WORKERS; i++)
		if (play_worker[i].alive && play_worker[i].liar)
			play_worker_die(&play_worker[i]);
}

static void pass(unsigned int seconds)
{
	while (seconds--) {
		settle_all();
		end_told();
		play_usec += SECOND;
	}
	settle_all();
}

static void remove_all(uint16_t domid)
{
	struct device *dev, *after;

	for (unsigned int i = 0; i < PLACES; i++)
		if (places[i].domid == domid)
			remove_dirs(&places[i]);
	play_domain_gone(domid);
	pass(5);
	/* A store that has forgotten them all cannot say that they are gone. */
	if (sv.forgetful)
		return;
	HASH_ITER(hh, sv.devices, dev, after)
		FUZZ_CHECK(dev->key.domid != domid);
	FUZZ_CHECK(!play_worker_of(domid) && !records_of(domid));
}

static void come_to_an_end(void)
{
	make_peace();
	pass(3);
	check_all();
	remove_all(HOSTILE);
	if (!sv.forgetful) {
		play_domain(HOSTILE, ++life);
		for (unsigned int i = 0; i < OF_HOSTILE; i++)
			bring_up(&places[i]);
		check_all();
		remove_all(HOSTILE);
	}
	ending = true;
	remove_all(GOOD);
}

/* ---- once, and with each input ---- */

static void remove_home(void)
{
	unlink(disk);
	rmdir(run_dir);
	rmdir(home);
}

static void make_home(void)
{
	int fd;

	snprintf(home, sizeof(home), "/dev/shm/xpv-states-XXXXXX");
	FUZZ_NEED(mkdtemp(home));
	snprintf(run_dir, sizeof(run_dir), "%s/run", home);
	snprintf(disk, sizeof(disk), "%s/disk", home);
	FUZZ_NEED(!mkdir(run_dir, 0700));
	fd = open(disk, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	FUZZ_NEED(fd >= 0 && !ftruncate(fd, DISK));
	close(fd);
	atexit(remove_home);
}

static void empty_run_dir(void)
{
	struct dirent *entry;
	DIR *dir = opendir(run_dir);

	FUZZ_NEED(dir);
	while ((entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}

/* The lowest number that is free: none was forgotten below it. */
static int next_fd(void)
{
	int fd = dup(0);

	FUZZ_NEED(fd >= 0);
	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint8_t how;
	int fd;

	if (!home[0])
		make_home();
	fd = next_fd();
	play_usec = 1000 * (uint64_t)SECOND;
	ending = true;
	life = 1;
	play_store_start();
	play_domain(0, 0);
	play_domain(HOSTILE, life);
	play_domain(GOOD, 1);
	start_supervisor();
	how = input_u8(&in);
	for (unsigned int i = 0; i < PLACES; i++)
		if (i >= OF_HOSTILE || how & 1u << i)
			bring_up(&places[i]);
	ending = false;
	play.undisturbed = GOOD;
	while (in.left) {
		act(&in);
		check_all();
	}
	play.undisturbed = 0;
	come_to_an_end();
	stop_supervisor();
	play_workers_stop();
	play_store_stop();
	empty_run_dir();
	play_usec = 0;
	FUZZ_CHECK(next_fd() == fd);
	return 0;
}
