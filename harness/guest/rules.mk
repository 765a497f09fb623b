# SPDX-License-Identifier: BSD-2-Clause
# The attack campaigns: hostile programs with fresh seeds until the time is up, then,
# on the checked kernel, a million calls under the authority oracle, and every planted
# bug; what hostile nodes cost honest ones. `make fuzz` ends with a million random calls.

CAMPAIGN = DEOS_BUILD=$(B) PYTHONPYCACHEPREFIX=$(B)/pycache $(PYTHON) \
	harness/guest/campaign.py
CALLS ?= 1000000

.PHONY: attack fuzz-calls
attack: $(B)/harness/switch $(B)/deos.elf $(B)/boot.cpio checked
attack: ## forged frames, hostile programs, oracle, planted bugs: SECONDS= SEED= CALLS=
	@DEOS_BUILD=$(B) $(PYTHON) harness/guest/attack.py --seconds $(SECONDS) \
		$(if $(SEED),--seed $(SEED))
	@$(CAMPAIGN) oracle --calls $(CALLS) $(if $(SEED),--seed $(SEED))
	@$(CAMPAIGN) planted $(if $(SEED),--seed $(SEED))
	@DEOS_BUILD=$(B) $(PYTHON) harness/guest/siege.py $(if $(SEED),--seed $(SEED))
attack: SECONDS ?= 60

fuzz-calls: $(B)/boot.cpio checked ## CALLS=1000000 random system calls on the checked kernel
	@$(CAMPAIGN) storm --calls $(CALLS) $(if $(SEED),--seed $(SEED))
