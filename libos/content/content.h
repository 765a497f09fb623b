// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Blocks of objects in memory: a bounded cache of frames, filled from the disks of
// the nodes that hold a copy. A block is named by its object's id and its index, so
// what two deployments share is cached once.
//
// Who needs a block asks with content_get(): it is here, and pinned until
// content_unpin(); or it will come, and the waiter is told by content_ready(); or
// neither copy has it in order. Those who want the same block wait for one read.
// When there is no memory or no room for another read, they wait for that: nothing
// fails for want of memory. A few blocks are read ahead within an object.
//
// A block may also be taken from the memory of somebody who has it cached
// (content_peer_done()): whatever comes is checked like any other, and when it is
// something else the disk is read.
//
// Every block is checked by its sum before anybody sees it, with the object's header
// block, which is cached like any other; a bad block, a missing one, or a node that
// is gone is made up for by the other copy.
//
// This part reads nothing by itself: content_next_read() says what is to be read,
// content_read_done() takes the result (libos/content/reader.c does both with queues
// of the kernel). No allocation: the host gives memory for a fixed number of blocks.
// Eviction is CLOCK.

#include "libos/store/object.h"

#define CONTENT_COPIES 2u
#define CONTENT_NODES_MAX 64u
#define CONTENT_NOBODY 0xffffu		// as a node: there is no such copy
#define CONTENT_LOADS 48u		// blocks that are being read
#define CONTENT_OPEN_MAX 16u		// reads of this disk, and of others, at a time
#define CONTENT_AHEAD 8u		// blocks read ahead
#define CONTENT_BLOCKS_MIN 32u
#define CONTENT_NEWS 256u		// blocks that came from disks, remembered
#define CONTENT_NONE (~0u)		// no block

// What can be read from a node.
enum content_node {
	CONTENT_ABSENT,		// nothing: gone, or it refuses
	CONTENT_OPENING,	// nothing yet
	CONTENT_LOCAL,		// this node's disk
	CONTENT_REMOTE,
};

// An object and where its copies lie.
struct content_object {
	u8 id[STORE_ID];
	u64 length;
	u64 first[CONTENT_COPIES];	// block on the node's disk
	u16 node[CONTENT_COPIES];	// of the host's numbering, or CONTENT_NOBODY
};

// Somebody who waits. Zeroed before the first use.
struct content_wait {
	struct content_wait *next, *previous;
	struct content_list *list;	// that it is on, or NULL
	bool failed;			// what it waited for cannot be had
};

struct content_list {
	struct content_wait *first, *last;
	u32 count;
};

enum content_state {
	CONTENT_FREE,
	CONTENT_LOADING,
	CONTENT_READY,
	CONTENT_BROKEN,		// a header that could not be had; loads still name it
};

struct content_block {
	u8 id[STORE_ID];
	u64 index;		// of a content block; headers have HEADER_BIT
	u64 fence;		// not reused before so many frames were sent
	struct content_list waiters;
	u32 next;		// of the hash chain, or of the free list
	u32 pins;
	u8 state;		// enum content_state
	bool referenced;	// CLOCK
	bool touched;		// somebody had it since it came
};

enum content_stage {
	CONTENT_IDLE,		// free
	CONTENT_WANTS,		// is to be read
	CONTENT_READING,
	CONTENT_ARRIVED,	// waits for its header
};

// A block on its way.
struct content_load {
	struct content_object object;
	u64 index;
	u32 block;
	u32 header;		// block of its header, pinned; NONE: it is one itself
	u8 stage;
	u8 tried;		// bit a copy that was no good
	u8 copy;		// the one that is read
	bool is_local;		// READING from this disk
	bool asked_peer;
	bool from_peer;		// what is there came from somebody's memory
};

struct content_counters {
	u64 hits, misses;
	u64 local_reads, remote_reads;	// that came
	u64 peer_reads, peer_misses;	// from others' memory: right, and anything else
	u64 bad_sums;		// blocks that were not what they should be
	u64 failovers;		// reads of the other copy after one was no good
	u64 failed;		// blocks that no copy had
	u64 evicted;
	u64 starved;		// requests that waited for memory or for a read's end
};

struct content {
	struct content_block *block;
	u32 *chain;		// hash -> block
	u32 chain_mask;
	u32 block_count;
	u8 *bytes;		// of all blocks
	u32 free;		// first of the free list
	u32 idle;		// READY without pins
	u32 hand;
	u64 sent_given, sent_passed;
	u32 loads;		// in use
	u32 load_scan;
	u32 open[2];		// reads of others', of this disk
	u32 tries;		// starved waiters that may try again
	u32 news[CONTENT_NEWS];	// blocks, oldest first
	u32 news_first, news_count;
	u32 salt;		// spreads reads of different nodes over the copies
	struct content_list ready, starved;
	u8 node[CONTENT_NODES_MAX];	// enum content_node
	struct content_load load[CONTENT_LOADS];
	struct content_counters counters;
};

// A read to be done: block `block` of that node's disk into memory `at`.
struct content_read {
	u32 tag;		// below CONTENT_LOADS
	u16 node;
	bool is_local;
	bool may_ask_peer;	// content_peer_done() may end it
	const u8 *id;		// of the object,
	u64 index;		// and of the block in it, if it may
	u64 block;
	u8 *at;
};

// Bytes of memory for the table of so many blocks.
u64
content_memory_needed(u32 block_count);

// Makes an empty cache: `memory`, zeroed, for the table, and `bytes`, page-aligned,
// for the blocks, at least CONTENT_BLOCKS_MIN of them.
void
content_init(struct content *content, void *memory, u8 *bytes, u32 block_count,
	     u32 salt);

enum content_result {
	CONTENT_HERE,
	CONTENT_LATER,
	CONTENT_FAILED,
};

// Asks for content block `index` of an object, within its length. HERE: *block is
// pinned. LATER: `wait`, which must not wait for anything, does. FAILED is said once;
// who asks again causes new reads.
must_check enum content_result
content_get(struct content *content, const struct content_object *object,
	    u64 index, struct content_wait *wait, u32 *block);

static inline u8 *
content_bytes(const struct content *content, u32 block)
{
	return content->bytes + (u64)block * STORE_BLOCK;
}

void
content_unpin(struct content *content, u32 block);

// Takes a waiter back, wherever it waits.
void
content_forget(struct content *content, struct content_wait *wait);

// The next waiter with news, who no longer waits and is to ask again; or NULL.
struct content_wait *
content_ready(struct content *content);

// True when content_ready() would name somebody: not the time to sleep.
static inline bool
content_has_news(const struct content *content)
{
	return content->ready.first ||
	       (content->tries && content->starved.first);
}

// The next content block that came from a disk and is still here, once each; the
// oldest are forgotten when nobody looks. CONTENT_NONE: no more.
u32
content_news(struct content *content);

// What a node is good for now.
void
content_set_node(struct content *content, u16 node, enum content_node state);

// How many frames were given to the device, and how many of them it is done with: a
// block that was lent to frames is not reused before those are.
void
content_set_sent(struct content *content, u64 given, u64 passed);

// The next read. False: none now.
must_check bool
content_next_read(struct content *content, struct content_read *read);

// A read has ended.
void
content_read_done(struct content *content, u32 tag, bool good);

// A read that may_ask_peer has ended, from somebody's memory. If it is not what was
// wanted, the disk is read after all.
void
content_peer_done(struct content *content, u32 tag, bool good);

// Asserts the invariants of content.c and load.c.
void
content_check(const struct content *content);
