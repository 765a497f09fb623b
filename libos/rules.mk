# SPDX-License-Identifier: BSD-2-Clause
# The libOS, what stands on it (dsm, cluster), and the programs. One static library
# holds the runtime and the protocol cores; each program takes from it what it uses.
# Programs, where ROOM is libos, dsm or cluster:
#   ROOM/programs/NAME.c            one file
#   ROOM/programs/NAME/*.c          several
#   libos/programs/hostile/NAME.c   for the isolation tests
#   libos/programs/tools/NAME.c     small programs for the shell
# build/boot.cpio holds them stripped; build/libos/NAME.debug has the symbols.
#
# General registers only: no program has FPU or SSE state, so upcalls need not
# save any.

LCC := $(CROSS)gcc
LFLAGS := $(BY_LOOPS) -std=gnu11 -O2 -g -ffreestanding -fno-pic -fno-pie -mno-red-zone \
	-mgeneral-regs-only -fno-strict-aliasing -fno-omit-frame-pointer \
	-fno-tree-loop-distribute-patterns -fno-asynchronous-unwind-tables \
	-fno-jump-tables -ffunction-sections -fdata-sections -fno-common \
	-fstack-protector-strong -mstack-protector-guard=global \
	-ftrivial-auto-var-init=zero -fcf-protection=none \
	-Wall -Wextra -Werror -Wshadow -Wconversion -Wvla \
	-Wframe-larger-than=8192 -I. -MMD -MP

LIBOS_ROOMS := $(filter-out %/programs/ %/mini/ %/loader/,$(wildcard libos/*/ dsm/*/ cluster/*/))
LIBOS_C := $(filter-out %_test.c %_fuzz.c %_rig.c,$(wildcard \
	$(LIBOS_ROOMS:%=%*.c) kernel/base/*.c net/sodium/*.c))
LIBOS_S := $(wildcard $(LIBOS_ROOMS:%=%*.S))
LIBOS_O := $(LIBOS_C:%.c=$(B)/libos/%.o) $(LIBOS_S:%.S=$(B)/libos/%.S.o) \
	$(B)/libos/net/sodium/libsodium.o
LIBOS_A := $(B)/libos/libos.a
LIBOS_LD := libos/crt/program.ld

PROGRAM_ROOMS := libos/programs dsm/programs cluster/programs
PROGRAM_FILES := $(filter-out %_test.c %_fuzz.c, \
	$(wildcard $(PROGRAM_ROOMS:%=%/*.c) libos/programs/hostile/*.c \
	libos/programs/tools/*.c))
PROGRAM_FOLDERS := $(filter-out %/hostile %/tools, \
	$(patsubst %/,%,$(wildcard $(PROGRAM_ROOMS:%=%/*/))))
PROGRAMS := $(basename $(notdir $(PROGRAM_FILES) $(PROGRAM_FOLDERS))) mini
PROGRAM_O := $(PROGRAM_FILES:%.c=$(B)/libos/%.o)

# Programs for the kernel (kernel/code): libos/code/bpf/NAME.c becomes NAME.bpf, an
# object of which a program loads the functions that it wants.
BPFCC ?= clang
BPF_FLAGS := -target bpf -mcpu=v3 -O2 -std=gnu11 -ffreestanding -Wall -Wextra \
	-Werror -I. -MMD -MP
