// SPDX-License-Identifier: BSD-2-Clause
// What the one who has the disk cannot do either: reach past an open volume, let a
// program in that is none, go on when what a volume stands on is gone, nor keep frames from
// a request in a volume's cache. All but the first of it is tried on a second, small volume,
// at the beginning of the disk.

#include "libos/code/program.h"
#include "libos/crt/program.h"
#include "libos/mem/archive.h"
#include "libos/mem/frames.h"
#include "libos/programs/hostile/verdict.h"
#include "libos/programs/share/share.h"

#define SMALL 16u

static struct queue raw;
static struct frame_run memory;
static u32 blocks;

static i64
raw_run(enum queue_op op, u64 block, u32 count)
{
	return queue_run(&raw, op, block, memory.frame, count, NEVER);
}

// A program of the archive; the verdict says whether it was accepted.
static u32
load(const char *name, enum program_type type)
{
	return (u32)need(name, program_load_boot("owns.bpf", name, type));
}

static void
past_the_volume(u64 first)
{
	struct volume_spec spec = { .blocks_slot = blocks, .first = first + 200,
				    .count = 20, .cache_count = VOLUME_CACHE_MIN };

	refused("to open it again", sys_volume_open(&spec), E_TAKEN);
	refused("to read it as blocks", raw_run(QUEUE_READ, first, 1), E_TAKEN);
	refused("to write its last one", raw_run(QUEUE_WRITE, first + LAST_BLOCK, 1),
		E_TAKEN);
	refused("to read into it", raw_run(QUEUE_READ, first - 1, 2), E_TAKEN);
	refused("to store on no volume", raw_run(QUEUE_STORE, 0, 1), E_ARGUMENT);
	holds("to read beside it", !raw_run(QUEUE_READ, first - 1, 1));
}

static void
bad_specs(void)
{
	struct volume_spec good = { .blocks_slot = blocks, .flags = VOLUME_FORMAT,
				    .count = SMALL, .cache_count = VOLUME_CACHE_MIN };
	struct volume_spec s = good;
	i64 lesser = need("derive", sys_cap_derive(blocks, CAP_SLOT_SELF,
						   CAP_READ | CAP_WRITE, 0, SMALL));

	s.blocks_slot = (u32)lesser;
	refused("blocks without DERIVE", sys_volume_open(&s), E_RIGHTS);
	need("drop", sys_cap_drop((u32)lesser));
	s = good;
	s.first = sys_info()->disk_blocks - 1;
	refused("blocks behind the disk", sys_volume_open(&s), E_RANGE);
	s = good;
	s.count = VOLUME_CATALOGUE_BLOCKS;
	refused("too few blocks", sys_volume_open(&s), E_ARGUMENT);
	s.count = VOLUME_BLOCKS_MAX + 1;
	refused("too many blocks", sys_volume_open(&s), E_ARGUMENT);
	s = good;
	s.cache_count = VOLUME_CACHE_MIN - 1;
	refused("too small a cache", sys_volume_open(&s), E_ARGUMENT);
	s.cache_count = VOLUME_CACHE_MAX + 1;
	refused("too large a cache", sys_volume_open(&s), E_ARGUMENT);
	s = good;
	s.flags = VOLUME_FORMAT + 1;
	refused("flags that are none", sys_volume_open(&s), E_ARGUMENT);
}

// Loads what the verifier must refuse.
static void
wild_program(void)
{
	// Reads 64 bytes behind the partition.
	static const struct code_insn text[] = {
		{ .opcode = 0x79, .registers = 0x16 },		// r6 = context->part
		{ .opcode = 0x71, .registers = 0x60, .offset = 64 },
		{ .opcode = 0x95 },
	};
	struct program_verdict v = { 0 };
	i64 slot = need("load", program_load(text, 3, PROGRAM_OWNS_64, &v));

	holds("a program that reads further is refused", v.reason == CODE_OUTSIDE);
	need("drop", sys_cap_drop((u32)slot));
}

