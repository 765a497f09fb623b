// SPDX-License-Identifier: BSD-2-Clause
// Repair: this node's objects are read for ever, block by block, and what is bad or
// missing is written again from the other copy, to the same place. Slowly, but for
// the first time in this life, when somebody else wrote the site, and when the last
// pass left something bad.
//
// What was written is flushed every FLUSH_NS: a power cut before leaves blocks that the
// next life's first pass finds bad.
//
// Invariant: nothing is written for a generation of the site that is not the newest
// one here.

#include "cluster/agent/events.h"
#include "cluster/agent/register.h"
#include "cluster/storage/state.h"
#include "kernel/base/assert.h"

#define PACE_NS (200 * NS_PER_MS)	// a batch: 320 KiB a second
#define PASS_NS (30 * NS_PER_SECOND)	// from one pass to the next, at least
#define AGAIN_NS (3 * NS_PER_SECOND)	// after one that left something bad
#define FLUSH_NS NS_PER_SECOND
#define TELL_NS (5 * NS_PER_SECOND)
#define PAGES (1 + TASK_BATCH_MAX)

struct pass {
	struct stored_site *site;
	u64 generation;
	u64 version;		// of the record
	bool fast;
	u64 wrote_at;		// first write since the last flush; 0: none
	u64 objects, fine, short_;
	u64 told_at, told_blocks, mended, told_mended;
	u8 *pages;		// a header, TASK_BATCH_MAX of content
};

static struct storage_status counts;
static struct thread *sleeper;
static u64 whole_generation;	// all was found fine, in this life

void
repair_wake(void)
{
	if (sleeper)
		task_wake(sleeper);
}

void
repair_status(struct storage_status *status)
{
	status->objects = counts.objects;
	status->objects_fine = counts.objects_fine;
	status->objects_short = counts.objects_short;
	status->blocks_checked = counts.blocks_checked;
	status->blocks_bad = counts.blocks_bad;
	status->blocks_mended = counts.blocks_mended;
	status->passes = counts.passes;
}

// The record or the site is another one: this pass is over.
static bool
is_outdated(const struct pass *pass)
{
	const struct record *record = record_now();

	return storage_state() != STORAGE_READY || !record ||
	       pass->generation != site_generation() ||
	       pass->generation != record->site.generation;
}

static void
pause_between(const struct pass *pass)
{
	if (pass->fast && !rooms_sealed(pass->generation))
		task_yield();
	else
		task_sleep(machine_now() + PACE_NS);
}

static bool
write_own(struct pass *pass, const struct holding *h, u64 block, const void *pages,
	  u32 count)
{
	u64 first = h->object.copy[h->own].block;
	u64 all = object_blocks(h->object.bytes);

	ASSERT(block >= first && block - first + count <= all);
	if (is_outdated(pass) || !space_contains(&storage_space, first, all))
		return false;
	if (task_disk_write(block, pages, count))
		return false;
	pass->wrote_at = pass->wrote_at ? pass->wrote_at : machine_now();
	counts.blocks_mended += count;
	return true;
}

static struct object
own_object(const struct holding *h)
{
	struct object object = {
		.length = h->object.bytes,
		.first = h->object.copy[h->own].block,
	};

	memcpy(object.id, h->object.id, STORE_ID);
	return object;
}

// Gets content blocks from the other copy and writes them here.
static bool
mend_content(struct pass *pass, const struct holding *h,
	     const struct object_header *header, u64 index, u32 count)
{
	struct object own = own_object(h);
	void *pages = pass->pages + STORE_BLOCK;
	u32 other = h->own ^ 1;

	return copy_exists(&h->object, other) &&
	       copy_content(&h->object, other, header, index, pages, count) &&
	       write_own(pass, h, object_content_at(&own, index), pages, count);
}

// Checks up to TASK_BATCH_MAX blocks, and mends runs of bad ones. False: some are
// still bad.
static bool
check_batch(struct pass *pass, const struct holding *h,
	    const struct object_header *header, u64 index, u32 count)
{
	u32 bad = copy_bad_blocks(&h->object, h->own, header, index,
				  pass->pages + STORE_BLOCK, count);
	bool fine = true;

	counts.blocks_checked += count;
	counts.blocks_bad += (u64)__builtin_popcountll(bad);
	for (u32 first = 0, run; bad >> first; first += run) {
		run = 1;
		if (!(bad >> first & 1))
			continue;
		while (bad >> (first + run) & 1)
			run++;
		fine &= mend_content(pass, h, header, index + first, run);
	}
	return fine;
}

// Makes this copy's header of the other's, which says the same but for the place.
static bool
other_header(const struct holding *h, u64 number, struct object_header *page)
{
	u32 other = h->own ^ 1;

	if (!copy_exists(&h->object, other) ||
	    copy_header(&h->object, other, number, page))
		return false;
	page->first = h->object.copy[h->own].block;
	object_header_end(page);
	return true;
}

