# SPDX-License-Identifier: BSD-2-Clause
# The simulator of the cluster's cores, twice: fast, and under sanitizers. Both are
# built from the cores' own sources with CLUSTER_PLANTED defined, so that bugs can be
# planted by name.

QUORUM_C := $(filter-out %_test.c,$(wildcard harness/quorum/*.c)) \
	harness/sim/heap.c harness/sim/trace.c $(PROGRAM_C) \
	$(filter-out %_test.c %_fuzz.c %_rig.c,$(wildcard cluster/member/*.c \
		cluster/agree/*.c cluster/record/*.c cluster/place/*.c)) \
	kernel/base/siphash.c kernel/base/string.c
QUORUM_FLAGS = $(filter-out -DNET_PLANTED,$(SIM_FLAGS)) -DCLUSTER_PLANTED
QUORUM_CHECKED_FLAGS = $(filter-out -DNET_PLANTED,$(SIM_CHECKED_FLAGS)) -DCLUSTER_PLANTED
QUORUM_O := $(QUORUM_C:%.c=$(B)/harness/quorum.o/%.o)
QUORUM_CHECKED_O := $(QUORUM_C:%.c=$(B)/harness/quorum-checked.o/%.o)

ALL += $(B)/harness/sim-cluster

$(B)/harness/quorum.o/%.o: %.c
	$(call say,HOSTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(QUORUM_FLAGS) -c -o $@ $<

$(B)/harness/quorum-checked.o/%.o: %.c
	$(call say,HOSTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(QUORUM_CHECKED_FLAGS) -c -o $@ $<

$(B)/harness/sim-cluster: $(QUORUM_O)
	$(call say,HOSTLD,$@)
	$(Q)$(HOSTCC) -o $@ $^

$(B)/harness/sim-cluster-checked: $(QUORUM_CHECKED_O)
	$(call say,HOSTLD,$@)
	$(Q)$(HOSTCC) -fsanitize=address,undefined -o $@ $^

.PHONY: sim-cluster
sim-cluster: $(B)/harness/sim-cluster
sim-cluster: ## the simulator of the cluster's cores: SEEDS= NODES= FAULTS= BUG= TRACE=
	@$< --seeds $(SEEDS) --nodes $(SIM_NODES) --faults $(FAULTS) \
		$(if $(BUG),--bug $(BUG)) $(if $(TRACE),--trace)

# Without a wish that only one of the two knows, `make sim` is both.
ifeq ($(BUG)$(filter-out swarm,$(FAULTS)),)
sim: sim-cluster
endif

-include $(QUORUM_O:.o=.d) $(QUORUM_CHECKED_O:.o=.d)
