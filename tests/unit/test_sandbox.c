// SPDX-License-Identifier: MIT
/*
 * The walls around a worker. Each test names something forbidden, does it in a
 * process without walls, where it works, and then behind the wall that is
 * meant to stop it and, but for the last wall, without the filter of system
 * calls, which would hide that the others are down.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../backend/storage/uring_stock.h"
#include "../../backend/worker/sandbox.h"
#include "suites.h"
#include "toolstack.h"

#define GUEST 77
#define UID   (SANDBOX_UID_BASE + GUEST)

/* All but the filter, and all. */
#define BEFORE_SYSCALLS WALL_SYSCALLS
#define ALL		SANDBOX_WALLS

enum {
	DID_IT = 10,
	COULD_NOT = 11,
	NO_WALL = 12, /* the wall itself could not be raised */
};

/* Things to try: true if it was done. */
typedef bool attempt_fn(void);

static int listener; /* on loopback, of the test */
static struct sockaddr_in listener_at;
static int queue_of_messages;
static pid_t bystander;

/* What happened in a process behind the first @walls walls. */
static int outcome(attempt_fn *attempt, int walls)
{
	struct reason why;
	int status = 0;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid) {
		for (int wall = 0; wall < walls; wall++)
			if (sandbox_raise((enum sandbox_wall)wall, UID, &why)) {
				dprintf(STDERR_FILENO, "%s\n", why.text);
				_exit(NO_WALL);
			}
		_exit(attempt() ? DID_IT : COULD_NOT);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return -WTERMSIG(status);
	return WEXITSTATUS(status);
}

/* ---- attempts ---- */

static bool reads_a_file(void)
{
	return open("/etc/passwd", O_RDONLY) >= 0;
}

static bool makes_a_file(void)
{
	char path[] = "/tmp/xpv-sandbox.XXXXXX";
	int fd = mkstemp(path);

	if (fd >= 0)
		unlink(path);
	return fd >= 0;
}

static bool sees_processes(void)
{
	return open("/proc/1/status", O_RDONLY) >= 0;
}

static bool opens_a_device(void)
{
	return open("/dev/null", O_RDWR) >= 0;
}

static bool signals_another(void)
{
	return !kill(bystander, 0);
}

static bool traces_another(void)
{
	return !ptrace(PTRACE_SEIZE, bystander, 0, 0);
}

static bool connects(void)
{
	int sock = socket(AF_INET, SOCK_STREAM, 0);

	return sock >= 0 && !connect(sock, (struct sockaddr *)&listener_at,
				     sizeof(listener_at));
}

static bool finds_the_message_queue(void)
{
	return msgget(queue_of_messages, 0) >= 0;
}

static bool mounts(void)
{
	return !unshare(CLONE_NEWNS) &&
	       !mount("none", "/", "tmpfs", 0, "size=4k");
}

static bool becomes_root(void)
{
	return !setresuid(0, 0, 0);
}

static bool has_a_capability(void)
{
	for (int cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_READ, cap) == 1)
			return true;
	return false;
}

static bool leaves_a_core(void)
{
	struct rlimit limit;

	return !getrlimit(RLIMIT_CORE, &limit) && limit.rlim_max;
}

static bool opens_without_end(void)
{
	const struct rlimit many = {2 * SANDBOX_FILES, 2 * SANDBOX_FILES};

	/* As root, who may without walls. */
	setrlimit(RLIMIT_NOFILE, &many);
	for (unsigned int n = 0; n <= SANDBOX_FILES; n++)
		if (dup(STDERR_FILENO) < 0)
			return false;
	return true;
}

static bool starts_a_process(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	return pid > 0;
}

static bool makes_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static bool makes_memory_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return !mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static bool makes_a_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
}

static bool makes_a_user_namespace(void)
{
	return !unshare(CLONE_NEWUSER);
}

static bool asks_an_unknown_ioctl(void)
{
	int pair[2], bytes;

	/* FIONREAD: harmless, and none of ours. */
	return !pipe(pair) && !syscall(SYS_ioctl, pair[0], 0x541B, &bytes);
}

static bool makes_a_ring(void)
{
	struct io_uring_params p = {0};

	return syscall(SYS_io_uring_setup, 4, &p) >= 0;
}

