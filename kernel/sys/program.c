// SPDX-License-Identifier: BSD-2-Clause
// Programs that environments have loaded: memory, verification in pieces, machine
// code, the end.
//
// A program lies in one run of frames, charged to who loaded it: its instructions,
// then the verifier's workspace. When the verdict is there the workspace, which is large
// enough for that, turns into the machine code and what is left of it is given back.
//
// Machine code is written through the direct map, where nothing is executable, and
// then appears in a window of the kernel's address space, where nothing is writable
// (K1 in kernel_map.c). A place in the window may hold another program later; a
// processor that may still know the old one forgets it before it runs the next
// (`code_seen`), so no processor is interrupted for it.
//
// Invariants:
//   B1  `used.frames` of the owner counts `frame_count` frames, FRAME_TABLE all
//   B2  the window shows exactly the machine code of accepted programs

#include "kernel/sys/program.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/kernel_map.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/scarce.h"
#include "kernel/sys/env.h"
#include "kernel/volume/volume.h"

#define PIECE_STEPS 128u	// that one code_verify() walks
#define PLACE_FRAMES (CODE_INSNS_MAX * (u32)sizeof(u32) / (u32)PAGE_SIZE)

STATIC_ASSERT(CODE_COMPILED_MAX(CODE_INSNS_MAX) <= KERNEL_CODE_PAGES * PAGE_SIZE);

enum program_state {
	PROGRAM_FREE,
	PROGRAM_LOADED,		// being verified
	PROGRAM_ACCEPTED,
	PROGRAM_REFUSED,
};

struct program {
	enum program_state state;
	enum program_type type;
	u32 owner;		// index of the environment
	u64 frame;
	u32 frame_count;
	u32 text_frames;	// the first of them
	struct code_program code;
	struct program_verdict verdict;
};

static struct program programs[KERNEL_PROGRAMS_MAX];
static u64 code_changes;	// how often the window was changed

static const struct code_type *const types[PROGRAM_TYPE_COUNT] = {
	[PROGRAM_PREDICATE] = &predicate_type,
	[PROGRAM_HANDLER] = &handler_type,
	[PROGRAM_OWNS_64] = &volume_code_types[6],
	[PROGRAM_OWNS_128] = &volume_code_types[7],
	[PROGRAM_OWNS_256] = &volume_code_types[8],
	[PROGRAM_OWNS_512] = &volume_code_types[9],
	[PROGRAM_INVOKE] = &invoke_type,
};

static u32
frames_for(size_t bytes)
{
	return (u32)(ALIGN_UP(bytes, PAGE_SIZE) / PAGE_SIZE);
}

struct load_checked {
	struct program_spec spec;
	u32 index;
	u64 frame;
	u32 frame_count;
};

// Are all of the bytes readable?
static bool
is_readable(const struct env *env, u64 va, u64 len)
{
	u8 byte;

	for (u64 at = 0; at < len; at += PAGE_SIZE) {
		if (user_read(env, va + at, &byte, 1))
			return false;
	}
	return !user_read(env, va + len - 1, &byte, 1);
}

i64
check_code_load(struct call *call)
{
	struct load_checked *c = CHECKED(call, struct load_checked);
	i64 error = user_read(call->env, call->a[0], &c->spec, sizeof(c->spec));

	if (error)
		return error;
	if (c->spec.count == 0 || c->spec.count > CODE_INSNS_MAX ||
	    c->spec.type >= PROGRAM_TYPE_COUNT)
		return -E_ARGUMENT;

	u64 bytes = c->spec.count * sizeof(struct code_insn);

	if (!is_readable(call->env, c->spec.text, bytes))
		return -E_ADDRESS;
	c->frame_count = frames_for(bytes) +
			 MAX(frames_for(code_verifier_size()),
			     frames_for(CODE_COMPILED_MAX(c->spec.count)) + PLACE_FRAMES);
	FIND_FIRST(c->index, KERNEL_PROGRAMS_MAX, programs[c->index].state == PROGRAM_FREE);
	if (SCARCE(c->index == KERNEL_PROGRAMS_MAX))
		return -E_TABLE;
	return check_new_frames(call, FRAME_ANY, c->frame_count, &c->frame);
}

static struct code_verifier *
workspace(const struct program *p)
{
	return frame_memory(p->frame + p->text_frames);
}

