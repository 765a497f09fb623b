# SPDX-License-Identifier: BSD-2-Clause
# The fabric's cores, with the kernel's flags, and libsodium: its source is
# fetched once, and of it only X25519, BLAKE2b and ChaCha20 are compiled, for the
# kernel and for host tests. NET_O is what a kernel links.

NET_C := $(filter-out %_test.c %_fuzz.c %_rig.c,$(wildcard net/wire/*.c net/link/*.c \
	net/rcap/*.c net/sodium/*.c))
SODIUM := $(B)/sodium
SODIUM_STAMP := $(SODIUM)/fetched
SODIUM_LIBC := string stdlib limits assert errno sys/types
SODIUM_FILES := crypto_scalarmult/curve25519/scalarmult_curve25519 \
	crypto_scalarmult/curve25519/ref10/x25519_ref10 \
	crypto_core/ed25519/ref10/ed25519_ref10 \
	crypto_generichash/blake2b/ref/blake2b-ref \
	crypto_generichash/blake2b/ref/blake2b-compress-ref \
	crypto_generichash/blake2b/ref/generichash_blake2b \
	crypto_stream/chacha20/stream_chacha20 crypto_stream/chacha20/ref/chacha20_ref
SODIUM_ENTRIES := crypto_scalarmult_curve25519 crypto_scalarmult_curve25519_base \
	crypto_generichash_blake2b crypto_stream_chacha20_ietf_xor_ic
# For programs and host tests, hashes of what comes in pieces too.
SODIUM_ENTRIES_MORE := $(SODIUM_ENTRIES) $(addprefix crypto_generichash_blake2b_, \
	init update final)
SODIUM_FLAGS := -O2 -w -std=gnu11 -ffreestanding -fno-strict-aliasing \
	-ffunction-sections -fdata-sections -DCONFIGURED -DNATIVE_LITTLE_ENDIAN \
	-DHAVE_TI_MODE -nostdinc -isystem $(SODIUM)/libc \
	-isystem $(shell $(CROSS)gcc -print-file-name=include) \
	-I$(SODIUM)/source/include -I$(SODIUM)/source/include/sodium
NET_O := $(NET_C:%.c=$(B)/%.o) $(B)/sodium/kernel/libsodium.o

$(SODIUM_STAMP): net/sodium/fetch net/sodium/libc.h net/rules.mk
	$(call say,FETCH,libsodium)
	@mkdir -p $(SODIUM)/libc/sys
	$(Q)[ -d $(SODIUM)/source ] || net/sodium/fetch $(SODIUM)
	$(Q)for name in $(SODIUM_LIBC); do \
		cp net/sodium/libc.h $(SODIUM)/libc/$$name.h; done
	@touch $@

# One object of what the entry points reach; nothing else of it is visible.
# $(call sodium_object,COMPILER,ENTRIES)
define sodium_object
$(Q)for file in $(SODIUM_FILES); do \
	$(1) -c -o $(@D)/$$(basename $$file).o $(SODIUM)/source/$$file.c || exit 1; \
done
$(Q)$(CROSS)ld -r --gc-sections $(addprefix -u ,$(2)) -o $@ \
	$(addprefix $(@D)/,$(addsuffix .o,$(notdir $(SODIUM_FILES))))
$(Q)$(CROSS)objcopy --strip-unneeded $(addprefix --keep-global-symbol=,$(2)) $@
endef

$(B)/sodium/kernel/libsodium.o: $(SODIUM_STAMP) net/rules.mk
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(call sodium_object,$(KCC) $(filter-out -W% -MMD -MP,$(KFLAGS)) \
		$(SODIUM_FLAGS),$(SODIUM_ENTRIES))

$(B)/host/net/sodium/libsodium.o $(B)/fuzz/net/sodium/libsodium.o: \
		$(SODIUM_STAMP) net/rules.mk
	$(call say,HOSTCC,$@)
	@mkdir -p $(@D)
	$(call sodium_object,$(HOSTCC) -g -fPIC $(SODIUM_FLAGS),$(SODIUM_ENTRIES_MORE))

$(B)/net/%.o: net/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(KCC) $(KFLAGS) $(KWHOLE) $(KCHECKS) -c -o $@ $<

ALL += $(NET_O)

-include $(NET_C:%.c=$(B)/%.d)

.PHONY: protocol
protocol: ## docs/protocol, golden vectors and the dissector, from the tables in net/wire
	@$(PYTHON) net/wire/protocol.py --write
