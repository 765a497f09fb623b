// SPDX-License-Identifier: BSD-2-Clause
// Reading objects: blocks of one copy, checked; whole objects from whichever copy is
// right.
//
// The sums of an object are the same in all its copies: a header of one serves to
// check the content of the other.

#include "cluster/storage/state.h"
#include "kernel/base/assert.h"
#include "libos/store/hash.h"

// ---- a window on this node's disk

void
window_open(struct window *window, u64 end)
{
	*window = (struct window){ .pages = pages_take(WINDOW_BLOCKS), .end = end };
}

void
window_close(struct window *window)
{
	task_buffer_give(window->pages, WINDOW_BLOCKS);
	window->pages = NULL;
}

const void *
window_block(struct window *window, u64 block)
{
	ASSERT(block < window->end);
	if (block < window->first || block >= window->first + window->count) {
		u32 count = (u32)MIN(window->end - block, WINDOW_BLOCKS);

		window->count = 0;
		if (task_disk_read(block, window->pages, count))
			return NULL;
		window->first = block;
		window->count = count;
	}
	return window->pages + (block - window->first) * STORE_BLOCK;
}

// ---- copies

static struct object
object_of(const struct record_new_object *from, u32 copy)
{
	struct object object = {
		.length = from->bytes,
		.first = from->copy[copy].block,
	};

	ASSERT(copy < RECORD_COPIES);
	memcpy(object.id, from->id, STORE_ID);
	return object;
}

enum object_fault
copy_header(const struct record_new_object *object, u32 copy, u64 number,
	    struct object_header *page)
{
	struct object wanted = object_of(object, copy);

	if (reach_read(object->copy[copy].uuid, object_header_at(&wanted, number),
		       page, 1))
		return OBJECT_NONE;
	return object_header_check(page, &wanted, number);
}

u32
copy_bad_blocks(const struct record_new_object *object, u32 copy,
		const struct object_header *header, u64 index, void *pages, u32 count)
{
	struct object wanted = object_of(object, copy);
	const u8 *at = pages;
	u32 bad = 0;

	ASSERT(count > 0 && count <= TASK_BATCH_MAX);
	if (reach_read(object->copy[copy].uuid, object_content_at(&wanted, index),
		       pages, count))
		return (1u << count) - 1;
	for (u32 i = 0; i < count; i++) {
		if (object_block_check(header, index + i, at + i * STORE_BLOCK))
			bad |= 1u << i;
	}
	return bad;
}

bool
copy_content(const struct record_new_object *object, u32 copy,
	     const struct object_header *header, u64 index, void *pages, u32 count)
{
	return !copy_bad_blocks(object, copy, header, index, pages, count);
}

// ---- whole objects

static const char no_copy[] = "no copy of an object can be read now";

// Copies in the order in which they are tried: this node's own first.
static u32
first_copy(const struct record_new_object *object)
{
	return copy_exists(object, 1) &&
	       !memcmp(object->copy[1].uuid, peer_self()->uuid, STORE_UUID);
}

static bool
any_header(const struct record_new_object *object, u64 number,
	   struct object_header *page)
{
	u32 copy = first_copy(object);

	for (u32 i = 0; i < RECORD_COPIES; i++, copy ^= 1) {
		if (copy_exists(object, copy) &&
		    !copy_header(object, copy, number, page))
			return true;
	}
	return false;
}

static bool
any_content(const struct record_new_object *object,
	    const struct object_header *header, u64 index, void *pages, u32 count)
{
	u32 copy = first_copy(object);

	for (u32 i = 0; i < RECORD_COPIES; i++, copy ^= 1) {
		if (copy_exists(object, copy) &&
		    copy_content(object, copy, header, index, pages, count))
			return true;
	}
	return false;
}

// Pages: one for the header, TASK_BATCH_MAX for content.
#define FETCH_PAGES (1 + TASK_BATCH_MAX)
#define HASH_PIECE (64 * KIB)

// All content under one header.
static const char *
read_part(const struct record_new_object *object, u64 number, u8 *pages,
	  storage_take take, void *argument)
{
	u64 end = MIN(object_content_blocks(object->bytes),
		      (number + 1) * OBJECT_SUMS);
	const struct object_header *header = (const void *)pages;
	const char *error = NULL;
	u32 count;

	if (!any_header(object, number, (void *)pages))
		return no_copy;
	for (u64 index = number * OBJECT_SUMS; index < end && !error; index += count) {
		u64 left = object->bytes - index * STORE_BLOCK;

		count = (u32)MIN(end - index, TASK_BATCH_MAX);
		if (!any_content(object, header, index, pages + STORE_BLOCK, count))
			return no_copy;
		error = take(argument, pages + STORE_BLOCK,
			     MIN(left, (u64)count * STORE_BLOCK));
	}
	return error;
}

const char *
storage_read(const struct record_new_object *object, storage_take take, void *argument)
{
	u64 headers = object_header_blocks(object->bytes);
	u8 *pages = pages_take(FETCH_PAGES);
	const char *error = NULL;

	for (u64 n = 0; n < headers && !error; n++)
		error = read_part(object, n, pages, take, argument);
	task_buffer_give(pages, FETCH_PAGES);
	return error;
}

// The others go on meanwhile: a manifest can be long.
static bool
is_what_its_id_says(const struct record_new_object *object, const u8 *bytes)
{
	struct store_hash hash;
	u8 id[STORE_ID];

	store_hash_begin(&hash);
	for (u64 at = 0; at < object->bytes; at += HASH_PIECE) {
		store_hash_add(&hash, bytes + at, MIN(object->bytes - at, HASH_PIECE));
		task_yield();
	}
	store_hash_end(&hash, id);
	return !memcmp(id, object->id, STORE_ID);
}

static const char *
append(void *argument, const u8 *bytes, u64 len)
{
	u8 **target = argument;

	memcpy(*target, bytes, len);
	*target += len;
	return NULL;
}

const char *
storage_fetch(const struct record_new_object *object, void *target)
{
	u8 *at = target;
	const char *error = storage_read(object, append, &at);

	if (error)
		return error;		// cppcheck-suppress returnDanglingLifetime
	return is_what_its_id_says(object, target)
		       ? NULL : "an object is not what its id says";
}
