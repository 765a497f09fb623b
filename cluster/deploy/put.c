// SPDX-License-Identifier: BSD-2-Clause
// Objects into the ring. A small one takes all its positions at once, header first, so
// that many lie one behind the other as they will on disk and go in few operations. Of
// a large one the content goes out block by block, and each header when it is full.
//
// Each byte is hashed once for the id and once for its block's sum, and copied once:
// from what was fed into its page.

#include "cluster/deploy/work.h"
#include "kernel/base/assert.h"

#define SMALL_BLOCKS (RING_PAGES / 2)

static struct object_header header;	// of the one object that is in hand

u64
put_block(const struct put *put, u32 lane)
{
	ASSERT(lane < writer_pair.lanes);
	return writer_pair.lane[lane].first + put->object.first;
}

// The object as the first copy has it: what headers in the ring say.
static struct object
placed(const struct put *put)
{
	struct object object = put->object;

	object.first = put_block(put, 0);
	return object;
}

// Room for the whole object, in this pair or the next.
static const char *
find_room(u64 blocks)
{
	const char *error = NULL;

	if (writer_pair.lanes && writer_pair.count - writer_pair.used >= blocks)
		return NULL;
	if (writer_pair.lanes) {
		error = writer_drain();
		if (!error)
			error = pair_seal(&writer_pair);
	}
	return error ? error : pair_open(&writer_pair, blocks);
}

static void
begin_header(struct put *put, u64 number)
{
	struct object object = placed(put);

	object_header_begin(&header, &object, number);
}

const char *
put_begin(struct put *put, const u8 id[STORE_ID], u64 length)
{
	u64 blocks = object_blocks(length);
	const char *error = find_room(blocks);

	if (error)
		return error;
	*put = (struct put){ 0 };
	memcpy(put->object.id, id, STORE_ID);
	put->object.length = length;
	put->object.first = writer_pair.used;
	writer_pair.used += blocks;
	store_hash_begin(&put->hash);
	begin_header(put, 0);
	put->small = blocks <= SMALL_BLOCKS;
	if (!put->small)
		return NULL;
	error = writer_take((u32)blocks, &put->header_position);
	put->position = put->header_position;
	return error;
}

// The page of the content block in hand.
static const char *
next_page(struct put *put)
{
	const char *error = NULL;

	if (put->small)
		put->position++;
	else
		error = writer_take(1, &put->position);
	put->has_page = !error;
	put->fill = 0;
	return error;
}

// Puts the header in hand at a position of the ring.
static void
place_header(const struct put *put, u64 position)
{
	object_header_end(&header);
	memcpy(writer_page(position), &header, sizeof(header));
	writer_place(position, put->object.first + header.number, true);
}

// A large object's header is full, or its content is.
static const char *
send_header(struct put *put)
{
	u64 position;
	const char *error = writer_take(1, &position);

	if (error)
		return error;
	place_header(put, position);
	writer_submit(position + 1);
	if (put->index < object_content_blocks(put->object.length))
		begin_header(put, put->index / OBJECT_SUMS);
	return NULL;
}

static const char *
end_page(struct put *put)
{
	u8 *page = writer_page(put->position);
	struct object object = placed(put);

	memset(page + put->fill, 0, STORE_BLOCK - put->fill);
	object_header_add(&header, put->index, object_sum(&object, put->index, page));
	writer_place(put->position, put->object.first + put->index +
		     object_header_blocks(object.length), false);
	put->has_page = false;
	put->index++;
	if (put->small)
		return NULL;
	writer_submit(put->position + 1);
	return put->index % OBJECT_SUMS && put->index <
		object_content_blocks(object.length) ? NULL : send_header(put);
}

const char *
put_data(struct put *put, const u8 *data, u64 len)
{
	const char *error = NULL;

	store_hash_add(&put->hash, data, len);
	while (len && !error) {
		u64 step;

		if (!put->has_page)
			error = next_page(put);
		if (error)
			break;
		step = MIN(len, STORE_BLOCK - put->fill);
		memcpy((u8 *)writer_page(put->position) + put->fill, data, step);
		put->fill += (u32)step;
		data += step;
		len -= step;
		if (put->fill == STORE_BLOCK)
			error = end_page(put);
	}
	return error;
}

const char *
put_end(struct put *put, bool *fine)
{
	const char *error = put->has_page ? end_page(put) : NULL;
	u8 id[STORE_ID];

	store_hash_end(&put->hash, id);
	*fine = !memcmp(id, put->object.id, STORE_ID);
	if (error)
		return error;
	ASSERT(put->index == object_content_blocks(put->object.length));
	if (!put->small)
		return NULL;
	place_header(put, put->header_position);
	writer_submit(put->header_position + object_blocks(put->object.length));
	return NULL;
}

// ---- what lies in memory

#define PIECE (4u * STORE_BLOCK)

typedef void (*read_fn)(void *from, u64 offset, void *target, u64 len);

static void
hash_all(read_fn read, void *from, u64 length, u8 *piece, u8 id[STORE_ID])
{
	struct store_hash hash;

	store_hash_begin(&hash);
	for (u64 at = 0; at < length; at += PIECE) {
		u64 len = MIN(length - at, PIECE);

		read(from, at, piece, len);
		store_hash_add(&hash, piece, len);
		task_yield();
	}
	store_hash_end(&hash, id);
}

const char *
put_whole(u64 length, read_fn read, void *from, struct record_new_object *object)
{
	static u8 piece[PIECE];
	const char *error;
	struct put put;
	bool fine;

	*object = (struct record_new_object){ .bytes = length };
	hash_all(read, from, length, piece, object->id);
	error = put_begin(&put, object->id, length);
	for (u64 at = 0; at < length && !error; at += PIECE) {
		u64 len = MIN(length - at, PIECE);

		read(from, at, piece, len);
		error = put_data(&put, piece, len);
	}
	if (error)
		return error;
	for (u32 i = 0; i < writer_pair.lanes; i++) {
		memcpy(object->copy[i].uuid, writer_pair.lane[i].candidate->uuid,
		       STORE_UUID);
		object->copy[i].block = put_block(&put, i);
	}
	error = put_end(&put, &fine);
	ASSERT(error || fine);
	return error;
}

static void
read_bytes(void *from, u64 offset, void *target, u64 len)
{
	memcpy(target, (const u8 *)from + offset, len);
}

const char *
put_bytes(u64 length, void *bytes, struct record_new_object *object)
{
	return put_whole(length, read_bytes, bytes, object);
}
