/* SPDX-License-Identifier: MIT */
/*
 * xdp DEVICE PROGRAM [DEVICE2]: attach one of the programs below to a device
 * of this guest, in the driver, and hold it there until this process ends.
 *
 *	pass		every packet goes on
 *	drop		none does
 *	echo		answers ICMP echo requests (IPv4) itself; others pass
 *	redirect	everything goes out of DEVICE2
 *	headroom	passes what can grow by 200 bytes in front, drops the rest
 *
 * The programs are written in instructions, so that neither a compiler for BPF
 * nor a library has to be at hand: the guest of the lab has none.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What a program needs of the instruction set. */
#define INSN(c, d, s, o, i)                                                    \
	((struct bpf_insn){.code = (c),                                        \
			   .dst_reg = (d),                                     \
			   .src_reg = (s),                                     \
			   .off = (o),                                         \
			   .imm = (i)})
#define MOV(d, s)	   INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define SET(d, i)	   INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define ADD(d, i)	   INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define LOAD(sz, d, s, o)  INSN(BPF_LDX | BPF_MEM | (sz), d, s, o, 0)
#define STORE(sz, d, o, s) INSN(BPF_STX | BPF_MEM | (sz), d, s, o, 0)
#define IF_GT(d, s, to)	   INSN(BPF_JMP | BPF_JGT | BPF_X, d, s, to, 0)
#define IF_NE(d, i, to)	   INSN(BPF_JMP | BPF_JNE | BPF_K, d, 0, to, i)
#define CALL(f)		   INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define EXIT		   INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

#define CTX_DATA	   ((int)offsetof(struct xdp_md, data))
#define CTX_DATA_END	   ((int)offsetof(struct xdp_md, data_end))

/* In a frame with an IPv4 header without options. */
enum {
	AT_TYPE = 12,
	AT_PROTOCOL = 23,
	AT_SOURCE = 26,
	AT_DESTINATION = 30,
	AT_ICMP = 34,
	AT_ICMP_SUM = 36,
	AT_END = 42,
};

/* Swap @sz bytes at @a and @b of the packet in r2. */
#define SWAP(sz, a, b)                                                         \
	LOAD(sz, 3, 2, a), LOAD(sz, 4, 2, b), STORE(sz, 2, a, 4),              \
		STORE(sz, 2, b, 3)

static const struct bpf_insn pass[] = {SET(0, XDP_PASS), EXIT};
static const struct bpf_insn drop[] = {SET(0, XDP_DROP), EXIT};

static const struct bpf_insn echo[] = {
	SET(0, XDP_PASS),
	LOAD(BPF_W, 2, 1, CTX_DATA),
	LOAD(BPF_W, 3, 1, CTX_DATA_END),
	MOV(4, 2),
	ADD(4, AT_END),
	IF_GT(4, 3, 27),
	LOAD(BPF_H, 3, 2, AT_TYPE),
	IF_NE(3, 0x0008, 25), /* ETH_P_IP, big endian */
	LOAD(BPF_B, 3, 2, AT_PROTOCOL),
	IF_NE(3, 1, 23),
	LOAD(BPF_B, 3, 2, AT_ICMP),
	IF_NE(3, 8, 21), /* an echo request, which becomes a reply: 0 */
	SET(3, 0),
	STORE(BPF_B, 2, AT_ICMP, 3),
	/* 8 less in a high byte is 8 more in the sum's; the carry goes round */
	LOAD(BPF_H, 3, 2, AT_ICMP_SUM),
	ADD(3, 8),
	MOV(4, 3),
	INSN(BPF_ALU64 | BPF_RSH | BPF_K, 4, 0, 0, 16),
	INSN(BPF_ALU64 | BPF_ADD | BPF_X, 3, 4, 0, 0),
	STORE(BPF_H, 2, AT_ICMP_SUM, 3),
	SWAP(BPF_W, 0, 6),
	SWAP(BPF_H, 4, 10),
	SWAP(BPF_W, AT_SOURCE, AT_DESTINATION),
	SET(0, XDP_TX),
	EXIT,
};

static const struct bpf_insn headroom[] = {
	MOV(6, 1),
	SET(2, -200),
	CALL(BPF_FUNC_xdp_adjust_head),
	IF_NE(0, 0, 6),
	MOV(1, 6),
	SET(2, 200),
	CALL(BPF_FUNC_xdp_adjust_head),
	IF_NE(0, 0, 2),
	SET(0, XDP_PASS),
	EXIT,
	SET(0, XDP_DROP),
	EXIT,
};

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int load(const struct bpf_insn *insns, size_t size)
{
	static char log[16384];
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_XDP,
		.insn_cnt = (uint32_t)(size / sizeof(*insns)),
		.insns = (uintptr_t)insns,
		.license = (uintptr_t) "GPL",
		.log_level = 1,
		.log_size = sizeof(log),
		.log_buf = (uintptr_t)log,
	};
	int fd = bpf(BPF_PROG_LOAD, &attr);

	if (fd < 0)
		fprintf(stderr, "xdp: load: %s\n%s", strerror(errno), log);
	return fd;
}

static int load_redirect(const char *device)
{
	const struct bpf_insn insns[] = {
		SET(1, (int)if_nametoindex(device)),
		SET(2, 0),
		CALL(BPF_FUNC_redirect),
		EXIT,
	};

	return load(insns, sizeof(insns));
}

static int load_named(const char *name, const char *device)
{
	static const struct {
		const char *name;
		const struct bpf_insn *insns;
		size_t size;
	} programs[] = {
		{"pass", pass, sizeof(pass)},
		{"drop", drop, sizeof(drop)},
		{"echo", echo, sizeof(echo)},
		{"headroom", headroom, sizeof(headroom)},
	};

	if (device && !strcmp(name, "redirect"))
		return load_redirect(device);
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
		if (!strcmp(name, programs[i].name))
			return load(programs[i].insns, programs[i].size);
	fprintf(stderr, "xdp: no program %s\n", name);
	return -1;
}

int main(int argc, char **argv)
{
	union bpf_attr attr = {0};
	int program;

	if (argc < 3) {
		fprintf(stderr, "usage: xdp DEVICE PROGRAM [DEVICE2]\n");
		return 2;
	}
	program = load_named(argv[2], argv[3]);
	if (program < 0)
		return 1;
	attr.link_create.prog_fd = (uint32_t)program;
	attr.link_create.target_ifindex = if_nametoindex(argv[1]);
	attr.link_create.attach_type = BPF_XDP;
	attr.link_create.flags = XDP_FLAGS_DRV_MODE;
	/* The program is attached as long as the link is open. */
	if (bpf(BPF_LINK_CREATE, &attr) < 0) {
		fprintf(stderr, "xdp: attach to %s: %s\n", argv[1],
			strerror(errno));
		return 1;
	}
	puts("attached");
	fflush(stdout);
	pause();
	return 0;
}
