// SPDX-License-Identifier: BSD-2-Clause
// Copy-on-write fork, from outside of the child: its environment is made, and its
// address space filled in a few calls of page_batch.
//
//   block   frame 0: its uarea; then copies of the pages that the plan does not share:
//           the fault handler's own, the top of the stack, and short runs. Those were
//           copied before, by a fault: what was written lately will be again.
//   runs    derived with READ and DERIVE, mapped read-only there, and read-only here
//   fixed   text and constants, as they are
//
// The child finds its table (memory.c) with its own slots in it: it is edited in the
// block, before the child starts.

#include "libos/process/fork.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"
#include "libos/mem/layout.h"
#include "libos/process/memory.h"

#define OPS_MAX 32u

extern const u8 fork_resume[];

struct batch {
	u32 env;
	u32 count;
	u32 pages;
	i64 error;
	struct map_op op[OPS_MAX];
};

struct copying {
	u64 rsp;
	struct plan plan;
	struct forked *to;
	void (*on_fork)(u32 index, u32 id);
	struct uarea *uarea;		// the child's, in the direct window
	struct memory *memory;		// the child's, likewise
	u32 block_slot;			// of the copies, in the child's list
	u32 copied;
	u32 given;
	struct batch theirs;
	struct batch ours;
};

static void
batch_flush(struct batch *b)
{
	if (b->count && !b->error)
		b->error = sys_page_batch(b->env, b->op, b->count);
	b->count = b->pages = 0;
}

static void
batch_add(struct batch *b, u64 va, u32 slot, u64 frame, u32 count, u32 prot)
{
	while (count) {
		u32 part;

		if (b->count == OPS_MAX || b->pages == MAP_PAGES_MAX)
			batch_flush(b);
		part = MIN(count, MAP_PAGES_MAX - b->pages);
		b->op[b->count++] = (struct map_op){
			.va = va,
			.frame = frame,
			.slot = slot,
			.count = part,
			.prot = prot,
		};
		b->pages += part;
		va += part * PAGE_SIZE;
		frame += part;
		count -= part;
	}
}

// What parent and child write at once, the page of the stack pointer and the one
// below, is copied.
static void
copy_stack(struct pages *pages, u64 rsp, bool copy)
{
	pages_copy_always(pages, rsp - PAGE_SIZE, PAGE_SIZE + 1, copy);
}

// The block: the one given, or a new one. What it is for is written into it later.
static i64
take_block(struct copying *c, struct frame_run *spare)
{
	u32 count = 1 + c->plan.copies;
	i64 slot, error;

	if (spare->count >= count) {
		c->to->block = *spare;
		*spare = (struct frame_run){ 0 };
		return 0;
	}
	if (count > ALLOC_FRAMES_MAX)
		return -E_FRAMES;
	slot = sys_frame_alloc(FRAME_ANY, count);
	if (slot < 0)
		return slot;
	error = run_of_slot((u32)slot, &c->to->block);
	if (!error)
		error = map_direct(&c->to->block, PROT_READ | PROT_WRITE);
	if (error) {
		cap_drop_all((u32)slot);
		c->to->block = (struct frame_run){ 0 };
	}
	return error;
}

static i64
make_environment(struct copying *c, const struct quota *quota)
{
	struct child *child = &c->to->child;
	struct env_spec spec = {
		.uarea_slot = c->to->block.slot,
		.uarea_frame = c->to->block.frame,
		.quota = *quota,
	};
	struct cap_info info;
	i64 env, error;

	string_copy(spec.name, sizeof(spec.name), program_name());
	env = sys_env_create(&spec);
	if (env < 0)
		return env;
	child->env = c->theirs.env = (u32)env;
	error = sys_cap_inspect(CAP_SLOT_SELF, (u32)env, &info);
	child->index = (u32)info.base;
	child->id = env_table()[child->index].id;
	return error;
}

