# SPDX-License-Identifier: BSD-2-Clause
# The simulator of shared memory: dsm/core with DSM_PLANTED, so that bugs can be
# planted by name; a second build runs under sanitizers. `make sim` runs it too.

DSM_SIM_C := $(filter-out %_test.c,$(wildcard harness/dsmsim/*.c)) \
	$(filter-out %_test.c %_fuzz.c %_rig.c,$(wildcard dsm/core/*.c)) \
	harness/sim/heap.c harness/testing/host_assert.c $(PROGRAM_C)
DSM_SIM_FLAGS := -std=gnu11 -g -DDSM_PLANTED -Wall -Wextra -Werror -Wshadow \
	-Wconversion -Wvla -I. -MMD -MP
DSM_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
DSM_SIM_O := $(DSM_SIM_C:%.c=$(B)/harness/dsmsim.o/%.o)
DSM_SIM_CHECKED_O := $(DSM_SIM_C:%.c=$(B)/harness/dsmsim-checked.o/%.o)

ALL += $(B)/harness/dsm-sim

$(B)/harness/dsmsim.o/%.o: %.c
	$(call say,HOSTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(DSM_SIM_FLAGS) -O2 -c -o $@ $<

$(B)/harness/dsmsim-checked.o/%.o: %.c
	$(call say,HOSTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(DSM_SIM_FLAGS) -O1 $(DSM_SANITIZE) -c -o $@ $<

$(B)/harness/dsm-sim: $(DSM_SIM_O)
	$(call say,HOSTLD,$@)
	$(Q)$(HOSTCC) -o $@ $^

$(B)/harness/dsm-sim-checked: $(DSM_SIM_CHECKED_O)
	$(call say,HOSTLD,$@)
	$(Q)$(HOSTCC) $(DSM_SANITIZE) -o $@ $^

SCENARIO ?= any
.PHONY: sim-dsm
sim-dsm: $(B)/harness/dsm-sim ## shared memory's simulator: SEEDS= NODES= SCENARIO= BUG= TRACE=
	@$< --seeds $(SEEDS) --nodes $(SIM_NODES) --scenario $(SCENARIO) \
		$(if $(BUG),--bug $(BUG)) $(if $(TRACE),--trace)

ifeq ($(BUG)$(filter command line,$(origin FAULTS)),)
sim: sim-dsm
endif

-include $(DSM_SIM_O:.o=.d) $(DSM_SIM_CHECKED_O:.o=.d)
