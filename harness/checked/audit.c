// SPDX-License-Identifier: BSD-2-Clause
// Every invariant of the kernel that can be walked, at one moment, under the
// kernel lock:
//
//   the derivation tree and the frame table (their cores' own checks)
//   page tables: no leaf is writable and executable; each leaf of a user half is
//	covered by a capability of that environment's list with these rights; each
//	table is charged to the environment and in no other tree; the kernel's
//	half is the kernel's
//   the kernel's own map: no leaf writable and executable, none open to user mode
//	but the exported tables, and those are read-only
//   conservation: used frames, slices and environments are what the tables say,
//	and the quotas of all add up to what they did at the first audit
//   sleepers: none is due before its processor looks at it

#include "harness/checked/checked.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/kernel_map.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/arch/x86_64/page_table.h"
#include "kernel/arch/x86_64/paging.h"
#include "kernel/base/string.h"
#include "kernel/main/kprintf.h"
#include "kernel/sys/env.h"
#include "kernel/sys/tables.h"

#define TOUCHED 0x60ull		// the processor's bits: accessed, dirty
#define FRAMES_AUDITED (1u << 16)	// 256 MiB

static u8 cover[FRAMES_AUDITED];	// COVER_* of one environment
static u8 seen[FRAMES_AUDITED];		// tables that were met in some tree

