// SPDX-License-Identifier: BSD-2-Clause
// The host of three nodes' cores, as small as can be: no tree but a flag for each
// capability, no disk, one environment a node. What happens to them is chosen in
// fabric_world.c and judged in judge.c.
//
// All that is static here is a part of the state: fabric_world.c saves and loads it.
// The cores' memory holds pointers into itself, so it stays where it is.

#include <string.h>

#include "harness/search/fabric.h"
#include "kernel/base/assert.h"

#define ENVIRONMENT 7u
#define WARM_UP 1000u		// tag of a read that only gets credit

const struct script script[OPS] = {
	{ 1, OP_MCAS, WORD_SWAPPED, false, 0x11 },
	{ 1, OP_FETCH_ADD, WORD_ADDED, true, 1 },
	{ 1, OP_WRITE, WORD_WRITTEN, false, 0x77 },
	{ 2, OP_FETCH_ADD, WORD_ADDED, false, 0x10000 },
	{ 2, OP_MCAS, WORD_SWAPPED, false, 0x22 },
	{ 2, OP_READ, WORD_SWAPPED, true, 0 },
};

struct fabric fabric;
struct links *fabric_links[NODES];
struct rcap *fabric_rcap[NODES];
u64 fabric_memory[NODES][PAGES + 1][PAGE / 8];
u8 fabric_links_room[NODES][LINKS_ROOM] aligned_(64);
u8 fabric_rcap_room[NODES][RCAP_ROOM] aligned_(64);
u64 fabric_links_size, fabric_rcap_size;

static u8 frame_buffer[WIRE_FRAME_MAX];

static void
make_config(u32 node, struct links_config *config)
{
	*config = (struct links_config){
		.incarnation = 0x1000u * (node + 1) + fabric.boot[node],
		.mtu = WIRE_MTU_MIN,
		.peers_max = NODES,
		.windows_max = NODES - 1,
		.handshakes_max = NODES - 1,
		.key_agreements_max = 1000,
		.grant_pool = 16,
		.landing_pool = 16,
	};
	config->uuid[0] = (u8)node;
	config->mac[0] = 2;
	config->mac[5] = (u8)node;
	config->secret_key[0] = (u8)(node + 1);
	config->secret_key[1] = fabric.boot[node];
	config->entropy[0] = (u8)(node + 1);
	config->entropy[1] = fabric.boot[node];
}

static u16
peer_of(u32 node, u32 other)
{
	u8 uuid[16] = { (u8)other };

	return links_find(fabric_links[node], uuid);
}

static bool
is_up(u32 node, u32 other)
{
	u16 peer = peer_of(node, other);
	struct link_info info;

	return peer != LINK_NONE && links_info(fabric_links[node], peer, &info) &&
	       info.state == LINK_STATE_UP &&
	       info.incarnation == 0x1000u * (other + 1) + fabric.boot[other];
}

bool
fabric_connected(void)
{
	for (u32 a = 0; a < NODES; a++) {
		for (u32 b = 0; b < NODES; b++) {
			if (a != b && (!fabric.up[a] || !fabric.up[b] || !is_up(a, b)))
				return false;
		}
	}
	return true;
}

// ---- the bag

// Beacons say nothing new to who is in session with their sender: they are lost.
static void
put(u32 from, u32 to, const u8 *bytes, u32 len)
{
	struct bag_frame *frame = &fabric.bag[fabric.bag_count];
	bool beacon = bytes[0] == 255;

	if (!fabric.up[to] || (beacon && is_up(to, from)))
		return;
	if (fabric.bag_count == BAG) {
		fabric.lost++;
		return;
	}
	ASSERT(len <= FRAME_ROOM);
	memset(frame, 0, sizeof(*frame));
	frame->len = (u16)len;
	frame->from = (u8)from;
	frame->to = (u8)to;
	memcpy(frame->bytes, bytes, len);
	frame->hash = search_hash(to + 1, frame->bytes, ALIGN_UP(len, 8u));
	fabric.bag_count++;
}

static void
send(u32 node, const u8 *bytes, u32 len)
{
	for (u32 to = 0; to < NODES; to++) {
		if (to != node && (bytes[0] == 255 || bytes[5] == to))
			put(node, to, bytes, len);
	}
}

void
fabric_lose(u32 place)
{
	ASSERT(place < fabric.bag_count);
	fabric.bag[place] = fabric.bag[--fabric.bag_count];
	memset(&fabric.bag[fabric.bag_count], 0, sizeof(fabric.bag[0]));
}

