// SPDX-License-Identifier: MIT
/*
 * Power cuts under a file system. In a guest:
 *
 *	powercut work DIR STEPS
 *
 * makes files one after another, each step durable by fsync() before the next
 * begins. Its disk lies on dm-log-writes in dom0, whose log has every write
 * and flush that reached the device, writes by the flush that makes them
 * durable. Over there, afterwards:
 *
 *	powercut check BASE LOG END IMAGE STATES
 *
 * makes, of the disk's content before (BASE) and the log, disks as a power
 * cut would have left them just before a flush was through: without any of
 * the writes that it was to make durable, and with some. e2fsck replays the
 * journal and must find nothing to repair; what step N left must be there if
 * the log had a write of step N + 1: that one began when step N was durable.
 * The whole log must make what the disk was in the end (END).
 */
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECTOR	  512u
#define LINE	  64u /* a line of any file; it begins with its step */
#define WORD	  "xpv-step "
#define MAX_STEPS 1000u

/* ---- what both ends know ---- */

/* A new file; more lines for an old one; a new file in place of an old one. */
enum kind { NEW, APPEND, REPLACE, KINDS };

static enum kind kind_of(unsigned int step)
{
	return step % KINDS;
}

static unsigned int lines_of(unsigned int step)
{
	return 1 + step * 37 % 150;
}

static unsigned int number(const char *text, unsigned int max)
{
	unsigned long n = strtoul(text, NULL, 10);

	if (!n || n > max)
		errx(2, "%s is not in 1-%u", text, max);
	return (unsigned int)n;
}

/* ---- in the guest ---- */

static void put(const char *name, int flags, unsigned int step)
{
	static char text[150 * LINE];
	size_t len = lines_of(step) * LINE;
	int fd = open(name, O_WRONLY | O_CREAT | flags, 0644);

	memset(text, '.', len);
	for (size_t at = 0; at < len; at += LINE) {
		int n = snprintf(text + at, LINE, WORD "%06u", step);

		text[at + (size_t)n] = ' ';
		text[at + LINE - 1] = '\n';
	}
	if (fd < 0 || write(fd, text, len) != (ssize_t)len || fsync(fd))
		err(1, "%s", name);
	close(fd);
}

static void replace(unsigned int step)
{
	int fd;

	put("new", O_TRUNC, step);
	if (rename("new", "current"))
		err(1, "rename");
	fd = open("current", O_RDONLY);
	if (fd < 0 || fsync(fd))
		err(1, "current");
	close(fd);
}

static int work(const char *dir, unsigned int steps)
{
	char name[32];

	if (chdir(dir))
		err(1, "%s", dir);
	for (unsigned int step = 1; step <= steps; step++) {
		snprintf(name, sizeof(name), "file%u", step);
		if (kind_of(step) == NEW)
			put(name, O_EXCL, step);
		else if (kind_of(step) == APPEND)
			put("log", O_APPEND, step);
		else
			replace(step);
	}
	return 0;
}

/* ---- the log (Documentation/admin-guide/device-mapper/log-writes.rst) ---- */

#define LOG_MAGIC   0x6a736677736872ull
#define LOG_FLUSH   1u
#define LOG_FUA	    2u
#define LOG_DISCARD 4u

struct log_super {
	uint64_t magic, version, entries;
	uint32_t sector_size;
};

struct log_entry {
	uint64_t sector, sectors, flags, data_bytes;
};

struct log {
	const uint8_t *at, *end;
	uint64_t left; /* entries */
};

static const uint8_t *map(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY);
	off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	void *mem;

	if (end <= 0)
		err(1, "%s", path);
	*size = (size_t)end;
	mem = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (mem == MAP_FAILED)
		err(1, "%s", path);
	close(fd);
	return mem;
}

