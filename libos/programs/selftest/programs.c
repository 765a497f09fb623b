// SPDX-License-Identifier: BSD-2-Clause
// Programs in the kernel: loading and what it costs, wakeup predicates, and message
// handlers. The programs are those of libos/code/bpf, from the boot archive, and a few
// of two instructions that the kernel must refuse. What a program costs its owner is
// looked up in the exported table before and after.

#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "libos/code/program.h"
#include "libos/crt/console.h"
#include "libos/crt/start.h"
#include "libos/io/ring.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/selftest/selftest.h"

#define SLEEPERS_MAX 16u
#define YIELDS 200u
#define TICKS 20u
#define FAR 3000000u		// takes a counter many slices: asked again and again
#define FRAME_LEN 60u
#define COUNT_TYPE 0x88b6u
#define OTHER_TYPE 0x88b7u
#define FROM_INDEX 3u
#define TO_INDEX 4u

// What handlers.c keeps in its region.
struct counter {
	u32 sum;
	u32 answered;
	u32 unsent;
};

static u32
load(const char *file, const char *name, enum program_type type)
{
	i64 slot = program_load_boot(file, name, type);

	must(slot, name);
	return (u32)slot;
}

static const volatile struct env_info *
self(void)
{
	return &env_table()[self_index()];
}

// r0 = 1 and exit; with a jump to itself in front, or reading what nobody wrote.
static const struct code_insn good[] = { { 0xb7, 0, 0, 1 }, { 0x95, 0, 0, 0 } };
static const struct code_insn endless[] = { { 0x05, 0, -1, 0 }, { 0x95, 0, 0, 0 } };
static const struct code_insn unset[] = { { 0xb7, 1, 0, 1 }, { 0x95, 0, 0, 0 } };
static const struct code_insn stray[] = { { 0x7b, 0x1a, 8, 0 }, { 0x95, 0, 0, 0 } };

static void
refused(const struct code_insn *text, enum code_reason reason, u32 insn,
	const char *what)
{
	struct program_verdict v = { 0 };
	i64 slot = program_load(text, 2, PROGRAM_PREDICATE, &v);

	must(slot, what);
	check(v.reason == reason && v.insn == insn && v.steps == 0, what);
	check(sys_wait_for((u32)slot, NULL, 0, NEVER, 0) == -E_STATE,
	      "what was refused is not run");
	must(sys_cap_drop((u32)slot), "drop");
}

// Frames in programs are owed like others: who hides them there loses programs.
static void
programs_are_taken(void)
{
	const u32 owed = 60;
	struct helper h;
	u64 until = now_ns() + PATIENCE_NS;
	u32 quota;

	helper_start(&h, "hoard", processor(), NULL);
	check(changed(&h.shared->state, 0) && h.shared->count >= 3, "it hoards");

	const volatile struct env_info *info = &env_table()[h.child.index];

	quota = info->quota.frames;
	must(sys_revoke_ask(h.child.env, SLOT_NONE, CAP_FRAMES, owed, now_ns()),
	     "ask");
	while (info->quota.frames != quota - owed && now_ns() < until)
		must(sys_wait(NULL, 0, now_ns() + NS_PER_MS) == -E_TIMEOUT
		     ? 0 : -E_STATE, "a nap");
	check(info->quota.frames == quota - owed, "what it owes is taken");
	check(info->used.frames <= info->quota.frames, "out of its programs");
	check(info->state == ENV_ASLEEP || info->state == ENV_RUNNABLE,
	      "and it lives on");
	helper_end(&h);
}

