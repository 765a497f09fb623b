// SPDX-License-Identifier: BSD-2-Clause
// Copies under leases: a place in the address space, frames with a capability of their
// own, the bytes, and the lease. Of frames whose capability the kernel takes nothing is
// to be given back; the place stays taken until the copy is dropped, so that who still
// has its address faults, and reads nobody else's bytes.

#include "libos/remote/copy.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/crt/attempt.h"
#include "libos/crt/syscall.h"
#include "libos/mem/layout.h"

static bool taken[COPIES_MAX];

static u8 *
place_address(u32 place)
{
	return (u8 *)(COPY_BASE + (u64)place * COPY_PAGES_MAX * PAGE_SIZE);
}

struct load {
	const u8 *from;
	void *to;
	u32 len;
};

static void
load(void *argument)
{
	const struct load *l = argument;

	memcpy(l->to, l->from, l->len);
}

bool
far_copy_read(const struct far_copy *copy, u64 offset, void *to, u32 len)
{
	struct load l = { copy->at + offset, to, len };
	struct upcall_frame fault;

	ASSERT(copy->at && offset <= copy->bytes && len <= copy->bytes - offset);
	return !attempt(load, &l, &fault);
}

// The capability in its slot is the copy's, as long as the copy can be read: what is
// there later may be another one.
void
far_copy_drop(struct far_copy *copy)
{
	u8 byte;

	if (!copy->at)
		return;
	if (far_copy_read(copy, 0, &byte, 1))
		(void)!sys_cap_drop(copy->slot);
	taken[((u64)copy->at - COPY_BASE) / (COPY_PAGES_MAX * PAGE_SIZE)] = false;
	copy->at = NULL;
}

// Frames under one capability, mapped at the place.
static i64
make(struct far_copy *copy, u32 pages)
{
	i64 slot = sys_frame_alloc(FRAME_ANY, pages);
	struct frame_run run;
	i64 error;

	if (slot < 0)
		return slot;
	copy->slot = (u32)slot;
	error = run_of_slot(copy->slot, &run);
	if (!error)
		error = map_run(CAP_SLOT_SELF, (u64)copy->at, run.slot, run.frame, pages,
				PROT_READ | PROT_WRITE);
	if (error)
		(void)!sys_cap_drop(copy->slot);
	return error;
}

static i64
fetch(struct far *far, u64 offset, u32 pages, void *buffer, const struct far_copy *copy)
{
	i64 error = 0;

	for (u64 at = 0; at < pages * PAGE_SIZE && !error; at += PAGE_SIZE) {
		error = far_read(far, offset + at, buffer, PAGE_SIZE);
		if (!error)
			memcpy(copy->at + at, buffer, PAGE_SIZE);
	}
	return error;
}

static i64
lease(struct far *far, u64 offset, const struct far_copy *copy)
{
	struct fabric_submit s = {
		.op = FABRIC_LEASE, .slot = far->slot,
		.offset = offset, .length = (u32)copy->bytes,
		.lease = { .slot = copy->slot },
	};

	return far_run(far->io, &s, NULL);
}

i64
far_copy(struct far *far, u64 offset, u32 pages, void *buffer, struct far_copy *copy)
{
	u32 place = 0;
	i64 error;

	copy->at = NULL;
	if (far->kind != FAR_REMOTE)
		return -E_TYPE;
	if (!pages || pages > COPY_PAGES_MAX || offset % PAGE_SIZE)
		return -E_ARGUMENT;
	while (place < COPIES_MAX && taken[place])
		place++;
	if (place == COPIES_MAX)
		return -E_TABLE;
	*copy = (struct far_copy){ place_address(place), pages * PAGE_SIZE, SLOT_NONE };
	error = make(copy, pages);
	if (error) {
		copy->at = NULL;
		return error;
	}
	taken[place] = true;
	error = fetch(far, offset, pages, buffer, copy);
	if (!error)
		error = lease(far, offset, copy);
	if (error)
		far_copy_drop(copy);
	return error;
}