// Programs of types: before one is on the disk, and when it is.
static void
types(u32 volume, struct volume_user *user)
{
	u32 folder = load("folder_owns", PROGRAM_OWNS_64);
	u32 greedy = load("greedy_owns", PROGRAM_OWNS_64);

	refused("a type that owns something from the beginning",
		sys_volume_type(volume, 1, 6, greedy, 14), E_OWNS);
	refused("a program for other partitions",
		sys_volume_type(volume, 1, 7, folder, 14), E_ARGUMENT);
	refused("a type without a number", sys_volume_type(volume, 0, 6, folder, 14),
		E_ARGUMENT);
	refused("a program in the catalogue", sys_volume_type(volume, 1, 6, folder, 1),
		E_RANGE);
	refused("a root of no type", sys_volume_root(volume, 0, 1, 10, false), E_ARGUMENT);
	need("add a type", sys_volume_type(volume, 1, 6, folder, 14));
	refused("the same again", sys_volume_type(volume, 1, 6, folder, 13), E_TAKEN);
	need("limit", sys_volume_limit(volume, 0, 0));
	refused("a root beyond its limit", sys_volume_root(volume, 0, 1, 10, false),
		E_QUOTA);
	need("limit", sys_volume_limit(volume, 0, 4));
	need("save", volume_save(user, 14));
	need("save", volume_save(user, 0));
	need("drop", sys_cap_drop(greedy));
	// The type's program goes, and the volume with it.
	need("drop", sys_cap_drop(folder));
	refused("to go on without it", sys_queue_kick(user->queue.slot), E_STATE);
	refused("in any way", sys_volume_limit(volume, 0, 5), E_STATE);
	holds("it stopped", volume_table()[user->index].stage == VOLUME_STOPPED);
}

// What the disk holds is opened with its own program or not at all.
static void
forged_type(struct volume_spec *spec)
{
	u32 liar = load("liar_owns", PROGRAM_OWNS_64);
	struct volume_user user;
	u32 volume;

	spec->flags = 0;
	volume = (u32)need("open", sys_volume_open(spec));
	need("use it", volume_use(&user, volume, 0, 2));
	refused("to walk what was not read", sys_volume_walk(volume), E_STATE);
	refused("to read another block first", volume_run(&user, QUEUE_READ, 14, 1),
		E_RANGE);
	refused("to write", volume_run(&user, QUEUE_WRITE, 0, 2), E_STATE);
	need("read the catalogue", volume_run(&user, QUEUE_READ, 0, 2));
	refused("it is not all", sys_volume_walk(volume), E_AGAIN);
	refused("a limit so early", sys_volume_limit(volume, 0, 5), E_STATE);
	need("read the program", volume_run(&user, QUEUE_READ, 14, 1));
	refused("to walk past a program", sys_volume_walk(volume), E_STATE);
	refused("another program", sys_volume_type(volume, 1, 6, liar, 0), E_ARGUMENT);
	volume_leave(&user);
	need("close it", cap_drop_all(volume));
	need("drop", sys_cap_drop(liar));
}

// The blocks go, and the volume with them.
static void
lost_blocks(struct volume_spec *spec)
{
	u32 part = (u32)need("derive", sys_cap_derive(blocks, CAP_SLOT_SELF, CAP_READ |
						      CAP_WRITE | CAP_DERIVE, 0, SMALL));
	struct volume_user user;
	u32 volume;

	spec->blocks_slot = part;
	spec->flags = VOLUME_FORMAT;
	volume = (u32)need("format", sys_volume_open(spec));
	need("use it", volume_use(&user, volume, 0, 1));
	refused("to read it as blocks", raw_run(QUEUE_READ, 3, 1), E_TAKEN);
	need("trim", sys_cap_trim(part, SMALL - 1));
	refused("to go on with fewer", sys_queue_kick(user.queue.slot), E_STATE);
	holds("its blocks are blocks again", !raw_run(QUEUE_READ, 3, 1));
	volume_leave(&user);
	need("close it", cap_drop_all(volume));
	need("drop", sys_cap_drop(part));
	holds("nothing is known of it", volume_registry(user.index)[0].state == 0);
}

