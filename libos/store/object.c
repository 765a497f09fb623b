// SPDX-License-Identifier: BSD-2-Clause
// Objects on blocks.
//
// Invariant: a header block that object_header_read() calls fine has a number below
// object_header_blocks(length) and zero in every sum past the content, so what is
// derived from it stays within the run.

#include "libos/store/object.h"
#include "kernel/base/assert.h"
#include "kernel/base/siphash.h"
#include "kernel/base/string.h"

u64
object_content_blocks(u64 length)
{
	ASSERT(length <= OBJECT_LENGTH_MAX);
	return (length + STORE_BLOCK - 1) / STORE_BLOCK;
}

u64
object_header_blocks(u64 length)
{
	u64 content = object_content_blocks(length);

	return content ? (content + OBJECT_SUMS - 1) / OBJECT_SUMS : 1;
}

u64
object_blocks(u64 length)
{
	return object_header_blocks(length) + object_content_blocks(length);
}

bool
object_fits(const struct object *object, u64 disk_blocks)
{
	u64 blocks;

	if (object->length > OBJECT_LENGTH_MAX)
		return false;
	blocks = object_blocks(object->length);
	return object->first >= STORE_FIRST_BLOCK && blocks <= disk_blocks &&
	       object->first <= disk_blocks - blocks;
}

static u64
sum_of(const u8 key[SIPHASH_KEY_LEN], u64 index, const void *block)
{
	struct siphash hash;

	siphash_begin(&hash, key);
	siphash_words(&hash, &index, sizeof(index));
	siphash_words(&hash, block, STORE_BLOCK);
	return siphash_end(&hash, NULL, sizeof(index) + STORE_BLOCK);
}

u64
object_sum(const struct object *object, u64 index, const void *block)
{
	ASSERT(index < object_content_blocks(object->length));
	return sum_of(object->id, index, block);
}

void
object_header_begin(struct object_header *header, const struct object *object,
		    u64 number)
{
	ASSERT(number < object_header_blocks(object->length));
	memset(header, 0, sizeof(*header));
	header->magic = OBJECT_MAGIC;
	header->version = OBJECT_VERSION;
	header->number = (u32)number;
	memcpy(header->id, object->id, STORE_ID);
	header->length = object->length;
	header->first = object->first;
}

void
object_header_add(struct object_header *header, u64 index, u64 sum)
{
	ASSERT(index < object_content_blocks(header->length));
	ASSERT(index / OBJECT_SUMS == header->number);
	header->sum[index % OBJECT_SUMS] = sum;
}

static u64
check_of(const struct object_header *header)
{
	return siphash64(header->id, header,
			 offsetof(struct object_header, check));
}

void
object_header_end(struct object_header *header)
{
	header->check = check_of(header);
}

static bool
sums_past_the_end_are_zero(const struct object_header *header)
{
	u64 content = object_content_blocks(header->length);
	u64 before = (u64)header->number * OBJECT_SUMS;
	u64 own = MIN(content - MIN(before, content), OBJECT_SUMS);

	for (u64 i = own; i < OBJECT_SUMS; i++) {
		if (header->sum[i])
			return false;
	}
	return true;
}

enum object_fault
object_header_read(const struct object_header *header, struct object *object,
		   u64 *number)
{
	if (header->magic != OBJECT_MAGIC || header->version != OBJECT_VERSION)
		return OBJECT_NONE;
	if (header->check != check_of(header))
		return OBJECT_ROTTEN;
	// From here on somebody meant it so; whether it makes sense is another
	// question.
	if (header->length > OBJECT_LENGTH_MAX ||
	    header->number >= object_header_blocks(header->length) ||
	    !sums_past_the_end_are_zero(header))
		return OBJECT_ROTTEN;
	memcpy(object->id, header->id, STORE_ID);
	object->length = header->length;
	object->first = header->first;
	*number = header->number;
	return OBJECT_FINE;
}

enum object_fault
object_header_check(const struct object_header *header,
		    const struct object *object, u64 number)
{
	struct object found;
	u64 found_number;
	enum object_fault fault = object_header_read(header, &found, &found_number);

	ASSERT(number < object_header_blocks(object->length));
	if (fault)
		return fault;
	if (memcmp(found.id, object->id, STORE_ID) || found_number != number ||
	    found.length != object->length || found.first != object->first)
		return OBJECT_MISPLACED;
	return OBJECT_FINE;
}

enum object_fault
object_block_check(const struct object_header *header, u64 index,
		   const void *block)
{
	ASSERT(index < object_content_blocks(header->length));
	ASSERT(index / OBJECT_SUMS == header->number);
	return header->sum[index % OBJECT_SUMS] ==
		sum_of(header->id, index, block) ? OBJECT_FINE : OBJECT_ROTTEN;
}

const char *
object_fault_text(enum object_fault fault)
{
	switch (fault) {
	case OBJECT_FINE:
		return "fine";
	case OBJECT_NONE:
		return "not there";
	case OBJECT_ROTTEN:
		return "a checksum does not fit";
	case OBJECT_MISPLACED:
		return "another object lies there";
	}
	return "unknown";
}