static bool runs_a_program(void)
{
	char *const argv[] = {"true", NULL};

	execve("/bin/true", argv, NULL);
	return false;
}

/* ---- tests ---- */

static void setup(void)
{
	socklen_t len = sizeof(listener_at);

	bystander = fork();
	if (!bystander) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	listener_at.sin_family = AF_INET;
	listener_at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&listener_at, len),
			 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&listener_at,
				     &len),
			 0);
	ck_assert_int_eq(listen(listener, 8), 0);
	queue_of_messages = getpid();
	ck_assert_int_ge(msgget(queue_of_messages, IPC_CREAT | 0666), 0);
}

static void teardown(void)
{
	kill(bystander, SIGKILL);
	waitpid(bystander, NULL, 0);
	msgctl(msgget(queue_of_messages, 0), IPC_RMID, NULL);
	close(listener);
}

static const struct {
	const char *what;
	attempt_fn *attempt;
	int walls;
} forbidden[] = {
	{"read a file", reads_a_file, WALL_ROOT + 1},
	{"make a file", makes_a_file, WALL_ROOT + 1},
	{"see processes", sees_processes, WALL_ROOT + 1},
	{"open a device", opens_a_device, WALL_ROOT + 1},
	{"signal another process", signals_another, WALL_IDENTITY + 1},
	{"trace another process", traces_another, WALL_IDENTITY + 1},
	{"connect to loopback", connects, WALL_NAMESPACES + 1},
	{"find a message queue", finds_the_message_queue, WALL_NAMESPACES + 1},
	{"mount", mounts, BEFORE_SYSCALLS},
	{"become root again", becomes_root, BEFORE_SYSCALLS},
	{"open without end", opens_without_end, BEFORE_SYSCALLS},
	{"leave a core", leaves_a_core, WALL_LIMITS + 1},
	{"keep a capability to gain", has_a_capability, WALL_BOUNDING_SET + 1},
	{"start a process", starts_a_process, ALL},
	{"make code", makes_code, ALL},
	{"make memory code", makes_memory_code, ALL},
	{"make a socket", makes_a_socket, ALL},
	{"make a user namespace", makes_a_user_namespace, ALL},
	{"ask an unknown ioctl", asks_an_unknown_ioctl, ALL},
	{"make a ring", makes_a_ring, ALL},
};
#define N_FORBIDDEN ((int)(sizeof(forbidden) / sizeof(forbidden[0])))

START_TEST(forbidden_behind_walls)
{
	const char *what = forbidden[_i].what;
	attempt_fn *attempt = forbidden[_i].attempt;
	int with;

	ck_assert_msg(outcome(attempt, 0) == DID_IT,
		      "cannot %s even without walls", what);
	with = outcome(attempt, forbidden[_i].walls);
	ck_assert_msg(with == COULD_NOT, "%s: %d behind %d walls", what, with,
		      forbidden[_i].walls);
	with = outcome(attempt, ALL);
	ck_assert_msg(with == COULD_NOT || with == -SIGSYS,
		      "%s: %d behind all walls", what, with);
}
END_TEST

/* Landlock alone, with the real root still there. */
static bool opens_behind_landlock(void)
{
	struct reason why;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return sandbox_raise(WALL_LANDLOCK, UID, &why) || reads_a_file();
}

START_TEST(landlock_refuses_paths)
{
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 0)
		return; /* this kernel has none: the worker goes without */
	ck_assert_int_eq(outcome(opens_behind_landlock, 0), COULD_NOT);
}
END_TEST

START_TEST(an_intruder_is_ended)
{
	ck_assert_int_eq(outcome(runs_a_program, 0), 0);
	ck_assert_int_eq(outcome(runs_a_program, ALL), -SIGSYS);
}
END_TEST

/* ---- rings ---- */

static struct io_uring *ring; /* of the stock, made before the walls */
static int paper; /* a file, registered with it */

static void prepare_read(struct io_uring_sqe *sqe)
{
	static char byte;

	io_uring_prep_read(sqe, 0, &byte, 1, 0);
	sqe->flags = IOSQE_FIXED_FILE;
}

/* By its number, which may be any file's of the process. */
static void prepare_read_unregistered(struct io_uring_sqe *sqe)
{
	prepare_read(sqe);
	sqe->flags = 0;
	sqe->fd = paper;
}

