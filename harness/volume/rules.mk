# SPDX-License-Identifier: BSD-2-Clause
# The checker of volumes: the kernel's core and engine, on the host.

VOLUME_C := $(filter-out %_test.c %_rig.c,$(wildcard harness/volume/*.c \
	kernel/volume/*.c)) \
	$(filter-out %_test.c %_fuzz.c %_rig.c,$(wildcard kernel/code/*.c)) \
	kernel/code/run_rig.c \
	kernel/base/siphash.c harness/testing/host_assert.c $(PROGRAM_C)
VOLUME_O := $(VOLUME_C:%.c=$(B)/harness/volume.o/%.o)

ALL += $(B)/harness/volume-check

$(B)/harness/volume.o/%.o: %.c
	$(call say,HOSTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) -std=gnu11 -O2 -g $(HOST_WARN) -I. -MMD -MP -c -o $@ $<

$(B)/harness/volume-check: $(VOLUME_O)
	$(call say,HOSTLD,$@)
	$(Q)$(HOSTCC) -o $@ $^

-include $(VOLUME_O:.o=.d)
