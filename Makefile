# SPDX-License-Identifier: MIT
#
# xpv: Xen paravirtual I/O. Two commands do everything on a fresh Debian 12:
#	make demo	a real Xen host in emulation, with guests on our disks and NICs
#	make check	every test
# and on a Xen host:
#	make install	the daemon, the tool, the scripts (DESTDIR and PREFIX as usual)
# `make help` lists the rest.

SHELL := /bin/bash
.DELETE_ON_ERROR:

VERSION := 0.1.0
PREFIX	?= /usr
SBIN	:= $(PREFIX)/sbin
LIBEXEC := $(PREFIX)/libexec/xpv
KVER	?= $(shell uname -r)

# B=build/asan SAN=address,undefined builds a second tree beside the first.
B   ?= build
SAN ?=
ifeq ($(origin CC),default)
CC  := gcc
endif

WARN	:= -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Werror
LIBS	:= liburing libsystemd jansson libseccomp inih xenstore xenevtchn xengnttab
# := on purpose: one pkg-config a run. Empty on a machine where `make deps` is still to run.
PKG_CF	:= $(shell pkg-config --cflags $(LIBS) 2>/dev/null)
PKG_LD	:= $(shell pkg-config --libs $(LIBS) 2>/dev/null)
# What the code needs, apart from CFLAGS, CPPFLAGS and LDFLAGS, which are the user's to set.
OUR_CPP := -D_GNU_SOURCE -I. -Iring -DXPV_VERSION='"$(VERSION)"' -DXPV_LIBEXEC='"$(LIBEXEC)"'
CFLAGS	?= -O2 -g
OUR_C	:= -std=c11 $(WARN) $(PKG_CF) -pthread $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer) \
	   $(if $(findstring thread,$(SAN)),-Wno-tsan)
OUR_LD	:= -pthread $(if $(SAN),-fsanitize=$(SAN))

# ---- userspace -------------------------------------------------------------

