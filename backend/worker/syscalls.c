// SPDX-License-Identifier: MIT
/*
 * The system calls of a worker. What is not here fails with EPERM, so that a
 * library that tries something new gets an error it can live with; what
 * nobody but an intruder calls ends the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <xen/xen.h> /* domid_t */

#include <xen/sys/evtchn.h>
#include <xen/sys/gntdev.h>

#include "sandbox.h"

/* libseccomp's macros for arguments leave one out that few comparisons have. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define SYSCALL(name) SCMP_SYS(name)

static const int allowed[] = {
	/* the loop */
	SYSCALL(epoll_create1),
	SYSCALL(epoll_ctl),
	SYSCALL(epoll_wait),
	SYSCALL(epoll_pwait),
	SYSCALL(epoll_pwait2),
	SYSCALL(eventfd2),
	SYSCALL(signalfd4),
	SYSCALL(timerfd_create),
	SYSCALL(timerfd_settime),
	SYSCALL(timerfd_gettime),
	SYSCALL(poll),
	SYSCALL(ppoll),
	SYSCALL(clock_gettime),
	SYSCALL(clock_nanosleep),
	SYSCALL(nanosleep),
	SYSCALL(sched_yield),
	SYSCALL(getrandom),
	/* descriptors that it has or is given */
	SYSCALL(read),
	SYSCALL(write),
	SYSCALL(readv),
	SYSCALL(writev),
	SYSCALL(pread64),
	SYSCALL(pwrite64),
	SYSCALL(preadv),
	SYSCALL(pwritev),
	SYSCALL(preadv2),
	SYSCALL(pwritev2),
	SYSCALL(fsync),
	SYSCALL(fdatasync),
	SYSCALL(sync_file_range),
	SYSCALL(fallocate),
	SYSCALL(fadvise64),
	SYSCALL(lseek),
	SYSCALL(fstat),
	SYSCALL(newfstatat),
	SYSCALL(statx),
	SYSCALL(fstatfs),
	SYSCALL(close),
	SYSCALL(dup),
	SYSCALL(sendmsg),
	SYSCALL(recvmsg),
	SYSCALL(getsockopt),
	SYSCALL(memfd_create),
	SYSCALL(ftruncate),
	/* the disks' rings, but none is made */
	SYSCALL(io_uring_enter),
	/* memory */
	SYSCALL(munmap),
	SYSCALL(mremap),
	SYSCALL(madvise),
	SYSCALL(brk),
	SYSCALL(mlock),
	SYSCALL(munlock),
	/* threads */
	SYSCALL(futex),
	SYSCALL(set_robust_list),
	SYSCALL(rseq),
	SYSCALL(exit),
	SYSCALL(exit_group),
	SYSCALL(gettid),
	SYSCALL(getpid),
	SYSCALL(tgkill),
	SYSCALL(rt_sigprocmask),
	SYSCALL(rt_sigaction),
	SYSCALL(rt_sigreturn),
	SYSCALL(sigaltstack),
	SYSCALL(restart_syscall),
	SYSCALL(membarrier),
	SYSCALL(sched_getaffinity),
};

/* No use of these is innocent here. */
static const int deadly[] = {
	SYSCALL(execve),	   SYSCALL(execveat),
	SYSCALL(ptrace),	   SYSCALL(mount),
	SYSCALL(pivot_root),	   SYSCALL(bpf),
	SYSCALL(init_module),	   SYSCALL(finit_module),
	SYSCALL(kexec_load),	   SYSCALL(kexec_file_load),
	SYSCALL(process_vm_readv), SYSCALL(process_vm_writev),
	SYSCALL(pidfd_getfd),
};

/* On descriptors that it has: gntdev, evtchn, taps, block devices. */
static const unsigned int ioctls[] = {
	IOCTL_GNTDEV_MAP_GRANT_REF,
	IOCTL_GNTDEV_UNMAP_GRANT_REF,
	IOCTL_GNTDEV_GET_OFFSET_FOR_VADDR,
	IOCTL_GNTDEV_GRANT_COPY,
	IOCTL_EVTCHN_BIND_INTERDOMAIN,
	IOCTL_EVTCHN_UNBIND,
	IOCTL_EVTCHN_NOTIFY,
	IOCTL_EVTCHN_RESET,
	TUNGETIFF,
	TUNGETVNETHDRSZ,
	TUNSETOFFLOAD,
	TUNSETQUEUE,
	TUNSETCARRIER,
	BLKDISCARD,
	BLKSECDISCARD,
	BLKZEROOUT,
	BLKGETSIZE64,
	BLKFLSBUF,
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int allow_all(scmp_filter_ctx ctx)
{
	int err = 0;

	for (size_t i = 0; !err && i < COUNT(allowed); i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; !err && i < COUNT(deadly); i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, deadly[i],
				       0);
	for (size_t i = 0; !err && i < COUNT(ioctls); i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				       SCMP_A1_32(SCMP_CMP_EQ, ioctls[i]));
	return err;
}

/* The rings that it has let it register nothing else either. */
static int allow_rings(scmp_filter_ctx ctx)
{
	int err = 0;

	for (int op = IORING_REGISTER_FILES;
	     !err && op <= IORING_UNREGISTER_FILES; op++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW,
				       SCMP_SYS(io_uring_register), 1,
				       SCMP_A1_32(SCMP_CMP_EQ, op));
	return err;
}

/* Those whose arguments decide. */
static int allow_some(scmp_filter_ctx ctx)
{
	/* glibc makes threads with these flags; a process would lack some */
	const unsigned int thread = CLONE_VM | CLONE_FS | CLONE_FILES |
				    CLONE_SIGHAND | CLONE_THREAD;
	int err;

	/* no memory that can be written and run, nor run at all */
	err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
			       SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!err)
		err = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
			SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				       SCMP_A0_32(SCMP_CMP_MASKED_EQ, thread,
						  thread));
	/* its flags lie in memory where no filter sees them; clone will do */
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS),
				       SCMP_SYS(clone3), 0);
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
				       SCMP_A0_32(SCMP_CMP_EQ, PR_SET_NAME));
	/* is the memory of a link what it has to be? */
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
				       SCMP_A1_32(SCMP_CMP_EQ, F_GET_SEALS));
	for (int cmd = F_GETFD; !err && cmd <= F_SETFL; cmd++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
				       SCMP_A1_32(SCMP_CMP_EQ, cmd));
	return err;
}

int sandbox_syscalls(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err;

	if (!ctx)
		return -ENOMEM;
	err = allow_all(ctx);
	if (!err)
		err = allow_some(ctx);
	if (!err)
		err = allow_rings(ctx);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	return err;
}
