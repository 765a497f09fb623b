// SPDX-License-Identifier: BSD-2-Clause
// What programs call. Each call enters the core for as long as it takes and answers
// others on the way: `inside` is set meanwhile, so that the timer's upcall keeps out.
// A call that waits sleeps between two turns of the core. The program's own touches of
// the region, dsm_add()'s included, are made outside: they may fault.
//
// What must not wait answers DSM_WAITS; the call that may is a loop around it.

#include "dsm/map/dsm.h"
#include "dsm/map/state.h"
#include "kernel/base/assert.h"
#include "libos/crt/clock.h"
#include "libos/crt/syscall.h"
#include "libos/mem/layout.h"

#define READY_PAGES_MAX 8u
#define CLOSE_NS (300 * NS_PER_MS)

static void
enter(void)
{
	ASSERT(map.is_open && !map.inside);
	map.inside = true;
	if (map.is_astray)
		region_return(&map);
}

static void
leave(void)
{
	ASSERT(map.inside);
	map.inside = false;
}

// ---- opening and closing

static i64
open_parts(struct map *m)
{
	i64 error = region_take(m);

	if (!error)
		error = region_restart(m, true);
	if (!error)
		error = map_open(m);
	if (error)
		region_drop(m);
	return error;
}

i64
dsm_open(const struct dsm_config *config)
{
	struct map *m = &map;
	i64 error;

	ASSERT(!m->is_open && config->find);
	if (!config->pages || config->pages > DSM_PAGES_MAX ||
	    config->number >= DSM_MEMBERS_MAX)
		return -E_RANGE;
	*m = (struct map){ .config = *config };
	for (u32 i = 0; i < DSM_MEMBERS_MAX; i++)
		m->peer[i].lent = m->peer[i].slot = SLOT_NONE;
	error = open_parts(m);
	if (error)
		return error;
	m->is_open = true;
	fault_open();
	dsm_poll();
	return 0;
}

static bool
evict_some(struct map *m)
{
	bool more = false;

	for (u32 i = 0; i < m->config.pages; i++) {
		if (m->holdings[i].bind != COH_BIND_WRITE)
			continue;
		coh_evict(&m->coh, now_ns(), i);
		more = true;
	}
	return more;
}

void
dsm_close(void)
{
	struct map *m = &map;
	u64 until = now_ns() + CLOSE_NS;

	enter();
	while (!map_is_over(m) && evict_some(m) && now_ns() < until) {
		map_pump(m);
		map_sleep(m, until);
	}
	peers_leave(m);
	fault_close();
	cap_drop_all(m->endpoint);
	fabric_close(&m->queue);
	region_drop(m);
	leave();
	m->is_open = false;
}

// ---- going on

void
dsm_poll(void)
{
	enter();
	map_pump(&map);
	map_start_again(&map);
	leave();
}

void
dsm_watch(struct wait_set *set)
{
	struct map *m = &map;

	ASSERT(m->is_open);
	fabric_watch(&m->queue, set);
	if (m->config.find_word)
		wait_word_add(set, m->config.find_word, m->find_seen);
	wait_until(set, coh_due(&m->coh));
	wait_until(set, peers_due(m));
}

static void
group_get(struct dsm_group *group)
{
	const struct coh *coh = &map.coh;
	u64 below = coh_bit(map.config.number) - 1;

	*group = (struct dsm_group){ 0 };
	if (coh->phase != COH_OPEN)
		return;
	*group = (struct dsm_group){
		.epoch = coh->epoch.id,
		.members = coh->epoch.members,
	};
	for (u64 left = group->members; left; left &= left - 1) {
		group->count++;
		group->rank += (left & -left & below) != 0;
	}
}

void
dsm_group_get(struct dsm_group *group)
{
	enter();
	group_get(group);
	leave();
}

// One turn of a call that waits. False: the deadline passed.
static bool
turn(u64 deadline_ns)
{
	map_pump(&map);
	if (now_ns() >= deadline_ns)
		return false;
	map_sleep(&map, deadline_ns);
	map_pump(&map);
	return true;
}

i64
dsm_wait_group(u32 count, u64 deadline_ns)
{
	struct dsm_group group;
	bool in_time = true;

	enter();
	map_start_again(&map);
	group_get(&group);
	while (group.count < count && in_time) {
		in_time = turn(deadline_ns);
		map_start_again(&map);
		group_get(&group);
	}
	leave();
	return group.count < count ? -E_TIMEOUT : 0;
}

// ---- pages

// Pages of a range, or 0: it does not lie in the region.
static u32
range_pages(const volatile void *address, u64 len, u32 *first)
{
	u64 at = (u64)address - DSM_BASE;
	u64 size = (u64)map.config.pages * PAGE_SIZE;

	if ((u64)address < DSM_BASE || at >= size || !len || len > size - at)
		return 0;
	*first = (u32)(at >> PAGE_SHIFT);
	return (u32)((at + len - 1) >> PAGE_SHIFT) - *first + 1;
}

