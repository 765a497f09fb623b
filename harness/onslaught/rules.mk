# SPDX-License-Identifier: BSD-2-Clause
# The onslaught on the fabric's cores: a host program of net/'s own sources, with
# NET_PLANTED, so that it can be shown what it finds. `make attack` runs it.

ONSLAUGHT_C := $(wildcard harness/onslaught/*.c) net/rcap/test_rig.c net/rcap/asked_rig.c \
	$(filter-out %_test.c %_fuzz.c %_rig.c,$(wildcard net/*/*.c)) \
	kernel/base/siphash.c harness/testing/host_assert.c $(PROGRAM_C)
ONSLAUGHT_O := $(ONSLAUGHT_C:%.c=$(B)/harness/onslaught.o/%.o)

ALL += $(B)/harness/onslaught

$(B)/harness/onslaught.o/%.o: %.c
	$(call say,HOSTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(SIM_FLAGS) -c -o $@ $<

$(B)/harness/onslaught: $(ONSLAUGHT_O) $(B)/host/net/sodium/libsodium.o
	$(call say,HOSTLD,$@)
	$(Q)$(HOSTCC) -o $@ $^

FRAMES ?= 10000000
GUESSES ?= 1000000
.PHONY: onslaught
onslaught: $(B)/harness/onslaught ## forged frames at the fabric's cores: FRAMES= GUESSES= SEED=
	@$< --frames $(FRAMES) --guesses $(GUESSES) $(if $(SEED),--seed $(SEED))

attack: onslaught

-include $(ONSLAUGHT_O:.o=.d)
