// SPDX-License-Identifier: BSD-2-Clause
// Giving back, and being made to: requests with a deadline, what is taken at it, in
// which order, and the record of it (docs/revocation.md); shortening capabilities;
// removal in rounds. The other side is holder.c.
//
// All is counted in frames, slices and capabilities. Deadlines are met by waiting
// for what must change, with PATIENCE_NS to do so.

#include "libos/crt/console.h"
#include "libos/crt/start.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/selftest/selftest.h"

#define SOON_NS (20 * NS_PER_MS)
#define LATE_NS (9 * NS_PER_SECOND)
#define OWED 40u
#define WIDE 200u			// capabilities derived from one
#define OVERLAP_FRAMES 2048u
#define OVERLAP_PAGES 64u
#define OVERLAP_AT (REGION_BASE + 5 * REGION_SIZE_MAX)
#define WIDE_LISTS 40u
#define WIDE_EACH 250u
#define SELF CAP_SLOT_SELF

static struct helper h;

// Frames under a capability of their own.
static void
take_run(u32 count, struct frame_run *run)
{
	i64 slot = sys_frame_alloc(FRAME_ANY, count);

	must(slot, "frame_alloc");
	must(run_of_slot((u32)slot, run), "cap_inspect");
}

static const volatile struct env_info *
self(void)
{
	return &env_table()[self_index()];
}

static const volatile struct env_info *
other(void)
{
	return &env_table()[h.child.index];
}

static void
start(char *what, struct quota quota)
{
	helper_start_with(&h, what, processor(), NULL, quota);
	check(changed(&h.shared->state, 0), "the holder is ready");
}

// What the holder finds when it looks.
static void
let_it_look(void)
{
	u32 state = h.shared->state, count = h.shared->count;

	announce(&h.shared->order, state);
	check(changed(&h.shared->state, state), "the holder lives and looked");
	check(h.shared->vector == 0, "what it still has holds what it held");
	for (u64 until = now_ns() + PATIENCE_NS;
	     h.shared->count == count && now_ns() < until;)
		sys_yield(SLOT_NONE);
	check(h.shared->count != count, "and it goes on");
}

// Asks for that many units beyond what the holder does not use.
static void
ask_frames(u32 units, u64 delay_ns)
{
	u32 unused = other()->quota.frames - other()->used.frames;

	check(sys_revoke_ask(h.child.env, SLOT_NONE, CAP_FRAMES, unused + units,
			     now_ns() + delay_ns) == units,
	      "what is not in use comes at once, the rest is owed");
}

struct books {
	u32 mine;
	u32 its;
	u32 used;
};

static struct books
read_books(void)
{
	return (struct books){
		self()->quota.frames, other()->quota.frames, other()->used.frames,
	};
}

// The holder's quota is `units` less than what it used, and the rest of it is ours.
static void
check_books(const struct books *before, u32 units)
{
	struct books now = read_books();

	check(now.used == before->used - units, "it lost what was owed, exactly");
	check(now.its == now.used, "and what it did not use");
	check(now.mine == before->mine + (before->its - now.its),
	      "all of which came to the parent");
}

// A holder that listens gives what it likes before the deadline.
void
test_request(void)
{
	struct books before;

	start("hold-politely", (struct quota){ .frames = 300 });
	before = read_books();
	for (u64 until = now_ns() + PATIENCE_NS;
	     other()->state != ENV_ASLEEP && now_ns() < until;)
		sys_yield(SLOT_NONE);
	ask_frames(OWED, LATE_NS);
	helper_settled(&h);
	check_books(&before, OWED);
	let_it_look();
	check(h.shared->value == OWED, "the upcall ended its sleep");
	check(h.shared->whole[0] == HOLDER_PAGES - OWED, "it gave of the first part");
	check(h.shared->whole[1] == HOLDER_PAGES, "and not of the second");
	check(h.shared->records == 0 && other()->taken == 0, "nothing was taken");
	helper_end(&h);
}

