# SPDX-License-Identifier: BSD-2-Clause
# The kernel that can break itself, for the tests of its protections and of the panic
# report: build/broken/deos.elf is the ordinary kernel's objects, linked with two more. Its
# panics name functions, so it is linked twice, as the ordinary one is.

BROKEN_O := $(patsubst %.c,$(B)/%.o,$(wildcard harness/broken/*.c))
BROKEN_WRAPS := first_env volume_give_up

.PHONY: broken-kernel
broken-kernel: $(B)/broken/deos.elf

$(B)/harness/broken/%.o: harness/broken/%.c kernel/rules.mk
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(KCC) $(KFLAGS) $(KCHECKS) -c -o $@ $<

$(B)/broken/%.elf: $(KERNEL_O) $(NET_O) $(BROKEN_O) $(B)/kernel/empty_symbols.o \
		$(KERNEL_LD) kernel/main/symbols.py
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(KLINK) -fno-lto $(BROKEN_WRAPS:%=-Wl,--wrap=%) -o $(@:.elf=.pass1) $(filter %.o,$^) \
		$(COMPILER_LIBRARY)
	$(Q)$(CROSS)nm -n $(@:.elf=.pass1) | $(PYTHON) kernel/main/symbols.py > $(@:.elf=.S)
	$(Q)$(KCC) -c -o $(@:.elf=.o) $(@:.elf=.S)
	$(Q)$(KLINK) -fno-lto $(BROKEN_WRAPS:%=-Wl,--wrap=%) -o $(@:.elf=.debug) \
		$(KERNEL_O) $(NET_O) $(BROKEN_O) $(@:.elf=.o) $(COMPILER_LIBRARY)
	$(Q)$(CROSS)objcopy -O elf32-i386 --strip-all $(@:.elf=.debug) $@

-include $(BROKEN_O:.o=.d)
