// SPDX-License-Identifier: BSD-2-Clause
// The table of learned addresses: see mac.h.
//
// 2048 entries of 24 bytes; the host may read them in place to list them.

#include "harness/switch/mac.h"

#include "kernel/base/assert.h"

#define GROUP_BIT (1ull << 40)

u64
mac_load(const u8 *at)
{
	u64 address = 0;

	for (int i = 0; i < 6; i++)
		address = address << 8 | at[i];
	return address;
}

bool
mac_is_group(u64 address)
{
	return (address & GROUP_BIT) != 0;
}

static u32
set_of(u64 address)
{
	// Fibonacci hashing: the golden ratio spreads neighbouring addresses.
	return (u32)((address * 0x9e3779b97f4a7c15ull) >> 55) * MAC_WAYS;
}

STATIC_ASSERT(MAC_SETS == 1u << (64 - 55));

static bool
is_fresh(const struct mac_entry *entry, u64 now_ns)
{
	return now_ns - entry->seen_ns < MAC_AGE_NS;
}

void
mac_learn(struct mac_table *table, u64 address, u32 port, u64 now_ns)
{
	struct mac_entry *set = &table->entries[set_of(address)];
	struct mac_entry *victim = set;

	if (address == 0 || mac_is_group(address))
		return;
	for (u32 i = 0; i < MAC_WAYS; i++) {
		if (set[i].address == address) {
			victim = &set[i];
			break;
		}
		if (victim->address != 0 && (set[i].address == 0 ||
		    set[i].seen_ns < victim->seen_ns))
			victim = &set[i];
	}
	victim->address = address;
	victim->port = port;
	victim->seen_ns = now_ns;
}

int
mac_find(const struct mac_table *table, u64 address, u64 now_ns)
{
	const struct mac_entry *set = &table->entries[set_of(address)];

	ASSERT(address <= MAC_BROADCAST);
	for (u32 i = 0; i < MAC_WAYS; i++)
		if (set[i].address == address && address != 0)
			return is_fresh(&set[i], now_ns) ? (int)set[i].port
							 : MAC_NO_PORT;
	return MAC_NO_PORT;
}

void
mac_forget_port(struct mac_table *table, u32 port)
{
	for (u32 i = 0; i < MAC_SETS * MAC_WAYS; i++)
		if (table->entries[i].address && table->entries[i].port == port)
			table->entries[i].address = 0;
}