// One that does not listen loses exactly what it owes, at the deadline.
static void
taken_from(char *holder)
{
	struct books before;

	start(holder, (struct quota){ .frames = 300 });
	before = read_books();
	ask_frames(OWED, LATE_NS);
	check(other()->owed.frames == OWED, "the table says what is owed");
	check(other()->used.frames == before.used, "nothing goes before its time");
	check(sys_revoke_ask(h.child.env, SLOT_NONE, CAP_FRAMES, 5, now_ns()) ==
	      OWED + 5, "a second request adds to the first");
	helper_settled(&h);
	check_books(&before, OWED + 5);
	let_it_look();
	check(h.shared->whole[0] == HOLDER_PAGES, "the first part is whole");
	check(h.shared->whole[1] == HOLDER_PAGES - OWED - 5,
	      "of the last the end is gone");
	check(h.shared->records == 1, "one capability was shortened");
	helper_recorded(&h, 0, CAP_FRAMES, h.shared->slot[1],
		     h.shared->base[1] + HOLDER_PAGES - OWED - 5, OWED + 5);
	helper_end(&h);
}

// Also where it takes rounds, because much came from what is taken.
void
test_taken(void)
{
	taken_from("hold");
	taken_from("hold-parts");
}

void
test_declared(void)
{
	u32 more = HOLDER_PAGES - HOLDER_KEEPS + 3;
	struct books before;

	start("hold-declared", (struct quota){ .frames = 300 });
	before = read_books();
	ask_frames(more, SOON_NS);
	helper_settled(&h);
	check_books(&before, more);
	let_it_look();
	check(h.shared->whole[0] == HOLDER_KEEPS, "what is declared goes first");
	check(h.shared->whole[1] == HOLDER_PAGES - 3, "then the rest");
	helper_recorded(&h, 0, CAP_FRAMES, h.shared->slot[0],
		     h.shared->base[0] + HOLDER_KEEPS, more - 3);
	helper_recorded(&h, 1, CAP_FRAMES, h.shared->slot[1],
		     h.shared->base[1] + HOLDER_PAGES - 3, 3);
	helper_end(&h);
}

// Whatever stands where the kernel looks, what goes is what is owed.
void
test_scribbler(void)
{
	struct books before;

	start("hold-scribbling", (struct quota){ .frames = 300 });
	before = read_books();
	for (u32 i = 1; i <= 5; i++) {
		ask_frames(9, 0);
		helper_settled(&h);
		check_books(&before, 9 * i);
	}
	let_it_look();
	check(h.shared->whole[0] + h.shared->whole[1] == 2 * HOLDER_PAGES - 45,
	      "forty-five pages are gone, and no more");
	helper_end(&h);
}

// Asked for everything, it keeps its reserve, and lives.
void
test_reserve(void)
{
	struct quota quota = { .frames = 300 };
	u32 tables = 0;

	start("hold", quota);
	check(sys_revoke_ask(h.child.env, SLOT_NONE, CAP_FRAMES, ~0u,
			     now_ns() + SOON_NS) > 0, "everything is owed");
	helper_settled(&h);
	for (u64 f = 0; f < sys_info()->frame_count; f++)
		tables += frame_table()[f].owner == h.child.index &&
			  frame_table()[f].state == FRAME_TABLE;
	check(other()->used.frames == tables + REVOKE_KEEPS_FRAMES,
	      "page tables and the reserve are left");
	check(other()->quota.frames == other()->used.frames, "and no more");
	check(other()->owed.frames == 0, "the rest is forgiven");
	let_it_look();
	helper_end(&h);
}

static bool
is_listed(u32 id)
{
	for (u32 i = 0; i < ENVS_MAX; i++) {
		if (env_table()[i].id == id)
			return true;
	}
	return false;
}

