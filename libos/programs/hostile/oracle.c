// SPDX-License-Identifier: BSD-2-Clause
// The authority oracle:
//
//	oracle SEED CALLS [BUG]
//
// Four hostile environments (intruder.c) in two groups of two. Each group shares an
// arena and its members hold each other's capability; no capability leads from one
// group to the other, nor to what is the oracle's. So the model is short: a byte may
// change, or be read, only by the paths in this table, whatever calls are made.
//
//	memory			may read		may write
//	the oracle's own	nobody			nobody
//	frames that it freed	nobody, as it left them	whoever takes them
//	public			everybody		nobody
//	lent			the first group, until they are revoked
//	a group's arena		the group		the group
//	packets for a group	the group		the group
//	the oracle's blocks	nobody			nobody
//
// A packet is a path from whoever may send to whoever holds the address. Both groups may
// send and receive; so that no packet leads from one to the other, each binds, and knows,
// two addresses of its own only.
//
// Memory is filled with words that say whose it is (tags.h): intruders that read
// another's say so, and the oracle looks at what must not change after each round.
// On the checked kernel the invariants of all tables are walked too (control.h), and
// BUG switches on one of the planted bugs (harness/checked/planted.py), which must
// then be found. Each round, of INTRUDERS * CALLS_EACH calls at most, is announced: who
// waits for the end sees that it goes on, and in which round something was found.

#include "kernel/base/assert.h"
#include "kernel/base/fmt.h"
#include "libos/crt/program.h"
#include "libos/io/queue.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/hostile/control.h"
#include "libos/programs/hostile/tags.h"
#include "libos/programs/hostile/taken.h"
#include "libos/programs/hostile/verdict.h"
#include "libos/text/text.h"

#define GROUPS 2u
#define MEMBERS 2u
#define INTRUDERS (GROUPS * MEMBERS)
#define ARENA_FRAMES 300u
#define OWN_FRAMES 4u			// of each kind
#define GROUP_BLOCKS 8u			// of the disk: one part a group, then ours
#define OUR_BLOCK (GROUPS * GROUP_BLOCKS)
#define CALLS_EACH 2000u
#define HALF_NS (20 * NS_PER_MS)	// until what is lent is revoked
#define STEP_NS (50 * NS_PER_MS)	// the tables are looked at in between
#define STEPS_MAX 80u
#define IDLE_ROUNDS_MAX 3u
#define GRANTS_MAX 8u
#define NUMBERS_MAX 16u
#define ARGUMENTS (5 + NUMBERS_MAX)

static struct archive boot;
static struct frame_run own, public, lent, arena[GROUPS], blocks;
static struct queue disk;
static u64 freed[OWN_FRAMES];		// frames that were ours
static u32 blocks_slot = SLOT_NONE;
static u32 idle_rounds;			// since an intruder came to its end

// ---- what is there ----

static struct frame_run
take_tagged(u32 count, u32 owner)
{
	struct frame_run run = take_mapped(count);

	tag_fill(direct_address(run.frame), count * PAGE_SIZE / 8, owner);
	return run;
}

// Frames full of secrets go back to the kernel.
static void
give_secrets_back(void)
{
	struct frame_run run = take_tagged(OWN_FRAMES, TAG_FREED);

	for (u32 i = 0; i < OWN_FRAMES; i++)
		freed[i] = run.frame + i;
	unmap_run(CAP_SLOT_SELF, (u64)direct_address(run.frame), run.count);
	need("give back", cap_drop_all(run.slot));
}

static void
fill_disk(void)
{
	const struct startup_cap *cap = startup_find(ROLE_BLOCKS, 0);

	if (!cap)
		return;
	blocks_slot = cap->slot;
	blocks = take_tagged(OWN_FRAMES, TAG_DISK);
	need("open a queue", queue_open(&disk, blocks_slot, &blocks));
	need("write", queue_run(&disk, QUEUE_WRITE, OUR_BLOCK, blocks.frame,
				OWN_FRAMES, NEVER));
}