// ---- nodes

static void
end(const struct rcap_completion *done)
{
	u32 op = (u32)done->tag % OPS;
	struct fate *fate = &fabric.fate[op];

	if (done->tag == WARM_UP) {
		fabric.warm++;
		return;
	}
	if (done->tag == FORGED) {
		if (done->outcome == RCAP_DONE)
			search_wrong("a forged operation was done");
		return;
	}
	if (done->tag >= OPS || fate->state != OP_OPEN)
		search_wrong("an operation was completed that was not open");
	fate->state = OP_ENDED;
	fate->outcome = done->outcome;
	fate->clause = done->clause;
	fate->old = done->old[0];
	fate->read = fabric_memory[script[op].node][LOCAL][op * 8];
}

// Counters only say how often: two states that differ in them alone are one.
static void
forget_counts(u32 node)
{
	union {
		const void *is;
		void *was;
	} links = { links_counters(fabric_links[node]) },
	  rcap = { rcap_counters(fabric_rcap[node]) };

	memset(links.was, 0, sizeof(struct links_counters));
	memset(rcap.was, 0, sizeof(struct rcap_counters));
}

void
fabric_settle(u32 node)
{
	struct rcap_completion completion;
	u32 len;

	rcap_tick(fabric_rcap[node], fabric.now);
	for (u32 i = 0; node == OWNER && i < NODES; i++) {
		if (fabric.stale[i])
			fabric_clean(i);
	}
	while (rcap_completion(fabric_rcap[node], &completion))
		end(&completion);
	while ((len = rcap_output(fabric_rcap[node], fabric.now, frame_buffer)))
		send(node, frame_buffer, len);
	links_check(fabric_links[node]);
	rcap_check(fabric_rcap[node]);
	forget_counts(node);
}

void
fabric_boot(u32 node)
{
	struct links_config config;
	const struct rcap_config rcap = {
		.memory = (u8 *)fabric_memory[node], .exports_max = 4, .ops_max = 4,
		.grants_max = 2, .endpoints_max = 1, .buffers_max = 1,
		.services_max = 1 };

	fabric.boot[node]++;
	fabric.up[node] = true;
	make_config(node, &config);
	fabric_links_size = ALIGN_UP(links_memory_needed(&config), 64ull);
	fabric_rcap_size = ALIGN_UP(rcap_memory_needed(&rcap, &config), 64ull);
	ASSERT(fabric_links_size <= LINKS_ROOM && fabric_rcap_size <= RCAP_ROOM);
	memset(fabric_links_room[node], 0, fabric_links_size);
	memset(fabric_rcap_room[node], 0, fabric_rcap_size);
	fabric_links[node] = links_init(fabric_links_room[node], LINKS_ROOM, &config,
					fabric.now);
	ASSERT(fabric_links[node]);
	fabric_rcap[node] = rcap_init(fabric_rcap_room[node], RCAP_ROOM, &rcap, &config,
				      fabric_links[node], (void *)(uintptr_t)node);
	ASSERT(fabric_rcap[node]);
	for (u32 i = 0; i < OPS; i++)
		fabric_memory[node][LOCAL][i * 8] = POISON;
	fabric_settle(node);
}

// Frames to it are lost; those from it are on their way.
void
fabric_crash(u32 node)
{
	fabric.up[node] = false;
	fabric.holds[node] = false;
	for (u32 i = fabric.bag_count; i-- > 0;) {
		if (fabric.bag[i].to == node)
			fabric_lose(i);
	}
	for (u32 i = 0; i < OPS; i++) {
		struct fate *fate = &fabric.fate[i];

		if (script[i].node == node && fate->state == OP_OPEN)
			fate->orphaned_at = fabric.now;
	}
	if (node != OWNER)
		return;
	memset(fabric.live, 0, sizeof(fabric.live));
	memset(fabric.stale, 0, sizeof(fabric.stale));
}

// Was the frame that just came refused? Counts begin anew in each step.
static bool
dropped(u32 node)
{
	const struct links_counters *counters = links_counters(fabric_links[node]);
	u64 sum = 0;

	for (u32 i = 0; i < LINK_DROP_COUNT; i++)
		sum += counters->dropped[i];
	return sum;
}

