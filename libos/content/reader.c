// SPDX-License-Identifier: BSD-2-Clause
// Between the block cache and the kernel's queues.
//
// Reads that are open are bounded by CONTENT_OPEN_MAX a queue, so a put finds room
// unless the program fills the fabric queue with its own; what finds none is told to
// the cache as a read that failed, and the other copy is its turn.

#include "libos/content/reader.h"
#include "kernel/base/assert.h"
#include "libos/crt/syscall.h"
#include "libos/mem/layout.h"
#include "net/wire/wire.h"

STATIC_ASSERT(CONTENT_OPEN_MAX <= QUEUE_SLOTS);
STATIC_ASSERT(CONTENT_OPEN_MAX < FABRIC_OPEN_MAX);
STATIC_ASSERT(CONTENT_NODES_MAX <= 64);

i64
reader_open(struct reader *reader, struct content *content, u32 blocks_slot,
	    struct fabric_queue *fabric, const struct frame_run *region)
{
	*reader = (struct reader){
		.content = content,
		.disk = { .slot = SLOT_NONE },
		.fabric = fabric,
	};
	for (u32 i = 0; i < CONTENT_NODES_MAX; i++)
		reader->remote[i] = SLOT_NONE;
	if (blocks_slot == SLOT_NONE)
		return 0;
	return queue_open(&reader->disk, blocks_slot, region);
}

void
reader_set_remote(struct reader *reader, u16 node, u32 slot)
{
	ASSERT(node < CONTENT_NODES_MAX);
	if (reader->remote[node] != SLOT_NONE)
		cap_drop_all(reader->remote[node]);
	reader->remote[node] = slot;
	reader->refused &= ~(1ull << node);
}

static bool
put_remote(struct reader *reader, const struct content_read *read)
{
	struct fabric_submit s = {
		.tag = READER_TAG + read->tag,
		.op = FABRIC_BLOCK_READ,
		.slot = reader->remote[read->node],
		.offset = (read->block - STORE_FIRST_BLOCK) * STORE_BLOCK,
		.local = fabric_local(read->at),
		.length = STORE_BLOCK,
	};

	return reader->fabric && s.slot != SLOT_NONE &&
	       read->block >= STORE_FIRST_BLOCK && fabric_put(reader->fabric, &s);
}

// Somebody's memory before another node's disk.
static bool
put_peer(struct reader *reader, const struct content_read *read)
{
	struct reader_peer peer;
	struct fabric_submit s = {
		.tag = READER_TAG + read->tag,
		.op = FABRIC_READ,
		.local = fabric_local(read->at),
		.length = STORE_BLOCK,
	};

	if (!read->may_ask_peer || !reader->find_peer || !reader->fabric ||
	    !reader->find_peer(reader->find_context, read, &peer))
		return false;
	s.slot = peer.slot;
	s.offset = peer.offset;
	return fabric_put(reader->fabric, &s);
}

static bool
put_local(struct reader *reader, const struct content_read *read)
{
	return reader->disk.slot != SLOT_NONE &&
	       queue_put(&reader->disk, QUEUE_READ, read->block,
			 direct_frame(read->at), 1, read->tag);
}

static void
take_local(struct reader *reader)
{
	u64 tag;
	i32 status;

	if (reader->disk.slot == SLOT_NONE)
		return;
	while (queue_take(&reader->disk, &tag, &status))
		content_read_done(reader->content, (u32)tag, status == 0);
}

void
reader_run(struct reader *reader)
{
	struct content_read read;
	u32 local = 0, remote = 0;

	take_local(reader);
	while (content_next_read(reader->content, &read)) {
		reader->reading[read.tag] = read.node;
		if (!(read.is_local ? put_local(reader, &read) :
		      put_peer(reader, &read) || put_remote(reader, &read)))
			content_read_done(reader->content, read.tag, false);
		else
			*(read.is_local ? &local : &remote) += 1;
	}
	// A kick fails only when the queue is gone, and its operations with it: the
	// program is being ended then.
	if (local && queue_flush(&reader->disk))
		return;
	if (remote && fabric_flush(reader->fabric))
		return;
}

static bool
is_refusal(u8 code)
{
	switch (code) {
	case CODE_SLOT:
	case CODE_GENERATION:
	case CODE_HOLDER:
	case CODE_REVOKED:
	case CODE_TYPE:
	case CODE_RIGHTS:
	case CODE_INCARNATION:
		return true;
	default:
		return false;
	}
}

bool
reader_complete(struct reader *reader, const struct fabric_complete *complete)
{
	bool done = complete->outcome == FABRIC_DONE &&
		    complete->length == STORE_BLOCK;
	u64 tag = complete->tag - READER_TAG;

	if (complete->op == FABRIC_READ && tag < CONTENT_LOADS) {
		content_peer_done(reader->content, (u32)tag, done);
		return true;
	}
	if (complete->op != FABRIC_BLOCK_READ || tag >= CONTENT_LOADS)
		return false;
	if (complete->outcome != FABRIC_DONE && is_refusal(complete->code))
		reader->refused |= 1ull << reader->reading[tag];
	content_read_done(reader->content, (u32)tag, done);
	return true;
}

u64
reader_refused(struct reader *reader)
{
	u64 refused = reader->refused;

	reader->refused = 0;
	return refused;
}

void
reader_watch(const struct reader *reader, struct wait_set *set)
{
	if (reader->disk.slot != SLOT_NONE)
		queue_watch(&reader->disk, set);
}