static void prepare_open(struct io_uring_sqe *sqe)
{
	io_uring_prep_openat(sqe, 0, "/etc/passwd", O_RDONLY, 0);
	sqe->flags = IOSQE_FIXED_FILE;
}

static void prepare_socket(struct io_uring_sqe *sqe)
{
	prepare_read(sqe);
	sqe->opcode = IORING_OP_SOCKET;
	sqe->fd = AF_UNIX;
	sqe->off = SOCK_STREAM;
}

static void prepare_message(struct io_uring_sqe *sqe)
{
	prepare_read(sqe);
	sqe->opcode = IORING_OP_SENDMSG;
}

static void prepare_link(struct io_uring_sqe *sqe)
{
	prepare_read(sqe);
	sqe->flags |= IOSQE_IO_LINK;
}

static const struct {
	const char *what;
	void (*prepare)(struct io_uring_sqe *sqe);
	int result;
} told[] = {
	{"read", prepare_read, 0},
	{"read what is not registered", prepare_read_unregistered, -EACCES},
	{"open", prepare_open, -EACCES},
	{"make a socket", prepare_socket, -EACCES},
	{"send", prepare_message, -EACCES},
	{"link", prepare_link, -EACCES},
};
#define N_TOLD ((int)(sizeof(told) / sizeof(told[0])))

static int told_result; /* what to expect */
static void (*told_prepare)(struct io_uring_sqe *sqe);

static bool tells_the_ring(void)
{
	struct io_uring_cqe *cqe;

	told_prepare(io_uring_get_sqe(ring));
	if (io_uring_submit(ring) != 1 || io_uring_wait_cqe(ring, &cqe))
		return false;
	if (cqe->res != told_result)
		dprintf(STDERR_FILENO, "the ring says %d\n", cqe->res);
	return cqe->res == told_result;
}

static bool registers(unsigned int op, void *arg, unsigned int n)
{
	return !syscall(SYS_io_uring_register, ring->ring_fd, op, arg, n);
}

/* Both walls say no: the filter's, and the ring's own without it. */
static bool registers_a_buffer(void)
{
	static char page[4096];
	struct iovec iov = {page, sizeof(page)};

	return registers(IORING_REGISTER_BUFFERS, &iov, 1);
}

static bool registers_files_anew(void)
{
	return registers(IORING_UNREGISTER_FILES, NULL, 0) &&
	       registers(IORING_REGISTER_FILES, &paper, 1);
}

