// SPDX-License-Identifier: BSD-2-Clause
// The rig of test_rig.h: link, time, nodes; their hosts are test_host.h.
//
// Every frame that a core sends goes through queue(), where the seed decides
// what becomes of it; every frame that arrives lies in memory of exactly its
// length, so that the sanitizer sees a read past its end. After each step of a
// node all of its invariants are walked.

#include <stdlib.h>
#include <string.h>

#include "kernel/base/assert.h"
#include "net/rcap/test_rig.h"
#include "net/rcap/test_host.h"

// ---- the link

static u32
node_of(const struct rig *rig, const u8 mac[6])
{
	return mac[0] == 2 && mac[5] >= 1 && mac[5] <= rig->nodes ? mac[5] - 1u
								  : RIG_NODES;
}

static bool
chance(struct rig *rig, u32 of_1000)
{
	return of_1000 && prng_below(&rig->prng, 1000) < of_1000;
}

static void
queue(struct rig *rig, u32 from, u32 to, const u8 *bytes, u32 len)
{
	struct rig_frame *frame = &rig->frame[rig->frames];

	if (rig->cut[from][to] || chance(rig, rig->loss) ||
	    (rig->narrow[from][to] && len > rig->narrow[from][to]))
		return;
	ASSERT(rig->frames < RIG_FRAMES);
	frame->at = rig->now + rig->way_ns + prng_below(&rig->prng, rig->spread_ns);
	if (chance(rig, rig->delay))
		frame->at += prng_below(&rig->prng, rig->delay_ns);
	frame->to = to;
	frame->len = len;
	memcpy(frame->bytes, bytes, len);
	if (chance(rig, rig->corrupt))
		frame->bytes[prng_below(&rig->prng, len)] ^=
			(u8)(1u << prng_below(&rig->prng, 8));
	rig->frames++;
}

static void
transmit(struct rig *rig, u32 from, const u8 *bytes, u32 len)
{
	u32 to = node_of(rig, bytes);

	rig->node[from].sent++;
	if (rig->capture && rig->captured_count < rig->captured_max) {
		struct rig_frame *kept = &rig->captured[rig->captured_count++];

		kept->to = to;
		kept->len = len;
		memcpy(kept->bytes, bytes, len);
	}
	for (u32 i = 0; i < rig->nodes; i++) {
		if (i == from || (to != RIG_NODES && to != i))
			continue;
		queue(rig, from, i, bytes, len);
		if (chance(rig, rig->repeat))
			queue(rig, from, i, bytes, len);
	}
}

void
rcap_host_send(void *host, u8 *buffer, u32 len)
{
	ASSERT(buffer == NODE(host)->buffer);
	if (len)
		transmit(NODE(host)->rig, NODE(host)->index, buffer, len);
}

// ---- nodes

u64
rig_clock(const struct rig *rig, u32 node)
{
	return (u64)((i64)rig->now + (i64)(rig->now / 1000) * rig->drift[node]);
}

// When it will show that, or soon after.
static u64
time_of(const struct rig *rig, u32 node, u64 shown)
{
	return shown == ~0ull || !rig->drift[node]
		       ? shown
		       : shown / (u64)(1000 + rig->drift[node]) * 1000 + 2000;
}

static void *
zeroed(u64 size)
{
	void *memory = aligned_alloc(4096, ALIGN_UP(size, 4096ull));

	ASSERT(memory);
	memset(memory, 0, ALIGN_UP(size, 4096ull));
	return memory;
}

static void
configure(struct rig *rig, const struct rig_node *n, struct links_config *lc,
	  struct rcap_config *rc)
{
	*lc = (struct links_config){
		.incarnation = n->incarnation,
		.mac = { 2, 0, 0, 0, 0, (u8)(n->index + 1) },
		.mtu = rig->mtu,
		.cluster_key = "a key of all tests",
		.peers_max = rig->places[n->index] ? rig->places[n->index] : 8,
		.forget_ns = rig->forget_ns,
		.windows_max = 4,
		.handshakes_max = 4,
		.key_agreements_max = 32,
		.grant_pool = rig->grant_pool,
		.landing_pool = rig->landing_pool ? rig->landing_pool : 64,
		.rekey_bits = rig->rekey_bits,
		.cover = rig->cover[n->index],
		.behind = rig->behind[n->index],
	};
	memset(lc->uuid, (int)n->index + 1, 16);
	for (u32 i = 0; i < 32; i++) {
		lc->secret_key[i] = (u8)prng_u64(&rig->prng);
		lc->entropy[i] = (u8)prng_u64(&rig->prng);
	}
	*rc = (struct rcap_config){
		.memory = n->memory,
		.staging = n->staging, .staging_count = 6,
		.exports_max = rig->exports_max ? rig->exports_max : RIG_EXPORTS,
		.ops_max = 128, .grants_max = 8,
		.endpoints_max = 2, .buffers_max = 8, .services_max = 2,
		.recalls_max = rig->recalls_max ? rig->recalls_max : 8,
		.leases_max = RIG_LEASES,
		.lease_byte = RIG_PAGES * 4096 - 1,
	};
}

