// SPDX-License-Identifier: BSD-2-Clause
// The directory: a table of hints, direct-mapped by the block's name. A newer entry
// takes the place of an older one.
//
// Invariants:
//  D1  A peer's slot is of the life that the view shows; with another life it is
//      dropped.
//  D2  Entries are read and written only while their page is here.

#include "cluster/programs/web/directory.h"
#include "cluster/programs/web/shared.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/syscall.h"

#define TAG_GRANT 0x6772616e740000ull	// and the peer's number
#define WORD 0x7765626300000000ull	// of grants: this and the lender's number
#define ENTER_NS (200 * NS_PER_MS)
#define AGAIN_NS (500 * NS_PER_MS)

static u64
tag_of(const u8 id[STORE_ID], u64 index)
{
	u64 tag = (le64_load(id) ^ le64_load(id + 8) ^ index) * 0x9e3779b97f4a7c15ull;

	return tag ? tag : 1;
}

// The entry of a tag, if its page is here.
static struct directory_entry *
entry_of(u64 tag, bool write)
{
	u64 at = (tag >> 32) % DIRECTORY_ENTRIES * sizeof(struct directory_entry);

	return shared_get(PAGE_SIZE + at, sizeof(struct directory_entry), write);
}

static bool
find_peer(void *context, const struct content_read *read, struct reader_peer *found)
{
	struct directory *d = context;
	u64 tag = tag_of(read->id, read->index);
	const struct directory_entry *entry = entry_of(tag, false);
	const struct directory_peer *peer;

	if (!entry || entry->tag != tag || entry->number >= DIRECTORY_PEERS ||
	    entry->number == d->job->number)
		return false;
	peer = &d->peer[entry->number];
	if (!peer->environment || !peer->is_linked || peer->slot == SLOT_NONE)
		return false;
	*found = (struct reader_peer){ peer->slot, (u64)entry->block * STORE_BLOCK };
	return true;
}

void
directory_open(struct directory *d, struct job *job, bool is_open)
{
	*d = (struct directory){ .job = job, .is_open = is_open };
	for (u32 i = 0; i < DIRECTORY_PEERS; i++)
		d->peer[i].slot = SLOT_NONE;
	if (!is_open)
		return;
	job->reader.find_peer = find_peer;
	job->reader.find_context = d;
}

static void
forget(struct directory_peer *peer)
{
	if (peer->slot != SLOT_NONE)
		cap_drop_all(peer->slot);
	*peer = (struct directory_peer){ .slot = SLOT_NONE };
}

static void
update_peer(struct directory *d, const struct view_instance *in)
{
	const struct view_member *member = &d->job->view.member[in->member];
	struct directory_peer *peer = &d->peer[in->number];

	if (peer->environment != in->environment ||
	    peer->incarnation != member->incarnation || peer->link != member->link) {
		forget(peer);					// D1
		peer->environment = in->environment;
		peer->incarnation = member->incarnation;
		peer->link = member->link;
	}
	peer->is_linked = member->life != VIEW_DEAD &&
			  member->link < fabric_info()->links &&
			  link_table()[member->link].state == FABRIC_LINK_UP;
}

void
directory_update(struct directory *d)
{
	const struct view *view = &d->job->view;
	bool there[DIRECTORY_PEERS] = { false };

	for (u32 i = 0; i < view->instance_count; i++) {
		const struct view_instance *in = &view->instance[i];

		if (view->job[in->job].id != d->job->id ||
		    in->number >= DIRECTORY_PEERS || in->member == view->self)
			continue;
		there[in->number] = true;
		update_peer(d, in);
	}
	for (u32 i = 0; i < DIRECTORY_PEERS; i++) {
		if (!there[i] && d->peer[i].environment)
			forget(&d->peer[i]);
	}
}

