# SPDX-License-Identifier: BSD-2-Clause
# Running nodes: `make run`, `make qemu` and a debugger. What they do stands in
# harness/clusters; values go through the environment, so that a folder's name
# may hold blanks and quotes.

STATE ?= $(B)/cluster
export NODES SITE PORT BOOT FIRMWARE NET NIC DISK_BUS MEM SMP NODE STATE
export DEOS_BUILD := $(B)

.PHONY: run qemu qemu-gdb gdb
run: all ## NODES=3 SITE=docs/site PORT=8080: boot nodes that are one cluster and serve a website
	@harness/cluster up --nodes "$$NODES" --site "$$SITE" --port "$$PORT" \
		--boot "$$BOOT" --firmware "$$FIRMWARE" --net "$$NET" --nic "$$NIC" \
		--disk-bus "$$DISK_BUS" \
		--mem "$$MEM" --smp "$$SMP" --state "$$STATE"

SINGLE = PYTHONPATH=harness PYTHONPYCACHEPREFIX=$(B)/pycache \
	$(PYTHON) -m clusters.single
qemu: all ## one node with its console and shell on this terminal; Ctrl-A X quits
	@$(SINGLE) qemu

qemu-gdb: all ## the node of make qemu, stopped before its first instruction
	@$(SINGLE) qemu-gdb

gdb: all ## gdb on the node of make qemu-gdb, or on node NODE=2 of the cluster that is up
	@$(SINGLE) gdb

# What host programs begin with: their command lines, and numbers in them.
PROGRAM_C := harness/program/arguments.c harness/program/number.c
