// SPDX-License-Identifier: BSD-2-Clause
// Two programs that share a disk and do not trust each other (docs/volume.md), and one
// that nobody should:
//
//	share format		makes a volume of the disk's last 256 blocks
//	share run ROUNDS	opens it; a shelf and a folder keep blocks in it at the
//				same time, so many rounds each, or 0: for ever
//	share check		opens it; both look at all that they find there
//	share attack		opens it; a thief tries, while both keep blocks; then the
//				owner of the disk
//
// A keeper says "share: NAME: round N is durable", and of what it finds "share: NAME: N
// extents, newest round N, N wrong". Losing power at any moment leaves a volume that
// opens, in which every durable round is.

#include "kernel/base/prng.h"
#include "kernel/base/string.h"
#include "libos/code/program.h"
#include "libos/crt/program.h"
#include "libos/mem/archive.h"
#include "libos/programs/share/share.h"
#include "libos/text/text.h"

#define MEMORY 6u			// frames of a keeper's
#define CACHE 64u
#define CHILD_FRAMES 140u
#define CHILDREN_MAX 3u
#define CATALOGUE 0u

static struct archive boot;
static const char *self = "share";

static const struct keeper {
	char *name;
	u32 root;
	int (*main)(struct share_task *task);
} keepers[SHARE_ROOTS] = {
	{ "shelf", ROOT_SHELF, shelf_main },
	{ "folder", ROOT_FOLDER, folder_main },
	{ "thief", ROOT_THIEF, thief_main },
};

i64
share_must(i64 result, const char *what)
{
	if (result >= 0)
		return result;
	print("share: %s: cannot %s: %s\n", self, what, error_text(result));
	sys_env_exit(STATUS_FAILED);
}

// ---- what the keepers have in common ----

void
share_fill(u8 *bytes, u32 owner, u64 round, u32 place)
{
	u64 *word = (u64 *)(void *)bytes;
	struct prng prng;

	prng_seed(&prng, round << 8 | owner << 4 | place);
	word[0] = round;
	for (u32 i = 1; i < BLOCK_SIZE / sizeof(u64); i++)
		word[i] = prng_u64(&prng);
}

bool
share_is_filled(const u8 *bytes, u32 owner, u64 round, u32 place)
{
	static u8 expected[BLOCK_SIZE] aligned_(8);

	share_fill(expected, owner, round, place);
	return !memcmp(bytes, expected, BLOCK_SIZE);
}

void
share_say_durable(u64 round)
{
	print("share: %s: round %lu is durable\n", self, round);
}

int
share_say_checked(u32 extents, u64 newest, u32 wrong)
{
	print("share: %s: %u extents, newest round %lu, %u wrong\n", self, extents, newest,
	      wrong);
	return wrong ? STATUS_FAILED : STATUS_OK;
}

static int
child_main(int argc, char **argv)
{
	const struct startup_cap *cap = startup_find(ROLE_VOLUME, 0);
	struct share_task task = { .check = argc > 2 && !strcmp(argv[2], "check") };

	if (!cap || (argc > 2 && !task.check && !text_to_u64(argv[2], &task.rounds)))
		return STATUS_USAGE;
	for (u32 i = 0; i < SHARE_ROOTS; i++) {
		if (strcmp(keepers[i].name, argv[1]))
			continue;
		self = keepers[i].name;
		share_must(volume_use(&task.user, cap->slot, keepers[i].root, MEMORY),
			   "use the volume");
		return keepers[i].main(&task);
	}
	return STATUS_USAGE;
}

// ---- the one who has the disk ----

static void
start(u32 volume, const struct keeper *keeper, char *task, struct child *child)
{
	char *argv[] = { "share", keeper->name, task, NULL };
	struct cap_info cap;
	struct spawn_grant grants[2];
	struct spawn_spec spec = {
		.archive = &boot, .argc = 3, .argv = argv, .slices = 1,
		.grants = grants, .grant_count = ARRAY_SIZE(grants),
		.quota = { .frames = CHILD_FRAMES, .rings = 1 },
		.cpu = env_table()[self_index()].processor,
	};

	share_must(sys_cap_inspect(CAP_SLOT_SELF, volume, &cap), "look");
	share_must(grant_of_role(ROLE_CONSOLE, CAP_WRITE, &grants[0]), "find the console");
	grants[1] = (struct spawn_grant){
		.role = ROLE_VOLUME, .slot = volume, .rights = CAP_READ | CAP_WRITE,
		.base = cap.base + keeper->root, .count = 1,
	};
	share_must(program_start(&spec, child), "start a keeper");
}

