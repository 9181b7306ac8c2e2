// SPDX-License-Identifier: MIT
#include "rig.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "toolstack.h"

static void *worker_thread(void *arg)
{
	struct rig *rig = arg;
	struct hyper *h = hyper_open(rig->spec, HYPER_GRANT | HYPER_EVTCHN);
	struct worker w;

	rig->result = -errno;
	if (!h)
		return NULL;
	rig->result = worker_init(&w, RIG_GUEST, h, rig->control);
	if (!rig->result) {
		rig->result = worker_run(&w);
		worker_fini(&w);
	}
	hyper_close(h);
	return NULL;
}

static void open_file(struct rig *rig)
{
	if (rig->options.path) {
		rig->fd = open(rig->options.path, O_RDONLY | O_CLOEXEC);
	} else {
		rig->fd = memfd_create("disk", MFD_CLOEXEC);
		ck_assert_int_eq(ftruncate(rig->fd,
					   (off_t)rig->options.sectors * 512),
				 0);
	}
	ck_assert_int_ge(rig->fd, 0);
}

static void start_process(struct rig *rig)
{
	char program[HOST_PATH];

	own_program(program, sizeof(program), "xpv-worker");
	ck_assert_int_eq(
		drive_start(&rig->drive, program, rig->spec, RIG_GUEST), 0);
}

static void start_thread(struct rig *rig)
{
	int sock[2];

	ck_assert_int_eq(ipc_pair(sock), 0);
	rig->drive.control = sock[0];
	rig->control = sock[1];
	ck_assert_int_eq(pthread_create(&rig->thread, NULL, worker_thread, rig),
			 0);
}

void rig_boot(struct rig *rig, const struct rig_options *options)
{
	char spec[256];

	memset(rig, 0, sizeof(*rig));
	rig->options = *options;
	if (!rig->options.sectors)
		rig->options.sectors = 4096;
	if (!rig->options.sector_size)
		rig->options.sector_size = 512;
	if (!rig->options.max_indirect)
		rig->options.max_indirect = XPV_BLKIF_OFFER_SEGS;
	rig->machine = hyper_local_create(NULL);
	ck_assert_ptr_nonnull(rig->machine);
	ck_assert_int_eq(hyper_local_domain_create(rig->machine, RIG_GUEST), 0);
	hyper_local_spec(rig->machine, RIG_GUEST, spec, sizeof(spec));
	rig->guest = hyper_open(spec, HYPER_SHARE | HYPER_EVTCHN);
	ck_assert_ptr_nonnull(rig->guest);
	open_file(rig);

	hyper_local_spec(rig->machine, 0, rig->spec, sizeof(rig->spec));
	if (rig->options.process)
		start_process(rig);
	else
		start_thread(rig);
}

void rig_attach(struct rig *rig)
{
	const struct rig_options *o = &rig->options;
	struct ipc_vbd_attach attach = {
		.sectors = o->sectors,
		.sector_size = o->sector_size,
		.read_only = o->read_only,
		.discard = o->discard,
		.max_queues = IPC_MAX_QUEUES,
		.max_ring_order = XPV_BLKIF_MAX_RING_ORDER,
		.discard_secure = o->discard_secure,
		.direct = o->direct,
		.persistent = o->front.persistent,
		.max_indirect = o->max_indirect,
	};
	int err = drive_attach(&rig->drive, RIG_DISK, o->null ? -1 : rig->fd,
			       &attach);

	ck_assert_msg(!err, "attach: %d %s", err, rig->drive.text);
}

static void connect_front(struct rig *rig, struct userblk *fe)
{
	int err = drive_connect(&rig->drive, RIG_DISK, fe);

	ck_assert_msg(!err, "connect: %d %s", err, rig->drive.text);
}

struct userblk *rig_front(struct rig *rig)
{
	struct userblk *fe = userblk_new(rig->guest, &rig->options.front);

	ck_assert_ptr_nonnull(fe);
	connect_front(rig, fe);
	return fe;
}

void rig_kill(struct rig *rig)
{
	char program[HOST_PATH];

	own_program(program, sizeof(program), "xpv-worker");
	ck_assert_int_eq(
		drive_replace(&rig->drive, program, rig->spec, RIG_GUEST), 0);
	rig_attach(rig);
	connect_front(rig, rig->fe);
}

