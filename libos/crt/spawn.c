// SPDX-License-Identifier: BSD-2-Clause
// The program loader.
//
// A child's memory is one run of frames under one capability of the parent:
//
//   frame 0       uarea
//   frames 1..    segments that are copied, in order
//
// Segments that can be shared (read-only, whole pages of the archive) take no
// memory. The child gets capabilities derived from the run, so that dropping
// the run's own takes every mapping of it away at once, wherever the child is.
//
// Invariant S1: whatever step fails, child_reap() on what *child says so far
// leaves nothing behind.

#include "libos/crt/spawn.h"
#include "kernel/abi/layout.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"
#include "libos/image/elf.h"
#include "libos/mem/layout.h"

struct loading {
	const struct spawn_spec *spec;
	struct child *child;
	struct elf_image image;
	struct frame_run run;
	struct uarea *uarea;	// in the direct window
	u64 next;		// first frame of the run not handed out yet
	u32 op_count;
	struct map_op op[ELF_SEGMENTS_MAX];
};

bool
spawn_is_shareable(const struct archive *a, const struct elf_segment *s)
{
	u64 at;

	if (!a || s->write || s->lead || s->data_len != s->pages * PAGE_SIZE ||
	    s->data < a->data || s->data >= a->data + a->len_bytes)
		return false;
	at = (u64)(s->data - a->data);
	return at % PAGE_SIZE == 0;
}

static u64
pages_copied(const struct loading *l)
{
	u64 pages = 0;

	for (u32 i = 0; i < l->image.segment_count; i++) {
		const struct elf_segment *s = &l->image.segment[i];

		pages += spawn_is_shareable(l->spec->archive, s) ? 0 : s->pages;
	}
	return pages;
}

static i64
take_memory(struct loading *l)
{
	u64 pages = 1 + pages_copied(l);
	i64 slot;
	i64 error;

	if (pages > MAP_PAGES_MAX)
		return -E_FRAMES;
	slot = sys_frame_alloc(FRAME_ANY, (u32)pages);
	if (slot < 0)
		return slot;
	l->child->memory = (u32)slot;
	error = run_of_slot((u32)slot, &l->run);
	if (error)
		return error;
	l->uarea = direct_address(l->run.frame);
	l->next = l->run.frame + 1;
	return map_direct(&l->run, PROT_READ | PROT_WRITE);
}

static i64
make_environment(struct loading *l)
{
	struct env_spec spec = {
		.uarea_slot = l->run.slot,
		.uarea_frame = l->run.frame,
		.quota = l->spec->quota,
	};
	struct cap_info info;
	i64 slot, error;

	string_copy(spec.name, sizeof(spec.name), l->spec->name);
	slot = sys_env_create(&spec);
	if (slot < 0)
		return slot;
	l->child->env = (u32)slot;
	error = sys_cap_inspect(CAP_SLOT_SELF, (u32)slot, &info);
	if (error)
		return error;
	l->child->index = (u32)info.base;
	l->child->id = env_table()[info.base].id;
	ASSERT(l->child->id != 0);
	return 0;
}

// Derives a capability for the child and enters it in its uarea.
static i64
grant(struct loading *l, const struct spawn_grant *g)
{
	struct uarea *u = l->uarea;
	i64 slot;

	if (u->cap_count == STARTUP_CAPS_MAX)
		return -E_ARGUMENT;
	slot = sys_cap_derive(g->slot, l->child->env, g->rights, g->base,
			      g->count);
	if (slot < 0)
		return slot;
	u->cap[u->cap_count++] = (struct startup_cap){
		.role = (u16)g->role,
		.slot = (u16)slot,
		.base = g->base,
		.argument = g->argument,
	};
	return slot;
}

// The frames of one segment: a part of the archive, or of the run, filled.
static struct spawn_grant
segment_frames(struct loading *l, const struct elf_segment *s)
{
	const struct archive *a = l->spec->archive;
	struct spawn_grant g = {
		.role = ROLE_IMAGE,
		.slot = l->run.slot,
		.rights = CAP_READ | CAP_DERIVE |
			  (s->execute ? CAP_EXECUTE : 0) |
			  (s->write ? CAP_WRITE : 0),
		.base = l->next,
		.count = s->pages,
		.argument = s->va,
	};

	if (spawn_is_shareable(l->spec->archive, s)) {
		g.slot = a->run.slot;
		g.base = a->run.frame + (u64)(s->data - a->data) / PAGE_SIZE;
		return g;
	}
	// Fresh frames are zero: what the file does not fill stays so.
	memcpy((u8 *)direct_address(l->next) + s->lead, s->data, s->data_len);
	l->next += s->pages;
	return g;
}

