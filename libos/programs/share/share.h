// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The parts of `share`: main.c opens the volume and starts the others, each an
// environment with a capability for one root: shelf.c and folder.c keep blocks in
// layouts of their own, thief.c wants what is not its own; owner.c is the first again.

#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"
#include "libos/volume/volume.h"

#define SHARE_BLOCKS 256u		// the last of the disk
#define LAST_BLOCK (SHARE_BLOCKS - 1)

enum share_type {
	TYPE_SHELF = 1,
	TYPE_FOLDER,
	TYPE_LIAR,
	SHARE_TYPES
};

enum share_root {
	ROOT_SHELF,
	ROOT_FOLDER,
	ROOT_THIEF,
	SHARE_ROOTS
};

#define SHELF_SHIFT 7u
#define FOLDER_SHIFT 6u

// As folder_owns() of libos/code/bpf/owns.c reads it.
struct folder_entry {
	u32 block;		// big endian; 0: none
	u8 type;
	u8 reserved[3];
	u64 round;
	char name[48];
};

// What a keeper does: rounds until there are so many (0: for ever), or a look at all
// that the disk holds.
struct share_task {
	struct volume_user user;
	bool check;
	u64 rounds;
};

// Ends the program with a line when a step fails.
i64
share_must(i64 result, const char *what);

// Fills a block, or says whether it is what this did: for one owner, round and place.
void
share_fill(u8 *bytes, u32 owner, u64 round, u32 place);
bool
share_is_filled(const u8 *bytes, u32 owner, u64 round, u32 place);

// Says that a round's data is durable; or how many extents were there after all, and the
// newest round.
void
share_say_durable(u64 round);
int
share_say_checked(u32 extents, u64 newest, u32 wrong);

int
shelf_main(struct share_task *task);
int
folder_main(struct share_task *task);
int
thief_main(struct share_task *task);

// Opens a volume for the sake of its cache and sleeps for ever: a child of owner_main().
#define HOARDER "hoarder"
int
hoarder_main(void);

// Tries it as the one who has the disk, where a volume is open from block `first` on.
struct archive;
int
owner_main(const struct archive *boot, u32 blocks_slot, u64 first);
