# SPDX-License-Identifier: BSD-2-Clause
# The floor of what two nodes can do: build/floor/deos.elf is the ordinary kernel's objects,
# optimised as one with what sends and answers raw frames. Its main.c calls floor_init() in
# place of devices_init().

FLOOR_O := $(patsubst %.c,$(B)/%.o,$(filter-out %_test.c,$(wildcard harness/floor/*.c))) \
	$(B)/floor/main.o
FLOOR_KERNEL_O := $(filter-out $(B)/kernel/main/main.o,$(KERNEL_O)) $(NET_O)

.PHONY: floor-kernel
floor-kernel: $(B)/floor/deos.elf

$(B)/harness/floor/%.o: harness/floor/%.c kernel/rules.mk
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(KCC) $(KFLAGS) $(KWHOLE) -c -o $@ $<

$(B)/floor/main.o: kernel/main/main.c kernel/rules.mk
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(KCC) $(KFLAGS) $(KWHOLE) -Ddevices_init=floor_init -c -o $@ $<

$(B)/floor/deos.elf: $(FLOOR_KERNEL_O) $(FLOOR_O) $(B)/kernel/empty_symbols.o $(KERNEL_LD)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(KLINK_WHOLE) -o $(@:.elf=.debug) $(filter %.o,$^) \
		$(COMPILER_LIBRARY)
	$(Q)$(CROSS)objcopy -O elf32-i386 --strip-all $(@:.elf=.debug) $@

-include $(FLOOR_O:.o=.d)