static i64
load_segments(struct loading *l)
{
	for (u32 i = 0; i < l->image.segment_count; i++) {
		const struct elf_segment *s = &l->image.segment[i];
		struct spawn_grant g = segment_frames(l, s);
		i64 slot = grant(l, &g);

		if (slot < 0)
			return slot;
		l->op[l->op_count++] = (struct map_op){
			.va = s->va,
			.frame = g.base,
			.slot = (u32)slot,
			.count = (u32)s->pages,
			.prot = PROT_READ | (s->write ? PROT_WRITE : 0) |
				(s->execute ? PROT_EXECUTE : 0),
		};
	}
	ASSERT(l->next == l->run.frame + l->run.count);
	return sys_page_batch(l->child->env, l->op, l->op_count);
}

static i64
write_arguments(struct loading *l)
{
	struct uarea *u = l->uarea;
	size_t at = 0;

	for (int i = 0; i < l->spec->argc; i++) {
		size_t size = strlen(l->spec->argv[i]) + 1;

		if (size > sizeof(u->arguments) - at)
			return -E_ARGUMENT;
		memcpy(u->arguments + at, l->spec->argv[i], size);
		at += size;
	}
	u->magic = UAREA_MAGIC;
	u->argument_count = (u32)l->spec->argc;
	return 0;
}

static i64
grant_all(struct loading *l)
{
	for (u32 i = 0; i < l->spec->grant_count; i++) {
		i64 slot = grant(l, &l->spec->grants[i]);

		if (slot < 0)
			return slot;
	}
	return 0;
}

static i64
bind_slices(struct loading *l)
{
	struct child *child = l->child;

	for (u32 i = 0; i < l->spec->slices; i++) {
		i64 slot = sys_slice_alloc(l->spec->cpu, SLICE_ANY);
		i64 error;

		if (slot < 0)
			return slot;
		child->slices[child->slice_count++] = (u16)slot;
		error = sys_slice_bind((u32)slot, child->env);
		if (error)
			return error;
	}
	return 0;
}

static i64
load(struct loading *l)
{
	i64 error = take_memory(l);

	if (!error)
		error = make_environment(l);
	if (!error)
		error = load_segments(l);
	if (!error)
		error = write_arguments(l);
	if (!error)
		error = grant_all(l);
	if (!error)
		error = bind_slices(l);
	if (error)
		return error;
	// From here on the memory is the child's: the parent keeps no window.
	unmap_run(CAP_SLOT_SELF, (u64)direct_address(l->run.frame),
		  l->run.count);
	return sys_env_start(l->child->env, l->image.entry, 0, UAREA_BASE);
}

i64
spawn(const struct spawn_spec *spec, struct child *child)
{
	struct loading l = { .spec = spec, .child = child };
	i64 error;

	ASSERT(spec->slices > 0 && spec->slices <= SPAWN_SLICES_MAX);
	*child = (struct child){ .env = SLOT_NONE, .memory = SLOT_NONE };
	if (!elf_read(spec->image, spec->image_len, USER_BASE, IMAGE_END,
		      &l.image))
		return -E_ARGUMENT;
	error = load(&l);
	if (error)
		child_reap(child, NULL);
	return error;
}

i64
grant_of_role(enum startup_role role, u32 rights, struct spawn_grant *g)
{
	const struct startup_cap *cap = startup_find(role, 0);
	struct cap_info info;
	i64 error;

	if (!cap)
		return -E_ABSENT;
	error = sys_cap_inspect(CAP_SLOT_SELF, cap->slot, &info);
	if (error)
		return error;
	*g = (struct spawn_grant){
		.role = role,
		.slot = cap->slot,
		.rights = rights & info.rights,
		.base = info.base,
		.count = info.count,
		.argument = cap->argument,
	};
	return 0;
}
