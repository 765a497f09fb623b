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
NODES ?= 1
SITE ?= docs/site
PORT ?= 8080
BOOT ?= pxe
FIRMWARE ?= bios
NET ?= auto
MEM ?= 256M
SMP ?= 1

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

ALL :=
include kernel/rules.mk
-include libos/rules.mk
-include harness/rules.mk

.PHONY: all
all: $(ALL) ## build everything into build/