static void log_open(struct log *log, const char *path)
{
	struct log_super super;
	size_t size;

	log->at = map(path, &size);
	log->end = log->at + size;
	memcpy(&super, log->at, sizeof(super));
	if (super.magic != LOG_MAGIC || super.sector_size != SECTOR)
		errx(1, "%s: no log of sectors of %u bytes", path, SECTOR);
	log->at += SECTOR;
	log->left = super.entries;
}

static bool log_next(struct log *log, struct log_entry *e, const uint8_t **data)
{
	if (!log->left)
		return false;
	log->left--;
	memcpy(e, log->at, sizeof(*e));
	if (e->flags & LOG_DISCARD)
		errx(1, "a discard: the file system was to make none");
	*data = log->at + SECTOR;
	log->at = *data + e->sectors * SECTOR;
	if (log->at > log->end)
		errx(1, "the log ends within an entry");
	return true;
}

/* ---- states of the disk ---- */

static struct {
	uint8_t *platter; /* what is durable */
	uint8_t *state; /* and some of what is not: the image, mapped */
	size_t size;
	unsigned int begun; /* the last step that the log has a write of */
	unsigned int states, bad;
	const char *image;
} disk;

static void map_image(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	void *mem = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, (off_t)disk.size))
		mem = mmap(NULL, disk.size, PROT_READ | PROT_WRITE, MAP_SHARED,
			   fd, 0);
	if (mem == MAP_FAILED)
		err(1, "%s", path);
	close(fd);
	disk.image = path;
	disk.state = mem;
}

static unsigned int step_in(const uint8_t *data, size_t len)
{
	unsigned int step, last = 0;

	for (; len >= LINE; data += LINE, len -= LINE) {
		if (memcmp(data, WORD, strlen(WORD)))
			continue;
		step = (unsigned int)atoi((const char *)data + strlen(WORD));
		if (step > last)
			last = step;
	}
	return last;
}

static void apply(uint8_t *to, const struct log_entry *e, const uint8_t *data)
{
	if ((e->sector + e->sectors) * SECTOR > disk.size)
		errx(1, "a write behind the end");
	memcpy(to + e->sector * SECTOR, data, e->sectors * SECTOR);
}

/* Its exit code; what it prints is in @out, without its complaints between. */
static int run(const char *out, const char *const argv[])
{
	posix_spawn_file_actions_t files;
	int status = -1;
	pid_t pid;

	if (posix_spawn_file_actions_init(&files) ||
	    posix_spawn_file_actions_addopen(
		    &files, 1, out, O_WRONLY | O_CREAT | O_TRUNC, 0600) ||
	    posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY,
					     0) ||
	    posix_spawnp(&pid, argv[0], &files, NULL, (char *const *)argv,
			 environ) ||
	    waitpid(pid, &status, 0) < 0)
		errx(1, "cannot run %s", argv[0]);
	posix_spawn_file_actions_destroy(&files);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* How many lines of each step the file system has. */
static void count_lines(unsigned int count[MAX_STEPS + 2])
{
	static char ask[PATH_MAX + 8], files[PATH_MAX + 8];
	char line[LINE + 1];
	FILE *f;

	snprintf(ask, sizeof(ask), "%s.ask", disk.image);
	snprintf(files, sizeof(files), "%s.files", disk.image);
	f = fopen(ask, "w");
	if (!f)
		err(1, "%s", ask);
	fputs("cat log\ncat current\n", f);
	for (unsigned int step = 1; step <= disk.begun; step++)
		if (kind_of(step) == NEW)
			fprintf(f, "cat file%u\n", step);
	fclose(f);
	if (run(files,
		(const char *[]){"debugfs", "-f", ask, disk.image, NULL}))
		errx(1, "debugfs failed, see %s", files);
	memset(count, 0, (MAX_STEPS + 2) * sizeof(*count));
	f = fopen(files, "r");
	while (f && fgets(line, sizeof(line), f)) {
		unsigned int step = strlen(line) < LINE
					    ? 0
					    : step_in((uint8_t *)line, LINE);

		if (step && step <= MAX_STEPS + 1)
			count[step]++;
	}
	if (!f || fclose(f))
		err(1, "%s", files);
}

