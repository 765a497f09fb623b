# SPDX-License-Identifier: BSD-2-Clause
# The checked kernel: build/checked/deos.elf. The kernel's own rules build it, in a
# folder of its own, with the flags, objects and link options here.

CHECKED := $(B)/checked

.PHONY: checked
checked: $(SODIUM_STAMP) ## build/checked/deos.elf, the kernel that checks itself
	@+$(MAKE) --no-print-directory B=$(CHECKED) SODIUM=$(SODIUM) CHECKED_KERNEL=1 \
		$(CHECKED)/deos.elf

ifeq ($(CHECKED_KERNEL),1)
KWHOLE :=
# Undefined behaviour's checks panic; those of addresses call a function for each
# access (kasan.c), so the offset is for the prologues of functions alone.
KCHECKS := -DDEOS_CHECKED -fsanitize=kernel-address -fasan-shadow-offset=0xdffffc0000000000 \
	--param asan-instrumentation-with-call-threshold=0 --param asan-globals=1 \
	--param asan-stack=1 -fsanitize-address-use-after-scope \
	-fsanitize=undefined -fno-sanitize-recover=undefined \
	-Wno-frame-larger-than
# What checks is not checked, nor what runs before its shadow or for each word.
UNCHECKED_O := $(addprefix $(B)/kernel/,base/memory.o arch/x86_64/kernel_map.o)
$(UNCHECKED_O): KCHECKS := -DDEOS_CHECKED

CHECKED_WRAPS = $(BROKEN_WRAPS) kernel_main kernel_map_build memory_init provoke do_null \
	dispatch dispatch_beside upcall_fault cap_derive \
	memcpy memmove memset memcmp
KLINK_MORE = $(CHECKED_WRAPS:%=-Wl,--wrap=%)
KERNEL_MORE_O := $(patsubst %.c,$(B)/%.o,$(wildcard harness/checked/*.c harness/broken/*.c))

$(B)/harness/checked/ways.o: CHECKED_FLAGS = $(KCHECKS)
$(B)/harness/checked/%.o: harness/checked/%.c harness/checked/rules.mk
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(KCC) $(KFLAGS) -DDEOS_CHECKED $(CHECKED_FLAGS) -c -o $@ $<

# Bugs that a test can switch on are in copies of the sources.
PLANTED_PY := harness/checked/planted.py
PLANTED_C := $(shell $(PYTHON) $(PLANTED_PY) --files)
$(PLANTED_C:%.c=$(B)/%.o): $(PLANTED_PY)
$(PLANTED_C:%.c=$(B)/%.o): KSOURCE = $(shell $(PYTHON) $(PLANTED_PY) $< $(B)/planted/$<)

-include $(KERNEL_MORE_O:.o=.d)
endif
