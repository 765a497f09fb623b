# SPDX-License-Identifier: BSD-2-Clause
# The search of states: the cores with NET_PLANTED, a stand-in for libsodium, and what
# can happen to them. `make search` is the long one.

SEARCH_C := $(wildcard harness/search/*.c) $(filter-out %_test.c %_fuzz.c %_rig.c \
	net/sodium/%,$(wildcard net/*/*.c dsm/core/*.c)) \
	net/rcap/default_rig.c kernel/base/siphash.c $(PROGRAM_C)
SEARCH_FLAGS := -std=gnu11 -O2 -g -DNET_PLANTED -DDSM_PLANTED $(SIM_WARN) -I. -MMD -MP
SEARCH_O := $(SEARCH_C:%.c=$(B)/harness/search.o/%.o)

ALL += $(B)/harness/search

$(B)/harness/search.o/%.o: %.c
	$(call say,HOSTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(SEARCH_FLAGS) -c -o $@ $<

$(B)/harness/search: $(SEARCH_O)
	$(call say,HOSTLD,$@)
	$(Q)$(HOSTCC) -o $@ $^

STATES ?= 10000000
SEARCH_EACH = $(B)/harness/search --world $(1) --states $(STATES) \
	$(if $(LAYER),--layer $(LAYER)) $(if $(FROM),--from $(FROM)) \
	$(if $(WALKS),--walks $(WALKS)) $(if $(BUG),--bug $(BUG)) $(if $(WAY),--way $(WAY))

.PHONY: search
search: $(B)/harness/search ## all that can happen: WORLD= STATES=10000000 LAYER= WALKS= FROM= BUG=
	@$(foreach world,$(or $(WORLD),fabric pages members published few), \
		$(call SEARCH_EACH,$(world)) &&) :

-include $(SEARCH_O:.o=.d)