void
rig_crash(struct rig *rig, u32 index)
{
	struct rig_node *n = &rig->node[index];

	n->up = false;
	free(n->links_memory);
	free(n->rcap_memory);
	n->links_memory = n->rcap_memory = NULL;
	memset(n->tree, 0, sizeof(n->tree));
	memset(n->block, 0, sizeof(n->block));
	memset(n->lease, 0, sizeof(n->lease));
	n->places = n->messages = n->completions = n->asked_count = n->recalled_count = 0;
}

void
rig_boot(struct rig *rig, u32 index)
{
	struct rig_node *n = &rig->node[index];
	struct links_config lc;
	struct rcap_config rc;

	n->incarnation = prng_u64(&rig->prng) | 1;
	configure(rig, n, &lc, &rc);
	n->links_size = links_memory_needed(&lc);
	n->rcap_size = rcap_memory_needed(&rc, &lc);
	n->links_memory = zeroed(n->links_size);
	n->rcap_memory = zeroed(n->rcap_size);
	n->links = links_init(n->links_memory, n->links_size, &lc,
			      rig_clock(rig, index));
	ASSERT(n->links);
	n->rcap = rcap_init(n->rcap_memory, n->rcap_size, &rc, &lc, n->links, n);
	ASSERT(n->rcap);
	n->up = true;
}

void
rig_start(struct rig *rig, u32 nodes, u64 seed, u16 mtu, u16 grant_pool)
{
	memset(rig, 0, sizeof(*rig));
	rig->now = NS_PER_SECOND;
	rig->nodes = nodes;
	rig->mtu = mtu;
	rig->grant_pool = grant_pool;
	rig->way_ns = 20 * NS_PER_US;
	rig->spread_ns = 5 * NS_PER_US;
	rig->delay_ns = NS_PER_MS;
	prng_seed(&rig->prng, seed);
	rig->frame = calloc(RIG_FRAMES, sizeof(*rig->frame));
	ASSERT(rig->frame);
	for (u32 i = 0; i < nodes; i++) {
		struct rig_node *n = &rig->node[i];

		n->rig = rig;
		n->index = i;
		n->places_max = RIG_PLACES;
		n->block_ns = 100 * NS_PER_US;
		n->memory = zeroed(RIG_PAGES * 4096);
		n->staging = zeroed(6 * 4096);
		n->disk = zeroed(RIG_BLOCKS * 4096);
		rig_boot(rig, i);
	}
}

void
rig_end(struct rig *rig)
{
	for (u32 i = 0; i < rig->nodes; i++) {
		struct rig_node *n = &rig->node[i];

		ASSERT(!n->blocks_outside);
		if (n->up)
			rig_crash(rig, i);
		free(n->memory);
		free(n->staging);
		free(n->disk);
	}
	free(rig->frame);
	free(rig->captured);
}

// ---- time

static void
land(struct rig_node *n, const struct rig_block *b)
{
	u8 *at = n->disk + b->block * 4096;

	switch (b->op) {
	case OP_BLOCK_READ:
		memcpy(b->page, at, 4096);
		break;
	case OP_BLOCK_WRITE:
	case OP_BLOCK_FUA:
		memcpy(at, b->page, 4096);
		n->flushed += b->op == OP_BLOCK_FUA;
		break;
	case OP_BLOCK_TRIM:
		memset(at, 0xee, b->count * 4096ull);
		break;
	case OP_BLOCK_ZERO:
		memset(at, 0, b->count * 4096ull);
		break;
	default:
		break;
	}
}

static void
blocks_due(struct rig_node *n)
{
	for (u32 i = 0; i < ARRAY_SIZE(n->block); i++) {
		struct rig_block *b = &n->block[i];

		if (!b->used || b->at > n->rig->now)
			continue;
		b->used = false;
		if (b->block + MAX(b->count, 1u) > RIG_BLOCKS)
			n->blocks_outside++;
		else if (!n->block_fails)
			land(n, b);
		rcap_block_done(n->rcap, rig_clock(n->rig, n->index), b->ticket,
				!n->block_fails);
	}
}

static void
settle(struct rig_node *n)
{
	u64 now = rig_clock(n->rig, n->index);
	u32 len;

	blocks_due(n);
	rcap_tick(n->rcap, now);
	while ((len = rcap_output(n->rcap, now, n->buffer)))
		transmit(n->rig, n->index, n->buffer, len);
	while (rcap_completion(n->rcap,
			       &n->completion[n->completions %
					      ARRAY_SIZE(n->completion)]))
		n->completions++;
	rcap_check(n->rcap);
}

void
rig_deliver(struct rig *rig, u32 index, const void *bytes, u32 len)
{
	struct rig_node *n = &rig->node[index];
	u8 *exact = malloc(len ? len : 1);

	ASSERT(exact);
	memcpy(exact, bytes, len);
	if (n->up) {
		rcap_input(n->rcap, rig_clock(rig, index), exact, len);
		settle(n);
	}
	free(exact);
}