int
hoarder_main(void)
{
	struct volume_spec spec = { .blocks_slot = startup_slot(ROLE_BLOCKS),
				    .flags = VOLUME_FORMAT, .count = SMALL,
				    .cache_count = VOLUME_CACHE_MAX };

	need("open a volume", sys_volume_open(&spec));
	while (sys_wait(NULL, 0, NEVER) < 0)
		;
	return STATUS_FAILED;
}

static void
nap(void)
{
	i64 result = sys_wait(NULL, 0, now_ns() + NS_PER_MS);

	if (result != -E_TIMEOUT)
		need("sleep", result);
}

static void
start_hoarder(const struct archive *boot, struct child *child)
{
	char *argv[] = { "share", HOARDER, NULL };
	struct spawn_grant grant = { .role = ROLE_BLOCKS, .slot = blocks, .count = SMALL,
				     .rights = CAP_READ | CAP_WRITE | CAP_DERIVE };
	struct spawn_spec spec = {
		.archive = boot, .argc = 2, .argv = argv, .slices = 1,
		.grants = &grant, .grant_count = 1, .quota.frames = 140,
		.cpu = env_table()[self_index()].processor,
	};

	need("start a hoarder", program_start(&spec, child));
}

// Waits until the small volume is closed, or is not. Returns whether it came to that.
static bool
small_volume_closes(bool closed)
{
	u64 until = now_ns() + 10 * NS_PER_SECOND;
	bool found;

	do {
		nap();
		found = false;
		for (u32 i = 0; i < VOLUMES_MAX; i++)
			found |= volume_table()[i].stage != VOLUME_CLOSED &&
				 volume_table()[i].first == 0;
	} while (found == closed && now_ns() < until);
	return found != closed;
}

// Frames in a volume's cache are owed like others: who hides them there loses the volume.
static void
hoarded_frames(const struct archive *boot)
{
	struct child child;
	const volatile struct env_info *info;
	u32 quota, owed;

	start_hoarder(boot, &child);
	holds("a hoarder opens a volume", small_volume_closes(false));
	refused("to read it as blocks", raw_run(QUEUE_READ, 3, 1), E_TAKEN);
	info = &env_table()[child.index];
	quota = info->quota.frames;
	owed = quota - info->used.frames + VOLUME_CACHE_MAX / 2;
	need("ask", sys_revoke_ask(child.env, SLOT_NONE, CAP_FRAMES, owed, now_ns()));
	holds("the volume is taken", small_volume_closes(true));
	while (info->requests)
		nap();
	holds("what was owed is given", info->quota.frames == quota - owed &&
	      info->used.frames <= quota - owed);
	holds("its owner lives on", info->state == ENV_ASLEEP ||
	      info->state == ENV_RUNNABLE);
	holds("the blocks are blocks again", !raw_run(QUEUE_READ, 3, 1));
	child_reap(&child, NULL);
}

int
owner_main(const struct archive *boot, u32 blocks_slot, u64 first)
{
	struct volume_spec spec = { .blocks_slot = blocks_slot, .flags = VOLUME_FORMAT,
				    .count = SMALL, .cache_count = VOLUME_CACHE_MIN };
	struct volume_user user;
	u32 volume;

	blocks = blocks_slot;
	need("take frames", frames_take(2, &memory));
	need("open a queue", queue_open(&raw, blocks, &memory));
	past_the_volume(first);
	bad_specs();
	wild_program();
	volume = (u32)need("format", sys_volume_open(&spec));
	need("use it", volume_use(&user, volume, 0, 1));
	types(volume, &user);
	volume_leave(&user);
	need("close it", cap_drop_all(volume));
	forged_type(&spec);
	lost_blocks(&spec);
	hoarded_frames(boot);
	queue_close(&raw);
	frames_give(&memory);
	return verdict_end();
}
