# SPDX-License-Identifier: BSD-2-Clause
# The floor of what two nodes can do: build/floor/deos.elf is the ordinary kernel's objects,
# linked with what sends and answers raw frames.

FLOOR_O := $(patsubst %.c,$(B)/%.o,$(filter-out %_test.c,$(wildcard harness/floor/*.c)))

.PHONY: floor-kernel
floor-kernel: $(B)/floor/deos.elf

$(B)/harness/floor/%.o: harness/floor/%.c kernel/rules.mk
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(KCC) $(KFLAGS) -c -o $@ $<

$(B)/floor/deos.elf: $(KERNEL_O) $(NET_O) $(FLOOR_O) $(B)/kernel/empty_symbols.o $(KERNEL_LD)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(KLINK) -Wl,--wrap=devices_init -o $(@:.elf=.debug) $(filter %.o,$^) \
		$(COMPILER_LIBRARY)
	$(Q)$(CROSS)objcopy -O elf32-i386 --strip-all $(@:.elf=.debug) $@

-include $(FLOOR_O:.o=.d)
