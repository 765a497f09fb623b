// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Who has which block in memory. Instances lend the frames of their caches to each
// other, to read; the directory, in the region that they share, says in whose frames
// a block was put when it came from a disk. What would be read from another node's
// disk is tried there first.
//
// All of it is hints: an entry may be of a frame that holds something else by now, or
// of an instance that is gone. Whatever comes is checked by its sum, and when it is
// not the block, the disk is read.

#include "cluster/programs/web/job.h"

#define DIRECTORY_PAGES 16u
#define DIRECTORY_ENTRIES (DIRECTORY_PAGES * PAGE_SIZE / \
			   (u32)sizeof(struct directory_entry))
#define DIRECTORY_PEERS 64u
#define DIRECTORY_PENDING 512u

struct directory_entry {
	u64 tag;		// of the block's name; 0: free
	u32 block;		// of the instance's cache
	u32 number;		// of the instance
};

// Another instance, one life of it.
struct directory_peer {
	u64 incarnation;
	u32 environment;	// 0: none
	u16 link;
	bool is_linked;
	bool is_granted;	// it may read here
	bool is_granting;
	u32 slot;		// of its frames, or SLOT_NONE
	u64 again_ns;		// when to grant again
};

// A block of ours that is to be entered.
struct directory_news {
	u64 tag;
	u32 block;
};

struct directory {
	struct job *job;
	bool is_open;
	struct directory_peer peer[DIRECTORY_PEERS];
	struct directory_news news[DIRECTORY_PENDING];
	u32 news_first, news_count;
	u64 next_ns;		// when to enter what is pending
	u64 entered;
};

// `is_open`: the shared region is. Without it nothing happens here.
void
directory_open(struct directory *directory, struct job *job, bool is_open);

// The view has changed.
void
directory_update(struct directory *directory);

// Lends, and enters what came.
void
directory_run(struct directory *directory, u64 now_ns);

// True when the completion was of a grant to a peer.
must_check bool
directory_complete(struct directory *directory, const struct fabric_complete *complete,
		   u64 now_ns);

// True when the capability that came is of a peer's cache: it is kept.
must_check bool
directory_take(struct directory *directory, const struct fabric_complete *complete);

void
directory_watch(const struct directory *directory, struct wait_set *set);
