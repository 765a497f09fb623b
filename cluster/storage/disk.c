// SPDX-License-Identifier: BSD-2-Clause
// The disk as a whole: whose it is, claiming it, the register's slots.
//
// Invariant: before storage_state() is READY nothing is written but a label onto a
// disk whose probe blocks are zero; afterwards the state is never READY again once it
// was left.

#include "cluster/agent/events.h"
#include "cluster/storage/state.h"
#include "kernel/base/assert.h"
#include "libos/crt/errors.h"

#define SLOT_PAGES (STORAGE_SLOT_BYTES / STORE_BLOCK)

struct label storage_label;

static enum storage_state state;
static const char *reason = "there is no disk";
static struct task_lock label_lock;

STATIC_ASSERT(SLOT_PAGES == STORE_SLOT_BLOCKS);
STATIC_ASSERT(LABEL_PROBE_BLOCKS % TASK_BATCH_MAX == 0);

void *
pages_take(u32 pages)
{
	void *at;

	while (!(at = task_buffer_take(pages)))
		task_sleep(machine_now() + NS_PER_MS);
	return at;
}

enum storage_state
storage_state(void)
{
	return state;
}

const char *
storage_reason(void)
{
	return reason;
}

const u8 *
storage_cluster(void)
{
	return storage_label.cluster;
}

bool
storage_suits(const u8 cluster[STORE_UUID])
{
	return label_is_zero(storage_label.cluster, STORE_UUID) ||
	       !memcmp(storage_label.cluster, cluster, STORE_UUID);
}

static const char *
state_word(enum storage_state of)
{
	static const char *const word[] = {
		[STORAGE_ABSENT] = "absent",
		[STORAGE_READY] = "ready",
		[STORAGE_REFUSED] = "left alone",
		[STORAGE_FAILED] = "failed",
	};

	return word[of];
}

static void
enter(enum storage_state next, const char *why)
{
	if (state == STORAGE_READY)	// what it is at first, the agent tells
		event(EVENT_DISK, "disk", state_word(state), state_word(next),
		      "%s", why);
	state = next;
	reason = why;
}

void
storage_fail(const char *why)
{
	if (state == STORAGE_READY)
		enter(STORAGE_FAILED, why);
}

// ---- labels

static u64
disk_blocks(void)
{
	return MIN(task_disk_blocks(), STORE_BLOCKS_MAX);
}

// Writes the spare first, then block 0, each durable before the next.
static i64
write_label(const struct label *label, u8 *page)
{
	static const u64 order[] = { LABEL_SPARE_BLOCK, STORE_LABEL_BLOCK };
	i64 error = 0;

	label_make(label, page);
	for (u32 i = 0; i < ARRAY_SIZE(order) && !error; i++) {
		error = task_disk_write(order[i], page, 1);
		if (!error)
			error = task_disk_flush();
	}
	return error;
}

// True when the blocks are zero, the label's spare aside.
static bool
is_blank_from(u64 block, u8 *pages, i64 *error)
{
	for (u32 i = 0; i < LABEL_PROBE_BLOCKS; i += TASK_BATCH_MAX) {
		*error = task_disk_read(block + i, pages, TASK_BATCH_MAX);
		if (*error)
			return false;
		for (u32 j = 0; j < TASK_BATCH_MAX; j++) {
			if (block + i + j != LABEL_SPARE_BLOCK &&
			    !label_is_zero(pages + j * STORE_BLOCK, STORE_BLOCK))
				return false;
		}
	}
	return true;
}

static void
claim(u8 *pages)
{
	struct label label = { .blocks = disk_blocks() };
	i64 error = 0;

	memcpy(label.node, peer_self()->uuid, STORE_UUID);
	if (!is_blank_from(0, pages, &error) ||
	    !is_blank_from(task_disk_blocks() - LABEL_PROBE_BLOCKS, pages, &error)) {
		enter(error ? STORAGE_FAILED : STORAGE_REFUSED,
		      error ? error_text(error) : label_class_text(LABEL_FOREIGN));
		return;
	}
	error = write_label(&label, pages);
	if (error) {
		enter(STORAGE_FAILED, error_text(error));
		return;
	}
	storage_label = label;
	enter(STORAGE_READY, "it was blank, and is claimed for the cluster");
}