static bool
is_whole(const struct frame_run *run, u32 owner)
{
	const volatile u64 *words = direct_address(run->frame);

	for (u64 i = 0; i < run->count * PAGE_SIZE / 8; i++) {
		if (words[i] == tag(owner, i))
			continue;
		print("oracle: word %lu of frame 0x%lx changed to 0x%lx\n",
		      i % 512, run->frame + i / 512, words[i]);
		return false;
	}
	return true;
}

static void
check_everything(void)
{
	holds("the oracle's own memory is as it was", is_whole(&own, TAG_VICTIM));
	holds("what is public is as it was", is_whole(&public, TAG_PUBLIC));
	if (blocks_slot == SLOT_NONE)
		return;
	need("read", queue_run(&disk, QUEUE_READ, OUR_BLOCK, blocks.frame,
			       OWN_FRAMES, NEVER));
	holds("the oracle's blocks are as they were", is_whole(&blocks, TAG_DISK));
}

// ---- intruders ----

struct order {
	char text[ARGUMENTS][24];
	char *argv[ARGUMENTS + 1];
	int argc;
};

static void
say(struct order *o, u64 number)
{
	ASSERT(o->argc < (int)ARGUMENTS);
	fmt_into(o->text[o->argc], sizeof(o->text[0]), "%lu", number);
	o->argv[o->argc] = o->text[o->argc];
	o->argc++;
}

// What it is after: frames of everybody else.
static void
say_targets(struct order *o, u32 group)
{
	for (u32 i = 0; i < 2; i++) {
		say(o, own.frame + i);
		say(o, public.frame + i);
		say(o, lent.frame + i);
		say(o, freed[i]);
		say(o, arena[1 - group].frame + i);
	}
	say(o, blocks.count ? blocks.frame : own.frame);
}

static u32
grants_for(u32 group, struct spawn_grant *grants)
{
	u32 all = CAP_READ | CAP_WRITE | CAP_DERIVE | CAP_EXECUTE, count = 0;

	grants[count++] = (struct spawn_grant){ ROLE_SHARED, arena[group].slot, all,
		arena[group].frame, ARENA_FRAMES, 0 };
	grants[count++] = (struct spawn_grant){ ROLE_IMAGE, public.slot,
		CAP_READ | CAP_DERIVE, public.frame, public.count, 0 };
	if (group == 0)
		grants[count++] = (struct spawn_grant){ ROLE_IMAGE, lent.slot,
			CAP_READ, lent.frame, lent.count, 0 };
	count += !grant_of_role(ROLE_NIC, CAP_READ | CAP_WRITE | CAP_DERIVE,
				&grants[count]);
	if (blocks_slot != SLOT_NONE)
		grants[count++] = (struct spawn_grant){ ROLE_BLOCKS, blocks_slot,
			CAP_READ | CAP_WRITE | CAP_DERIVE, group * GROUP_BLOCKS,
			GROUP_BLOCKS, 0 };
	return count + !grant_of_role(ROLE_CONSOLE, CAP_WRITE, &grants[count]);
}

static void
start(u64 seed, u32 nth, struct child *child)
{
	u32 group = nth / MEMBERS, member = nth % MEMBERS;
	struct spawn_grant grants[GRANTS_MAX] = { { .role = ROLE_NONE } };
	struct order o = { .argv = { "intruder" }, .argc = 1 };
	struct spawn_spec spec = {
		.archive = &boot,
		.argv = o.argv,
		.grants = grants,
		.quota = { .frames = 60, .slices = member == 0,
			   .envs = 0, .rings = 2 },
		.cpu = nth % sys_info()->cpu_count,
		.slices = 1,
	};

	say(&o, seed * INTRUDERS + nth);
	say(&o, CALLS_EACH);
	say(&o, group);
	say(&o, member);
	say_targets(&o, group);
	spec.argc = o.argc;
	spec.grant_count = grants_for(group, grants);
	need("start an intruder", program_start(&spec, child));
}

