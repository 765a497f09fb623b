// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Random system calls that mean something, for hostile programs: what arguments a
// call takes is read from kernel/abi/syscalls.def, so that a new call is made with
// fitting arguments from the day it is there.
//
//   "slot ring"		a slot that holds a ring (the words of caps.def), or near it
//   "u64 va", "u64 frame", ...	by its name: addresses of the arena, frames that a
//				capability covers, or just beyond
//   "const struct x *"		memory of the arena, filled with what such a structure
//				may hold (those that are known field by field)
//   anything else		small numbers, edges, bits
//
// One argument in 24 is wild. The generator looks at its own list now and then
// (cap_inspect), so it knows what it holds and holds on to what it gets.

#include "kernel/base/prng.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"
#include "libos/mem/layout.h"
#include "libos/programs/hostile/control.h"

#define KNOWN_MAX 48u
#define CALL_ARGUMENTS 6u
#define STRUCT_BYTES 640u		// that a random structure fills

enum argument_kind {
	ARG_NONE,
	ARG_SLOT,
	ARG_VA,
	ARG_FRAME,
	ARG_COUNT,
	ARG_RIGHTS,
	ARG_PROT,
	ARG_CPU,
	ARG_INDEX,
	ARG_TIME,
	ARG_STRUCT,
	ARG_BYTES,
	ARG_NUMBER,
};

struct argument {
	enum argument_kind kind;
	const char *word;		// its name, or the structure's
};

struct known {
	u32 slot;
	struct cap_info info;
};

struct generator {
	struct prng prng;
	u64 arena;			// where its memory is mapped
	u64 arena_frame;
	u32 arena_frames;
	u32 arena_slot;
	struct known known[KNOWN_MAX];	// what it holds, as far as it has looked
	u32 known_next;
	struct known picked;		// the last capability for frames
	const u64 *target;		// frames that it is after
	u32 target_count;
	u32 mac_first;			// addresses for its rings; without any, all
	u32 mac_count;
	struct argument argument[SYS_COUNT][CALL_ARGUMENTS];
};

static const char *const call_texts[SYS_COUNT] = {
#define X(number, name, arguments, sentence) [number] = arguments,
#include "kernel/abi/syscalls.def"
#undef X
};

static const char *const cap_words[CAP_TYPE_COUNT] = {
#define X(name, word, range) [name] = word,
#include "kernel/abi/caps.def"
#undef X
};

// ---- what a call takes ----

// Does the text up to `end` end in the word?
static bool
ends_in(const char *text, const char *end, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(end - text) >= len && !memcmp(end - len, word, len) &&
	       (end - len == text || end[-(i64)len - 1] == ' ' ||
		end[-(i64)len - 1] == '*');
}

static bool
contains(const char *text, const char *end, const char *word)
{
	for (; text + strlen(word) <= end; text++) {
		if (string_starts(text, word))
			return true;
	}
	return false;
}

static struct argument
argument_of(const char *text, const char *end)
{
	static const struct {
		const char *word;
		enum argument_kind kind;
	} names[] = {
		{ "va", ARG_VA }, { "rip", ARG_VA }, { "rsp", ARG_VA },
		{ "frame", ARG_FRAME }, { "base", ARG_FRAME },
		{ "count", ARG_COUNT }, { "n", ARG_COUNT }, { "len", ARG_COUNT },
		{ "size", ARG_COUNT }, { "max", ARG_COUNT },
		{ "rights", ARG_RIGHTS }, { "prot", ARG_PROT },
		{ "cpu", ARG_CPU }, { "index", ARG_INDEX },
		{ "deadline_ns", ARG_TIME },
	};

	while (*text == ' ')
		text++;
	if (string_starts(text, "slot "))
		return (struct argument){ ARG_SLOT, text + strlen("slot ") };
	if (string_starts(text, "const struct "))
		return (struct argument){ ARG_STRUCT, text + strlen("const struct ") };
	if (contains(text, end, "*"))
		return (struct argument){ ARG_BYTES, text };
	for (u32 i = 0; i < ARRAY_SIZE(names); i++) {
		if (ends_in(text, end, names[i].word))
			return (struct argument){ names[i].kind, text };
	}
	return (struct argument){ ARG_NUMBER, text };
}

static void
calls_learn(struct generator *g)
{
	for (u32 call = 0; call < SYS_COUNT; call++) {
		const char *text = call_texts[call];
		u32 n = 0;

		while (text && *text && n < CALL_ARGUMENTS) {
			const char *end = text;

			while (*end && *end != ',')
				end++;
			g->argument[call][n++] = argument_of(text, end);
			text = *end ? end + 1 : end;
		}
	}
}

// ---- numbers ----