/* Rings are their process's: one that has them, behind walls. */
static int outcome_with_ring(attempt_fn *attempt, int walls)
{
	int status;
	pid_t pid = fork();
	struct reason why;
	struct uring_ring *r;

	if (!pid) {
		uring_stock();
		for (int wall = 0; wall < walls; wall++)
			if (sandbox_raise((enum sandbox_wall)wall, UID, &why))
				_exit(NO_WALL);
		r = uring_take();
		paper = memfd_create("paper", MFD_CLOEXEC);
		if (!r || io_uring_register_files(&r->ring, &paper, 1))
			_exit(NO_WALL);
		ring = &r->ring;
		_exit(attempt() ? DID_IT : COULD_NOT);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(a_ring_knows_its_limits)
{
	told_result = told[_i].result;
	told_prepare = told[_i].prepare;
	ck_assert_msg(outcome_with_ring(tells_the_ring, ALL) == DID_IT, "%s",
		      told[_i].what);
}
END_TEST

START_TEST(a_ring_registers_files_alone)
{
	for (int walls = 0; walls <= ALL; walls += ALL) {
		ck_assert_int_eq(outcome_with_ring(registers_a_buffer, walls),
				 COULD_NOT);
		ck_assert_int_eq(outcome_with_ring(registers_files_anew, walls),
				 DID_IT);
	}
}
END_TEST

static bool takes_all_rings(void)
{
	unsigned int n = 1;

	while (uring_take())
		n++;
	return n == URING_STOCK && errno == EUSERS;
}

/* And one that is given back serves again. */
static bool reuses_a_ring(void)
{
	struct uring_ring *r = (struct uring_ring *)ring, *again;

	if (!tells_the_ring())
		return false;
	io_uring_cq_advance(ring, 1);
	uring_return(r);
	again = uring_take();
	return again == r &&
	       !io_uring_register_files(&again->ring, &paper, 1) &&
	       tells_the_ring();
}

START_TEST(rings_are_a_stock)
{
	told_result = 0;
	told_prepare = prepare_read;
	ck_assert_int_eq(outcome_with_ring(takes_all_rings, ALL), DID_IT);
	ck_assert_int_eq(outcome_with_ring(reuses_a_ring, ALL), DID_IT);
}
END_TEST

/* ---- of a real worker ---- */

/* The line of /proc/PID/status that starts with @key; what follows it. */
static void status_line(pid_t pid, const char *key, char *value, size_t size)
{
	char path[64], line[256];
	FILE *file;

	*value = '\0';
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			snprintf(value, size, "%s", line + strlen(key));
	fclose(file);
	value[strcspn(value, "\n")] = '\0';
}

static void expect_line(pid_t pid, const char *key, const char *wanted)
{
	char value[256];

	status_line(pid, key, value, sizeof(value));
	ck_assert_msg(!strncmp(value, wanted, strlen(wanted)),
		      "%s is \"%s\", not \"%s\"", key, value, wanted);
}

static void other_namespace(pid_t pid, const char *name)
{
	char path[64], theirs[64] = "", ours[64] = "";

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
	ck_assert_int_gt(readlink(path, theirs, sizeof(theirs) - 1), 0);
	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	ck_assert_int_gt(readlink(path, ours, sizeof(ours) - 1), 0);
	ck_assert_str_ne(theirs, ours);
}

START_TEST(a_worker_stands_behind_them)
{
	static const char *const namespaces[] = {"mnt", "net", "ipc",
						 "uts", "pid", "cgroup"};
	struct host host;
	struct vdev d;
	struct fake f;
	char ids[64];
	pid_t pid;

	host_setup(&host);
	host_domain(&host, GUEST, "a");
	d = vbd_add(&host, GUEST, 51712, host.disk, "w");
	wait_back(&d, XPV_STATE_INIT_WAIT);
	vdev_hotplug(&d, host.disk);
	fake_open(&f, &d);
	fake_publish(&f, &d);
	wait_back(&d, XPV_STATE_CONNECTED);
	ck_assert_uint_eq(host_workers(&host, &pid, 1), 1);
	snprintf(ids, sizeof(ids), "\t%u\t%u\t%u\t%u", UID, UID, UID, UID);
	expect_line(pid, "Uid:", ids);
	expect_line(pid, "Gid:", ids);
	expect_line(pid, "Groups:", "\t ");
	expect_line(pid, "CapInh:", "\t0000000000000000");
	expect_line(pid, "CapPrm:", "\t0000000000000000");
	expect_line(pid, "CapEff:", "\t0000000000000000");
	expect_line(pid, "CapBnd:", "\t0000000000000000");
	expect_line(pid, "NoNewPrivs:", "\t1");
	expect_line(pid, "Seccomp:", "\t2");
	/* Nor do they cost it the rings. */
	ck_assert_uint_eq(host_log_lines(&host, "using threads"), 0);
	for (size_t i = 0; i < sizeof(namespaces) / sizeof(*namespaces); i++)
		other_namespace(pid, namespaces[i]);
	vdev_remove(&d);
	fake_close(&f);
	host_teardown(&host);
}
END_TEST

Suite *sandbox_suite(void)
{
	Suite *suite = suite_create("sandbox");
	TCase *walls = tcase_create("walls");
	TCase *worker = tcase_create("worker");

	tcase_add_checked_fixture(walls, setup, teardown);
	tcase_add_loop_test(walls, forbidden_behind_walls, 0, N_FORBIDDEN);
	tcase_add_test(walls, landlock_refuses_paths);
	tcase_add_test(walls, an_intruder_is_ended);
	tcase_add_loop_test(walls, a_ring_knows_its_limits, 0, N_TOLD);
	tcase_add_test(walls, a_ring_registers_files_alone);
	tcase_add_test(walls, rings_are_a_stock);
	suite_add_tcase(suite, walls);
	tcase_set_timeout(worker, 30);
	if (!HOST_SANITIZED)
		tcase_add_test(worker, a_worker_stands_behind_them);
	suite_add_tcase(suite, worker);
	return suite;
}
