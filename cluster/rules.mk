# SPDX-License-Identifier: BSD-2-Clause
# The control API as a program of this machine, for deosctl's tests: built as host
# tests are. Programs and cores of this room are built by libos/rules.mk.

API_RIG := $(B)/host/cluster/api/server_rig
API_RIG_O := $(patsubst %,$(B)/host/%.o,cluster/api/server_rig \
	$(addprefix cluster/api/,invented_rig invented_fabric_rig json call show show_far \
	show_fabric reasons metrics session) \
	$(basename $(filter-out %_test.c %_fuzz.c %_rig.c,$(wildcard cluster/record/*.c))) \
	$(addprefix libos/http/,dynamic dynamic_text pace parse target date body status text) \
	$(addprefix libos/store/,bundle manifest object hash) net/sodium/crypto \
	net/sodium/libsodium $(addprefix kernel/base/,fmt string siphash) \
	harness/testing/host_assert)

$(API_RIG): $(API_RIG_O)
	$(call say,LINK,$@)
	$(Q)$(HOSTCC) $(HOST_FLAGS) -o $@ $^

host-tests: $(API_RIG)