BPF := $(patsubst libos/code/bpf/%.c,$(B)/libos/bpf/%.bpf,$(wildcard libos/code/bpf/*.c))

ALL += $(B)/boot.cpio

$(B)/libos/bpf/%.bpf: libos/code/bpf/%.c libos/rules.mk
	$(call say,BPFCC,$<)
	@mkdir -p $(@D)
	$(Q)$(BPFCC) $(BPF_FLAGS) -c -o $@ $<

$(B)/libos/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(LCC) $(LFLAGS) -c -o $@ $<

$(B)/libos/%.S.o: %.S
	$(call say,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(LCC) $(LFLAGS) -c -o $@ $<

$(B)/libos/net/sodium/libsodium.o: $(SODIUM_STAMP) net/rules.mk
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(call sodium_object,$(LCC) $(filter-out -W% -MMD -MP,$(LFLAGS)) \
		$(SODIUM_FLAGS),$(SODIUM_ENTRIES_MORE))

$(LIBOS_A): $(LIBOS_O)
	$(call say,AR,$@)
	@rm -f $@
	$(Q)$(CROSS)ar rcsD $@ $(LIBOS_O)

LLINK = $(LCC) -nostdlib -static -no-pie -Wl,-T,$(LIBOS_LD) -Wl,--gc-sections \
	-Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack \
	-Wl,--orphan-handling=error

# $(call program,NAME,OBJECTS)
define program
PROGRAM_O += $(filter-out $(PROGRAM_O),$(2))
$(B)/libos/$(1).debug: $(2) $(LIBOS_A) $(LIBOS_LD)
	$$(call say,LD,$$@)
	$$(Q)$$(LLINK) -o $$@ $(2) $(LIBOS_A) $(COMPILER_LIBRARY)
$(B)/libos/bin/$(1): $(B)/libos/$(1).debug
	@mkdir -p $$(@D)
	$$(Q)$(CROSS)objcopy --strip-all $$< $$@
endef
$(foreach f,$(PROGRAM_FILES),$(eval $(call \
	program,$(basename $(notdir $(f))),$(B)/libos/$(f:.c=.o))))
$(foreach d,$(PROGRAM_FOLDERS),$(eval $(call \
	program,$(notdir $(d)),$(patsubst %.c,$(B)/libos/%.o,$(filter-out \
	%_test.c %_fuzz.c,$(wildcard $(d)/*.c))))))

# The other libOS: its own start, linker script and everything else; of the tree only
# kernel/base and kernel/abi.
MINI_O := $(patsubst %.c,$(B)/libos/%.o,$(wildcard libos/mini/*.c)) \
	$(patsubst %.S,$(B)/libos/%.S.o,$(wildcard libos/mini/*.S)) \
	$(B)/libos/kernel/base/memory.o $(B)/libos/kernel/base/fmt.o
PROGRAM_O += $(filter $(B)/libos/libos/mini/%,$(MINI_O))
$(B)/libos/mini.debug: LIBOS_LD := libos/mini/mini.ld
$(B)/libos/mini.debug: $(MINI_O) libos/mini/mini.ld
	$(call say,LD,$@)
	$(Q)$(LLINK) -o $@ $(MINI_O)
$(B)/libos/bin/mini: $(B)/libos/mini.debug
	@mkdir -p $(@D)
	$(Q)$(CROSS)objcopy --strip-all $< $@

# The program that loads the first one: bytes in the kernel's image.
LOADER_O := $(addprefix $(B)/libos/,libos/loader/start.S.o libos/loader/loader.o \
	libos/image/cpio.o libos/image/elf.o libos/text/compare.o libos/text/text.o \
	kernel/base/string.o kernel/base/memory.o)
PROGRAM_O += $(filter $(B)/libos/libos/loader/%,$(LOADER_O))
$(B)/libos/loader.debug: LIBOS_LD := libos/loader/loader.ld
$(B)/libos/loader.debug: $(LOADER_O) libos/loader/loader.ld
	$(call say,LD,$@)
	$(Q)$(LLINK) -o $@ $(LOADER_O)
$(LOADER): $(B)/libos/loader.debug
	$(Q)$(CROSS)objcopy -O binary $< $@

$(B)/boot.cpio: $(PROGRAMS:%=$(B)/libos/bin/%) $(BPF) libos/programs/pack.py
	$(call say,PACK,$@)
	$(Q)$(PYTHON) libos/programs/pack.py $@ $(PROGRAMS:%=$(B)/libos/bin/%) $(BPF)

-include $(LIBOS_O:.o=.d) $(PROGRAM_O:.o=.d) $(BPF:.bpf=.d)