// Hands the pages that the plan does not share, in order, to `each` by stretches that
// follow one another.
static void
for_copies(struct copying *c, void (*each)(struct copying *c, u32 first, u32 end))
{
	u32 i = 0, end;

	for (u32 next = 0; next <= c->plan.run_count; next++) {
		bool last = next == c->plan.run_count;
		u32 until = last ? memory.pages.page_count
				 : c->plan.run[next].first;

		for (; i < until; i = end) {
			end = pages_run_end(&memory.pages, i, until);
			if (memory.pages.page[i].kind != PAGE_NONE)
				each(c, i, end);
		}
		i += last ? 0 : c->plan.run[next].count;
	}
}

// Copies pages, as the next of the block. The child's table is among them, on
// consecutive ones.
static void
copy_pages(struct copying *c, u32 first, u32 end)
{
	for (u32 i = first; i < end; i++) {
		u64 va = pages_address(&memory.pages, i);
		void *to = direct_address(c->to->block.frame + 1 + c->copied++);

		memcpy(to, (const void *)va, PAGE_SIZE);
		if (va == (u64)&memory)
			c->memory = to;
	}
}

// Gives the child the copies: its own frames, writable.
static void
give_pages(struct copying *c, u32 first, u32 end)
{
	u64 frame = c->to->block.frame + 1 + c->given;

	batch_add(&c->theirs, pages_address(&memory.pages, first), c->block_slot,
		  frame, end - first, PROT_READ | PROT_WRITE);
	for (u32 i = first; i < end; i++) {
		union page *p = &c->memory->pages.page[i];

		p->frame = (u32)frame++;
		p->slot = (u16)c->block_slot;
		p->kind = PAGE_OWN;
	}
	c->given += end - first;
}

static i64
give_copies(struct copying *c)
{
	const struct frame_run *block = &c->to->block;
	i64 slot = sys_cap_derive(block->slot, c->to->child.env,
				  CAP_READ | CAP_WRITE | CAP_DERIVE,
				  block->frame + 1, c->copied);

	if (slot < 0)
		return slot;
	c->block_slot = (u32)slot;
	for_copies(c, give_pages);
	ASSERT(c->given == c->copied);
	return 0;
}

// Shares one run: read-only on both sides. It counts as lent before it is mapped so:
// a fault in between must find the truth.
static i64
share_run(struct copying *c, const struct run *run)
{
	union page *ours = &memory.pages.page[run->first];
	union page *theirs = &c->memory->pages.page[run->first];
	u64 va = pages_address(&memory.pages, run->first);
	bool writable = ours->kind == PAGE_OWN || memory.unprotected;
	union page page = *ours;
	i64 slot = sys_cap_derive(ours->slot, c->to->child.env,
				  CAP_READ | CAP_DERIVE, ours->frame,
				  run->count);

	if (slot < 0)
		return slot;
	if (ours->kind == PAGE_OWN) {
		for (u32 i = 0; i < run->count; i++)
			ours[i].kind = PAGE_LENT;
	}
	page.slot = (u16)slot;
	page.kind = PAGE_FOREIGN;
	for (u32 i = 0; i < run->count; i++, page.word++)
		theirs[i] = page;
	batch_add(&c->theirs, va, (u32)slot, ours->frame, run->count, PROT_READ);
	if (writable)
		batch_add(&c->ours, va, ours->slot, ours->frame, run->count,
			  PROT_READ);
	return 0;
}

static i64
share_fixed(struct copying *c)
{
	for (u32 i = 0; i < memory.fixed_count; i++) {
		const struct fixed *f = &memory.fixed[i];
		u32 execute = f->rights & CAP_EXECUTE;
		i64 slot = sys_cap_derive(f->run.slot, c->to->child.env, f->rights,
					  f->run.frame, f->run.count);

		if (slot < 0)
			return slot;
		c->memory->fixed[i].run.slot = (u32)slot;
		batch_add(&c->theirs, f->va, (u32)slot, f->run.frame,
			  (u32)f->run.count,
			  PROT_READ | (execute ? PROT_EXECUTE : 0));
	}
	return 0;
}

