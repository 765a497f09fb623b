// SPDX-License-Identifier: BSD-2-Clause
// What is seen of the fabric from outside beside its state: counters of each link and
// each capability, and the trace of what the cores do. They lie in exported tables; the
// cores count in place, and this file counts what environments here do with what they
// hold.
//
// An operation may outlive the capability that it was submitted under, and the record
// may be another's by then: `serial` tells, and then nothing is counted.

#include "kernel/abi/tables.h"
#include "kernel/arch/x86_64/kernel_map.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/fabric/state.h"

#define TRACE_KEPT 2048u
#define TRACE_KEPT_SMALL 512u

STATIC_ASSERT(EXPORTS_MAX <= FABRIC_EXPORTS_MAX);
STATIC_ASSERT(TABLE_TRACE_OFFSET + sizeof(struct trace_ring) +
		      TRACE_KEPT * sizeof(struct trace_event) <= TABLE_FRAMES_OFFSET);

static struct fabric_held *held;
static u64 serial;

// Memory of its own, which every environment sees.
static void *
shared(u64 offset, u64 len)
{
	u64 pages = ALIGN_UP(len, PAGE_SIZE) / PAGE_SIZE;
	void *memory = boot_frames(pages);

	kernel_map_share(offset, memory, pages * PAGE_SIZE);
	return memory;
}

void
observe_init(struct links_config *lc, struct rcap_config *rc, bool small)
{
	u64 events = small ? TRACE_KEPT_SMALL : TRACE_KEPT;

	lc->counts = shared(TABLE_COUNTS_OFFSET,
			    lc->peers_max * sizeof(*lc->counts));
	lc->trace = shared(TABLE_TRACE_OFFSET, trace_ring_bytes(events));
	lc->trace->mask = events - 1;
	rc->uses = shared(TABLE_EXPORTS_OFFSET, rc->exports_max * sizeof(*rc->uses));
	held = shared(TABLE_HELD_OFFSET, FABRIC_HELD_MAX * sizeof(*held));
}

void
held_begin(u32 record, const struct rcap_remote *remote, const struct wire_grant *grant)
{
	ASSERT(record < FABRIC_HELD_MAX);
	serial++;
	held[record] = (struct fabric_held){
		.incarnation = remote->incarnation,
		.count = grant->count,
		.environment = grant->environment,
		.peer = remote->peer,
		.type = grant->type,
		.rights = grant->rights,
		.serial = serial,
	};
}

void
held_end(u32 record)
{
	ASSERT(record < FABRIC_HELD_MAX);
	held[record] = (struct fabric_held){ 0 };
}

u64
held_serial(u32 record)
{
	return held[record].serial;
}

void
held_refused(u32 record, enum wire_code code)
{
	if (code <= CODE_ALIGNMENT)
		held[record].denials++;
	else
		held[record].failures++;
}

void
held_count(const struct pending *p, const struct rcap_completion *c, u64 now)
{
	struct fabric_held *h;
	u64 took = now - MIN(p->began, now);

	if (p->held == NONE || held[p->held].serial != p->held_serial)
		return;
	h = &held[p->held];
	if (c->outcome != RCAP_DONE) {
		held_refused(p->held, c->outcome == RCAP_NOT_DONE
					      ? (enum wire_code)c->code
					      : CODE_SESSION);
		return;
	}
	h->operations++;
	h->bytes_in += c->length;
	h->bytes_out += c->taken;
	h->latency_us += took / NS_PER_US;
	h->latency[fabric_latency_bucket(took)]++;
}