static u64
below(struct generator *g, u64 bound)
{
	return prng_below(&g->prng, bound);
}

static u64
wild(struct generator *g)
{
	static const u64 edges[] = {
		0, USER_BASE, REGION_BASE, USER_END, TABLES_BASE, UAREA_BASE,
		IMAGE_BASE, 0x0000800000000000, 0xffff800000000000,
		0xffffffff80000000, 0xffffffff, 0x100000000, 1ull << 63,
	};

	switch (below(g, 4)) {
	case 0:
		return prng_u64(&g->prng);
	case 1:
		return ~0ull - below(g, 4);
	case 2:
		return 1ull << below(g, 64);
	default:
		return edges[below(g, ARRAY_SIZE(edges))] + below(g, 64) - 32;
	}
}

// Looks into one slot, so that what is known stays about right.
static void
look(struct generator *g, u32 slot)
{
	struct known *k = &g->known[g->known_next++ % KNOWN_MAX];
	struct cap_info info;

	if (sys_cap_inspect(CAP_SLOT_SELF, slot, &info) || info.type == CAP_NONE)
		return;
	*k = (struct known){ slot, info };
}

static u32
random_slot(struct generator *g, const char *word)
{
	static const u32 edges[] = { 0, 255, 256, SLOT_NONE, 1u << 16 };
	u32 from = (u32)below(g, KNOWN_MAX);
	u32 type = CAP_NONE;

	if (below(g, 12) == 0)
		return edges[below(g, ARRAY_SIZE(edges))];
	if (string_starts(word, "cap") && below(g, 2))
		type = CAP_FRAMES;
	for (u32 t = 1; t < CAP_TYPE_COUNT; t++) {
		size_t len = strlen(cap_words[t]);

		if (string_starts(word, cap_words[t]) &&
		    (!word[len] || word[len] == ','))
			type = t;
	}
	if (type == CAP_QUEUE && below(g, 2))
		type = CAP_FABRIC_QUEUE;	// "queue" is either
	for (u32 i = 0; i < KNOWN_MAX; i++) {
		const struct known *k = &g->known[(from + i) % KNOWN_MAX];

		if (k->info.type == CAP_NONE ||
		    (type != CAP_NONE && k->info.type != type && below(g, 16)))
			continue;
		g->picked = *k;
		return k->slot;
	}
	return (u32)below(g, 40);
}

static u32
frames_slot(struct generator *g)
{
	return below(g, 2) ? g->arena_slot : random_slot(g, "frames");
}

// A frame (or whatever the picked capability counts) within it, or just outside.
static u64
random_frame(struct generator *g)
{
	const struct cap_info *info = &g->picked.info;

	if (g->target_count && below(g, 4) == 0)
		return g->target[below(g, g->target_count)];
	if (below(g, 4) == 0 || !info->count)
		return g->arena_frame + below(g, g->arena_frames);
	if (below(g, 8) == 0)
		return below(g, sys_info()->frame_count + 2);
	if (below(g, 8) == 0)
		return info->base + info->count - below(g, 2);
	return info->base + below(g, info->count);
}

// Mostly behind the arena, where mappings may come and go.
static u64
random_va(struct generator *g)
{
	u64 page = below(g, g->arena_frames);

	if (below(g, 8) == 0)		// where there are no page tables yet
		return g->arena + (below(g, 512) << 30);
	page += below(g, 16) ? g->arena_frames : 0;
	return g->arena + page * PAGE_SIZE +
	       (below(g, 8) ? 0 : below(g, PAGE_SIZE));
}

// For a fault handler: a page of the arena that went is mapped again. False when
// it was not that, or cannot be.
static bool
arena_mend(const struct generator *g, u64 address)
{
	u64 page = (address - g->arena) / PAGE_SIZE;

	return address >= g->arena && page < g->arena_frames &&
	       !sys_page_map(CAP_SLOT_SELF, g->arena + page * PAGE_SIZE,
			     g->arena_slot, g->arena_frame + page, 1,
			     PROT_READ | PROT_WRITE);
}

static u64
random_count(struct generator *g)
{
	static const u64 edges[] = { 0, 64, 65, 256, 257, 4096, 4097, 8192 };

	return below(g, 8) ? 1 + below(g, 4) : edges[below(g, ARRAY_SIZE(edges))];
}

// ---- structures ----

static void
fill_map_ops(struct generator *g, struct map_op *op)
{
	for (u32 i = 0; i < 4; i++) {
		op[i] = (struct map_op){
			.va = random_va(g), .slot = frames_slot(g),
			.frame = random_frame(g), .count = (u32)random_count(g),
			.prot = (u32)below(g, 8),
		};
	}
}

