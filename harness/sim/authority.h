// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Who may do what, by the model: every remote capability ever made, as a row.
//
// A row is never reused in a seed. Whether it may be used at some moment depends
// on it and on those that it came from: nothing is cached, so that this cannot be
// wrong in the way that the cores can.
#include "kernel/abi/syscalls.h"

#define AUTHORITY_MAX 32768u
#define AUTHORITY_NONE 0xffffffffu
#define AUTHORITY_UNITS 4u	// of one row, at most

// What a capability is for. The bytes of the first two are kept; a pool's are pages.
enum model_store {
	STORE_PAGES,
	STORE_DISK,
	STORE_COUNT,
	OBJECT_POOL = STORE_COUNT,
	OBJECT_ENDPOINT,
	OBJECT_COUNT
};

struct party {
	u32 node;
	u32 boot;		// counts the boots of a node in this seed
	u32 env;		// its id; 0: the kernel
};

struct authority_cap {
	struct party holder;
	u32 owner, owner_boot;
	u32 parent;		// AUTHORITY_NONE: the owner's environment's own
	enum model_store store;
	u32 rights;		// CAP_READ and so on
	u32 base, count;	// units
	u32 slot, generation;	// in the owner's export table
	u64 made_at;
	bool taken, told;	// by force, at a deadline; and its holder knows
	// Of itself; its ancestors have their own.
	u64 revoked_at;
	u64 lost_at[4];			// bit by bit of its rights
	u64 gone_at[AUTHORITY_UNITS];	// unit by unit of its range
};

struct authority {
	u32 count;
	struct authority_cap cap[AUTHORITY_MAX];
};

void
authority_init(struct authority *authority);

u32
authority_add(struct authority *authority, const struct authority_cap *cap);

// The row of an entry in a boot's export table, or AUTHORITY_NONE.
u32
authority_find(const struct authority *authority, u32 owner, u32 owner_boot,
	       u32 slot, u32 generation);

// From now on neither the row (with `self`) nor what came from it may be used.
void
authority_revoke(struct authority *authority, u32 cap, bool self, u64 at);

// Nor may rights that are not among these.
void
authority_protect(struct authority *authority, u32 cap, u32 rights, u64 at);

// Nor may units behind the first `keep`.
void
authority_shorten(struct authority *authority, u32 cap, u32 keep, u64 at);

// What is left of its rights, and of its units, from `at` on.
u32
authority_rights(const struct authority *authority, u32 cap, u64 at);
u32
authority_units(const struct authority *authority, u32 cap, u64 at);

// Did the row come from the other one, however indirectly?
must_check bool
authority_below(const struct authority *authority, u32 cap, u32 above);

// Is the row good from `at` on, until something else happens?
must_check bool
authority_holds(const struct authority *authority, u32 cap, u64 at);