// BEACON and HELLO may be heard again: there is no session yet.
static bool
proves_nothing(const struct bag_frame *frame)
{
	struct wire_frame f;

	return wire_parse(&f, frame->bytes, frame->len) == WIRE_FINE &&
	       (f.header.kind == WIRE_BEACON || f.header.kind == WIRE_HELLO);
}

void
fabric_deliver(u32 place, bool stays)
{
	static struct bag_frame frame;

	frame = fabric.bag[place];
	if (stays)
		fabric.bag[place].came = true;
	else
		fabric_lose(place);
	rcap_input(fabric_rcap[frame.to], fabric.now, frame.bytes, frame.len);
	if (frame.came && !dropped(frame.to) && !proves_nothing(&frame))
		search_wrong("a frame was taken twice");
	fabric_settle(frame.to);
}

u64
fabric_deadline(void)
{
	u64 due = ~0ull;

	for (u32 i = 0; i < NODES; i++) {
		if (fabric.up[i])
			due = MIN(due, rcap_deadline(fabric_rcap[i]));
	}
	return MAX(due, fabric.now + 1);
}

void
fabric_time(u64 now)
{
	fabric.now = now;
	for (u32 i = 0; i < NODES; i++) {
		if (fabric.up[i] && rcap_deadline(fabric_rcap[i]) <= now)
			fabric_settle(i);
	}
}

u32
fabric_next(u32 node)
{
	for (u32 i = 0; i < OPS; i++) {
		if (script[i].node == node && fabric.fate[i].state == OP_TO_COME)
			return i;
	}
	return OPS;
}

void
fabric_submit(u32 node)
{
	static const u64 at[WORDS] = { [WORD_SWAPPED] = 0, [WORD_ADDED] = PAGE,
				       [WORD_WRITTEN] = PAGE + 8 };
	u32 op = fabric_next(node);
	const struct script *what = &script[op];
	struct rcap_submit submit = {
		.tag = op, .environment = ENVIRONMENT, .op = what->op,
		.remote = fabric.held[node], .offset = at[what->word], .length = 8,
		.local = (u64)LOCAL * PAGE + op * 64, .fenced = what->fenced };

	if (what->op == OP_MCAS) {
		submit.pieces = 1;
		submit.clause[0].compare_mask[0] = submit.clause[0].swap_mask[0] = ~0ull;
		submit.clause[0].swap[0] = what->value;
	}
	if (what->op == OP_WRITE)
		fabric_memory[node][LOCAL][op * 8] = what->value;
	if (what->op == OP_FETCH_ADD)
		submit.addend = what->value;
	fabric.fate[op].state = OP_OPEN;
	fabric.fate[op].boot = (u8)(fabric.held[node].incarnation & 0xff);
	fabric.fate[op].id = rcap_submit(fabric_rcap[node], fabric.now, &submit);
	ASSERT(fabric.fate[op].id != RCAP_NONE);
	fabric_settle(node);
}

void
fabric_cancel(u32 op)
{
	u32 node = script[op].node;

	fabric.fate[op].cancelled = true;
	rcap_cancel(fabric_rcap[node], fabric.now, fabric.fate[op].id);
	fabric_settle(node);
}

// The second holder names what it must not.
void
fabric_forge(enum forgery what)
{
	struct rcap_submit submit = {
		.tag = FORGED, .environment = ENVIRONMENT, .op = OP_FETCH_ADD,
		.remote = fabric.held[2], .length = 8, .addend = 1ull << 40,
		.offset = PAGE, .queue = 1, .local = (u64)LOCAL * PAGE + PAGE / 2 };

	if (what == FORGE_RANGE) {
		submit.op = OP_WRITE;
		submit.offset = PAGES * PAGE - 4;
	}
	if (what == FORGE_GENERATION)
		submit.remote.generation++;
	if (what == FORGE_HOLDER)
		submit.environment++;
	if (what == FORGE_RIGHTS) {
		submit.op = OP_REVOKE;
		submit.length = 0;
		submit.offset = 0;
	}
	ASSERT(rcap_submit(fabric_rcap[2], fabric.now, &submit) != RCAP_NONE);
	fabric_settle(2);
}

void
fabric_withdraw(void)
{
	fabric.withdrawn = true;
	fabric.live[2] = false;
	rcap_revoked(fabric_rcap[OWNER]);
	fabric_settle(OWNER);
}

void
fabric_clean(u32 node)
{
	fabric.cleaned[node] = true;
	fabric.stale[node] = false;
	rcap_unexport(fabric_rcap[OWNER], fabric.entry[node]);
}