# A folder is a library; only the file with main() stays out of it.
RING_SRC   := $(wildcard ring/*.c ring/hyper/*.c)
BACK_SRC   := $(wildcard backend/*.c backend/vbd/*.c backend/vif/*.c backend/storage/*.c backend/port/*.c backend/uplink/*.c) \
	      $(filter-out %/main.c,$(wildcard backend/worker/*.c))
SUP_SRC	   := $(wildcard backend/supervisor/*.c)
FRONT_SRC  := $(wildcard frontend/user/*.c)
TOOL_SRC   := $(wildcard xenstore-tools/*.c)
UNIT_SRC   := $(wildcard tests/unit/*.c)
SIM_SRC	   := $(wildcard tests/sim/*.c) tests/unit/model_disk.c
BENCH_SRC  := $(wildcard tests/bench/*.c)
FUZZ	   := $(basename $(notdir $(wildcard tests/fuzz/*.c)))
FUZZ_SRC   := $(wildcard tests/fuzz/common/*.c)
STATES_SRC := $(wildcard tests/fuzz/states/*.c)
WORKER_SRC := backend/worker/main.c

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))

PROGRAMS := $(B)/xpvd $(B)/xpv-worker $(B)/xpv
MANPAGES := $(patsubst dom0-config/man/%.scd,$(B)/man/%,$(wildcard dom0-config/man/*.scd))

.PHONY: all
all: $(PROGRAMS) $(MANPAGES)

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(OUR_CPP) $(CPPFLAGS) $(CFLAGS) $(OUR_C) -MMD -MP -c $< -o $@

# Made anew each time: ar would keep the object of a file that was deleted.
$(B)/ring.a: $(call obj,$(RING_SRC))
$(B)/back.a: $(call obj,$(BACK_SRC))
$(B)/front.a: $(call obj,$(FRONT_SRC))
$(B)/%.a:
	@rm -f $@
	$(AR) rcs $@ $^

$(B)/xpvd: $(call obj,$(SUP_SRC)) $(B)/back.a $(B)/ring.a
$(B)/xpv-worker: $(call obj,$(WORKER_SRC)) $(B)/back.a $(B)/ring.a
$(B)/xpv: $(call obj,$(TOOL_SRC)) $(B)/back.a $(B)/ring.a
$(B)/unit: $(call obj,$(UNIT_SRC)) $(B)/sup.a $(B)/front.a $(B)/back.a $(B)/ring.a
# Tests of the supervisor start it and its workers, from beside themselves.
$(B)/unit: | $(PROGRAMS)
# Who changes an interface hears of it here, and not when somebody fuzzes.
$(B)/unit: | $(call obj,$(FUZZ_SRC) $(STATES_SRC) $(FUZZ:%=tests/fuzz/%.c))
$(B)/unit: LDLIBS += $(shell pkg-config --libs check 2>/dev/null)
$(B)/sim: $(call obj,$(SIM_SRC)) $(B)/front.a $(B)/back.a $(B)/ring.a
$(B)/sim: LDLIBS += -Wl,--wrap=epoll_wait,--wrap=clock_gettime
$(B)/bench: $(call obj,$(BENCH_SRC)) $(B)/front.a $(B)/back.a $(B)/ring.a
$(PROGRAMS) $(B)/unit $(B)/sim $(B)/bench:
	$(CC) $(OUR_LD) $(LDFLAGS) $^ $(PKG_LD) $(LDLIBS) -o $@

# The supervisor's parts as a library, to be tested and fuzzed.
$(B)/sup.a: $(call obj,$(filter-out %/main.c,$(SUP_SRC)))
FUZZERS := $(FUZZ:%=$(B)/fuzz-%)
# What it plays takes the place of parts of the libraries.
$(B)/fuzz-states: $(call obj,$(STATES_SRC))
$(FUZZERS): $(B)/fuzz-%: $(B)/obj/tests/fuzz/%.o $(call obj,$(FUZZ_SRC)) $(B)/sup.a $(B)/front.a $(B)/back.a $(B)/ring.a
	$(CC) $(OUR_LD) -fsanitize=fuzzer $(LDFLAGS) $(filter %.o,$^) $(filter %.a,$^) $(PKG_LD) $(LDLIBS) -o $@

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

$(B)/man/%: dom0-config/man/%.scd
	@mkdir -p $(@D)
	scdoc <$< >$@

# ---- kernel modules --------------------------------------------------------

# Kbuild writes beside its sources, so each kernel has a folder of links to them.
MOD := build/modules/$(KVER)

.PHONY: modules
modules:
	$(MAKE) -C frontend OUT=$(CURDIR)/$(MOD) KDIR=/lib/modules/$(KVER)/build KARGS="W=1 $(if $(C),C=$(C))"

# ---- install ---------------------------------------------------------------

MODPROBE := $(PREFIX)/lib/modprobe.d
HOOK	 := /usr/share/initramfs-tools/hooks/xpv

.PHONY: install install-modules uninstall uninstall-modules
install: all
	install -D -m755 $(B)/xpvd $(DESTDIR)$(SBIN)/xpvd
	install -D -m755 $(B)/xpv-worker $(DESTDIR)$(LIBEXEC)/xpv-worker
	install -D -m755 $(B)/xpv $(DESTDIR)$(SBIN)/xpv
	install -D -m755 -t $(DESTDIR)/etc/xen/scripts dom0-config/scripts/block-xpv dom0-config/scripts/vif-xpv
	test -e $(DESTDIR)/etc/xpv/xpvd.conf || install -D -m644 dom0-config/xpvd.conf $(DESTDIR)/etc/xpv/xpvd.conf
	install -D -m644 dom0-config/modprobe.d/xpv-backend.conf $(DESTDIR)$(MODPROBE)/xpv-backend.conf
	install -D -m644 dom0-config/systemd/xpvd.service $(DESTDIR)$(PREFIX)/lib/systemd/system/xpvd.service
	for page in $(MANPAGES); do install -D -m644 $$page \
		$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; done
	install -d $(DESTDIR)$(PREFIX)/share/doc/xpv/examples
	install -m644 README.md $(DESTDIR)$(PREFIX)/share/doc/xpv/README.md
	install -m644 dom0-config/examples/* $(DESTDIR)$(PREFIX)/share/doc/xpv/examples

# Workers go on serving their guests. Configuration in /etc/xpv stays.
uninstall:
	$(if $(DESTDIR),,-systemctl disable --now xpvd.service)
	rm -rf $(DESTDIR)$(SBIN)/xpvd $(DESTDIR)$(SBIN)/xpv $(DESTDIR)$(LIBEXEC) $(DESTDIR)/etc/xen/scripts/{block,vif}-xpv \
		$(DESTDIR)$(MODPROBE)/xpv-backend.conf $(DESTDIR)$(PREFIX)/lib/systemd/system/xpvd.service \
		$(DESTDIR)$(PREFIX)/share/doc/xpv
	for page in $(MANPAGES); do rm -f $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; done

# The initramfs holds modules and modprobe.d, and may have to mount a disk of ours.
update-initramfs = command -v update-initramfs >/dev/null || exit 0; update-initramfs -u -k

# In a guest: the frontend modules for its kernel, the file that lets them win, the hook that takes them to the initramfs.
install-modules: modules
	install -d $(DESTDIR)/lib/modules/$(KVER)/updates
	install -m644 $(MOD)/frontend/blk/xpv-blkfront.ko $(MOD)/frontend/net/xpv-netfront.ko \
		$(DESTDIR)/lib/modules/$(KVER)/updates
	install -D -m644 dom0-config/modprobe.d/xpv-frontend.conf $(DESTDIR)$(MODPROBE)/xpv-frontend.conf
	install -D -m755 frontend/initramfs/xpv $(DESTDIR)$(HOOK)
	$(if $(DESTDIR),,depmod $(KVER))
	$(if $(DESTDIR),,$(update-initramfs) $(KVER))

# From every kernel.
uninstall-modules:
	rm -f $(DESTDIR)$(MODPROBE)/xpv-frontend.conf $(DESTDIR)$(HOOK)
	@for dir in $(DESTDIR)/lib/modules/*/updates; do \
		[ -e "$$dir/xpv-blkfront.ko" ] || continue; \
		(set -x; rm -f "$$dir/xpv-blkfront.ko" "$$dir/xpv-netfront.ko"); \
		$(if $(DESTDIR),,depmod "$$(basename "$$(dirname "$$dir")")"); \
	done
	$(if $(DESTDIR),,$(update-initramfs) all)

.PHONY: deb
deb: all
	dom0-config/deb/build.sh $(VERSION)

# ---- the two commands, and their parts -------------------------------------

.PHONY: demo check deps root bench bench-settings bench-xen lab lab-full lab-shell lint clean help
root:
	@test $$(id -u) = 0 || { echo "this installs packages, makes taps and keeps a cache in /var: run it as root, 'sudo make $(MAKECMDGOALS)'" >&2; exit 1; }

deps:
	@tests/needs.sh

demo: root deps
	@echo 'Building the daemon, the tool and the modules.'
	@$(MAKE) --no-print-directory -s -j$$(nproc) lab-tree
	@tests/demo.sh

check: root deps
	@tests/check.sh

bench:
	@tests/needs.sh check
	@$(MAKE) --no-print-directory $(B)/bench $(B)/xpv-worker
	$(B)/bench

bench-settings:
	@tests/needs.sh check
	@$(MAKE) --no-print-directory $(B)/bench
	tests/bench/settings.sh

bench-xen: root deps
	@$(MAKE) --no-print-directory -s -j$$(nproc) lab-tree
	@tests/bench-xen.sh

# Targets of libFuzzer; T=seconds for each of them, FUZZ="blk ctrl" for some.
FUZZ_TREE := B=build/fuzz CC=clang SAN=address,undefined \
	     CFLAGS='-O1 -g -fsanitize=fuzzer-no-link -fno-sanitize-recover=all'
.PHONY: fuzz fuzzers fuzz-tree soak check-mutants
fuzzers: $(FUZZERS)
fuzz-tree:
	@$(MAKE) --no-print-directory -s $(FUZZ_TREE) fuzzers
fuzz:
	@tests/needs.sh check
	@$(MAKE) --no-print-directory fuzz-tree
	@tests/fuzz/run.sh $(or $(T),60) $(FUZZ)

# The long form of all that chance has a part in: T=seconds for all of it together, SOAK="sim vbd_kill" for some.
soak: root
	@tests/needs.sh check
	@$(MAKE) --no-print-directory -s -j$$(nproc) all $(B)/unit $(B)/sim
	@$(MAKE) --no-print-directory -j$$(nproc) fuzz-tree
	@tests/soak.sh $(or $(T),3600) $(SOAK)

# Do the tests notice when a defence is taken away?
check-mutants:
	@tests/needs.sh check
	@tests/mutants.sh

# Peers that break the protocol, for scenarios of the lab.
BAD_PEERS := $(B)/bad-backend $(B)/bad-netback
$(B)/bad-backend: $(call obj,tests/hostile/bad_backend.c tests/hostile/peer.c) $(B)/ring.a
$(B)/bad-netback: $(call obj,tests/hostile/bad_netback.c tests/hostile/peer.c) $(B)/ring.a
$(BAD_PEERS):
	$(CC) $(OUR_LD) $(LDFLAGS) $^ $(PKG_LD) $(LDLIBS) -o $@

# What the lab lays over its dom0 and its guests.
.PHONY: lab-tree
lab-tree: all $(BAD_PEERS)
	@rm -rf build/dom0 build/guest
	@$(MAKE) --no-print-directory install DESTDIR=build/dom0 >/dev/null
	@install -m755 $(B)/bad-backend $(B)/bad-netback build/dom0$(LIBEXEC)/
	@for v in $$(tests/kernels.sh $(LAB_KERNELS)); do \
		$(MAKE) --no-print-directory install-modules KVER=$$v DESTDIR=build/guest >build/modules-$$v.log 2>&1 || \
			{ cat build/modules-$$v.log; exit 1; }; \
	done
	@install -d build/guest/usr/sbin
	@$(CC) -O2 $(WARN) -static tests/xen/guest/xdp.c -o build/guest/usr/sbin/xdp
	@$(CC) -O2 $(WARN) -D_GNU_SOURCE -static tests/xen/powercut.c -o build/guest/usr/sbin/powercut
	@$(CC) -O2 $(WARN) -D_GNU_SOURCE -static tests/xen/sendback.c -o build/guest/usr/sbin/sendback
	@install -m755 build/guest/usr/sbin/powercut build/guest/usr/sbin/sendback build/dom0$(SBIN)/
	@$(CC) -O2 $(WARN) -D_GNU_SOURCE tests/xen/soft_reset.c -lxenctrl -lxenstore -o build/dom0$(SBIN)/soft-reset
	@$(CC) -O2 $(WARN) tests/xen/hypercalls.c -o build/dom0$(SBIN)/hypercalls

LAB := tests/xen/lab run --overlay build/dom0 --guest-overlay build/guest

# make lab S="boot@type=pvh :stock"
lab: root deps
	@$(MAKE) --no-print-directory lab-tree
	XPV_GUEST_KERNELS="$$(tests/kernels.sh)" $(LAB) $(S)

# Hours. LAB_KERNELS=all: the suite names them.
lab-full: root deps
	@$(MAKE) --no-print-directory lab-tree LAB_KERNELS=all
	XPV_GUEST_KERNELS="$$(tests/kernels.sh all | tr '\n' ' ') 686-pae" $(LAB) --jobs $$(nproc) :full

lab-shell: root deps
	@$(MAKE) --no-print-directory lab-tree
	tests/xen/lab shell --overlay build/dom0 --guest-overlay build/guest

lint:
	@tests/needs.sh check
	@tests/lint.sh

clean:
	rm -rf build

help:
	@echo 'demo             a real Xen host in emulation at work (root)'
	@echo 'check            every test (root)'
	@echo 'all              xpvd, xpv-worker, xpv'
	@echo 'modules          xpv-blkfront.ko, xpv-netfront.ko for KVER=$(KVER)'
	@echo 'install          on a Xen host; install-modules in a guest (DESTDIR, PREFIX); uninstall, uninstall-modules'
	@echo 'deb              Debian packages of both in build/'
	@echo 'bench            ring and disk beside their peers, build/bench.json; bench-settings: what each setting of a disk costs'
	@echo 'bench-xen        what disks and NICs cost each pairing of ends, counted in the lab, build/bench-xen.json (root)'
	@echo 'fuzz T=60        each libFuzzer target for T seconds (FUZZ=...: some)'
	@echo 'soak T=3600      the long form of all tests that chance has a part in, T seconds together (SOAK=...: some)'
	@echo 'check-mutants    do the tests notice when a defence is taken away?'
	@echo 'lab S=...        named scenarios on the emulated host; lab-full: all of them, hours; lab-shell: a console there'
	@echo 'lint, deps, clean'
