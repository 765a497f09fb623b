// SPDX-License-Identifier: BSD-2-Clause
// Register slots.

#include "libos/store/slot.h"
#include "kernel/base/assert.h"
#include "kernel/base/siphash.h"
#include "kernel/base/string.h"

struct slot_head {
	u64 magic;
	u64 sequence;
	u8 cluster[STORE_UUID];
	u32 len;		// of the state
	u32 reserved[5];
	u64 check;		// of the head before it, and the state
};

STATIC_ASSERT(sizeof(struct slot_head) == SLOT_HEAD);

static const u8 slot_key[SIPHASH_KEY_LEN] = "DEOS slot state";

static u64
check_of(const struct slot_head *head)
{
	struct siphash hash;
	u64 fixed = offsetof(struct slot_head, check);
	u64 whole = head->len & ~7u;
	const u8 *state = (const u8 *)(head + 1);

	siphash_begin(&hash, slot_key);
	siphash_words(&hash, head, fixed);
	siphash_words(&hash, state, whole);
	return siphash_end(&hash, state + whole, fixed + head->len);
}

void
slot_make(u8 slot[SLOT_BYTES], const u8 cluster[STORE_UUID], u64 sequence,
	  const void *state, u32 len)
{
	struct slot_head *head = (struct slot_head *)slot;

	ASSERT(sequence && len <= SLOT_STATE_MAX);
	memmove(slot + SLOT_HEAD, state, len);
	memset(slot + SLOT_HEAD + len, 0, SLOT_STATE_MAX - len);
	memset(head, 0, sizeof(*head));
	head->magic = SLOT_MAGIC;
	head->sequence = sequence;
	memcpy(head->cluster, cluster, STORE_UUID);
	head->len = len;
	head->check = check_of(head);
}

u64
slot_read(const u8 slot[SLOT_BYTES], const u8 cluster[STORE_UUID],
	  const u8 **state, u32 *len)
{
	const struct slot_head *head = (const struct slot_head *)slot;

	if (head->magic != SLOT_MAGIC || head->len > SLOT_STATE_MAX)
		return 0;
	if (head->check != check_of(head) ||
	    memcmp(head->cluster, cluster, STORE_UUID))
		return 0;
	*state = slot + SLOT_HEAD;
	*len = head->len;
	return head->sequence;
}
