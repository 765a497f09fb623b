// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The reads of a block cache (content.h), done: from this node's disk through a block
// queue, from other nodes' through a fabric queue, under capabilities that the
// program asked for. The fabric queue may be the program's: its completions go to
// reader_complete() first.

#include "libos/content/content.h"
#include "libos/io/fabric.h"
#include "libos/io/queue.h"

#define READER_TAG 0x6c6f61640000ull	// of fabric operations: this and the load's

// Who may have a block in memory: a capability for its frames, and the byte in them.
struct reader_peer {
	u32 slot;
	u64 offset;
};

// Finds one. False: nobody is known to. Without waiting.
typedef bool reader_finder(void *context, const struct content_read *read,
			   struct reader_peer *peer);

struct reader {
	struct content *content;
	struct queue disk;		// slot SLOT_NONE: none
	struct fabric_queue *fabric;
	u32 remote[CONTENT_NODES_MAX];	// slots of capabilities, or SLOT_NONE
	u16 reading[CONTENT_LOADS];	// node that a load reads from
	u64 refused;			// bit a node: its capability is good no more
	reader_finder *find_peer;	// NULL: nobody's memory is asked
	void *find_context;
};

// `blocks_slot` is SLOT_NONE without a disk. The region, that of the fabric queue
// too, holds all of the cache's blocks. Returns 0 or an error.
must_check i64
reader_open(struct reader *reader, struct content *content, u32 blocks_slot,
	    struct fabric_queue *fabric, const struct frame_run *region);

// The capability to read a node's blocks from STORE_FIRST_BLOCK on; SLOT_NONE: none.
// What it had before is dropped.
void
reader_set_remote(struct reader *reader, u16 node, u32 slot);

// Takes what the disk has done, and starts what is to be read.
void
reader_run(struct reader *reader);

// True when this completion was of a read.
must_check bool
reader_complete(struct reader *reader, const struct fabric_complete *complete);

// Nodes whose capability was refused since the last call: to be asked for again.
u64
reader_refused(struct reader *reader);

// Adds the disk's completions to a wait.
void
reader_watch(const struct reader *reader, struct wait_set *set);
