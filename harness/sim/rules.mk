# SPDX-License-Identifier: BSD-2-Clause
# The simulator, twice: fast, and under sanitizers. Both are built from the cores'
# own sources with NET_PLANTED and NET_SIMULATED defined, so that bugs can be planted
# by name, and that fault points fire and marks count.

SIM_C := $(filter-out %_test.c,$(wildcard harness/sim/*.c)) \
	$(filter-out %_test.c %_fuzz.c %_rig.c,$(wildcard net/*/*.c)) \
	net/rcap/default_rig.c kernel/base/siphash.c kernel/cap/cap.c kernel/own/own.c \
	$(PROGRAM_C)
SIM_WARN := -Wall -Wextra -Werror -Wshadow -Wconversion -Wvla
SIM_FLAGS := -std=gnu11 -O2 -g -DNET_PLANTED $(SIM_WARN) -I. -MMD -MP
SIM_CHECKED_FLAGS := -std=gnu11 -O1 -g -fno-omit-frame-pointer -DNET_PLANTED \
	-fsanitize=address,undefined -fno-sanitize-recover=all $(SIM_WARN) -I. -MMD -MP
SIM_WRAP := -Wl,--wrap=crypto_public,--wrap=crypto_shared	# to agree.c
SIM_SODIUM := $(B)/host/net/sodium/libsodium.o
SIM_O := $(SIM_C:%.c=$(B)/harness/sim.o/%.o)
SIM_CHECKED_O := $(SIM_C:%.c=$(B)/harness/sim-checked.o/%.o)

ALL += $(B)/harness/sim

$(B)/harness/sim.o/%.o: %.c
	$(call say,HOSTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(SIM_FLAGS) -DNET_SIMULATED -c -o $@ $<

$(B)/harness/sim-checked.o/%.o: %.c
	$(call say,HOSTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(SIM_CHECKED_FLAGS) -DNET_SIMULATED -c -o $@ $<

$(B)/harness/sim: $(SIM_O) $(SIM_SODIUM)
	$(call say,HOSTLD,$@)
	$(Q)$(HOSTCC) $(SIM_WRAP) -o $@ $^

$(B)/harness/sim-checked: $(SIM_CHECKED_O) $(SIM_SODIUM)
	$(call say,HOSTLD,$@)
	$(Q)$(HOSTCC) -fsanitize=address,undefined $(SIM_WRAP) -o $@ $^

# NODES has a default for `make run`; the simulator's is its own.
SEEDS ?= 1..1000
FAULTS ?= swarm
SIM_NODES := $(if $(filter file,$(origin NODES)),3..7,$(NODES))

.PHONY: sim
sim: $(B)/harness/sim ## the simulator: SEEDS=1..1000 NODES=3..7 FAULTS=swarm BUG= TRACE=
	@$< --seeds $(SEEDS) --nodes $(SIM_NODES) --faults $(FAULTS) \
		$(if $(BUG),--bug $(BUG)) $(if $(IDLE),--idle) $(if $(TRACE),--trace)

# In pieces, side by side; goes on where it was broken off.
.PHONY: sim-long sim-speed sim-zoo marks
sim-long: $(B)/harness/sim ## 50,000 seeds, in pieces that are kept: SEEDS=1..50000 JOBS=
	@$(PYTHON) harness/sim/long.py --program $< --folder $(B)/sim-long --jobs $(JOBS) \
		--nodes $(SIM_NODES) --faults $(FAULTS) \
		--seeds $(if $(filter file,$(origin SEEDS)),1..50000,$(SEEDS))

sim-speed: $(B)/harness/sim ## how many times as fast as real time six nodes are, loaded and idle
	@echo "loaded:" && $< --seeds 1..50 --nodes 6 | tail -1
	@echo "idle:" && $< --seeds 1..50 --nodes 6 --faults none --idle | tail -1

sim-zoo: $(B)/harness/sim ## every planted bug, and the seed that shows it
	@$(PYTHON) harness/sim/zoo.py $<

marks: ## docs/marks.md, from the tables in net/wire and the cores
	@$(PYTHON) harness/sim/lists.py --write

-include $(SIM_O:.o=.d) $(SIM_CHECKED_O:.o=.d)
