// SPDX-License-Identifier: BSD-2-Clause
// A voter's state as a slot of the disk, and back. Two slots are written in turn: one
// that was torn by a power cut leaves the one before it, and what the torn one held
// was told to nobody.
//
//	0 u64 magic   8 u32 format   12 u32 len   16 u64 generation   24 promised
//	40 accepted   56 zeros   112 checksum (SipHash, over the slot with zeros
//	here)   128 the value, then zeros

#include "cluster/agree/parts.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/siphash.h"
#include "kernel/base/string.h"

#define MAGIC 0x5249474552534f45ull
#define FORMAT 1u
#define CHECKSUM 112u
#define VALUE 128u

STATIC_ASSERT(VALUE + RECORD_MAX == AGREE_SLOT);

// Not a secret: the sum finds what rotted or was torn.
static const u8 checksum_key[SIPHASH_KEY_LEN] = "DEOS register 1";

void
agree_slot_store(const struct agree_acceptor *acceptor, u8 slot[AGREE_SLOT])
{
	u8 sum[SIPHASH128_LEN];

	ASSERT(acceptor->value.len <= RECORD_MAX);
	memset(slot, 0, AGREE_SLOT);
	le64_store(slot, MAGIC);
	le32_store(slot + 8, FORMAT);
	le32_store(slot + 12, acceptor->value.len);
	le64_store(slot + 16, acceptor->generation);
	le64_store(slot + 24, acceptor->promised.counter);
	le64_store(slot + 32, acceptor->promised.life);
	le64_store(slot + 40, acceptor->accepted.counter);
	le64_store(slot + 48, acceptor->accepted.life);
	if (acceptor->value.len)
		memcpy(slot + VALUE, acceptor->value.bytes, acceptor->value.len);
	siphash128(checksum_key, slot, AGREE_SLOT, sum);
	memcpy(slot + CHECKSUM, sum, sizeof(sum));
}

static bool
is_empty(const u8 slot[AGREE_SLOT])
{
	for (u32 i = 0; i < AGREE_SLOT; i++) {
		if (slot[i])
			return false;
	}
	return true;
}

static bool
sum_is_right(struct agree *a, const u8 slot[AGREE_SLOT])
{
	u8 sum[SIPHASH128_LEN], *copy = (u8 *)&a->scratch;

	STATIC_ASSERT(sizeof(a->scratch) >= AGREE_SLOT);
	memcpy(copy, slot, AGREE_SLOT);
	memset(copy + CHECKSUM, 0, sizeof(sum));
	siphash128(checksum_key, copy, AGREE_SLOT, sum);
	return !memcmp(sum, slot + CHECKSUM, sizeof(sum));
}

static bool
slot_is_sound(struct agree *a, const u8 slot[AGREE_SLOT])
{
	u32 len = le32_load(slot + 12);
	bool accepted = le64_load(slot + 40) || le64_load(slot + 48);

	if (le64_load(slot) != MAGIC || le32_load(slot + 8) != FORMAT ||
	    len > RECORD_MAX || !len == accepted || !sum_is_right(a, slot))
		return false;
	return !len || record_decode(&a->scratch, slot + VALUE, len) == RECORD_OK;
}

static void
take_slot(struct agree *a, const u8 slot[AGREE_SLOT])
{
	struct agree_acceptor *acceptor = &a->acceptor;

	acceptor->value.len = le32_load(slot + 12);
	acceptor->generation = acceptor->written = le64_load(slot + 16);
	acceptor->promised = (struct agree_ballot){ le64_load(slot + 24),
						    le64_load(slot + 32) };
	acceptor->accepted = (struct agree_ballot){ le64_load(slot + 40),
						    le64_load(slot + 48) };
	memcpy(acceptor->value.bytes, slot + VALUE, RECORD_MAX);
	a->proposer.highest = acceptor->promised.counter;
	if (acceptor->value.len &&
	    record_decode_head(&acceptor->head, acceptor->value.bytes,
			       acceptor->value.len) != RECORD_OK)
		ASSERT(!"a record that was decoded has a head");
}

enum agree_loaded
agree_load(struct agree *a, const u8 slot[AGREE_SLOTS][AGREE_SLOT])
{
	u32 best = AGREE_SLOTS;
	bool empty = true;

	ASSERT(a->acceptor.votes && acceptor_is_blank(&a->acceptor));
	for (u32 i = 0; i < AGREE_SLOTS; i++) {
		empty = empty && is_empty(slot[i]);
		if (slot_is_sound(a, slot[i]) &&
		    (best == AGREE_SLOTS ||
		     le64_load(slot[i] + 16) > le64_load(slot[best] + 16)))
			best = i;
	}
	if (best < AGREE_SLOTS)
		take_slot(a, slot[best]);
	return best < AGREE_SLOTS ? AGREE_LOADED : empty ? AGREE_BLANK : AGREE_DAMAGED;
}