// Quota that it gave away to its children is its own: the youngest goes first.
void
test_family(void)
{
	u32 first, second, mine;

	start("hold-family", (struct quota){ .frames = 700, .slices = 2, .envs = 2 });
	first = (u32)h.shared->value;
	second = (u32)h.shared->address;
	mine = self()->quota.frames;
	check(sys_revoke_ask(h.child.env, SLOT_NONE, CAP_FRAMES,
			     other()->quota.frames, now_ns() + SOON_NS) > 0,
	      "all of its own is owed");
	helper_settled(&h);
	// Who was ended is taken apart in rounds.
	for (u64 end = now_ns() + PATIENCE_NS;
	     (other()->used.envs != 1 || is_listed(second)) && now_ns() < end;)
		sys_yield(SLOT_NONE);
	check(other()->used.envs == 1, "one child was ended");
	check(!is_listed(second) && is_listed(first), "the younger");
	check(self()->quota.frames > mine, "the quota came");
	helper_end(&h);
}

// Slices and rings, one of two each.
void
test_taken_others(void)
{
	u32 slices = self()->quota.slices;

	if (startup_slot(ROLE_NIC) == SLOT_NONE)
		return;
	start("hold-others",
	      (struct quota){ .frames = 600, .slices = 2, .rings = 2 });
	slices = self()->quota.slices;
	check(sys_revoke_ask(h.child.env, SLOT_NONE, CAP_SLICES, 2,
			     now_ns() + SOON_NS) == 2, "slices are owed");
	check(sys_revoke_ask(h.child.env, SLOT_NONE, CAP_RING, ~0u,
			     now_ns() + SOON_NS) > 0, "rings are owed");
	helper_settled(&h);
	check(self()->quota.slices == slices + 1, "one slice came back");
	check(other()->used.slices == 1 && other()->quota.slices == 1, "one stays");
	check(other()->used.rings == REVOKE_KEEPS_RINGS, "one ring stays");
	announce(&h.shared->order, 1);
	check(changed(&h.shared->state, 1), "the holder lives");
	check(h.shared->whole[0], "the ring works");
	check(h.shared->whole[1], "the other is closed");
	check(h.shared->records == 2, "two records");
	helper_end(&h);
}

// What was lent goes the same way: units of a capability.
void
test_lent(void)
{
	struct frame_run run;
	struct cap_info info;
	u32 slot = 0;

	take_run(16, &run);
	start("hold", (struct quota){ .frames = 300 });
	slot = (u32)sys_cap_derive(run.slot, h.child.env, CAP_READ, run.frame, 16);
	check(sys_revoke_ask(h.child.env, run.slot, CAP_FRAMES, 5,
			     now_ns() + SOON_NS) == 5, "five are owed");
	helper_settled(&h);
	must(sys_cap_inspect(h.child.env, slot, &info), "cap_inspect");
	check(info.base == run.frame && info.count == 11, "five are gone");
	check(sys_revoke_ask(h.child.env, run.slot, CAP_FRAMES, ~0ull,
			     now_ns() + SOON_NS) == 11, "all of it is owed");
	helper_settled(&h);
	must(sys_cap_inspect(h.child.env, slot, &info), "cap_inspect");
	check(info.type == CAP_NONE, "all is gone");
	check(sys_revoke_ask(h.child.env, run.slot, CAP_FRAMES, 1,
			     now_ns() + SOON_NS) == 0, "nothing more is owed");
	let_it_look();
	helper_recorded(&h, 0, CAP_FRAMES, slot, run.frame + 11, 5);
	helper_recorded(&h, 1, CAP_FRAMES, slot, run.frame, 11);
	check(h.shared->whole[0] == HOLDER_PAGES &&
	      h.shared->whole[1] == HOLDER_PAGES, "of its own, nothing");
	helper_end(&h);
	must(cap_drop_all(run.slot), "drop");
}

static void
refuse(const char *what, i64 result, enum abi_error error)
{
	if (!check(result == -(i64)error, what))
		print("selftest: answered %ld\n", result);
}