// Runs the first `count` keepers at once. Returns the worst of their ends.
static int
run_keepers(u32 volume, u32 count, char *task)
{
	struct child child[CHILDREN_MAX];
	int worst = STATUS_OK;

	for (u32 i = 0; i < count; i++)
		start(volume, &keepers[i], task, &child[i]);
	for (u32 i = 0; i < count; i++) {
		struct child_end end;

		share_must(child_wait(&child[i], NEVER), "wait");
		child_reap(&child[i], &end);
		if (end.how != END_EXIT || end.status != STATUS_OK) {
			print("share: %s did not succeed\n", keepers[i].name);
			worst = STATUS_FAILED;
		}
	}
	return worst;
}

static struct volume_spec
spec_of(u32 flags)
{
	u64 blocks = sys_info()->disk_blocks;
	u32 slot = startup_slot(ROLE_BLOCKS);

	if (slot == SLOT_NONE || blocks < SHARE_BLOCKS)
		share_must(-E_ABSENT, "find a disk of 1 MiB");
	return (struct volume_spec){
		.blocks_slot = slot, .flags = flags, .first = blocks - SHARE_BLOCKS,
		.count = SHARE_BLOCKS, .cache_count = CACHE,
	};
}

static void
add_type(u32 volume, u32 type, u32 shift, const char *function)
{
	i64 program = program_load_boot("owns.bpf", function,
					PROGRAM_OWNS_64 + shift - VOLUME_SHIFT_MIN);

	share_must(program, function);
	share_must(sys_volume_type(volume, type, shift, (u32)program,
				   LAST_BLOCK - type), "add a type");
}

static u32
format(void)
{
	struct volume_spec spec = spec_of(VOLUME_FORMAT);
	u32 volume = (u32)share_must(volume_bring_up(&spec), "make a volume");
	struct volume_user user;

	add_type(volume, TYPE_SHELF, SHELF_SHIFT, "shelf_owns");
	add_type(volume, TYPE_FOLDER, FOLDER_SHIFT, "folder_owns");
	add_type(volume, TYPE_LIAR, FOLDER_SHIFT, "liar_owns");
	share_must(sys_volume_root(volume, ROOT_SHELF, TYPE_SHELF, 10, false), "add a root");
	share_must(sys_volume_root(volume, ROOT_FOLDER, TYPE_FOLDER, 11, false),
		   "add a root");
	share_must(sys_volume_root(volume, ROOT_THIEF, TYPE_SHELF, 12, false), "add a root");
	share_must(volume_use(&user, volume, ROOT_SHELF, 1), "use the volume");
	for (u32 type = 1; type < SHARE_TYPES; type++)
		share_must(volume_save(&user, LAST_BLOCK - type), "save a program");
	for (u32 root = 0; root < SHARE_ROOTS; root++) {
		user.root = user.queue.root = (u8)root;
		share_must(volume_run(&user, QUEUE_READ, 10 + root, 1), "begin a root");
		share_must(volume_save(&user, 10 + root), "save a root");
	}
	share_must(volume_save(&user, CATALOGUE), "save the catalogue");
	volume_leave(&user);
	return volume;
}

static u32
open(void)
{
	struct volume_spec spec = spec_of(0);

	return (u32)share_must(volume_bring_up(&spec), "open the volume");
}

int
main(int argc, char **argv)
{
	int status;

	if (argc == 2 && !strcmp(argv[1], HOARDER))
		return hoarder_main();
	share_must(archive_open(ROLE_BOOT_ARCHIVE, &boot) && argc > 1 &&
		   startup_slot(ROLE_BLOCKS) != SLOT_NONE ? -E_ABSENT : 0, "find programs");
	if (argc > 1 && startup_find(ROLE_VOLUME, 0))
		return child_main(argc, argv);
	if (argc == 2 && !strcmp(argv[1], "format")) {
		format();
		status = STATUS_OK;
	} else if (argc == 3 && !strcmp(argv[1], "run")) {
		status = run_keepers(open(), 2, argv[2]);
	} else if (argc == 2 && !strcmp(argv[1], "check")) {
		status = run_keepers(open(), 2, "check");
	} else if (argc == 2 && !strcmp(argv[1], "attack")) {
		status = run_keepers(open(), 3, "8") ||
			 owner_main(&boot, spec_of(0).blocks_slot, spec_of(0).first);
	} else {
		print("usage: share format | run ROUNDS | check | attack\n");
		return STATUS_USAGE;
	}
	print("share: %s: %s\n", argv[1], status == STATUS_OK ? "PASS" : "FAIL");
	return status;
}