void rig_start(struct rig *rig, const struct rig_options *options)
{
	rig_boot(rig, options);
	rig_attach(rig);
	rig->fe = rig_front(rig);
}

/* The worker ends because nobody is left: no supervisor, no device. */
void rig_halt(struct rig *rig)
{
	if (rig->options.process) {
		ck_assert_int_eq(drive_stop(&rig->drive), 0);
	} else {
		if (rig->drive.control >= 0)
			close(rig->drive.control);
		pthread_join(rig->thread, NULL);
		ck_assert_int_eq(rig->result, 0);
	}
	hyper_close(rig->guest);
	hyper_local_destroy(rig->machine);
	close(rig->fd);
}

void rig_stop(struct rig *rig)
{
	ck_assert_int_eq(drive_simple(&rig->drive, RIG_DISK, IPC_DETACH), 0);
	if (rig->fe)
		ck_assert_int_eq(userblk_free(rig->fe), 0);
	rig_halt(rig);
}

int rig_call(struct rig *rig, const struct xpv_blk_request *req)
{
	int status = RIG_STATUS_NONE;
	int err = userblk_call(rig->fe, 0, req, RIG_WAIT, &status);

	ck_assert_msg(!err, "no answer to operation %u: %s", req->op,
		      strerror(-err));
	return status;
}

int rig_pages(struct rig *rig, enum xpv_blkif_op op, uint64_t sector,
	      unsigned int page, unsigned int n)
{
	static uint64_t id;
	struct xpv_blk_request req = {
		.id = ++id,
		.op = (uint8_t)op,
		.sector = sector,
	};

	userblk_segments(rig->fe, &req, page, n);
	return rig_call(rig, &req);
}

struct xpv_blk_request rig_request(struct rig *rig, uint8_t op, uint64_t sector,
				   unsigned int n)
{
	struct xpv_blk_request req = {.op = op, .sector = sector};

	userblk_segments(rig->fe, &req, 0, n);
	return req;
}

void rig_check_alive(struct rig *rig)
{
	rig_stamp(rig->fe->data, 4096, 8, 77);
	ck_assert_int_eq(rig_pages(rig, XPV_BLKIF_WRITE, 8, 0, 1),
			 XPV_BLKIF_OKAY);
	memset(rig->fe->data, 0, 4096);
	ck_assert_int_eq(rig_pages(rig, XPV_BLKIF_READ, 8, 0, 1),
			 XPV_BLKIF_OKAY);
	ck_assert(rig_stamped(rig->fe->data, 4096, 8, 77));
}

void rig_await(struct rig *rig, unsigned int queue, unsigned int n,
	       void (*each)(const struct xpv_blk_response *rsp, void *arg),
	       void *arg)
{
	struct xpv_blk_response rsp[64];
	unsigned int got = 0;
	int i, now;

	while (got < n) {
		ck_assert_int_eq(userblk_wait(rig->fe, RIG_WAIT), 1);
		now = userblk_reap(rig->fe, queue, rsp, 64);
		ck_assert_int_ge(now, 0);
		for (i = 0; i < now; i++)
			each(&rsp[i], arg);
		got += (unsigned int)now;
	}
	ck_assert_uint_eq(got, n);
}

unsigned int rig_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static uint32_t stamp(uint64_t sector, uint32_t salt, unsigned int word)
{
	uint32_t x = (uint32_t)sector * 2654435761u ^ salt ^ word * 40503u;

	return x ^ x >> 15;
}

void rig_stamp(void *mem, size_t bytes, uint64_t first, uint32_t salt)
{
	uint32_t *words = mem;
	unsigned int i;

	for (i = 0; i < bytes / 4; i++)
		words[i] = stamp(first + i / 128, salt, i % 128);
}

bool rig_stamped(const void *mem, size_t bytes, uint64_t first, uint32_t salt)
{
	const uint32_t *words = mem;
	unsigned int i;

	for (i = 0; i < bytes / 4; i++)
		if (words[i] != stamp(first + i / 128, salt, i % 128))
			return false;
	return true;
}