void
test_refusals(void)
{
	u64 soon = now_ns() + SOON_NS;
	struct frame_run run;
	u32 env, reader, nothing = 200;

	take_run(4, &run);
	start("hold", (struct quota){ .frames = 300 });
	env = h.child.env;
	reader = (u32)sys_cap_derive(env, SELF, CAP_READ, h.child.index, 1);
	refuse("quota without WRITE",
	       sys_revoke_ask(reader, SLOT_NONE, CAP_FRAMES, 1, soon), E_RIGHTS);
	refuse("of nobody",
	       sys_revoke_ask(nothing, SLOT_NONE, CAP_FRAMES, 1, soon), E_SLOT);
	refuse("of frames",
	       sys_revoke_ask(run.slot, SLOT_NONE, CAP_FRAMES, 1, soon), E_TYPE);
	refuse("by a capability that is not there",
	       sys_revoke_ask(env, nothing, CAP_FRAMES, 1, soon), E_SLOT);
	refuse("by one of another type",
	       sys_revoke_ask(env, run.slot, CAP_SLICES, 1, soon), E_TYPE);
	refuse("a kind that no quota has",
	       sys_revoke_ask(env, SLOT_NONE, CAP_BLOCKS, 1, soon), E_ARGUMENT);
	refuse("nothing",
	       sys_revoke_ask(env, SLOT_NONE, CAP_FRAMES, 0, soon), E_ARGUMENT);
	refuse("without a deadline",
	       sys_revoke_ask(env, SLOT_NONE, CAP_FRAMES, 1, NEVER), E_ARGUMENT);
	check(sys_revoke_ask(reader, run.slot, CAP_FRAMES, 1, soon) == 0,
	      "what it does not hold it does not owe");
	refuse("a capability that is not there", sys_cap_trim(nothing, 1), E_SLOT);
	refuse("one without a range", sys_cap_trim(env, 1), E_TYPE);
	refuse("to nothing", sys_cap_trim(run.slot, 0), E_ARGUMENT);
	must(cap_drop_all(reader), "drop");
	helper_end(&h);
	must(cap_drop_all(run.slot), "drop");
}

static bool
covers(u32 slot, u64 base, u64 count)
{
	struct cap_info info;

	must(sys_cap_inspect(SELF, slot, &info), "cap_inspect");
	return info.base == base && info.count == count;
}

// A capability that is shortened takes along all that came from it, that far.
void
test_trim(void)
{
	u32 used = self()->used.frames;
	struct frame_run run;
	struct cap_info info;
	u32 across, before, behind;

	take_run(8, &run);
	across = (u32)sys_cap_derive(run.slot, SELF, CAP_READ, run.frame + 3, 4);
	before = (u32)sys_cap_derive(run.slot, SELF, CAP_READ, run.frame, 5);
	behind = (u32)sys_cap_derive(run.slot, SELF, CAP_READ, run.frame + 5, 3);
	must(sys_cap_trim(run.slot, 5), "cap_trim");
	check(covers(run.slot, run.frame, 5), "the whole is shorter");
	check(covers(across, run.frame + 3, 2), "so is what reached beyond");
	check(covers(before, run.frame, 5), "what did not is as it was");
	must(sys_cap_inspect(SELF, behind, &info), "cap_inspect");
	check(info.type == CAP_NONE, "what lay behind is gone");
	check(self()->used.frames == used + 5, "three frames are free again");
	must(sys_cap_trim(run.slot, 5), "cap_trim");
	check(covers(run.slot, run.frame, 5), "to what it is changes nothing");
	refuse("to more than it is", sys_cap_trim(run.slot, 6), E_ARGUMENT);
	refuse("a mapping beyond the end",
	       sys_page_map(SELF, REGION_BASE, run.slot, run.frame + 5, 1,
			    PROT_READ), E_RANGE);
	must(cap_drop_all(run.slot), "drop");
	check(self()->used.frames == used, "all are back");
}