static i64
want_all(u32 first, u32 count, bool write)
{
	i64 result = DSM_HERE;

	if (map_is_over(&map))
		return -E_STATE;
	for (u32 i = 0; i < count; i++) {
		switch (coh_want(&map.coh, now_ns(), first + i, write)) {
		case COH_HERE:
			break;
		case COH_LOST:
			return -E_DEVICE;
		default:
			result = DSM_WAITS;
		}
	}
	return result;
}

i64
dsm_ready(const volatile void *address, u64 len, bool write)
{
	u32 first = 0, count = range_pages(address, len, &first);
	i64 result;

	if (!count || count > READY_PAGES_MAX)
		return -E_RANGE;
	enter();
	result = want_all(first, count, write);
	if (result == DSM_WAITS) {
		map_pump(&map);
		result = want_all(first, count, write);
	}
	leave();
	return result;
}

i64
dsm_fetch(const volatile void *address, u64 len, bool write, u64 deadline_ns)
{
	for (;;) {
		i64 result = dsm_ready(address, len, write);
		bool in_time;

		if (result != DSM_WAITS)
			return MIN(result, 0);
		enter();
		in_time = turn(deadline_ns);
		leave();
		if (!in_time)
			return -E_TIMEOUT;
	}
}

i64
dsm_reset(u32 epoch, const volatile void *address)
{
	u32 page = 0;
	enum coh_get got;

	if (!range_pages(address, 1, &page))
		return -E_RANGE;
	enter();
	got = coh_reset(&map.coh, now_ns(), page, epoch);
	map_pump(&map);
	leave();
	if (map_is_over(&map) || got == COH_LOST)
		return -E_STATE;
	return got == COH_HERE ? DSM_HERE : DSM_WAITS;
}

// ---- publishing

i64
dsm_publish_begin(const volatile void *address)
{
	u32 page = 0;

	if (!range_pages(address, 1, &page))
		return -E_RANGE;
	enter();
	coh_publish_anew(&map.coh, page);
	leave();
	return 0;
}

i64
dsm_publish_ready(const volatile void *address, u64 len)
{
	u32 page = 0, offset = (u32)((u64)address % PAGE_SIZE);
	enum coh_get got;
	i64 result = DSM_WAITS;

	if (range_pages(address, len, &page) != 1)
		return -E_RANGE;
	enter();
	map_pump(&map);
	got = coh_publish(&map.coh, now_ns(), page, offset, (u32)len);
	if (map_is_over(&map) || got == COH_LOST)
		result = -E_STATE;
	else if (got == COH_ALONE)
		result = -E_ABSENT;
	else if (got == COH_HERE)
		result = DSM_HERE;
	map_pump(&map);
	leave();
	return result;
}

i64
dsm_publish(const volatile void *address, u64 len, u64 deadline_ns)
{
	i64 result = dsm_publish_begin(address);

	while (!result) {
		bool in_time;

		result = dsm_publish_ready(address, len);
		if (result == -E_STATE && !map_is_over(&map)) {
			result = dsm_fetch(address, len, true, deadline_ns);
			continue;
		}
		if (result != DSM_WAITS)
			return MIN(result, 0);
		enter();
		in_time = turn(deadline_ns);
		leave();
		if (!in_time)
			return -E_TIMEOUT;
	}
	return result;
}

// ---- words

i64
dsm_add(volatile u64 *word, u64 addend, u64 *old, u64 deadline_ns)
{
	i64 error;

	if ((u64)word % sizeof(*word))
		return -E_ARGUMENT;
	error = dsm_fetch(word, sizeof(*word), true, deadline_ns);
	if (!error)
		*old = __atomic_fetch_add(word, addend, __ATOMIC_SEQ_CST);
	return error;
}

i64
dsm_cas(volatile u64 *word, u64 expected, u64 desired, u64 *old, u64 deadline_ns)
{
	i64 error;

	if ((u64)word % sizeof(*word))
		return -E_ARGUMENT;
	error = dsm_fetch(word, sizeof(*word), true, deadline_ns);
	if (error)
		return error;
	*old = expected;
	(void)__atomic_compare_exchange_n(word, old, desired, false,
					  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return 0;
}

// ---- meeting

i64
dsm_barrier(u32 epoch, u64 phase)
{
	struct coh *coh = &map.coh;
	bool same, released = false;

	enter();
	for (;;) {
		map_pump(&map);
		same = coh->phase == COH_OPEN && coh->epoch.id == epoch;
		if (!same)
			break;
		coh_arrive(coh, now_ns(), phase);
		map_pump(&map);
		released = coh_released(coh, phase);
		if (released)
			break;
		map_sleep(&map, NEVER);
	}
	map_start_again(&map);
	leave();
	return released ? 0 : -E_STATE;
}

void
dsm_counters_get(struct dsm_counters *counters)
{
	const struct coh_counters *c = &map.coh.counters;

	*counters = (struct dsm_counters){
		.read_fetches = c->reads,
		.write_fetches = c->writes,
		.revoked = c->revoked,
		.retries = c->retries,
		.lost = c->lost,
		.published = c->published,
		.epochs = c->epochs,
		.faults = map.faults,
	};
}
