// SPDX-License-Identifier: BSD-2-Clause
// The barrier of a group: each member says how far it has come, to the lowest one,
// until that says that all have come as far. Phases only grow within an epoch and
// begin anew with the next, so a late message of an earlier phase, or of a larger
// group, means nothing (C6 for barriers).

#include "dsm/core/state.h"
#include "kernel/base/assert.h"

static u32
collector(const struct coh *coh)
{
	ASSERT(coh->epoch.members);
	return (u32)__builtin_ctzll(coh->epoch.members);
}

void
barrier_reset(struct coh *coh)
{
	for (u32 i = 0; i < COH_MEMBERS_MAX; i++)
		coh->arrived[i] = 0;
	coh->phase_mine = coh->phase_released = 0;
	coh->say_released = 0;
	coh->say_arrived = false;
}

// The collector's: the phase to which all have come.
static u64
all_arrived(const struct coh *coh)
{
	u64 least = COH_NEVER;

	for (u32 i = 0; i < COH_MEMBERS_MAX; i++) {
		if (coh_is_member(coh, i))
			least = MIN(least, coh->arrived[i]);
	}
	return least;
}

static void
collect(struct coh *coh)
{
	u64 phase = all_arrived(coh);

	if (phase <= coh->phase_released)
		return;
	coh->phase_released = phase;
	coh->say_released = coh->epoch.members & ~coh_bit(coh->config.self);
}

void
coh_arrive(struct coh *coh, u64 now, u64 phase)
{
	coh->now = now;
	if (coh->phase != COH_OPEN || phase <= coh->phase_mine)
		return;
	coh->phase_mine = phase;
	coh->say_arrived = true;
	if (collector(coh) == coh->config.self) {
		coh->arrived[coh->config.self] = phase;
		coh->say_arrived = false;
		collect(coh);
	}
}

bool
coh_released(const struct coh *coh, u64 phase)
{
	if (DSM_BUG_IS(BARRIER_REUSE))
		return coh->phase_released > 0;
	return coh->phase == COH_OPEN && coh->phase_released >= phase;
}

void
barrier_message(struct coh *coh, u32 from, const struct coh_message *m)
{
	u32 self = coh->config.self;

	ASSERT(from < COH_MEMBERS_MAX && coh_is_member(coh, from));
	if (m->say == COH_SAY_RELEASED) {
		if (from == collector(coh) && m->phase <= coh->phase_mine)
			coh->phase_released = MAX(coh->phase_released, m->phase);
		return;
	}
	if (collector(coh) != self)
		return;
	coh->arrived[from] = MAX(coh->arrived[from], m->phase);
	if (m->phase <= coh->phase_released)
		coh->say_released |= coh_bit(from);	// it missed the answer
	collect(coh);
}

void
barrier_tick(struct coh *coh)
{
	if (coh->phase == COH_OPEN && coh->phase_mine > coh->phase_released &&
	    collector(coh) != coh->config.self)
		coh->say_arrived = true;
}

bool
barrier_next(struct coh *coh, struct coh_action *action)
{
	struct coh_message *m;
	u32 to;

	if (coh->phase != COH_OPEN)
		return false;
	if (coh->say_arrived) {
		coh->say_arrived = false;
		m = coh_letter(coh, collector(coh), COH_SAY_ARRIVED, action);
		m->phase = coh->phase_mine;
		return true;
	}
	if (!coh->say_released)
		return false;
	to = (u32)__builtin_ctzll(coh->say_released);
	coh->say_released &= ~coh_bit(to);
	m = coh_letter(coh, to, COH_SAY_RELEASED, action);
	m->phase = coh->phase_released;
	return true;
}
