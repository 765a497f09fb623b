// SPDX-License-Identifier: BSD-2-Clause
// System calls on frames and mappings. An environment maps only frames that a
// capability in its own list covers (R1 in removal.c), whoever makes the call.
//
// A call flushes once, and only when it replaced or removed a mapping. The usual call is
// page_map for one page, under a table that is there: who protects and unprotects pages
// makes no other. Its check finds the place of the entry, and the call is one store.

#include "kernel/abi/layout.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/arch/x86_64/shootdown.h"
#include "kernel/base/assert.h"
#include "kernel/base/scarce.h"
#include "kernel/base/string.h"
#include "kernel/sys/call.h"

i64
check_frame_alloc(struct call *call)
{
	u64 count = call->a[1];

	if (count == 0 || count > ALLOC_FRAMES_MAX)
		return -E_ARGUMENT;
	if (call->a[0] != FRAME_ANY && call->a[0] >= frames.count)
		return -E_RANGE;
	return check_new_frames(call, call->a[0], count, CHECKED(call, u64));
}

i64
do_frame_alloc(struct call *call)
{
	u64 base = *CHECKED(call, u64);
	u64 count = call->a[1];

	env_take_frames(call->env, base, count, FRAME_OWNED);
	// What the last owner left in them is not the next one's to read.
	memset(frame_memory(base), 0, count * PAGE_SIZE);
	return mint(call, CAP_FRAMES,
		    CAP_READ | CAP_WRITE | CAP_EXECUTE | CAP_DERIVE, base, count);
}

static i64
check_range(u64 va, u64 count)
{
	if (count == 0 || count > MAP_PAGES_MAX || va % PAGE_SIZE)
		return -E_ARGUMENT;
	if (va < USER_BASE || va >= USER_END ||
	    count > (USER_END - va) / PAGE_SIZE)
		return -E_RANGE;
	return 0;
}

static i64
check_op(const struct env *env, const struct map_op *op)
{
	u32 rights = CAP_READ;
	i64 error = check_range(op->va, op->count);

	if (error || !op->prot)
		return error;
	if (op->prot > (PROT_READ | PROT_WRITE | PROT_EXECUTE) ||
	    !(op->prot & PROT_READ) ||
	    ((op->prot & PROT_WRITE) && (op->prot & PROT_EXECUTE)))
		return -E_ARGUMENT;
	rights |= op->prot & PROT_WRITE ? CAP_WRITE : 0;
	rights |= op->prot & PROT_EXECUTE ? CAP_EXECUTE : 0;
	return cap_lookup_range(&caps, env->index, op->slot, CAP_FRAMES, rights, op->frame,
				op->count, NULL);
}

// The page tables that an operation needs, without the lowest one that the operation
// before it ended in. Where operations go back and forth some are counted twice: that
// only errs on the safe side.
static u32
tables_missing(const struct env *env, const struct map_op *op,
	       const struct map_op *before)
{
	u64 counted = (before->va + before->count * PAGE_SIZE - 1) / LARGE_PAGE;
	u64 end = op->va + op->count * PAGE_SIZE;
	u64 first = op->va;

	if (before->prot && first / LARGE_PAGE == counted)
		first = (counted + 1) * LARGE_PAGE;
	if (first >= end)
		return 0;
	return paging_missing(env, first, (end - first) / PAGE_SIZE);
}

static i64
check_tables(const struct env *env, u32 missing)
{
	if (!missing)
		return 0;
	if (SCARCE(missing > env_quota_left(env) ||
		   env->tables + missing > PAGE_TABLES_MAX(env->info->quota.frames)))
		return -E_QUOTA;
	return SCARCE(missing > frames.free) ? -E_FRAMES : 0;
}

struct map_checked {
	struct env *env;
	u64 *leaf;		// of the one page, if its table is there
	u32 count;
	u32 missing;		// page tables to make
	struct map_op op[BATCH_OPS_MAX];
};

static i64
check_ops(struct map_checked *c)
{
	u64 pages = 0;

	if (!c->env->page_root)
		return -E_STATE;
	c->missing = 0;
	for (u32 i = 0; i < c->count; i++) {
		const struct map_op *op = &c->op[i];
		i64 error = check_op(c->env, op);

		if (error)
			return error;
		pages += op->count;
		if (pages > MAP_PAGES_MAX)
			return -E_ARGUMENT;
		if (op->prot && i > 0)
			c->missing += tables_missing(c->env, op, op - 1);
		else if (op->prot)
			c->missing += paging_missing(c->env, op->va, op->count);
	}
	return check_tables(c->env, c->missing);
}

