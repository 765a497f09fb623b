// SPDX-License-Identifier: BSD-2-Clause
// Disk labels. The checksum covers the whole block, so rot anywhere in it is told
// from a disk that never was the cluster's.

#include "libos/store/label.h"
#include "kernel/base/assert.h"
#include "kernel/base/siphash.h"
#include "kernel/base/string.h"

struct label_block {
	u64 magic;
	u32 version;
	u32 reserved;
	u8 cluster[STORE_UUID];
	u8 node[STORE_UUID];
	u64 blocks;
	u8 zero[STORE_BLOCK - 64];
	u64 check;
};

STATIC_ASSERT(sizeof(struct label_block) == STORE_BLOCK);

// No secret: the checksum finds rot.
static const u8 label_key[SIPHASH_KEY_LEN] = "DEOS disk label";

static u64
check_of(const struct label_block *at)
{
	return siphash64(label_key, at, offsetof(struct label_block, check));
}

void
label_make(const struct label *label, u8 block[STORE_BLOCK])
{
	struct label_block *at = (struct label_block *)block;

	ASSERT(label->blocks >= STORE_BLOCKS_MIN && label->blocks <= STORE_BLOCKS_MAX);
	memset(at, 0, sizeof(*at));
	at->magic = LABEL_MAGIC;
	at->version = LABEL_VERSION;
	memcpy(at->cluster, label->cluster, STORE_UUID);
	memcpy(at->node, label->node, STORE_UUID);
	at->blocks = label->blocks;
	at->check = check_of(at);
}

bool
label_is_zero(const void *bytes, u64 len)
{
	const u8 *at = bytes;

	for (u64 i = 0; i < len; i++) {
		if (at[i])
			return false;
	}
	return true;
}

enum found {
	FOUND_GOOD,
	FOUND_ZERO,
	FOUND_DAMAGED,		// ours once
	FOUND_OTHER,
};

static enum found
look(const u8 block[STORE_BLOCK])
{
	const struct label_block *at = (const struct label_block *)block;

	if (at->magic != LABEL_MAGIC)
		return label_is_zero(block, STORE_BLOCK) ? FOUND_ZERO : FOUND_OTHER;
	if (at->check != check_of(at))
		return FOUND_DAMAGED;
	if (at->version != LABEL_VERSION)
		return FOUND_OTHER;
	return at->blocks < STORE_BLOCKS_MIN || at->blocks > STORE_BLOCKS_MAX
		       ? FOUND_DAMAGED : FOUND_GOOD;
}

// Neither block is good.
static enum label_class
class_without_label(enum found block, enum found spare, u64 disk_blocks)
{
	if (block == FOUND_OTHER)
		return LABEL_FOREIGN;
	if (block == FOUND_DAMAGED)
		return LABEL_DAMAGED;
	// A claim was cut off at its first write: nothing has come after it.
	if (spare == FOUND_OTHER)
		return LABEL_FOREIGN;
	return disk_blocks < STORE_BLOCKS_MIN ? LABEL_SMALL : LABEL_BLANK;
}

static bool
is_bound(const u8 block[STORE_BLOCK])
{
	const struct label_block *at = (const struct label_block *)block;

	return !label_is_zero(at->cluster, STORE_UUID);
}

enum label_class
label_read(const u8 block[STORE_BLOCK], const u8 spare[STORE_BLOCK],
	   u64 disk_blocks, const u8 node[STORE_UUID], struct label *label)
{
	enum found first = look(block), second = look(spare);
	const struct label_block *at = (const struct label_block *)block;

	if (first == FOUND_OTHER || (first != FOUND_GOOD && second != FOUND_GOOD))
		return class_without_label(first, second, disk_blocks);
	// The spare is written first, so it may know the cluster already.
	if (first != FOUND_GOOD || (second == FOUND_GOOD && is_bound(spare)))
		at = (const struct label_block *)spare;
	memcpy(label->cluster, at->cluster, STORE_UUID);
	memcpy(label->node, at->node, STORE_UUID);
	label->blocks = at->blocks;
	if (at->blocks > disk_blocks)
		return LABEL_SMALL;
	return memcmp(at->node, node, STORE_UUID) ? LABEL_STRANGER : LABEL_OURS;
}

bool
label_differs(const u8 block[STORE_BLOCK], const u8 spare[STORE_BLOCK])
{
	return memcmp(block, spare, STORE_BLOCK) != 0;
}

const char *
label_class_text(enum label_class class)
{
	switch (class) {
	case LABEL_OURS:
		return "the disk is this node's";
	case LABEL_BLANK:
		return "the disk is blank";
	case LABEL_FOREIGN:
		return "the disk holds something that is not the cluster's";
	case LABEL_DAMAGED:
		return "the disk's label is damaged";
	case LABEL_STRANGER:
		return "the disk is another node's";
	case LABEL_SMALL:
		return "the disk is too small";
	}
	return "the disk is unknown";
}
