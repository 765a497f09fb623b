# SPDX-License-Identifier: BSD-2-Clause
# The kernel that measures how long its stays are: the ordinary one's objects, linked with
# one more, so that it is made in a second.

STAY_WRAPS := user_trap kernel_trap context_resume ring_idle trace do_machine_stop

.PHONY: stays stays-kernel
stays-kernel: $(B)/stays/deos.elf

stays: all stays-kernel ## how long the kernel keeps interrupts off, at most, a system call
	@$(PYTHON) harness/stays/measure.py

$(B)/stays/stays.o: harness/stays/stays.c kernel/rules.mk
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(KCC) $(KFLAGS) -c -o $@ $<

$(B)/stays/deos.elf: $(KERNEL_O) $(NET_O) $(B)/stays/stays.o \
		$(B)/kernel/empty_symbols.o $(KERNEL_LD)
	$(call say,LD,$@)
	$(Q)$(KLINK) -fno-lto $(STAY_WRAPS:%=-Wl,--wrap=%) -o $(@:.elf=.debug) \
		$(filter %.o,$^) $(COMPILER_LIBRARY)
	$(Q)$(CROSS)objcopy -O elf32-i386 --strip-all $(@:.elf=.debug) $@

-include $(B)/stays/stays.d