void
test_programs(void)
{
	struct program_spec spec = { .text = (u64)good, .count = 2 };
	struct program_verdict v = { 0 };
	u32 before = self()->used.frames;
	i64 slot;

	refused(endless, CODE_STEPS, 0, "one without an end");
	refused(unset, CODE_UNSET, 1, "one that reads what nobody wrote");
	refused(stray, CODE_OUTSIDE, 0, "one that writes behind its stack");
	check(self()->used.frames == before, "each gives its frames back");
	slot = sys_code_load(&spec);
	must(slot, "load");
	check(self()->used.frames > before, "one that is loaded is paid for");
	check(sys_wait_for((u32)slot, NULL, 0, NEVER, 0) == -E_STATE,
	      "what nobody has verified is not run");
	must(sys_code_verify((u32)slot, &v), "verify");
	check(v.reason == CODE_FINE && v.steps == 2 && v.compiled > 0,
	      "a good one is accepted and compiled");
	check(self()->used.frames == before + 2, "two frames are left of it");
	check(sys_wait_for((u32)slot, NULL, 0, NEVER, 0) == 1, "and runs");
	check(sys_ring_handle(0, (u32)slot, 0, 0) == -E_TYPE, "it is no handler");
	must(sys_cap_drop((u32)slot), "drop");
	check(self()->used.frames == before, "nothing is left of it");
	check(sys_wait_for((u32)slot, NULL, 0, NEVER, 0) == -E_SLOT, "it is gone");
	spec.count = CODE_INSNS_MAX + 1;
	check(sys_code_load(&spec) == -E_ARGUMENT, "one that is too long");
	spec = (struct program_spec){ .text = 8, .count = 1 };
	check(sys_code_load(&spec) == -E_ADDRESS, "one that is nowhere");
	programs_are_taken();
}

// A child counts to TICKS and announces each: its parent is asked each time and
// wakes once.
static void
wakes_when_reached(void)
{
	u32 program = load("predicates.bpf", "reached", PROGRAM_PREDICATE);
	struct helper h;
	u64 looks;

	helper_start(&h, "tick", processor(), NULL);

	struct wait_word word = { .va = (u64)&h.shared->count };

	looks = self()->looks;
	announce(&h.shared->order, 1);
	check(sys_wait_for(program, &word, 1, now_ns() + PATIENCE_NS, TICKS) == 1 &&
	      h.shared->count == TICKS, "a counter is reached");
	check(self()->looks - looks <= TICKS + 1, "asked once for each wake");
	check(sys_wait_for(program, &word, 1, now_ns() + NS_PER_MS, TICKS + 1) ==
	      -E_TIMEOUT, "the deadline passes first");
	helper_end(&h);
	must(sys_cap_drop(program), "drop");
}

// Nobody announces anything: the predicate looks by itself.
static void
wakes_without_wake(void)
{
	u32 program = load("predicates.bpf", "reached_unannounced",
			   PROGRAM_PREDICATE);
	struct helper h;

	helper_start(&h, "count", processor(), NULL);

	struct wait_word word = { .va = (u64)&h.shared->count };
	u64 looks = self()->looks, start = now_ns();
	u32 target = h.shared->count + FAR;

	check(sys_wait_for(program, &word, 1, start + PATIENCE_NS, target) == 1 &&
	      (i32)(h.shared->count - target) >= 0, "an unannounced counter");
	check(self()->looks - looks <= 2 + (now_ns() - start) / NS_PER_MS,
	      "asked at most once a slice");
	helper_end(&h);
	must(sys_cap_drop(program), "drop");
}

static void
wakes_when_late(void)
{
	u32 late = load("predicates.bpf", "changed_or_late", PROGRAM_PREDICATE);
	u32 words = load("predicates.bpf", "changed_words", PROGRAM_PREDICATE);
	u32 mine[3] = { 7, 8, 9 };
	struct wait_word word[3] = {
		{ .va = (u64)&mine[0], .expected = 7 },
		{ .va = (u64)&mine[1], .expected = 0 },
		{ .va = (u64)&mine[2], .expected = 0 },
	};
	u64 until = now_ns() + 3 * NS_PER_MS;

	check(sys_wait_for(late, word, 1, NEVER, until) == 2 && now_ns() >= until,
	      "a time of its own");
	check(sys_wait_for(late, &word[1], 1, NEVER, NEVER) == 1,
	      "a word that has changed already");
	check(sys_wait_for(words, word, 3, NEVER, 2) == 2, "two of three words");
	check(sys_wait_for(words, word, 3, now_ns() + NS_PER_MS, 3) == -E_TIMEOUT,
	      "but not three");
	must(sys_cap_drop(words), "drop");
	must(sys_cap_drop(late), "drop");
}

