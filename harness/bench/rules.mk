# SPDX-License-Identifier: BSD-2-Clause
# Benchmarks: DEOS, Linux and floors in one session. The runner builds the Linux
# side, the load generator and the floor's program itself, into build/bench.

.PHONY: bench
bench: floor-kernel $(B)/deos.elf $(B)/boot.cpio
bench: ## beside Linux: BENCH=http|boot|primitives|fabric|block|loss RUNS=
	$(Q)$(PYTHON) harness/bench/run.py $(BENCH)