static void
fill_ring_spec(struct generator *g, struct ring_spec *s)
{
	*s = (struct ring_spec){
		.nic_slot = random_slot(g, "nic"),
		.mac_index = g->mac_first +
			     (u32)below(g, g->mac_count ? g->mac_count : RINGS_MAX),
		.ring_slot = frames_slot(g),
		.narrows = SLOT_NONE,
		.ring_frame = below(g, 2) ? g->arena_frame + below(g, 8)
					  : random_frame(g),
		.region_count = (u32)below(g, RING_REGIONS_MAX),
		.filter_count = (u32)below(g, 3),
	};
	for (u32 i = 0; i < RING_REGIONS_MAX; i++) {
		s->region[i].slot = frames_slot(g);
		s->region[i].frame = random_frame(g);
		s->region[i].count = random_count(g);
	}
}

static void
fill_queue_spec(struct generator *g, struct queue_spec *s)
{
	*s = (struct queue_spec){
		.blocks_slot = random_slot(g, below(g, 4) ? "blocks" : "volume"),
		.queue_slot = frames_slot(g),
		.queue_frame = random_frame(g),
		.region_slot = frames_slot(g),
		.region_frame = random_frame(g),
		.region_count = random_count(g),
	};
}

static void
fill_volume_spec(struct generator *g, struct volume_spec *s)
{
	*s = (struct volume_spec){
		.blocks_slot = random_slot(g, "blocks"),
		.flags = below(g, 8) > 0,
	};
	s->first = random_frame(g);
	s->count = (u32)below(g, 12);
	s->cache_count = VOLUME_CACHE_MIN + (u32)below(g, 3) - 1;
}

// Extents of a few blocks come and go at a few places of a few blocks.
static void
fill_volume_update(struct generator *g, struct volume_update *u)
{
	*u = (struct volume_update){
		.block = (u32)below(g, 10), .mod_count = (u32)below(g, 3),
		.change_count = (u32)below(g, 3),
	};
	for (u32 i = 0; i < 2; i++) {
		u->mod[i].offset = (u16)(below(g, 4) * 8);
		u->mod[i].len = (u16)below(g, 9);
		u->mod[i].bytes[0] = (u8)below(g, 10);
		u->mod[i].bytes[4] = (u8)below(g, 3);
		u->change[i] = (struct volume_change){
			.block = (u16)below(g, 10), .count = (u16)below(g, 3),
			.type = (u8)below(g, 3), .removes = (u8)below(g, 2),
		};
	}
}

// Whatever it is: slots, frames, addresses and counts, as words and half words.
static void
fill_any(struct generator *g, u64 *words)
{
	for (u32 i = 0; i < STRUCT_BYTES / 8; i++) {
		switch (below(g, 6)) {
		case 0:
			words[i] = random_frame(g);
			break;
		case 1:
			words[i] = random_va(g);
			break;
		case 2:
			words[i] = random_count(g) << 32 | frames_slot(g);
			break;
		case 3:
			words[i] = frames_slot(g) | below(g, 8) << 32;
			break;
		case 4:
			words[i] = 0;
			break;
		default:
			words[i] = wild(g);
		}
	}
}

// A program behind the structure, in its page: the result, or a store or load of a
// handler's region, its message or a predicate's words, at a place that is right or
// just beyond.
static void
fill_program_spec(struct generator *g, struct program_spec *s)
{
	static const u8 memory[] = { 0x7a, 0x62, 0x72, 0x79, 0x61, 0x71 };
	struct code_insn *text = (struct code_insn *)((u8 *)s + PAGE_SIZE / 4);
	u8 opcode = memory[below(g, ARRAY_SIZE(memory))];
	bool store = (opcode & 7) == 2;

	*s = (struct program_spec){
		.text = (u64)text, .count = (u32)(below(g, 16) ? 4 : below(g, 9)),
		.type = (u32)below(g, PROGRAM_TYPE_COUNT + (below(g, 16) == 0)),
	};
	text[0] = (struct code_insn){ 0x79, 0x12, (i16)(8 * below(g, 4)), 0 };
	text[1] = (struct code_insn){ opcode, store ? 2 : 0x20,
				      (i16)(below(g, 8) * 583 - below(g, 2)), 0 };
	text[2] = (struct code_insn){ 0xb7, 0, 0, (i32)below(g, 2) };
	text[3] = (struct code_insn){ 0x95, 0, 0, 0 };
	if (below(g, 2))
		text[1] = text[2];
}