// As many as the quota has room for.
static u32
sleepers_possible(void)
{
	u32 envs = self()->quota.envs - self()->used.envs;
	u32 slices = self()->quota.slices - self()->used.slices;
	u32 frames = self()->quota.frames - self()->used.frames;

	// Each has a page besides, and the last is loaded from pages of ours.
	frames -= MIN(frames, 2 * CHILD_FRAMES);
	return MIN(SLEEPERS_MAX, MIN(MIN(envs, slices), frames / CHILD_FRAMES));
}

static u64
looks_of(const struct helper *h, u32 count)
{
	u64 looks = 0;

	for (u32 i = 0; i < count; i++)
		looks += env_table()[h[i].child.index].looks;
	return looks;
}

// The shortest of a few times that the scheduler is entered so often: nothing came between.
static u64
yields_ns(void)
{
	u64 least = ~0ull;

	for (u32 i = 0; i < 8; i++) {
		u64 began = now_ns();

		for (u32 k = 0; k < YIELDS; k++)
			must(sys_yield(SLOT_NONE), "yield");
		least = MIN(least, now_ns() - began);
	}
	return least;
}

// Many sleep by one predicate on a word that the kernel writes. Whatever else goes
// on, they are not asked, and the scheduler takes no longer (harness/guest/test_time.py
// compares, where time is instructions). When the program goes they are told.
static void
sleepers_cost_nothing(void)
{
	static struct helper h[SLEEPERS_MAX];
	u32 count = sleepers_possible();
	u64 alone = yields_ns();
	u32 program = load("predicates.bpf", "changed_words", PROGRAM_PREDICATE);
	struct cap_info info;
	u64 looks;

	must(sys_cap_inspect(CAP_SLOT_SELF, program, &info), "inspect");
	for (u32 i = 0; i < count; i++) {
		i64 slot;

		helper_start(&h[i], "predicate", i % sys_info()->cpu_count, NULL);
		slot = sys_cap_derive(program, h[i].child.env, CAP_READ,
				      info.base, 1);
		must(slot, "derive");
		announce(&h[i].shared->order, (u32)slot);
		check(changed(&h[i].shared->state, 0), "it goes to sleep");
	}
	for (u32 i = 0; i < count; i++) {
		while (env_table()[h[i].child.index].state != ENV_ASLEEP)
			must(sys_yield(SLOT_NONE), "yield");
	}
	looks = looks_of(h, count);
	check(count >= 3 && looks == count, "each was asked when it went to sleep");
	print("sleepers: %u yields took %lu ns, beside %u that sleep %lu ns\n", YIELDS,
	      alone, count, yields_ns());
	for (u32 i = 0; i < 50; i++) {
		must(sys_wait(NULL, 0, now_ns() + NS_PER_MS) == -E_TIMEOUT
		     ? 0 : -E_STATE, "a nap");
		must(sys_wake((const u32 *)&h[0].shared->reserved), "a wake for nobody");
	}
	check(looks_of(h, count) == looks, "and never again while nothing changes");
	must(sys_cap_drop(program), "drop");
	for (u32 i = 0; i < count; i++) {
		check(changed(&h[i].shared->state, 1) &&
		      (i64)h[i].shared->value == -E_STATE, "they are told");
		helper_end(&h[i]);
	}
}