// The two label blocks are in pages[0] and pages[1].
static void
take_label(u8 *pages, bool may_claim)
{
	struct label label;
	enum label_class class =
		label_read(pages, pages + STORE_BLOCK, task_disk_blocks(),
			   peer_self()->uuid, &label);
	i64 error = 0;

	if (class == LABEL_BLANK && may_claim) {
		claim(pages);
		return;
	}
	if (class != LABEL_OURS) {
		enter(STORAGE_REFUSED, class == LABEL_BLANK
			? "the disk is blank, and `disk=claim` was not said"
			: label_class_text(class));
		return;
	}
	if (label_differs(pages, pages + STORE_BLOCK))
		error = write_label(&label, pages);
	storage_label = label;
	enter(error ? STORAGE_FAILED : STORAGE_READY,
	      error ? error_text(error) : label_class_text(class));
}

static void
look(bool may_claim)
{
	u8 *pages = pages_take(TASK_BATCH_MAX);
	i64 error = task_disk_read(STORE_LABEL_BLOCK, pages, 1);

	if (!error)
		error = task_disk_read(LABEL_SPARE_BLOCK, pages + STORE_BLOCK, 1);
	if (error)
		enter(STORAGE_FAILED, error_text(error));
	else
		take_label(pages, may_claim);
	task_buffer_give(pages, TASK_BATCH_MAX);
}

// The label learns the cluster's id, once. Waits.
static void
bind_label(const u8 cluster[STORE_UUID])
{
	struct label label = storage_label;
	void *page = pages_take(1);
	i64 error;

	memcpy(label.cluster, cluster, STORE_UUID);
	error = write_label(&label, page);
	task_buffer_give(page, 1);
	if (error) {
		storage_fail(error_text(error));
		return;
	}
	storage_label = label;
}

// ---- the register's slots

i64
storage_slot_read(u32 slot, u8 bytes[STORAGE_SLOT_BYTES])
{
	void *pages;
	i64 error;

	ASSERT(slot < 2);
	if (state != STORAGE_READY)
		return -E_ABSENT;
	pages = pages_take(SLOT_PAGES);
	error = task_disk_read(STORE_SLOT_BLOCK + slot * SLOT_PAGES, pages, SLOT_PAGES);
	if (!error)
		memcpy(bytes, pages, STORAGE_SLOT_BYTES);
	task_buffer_give(pages, SLOT_PAGES);
	return error;
}

i64
storage_slot_write(u32 slot, const u8 bytes[STORAGE_SLOT_BYTES])
{
	void *pages;
	i64 error;

	ASSERT(slot < 2);
	if (state != STORAGE_READY)
		return -E_ABSENT;
	pages = pages_take(SLOT_PAGES);
	memcpy(pages, bytes, STORAGE_SLOT_BYTES);
	error = task_disk_write(STORE_SLOT_BLOCK + slot * SLOT_PAGES, pages, SLOT_PAGES);
	if (!error)
		error = task_disk_flush();
	task_buffer_give(pages, SLOT_PAGES);
	if (error)
		storage_fail(error_text(error));
	return error;
}

// ---- from outside

void
storage_bind(const u8 cluster[STORE_UUID])
{
	task_lock(&label_lock);
	if (state == STORAGE_READY && !storage_suits(cluster))
		enter(STORAGE_REFUSED, "the disk is of another cluster");
	else if (state == STORAGE_READY &&
		 label_is_zero(storage_label.cluster, STORE_UUID))
		bind_label(cluster);
	task_unlock(&label_lock);
}

void
storage_look(bool may_claim)
{
	if (task_disk_blocks() < LABEL_PROBE_BLOCKS) {
		if (task_disk_blocks())
			enter(STORAGE_REFUSED, label_class_text(LABEL_SMALL));
		return;
	}
	look(may_claim);
}
