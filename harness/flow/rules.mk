# SPDX-License-Identifier: BSD-2-Clause
# The flow rig: the fabric's cores and queues in virtual time, optimised and
# without planted bugs, so that its instructions are the cores' own.

FLOW_C := $(filter-out %_test.c,$(wildcard harness/flow/*.c)) \
	$(filter-out %_test.c %_fuzz.c %_rig.c,$(wildcard net/*/*.c)) \
	kernel/base/siphash.c net/rcap/default_rig.c harness/sim/heap.c \
	harness/testing/host_assert.c $(PROGRAM_C)
FLOW_O := $(FLOW_C:%.c=$(B)/harness/flow.o/%.o)

ALL += $(B)/harness/flow

$(B)/harness/flow.o/%.o: %.c
	$(call say,HOSTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wshadow -Wconversion -Wvla \
		-I. -MMD -MP -c -o $@ $<

$(B)/harness/flow: $(FLOW_O) $(B)/host/net/sodium/libsodium.o
	$(call say,HOSTLD,$@)
	$(Q)$(HOSTCC) -o $@ $^

-include $(FLOW_O:.o=.d)