void
test_predicates(void)
{
	wakes_when_reached();
	wakes_without_wake();
	wakes_when_late();
	sleepers_cost_nothing();
}

static struct ring from, to;
static struct frame_run memory, region;

static void
open_rings(void)
{
	struct ring_config config = {
		.nic_slot = startup_slot(ROLE_NIC),
		.mac_index = FROM_INDEX,
		.narrows = SLOT_NONE,
		.regions = &memory,
		.region_count = 1,
	};

	must(frames_take(1, &memory), "take frames");
	must(frames_take(1, &region), "take a frame");
	memset(direct_address(region.frame), 0, PAGE_SIZE);
	must(ring_open(&from, &config), "bind a ring");
	config.mac_index = TO_INDEX;
	must(ring_open(&to, &config), "bind another ring");
}

static void
send_number(u16 type, u32 number)
{
	u8 *frame = direct_address(memory.frame);
	struct ring_part part = { frame, FRAME_LEN };

	memset(frame, 0, FRAME_LEN);
	memcpy(frame, to.control->mac, 6);
	memcpy(frame + 6, from.control->mac, 6);
	be16_store(frame + 12, type);
	frame[14] = 1;
	be32_store(frame + 16, number);
	if (!check(ring_put(&from, &part, 1, (struct ring_offload){ 0 }), "put"))
		return;
	must(ring_flush(&from), "kick");
}

// The number in the frame that came, or 0.
static u32
take_number(struct ring *ring, u16 type)
{
	const u8 *frame;
	u32 number = 0;

	if (ring_peek(ring, &frame) < FRAME_LEN)
		return 0;
	if (be16_load(frame + 12) == type)
		number = be32_load(frame + 16);
	ring_consume(ring);
	return number;
}

void
test_handlers(void)
{
	u32 count = load("handlers.bpf", "count", PROGRAM_HANDLER);
	u32 parrot = load("handlers.bpf", "parrot", PROGRAM_HANDLER);
	volatile struct counter *counter;
	struct cap_info info;

	open_rings();
	counter = direct_address(region.frame);
	must(sys_ring_handle(to.slot, count, region.slot, region.frame), "handle");
	for (u32 i = 1; i <= 5; i++) {
		send_number(COUNT_TYPE, i);
		check(take_number(&from, COUNT_TYPE) == i * (i + 1) / 2,
		      "the handler answers");
	}
	check(counter->sum == 15 && counter->answered == 5 && !counter->unsent,
	      "and keeps its counters");
	check(take_number(&to, COUNT_TYPE) == 0, "its owner sees none of them");
	send_number(OTHER_TYPE, 77);
	check(take_number(&to, OTHER_TYPE) == 77, "but what the handler passes");
	must(sys_cap_inspect(CAP_SLOT_SELF, to.slot, &info), "cap_inspect");
	check(ring_table()[info.base].handled == 6, "the table says what it saw");
	must(sys_ring_handle(to.slot, parrot, region.slot, region.frame), "handle");
	send_number(COUNT_TYPE, 1);
	check(counter->unsent == 1 && take_number(&from, COUNT_TYPE) == 0,
	      "a handler cannot forge");
	check(sys_ring_handle(to.slot, count, region.slot, 0) ==
	      -E_RANGE, "nor use another's frame");
	must(sys_cap_drop(parrot), "drop");
	send_number(COUNT_TYPE, 5);
	check(take_number(&to, COUNT_TYPE) == 5, "it ends with its program");
	must(sys_ring_handle(to.slot, count, region.slot, region.frame), "handle");
	must(sys_ring_handle(to.slot, SLOT_NONE, 0, 0), "handle no more");
	send_number(COUNT_TYPE, 6);
	check(take_number(&to, COUNT_TYPE) == 6, "or when it is taken away");
	must(sys_cap_drop(count), "drop");
	ring_close(&to);
	ring_close(&from);
	frames_give(&region);
	frames_give(&memory);
}
