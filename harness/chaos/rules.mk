# SPDX-License-Identifier: BSD-2-Clause
# The chaos campaign: a cluster under load, whose nodes die, sleep and lose sight of
# one another, until the time is up.

.PHONY: chaos
chaos: all ## a cluster under kills, pauses, partitions, bad links: SECONDS=600 SEED=n NODES=3
	@DEOS_BUILD=$(B) $(PYTHON) harness/chaos/chaos.py --seconds $(SECONDS) \
		--nodes $(NODES) --net $(NET) \
		$(if $(LIMIT),--limit $(LIMIT)) $(if $(CLIENTS),--clients $(CLIENTS)) \
		$(if $(SEED),--seed $(SEED))
chaos: SECONDS ?= 600

.PHONY: endure
endure: all ## what takes long: WHAT=large|crowd|idle
	@DEOS_BUILD=$(B) $(PYTHON) harness/chaos/endure.py $(WHAT)
