# SPDX-License-Identifier: BSD-2-Clause
# The switch and the TCP forwarder: host programs, built by the host's
# compiler. Needs libslirp-dev.

SWITCH_FLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wshadow -Wconversion \
	-I. -MMD -MP
SWITCH_C := $(addprefix harness/switch/,command.c control.c core.c frame.c \
	host.c lane.c mac.c main.c node.c pcap.c slirp.c snoop.c status.c \
	stream.c tap.c text.c unix_socket.c) \
	$(PROGRAM_C) harness/testing/host_assert.c
FORWARD_C := harness/switch/forward.c $(PROGRAM_C) harness/testing/host_assert.c
# The program has its folder's name, so the objects lie beside it.
SWITCH_O := $(SWITCH_C:%.c=$(B)/harness/switch.o/%.o)
FORWARD_O := $(FORWARD_C:%.c=$(B)/harness/switch.o/%.o)

ALL += $(B)/harness/switch $(B)/harness/forward

$(B)/harness/switch.o/%.o: %.c
	@printf '  %-8s %s\n' HOSTCC $<
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(SWITCH_FLAGS) -c -o $@ $<

$(B)/harness/switch: $(SWITCH_O)
	@printf '  %-8s %s\n' HOSTLD $@
	$(Q)$(HOSTCC) -o $@ $(SWITCH_O) -lslirp

$(B)/harness/forward: $(FORWARD_O)
	@printf '  %-8s %s\n' HOSTLD $@
	$(Q)$(HOSTCC) -o $@ $(FORWARD_O)

-include $(SWITCH_O:.o=.d) $(FORWARD_O:.o=.d)