static void
apply_ops(const struct map_checked *c)
{
	bool changed = false;
	u64 pages = 0;

	for (const struct map_op *op = c->op; op < c->op + c->count; op++) {
		changed |= paging_map(c->env, op->va, op->frame, op->count, op->prot);
		pages += op->count;
	}
	if (!changed)
		return;
	if (pages > FLUSH_PAGES_MAX)
		shootdown_here(c->env, 0, FLUSH_ALL);
	for (u32 i = 0; pages <= FLUSH_PAGES_MAX && i < c->count; i++)
		shootdown_here(c->env, c->op[i].va, c->op[i].count);
	shootdown_others(c->env);
}

// What is checked concerns nothing but the caller's address space, with the tables that
// this has: it may run beside the lock.
static bool
is_own(const struct call *call, const struct map_checked *c)
{
	return c->env == call->env && !c->missing;
}

// The one operation of a call, which has been read.
static inline i64
check_one(struct call *call, struct map_checked *c)
{
	const struct map_op *op = c->op;
	i64 error;

	c->env = &envs[call->cap->base];
	c->count = 1;
	c->missing = 0;
	c->leaf = NULL;
	if (!c->env->page_root)
		return -E_STATE;
	error = check_op(c->env, op);
	if (error)
		return error;
	if (op->count == 1)
		c->leaf = paging_leaf(c->env, op->va);
	if (!c->leaf && op->prot)
		c->missing = paging_missing(c->env, op->va, op->count);
	call->own = is_own(call, c);
	return check_tables(c->env, c->missing);
}

hot_ i64
check_page_map(struct call *call)
{
	struct map_checked *c = CHECKED(call, struct map_checked);

	if (call->a[4] > MAP_PAGES_MAX || call->a[5] == 0 || call->a[5] > 7)
		return -E_ARGUMENT;
	c->op[0] = (struct map_op){
		.va = call->a[1],
		.slot = (u32)MIN(call->a[2], (u64)SLOT_NONE),
		.frame = call->a[3],
		.count = (u32)call->a[4],
		.prot = (u32)call->a[5],
	};
	return check_one(call, c);
}

hot_ i64
do_page_map(struct call *call)
{
	const struct map_checked *c = CHECKED(call, struct map_checked);

	if (!c->leaf)
		apply_ops(c);
	else if (paging_set(c->leaf, paging_entry(c->op->frame, c->op->prot)))
		shootdown(c->env, c->op->va, 1);
	return 0;
}

i64
check_page_unmap(struct call *call)
{
	struct map_checked *c = CHECKED(call, struct map_checked);

	if (call->a[2] > MAP_PAGES_MAX)
		return -E_ARGUMENT;
	c->op[0] = (struct map_op){ .va = call->a[1], .count = (u32)call->a[2] };
	return check_one(call, c);
}

i64
do_page_unmap(struct call *call)
{
	return do_page_map(call);
}

i64
check_page_batch(struct call *call)
{
	struct map_checked *c = CHECKED(call, struct map_checked);
	i64 error;

	if (call->a[2] == 0 || call->a[2] > BATCH_OPS_MAX)
		return -E_ARGUMENT;
	c->env = &envs[call->cap->base];
	c->leaf = NULL;
	c->count = (u32)call->a[2];
	error = user_read(call->env, call->a[1], c->op,
			  c->count * sizeof(c->op[0]));
	if (!error)
		error = check_ops(c);
	call->own = is_own(call, c);
	return error;
}

i64
do_page_batch(struct call *call)
{
	apply_ops(CHECKED(call, struct map_checked));
	return 0;
}

i64
check_page_bits(struct call *call)
{
	i64 error = check_range(call->a[1], call->a[2]);

	if (call->a[4] && !(call->cap->rights & CAP_WRITE))
		return -E_RIGHTS;
	if (!envs[call->cap->base].page_root)
		return -E_STATE;
	if (error)
		return error;
	if (call->a[4] & ~(u64)(PAGE_ACCESSED | PAGE_DIRTY))
		return -E_ARGUMENT;
	return user_out(call->env, call->a[3], call->a[2],
			CHECKED(call, struct user_out));
}

i64
do_page_bits(struct call *call)
{
	static u8 bits[MAP_PAGES_MAX];	// under the lock, as all of this call
	struct env *env = &envs[call->cap->base];
	u64 va = call->a[1], count = call->a[2];

	if (paging_bits(env, va, count, (u32)call->a[4], bits))
		shootdown(env, va, count);
	user_write(CHECKED(call, struct user_out), bits, count);
	return 0;
}