// Lends this cache's blocks to a peer. Its place may be taken: then again, later.
static void
grant(struct directory *d, u32 number, u64 now_ns)
{
	struct directory_peer *peer = &d->peer[number];
	const struct frame_run *region = &d->job->region;
	struct fabric_submit s = {
		.tag = TAG_GRANT + number,
		.op = FABRIC_GRANT,
		.node = peer->link,
		.slot = region->slot,
		.target = {
			.incarnation = peer->incarnation,
			.environment = peer->environment,
			.rights = CAP_READ,
			.base = region->frame + JOB_MESSAGE_PAGES,
			.count = region->count - JOB_MESSAGE_PAGES,
			.word = WORD | d->job->number,
		},
	};

	peer->again_ns = now_ns + AGAIN_NS;
	peer->is_granting = fabric_put(&d->job->fabric, &s);
}

bool
directory_complete(struct directory *d, const struct fabric_complete *complete,
		   u64 now_ns)
{
	u64 number = complete->tag - TAG_GRANT;

	if (complete->op != FABRIC_GRANT || number >= DIRECTORY_PEERS)
		return false;
	d->peer[number].is_granting = false;
	d->peer[number].is_granted = complete->outcome == FABRIC_DONE;
	d->peer[number].again_ns = now_ns + AGAIN_NS;
	return true;
}

bool
directory_take(struct directory *d, const struct fabric_complete *complete)
{
	u64 number = complete->word & ~WORD;
	struct directory_peer *peer;

	if (!d->is_open || (complete->word & WORD) != WORD ||
	    number >= DIRECTORY_PEERS || complete->type != FABRIC_FRAMES)
		return false;
	peer = &d->peer[number];
	if (!peer->environment || peer->link != complete->node ||
	    peer->incarnation != complete->incarnation)
		return false;
	if (peer->slot != SLOT_NONE)
		cap_drop_all(peer->slot);
	peer->slot = complete->slot;
	return true;
}

static void
collect(struct directory *d)
{
	const struct content *content = &d->job->content;
	u32 block;

	while ((block = content_news(&d->job->content)) != CONTENT_NONE) {
		const struct content_block *b = &content->block[block];

		if (d->news_count == DIRECTORY_PENDING)
			continue;	// a hint less
		d->news[(d->news_first + d->news_count++) % DIRECTORY_PENDING] =
			(struct directory_news){ tag_of(b->id, b->index), block };
	}
}

// Enters what is pending, as long as pages are here; what is left waits for theirs.
static void
enter(struct directory *d, u64 now_ns)
{
	while (d->news_count) {
		const struct directory_news *news = &d->news[d->news_first];
		struct directory_entry *entry = entry_of(news->tag, true);

		if (!entry)
			return;
		*entry = (struct directory_entry){ news->tag, news->block,
						   d->job->number };
		d->entered++;
		d->news_first = (d->news_first + 1) % DIRECTORY_PENDING;
		d->news_count--;
	}
	d->next_ns = now_ns + ENTER_NS;
}

void
directory_run(struct directory *d, u64 now_ns)
{
	u32 before = d->job->fabric.submit_head;

	if (!d->is_open)
		return;
	for (u32 i = 0; i < DIRECTORY_PEERS; i++) {
		const struct directory_peer *peer = &d->peer[i];

		if (peer->environment && peer->is_linked && !peer->is_granted &&
		    !peer->is_granting && now_ns >= peer->again_ns)
			grant(d, i, now_ns);
	}
	// Gone only when the program is being ended.
	if (d->job->fabric.submit_head != before && fabric_flush(&d->job->fabric))
		d->is_open = false;
	collect(d);
	if (d->news_count && now_ns >= d->next_ns)
		enter(d, now_ns);
}

void
directory_watch(const struct directory *d, struct wait_set *set)
{
	if (d->news_count)
		wait_until(set, MAX(d->next_ns, now_ns() + NS_PER_MS));
	for (u32 i = 0; d->is_open && i < DIRECTORY_PEERS; i++) {
		const struct directory_peer *peer = &d->peer[i];

		if (peer->environment && peer->is_linked && !peer->is_granted &&
		    !peer->is_granting)
			wait_until(set, peer->again_ns);
	}
}