// What does not fit in one round is begun, refused from then on, and finished by
// calling again.
void
test_rounds(void)
{
	struct frame_run run;
	u32 calls = 2;

	take_run(1, &run);
	for (u32 i = 0; i < WIDE; i++)
		must(sys_cap_derive(run.slot, SELF, CAP_READ, run.frame, 1),
		     "cap_derive");
	check(sys_cap_revoke(run.slot) == -E_AGAIN, "a round does not suffice");
	for (u32 i = 1; i < CAP_LIST_SLOTS; i++) {
		if (i != run.slot && covers(i, run.frame, 1))
			refuse("what is withdrawn and still there",
			       sys_page_map(SELF, REGION_BASE, i, run.frame, 1,
					    PROT_READ), E_SLOT);
	}
	while (sys_cap_revoke(run.slot) == -E_AGAIN)
		calls++;
	check(calls == 2, "two do");
	for (u32 i = 1; i < CAP_LIST_SLOTS; i++)
		check(i == run.slot || !covers(i, run.frame, 1), "nothing is left");
	must(sys_cap_derive(run.slot, SELF, CAP_READ, run.frame, 1),
	     "what was revoked can be derived from again");
	must(cap_drop_all(run.slot), "drop");
}

// What is mapped in an environment, a page each as page_bits() says.
static void
mapped(u32 env, u64 page, u32 count, u32 prot)
{
	u8 bits[OVERLAP_PAGES];

	must(sys_page_bits(env, OVERLAP_AT + page * PAGE_SIZE, count, bits, 0), "page_bits");
	for (u32 i = 0; i < count; i++)
		check((bits[i] & 7) == prot, "what is covered is mapped, and no more");
}

// Capabilities that overlap: a mapping stays as long as one covers it with its rights.
static void
overlap_a_little(const struct frame_run *run)
{
	static const struct {
		u32 rights, first, count, prot;
	} parts[] = {
		{ CAP_READ | CAP_WRITE, 0, 40, PROT_READ | PROT_WRITE },
		{ CAP_READ | CAP_EXECUTE, 24, 40, PROT_READ | PROT_EXECUTE },
		{ CAP_READ, 32, 16, PROT_READ },
	};
	struct env_spec spec = { .quota = { .frames = 16 }, .name = "overlap" };
	u32 env, slot[ARRAY_SIZE(parts)];
	struct frame_run uarea;

	take_run(1, &uarea);
	spec.uarea_slot = uarea.slot;
	spec.uarea_frame = uarea.frame;
	env = (u32)sys_env_create(&spec);
	must((i32)env, "env_create");
	for (u32 i = 0; i < ARRAY_SIZE(parts); i++) {
		u64 frame = run->frame + parts[i].first;
		i64 theirs;

		slot[i] = (u32)sys_cap_derive(run->slot, SELF, parts[i].rights | CAP_DERIVE,
					      frame, parts[i].count);
		theirs = sys_cap_derive(slot[i], env, parts[i].rights, frame, parts[i].count);
		must(theirs, "cap_derive");
		must(sys_page_map(env, OVERLAP_AT + i * OVERLAP_PAGES * PAGE_SIZE, (u32)theirs,
				  frame, parts[i].count, parts[i].prot), "page_map");
	}
	must(cap_drop_all(slot[0]), "drop");
	mapped(env, 0, 40, 0);
	mapped(env, OVERLAP_PAGES, 40, parts[1].prot);
	mapped(env, 2 * OVERLAP_PAGES, 16, PROT_READ);
	must(cap_drop_all(slot[2]), "drop");
	mapped(env, OVERLAP_PAGES, 40, parts[1].prot);
	mapped(env, 2 * OVERLAP_PAGES, 16, PROT_READ);
	must(cap_drop_all(slot[1]), "drop");
	mapped(env, OVERLAP_PAGES, OVERLAP_PAGES, 0);
	mapped(env, 2 * OVERLAP_PAGES, OVERLAP_PAGES, 0);
	must(cap_drop_all(env), "drop");
	must(cap_drop_all(uarea.slot), "drop");
}

// A list full of them is looked through once, and not each frame of each: test_stays.py
// counts how long that takes.
void
test_overlap(void)
{
	struct frame_run run;
	u32 part = 0;

	take_run(OVERLAP_FRAMES, &run);
	overlap_a_little(&run);
	for (u32 i = 0; i < WIDE; i++) {
		part = (u32)sys_cap_derive(run.slot, SELF, CAP_READ | CAP_WRITE,
					   run.frame + i * 37 % WIDE, OVERLAP_FRAMES - WIDE);
		must((i32)part, "cap_derive");
	}
	must(sys_page_map(SELF, OVERLAP_AT, part, run.frame + WIDE, 1, PROT_READ), "page_map");
	must(cap_drop_all(part), "drop");
	mapped(SELF, 0, 1, PROT_READ);
	must(cap_drop_all(run.slot), "drop");
	mapped(SELF, 0, 1, 0);
}

