// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// An object on disk: immutable bytes in a run of blocks, header blocks first.
//
//   first .. first + H - 1          header blocks
//   first + H .. first + H + C - 1  the bytes; the last block ends in zeros
//
// Each header block stands for itself: it names the object, the run's first block
// and its own number, carries the sums of OBJECT_SUMS content blocks, and a
// checksum over all that. So whoever reads content block i needs two blocks, header
// i / OBJECT_SUMS and the block, and can tell a right one from one that rotted, is
// another object's, or lies in the wrong place. A sum is SipHash-2-4 under the first
// half of the id of (u64 index || block): it finds faults, it does not stop forgers;
// the id does, over the whole.
//
// An empty object has one header block and no content. Sans-IO: nothing here reads
// or writes a disk, or allocates.

#include "libos/store/store.h"

#define OBJECT_MAGIC 0x314a424f534f4544ull	// "DEOSOBJ1"
#define OBJECT_VERSION 1u
#define OBJECT_SUMS 503u
#define OBJECT_LENGTH_MAX (1ull << 36)

struct object {
	u8 id[STORE_ID];
	u64 length;		// bytes of content
	u64 first;		// block on its disk
};

struct object_header {
	u64 magic;
	u32 version;
	u32 number;		// of this header block, from 0
	u8 id[STORE_ID];
	u64 length;
	u64 first;
	u64 sum[OBJECT_SUMS];	// zero for blocks past the end
	u64 check;		// SipHash of all before it, under the same key
};

STATIC_ASSERT(sizeof(struct object_header) == STORE_BLOCK);

enum object_fault {
	OBJECT_FINE,
	OBJECT_NONE,		// no header of ours: never written, or overwritten
	OBJECT_ROTTEN,		// a checksum or a sum does not fit
	OBJECT_MISPLACED,	// a whole header, but of another object or place
};

// Blocks of an object of that length: content, headers, both.
u64
object_content_blocks(u64 length);
u64
object_header_blocks(u64 length);
u64
object_blocks(u64 length);

// Where on the disk a header block and a content block lie.
static inline u64
object_header_at(const struct object *object, u64 number)
{
	return object->first + number;
}

static inline u64
object_content_at(const struct object *object, u64 index)
{
	return object->first + object_header_blocks(object->length) + index;
}

// True when the length is allowed and the run lies within a disk of `disk_blocks`.
must_check bool
object_fits(const struct object *object, u64 disk_blocks);

// The sum of content block `index`, of which all STORE_BLOCK bytes count.
must_check u64
object_sum(const struct object *object, u64 index, const void *block);

// Makes header block `number`: begin, then a sum for each block, then end.
void
object_header_begin(struct object_header *header, const struct object *object,
		    u64 number);
void
object_header_add(struct object_header *header, u64 index, u64 sum);
void
object_header_end(struct object_header *header);

// What a block says by itself, whoever wrote it: its object and number. Anything but
// OBJECT_FINE leaves them alone.
must_check enum object_fault
object_header_read(const struct object_header *header, struct object *object,
		   u64 *number);

// A block that is to be header `number` of an object whose id, length and place the
// reader knows from elsewhere.
must_check enum object_fault
object_header_check(const struct object_header *header,
		    const struct object *object, u64 number);

// Content block `index` against the header that was checked for it. FINE or ROTTEN.
must_check enum object_fault
object_block_check(const struct object_header *header, u64 index,
		   const void *block);

// A few words, for people.
const char *
object_fault_text(enum object_fault fault);