// One header and the content under it. False: something is still bad.
static bool
check_part(struct pass *pass, const struct holding *h, u64 number)
{
	u64 end = MIN(object_content_blocks(h->object.bytes),
		      (number + 1) * OBJECT_SUMS);
	struct object_header *header = (void *)pass->pages;
	struct object own = own_object(h);
	bool bad = copy_header(&h->object, h->own, number, header);
	bool fine = true;
	u32 count;

	counts.blocks_checked++;
	counts.blocks_bad += bad;
	if (bad && !other_header(h, number, header))
		return false;
	for (u64 i = number * OBJECT_SUMS; i < end; i += count) {
		count = (u32)MIN(end - i, TASK_BATCH_MAX);
		if (is_outdated(pass))
			return false;
		fine &= check_batch(pass, h, header, i, count);
		pause_between(pass);
	}
	if (bad && fine)
		fine = write_own(pass, h, object_header_at(&own, number), header, 1);
	return fine;
}

// What was written is durable, and told of, now and then. False: the disk failed.
static bool
settle(struct pass *pass, bool at_end)
{
	u64 now = machine_now();
	u64 blocks = counts.blocks_mended - pass->told_blocks;
	bool fine = true;

	if (pass->wrote_at && (at_end || now >= pass->wrote_at + FLUSH_NS)) {
		fine = !task_disk_flush();
		pass->wrote_at = 0;
	}
	if (blocks && (at_end || now >= pass->told_at + TELL_NS)) {
		event(EVENT_STORE, "repair", "", "mended",
		      "%lu blocks of %lu objects, from their other copies", blocks,
		      pass->mended - pass->told_mended);
		pass->told_at = now;
		pass->told_blocks = counts.blocks_mended;
		pass->told_mended = pass->mended;
	}
	return fine;
}

static void
check_object(struct pass *pass, const struct holding *h)
{
	u64 before = counts.blocks_mended;
	bool fine = true;

	for (u64 n = 0; n < object_header_blocks(h->object.bytes); n++) {
		fine &= check_part(pass, h, n);
		if (is_outdated(pass))
			return;
	}
	pass->mended += counts.blocks_mended != before;
	fine &= settle(pass, false);
	pass->fine += fine;
	pass->short_ += !fine;
	if (!object_content_blocks(h->object.bytes))
		pause_between(pass);
}

static u64
count_holdings(const struct record *record, const struct stored_site *site)
{
	struct holding holding;
	u64 at = 0, count = 0;

	while (holding_next(record, site, &at, &holding))
		count++;
	return count;
}

static void
publish(const struct pass *pass)
{
	counts.objects = pass->objects;
	if (whole_generation == pass->generation || rooms_sealed(pass->generation))
		counts.objects_fine = pass->objects - MIN(pass->short_, pass->objects);
	else
		counts.objects_fine = pass->fine;
	counts.objects_short = pass->short_;
}

// All objects once. False: it was cut short.
static bool
run_pass(struct pass *pass)
{
	struct holding holding;
	u64 at = 0;

	pass->objects = count_holdings(record_now(), pass->site);
	publish(pass);
	while (!is_outdated(pass)) {
		// The record may have other jobs by now: an object may be passed over
		// or come twice, until the next pass.
		if (!holding_next(record_now(), pass->site, &at, &holding)) {
			counts.passes++;
			pass->objects = pass->fine + pass->short_;
			if (!pass->short_)
				whole_generation = pass->generation;
			publish(pass);
			return true;
		}
		check_object(pass, &holding);
		publish(pass);
	}
	return false;
}

static u64
pass_once(bool fast)
{
	struct pass pass = {
		.site = site_hold(), .fast = fast,
		.told_at = machine_now(), .told_blocks = counts.blocks_mended,
	};
	bool whole;

	pass.generation = pass.site ? pass.site->generation : 0;
	if (is_outdated(&pass)) {
		site_give(pass.site);
		return 0;
	}
	pass.pages = pages_take(PAGES);
	whole = run_pass(&pass);
	whole &= settle(&pass, true);
	task_buffer_give(pass.pages, PAGES);
	site_give(pass.site);
	if (!whole)
		return 0;
	return pass.short_ ? AGAIN_NS : PASS_NS;
}

static void
repair_task(void *argument)
{
	(void)argument;
	sleeper = task_self();
	for (;;) {
		u64 generation = site_generation();
		bool fast = whole_generation != generation || counts.objects_short;
		u64 pause = pass_once(fast);
		u64 until = machine_now() + (pause ? pause : PACE_NS);

		// A new generation is looked at at once.
		while (machine_now() < until && site_generation() == generation)
			task_wait(until);
	}
}

void
repair_open(void)
{
	if (!task_start(repair_task, NULL))
		storage_fail("there is no task for repair");
}