// Lists of others, full of what came from one capability of ours.
static void
fill_lists(u32 *env, const struct frame_run *uareas, const struct frame_run *run)
{
	for (u32 e = 0; e < WIDE_LISTS; e++) {
		struct env_spec spec = {
			.uarea_slot = uareas->slot,
			.uarea_frame = uareas->frame + e,
			.quota = { .frames = 4 },
			.name = "list",
		};

		env[e] = (u32)sys_env_create(&spec);
		must((i32)env[e], "env_create");
		for (u32 i = 0; i < WIDE_EACH; i++)
			must(sys_cap_derive(run->slot, env[e], CAP_READ, run->frame,
					    run->count), "cap_derive");
	}
}

// While it is getting shorter nobody derives what is about to go; what stays, as before.
static void
derive_meanwhile(const struct frame_run *run)
{
	i64 part = sys_cap_derive(run->slot, SELF, CAP_READ, run->frame, run->count - 1);

	refuse("what is about to go", sys_cap_derive(run->slot, SELF, CAP_READ, run->frame,
						     run->count), E_RANGE);
	must(part, "cap_derive");
	must(cap_drop_all((u32)part), "drop");
}

// All of them get shorter with it, it last, in bounded calls.
static void
trim_all(const u32 *env, const struct frame_run *run)
{
	struct cap_info info;
	u32 calls = 1;

	for (; sys_cap_trim(run->slot, run->count - 1) == -E_AGAIN; calls++)
		derive_meanwhile(run);
	check(calls == (WIDE_LISTS * WIDE_EACH + 1 + 127) / 128, "128 in each call");
	check(covers(run->slot, run->frame, run->count - 1), "the whole is shorter");
	for (u32 e = 0; e < WIDE_LISTS; e++) {
		for (u32 i = 1; i <= WIDE_EACH; i++) {
			must(sys_cap_inspect(env[e], i, &info), "cap_inspect");
			if (info.count != run->count - 1 || info.base != run->frame)
				check(false, "so is each that came from it");
		}
	}
}

// Ten thousand go in bounded calls, and another environment's upcalls come meanwhile.
void
test_wide(void)
{
	static u32 env[WIDE_LISTS];
	struct frame_run uareas, run;
	struct cap_info info;
	u32 calls = 1, ticks;

	take_run(WIDE_LISTS, &uareas);
	take_run(2, &run);
	helper_start(&h, "ticks", processor(), NULL);
	fill_lists(env, &uareas, &run);
	trim_all(env, &run);
	must(sys_cap_inspect(SELF, run.slot, &info), "cap_inspect");
	check(info.children == WIDE_LISTS * WIDE_EACH, "ten thousand are there");
	while (h.shared->count == 0)
		sys_yield(SLOT_NONE);
	ticks = h.shared->count;
	while (sys_cap_revoke(run.slot) == -E_AGAIN) {
		calls++;
		sys_yield(SLOT_NONE);
	}
	check(h.shared->count > ticks, "upcalls of another came meanwhile");
	must(sys_cap_inspect(SELF, run.slot, &info), "cap_inspect");
	check(info.children == 0, "all are gone");
	check(calls == (WIDE_LISTS * WIDE_EACH + 127) / 128,
	      "128 in each call, and no fewer");
	print("wide: %u capabilities in %u calls, %u upcalls of another meanwhile\n",
	      WIDE_LISTS * WIDE_EACH, calls, h.shared->count - ticks);
	for (u32 e = 0; e < WIDE_LISTS; e++)
		must(cap_drop_all(env[e]), "drop");
	helper_end(&h);
	must(cap_drop_all(run.slot), "drop");
	must(cap_drop_all(uareas.slot), "drop");
}
