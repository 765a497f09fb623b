# SPDX-License-Identifier: BSD-2-Clause
# Benchmarks: DEOS, Linux and floors in one session. The runner builds the Linux
# side, the load generator and the floor's program itself, into build/bench.

.PHONY: bench
bench: floor-kernel
bench: $(B)/deos.elf $(B)/boot.cpio ## benchmarks beside Linux; one with BENCH=http|boot|primitives
	$(Q)$(PYTHON) harness/bench/run.py $(BENCH)
