# SPDX-License-Identifier: BSD-2-Clause
# Host tests and fuzz targets: every *_test.c and *_fuzz.c of the tree, found by
# pattern. What else a program is linked from stands in its `// links:` line,
# which links.awk turns into rules. Everything runs under sanitizers.

TEST_ROOMS := $(wildcard net kernel libos dsm cluster harness)
HOST_TESTS := $(sort $(shell find $(TEST_ROOMS) -name '*_test.c'))
FUZZERS := $(sort $(shell find $(TEST_ROOMS) -name '*_fuzz.c'))
HOST_PROGRAMS := $(HOST_TESTS:%.c=$(B)/host/%)
FUZZ_PROGRAMS := $(FUZZERS:%.c=$(B)/fuzz/%)

COMMA := ,
HOST_WARN := -Wall -Wextra -Werror -Wshadow -Wvla
HOST_FLAGS := -std=gnu11 -O1 -g -fno-omit-frame-pointer \
	-fsanitize=address,undefined -fno-sanitize-recover=all \
	$(HOST_WARN) -I. -MMD -MP
FUZZCC ?= clang
FUZZ_FLAGS := -std=gnu11 -O1 -g -fno-omit-frame-pointer \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
	-Wall -Wextra -Werror -I. -MMD -MP
JOBS ?= $(shell nproc)
TEST := $(PYTHON) harness/testing/suite.py --build $(B) --jobs $(JOBS)

# Tests with threads look for races instead. Such a test includes the sources that it
# tests: all of a program is built with one sanitizer.
$(B)/host/%_race_test $(B)/host/%_race_test.o: private HOST_FLAGS := $(subst \
	address$(COMMA)undefined,thread,$(HOST_FLAGS))

$(B)/host/links.mk: harness/testing/links.awk $(HOST_TESTS) $(FUZZERS)
	@mkdir -p $(@D)
	@awk -f $^ > $@

-include $(B)/host/links.mk

$(HOST_PROGRAMS):
	$(call say,LINK,$@)
	$(Q)$(HOSTCC) $(HOST_FLAGS) -o $@ $(filter %.o,$^) $(LIBRARIES) -lcmocka

$(B)/host/%_test.o: %_test.c
	$(call say,HOSTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(HOST_FLAGS) -c -o $@ $<

$(B)/host/%.o: %.c
	$(call say,HOSTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(HOST_FLAGS) -Wconversion -c -o $@ $<

$(FUZZ_PROGRAMS):
	$(call say,LINK,$@)
	$(Q)$(FUZZCC) $(FUZZ_FLAGS) -o $@ $(filter %.o,$^) $(LIBRARIES)

$(B)/fuzz/%.o: %.c
	$(call say,FUZZCC,$<)
	@mkdir -p $(@D)
	$(Q)$(FUZZCC) $(FUZZ_FLAGS) -c -o $@ $<

.PHONY: host-tests fuzzers test test-quick fuzz
host-tests: $(HOST_PROGRAMS)
fuzzers: $(FUZZ_PROGRAMS)

test: ## all tests; the last line is "N passed, N failed"
	@+MAKE='$(MAKE)' $(TEST) -- $(ARGS)

test-quick: ## the tests that need no QEMU, within two minutes
	@+MAKE='$(MAKE)' $(TEST) --quick -- $(ARGS)

fuzz: ## every fuzz target, SECONDS=60 altogether; then CALLS=1000000 system calls
	@+$(MAKE) --no-print-directory -j$(JOBS) fuzzers
	@$(PYTHON) harness/testing/fuzz.py --jobs $(JOBS) \
		--seconds $(SECONDS) $(FUZZ_PROGRAMS)
	@+$(MAKE) --no-print-directory fuzz-calls
fuzz: SECONDS ?= 60

-include $(shell find $(B)/host $(B)/fuzz -name '*.d' 2>/dev/null)
