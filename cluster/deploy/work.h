// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the files of cluster/deploy share with one another and with nobody else.
//
// Errors go up as sentences; NULL is none. A sentence stays until the next deployment
// begins.

#include "cluster/agree/agree.h"
#include "cluster/deploy/deploy.h"
#include "cluster/storage/machine.h"
#include "cluster/storage/room.h"
#include "cluster/storage/storage.h"
#include "libos/store/hash.h"

#define LANES_MAX 2u			// copies
#define RING_PAGES 48u
#define STAGING_PAGES TASK_BATCH_MAX
#define ROOM_WANT 2048u			// blocks: 8 MiB

STATIC_ASSERT(RING_PAGES + STAGING_PAGES == DEPLOY_PAGES);

// A sentence of this deployment's own. The first one stays: what follows a failure is
// not why.
const char *
sentence(const char *format, ...) printf_like(1, 2);

// A sentence about what was sent: trying again would not help.
const char *
fault(const char *text);

// NULL, or why the deployment cannot go on: its feeder is gone.
const char *
deploy_trouble(void);

// ---- members and rooms (pairs.c)

// A voter, as the deployer knows it.
struct candidate {
	u8 uuid[STORE_UUID];
	struct peer peer;
	u64 free;
	bool out;		// not to be asked any more
	bool asked;		// for a room, whatever came of it
	bool used;		// has rooms of ours, or had
};

// A room on one node.
struct lane {
	struct candidate *candidate;
	u32 room;
	u32 slot;		// of the write capability; SLOT_NONE: this node's disk
	u64 first, count;
};

// Rooms on two nodes (or one, in a cluster of one voter), filled alike. A lane of this
// node's own disk is the first.
struct pair {
	struct lane lane[LANES_MAX];
	u32 lanes;		// 0: no room is open
	u64 count;		// blocks that both have
	u64 used;
};

// It is the same life of its node, and not known to be dead.
bool
candidate_lives(const struct candidate *c);

// Reads the newest record, and takes its voters as candidates. Waits.
const char *
pairs_begin(void);

u64
pairs_version(void);
u64
pairs_generation(void);

// Opens rooms for at least `least` blocks. Waits.
const char *
pair_open(struct pair *pair, u64 least);

// Seals it in the background, behind what is being sealed already; the pair is empty
// then. Waits for earlier ones.
const char *
pair_seal(struct pair *pair);

// Gives up a room: its owner hears of that by pairs_tell().
void
pair_close(struct pair *pair);

// Waits until nothing is being sealed.
const char *
pairs_settle(void);

// Tells all owners that have rooms of ours, and of the end all that were asked for some.
// The first who does not know us any more gives a sentence. Waits.
const char *
pairs_tell(enum drop_what what, u64 version, u64 generation);

// Tells them that we live, when that is due. Waits.
const char *
pairs_keep(void);

// ---- blocks to both copies (writer.c)

// Pages on their way. Positions count up; position p lies in page p % RING_PAGES.
// Invariant: done[i] <= filled <= taken <= done[i] + RING_PAGES.
const char *
writer_begin(void);

// Ends the writing tasks. Waits.
void
writer_end(void);

// Takes `count` positions; the first is returned. Waits. On failure: a sentence.
const char *
writer_take(u32 count, u64 *position);
void *
writer_page(u64 position);

// Says where the page at a position goes: block `block` of the pair; it is a header or
// not.
void
writer_place(u64 position, u64 block, bool is_header);

// All positions before `position` are complete: written from now on.
void
writer_submit(u64 position);

// Waits until all that was submitted is written.
const char *
writer_drain(void);

// The pair in hand; changed only when nothing is on its way.
extern struct pair writer_pair;

// ---- objects (put.c)

struct put {
	struct object object;	// `first` counts from the pair's first block
	u64 index;		// content block in hand
	u64 position;		// its page
	u32 fill;		// bytes in it
	bool has_page;
	bool small;		// all its positions are taken
	u64 header_position;	// of a small one
	struct store_hash hash;
};

// Begins an object: finds it room. Waits.
const char *
put_begin(struct put *put, const u8 id[STORE_ID], u64 length);

// More of its content, never beyond its length. Waits.
const char *
put_data(struct put *put, const u8 *data, u64 len);

// All has come. `fine` becomes false when the content is not what the id says.
const char *
put_end(struct put *put, bool *fine);

// Where copy `lane` of the object lies.
u64
put_block(const struct put *put, u32 lane);

// Memory and copies of an object all at once; its id is computed.
const char *
put_whole(u64 length, void (*read)(void *from, u64 offset, void *target, u64 len),
	  void *from, struct record_new_object *object);
// The same, of what lies in one piece of memory.
const char *
put_bytes(u64 length, void *bytes, struct record_new_object *object);

// ---- what is fed (deploy.c), and what is made of it (site.c, job.c)

// Bytes that were fed, in one piece; 0: none now.
u64
feed_look(const u8 **bytes);
void
feed_take(u64 len);

// Waits for more. *ended: the body has, and all of it was taken.
const char *
feed_wait(bool *ended);

// What the deployment tells of itself meanwhile.
extern struct deploy_report deploy_now;

const char *
deploy_site(void);
const char *
deploy_job(const struct record_new_job *job, u64 bytes);

// What has one copy on the disks of a cluster of several gets two (copies.c).
const char *
deploy_copies(void);

// The site that there is becomes objects again; then site_change() makes the record
// name them. Waits.
const char *
site_store_again(void);
enum record_error
site_change(void *argument, struct record *record);

// Seals all, makes sure that all owners still hold what is theirs, and changes the
// record. Waits.
const char *
deploy_commit(agree_change change, void *argument);
