# SPDX-License-Identifier: BSD-2-Clause
# The kernel: one multiboot1 ELF. build/deos.debug has symbols (64-bit),
# build/deos.elf is the same image, stripped, in the 32-bit container that
# multiboot loaders take. The symbol table for backtraces is linked in by a
# second pass: it lies behind the code, so no address moves.

# Under emulation `rep movs` and `rep stos` re-enter the translated block for each word
# (kernel/base/memory.c): structures are cleared and copied by loops.
BY_LOOPS := -mmemset-strategy=unrolled_loop:512:noalign,libcall:-1:noalign \
	-mmemcpy-strategy=unrolled_loop:512:noalign,libcall:-1:noalign

KCC := $(CROSS)gcc
KFLAGS := $(BY_LOOPS) -std=gnu11 -O2 -g -ffreestanding -fno-pic -fno-pie -mno-red-zone \
	-mgeneral-regs-only -mcmodel=kernel -fno-strict-aliasing \
	-fno-omit-frame-pointer -fno-tree-loop-distribute-patterns \
	-fno-asynchronous-unwind-tables -fno-jump-tables \
	-fstack-protector-strong -mstack-protector-guard=global \
	-ftrivial-auto-var-init=zero -fcf-protection=none \
	-Wall -Wextra -Werror -Wshadow -Wconversion -Wvla -Wframe-larger-than=2048 \
	-I. -DDEOS_KERNEL -MMD -MP

# The shipped kernel is optimised as one when it is linked (docs/decisions/0024-whole.md).
# Its objects hold code of their own too: the kernels of tests that are linked with --wrap
# take that, since no call between two functions that are compiled as one can be wrapped.
# Of large functions no part is compiled for size, however seldom the compiler believes that
# it runs: it believes so of most answers, and clears what is small by `rep stos` there.
KWHOLE := -flto=auto -ffat-lto-objects --param=hot-bb-frequency-fraction=1000000
# But what is hot_, the way of calls and faults: by itself it lies in one page, which with
# all that would be put into it is too small.
$(addprefix $(B)/kernel/,arch/x86_64/trap.o arch/x86_64/paging.o cap/cap.o sys/dispatch.o \
	sys/memory.o sys/upcall.o): KWHOLE :=

# The way of a frame of the fabric, and of who waits for it, a few hundredths fewer
# instructions so. All of the kernel so would be an image of more than 512 KiB.
FRAME_C := $(addprefix kernel/,base/siphash base/memory dev/virtio_net dev/virtqueue \
	sys/ring_rx sys/ring_tx fabric/fabric fabric/pending fabric/queue fabric/submit \
	fabric/transmit fabric/remotes fabric/observe sys/sched sys/wait sys/idle sys/user \
	own/own main/trace) net/wire/wire \
	$(addprefix net/link/,ask input pace seal session table time) \
	$(addprefix net/rcap/,answer memory owner rcap send serve submit)
$(FRAME_C:%=$(B)/%.o): KWHOLE += $(if $(CHECKED_KERNEL),,-O3)

KERNEL_C := $(filter-out %_test.c %_fuzz.c %_rig.c,$(wildcard kernel/base/*.c \
	kernel/cap/*.c kernel/own/*.c kernel/filter/*.c kernel/code/*.c kernel/volume/*.c \
	kernel/arch/x86_64/*.c \
	kernel/dev/*.c kernel/sys/*.c kernel/fabric/*.c kernel/main/*.c))
KERNEL_S := $(wildcard kernel/arch/x86_64/*.S kernel/main/*.S)
KERNEL_O := $(KERNEL_C:%.c=$(B)/%.o) $(KERNEL_S:%.S=$(B)/%.S.o)
# and net/'s cores, NET_O (net/rules.mk, which is read later)
KERNEL_LD := kernel/arch/x86_64/kernel.ld

ALL += $(B)/deos.elf

# The checked kernel (harness/checked) is this one with flags, objects and link
# options more, and some sources replaced by copies.
KSOURCE = $<

$(B)/kernel/%.o: kernel/%.c kernel/rules.mk
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(KCC) $(KFLAGS) $(KWHOLE) $(KCHECKS) -c -o $@ $(KSOURCE)

$(B)/kernel/%.S.o: kernel/%.S kernel/rules.mk
	$(call say,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(KCC) $(KFLAGS) -c -o $@ $<

# The program that the first environment begins with (libos/rules.mk), as bytes.
LOADER := $(B)/libos/loader.bin
$(B)/kernel/main/loader.S.o: private KFLAGS += -DLOADER='"$(LOADER)"'
$(B)/kernel/main/loader.S.o: $(LOADER)

KLINK = $(KCC) -nostdlib -static -no-pie -Wl,-T,$(KERNEL_LD) \
	-Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack \
	-Wl,--no-warn-rwx-segments $(KLINK_MORE)
# Of the kernel that ships; all others have $(KLINK) -fno-lto.
KLINK_WHOLE = $(KLINK) $(filter-out -MMD -MP,$(KFLAGS)) $(KWHOLE) $(KCHECKS)
# Of the compiler's own library: what it calls where the processor is not known to have
# an instruction (__builtin_popcountll()).
COMPILER_LIBRARY := -lgcc

$(B)/kernel/empty_symbols.o: kernel/main/symbols.py
	@mkdir -p $(@D)
	$(Q)$(PYTHON) kernel/main/symbols.py < /dev/null > $(@:.o=.S)
	$(Q)$(KCC) -c -o $@ $(@:.o=.S)

.SECONDEXPANSION:
$(B)/kernel/pass1.elf: $(KERNEL_O) $$(NET_O) $$(KERNEL_MORE_O) \
		$(B)/kernel/empty_symbols.o $(KERNEL_LD)
	$(Q)$(KLINK_WHOLE) -o $@ $(KERNEL_O) $(NET_O) $(KERNEL_MORE_O) \
		$(B)/kernel/empty_symbols.o $(COMPILER_LIBRARY)

$(B)/kernel/symbols.o: $(B)/kernel/pass1.elf kernel/main/symbols.py
	$(Q)$(CROSS)nm -n $< | $(PYTHON) kernel/main/symbols.py > $(@:.o=.S)
	$(Q)$(KCC) -c -o $@ $(@:.o=.S)

$(B)/deos.debug: $(KERNEL_O) $$(NET_O) $$(KERNEL_MORE_O) \
		$(B)/kernel/symbols.o $(KERNEL_LD)
	$(call say,LD,$@)
	$(Q)$(KLINK_WHOLE) -o $@ $(KERNEL_O) $(NET_O) $(KERNEL_MORE_O) \
		$(B)/kernel/symbols.o $(COMPILER_LIBRARY)

$(B)/deos.elf: $(B)/deos.debug
	$(call say,OBJCOPY,$@)
	$(Q)$(CROSS)objcopy -O elf32-i386 --strip-all $< $@

-include $(KERNEL_O:.o=.d)