// The child's uarea: the parent's, with the start-up capabilities that may be passed
// on, under the slots that they have there.
static i64
write_uarea(struct copying *c)
{
	struct uarea *u = c->uarea;
	u32 count = MIN(uarea()->cap_count, STARTUP_CAPS_MAX);

	memcpy(u, uarea(), PAGE_SIZE);
	u->upcall_held = u->upcall_pending = u->cap_count = 0;
	for (u32 i = 0; i < count; i++) {
		struct startup_cap cap = uarea()->cap[i];
		struct cap_info info;
		i64 slot;

		if (cap.role == ROLE_IMAGE ||
		    sys_cap_inspect(CAP_SLOT_SELF, cap.slot, &info) ||
		    !(info.rights & CAP_DERIVE))
			continue;
		slot = sys_cap_derive(cap.slot, c->to->child.env, info.rights,
				      info.base, info.count);
		if (slot < 0)
			return slot;
		cap.slot = (u16)slot;
		u->cap[u->cap_count++] = cap;
	}
	return 0;
}

// What the child has not: children, frames that nobody uses yet or left behind.
static void
edit_memory(const struct copying *c)
{
	copy_stack(&c->memory->pages, c->rsp, false);
	c->memory->stock = (struct frame_run){ 0 };
	c->memory->stock_size = 0;
	c->memory->pages.left_count = 0;
	c->memory->copies = 0;
}

static i64
fill(struct copying *c)
{
	i64 error = share_fixed(c);

	for (u32 i = 0; i < c->plan.run_count && !error; i++)
		error = share_run(c, &c->plan.run[i]);
	if (!error)
		error = give_copies(c);
	if (!error)
		error = write_uarea(c);
	batch_flush(&c->theirs);
	batch_flush(&c->ours);
	if (!error)
		error = c->theirs.error;
	return error ? error : c->ours.error;
}

static i64
bind_slice(struct child *child, u32 cpu)
{
	i64 slot = sys_slice_alloc(cpu, SLICE_ANY);

	if (slot < 0)
		return slot;
	child->slices[child->slice_count++] = (u16)slot;
	return sys_slice_bind((u32)slot, child->env);
}

static i64
copy_process(struct copying *c, const struct quota *quota, u32 cpu,
	     struct frame_run *spare)
{
	i64 error = take_block(c, spare);

	if (!error)
		error = make_environment(c, quota);
	if (error)
		return error;
	c->uarea = direct_address(c->to->block.frame);
	for_copies(c, copy_pages);
	ASSERT(c->copied == c->plan.copies && c->memory);
	edit_memory(c);
	error = fill(c);
	// Until all is mapped read-only that counts as lent, no child may run.
	memory.unprotected = error;
	if (!error)
		error = bind_slice(&c->to->child, cpu);
	if (!error && c->on_fork)
		c->on_fork(c->to->child.index, c->to->child.id);
	if (!error)
		error = sys_env_start(c->to->child.env, (u64)fork_resume, c->rsp,
				      0);
	return error;
}

i64
fork_copy(u64 rsp, const struct quota *quota, u32 cpu, struct frame_run *spare,
	  struct forked *forked, void (*on_fork)(u32 index, u32 id))
{
	struct copying c = {
		.to = forked,
		.on_fork = on_fork,
		.rsp = rsp,
		.ours.env = CAP_SLOT_SELF,
	};
	i64 error;

	forked->child = (struct child){ .env = SLOT_NONE, .memory = SLOT_NONE };
	forked->block = (struct frame_run){ 0 };
	copy_stack(&memory.pages, rsp, true);
	pages_plan(&memory.pages, &c.plan);
	error = copy_process(&c, quota, cpu, spare);
	copy_stack(&memory.pages, rsp, false);
	return error ? error : forked->child.id;
}
