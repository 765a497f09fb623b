// SPDX-License-Identifier: BSD-2-Clause
// What is felt of faults. Frames have the number of their path and the time at which they
// were sent; clocks are compared with the simulation's; of paths only the cuts are looked
// at, every 50 ms. Among many nodes paths have no records here.

#include <string.h>

#include "harness/sim/felt.h"
#include "harness/sim/node.h"
#include "harness/sim/points.h"
#include "net/wire/points.h"

#define FEW 16u			// nodes that have records of their paths
#define LATE_NS (4 * NS_PER_MS)	// more than what is sent out of order takes
#define GAP_NS 1000u		// between frames of a path that nothing separates
#define DRIFT_MOST 40000	// parts in a million: more is a step
#define ROUNDING_NS 1000
#define STORM_NS (700 * NS_PER_MS)
#define SOON_NS (50 * NS_PER_MS + 1)

// What has come on a path.
struct record {
	u32 newest;
	u64 window;		// bit i: newest - i has arrived
	u64 late_at;		// when the last late one came
	u32 cuts;		// bit i: it was cut i looks ago
};

static struct record record[FEW][FEW];
static u64 arrived;

// What a node was like when it was looked at last.
static struct {
	u64 clock, at;
	u64 crashed_at, booted_at;
	bool had_bytes;
	u8 uuid[16];
} seen[SIM_NODES_MAX];

static const struct {
	const char *word, *text;
} words[FELT_COUNT] = {
#define X(name, kind, sentence) { #name, sentence },
#include "harness/sim/felt.def"
#undef X
};

const char *
felt_word(u32 what)
{
	return words[what].word;
}

const char *
felt_text(u32 what)
{
	return words[what].text;
}

void
felt_begin(void)
{
	memset(record, 0, sizeof(record));
	memset(seen, 0, sizeof(seen));
	arrived = 0;
}

void
felt(enum felt what)
{
	sim.result->felt[what]++;
}

// ---- frames

static void
in_order(struct record *r, u32 order)
{
	u32 ahead = order - r->newest, behind = r->newest - order;

	if (order > r->newest) {
		r->window = (ahead < 64 ? r->window << ahead : 0) | 1;
		r->newest = order;
	} else if (behind < 64 && !(r->window >> behind & 1)) {
		r->window |= 1ull << behind;
		felt(FELT_OVERTAKEN);
	} else if (behind < 64) {
		felt(FELT_TWICE);
	}
}

static void
in_time(struct record *r, const struct sim_frame *frame)
{
	u64 now = sim.trace.now;

	if (now - frame->sent_at <= LATE_NS)
		return;
	felt(FELT_LATE);
	if (r->late_at && now - r->late_at <= GAP_NS)
		felt(FELT_AT_ONCE);
	r->late_at = now;
}

void
felt_arrival(struct sim_frame *frame)
{
	const bool *other = sim.network.other;
	bool foreign = other[frame->from] != other[frame->to];
	struct record *r;

	if (frame->came_at)
		return;
	frame->came_at = sim.trace.now;
	arrived++;
	if (frame->strange)
		return;
	if (frame->altered)
		felt(foreign ? FELT_FOREIGN : FELT_ALTERED);
	if (sim.nodes > FEW)
		return;
	r = &record[frame->from][frame->to];
	in_order(r, frame->order);
	in_time(r, frame);
}

void
felt_stranger(const struct sim_node *node, const struct sim_frame *frame)
{
	felt(frame->altered ? FELT_FORGED : FELT_AGAIN);
	if (!frame->altered && frame->sent_at < seen[node_index(node)].booted_at)
		felt(FELT_FORMER);
}

// ---- paths

static bool
speak(u32 a, u32 b)
{
	return !network_is_blocked(&sim.network, a, b) &&
	       !network_is_blocked(&sim.network, b, a);
}

static bool
somebody_between(u32 a, u32 b)
{
	for (u32 c = 0; c < sim.nodes; c++) {
		if (c != a && c != b && speak(a, c) && speak(b, c))
			return true;
	}
	return false;
}