static u64
next_time(const struct rig *rig)
{
	u64 next = ~0ull;

	for (u32 i = 0; i < rig->frames; i++)
		next = MIN(next, rig->frame[i].at);
	for (u32 i = 0; i < rig->nodes; i++) {
		const struct rig_node *n = &rig->node[i];

		if (!n->up)
			continue;
		next = MIN(next, time_of(rig, i, rcap_deadline(n->rcap)));
		for (u32 b = 0; b < ARRAY_SIZE(n->block); b++) {
			if (n->block[b].used)
				next = MIN(next, n->block[b].at);
		}
	}
	return next;
}

static void
step(struct rig *rig)
{
	static struct rig_frame frame;

	rig->steps++;
	for (u32 i = 0; i < rig->frames;) {
		if (rig->frame[i].at > rig->now) {
			i++;
			continue;
		}
		frame = rig->frame[i];
		rig->frame[i] = rig->frame[--rig->frames];
		rig_deliver(rig, frame.to, frame.bytes, frame.len);
	}
	for (u32 i = 0; i < rig->nodes; i++) {
		if (rig->node[i].up)
			settle(&rig->node[i]);
	}
}

void
rig_run(struct rig *rig, u64 ns)
{
	u64 end = rig->now + ns, next;

	while ((next = next_time(rig)) <= end) {
		rig->now = MAX(rig->now, next);
		step(rig);
	}
	rig->now = end;
}

bool
rig_wait(struct rig *rig, u32 node, u32 count, u64 ns)
{
	u64 end = rig->now + ns, next;

	step(rig);
	while (rig->node[node].completions < count &&
	       (next = next_time(rig)) <= end) {
		rig->now = MAX(rig->now, next);
		step(rig);
	}
	return rig->node[node].completions >= count;
}

u16
rig_peer(const struct rig *rig, u32 node, u32 other)
{
	u8 uuid[16];

	memset(uuid, (int)other + 1, 16);
	return links_find(rig->node[node].links, uuid);
}

static bool
connected(const struct rig *rig)
{
	for (u32 a = 0; a < rig->nodes; a++) {
		for (u32 b = 0; b < rig->nodes; b++) {
			const struct links *links = rig->node[a].links;

			if (a == b || !rig->node[a].up || !rig->node[b].up)
				continue;
			if (!links_session(links, rig_peer(rig, a, b)) ||
			    links_incarnation(links, rig_peer(rig, a, b)) !=
				    rig->node[b].incarnation)
				return false;
		}
	}
	return true;
}

void
rig_connect(struct rig *rig)
{
	for (u32 i = 0; i < 5000 && !connected(rig); i++)
		rig_run(rig, NS_PER_MS);
	ASSERT(connected(rig));
}

// ---- capabilities and operations

u32
rig_root(struct rig *rig, u32 owner)
{
	return tree_add(&rig->node[owner], RCAP_NONE);
}

u32
rig_export(struct rig *rig, u32 owner, u32 holder, u32 environment, u8 type,
	   u8 rights, u64 base, u64 count)
{
	return rig_export_below(rig, owner, rig_root(rig, owner), holder, environment,
				type, rights, base, count);
}

u32
rig_export_below(struct rig *rig, u32 owner, u32 root, u32 holder, u32 environment,
		 u8 type, u8 rights, u64 base, u64 count)
{
	struct rig_node *o = &rig->node[owner], *h = &rig->node[holder];
	u32 node = tree_add(o, root), place = h->places;
	struct rcap_grant grant = {
		.type = type, .rights = rights,
		.peer = rig_peer(rig, owner, holder),
		.incarnation = h->incarnation,
		.environment = environment,
		.node = node,
		.node_generation = o->tree[node].generation,
		.base = base, .count = count,
		.word = 0x1234,
		.granter = rig->granter, .weight = rig->weight,
	};
	u32 entry = rcap_export(o->rcap, rig_clock(rig, owner), &grant);

	ASSERT(entry != RCAP_NONE);
	for (u32 i = 0; i < 1000 && h->places == place; i++)
		rig_run(rig, NS_PER_MS);
	ASSERT(h->places == place + 1);
	return place;
}

struct rcap_submit
rig_submit(const struct rig *rig, u32 node, u32 place, u8 op, u64 offset,
	   u32 length, u64 local)
{
	const struct rig_place *p = &rig->node[node].place[place];

	return (struct rcap_submit){
		.environment = p->grant.environment,
		.op = op,
		.remote = p->remote,
		.offset = offset,
		.length = length,
		.local = local,
	};
}

struct rcap_completion
rig_do(struct rig *rig, u32 node, const struct rcap_submit *submit)
{
	struct rig_node *n = &rig->node[node];
	u32 before = n->completions;
	u32 id = rcap_submit(n->rcap, rig_clock(rig, node), submit);

	ASSERT(id != RCAP_NONE);
	ASSERT(rig_wait(rig, node, before + 1, 10 * NS_PER_SECOND));
	ASSERT(n->completion[before % ARRAY_SIZE(n->completion)].id == id);
	return n->completion[before % ARRAY_SIZE(n->completion)];
}

void
rig_revoke(struct rig *rig, u32 owner, u32 tree_node)
{
	rcap_host_revoke(&rig->node[owner], tree_node, true);
}
