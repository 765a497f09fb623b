// SPDX-License-Identifier: BSD-2-Clause
// The region's memory here: one run of frames, a window at DSM_BASE onto the first of
// them, and what the core keeps besides, in the heap. A page of the window may be mapped to
// the grave meanwhile, the frame that means nothing.

#include "dsm/map/state.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/syscall.h"
#include "libos/mem/layout.h"
#include "libos/mem/mem.h"

#define HOLD_NS (2 * NS_PER_MS)
#define RETRY_NS (500 * NS_PER_US)
#define TICK_NS (100 * NS_PER_MS)
#define SETTLE_NS (200 * NS_PER_MS)
#define FORM_NS (1500 * NS_PER_MS)

struct map map;

static u64
pages_of(u64 bytes)
{
	return ALIGN_UP(bytes, PAGE_SIZE) / PAGE_SIZE;
}

// Places in the run, in order; returns how many frames it needs.
static u64
lay_out(struct map *m)
{
	u64 pages = m->config.pages;
	u64 words = pages_of(pages * sizeof(struct coh_word));
	u64 holdings = pages_of(pages * sizeof(struct coh_holding));

	m->words_at = pages * PAGE_SIZE;
	m->holdings_at = m->words_at + words * PAGE_SIZE;
	m->lent_frames = pages + words + holdings;
	return m->lent_frames + 1 + 1 + 1 + pages_of(MAP_POSTS * MAP_BUFFER) +
	       pages_of(MAP_SENDS * MAP_BUFFER);
}

static void
point_into(struct map *m)
{
	u8 *base = direct_address(m->run.frame);

	m->words = (struct coh_word *)(void *)(base + m->words_at);
	m->holdings = (struct coh_holding *)(void *)(base + m->holdings_at);
	m->scratch = base + m->lent_frames * PAGE_SIZE;
	m->notes = (u64 *)(void *)(m->scratch + PAGE_SIZE);
	m->grave = m->scratch + 2 * PAGE_SIZE;
	m->posts = m->scratch + 3 * PAGE_SIZE;
	m->sends = m->posts + ALIGN_UP(MAP_POSTS * MAP_BUFFER, PAGE_SIZE);
}

static i64
take_heap(struct map *m)
{
	u64 pages = m->config.pages;

	m->memory = (struct coh_memory){
		.words = m->words,
		.holdings = m->holdings,
		.scratch = (const struct coh_holding *)(const void *)m->scratch,
		.pages = mem_alloc_zeroed(pages * sizeof(struct coh_page)),
		.gathers = mem_alloc_zeroed(pages * sizeof(struct coh_gather)),
	};
	return m->memory.pages && m->memory.gathers ? 0 : -E_QUOTA;
}

i64
region_take(struct map *m)
{
	u64 frames = lay_out(m);
	i64 result;

	if (frames > ALLOC_FRAMES_MAX)
		return -E_RANGE;
	result = sys_frame_alloc(FRAME_ANY, (u32)frames);
	if (result < 0)
		return result;
	result = run_of_slot((u32)result, &m->run);
	if (!result)
		result = map_direct(&m->run, PROT_READ | PROT_WRITE);
	if (result)
		return result;
	point_into(m);
	return take_heap(m);
}

void
region_drop(struct map *m)
{
	unmap_run(CAP_SLOT_SELF, DSM_BASE, m->config.pages);
	if (m->run.count)
		cap_drop_all(m->run.slot);
	mem_free(m->memory.pages);
	mem_free(m->memory.gathers);
	m->run = (struct frame_run){ 0 };
}

void
region_map(struct map *m, u32 page, u8 bind)
{
	u64 va = DSM_BASE + (u64)page * PAGE_SIZE;
	i64 error;

	ASSERT(page < m->config.pages);
	if (bind == COH_BIND_NONE)
		error = sys_page_unmap(CAP_SLOT_SELF, va, 1);
	else
		error = sys_page_map(CAP_SLOT_SELF, va, m->run.slot,
				     m->run.frame + page, 1,
				     bind == COH_BIND_WRITE
					     ? PROT_READ | PROT_WRITE
					     : PROT_READ);
	// The window's page tables were made when the region was opened.
	ASSERT(!error);
}

i64
region_map_grave(const struct map *m, u64 va)
{
	return sys_page_map(CAP_SLOT_SELF, va, m->run.slot, direct_frame(m->grave), 1,
			    PROT_READ | PROT_WRITE);
}

void
region_stray(struct map *m, u32 page)
{
	i64 error;

	ASSERT(page < m->config.pages);
	error = region_map_grave(m, DSM_BASE + (u64)page * PAGE_SIZE);
	ASSERT(!error);
	m->is_astray = true;
}

void
region_return(struct map *m)
{
	for (u32 i = 0; i < m->config.pages; i++)
		region_map(m, i, m->memory.pages[i].mapped);
	m->is_astray = false;
}

// A mapping of each page, for the page tables; none stays.
static i64
make_tables(struct map *m)
{
	i64 error = map_run(CAP_SLOT_SELF, DSM_BASE, m->run.slot, m->run.frame,
			    m->config.pages, PROT_READ);

	if (!error)
		error = unmap_run(CAP_SLOT_SELF, DSM_BASE, m->config.pages);
	return error;
}

static u32
new_life(void)
{
	u32 life = 0;

	while (!life) {
		if (sys_entropy_read(&life, sizeof(life)))
			life = (u32)now_ns() | 1;
	}
	return life;
}

// Marks pages that this life alone had, so that its program hears of it.
static void
mark_lost(struct map *m)
{
	for (u32 i = 0; i < m->config.pages; i++) {
		const struct coh_holding *h = &m->holdings[i];
		struct coh_page *page = &m->memory.pages[i];
		bool lost = page->lost || h->bind == COH_BIND_WRITE;
		u32 version = h->version;

		*page = (struct coh_page){
			.lost = lost && !(m->config.flags & DSM_PUBLISHED),
			.lost_version = version,
		};
	}
}

static void
core_start(struct map *m)
{
	struct coh_config config = {
		.pages = m->config.pages,
		.page_size = PAGE_SIZE,
		.self = m->config.number,
		.life = m->life,
		.flags = m->config.flags & DSM_PUBLISHED ? COH_PUBLISHED : 0,
		.hold_ns = HOLD_NS,
		.retry_ns = RETRY_NS,
		.tick_ns = TICK_NS,
		.settle_ns = SETTLE_NS,
		.form_ns = FORM_NS,
		.seed = (u64)m->life << 32 | tsc_read(),
	};

	coh_init(&m->coh, &config, &m->memory, now_ns());
}

i64
region_restart(struct map *m, bool first)
{
	i64 error = first ? make_tables(m)
			  : unmap_run(CAP_SLOT_SELF, DSM_BASE, m->config.pages);

	if (error)
		return error;
	m->is_astray = false;
	mark_lost(m);
	m->life = new_life();
	m->has_held = false;
	memset(direct_address(m->run.frame), 0, m->lent_frames * PAGE_SIZE);
	core_start(m);
	return 0;
}
