// SPDX-License-Identifier: BSD-2-Clause
// Another instance on this node: what it lent is mapped in a window of its own, so what
// goes through the fabric elsewhere is a copy or an instruction here. It may take its
// memory back at any time, by ending. A touch then faults, and the fault puts a frame
// that means nothing in the place, so that the copy can end; the operation ends as
// unknown, like one whose session ended, and the window is empty before the next one.

#include "dsm/map/state.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/syscall.h"
#include "libos/mem/layout.h"

static u64
window(u32 number)
{
	ASSERT(number < DSM_MEMBERS_MAX);
	return NEAR_BASE + ((u64)number << NEAR_SHIFT);
}

static u8 *
its(u32 number, u64 offset)
{
	return (u8 *)(window(number) + offset);
}

bool
near_map(struct map *m, u32 number, u32 slot)
{
	struct frame_run run;

	return !run_of_slot(slot, &run) && run.count >= m->lent_frames &&
	       !map_run(CAP_SLOT_SELF, window(number), slot, run.frame,
			m->lent_frames, PROT_READ | PROT_WRITE);
}

void
near_unmap(struct map *m, u32 number)
{
	i64 error = unmap_run(CAP_SLOT_SELF, window(number), m->lent_frames);

	ASSERT(!error);
}

bool
near_fault(struct map *m, u64 address)
{
	u64 va = ALIGN_DOWN(address, PAGE_SIZE);

	if (!m->inside || address < NEAR_BASE ||
	    address >= window(DSM_MEMBERS_MAX - 1) + (1ull << NEAR_SHIFT))
		return false;
	m->near_gone = true;
	return !region_map_grave(m, va);
}

static void
swap_near(struct map *m, const struct coh_action *a, struct coh_result *result)
{
	u64 page_at = (u64)a->page * PAGE_SIZE;
	u64 at = m->words_at + (u64)a->page * sizeof(struct coh_word);

	map_swap((struct coh_word *)(void *)its(a->member, at), a, result);
	if (a->chain && result->matched)
		memcpy(direct_address(m->run.frame + a->page), its(a->member, page_at),
		       PAGE_SIZE);
}

void
near_act(struct map *m, const struct coh_action *a)
{
	u8 *own = direct_address(m->run.frame + a->page);
	u64 page_at = (u64)a->page * PAGE_SIZE;
	u64 holding_at = m->holdings_at +
			 (u64)a->page * sizeof(struct coh_holding);
	struct coh_result result = { .outcome = COH_DONE };

	ASSERT(a->member != m->config.number);
	m->near_gone = false;
	switch (a->what) {
	case COH_DO_SWAP:
		swap_near(m, a, &result);
		break;
	case COH_DO_READ:
		memcpy(own, its(a->member, page_at), PAGE_SIZE);
		break;
	case COH_DO_WRITE:
		memcpy(its(a->member, page_at + a->offset), own + a->offset, a->length);
		break;
	case COH_DO_NOTE:
		__atomic_store_n((u64 *)(void *)its(a->member, holding_at), a->note,
				 __ATOMIC_SEQ_CST);
		break;
	default:
		ASSERT(a->what == COH_DO_TABLE);
		memcpy(m->scratch, its(a->member, holding_at),
		       a->count * sizeof(struct coh_holding));
	}
	if (m->near_gone)
		result.outcome = COH_UNKNOWN;
	coh_done(&m->coh, now_ns(), a->tag, &result);
	if (m->near_gone)
		peers_refused(m, a->member);
}

STATIC_ASSERT(offsetof(struct coh_holding, shadow) == 0);