i64
do_code_load(struct call *call)
{
	const struct load_checked *c = CHECKED(call, struct load_checked);
	u64 bytes = c->spec.count * sizeof(struct code_insn);
	struct program *p = &programs[c->index];
	struct code_insn *text = frame_memory(c->frame);
	i64 error;

	env_take_frames(call->env, c->frame, c->frame_count, FRAME_TABLE);
	error = user_read(call->env, c->spec.text, text, bytes);
	ASSERT(!error);
	*p = (struct program){
		.state = PROGRAM_LOADED,
		.type = c->spec.type,
		.owner = call->env->index,
		.frame = c->frame,
		.frame_count = c->frame_count,
		.text_frames = frames_for(bytes),
	};
	code_verify_begin(workspace(p), types[p->type], text, c->spec.count);
	return mint(call, CAP_PROGRAM, CAP_READ | CAP_WRITE | CAP_DERIVE, c->index, 1);
}

// Gives back the frames behind the first `keep`.
static void
shrink(struct program *p, u32 keep)
{
	ASSERT(keep <= p->frame_count);
	env_return_frames(&envs[p->owner], p->frame + keep, p->frame_count - keep);
	p->frame_count = keep;
}

static void
show_code(u32 index, u64 frame, u32 count)
{
	code_changes++;
	kernel_map_code(index, frame, count);
}

// Compiles into the workspace, whose last frames hold where instructions begin.
static void
compile(struct program *p)
{
	u64 first = p->frame + p->text_frames;
	u32 room = p->frame_count - p->text_frames - PLACE_FRAMES;
	u32 *place = frame_memory(first + room);
	size_t size = code_compiled_size(&p->code, place);
	u32 count = frames_for(size), index = (u32)(p - programs);

	ASSERT(count <= room && count <= KERNEL_CODE_PAGES);
	code_compile(&p->code, place, frame_memory(first), size);
	shrink(p, p->text_frames + count);
	show_code(index, first, count);
	p->code.native = (u64 (*)(void *, void *))kernel_code_at(index);
	p->verdict.compiled = (u32)size;
}

i64
check_code_verify(struct call *call)
{
	return user_out(call->env, call->a[1], sizeof(struct program_verdict),
			CHECKED(call, struct user_out));
}

i64
do_code_verify(struct call *call)
{
	struct program *p = &programs[call->cap->base];
	struct code_refusal refusal;

	if (p->state == PROGRAM_LOADED) {
		enum code_verdict verdict = code_verify_go(workspace(p), PIECE_STEPS);

		if (verdict == CODE_MORE)
			return -E_AGAIN;
		refusal = code_refused(workspace(p));
		p->verdict.reason = refusal.reason;
		p->verdict.insn = refusal.insn;
		if (verdict == CODE_ACCEPTED) {
			p->state = PROGRAM_ACCEPTED;
			p->code = code_verified(workspace(p));
			p->verdict.steps = p->code.steps;
			compile(p);
		} else {
			p->state = PROGRAM_REFUSED;
			shrink(p, 0);
		}
	}
	user_write(CHECKED(call, struct user_out), &p->verdict, sizeof(p->verdict));
	return 0;
}

i64
check_program(u32 list, u64 slot, enum program_type type,
	     const struct program **program, u32 *node)
{
	const struct cap *cap;
	i64 error = cap_lookup(&caps, list, slot, CAP_PROGRAM, CAP_READ, &cap);

	if (error)
		return error;
	*program = &programs[cap->base];
	*node = cap_node(&caps, cap);
	if ((*program)->type != type)
		return -E_ARGUMENT;
	return (*program)->state == PROGRAM_ACCEPTED ? 0 : -E_STATE;
}

const struct code_insn *
program_text(const struct program *program, u32 *count)
{
	ASSERT(program->state == PROGRAM_ACCEPTED);
	*count = program->code.count;
	return program->code.text;
}

u64
program_run(const struct program *program, void *context, void *host)
{
	struct cpu *cpu = this_cpu();

	ASSERT(program->state == PROGRAM_ACCEPTED);
	if (cpu->code_seen != code_changes) {
		cr3_write(cr3_read());
		cpu->code_seen = code_changes;
	}
	return program->code.native(host, context);
}

void
program_destroy(u32 index)
{
	struct program *p = &programs[index];

	ASSERT(index < KERNEL_PROGRAMS_MAX && p->state != PROGRAM_FREE);
	if (p->code.native)
		show_code(index, 0, 0);
	shrink(p, 0);
	*p = (struct program){ .state = PROGRAM_FREE };
}