static void
grant(u32 node)
{
	struct rcap_grant grant = {
		.type = TYPE_FRAMES, .rights = WIRE_RIGHT_READ | WIRE_RIGHT_WRITE,
		.peer = peer_of(OWNER, node), .environment = ENVIRONMENT, .node = node,
		.node_generation = 1, .base = 0, .count = PAGES };

	grant.incarnation = links_incarnation(fabric_links[OWNER], grant.peer);
	fabric.live[node] = true;
	fabric.entry[node] = rcap_export(fabric_rcap[OWNER], fabric.now, &grant);
	ASSERT(fabric.entry[node] != RCAP_NONE);
	fabric_settle(OWNER);
}

// ---- the first state: all in session, both holders have what was granted

static bool
all_hold(void)
{
	return fabric.holds[1] && fabric.holds[2];
}

static bool
all_warm(void)
{
	return fabric.warm == NODES - 1;
}

// A read that changes nothing: from then on the node has credit for its first
// operations, and knows how long a round trip takes.
static void
warm_up(u32 node)
{
	const struct rcap_submit submit = {
		.tag = WARM_UP, .environment = ENVIRONMENT, .op = OP_READ,
		.remote = fabric.held[node], .length = 8,
		.local = (u64)LOCAL * PAGE + PAGE / 2 };

	ASSERT(rcap_submit(fabric_rcap[node], fabric.now, &submit) != RCAP_NONE);
	fabric_settle(node);
}

static void
go_on(bool (*until)(void))
{
	for (u32 steps = 0; !until() || fabric.bag_count; steps++) {
		ASSERT(steps < 2000);
		if (fabric.bag_count)
			fabric_deliver(0, false);
		else
			fabric_time(fabric_deadline());
	}
}

void
fabric_begin(void)
{
	memset(&fabric, 0, sizeof(fabric));
	memset(fabric_memory, 0, sizeof(fabric_memory));
	fabric.now = 10 * NS_PER_SECOND;
	for (u32 i = 0; i < NODES; i++)
		fabric_boot(i);
	go_on(fabric_connected);
	grant(1);
	grant(2);
	go_on(all_hold);
	warm_up(1);
	warm_up(2);
	go_on(all_warm);
}

// ---- what net/rcap asks of its host; the rest is net/rcap/default_rig.c

static u32
node_of(const void *host)
{
	return (u32)(uintptr_t)host;
}

bool
rcap_host_walk(void *host, u32 node, u32 generation, u8 *rights)
{
	(void)rights;
	ASSERT(node_of(host) == OWNER && node < NODES && generation == 1);
	return fabric.live[node];
}

void
rcap_host_revoke(void *host, u32 node, bool self)
{
	ASSERT(node_of(host) == OWNER && node < NODES);
	if (!self)
		search_wrong("somebody revoked without the right");
	if (fabric.boot[node] == 1)
		search_wrong("the capability of one who lives was taken for a dead one's");
	fabric.live[node] = false;
	fabric.stale[node] = true;
	rcap_revoked(fabric_rcap[OWNER]);
}

enum wire_code
rcap_host_granted(void *host, const struct rcap_remote *remote,
		  const struct wire_grant *grant)
{
	u32 node = node_of(host);

	(void)grant;
	if (fabric.holds[node])
		search_wrong("a capability was granted twice");
	fabric.holds[node] = true;
	fabric.held[node] = *remote;
	return CODE_NONE;
}

void
rcap_host_grant_ended(void *host, u32 entry, u32 node, u32 generation,
		      enum wire_code code)
{
	(void)host, (void)entry, (void)generation;
	if (code != CODE_NONE)
		fabric.live[node] = false;
}

void
rcap_host_message(void *host, const struct rcap_message *message)
{
	(void)host, (void)message;
	search_wrong("a message came that nobody sent");
}

void
rcap_host_changed(void *host, u64 local, u32 len)
{
	if (node_of(host) != OWNER || len > PAGES * PAGE || local > PAGES * PAGE - len)
		search_wrong("memory that is not exported was changed");
}

u8 *
rcap_host_buffer(void *host)
{
	(void)host;
	return frame_buffer;
}

bool
rcap_host_room(void *host)
{
	(void)host;
	return true;
}

void
rcap_host_send(void *host, u8 *buffer, u32 len)
{
	if (len)
		send(node_of(host), buffer, len);
}
