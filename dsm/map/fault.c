// SPDX-License-Identifier: BSD-2-Clause
// The two upcalls: a fault in the region, and the timer.
//
// The fault's handler runs the core until the page is here, other instances' wishes
// included: what it waits for never waits for this program. It uses what nothing
// interrupted half-way uses: the core and the queue are only entered with `inside`
// set, and a timer that finds it set comes again later. The program's own code
// never holds it while it touches the region.

#include "dsm/map/state.h"
#include "kernel/base/assert.h"
#include "libos/crt/clock.h"
#include "libos/crt/syscall.h"
#include "libos/crt/upcall.h"

#define CROSSING_HOLD_NS (4 * NS_PER_MS)
#define NO_PAGE (~0u)

void
map_sleep(struct map *m, u64 until)
{
	struct wait_set set;

	wait_begin(&set);
	fabric_watch(&m->queue, &set);
	if (m->config.find_word)
		wait_word_add(&set, m->config.find_word, m->find_seen);
	wait_until(&set, until);
	wait_until(&set, coh_due(&m->coh));
	wait_until(&set, peers_due(m));
	wait_sleep(&set);
}

// One instruction that needs two pages must get both: the first one is kept while the
// second comes. For how long differs by member, so that of two that keep each other's
// pages one lets go first.
static void
keep_last(struct map *m, u64 rip, u32 page)
{
	u64 long_enough = (2 + m->config.number) * CROSSING_HOLD_NS;

	if (m->last_rip == rip && m->last_page != NO_PAGE &&
	    m->last_page != page)
		coh_hold(&m->coh, m->last_page, now_ns() + long_enough);
	m->last_rip = rip;
	m->last_page = page;
}

static enum dsm_lost
say_lost(struct map *m, u32 page)
{
	if (!m->config.on_lost)
		return DSM_LOST_ENDS;
	return m->config.on_lost(m->config.lost_context,
				 DSM_BASE + (u64)page * PAGE_SIZE,
				 m->memory.pages[page].lost_version);
}

static void
reset(struct map *m, u32 page)
{
	while (!map_is_over(m) &&
	       coh_reset(&m->coh, now_ns(), page, 0) == COH_WAITS) {
		map_pump(m);
		if (!map_is_over(m) && m->memory.pages[page].lost)
			map_sleep(m, NEVER);
	}
}

// Whether the touch comes to an end as it is.
static bool
lose(struct map *m, u32 page, bool *ends)
{
	enum dsm_lost how = say_lost(m, page);

	*ends = how == DSM_LOST_ENDS;
	if (how == DSM_LOST_GOES_ON)
		reset(m, page);
	else if (how == DSM_LOST_LATER)
		region_stray(m, page);
	return how != DSM_LOST_GOES_ON;
}

// In a life that is over, too, the program must come to its next call: what lies here
// will do, since nobody sees what it makes of it.
static bool
fetch(struct map *m, u32 page, bool write)
{
	bool ends = false;

	for (;;) {
		enum coh_get got;

		if (map_is_over(m)) {
			peers_withdraw(m);
			region_map(m, page, COH_BIND_WRITE);
			return true;
		}
		got = coh_want(&m->coh, now_ns(), page, write);
		if (got == COH_HERE)
			return true;
		if (got == COH_LOST && lose(m, page, &ends))
			return !ends;
		map_pump(m);
		if (!map_is_over(m) &&
		    coh_want(&m->coh, now_ns(), page, write) == COH_WAITS)
			map_sleep(m, NEVER);
	}
}

static bool
region_fault(struct upcall_context *context)
{
	const struct upcall_frame *f = &context->frame;
	struct map *m = &map;
	u32 page = (u32)((f->address - DSM_BASE) >> PAGE_SHIFT);
	bool served;

	if (f->vector == VECTOR_PAGE_FAULT && near_fault(m, f->address))
		return true;
	if (f->vector != VECTOR_PAGE_FAULT || f->error & FAULT_FETCH ||
	    f->address < DSM_BASE ||
	    f->address - DSM_BASE >= (u64)m->config.pages * PAGE_SIZE ||
	    m->inside)
		return false;
	m->inside = true;
	m->faults++;
	keep_last(m, f->rip, page);
	served = fetch(m, page, f->error & FAULT_WRITE);
	m->inside = false;
	return served;
}

static void
on_timer(struct upcall_context *context)
{
	struct map *m = &map;

	(void)context;
	if (!m->timer_period)
		return;
	if (!m->inside) {
		m->inside = true;
		map_pump(m);
		m->inside = false;
	}
	sys_timer_set(now_ns() + m->timer_period);
}

void
dsm_timer(u64 period_ns)
{
	map.timer_period = period_ns;
	timer_handler_set(period_ns ? on_timer : NULL);
	sys_timer_set(period_ns ? now_ns() + period_ns : NEVER);
}

void
fault_open(void)
{
	map.last_page = NO_PAGE;
	fault_handler_add(region_fault);
}

void
fault_close(void)
{
	if (map.timer_period)
		dsm_timer(0);
	fault_handler_remove(region_fault);
}