static void
fill(struct generator *g, const char *name, void *at)
{
	fill_any(g, at);
	if (string_starts(name, "map_op"))
		fill_map_ops(g, at);
	else if (string_starts(name, "ring_spec"))
		fill_ring_spec(g, at);
	else if (string_starts(name, "queue_spec"))
		fill_queue_spec(g, at);
	else if (string_starts(name, "volume_spec"))
		fill_volume_spec(g, at);
	else if (string_starts(name, "volume_update"))
		fill_volume_update(g, at);
	else if (string_starts(name, "fabric_spec"))
		*(struct fabric_spec *)at = (struct fabric_spec){
			random_slot(g, "fabric"), frames_slot(g), random_frame(g),
			frames_slot(g), 0, random_frame(g), random_count(g) };
	else if (string_starts(name, "env_spec"))
		*(struct env_spec *)at = (struct env_spec){
			.uarea_slot = frames_slot(g), .uarea_frame = random_frame(g),
			.quota = { .frames = (u32)below(g, 24),
				   .slices = (u32)below(g, 2),
				   .rings = (u32)below(g, 2),
				   .envs = (u32)below(g, 2) },
			.name = "random" };
	else if (string_starts(name, "program_spec"))
		fill_program_spec(g, at);
	else if (string_starts(name, "wait_word"))
		for (u32 i = 0; i < WAIT_WORDS_MAX; i++)
			((struct wait_word *)at)[i] = (struct wait_word){
				random_va(g) & ~3ull, (u32)below(g, 2), 0 };
}

// ---- calls ----

static u64
random_argument(struct generator *g, const struct argument *a)
{
	void *at = (void *)(g->arena + below(g, g->arena_frames - 1) * PAGE_SIZE);

	if (below(g, 24) == 0 && a->kind != ARG_TIME)
		return wild(g);
	switch (a->kind) {
	case ARG_SLOT:
		return random_slot(g, a->word);
	case ARG_VA:
		return random_va(g);
	case ARG_FRAME:
		return below(g, 4) ? random_frame(g) : FRAME_ANY;
	case ARG_COUNT:
		return random_count(g);
	case ARG_RIGHTS:
		return below(g, 2) ? g->picked.info.rights : below(g, 16);
	case ARG_PROT:
		return below(g, 2) ? PROT_READ | below(g, 2) * PROT_WRITE
				   : below(g, 9);
	case ARG_CPU:
		return below(g, sys_info()->cpu_count + 1);
	case ARG_INDEX:
		return below(g, 2) ? SLICE_ANY : below(g, SLICES_PER_CPU + 2);
	case ARG_TIME:
		return below(g, 4) ? now_ns() + below(g, 50) * NS_PER_US : 0;
	case ARG_STRUCT:
		fill(g, a->word, at);
		return (u64)at;
	case ARG_BYTES:
		if (below(g, 4) == 0)
			return random_va(g);
		return (u64)at + below(g, PAGE_SIZE) * below(g, 2);
	case ARG_NONE:
	case ARG_NUMBER:
		break;
	}
	return below(g, 20);
}

// The next call and its arguments. Touches the arena, which must be mapped.
static u64
calls_next(struct generator *g, u64 a[CALL_ARGUMENTS])
{
	u64 number = below(g, 64) ? below(g, SYS_COUNT) : wild(g);

	look(g, (u32)below(g, 64));
	for (u32 i = 0; i < CALL_ARGUMENTS; i++) {
		static const struct argument none = { ARG_NONE, "" };

		a[i] = random_argument(g, number < SYS_COUNT
					  ? &g->argument[number][i] : &none);
	}
	return number;
}

// Makes it; what it returned may be a slot.
static i64
calls_make(struct generator *g, u64 number, const u64 a[CALL_ARGUMENTS])
{
	i64 result;

	if ((number == SYS_entry_call || number == SYS_entry_reply) && a[5] % 2)
		number |= CALL_FAST;
	result = syscall_lossy(number, a[0], a[1], a[2], a[3], a[4], a[5]);

	if (result > 0 && result < (i64)CAP_LIST_SLOTS)
		look(g, (u32)result);
	return result;
}

// Calls that a program which makes many had better not make: it would end, stop the node, fill
// the console or sleep; and what it lives on, its first `slots`, is taken one time in `seldom`.
static bool
calls_unwanted(struct generator *g, u64 number, const u64 *a, u32 slots, u32 seldom)
{
	switch (number) {
	case SYS_env_exit:
	case SYS_machine_stop:
	case SYS_console_write:
	case SYS_console_read:
		return true;
	case SYS_cap_drop:
	case SYS_cap_revoke:
	case SYS_cap_trim:
		return a[0] < slots && below(g, seldom);
	case SYS_revoke_ask:		// what it asks for is taken in the end
		return below(g, seldom);
	case SYS_wait:
		return a[2] > now_ns() + NS_PER_MS;
	case SYS_wait_for:
		return a[3] > now_ns() + NS_PER_MS;
	case SYS_null:			// a word to the checked kernel
		return a[0] == CONTROL_MAGIC;
	default:
		return false;
	}
}
