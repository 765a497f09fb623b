// SPDX-License-Identifier: BSD-2-Clause
// Answers to what people want to know of this node's fabric: copies out of the exported
// tables, which the kernel goes on writing. Free entries are left out. Stateless but for
// scratch memory.

#include "cluster/agent/rows.h"
#include "cluster/api/watch.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"

static struct fabric_answer answer;

// A row of a table, word by word: the kernel writes each whole.
static void
copy(void *to, const volatile void *from, u64 len)
{
	const volatile u64 *words = from;
	u64 *out = to;

	for (u64 i = 0; i < len / 8; i++)
		out[i] = words[i];
}

STATIC_ASSERT(sizeof(struct fabric_info) % 8 == 0 && sizeof(struct fabric_link) % 8 == 0);

// Entries of a table, and whether one is in use.
static u64
entries(enum fabric_what what)
{
	switch (what) {
	case FABRIC_ASK_LINKS:
		return MIN(fabric_info()->links, FABRIC_LINKS_MAX);
	case FABRIC_ASK_EXPORTS:
		return MIN(fabric_info()->exports_max, FABRIC_EXPORTS_MAX);
	case FABRIC_ASK_HELD:
		return FABRIC_HELD_MAX;
	default:
		return 0;
	}
}

static bool
take_entry(enum fabric_what what, u32 index, u32 row)
{
	if (what == FABRIC_ASK_LINKS) {
		struct fabric_row_link *link = &answer.row.link[row];

		link->index = index;
		copy(&link->link, &link_table()[index], sizeof(link->link));
		copy(&link->counts, &counts_table()[index], sizeof(link->counts));
		return link->link.state != FABRIC_LINK_FREE;
	}
	if (what == FABRIC_ASK_EXPORTS) {
		struct fabric_row_export *e = &answer.row.export[row];

		e->slot = index;
		copy(&e->export, &exports_table()[index], sizeof(e->export));
		return e->export.type != 0;
	}
	answer.row.held[row].index = index;
	copy(&answer.row.held[row].held, &held_table()[index],
	     sizeof(answer.row.held[row].held));
	return answer.row.held[row].held.type != 0;
}

static void
take_entries(enum fabric_what what, u64 next, u32 most)
{
	u64 end = entries(what);

	for (; next < end && answer.count < most; next++)
		answer.count += take_entry(what, (u32)next, answer.count);
	answer.next = next < end ? next : 0;
}

// Events from `next` on that are still whole after they were copied.
static void
take_events(u64 next, u32 most)
{
	const volatile struct trace_ring *ring = trace_ring();
	u64 kept = ring->mask + 1, head = ring->head, lost;

	if (!next)
		next = head - MIN(head, (u64)API_TRACE_EVENTS);
	next = MAX(next, head - MIN(head, kept - 1));
	answer.first = next;
	while (next < head && answer.count < most) {
		copy(&answer.row.event[answer.count++], &ring->at[next & ring->mask],
		     sizeof(struct trace_event));
		next++;
	}
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	lost = ring->head - MIN(ring->head, kept - 1);
	if (lost > answer.first) {
		u64 gone = MIN(lost - answer.first, (u64)answer.count);

		answer.count -= (u32)gone;
		answer.first += gone;
		memmove(answer.row.event, &answer.row.event[gone],
			answer.count * sizeof(answer.row.event[0]));
	}
	answer.next = next < head ? next : 0;
}

static void
take_rows(enum fabric_what what, u64 next, u32 most)
{
	if (what == FABRIC_ASK_INFO) {
		copy(&answer.row.info, fabric_info(), sizeof(answer.row.info));
		answer.count = 1;
	} else if (what == FABRIC_ASK_TRACE) {
		take_events(next, most);
	} else {
		take_entries(what, next, most);
	}
}

static void
fabric_in(const struct message *m)
{
	struct fabric_question q;
	enum fabric_what what;
	u32 most;

	if (m->len != sizeof(q))
		return;
	memcpy(&q, m->bytes, sizeof(q));
	what = (enum fabric_what)q.what;
	most = rows_most(&q);
	memset(&answer, 0, offsetof(struct fabric_answer, row));
	answer.now_ns = now_ns();
	answer.abi = ABI_VERSION;
	answer.row_size = (u16)fabric_row_size(what);
	if (most)
		take_rows(what, q.next, most);
	message_answer(m, &answer,
		       (u32)offsetof(struct fabric_answer, row) +
			       answer.count * answer.row_size);
}

void
watched_open(void)
{
	message_handle(MESSAGE_FABRIC, fabric_in);
}
