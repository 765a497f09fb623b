# SPDX-License-Identifier: BSD-2-Clause
# A crowd of nodes in one process, against nodes in QEMU: the flow rig's hosts in real
# time.

CROWD_C := harness/crowd/main.c harness/flow/host.c \
	$(filter-out %_test.c %_fuzz.c %_rig.c,$(wildcard net/*/*.c)) \
	kernel/base/siphash.c net/rcap/default_rig.c harness/testing/host_assert.c \
	$(PROGRAM_C)
CROWD_O := $(CROWD_C:%.c=$(B)/harness/flow.o/%.o)

ALL += $(B)/harness/crowd

$(B)/harness/crowd: $(CROWD_O) $(B)/host/net/sodium/libsodium.o
	$(call say,HOSTLD,$@)
	$(Q)$(HOSTCC) -o $@ $^

.PHONY: crowd
crowd: all ## instructions and time of an operation with 2 and with 1,000 active peers: PEERS=
	@DEOS_BUILD=$(B) $(PYTHON) harness/crowd/crowd.py --peers $(PEERS)
crowd: PEERS ?= 1000

-include $(CROWD_O:.o=.d)