// The members of a group get each other's capability.
static void
introduce(const struct child *c)
{
	for (u32 i = 0; i < INTRUDERS; i++) {
		const struct child *other = &c[i ^ 1];

		(void)(sys_cap_derive(c[i].env, other->env, CAP_READ | CAP_WRITE |
				      CAP_DERIVE, c[i].index, 1) < 0);
	}
}

// From here on what was lent is the oracle's again, and only its.
static void
revoke_lent(void)
{
	struct wait_word none[1];
	i64 result;

	(void)(sys_wait(none, 0, now_ns() + HALF_NS) < 0);
	do
		result = sys_cap_revoke(lent.slot);
	while (result == -E_AGAIN);
	need("revoke", result);
	tag_fill(direct_address(lent.frame), lent.count * PAGE_SIZE / 8, TAG_VICTIM);
}

static void
wait_for(struct child *child)
{
	struct child_end end;
	u32 steps = 0;

	while (child_wait(child, now_ns() + STEP_NS) && ++steps < STEPS_MAX)
		syscall_3(SYS_null, CONTROL_MAGIC, CONTROL_AUDIT, 0);
	child_reap(child, &end);
	holds("nothing foreign was read",
	      end.how != END_EXIT || end.status != STATUS_READ_FOREIGN);
	if (end.how != END_EXIT || end.status != STATUS_OK)
		return;
	verdict.attempts += CALLS_EACH;
	idle_rounds = 0;
}

static void
run_round(u64 seed)
{
	struct child intruder[INTRUDERS];

	holds("intruders come to their ends", idle_rounds++ < IDLE_ROUNDS_MAX);
	tag_fill(direct_address(lent.frame), lent.count * PAGE_SIZE / 8, TAG_LENT);
	for (u32 i = 0; i < GROUPS; i++)
		tag_fill(direct_address(arena[i].frame), ARENA_FRAMES * PAGE_SIZE / 8,
			 TAG_GROUP + i);
	give_secrets_back();
	for (u32 i = 0; i < INTRUDERS; i++)
		start(seed, i, &intruder[i]);
	introduce(intruder);
	revoke_lent();
	for (u32 i = 0; i < INTRUDERS; i++)
		wait_for(&intruder[i]);
	holds("what was revoked is as the oracle left it",
	      is_whole(&lent, TAG_VICTIM));
	check_everything();
	syscall_3(SYS_null, CONTROL_MAGIC, CONTROL_AUDIT, 0);
}

int
main(int argc, char **argv)
{
	u64 seed, calls, bug = 0, rounds = 0;

	if (argc < 3 || !text_to_u64(argv[1], &seed) ||
	    !text_to_u64(argv[2], &calls) ||
	    (argc > 3 && !text_to_u64(argv[3], &bug))) {
		print("oracle: give a seed and how many calls\n");
		return STATUS_USAGE;
	}
	need("open the archive", archive_open(ROLE_BOOT_ARCHIVE, &boot));
	own = take_tagged(OWN_FRAMES, TAG_VICTIM);
	public = take_tagged(OWN_FRAMES, TAG_PUBLIC);
	lent = take_tagged(OWN_FRAMES, TAG_LENT);
	for (u32 i = 0; i < GROUPS; i++)
		arena[i] = take_tagged(ARENA_FRAMES, TAG_GROUP + i);
	fill_disk();
	syscall_3(SYS_null, CONTROL_MAGIC, CONTROL_PLANT, bug);
	while (verdict.attempts < calls && !verdict.failures) {
		print("oracle: round %lu\n", ++rounds);
		run_round(seed + rounds - 1);
	}
	syscall_3(SYS_null, CONTROL_MAGIC, CONTROL_PLANT, 0);
	print("oracle: %lu rounds\n", rounds);
	return verdict_end();
}
