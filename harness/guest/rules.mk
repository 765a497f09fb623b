# SPDX-License-Identifier: BSD-2-Clause
# The attack campaign: hostile programs with fresh seeds until the time is up.

.PHONY: attack
attack: $(B)/deos.elf $(B)/boot.cpio ## hostile programs, fresh seeds: SECONDS=60 SEED=n
	@DEOS_BUILD=$(B) $(PYTHON) harness/guest/attack.py --seconds $(SECONDS) \
		$(if $(SEED),--seed $(SEED))
attack: SECONDS ?= 60
