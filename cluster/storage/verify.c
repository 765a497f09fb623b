// SPDX-License-Identifier: BSD-2-Clause
// What a deployer wrote into a room, as the disk gives it back: a run of objects, one
// behind the other, each with the right place in its headers, right sums, and content
// that hashes to its id. Afterwards it is durable.

#include "cluster/storage/state.h"
#include "kernel/base/assert.h"
#include "libos/store/hash.h"

struct check {
	struct window window;
	struct object_header header;	// a copy: the window moves on
	struct store_hash hash;
	u64 at;				// block in hand
};

static enum room_status
read_header(struct check *c, const struct object *wanted, u64 number)
{
	const void *block;

	c->at = object_header_at(wanted, number);
	block = window_block(&c->window, c->at);
	if (!block)
		return ROOM_DISK;
	memcpy(&c->header, block, STORE_BLOCK);
	return object_header_check(&c->header, wanted, number) ? ROOM_BAD_SUM
							       : ROOM_FINE;
}

// The content under one header.
static enum room_status
check_part(struct check *c, const struct object *object, u64 number)
{
	u64 end = MIN(object_content_blocks(object->length),
		      (number + 1) * OBJECT_SUMS);
	enum room_status status = read_header(c, object, number);

	for (u64 i = number * OBJECT_SUMS; i < end && !status; i++) {
		const void *block;

		c->at = object_content_at(object, i);
		block = window_block(&c->window, c->at);
		if (!block)
			return ROOM_DISK;
		if (object_block_check(&c->header, i, block))
			return ROOM_BAD_SUM;
		store_hash_add(&c->hash, block,
			       MIN(object->length - i * STORE_BLOCK, STORE_BLOCK));
	}
	return status;
}

// The object at c->at. *next becomes the block behind it.
static enum room_status
check_object(struct check *c, u64 end, u64 *next)
{
	enum room_status status = ROOM_FINE;
	const void *block = window_block(&c->window, c->at);
	struct object object;
	u8 id[STORE_ID];
	u64 number;

	if (!block)
		return ROOM_DISK;
	if (object_header_read(block, &object, &number))
		return ROOM_BAD_SUM;
	if (number || object.first != c->at || !object_fits(&object, end))
		return ROOM_BAD_ASK;
	store_hash_begin(&c->hash);
	for (u64 n = 0; n < object_header_blocks(object.length) && !status; n++)
		status = check_part(c, &object, n);
	if (status)
		return status;
	store_hash_end(&c->hash, id);
	*next = object.first + object_blocks(object.length);
	return memcmp(id, object.id, STORE_ID) ? ROOM_BAD_ID : ROOM_FINE;
}

u32
seal_check(u64 first, u64 used, struct seal_answer *answer)
{
	enum room_status status = ROOM_FINE;
	u64 end = first + used, next = first;
	struct check c;

	window_open(&c.window, end);
	while (next < end && !status) {
		c.at = next;
		status = check_object(&c, end, &next);
		answer->objects += !status;
	}
	answer->block = c.at;
	window_close(&c.window);
	if (!status && used && task_disk_flush())
		status = ROOM_DISK;
	return status;
}