/* The first step that was durable and is not there; 0: none. */
static unsigned int lost_step(void)
{
	unsigned int count[MAX_STEPS + 2], step, replaced = 0;

	count_lines(count);
	for (step = 1; step < disk.begun; step++) {
		if (kind_of(step) == REPLACE)
			replaced = step;
		else if (count[step] != lines_of(step))
			return step;
	}
	/* Whatever has taken its place is later, and whole. */
	for (step = replaced; replaced && step <= disk.begun; step += KINDS)
		if (count[step] == lines_of(step))
			return 0;
	return replaced;
}

static void judge(const char *what)
{
	static char said[PATH_MAX + 8];
	unsigned int lost;
	int rc;

	snprintf(said, sizeof(said), "%s.fsck", disk.image);
	rc = run(said, (const char *[]){"e2fsck", "-fp", disk.image, NULL});
	lost = lost_step();
	disk.states++;
	if (rc <= 1 && !lost)
		return;
	if (!disk.bad++)
		printf("%s while step %u was under way: e2fsck gave %d, step "
		       "%u is lost\n",
		       what, disk.begun, rc, lost);
}

/* The writes of one flush, from @group on: none of them, or some. */
static void judge_group(struct log group, const struct log *end, bool some)
{
	struct log_entry e;
	const uint8_t *data;

	memcpy(disk.state, disk.platter, disk.size);
	while (group.at < end->at && log_next(&group, &e, &data))
		if (e.flags & LOG_FUA || (some && random() & 1))
			apply(disk.state, &e, data);
	judge(some ? "some writes" : "no write");
}

static void settle_group(struct log group, const struct log *end)
{
	struct log_entry e;
	const uint8_t *data;

	while (group.at < end->at && log_next(&group, &e, &data))
		apply(disk.platter, &e, data);
}

/* A group ends with its flush, the last one with the log. */
static bool next_group(struct log *log)
{
	struct log_entry e;
	const uint8_t *data;
	bool any = false, flush = false;
	unsigned int step;

	while (!flush && log_next(log, &e, &data)) {
		any = true;
		flush = e.flags & LOG_FLUSH;
		/* What comes with a flush is written after it. */
		step = flush ? 0 : step_in(data, e.sectors * SECTOR);
		if (step > disk.begun)
			disk.begun = step;
	}
	return any;
}

static unsigned int count_groups(struct log log)
{
	unsigned int groups = 0;

	while (next_group(&log))
		groups++;
	disk.begun = 0;
	return groups;
}

static int check(char **arg)
{
	unsigned int states = number(arg[4], 1u << 20), groups, i;
	size_t base_size, end_size;
	const uint8_t *base = map(arg[0], &base_size);
	const uint8_t *end = map(arg[2], &end_size);
	struct log log, group;

	log_open(&log, arg[1]);
	groups = count_groups(log);
	disk.size = base_size;
	disk.platter = malloc(base_size);
	if (!disk.platter)
		err(1, "memory");
	memcpy(disk.platter, base, base_size);
	map_image(arg[3]);
	/* As many as were asked for, spread over all. */
	for (i = 0, group = log; next_group(&log); group = log, i++) {
		if ((uint64_t)i * states / groups !=
			    (uint64_t)(i + 1) * states / groups ||
		    states >= groups) {
			judge_group(group, &log, false);
			judge_group(group, &log, true);
		}
		settle_group(group, &log);
	}
	printf("%u flushes, %u steps, %u states, %u bad\n", groups, disk.begun,
	       disk.states, disk.bad);
	if (base_size != end_size || memcmp(disk.platter, end, end_size))
		errx(1, "the log does not make what the disk is");
	return disk.bad != 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "work"))
		return work(argv[2], number(argv[3], MAX_STEPS));
	if (argc == 7 && !strcmp(argv[1], "check"))
		return check(argv + 2);
	errx(2, "powercut work DIR STEPS | check BASE LOG END IMAGE STATES");
}