#define HOLDS(what, condition, ...) \
	do { \
		if (!(condition)) \
			checked_report("audit: " what, ##__VA_ARGS__); \
	} while (0)

static void
mark_cover(u32 list)
{
	memset(cover, 0, frames.count);
	for (u32 slot = 0; slot < CAP_LIST_SLOTS; slot++) {
		const struct cap *cap = cap_at(&caps, list, slot);

		if (!cap || cap->type != CAP_FRAMES || !(cap->rights & CAP_READ))
			continue;
		for (u64 f = cap->base; f < cap->base + cap->count; f++) {
			HOLDS("a capability for frame 0x%lx, of %lu", f < frames.count,
			      (unsigned long)f, (unsigned long)frames.count);
			cover[f] |= COVER_READ |
				    (cap->rights & CAP_WRITE ? COVER_WRITE : 0) |
				    (cap->rights & CAP_EXECUTE ? COVER_EXECUTE : 0);
		}
	}
}

static void
audit_leaf(const struct env *env, u64 va, u64 entry)
{
	u64 frame = (entry & PTE_ADDRESS) >> PAGE_SHIFT;
	bool writes = entry & PTE_WRITE, runs = !(entry & PTE_NO_EXECUTE);
	u8 needed = (u8)(COVER_READ | (writes ? COVER_WRITE : 0) |
			 (runs ? COVER_EXECUTE : 0));

	HOLDS("environment %u maps 0x%lx writable and executable",
	      !(writes && runs), env->index, (unsigned long)va);
	HOLDS("environment %u maps frame 0x%lx, of %lu", frame < frames.count,
	      env->index, (unsigned long)frame, (unsigned long)frames.count);
	if (va == UAREA_BASE) {
		HOLDS("environment %u has a foreign uarea",
		      frame == env->uarea_frame, env->index);
		return;
	}
	HOLDS("environment %u maps 0x%lx above its own range", va < USER_END,
	      env->index, (unsigned long)va);
	HOLDS("environment %u maps frame 0x%lx at 0x%lx (%u) and holds %u",
	      (cover[frame] & needed) == needed, env->index,
	      (unsigned long)frame, (unsigned long)va, needed, cover[frame]);
	HOLDS("environment %u maps frame 0x%lx in state %u",
	      frames.frame[frame].state == FRAME_OWNED ||
	      frames.frame[frame].state == FRAME_RESERVED, env->index,
	      (unsigned long)frame, frames.frame[frame].state);
}

// Returns how many tables there are in this one's tree.
static u32
audit_table(const struct env *env, u64 frame, u32 level, u64 va)
{
	const u64 *table = frame_memory(frame);
	u32 tables = 1, end = level == 3 ? TABLE_ENTRIES / 2 : TABLE_ENTRIES;

	HOLDS("frame 0x%lx is a table of environment %u, and state %u, owner %u",
	      frames.frame[frame].state == FRAME_TABLE &&
	      frames.frame[frame].owner == env->index, (unsigned long)frame,
	      env->index, frames.frame[frame].state, frames.frame[frame].owner);
	HOLDS("frame 0x%lx is a table twice", !seen[frame], (unsigned long)frame);
	seen[frame] = 1;
	for (u32 i = 0; i < end; i++) {
		u64 entry = table[i];
		u64 at = va | (u64)i << (PAGE_SHIFT + 9 * level);

		if (!(entry & PTE_PRESENT) ||
		    (level == 3 && i == table_index(TABLES_BASE, 3)))
			continue;
		HOLDS("environment %u has an entry 0x%lx at 0x%lx",
		      (entry & PTE_USER) && !(entry & PTE_LARGE), env->index,
		      (unsigned long)entry, (unsigned long)at);
		if (level == 0)
			audit_leaf(env, at, entry);
		else
			tables += audit_table(env, (entry & PTE_ADDRESS) >> PAGE_SHIFT,
					      level - 1, at);
	}
	return tables;
}

static void
audit_space(const struct env *env)
{
	const u64 *root = frame_memory(env->page_root);
	const u64 *kernel = direct(kernel_map_root());
	u32 shared = table_index(TABLES_BASE, 3);
	u32 tables;

	mark_cover(env->index);
	tables = audit_table(env, env->page_root, 3, 0);
	HOLDS("environment %u has %u tables and is charged %u",
	      tables == env->tables, env->index, tables, env->tables);
	HOLDS("environment %u has tables of its own for the exported ones",
	      ((root[shared] ^ kernel[shared]) & ~TOUCHED) == 0, env->index);
	for (u32 i = TABLE_ENTRIES / 2; i < TABLE_ENTRIES; i++)
		HOLDS("environment %u has entry %u of the kernel's half its own way",
		      ((root[i] ^ kernel[i]) & ~TOUCHED) == 0, env->index, i);
}

// The kernel's map, which has large pages and parts that are shared (kasan.c).
static void
audit_kernel(const u64 *table, u32 level, u64 va)
{
	bool exported = va >= TABLES_BASE && va < UAREA_BASE;

	for (u32 i = 0; i < TABLE_ENTRIES; i++) {
		u64 entry = table[i];
		u64 at = va | (u64)i << (PAGE_SHIFT + 9 * level);

		if (level == 3 && i >= TABLE_ENTRIES / 2)
			at |= 0xffffull << 48;
		// The shadow is one page, many times.
		if (!(entry & PTE_PRESENT) || (level == 3 && i >= 472 && i < 504))
			continue;
		if (level && !(entry & PTE_LARGE)) {
			audit_kernel(pte_table(entry), level - 1, at);
			continue;
		}
		HOLDS("the kernel maps 0x%lx writable and executable",
		      !(entry & PTE_WRITE) || (entry & PTE_NO_EXECUTE),
		      (unsigned long)at);
		HOLDS("the kernel maps 0x%lx for programs to write",
		      !(entry & PTE_USER) || (exported && !(entry & PTE_WRITE)),
		      (unsigned long)at);
	}
}

static void
audit_counts(const struct env *env)
{
	const struct env_info *info = env->info;
	u32 owned = 0, slices = 0, children = 0;

	for (u64 f = 0; f < frames.count; f++)
		owned += frames.frame[f].owner == env->index;
	for (u32 cpu = 0; cpu < CPUS_MAX; cpu++) {
		for (u32 i = 0; i < SLICES_PER_CPU; i++)
			slices += slice_table[cpu][i].owner == env->index;
	}
	for (u32 i = 0; i < ENVS_MAX; i++)
		children += i != env->index && env_table[i].state != ENV_FREE &&
			    envs[i].parent == env->index;
	HOLDS("environment %u uses %u frames and owns %u",
	      info->used.frames == owned, env->index, info->used.frames, owned);
	HOLDS("environment %u uses %u slices and owns %u",
	      info->used.slices == slices, env->index, info->used.slices, slices);
	HOLDS("environment %u has %u children and is charged %u",
	      info->used.envs == children, env->index, children, info->used.envs);
}

// W2 of waiting.
static void
audit_due(const struct env *env)
{
	u64 due = MIN(MIN(env->wait_deadline_ns, env->timer_deadline_ns),
		      env->call_deadline_ns);

	HOLDS("environment %u is due before processor %u looks",
	      due >= cpus[env->cpu].due_ns, env->index, env->cpu);
}

static void
audit_quotas(void)
{
	static struct quota before;
	struct quota sum = { 0 };

	for (u32 i = 0; i < ENVS_MAX; i++) {
		const struct env_info *info = &env_table[i];

		if (info->state == ENV_FREE)
			continue;
		HOLDS("environment %u holds more than its quota",
		      info->used.frames <= info->quota.frames &&
		      info->used.slices <= info->quota.slices &&
		      info->used.envs <= info->quota.envs &&
		      info->used.rings <= info->quota.rings, i);
		sum.frames += info->quota.frames;
		sum.slices += info->quota.slices;
		sum.rings += info->quota.rings;
		// One of the parent's for the child, the rest for its children.
		sum.envs += info->quota.envs;
	}
	if (!before.frames)
		before = sum;
	HOLDS("quotas add up to %u frames, %u slices, %u rings, %u environments",
	      !memcmp(&sum, &before, sizeof(sum)), sum.frames, sum.slices,
	      sum.rings, sum.envs);
}

void
audit(void)
{
	HOLDS("more frames than this looks at: %lu",
	      frames.count <= FRAMES_AUDITED, (unsigned long)frames.count);
	cap_check(&caps);
	own_check(&frames);
	memset(seen, 0, sizeof(seen));
	for (u32 i = 0; i < ENVS_MAX; i++) {
		if (envs[i].page_root)
			audit_space(&envs[i]);
		if (env_table[i].state != ENV_FREE)
			audit_counts(&envs[i]);
		if (env_started >> i & 1)
			audit_due(&envs[i]);
	}
	audit_quotas();
	audit_kernel(direct(kernel_map_root()), 3, 0);
}
