# SPDX-License-Identifier: BSD-2-Clause
# DEOS: what a person can ask for. `make help` lists the targets.
# Each room builds itself: its rules are in ROOM/rules.mk.

CROSS ?= x86_64-linux-gnu-
HOSTCC ?= gcc
PYTHON := /usr/bin/python3
B ?= build
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
say = @printf '  %-8s %s\n' $(1) $(2)

# Variables of `make run`.
NODES ?= 3
SITE ?= docs/site
PORT ?= 8080
BOOT ?= pxe
FIRMWARE ?= bios
NET ?= auto
NIC ?= virtio
DISK_BUS ?= virtio
MEM ?= 256M
SMP ?= 1

# Before any target, harness/setup installs what that target lacks here; when it
# lacks nothing, that costs a millisecond.
GOALS := $(or $(MAKECMDGOALS),all)
NEEDS_run := run
NEEDS_qemu := run
NEEDS_test := test
NEEDS_test-quick := test
NEEDS_host-tests := test
NEEDS_tidy := tidy
NEEDS_format := tidy
NEEDS_bench := bench
NEEDS_fuzz := fuzz
NEEDS_attack := run
NEEDS_chaos := test
NEEDS_endure := test
NEEDS_gdb := debug
NEEDS_qemu-gdb := debug
ifeq ($(MAKELEVEL)$(findstring n,$(firstword -$(MAKEFLAGS))),0)
ifneq ($(filter-out help setup clean,$(GOALS)),)
$(shell harness/setup $(sort $(foreach goal,$(GOALS),$(or $(NEEDS_$(goal)),build))) >&2)
ifneq ($(.SHELLSTATUS),0)
$(error harness/setup could not install what is missing; it says why above)
endif
endif
endif

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

ALL :=
include kernel/rules.mk
include net/rules.mk
-include libos/rules.mk
-include harness/rules.mk
include $(wildcard harness/*/rules.mk)
include cluster/rules.mk

.PHONY: all
all: $(ALL) ## build everything into build/

.PHONY: help setup clean
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(filter %.mk Makefile,$(MAKEFILE_LIST)) | \
		sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | sort -u | \
		awk -F'\t' '{ printf "%-18s %s\n", $$1, $$2 }'

setup: ## install everything that any target needs
	@harness/setup all

clean: ## remove build/
	rm -rf $(B)
