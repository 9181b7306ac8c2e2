// SPDX-License-Identifier: MIT
/* The cases of the disk: each load, and whom it is compared with. */
#include "disk_guest.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* How long either side polls before it sleeps, us. */
#define POLL  200u
#define SLEEP 0u
#define FIRST 1 /* domain */

static struct disk_guest guest;

static struct figure disk_ours(void *arg)
{
	struct disk_client client = disk_guest_client(&guest);
	struct figure f;

	disk_guest_connect(&guest, arg);
	f = disk_drive(&client, arg);
	disk_guest_disconnect(&guest);
	return f;
}

/* @peer NULL: there is none to be had. */
static void against(const char *what, struct disk_load *load,
		    const char *peer_name, struct figure (*peer)(void *arg))
{
	struct contest c = {.unit = "req/s",
			    .ours = disk_ours,
			    .peer = peer,
			    .peer_name = peer ? peer_name : NULL,
			    .arg = load};

	snprintf(c.name, sizeof(c.name), "disk %s %s qd%u", what,
		 load->write ? "write" : "read", load->depth);
	contest(&c);
}

static void depths(const char *what, struct disk_load *load,
		   const char *peer_name, struct figure (*peer)(void *arg))
{
	static const unsigned int all[] = {1, 8, 32};
	unsigned int i;

	for (i = 0; i < 3; i++) {
		load->depth = all[i];
		against(what, load, peer_name, peer);
	}
}

/* ---- the cases ---- */

static void whole_disks(struct disk_load *load, int file)
{
	struct figure (*peer)(void *arg) = NULL;

	report_title("disk, 4 KiB, random, whole");
	if (disk_qemu_there())
		peer = disk_qemu;
	else
		printf("  %s is not here; Debian: qemu-system-common\n",
		       options.qemu);
	load->fd = -1;
	disk_qemu_start(load->fd, POLL);
	depths("null", load, QEMU_NAME, peer);
	disk_qemu_stop();
	load->fd = file;
	disk_qemu_start(load->fd, POLL);
	depths("page cache", load, QEMU_NAME, peer);
	load->write = true;
	depths("page cache", load, QEMU_NAME, peer);
	load->write = false;
	disk_qemu_stop();
}

static void below_disks(struct disk_load *load, int file, int memory)
{
	report_title("disk, 4 KiB, random, and what is under it");
	load->fd = file;
	load->persistent = true;
	depths("page cache", load, URING_NAME, disk_uring);
	load->write = true;
	depths("page cache", load, URING_NAME, disk_uring);
	load->persistent = false;
	depths("page cache, copied,", load, URING_NAME, disk_uring);
	load->write = false;
	depths("page cache, copied,", load, URING_NAME, disk_uring);
	load->persistent = true;
	load->fd = memory;
	load->depth = 32;
	against("memory", load, MEMCPY_NAME, disk_memcpy);
}

static struct figure trip_ours(void *arg)
{
	struct figure f = disk_ours(arg);

	f.value = 1e9 / f.value;
	return f;
}

/* Both ends asleep until the other one has something for them. */
static void asleep(struct disk_load load)
{
	struct contest c = {.name = "disk asleep read qd1",
			    .unit = "ns",
			    .ours = trip_ours,
			    .peer = disk_eventfd,
			    .peer_name = EVENTFD_NAME,
			    .arg = &load};

	load.fd = -1;
	load.depth = 1;
	load.asleep = true;
	contest(&c);
}

/* A load that leaves much time: who serves it should sleep. */
static void paced(struct disk_load load)
{
	struct contest c = {.name = "disk null 20k IOPS, worker cpu",
			    .unit = "ns/req",
			    .by_cpu = true,
			    .ours = disk_ours,
			    .arg = &load};

	if (disk_qemu_there()) {
		c.peer = disk_qemu;
		c.peer_name = QEMU_NAME;
	}
	load.fd = -1;
	load.depth = DISK_DEPTH;
	load.interval = 1000000000 / 20000;
	disk_qemu_start(load.fd, SLEEP);
	contest(&c);
	disk_qemu_stop();
}

void bench_disk(void)
{
	struct disk_load load = {
		.duration = options.quick ? 100000000u : 1000000000u,
		.persistent = true,
	};
	int file = make_disk_file(options.dir);
	int memory = make_disk_file("/dev/shm");
	struct hyper_machine *machine = hyper_local_create(NULL);

	if (!machine)
		die("no local hypervisor");
	disk_guest_start(&guest, machine, FIRST, POLL);
	whole_disks(&load, file);
	below_disks(&load, file, memory);
	disk_guest_stop(&guest);
	report_title("disk, little to do");
	disk_guest_start(&guest, machine, FIRST + 1, SLEEP);
	asleep(load);
	paced(load);
	disk_guest_stop(&guest);
	hyper_local_destroy(machine);
	close(file);
	close(memory);
}
