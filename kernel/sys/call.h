// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// System calls in two steps (as seL4 decodes and invokes). check_NAME()
// validates everything, copies arguments in once, resolves every output
// address, and changes nothing; do_NAME() changes state and cannot fail. What
// the first learns it leaves for the second in call->checked.
//
// Calls run under the kernel lock, one at a time, or while nobody holds it
// (dispatch_beside()), so that nothing changes between the steps. The kernel never
// dereferences a user address: it walks the environment's page table and goes
// through the direct map, so SMAP stays on.

#include "kernel/abi/errors.h"
#include "kernel/abi/fabric.h"
#include "kernel/abi/syscalls.h"
#include "kernel/sys/env.h"

struct call {
	struct env *env;	// the caller
	const struct cap *cap;	// that a[0] names: for calls in authority.def
	u64 a[6];
	bool own;		// the check found that it may run beside the lock
	u8 checked[4096] aligned_(16);
};

// The space between the steps, as the caller's type.
#define CHECKED(call, type) \
	({ STATIC_ASSERT(sizeof(type) <= sizeof((call)->checked)); \
	   (type *)(void *)(call)->checked; })

// One pair a system call; the table in dispatch.c is made from syscalls.def.
#define X(number, name, arguments, sentence) \
	must_check i64 check_##name(struct call *call); \
	i64 do_##name(struct call *call);
#include "kernel/abi/syscalls.def"
#undef X

// The check of a call that cannot be refused.
#define NEVER_REFUSED(name) \
	i64 check_##name(struct call *call) \
	{ \
		(void)call; \
		return 0; \
	}

// Sets `i` to the first index below `count` of which a condition holds; to `count`: there is
// none.
#define FIND_FIRST(i, count, condition) \
	do { \
		(i) = 0; \
		while ((i) < (count) && !(condition)) \
			(i)++; \
	} while (0)

// One load of a word that a program may change at any time.
static inline u32
shared_load(const u32 *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

// One store that a program sees after everything before it.
static inline void
shared_store(u32 *word, u32 v)
{
	__atomic_store_n(word, v, __ATOMIC_RELEASE);
}

// Copies from an environment's memory. Returns 0 or -E_ADDRESS.
must_check i64
user_read(const struct env *env, u64 va, void *target, u64 len);

// Output resolved beforehand: at most USER_OUT_MAX bytes, so at most three pages.
#define USER_OUT_MAX 8192u
struct user_out {
	u8 *page[3];		// direct-map address of the first byte in each page
	u64 len;
	u32 lead;		// bytes that fit in the first page
};

// Resolves a writable range. Returns 0, -E_ADDRESS, or -E_ARGUMENT when longer
// than USER_OUT_MAX.
must_check i64
user_out(const struct env *env, u64 va, u64 len, struct user_out *out);

// Writes `len` bytes (at most out->len) at the start of the resolved range.
void
user_write(const struct user_out *out, const void *source, u64 len);

// Looks up the capability that an argument names in the caller's list; every
// number is allowed. *cap is set on success. Returns 0, -E_SLOT, -E_TYPE or
// -E_RIGHTS.
must_check static inline i64
check_cap(const struct call *call, u64 slot, enum cap_type type, u32 rights,
	  const struct cap **cap)
{
	return cap_lookup(&caps, call->env->index, slot, type, rights, cap);
}

// The capability that an argument names, whatever it is, unless it was withdrawn: NULL.
const struct cap *
live_cap(const struct call *call, u64 slot);

// Looks up a capability for frames in an environment's list and checks that it
// covers the run. *node, unless NULL, is set to its node on success. Returns 0 or a
// lookup error or -E_RANGE.
must_check i64
check_frames(const struct env *env, u64 slot, u32 rights, u64 frame, u64 count,
	     u32 *node);

// Mints a root capability in the caller's list, where the check found room for it;
// returns its slot.
i64
mint(const struct call *call, enum cap_type type, u32 rights, u64 base, u64 count);

// Frames out of the caller's quota, at a number or FRAME_ANY, and a slot for a capability:
// are there any? Sets the first. 0, -E_QUOTA, -E_FRAMES, or of cap_room().
must_check i64
check_new_frames(const struct call *call, u64 base, u64 count, u64 *frame);

// A ring, queue or endpoint: is there quota for it and room for its capability? Takes
// the quota and mints that; gives the quota back. 0, -E_QUOTA, or of cap_room().
must_check i64
check_ring_room(const struct call *call);
i64
mint_ring(const struct call *call, enum cap_type type, u32 rights, u32 index);
void
quota_return_ring(struct env *env);
