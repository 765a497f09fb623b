// SPDX-License-Identifier: BSD-2-Clause
// exec in an environment that loads itself. The new image is prepared beside the old
// one, in frames of its own; what is left to do then fits on a few pages (struct
// leave) and runs from there (exec.S): put the new uarea in place, map the new image
// over the old, drop the old program's capabilities, jump.
//
// Until exec_leave() nothing of the old program has changed: every error returns to it.

#include "libos/process/exec.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/crt/spawn.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"
#include "libos/image/cpio.h"
#include "libos/image/elf.h"
#include "libos/mem/layout.h"
#include "libos/process/descriptor.h"
#include "libos/process/memory.h"
#include "libos/process/process.h"

#define CODE_VA REGION_BASE		// one page; then those of struct leave
#define LEAVE_VA (CODE_VA + PAGE_SIZE)

struct leave {
	// Offsets that exec.S knows.
	u64 entry;
	u32 op_count;
	u32 drop_count;
	const struct uarea *uarea_at;
	const struct map_op *op_at;
	const u16 *drop_at;
	u64 uarea_words;

	struct map_op op[ELF_SEGMENTS_MAX];
	u16 drop[CAP_LIST_SLOTS];
	u64 keep[CAP_LIST_SLOTS / 64];	// slots of the new program
	struct uarea uarea aligned_(8);
};

#define LEAVE_PAGES ((sizeof(struct leave) + PAGE_SIZE - 1) / PAGE_SIZE)

STATIC_ASSERT(offsetof(struct leave, op_count) == 8);
STATIC_ASSERT(offsetof(struct leave, uarea_at) == 16);
STATIC_ASSERT(offsetof(struct leave, op_at) == 24);
STATIC_ASSERT(offsetof(struct leave, drop_at) == 32);
STATIC_ASSERT(offsetof(struct leave, uarea_words) == 40);
STATIC_ASSERT(sizeof(struct uarea) % sizeof(u64) == 0);
STATIC_ASSERT(SYS_env_exit == 3 && SYS_cap_drop == 6 && SYS_page_batch == 11);
STATIC_ASSERT(E_AGAIN == 15 && EXEC_STATUS_LOST == 126);

extern const u8 exec_leave[], exec_leave_end[];

struct execing {
	const struct archive *archive;
	u32 archive_slot;		// in the own list: a fork has another
	struct elf_image image;
	struct frame_run run;		// the new program's, then code and leave
	u64 next;
	struct leave *leave;		// in the direct window
	u16 made[ELF_SEGMENTS_MAX + 1];	// capabilities to drop after an error
	u32 made_count;
};

static void
keep(struct execing *e, u32 slot)
{
	e->leave->keep[slot / 64] |= 1ull << (slot % 64);
}

static i64
take_memory(struct execing *e)
{
	u64 pages = 1 + LEAVE_PAGES;
	i64 slot, error;

	for (u32 i = 0; i < e->image.segment_count; i++) {
		const struct elf_segment *s = &e->image.segment[i];

		pages += spawn_is_shareable(e->archive, s) ? 0 : s->pages;
	}
	if (pages > ALLOC_FRAMES_MAX)
		return -E_FRAMES;
	slot = sys_frame_alloc(FRAME_ANY, (u32)pages);
	if (slot < 0)
		return slot;
	e->made[e->made_count++] = (u16)slot;
	error = run_of_slot((u32)slot, &e->run);
	if (!error)
		error = map_direct(&e->run, PROT_READ | PROT_WRITE);
	if (error)
		return error;
	e->next = e->run.frame + 1 + LEAVE_PAGES;
	e->leave = direct_address(e->run.frame + 1);
	keep(e, (u32)slot);
	keep(e, CAP_SLOT_SELF);
	return 0;
}

// Where one segment's frames come from, and the capability that start-up will tell of.
static i64
add_segment(struct execing *e, const struct elf_segment *s)
{
	bool shared = spawn_is_shareable(e->archive, s);
	u64 frame = shared ? e->archive->run.frame +
			     (u64)(s->data - e->archive->data) / PAGE_SIZE : e->next;
	u32 rights = CAP_READ | CAP_DERIVE | (s->execute ? CAP_EXECUTE : 0) |
		     (s->write ? CAP_WRITE : 0);
	struct uarea *u = &e->leave->uarea;
	i64 slot = sys_cap_derive(shared ? e->archive_slot : e->run.slot,
				  CAP_SLOT_SELF, rights, frame, s->pages);

	if (slot < 0)
		return slot;
	e->made[e->made_count++] = (u16)slot;
	keep(e, (u32)slot);
	if (u->cap_count == STARTUP_CAPS_MAX)
		return -E_TABLE;
	u->cap[u->cap_count++] = (struct startup_cap){
		.role = ROLE_IMAGE,
		.slot = (u16)slot,
		.base = frame,
		.argument = s->va,
	};
	e->leave->op[e->leave->op_count++] = (struct map_op){
		.va = s->va,
		.frame = frame,
		.slot = (u32)slot,
		.count = (u32)s->pages,
		.prot = PROT_READ | (s->write ? PROT_WRITE : 0) |
			(s->execute ? PROT_EXECUTE : 0),
	};
	if (!shared) {
		memcpy((u8 *)direct_address(frame) + s->lead, s->data, s->data_len);
		e->next += s->pages;
	}
	return 0;
}

