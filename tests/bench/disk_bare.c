// SPDX-License-Identifier: MIT
/* What no disk can do without: its data is copied, its sleepers are woken. */
#include "disk_load.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- a copy ---- */

/* Every request in one thread, as the worker copies in one. */
struct figure disk_memcpy(void *arg)
{
	const struct disk_load *load = arg;
	uint64_t start, end, done = 0;
	uint8_t *pages, *data;
	unsigned int i;

	data = aligned_alloc(4096, DISK_DEPTH * REQUEST_SIZE);
	pages = mmap(NULL, DISK_BYTES, PROT_READ, MAP_SHARED | MAP_POPULATE,
		     load->fd, 0);
	if (!data || pages == MAP_FAILED)
		die("no memory to copy");
	memset(data, 0, DISK_DEPTH * REQUEST_SIZE);
	pin_thread(1);
	start = now_ns();
	do {
		for (i = 0; i < load->depth; i++) {
			memcpy(data + (size_t)i * REQUEST_SIZE,
			       pages + random_offset(), REQUEST_SIZE);
			__asm__ __volatile__("" : : "r"(data) : "memory");
		}
		done += load->depth;
		end = now_ns();
	} while (end - start < load->duration);
	munmap(pages, DISK_BYTES);
	free(data);
	return (struct figure){.value = (double)done * 1e9 /
					(double)(end - start)};
}

/* ---- a wake ---- */

struct bell {
	int there, back;
};

static void ring(int fd, uint64_t value)
{
	if (write(fd, &value, sizeof(value)) != sizeof(value))
		die("eventfd");
}

static uint64_t hear(int fd)
{
	uint64_t value;

	if (read(fd, &value, sizeof(value)) != sizeof(value))
		die("eventfd");
	return value;
}

static void *ring_back(void *arg)
{
	struct bell *bell = arg;
	uint64_t value;

	pin_thread(1);
	do {
		value = hear(bell->there);
		ring(bell->back, 1);
	} while (value == 1);
	return NULL;
}

/* There and back, both sides asleep until then. */
struct figure disk_eventfd(void *arg)
{
	const struct disk_load *load = arg;
	struct bell bell = {eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC)};
	uint64_t start, end, done = 0;
	pthread_t thread;

	pin_thread(0);
	if (bell.there < 0 || bell.back < 0 ||
	    pthread_create(&thread, NULL, ring_back, &bell))
		die("no eventfd");
	start = now_ns();
	do {
		ring(bell.there, 1);
		hear(bell.back);
		done++;
		end = now_ns();
	} while (end - start < load->duration);
	ring(bell.there, 2);
	pthread_join(thread, NULL);
	close(bell.there);
	close(bell.back);
	return (struct figure){.value = (double)(end - start) / (double)done};
}