static void
look_at_path(u32 from, u32 to)
{
	bool cut = network_is_blocked(&sim.network, from, to);
	u32 cuts = record[from][to].cuts << 1 | cut;

	record[from][to].cuts = cuts;
	if (__builtin_popcount((cuts ^ cuts >> 1) & ~(1u << 31)) >= 4)
		felt(FELT_UP_DOWN);
	if (!cut)
		return;
	if (!network_is_blocked(&sim.network, to, from))
		felt(FELT_UNHEARD);
	else
		felt(somebody_between(from, to) ? FELT_BETWEEN : FELT_PARTED);
}

void
felt_paths(void)
{
	if (sim.nodes > FEW)
		return;
	for (u32 a = 0; a < sim.nodes; a++) {
		for (u32 b = 0; b < sim.nodes; b++) {
			if (a != b)
				look_at_path(a, b);
		}
	}
}

// ---- nodes

static bool
has_bytes(const struct sim_node *node)
{
	const u8 *bytes = node->memory[0];

	return bytes[0] || memcmp(bytes, bytes + 1, PAGES * UNIT - 1) != 0;
}

void
felt_crash(const struct sim_node *node)
{
	u32 index = node_index(node);

	seen[index].had_bytes = has_bytes(node);
	seen[index].crashed_at = sim.trace.now;
}

static bool
is_storm(u32 index)
{
	u64 now = sim.trace.now;

	if (now - seen[index].crashed_at > SOON_NS)
		return false;
	for (u32 i = 0; i < sim.nodes; i++) {
		if (i != index && seen[i].crashed_at &&
		    now - seen[i].crashed_at <= STORM_NS)
			return true;
	}
	return false;
}

void
felt_boot(const struct sim_node *node)
{
	u32 index = node_index(node);
	u64 now = sim.trace.now, clock = node_now(node);
	u8 uuid[16];

	node_uuid(index, uuid);
	if (MAX(clock, now) - MIN(clock, now) >= NS_PER_SECOND)
		felt(FELT_ANYWHERE);
	if (node->boot > 1 && memcmp(uuid, seen[index].uuid, 16))
		felt(FELT_STRANGER);
	else if (node->boot > 1 && seen[index].had_bytes)
		felt(has_bytes(node) ? FELT_KEPT : FELT_FORGOT);
	if (node->boot > 1 && is_storm(index))
		felt(FELT_STORM);
	memcpy(seen[index].uuid, uuid, 16);
	seen[index].booted_at = seen[index].at = now;
	seen[index].clock = clock;
}

void
felt_clock(const struct sim_node *node)
{
	u32 index = node_index(node);
	u64 now = sim.trace.now, clock = node_now(node);
	i64 passed = (i64)(now - seen[index].at);
	i64 more = (i64)(clock - seen[index].clock) - passed;
	i64 drift = passed / 1000000 * DRIFT_MOST + ROUNDING_NS +
		    passed % 1000000 * DRIFT_MOST / 1000000;

	if (more > drift)
		felt(FELT_AHEAD);
	else if (more < -drift)
		felt(FELT_STOOD);
	else if (more > 2 || more < -2)
		felt(FELT_APART);
	seen[index].at = now;
	seen[index].clock = clock;
}

void
felt_end(void)
{
	const struct network_counts *c = &sim.network.count;
	struct run_result *result = sim.result;
	u64 known = arrived + c->blocked + sim.network.on_way;
	u64 all = c->sent + c->duplicated + c->injected;

	result->felt[FELT_LOST] = all - MIN(all, known);
	result->felt[FELT_FAILED] = sim.model.refused[WHY_DEVICE];
	result->felt[FELT_OLDER] = result->marks[MARK_VERSION_OLDER];
	result->felt[FELT_UNSAID] = result->marks[MARK_ECHO_REFUSED];
	for (u32 i = 0; i < POINT_COUNT; i++)
		result->felt[FELT_POINT] += result->points[i];
}