static i64
write_arguments(struct uarea *u, int argc, char *const *argv)
{
	size_t at = 0;

	for (int i = 0; i < argc; i++) {
		size_t size = strlen(argv[i]) + 1;

		if (size > sizeof(u->arguments) - at)
			return -E_ARGUMENT;
		memcpy(u->arguments + at, argv[i], size);
		at += size;
	}
	u->magic = UAREA_MAGIC;
	u->argument_count = (u32)argc;
	return 0;
}

// What the process was given goes on to the new program; pipes as they are now.
static i64
pass_on(struct execing *e)
{
	const struct uarea *old = uarea();
	struct uarea *u = &e->leave->uarea;
	struct startup_cap pipes[STARTUP_CAPS_MAX];
	u32 pipe_count = descriptors_for_exec(pipes);

	for (u32 i = 0; i < MIN(old->cap_count, STARTUP_CAPS_MAX) + pipe_count; i++) {
		const struct startup_cap *c = i < pipe_count ?
			&pipes[i] : &old->cap[i - pipe_count];

		if (c->role == ROLE_IMAGE || (c->role == ROLE_PIPE && i >= pipe_count))
			continue;
		if (u->cap_count == STARTUP_CAPS_MAX)
			return -E_TABLE;
		u->cap[u->cap_count++] = *c;
		keep(e, c->slot);
	}
	return 0;
}

static i64
list_drops(struct execing *e)
{
	struct leave *l = e->leave;

	for (u32 slot = 0; slot < CAP_LIST_SLOTS; slot++) {
		struct cap_info c;
		i64 error = sys_cap_inspect(CAP_SLOT_SELF, slot, &c);

		if (error)
			return error;
		if (c.type != CAP_NONE && !(l->keep[slot / 64] >> (slot % 64) & 1))
			l->drop[l->drop_count++] = (u16)slot;
	}
	return 0;
}

// The pages that the last steps run on, where neither image is.
static i64
map_leave(struct execing *e)
{
	struct leave *l = e->leave;
	const struct leave *there = (const struct leave *)LEAVE_VA;
	i64 error;

	l->entry = e->image.entry;
	l->uarea_at = &there->uarea;
	l->op_at = there->op;
	l->drop_at = there->drop;
	l->uarea_words = sizeof(struct uarea) / sizeof(u64);
	memcpy(direct_address(e->run.frame), exec_leave,
	       (u64)(exec_leave_end - exec_leave));
	error = sys_page_map(CAP_SLOT_SELF, CODE_VA, e->run.slot, e->run.frame, 1,
			     PROT_READ | PROT_EXECUTE);
	if (error)
		return error;
	return sys_page_map(CAP_SLOT_SELF, LEAVE_VA, e->run.slot, e->run.frame + 1,
			    LEAVE_PAGES, PROT_READ);
}

static i64
prepare(struct execing *e, int argc, char *const *argv)
{
	i64 error = take_memory(e);

	for (u32 i = 0; i < e->image.segment_count && !error; i++)
		error = add_segment(e, &e->image.segment[i]);
	if (!error)
		error = write_arguments(&e->leave->uarea, argc, argv);
	if (!error)
		error = pass_on(e);
	if (!error)
		error = list_drops(e);
	return error ? error : map_leave(e);
}

// The archive may have been opened before a fork, under a slot of the parent's.
static u32
slot_of(const struct archive *archive)
{
	const struct uarea *u = uarea();

	for (u32 i = 0; archive && i < MIN(u->cap_count, STARTUP_CAPS_MAX); i++) {
		if (u->cap[i].role != ROLE_IMAGE &&
		    u->cap[i].base == archive->run.frame)
			return u->cap[i].slot;
	}
	return SLOT_NONE;
}

i64
process_exec_image(const struct archive *archive, const u8 *image, u64 len, int argc,
		   char *const *argv)
{
	struct execing e = { .archive = archive, .archive_slot = slot_of(archive) };
	i64 error;

	if (!memory.ready || process_children())
		return -E_STATE;
	if (argc < 1 || !elf_read(image, len, USER_BASE, IMAGE_END, &e.image))
		return -E_ARGUMENT;
	error = prepare(&e, argc, argv);
	if (!error)
		((void (*)(u64))CODE_VA)(LEAVE_VA);
	while (e.made_count)
		cap_drop_all(e.made[--e.made_count]);
	return error;
}

i64
process_exec(const struct archive *archive, int argc, char *const *argv)
{
	struct cpio_entry entry;

	if (argc < 1 || argv[0][0] == '.' ||
	    !cpio_find(archive->data, archive->len_bytes, argv[0], &entry))
		return -E_ABSENT;
	return process_exec_image(archive, entry.data, entry.data_len, argc, argv);
}
