// SPDX-License-Identifier: BSD-2-Clause
// The links' memory: the table of peers with its hash by uuid, the heap of their
// deadlines, the lists of peers with news or something to say, and the pools.
// Everything is carved from the caller's block once; nothing is looked for by
// walking a table but the peer that makes room for a new one. Every pool can be empty:
// then nothing is taken, and the frame or request that asked is refused.

#include "net/link/state.h"
#include "kernel/base/assert.h"
#include "kernel/base/siphash.h"

#define ALIGN 64u
#define TRACE_OWN 64u		// events that are kept in the table's own memory

static u32
hash_size(const struct links_config *config)
{
	u32 size = 4;

	while (size < config->peers_max)
		size *= 2;
	return size;
}

static bool
config_fits(const struct links_config *c)
{
	return c->incarnation && c->mtu >= WIRE_MTU_MIN && c->mtu <= WIRE_MTU_MAX &&
	       c->peers_max >= 1 && c->peers_max <= 65000 && c->windows_max >= 1 &&
	       c->windows_max <= 65000 && c->handshakes_max >= 1 &&
	       c->handshakes_max <= 65000 && c->key_agreements_max >= 1 &&
	       c->grant_pool >= WIRE_PARTS_MAX &&
	       c->landing_pool >= WIRE_PARTS_MAX && c->behind <= WIRE_MINOR &&
	       c->cover < LINK_COVERS &&
	       (!c->rekey_bits || (c->rekey_bits >= 8 && c->rekey_bits <= 40));
}

u64
links_memory_needed(const struct links_config *config)
{
	u64 needed = ALIGN_UP(sizeof(struct links), ALIGN);

	needed += ALIGN_UP(config->peers_max * sizeof(struct link_peer), ALIGN);
	needed += ALIGN_UP(config->handshakes_max * sizeof(struct link_handshake),
			   ALIGN);
	needed += ALIGN_UP(config->windows_max * sizeof(struct link_asker), ALIGN);
	needed += ALIGN_UP(config->windows_max * sizeof(struct link_answerer),
			   ALIGN);
	needed += ALIGN_UP(hash_size(config) * sizeof(u16), ALIGN);
	if (!config->counts)
		needed += ALIGN_UP(config->peers_max * sizeof(struct fabric_counts),
				   ALIGN);
	if (!config->trace)
		needed += ALIGN_UP(trace_ring_bytes(TRACE_OWN), ALIGN);
	if (config->cover == LINK_HIDDEN)
		needed += ALIGN_UP(WIRE_WHOLE_MTU, ALIGN);
	return needed + ALIGN_UP(config->peers_max * sizeof(u16), ALIGN);
}

static void *
carve(u8 **at, u64 size)
{
	void *piece = *at;

	*at += ALIGN_UP(size, ALIGN);
	return piece;
}

static void
pools_init(struct links *links)
{
	const struct links_config *c = &links->config;

	for (u32 i = 0; i < c->handshakes_max; i++) {
		links->handshake[i].peer = LINK_NONE;
		links->handshake[i].next_free =
			i + 1 < c->handshakes_max ? (u16)(i + 1) : LINK_NONE;
	}
	for (u32 i = 0; i < c->windows_max; i++) {
		u16 next = i + 1 < c->windows_max ? (u16)(i + 1) : LINK_NONE;

		links->asker[i].peer = links->answerer[i].peer = LINK_NONE;
		links->asker[i].next_free = links->answerer[i].next_free = next;
	}
	for (u32 i = 0; i <= links->hash_mask; i++)
		links->hash[i] = LINK_NONE;
	links->news_head = links->news_tail = LINK_NONE;
	links->say_head = links->say_tail = LINK_NONE;
}

static void
keys_init(struct links *links)
{
	static const char *const for_tags[LINK_COVERS] = {
		[LINK_TAGGED] = "deos fabric cluster tag",
		[LINK_HIDDEN] = "deos fabric hidden tag",
		[LINK_BARE] = "deos fabric without tags",
	};
	static const char for_nonces[] = "deos fabric nonces";
	const char *for_tag = for_tags[links->config.cover];

	crypto_public(links->public_key, links->config.secret_key);
	crypto_hash(links->cluster_tag_key, KEY_LEN, links->config.cluster_key,
		    for_tag, (u32)__builtin_strlen(for_tag));
	crypto_hash(links->nonce_key, KEY_LEN, links->config.entropy, for_nonces,
		    sizeof(for_nonces) - 1);
}

static void
watched_init(struct links *links, u8 **at, u64 now)
{
	const struct links_config *c = &links->config;

	links->counts = c->counts ? c->counts
				  : carve(at, c->peers_max * sizeof(*links->counts));
	links->trace = c->trace;
	if (!links->trace) {
		links->trace = carve(at, trace_ring_bytes(TRACE_OWN));
		links->trace->mask = TRACE_OWN - 1;
	}
	trace_put(links->trace, now, TRACE_BOOT, TRACE_NOBODY, 0, c->incarnation);
}

struct links *
links_init(void *memory, u64 size, const struct links_config *config, u64 now)
{
	struct links *links = memory;
	u8 *at = memory;

	if (!config_fits(config) || size < links_memory_needed(config) ||
	    (uintptr_t)memory % ALIGN)
		return NULL;
	carve(&at, sizeof(*links));
	links->config = *config;
	links->hash_mask = hash_size(config) - 1;
	links->turn_mask = (1ull << rekey_bits(config)) - 1;
	links->peer = carve(&at, config->peers_max * sizeof(*links->peer));
	links->handshake =
		carve(&at, config->handshakes_max * sizeof(*links->handshake));
	links->asker = carve(&at, config->windows_max * sizeof(*links->asker));
	links->answerer =
		carve(&at, config->windows_max * sizeof(*links->answerer));
	links->hash = carve(&at, (links->hash_mask + 1) * sizeof(u16));
	links->heap = carve(&at, config->peers_max * sizeof(u16));
	if (config->cover == LINK_HIDDEN)
		links->plain = carve(&at, WIRE_WHOLE_MTU);
	watched_init(links, &at, now);
	pools_init(links);
	keys_init(links);
	links->beacon_at = links->budget_at = now;
	links->budget = config->key_agreements_max;
	return links;
}

// ---- peers by uuid

static u16 *
chain_of(const struct links *links, const u8 uuid[16])
{
	u64 hash = siphash64(links->nonce_key, uuid, 16);

	return &links->hash[hash & links->hash_mask];
}

struct link_peer *
peer_find(const struct links *links, const u8 uuid[16])
{
	for (u16 i = *chain_of(links, uuid); i != LINK_NONE;
	     i = links->peer[i].hash_next) {
		if (!__builtin_memcmp(links->peer[i].uuid, uuid, 16))
			return &links->peer[i];
	}
	return NULL;
}

// ---- the heap: links->heap[0] has the earliest `due`

static void
heap_place(struct links *links, u32 at, u16 peer)
{
	links->heap[at] = peer;
	links->peer[peer].heap = (u16)at;
}

static void
heap_up(struct links *links, u32 at)
{
	u16 peer = links->heap[at];
	u64 due = links->peer[peer].due;

	while (at > 0) {
		u32 above = (at - 1) / 2;

		if (links->peer[links->heap[above]].due <= due)
			break;
		heap_place(links, at, links->heap[above]);
		at = above;
	}
	heap_place(links, at, peer);
}

static void
heap_down(struct links *links, u32 at)
{
	u16 peer = links->heap[at];
	u64 due = links->peer[peer].due;

	for (;;) {
		u32 below = 2 * at + 1;

		if (below >= links->heap_count)
			break;
		if (below + 1 < links->heap_count &&
		    links->peer[links->heap[below + 1]].due <
			    links->peer[links->heap[below]].due)
			below++;
		if (links->peer[links->heap[below]].due >= due)
			break;
		heap_place(links, at, links->heap[below]);
		at = below;
	}
	heap_place(links, at, peer);
}

void
peer_due_changed(struct links *links, struct link_peer *peer, u64 due)
{
	u64 before = peer->due;

	ASSERT(peer->heap < links->heap_count);
	peer->due = due;
	if (due < before)
		heap_up(links, peer->heap);
	else if (due > before)
		heap_down(links, peer->heap);
}

// ---- the table grows by fresh entries; then whoever is down and has nothing
// standing on it makes room, the one that was silent longest. When there is none, one
// that holds something here is asked for that (LINK_CROWDED), once it was silent for
// long: the node that came finds room with a later beacon.

static bool
is_silent(const struct link_peer *peer)
{
	return peer->state == LINK_STATE_DOWN && !peer->news &&
	       peer->handshake == LINK_NONE && peer->asker == LINK_NONE &&
	       !peer->held && !peer->say_listed && !peer->news_listed;
}

// The peer that was silent longest of those on which just that stands.
static struct link_peer *
silent_find(struct links *links, u8 stakes, u64 until)
{
	struct link_peer *oldest = NULL;

	for (u32 i = 0; i < links->peers_fresh; i++) {
		struct link_peer *peer = &links->peer[i];

		if (is_silent(peer) && peer->stakes == stakes && peer->heard_at <= until &&
		    (!oldest || peer->heard_at < oldest->heard_at))
			oldest = peer;
	}
	return oldest;
}

static struct link_peer *
peer_evict(struct links *links, u64 now)
{
	u64 forget = links->config.forget_ns ? links->config.forget_ns : LINK_FORGET_NS;
	struct link_peer *oldest = silent_find(links, 0, now);

	if (!oldest) {
		oldest = now > forget ? silent_find(links, LINK_HOLDS, now - forget) : NULL;
		if (oldest)
			news_add(links, oldest, NEWS_CROWDED);
		return NULL;
	}
	for (u16 *at = chain_of(links, oldest->uuid);; at = &links->peer[*at].hash_next) {
		ASSERT(*at != LINK_NONE);
		if (*at == index_of(links, oldest)) {
			*at = oldest->hash_next;
			break;
		}
	}
	return oldest;
}

void
links_stake(struct links *links, u16 index, enum link_stake what, bool stands)
{
	struct link_peer *peer = &links->peer[index];

	ASSERT(index < links->peers_fresh);
	if (stands)
		peer->stakes |= what & 15u;
	else
		peer->stakes &= ~what & 15u;
}

struct link_peer *
peer_add(struct links *links, u64 now, const u8 uuid[16])
{
	u16 *chain = chain_of(links, uuid);
	struct link_peer *peer;
	u16 heap;

	ASSERT(!peer_find(links, uuid));
	if (FAULT_POINT(PEERS_FULL))
		return NULL;
	if (links->peers_fresh < links->config.peers_max) {
		peer = &links->peer[links->peers_fresh++];
		heap = links->heap_count++;
	} else {
		peer = peer_evict(links, now);
		if (!peer)
			return NULL;
		chain = chain_of(links, uuid);
		heap = peer->heap;
	}

	*peer = (struct link_peer){
		.state = LINK_STATE_DOWN,
		.asker = LINK_NONE,
		.answerer = LINK_NONE,
		.handshake = LINK_NONE,
		.news_next = LINK_NONE,
		.say_next = LINK_NONE,
		.hash_next = *chain,
		.heap = heap,
		.due = NEVER_NS,
		.next = 1,
		.done = 1,
	};
	__builtin_memcpy(peer->uuid, uuid, 16);
	*counts_of(links, peer) = (struct fabric_counts){ 0 };
	*chain = index_of(links, peer);
	heap_place(links, heap, index_of(links, peer));
	heap_down(links, heap);
	return peer;
}

// ---- lists

void
news_add(struct links *links, struct link_peer *peer, u8 news)
{
	u16 index = index_of(links, peer);

	peer->news |= news;
	if (peer->news_listed)
		return;
	peer->news_listed = true;
	peer->news_next = LINK_NONE;
	if (links->news_tail == LINK_NONE)
		links->news_head = index;
	else
		links->peer[links->news_tail].news_next = index;
	links->news_tail = index;
}

void
say_add(struct links *links, struct link_peer *peer, u8 say)
{
	u16 index = index_of(links, peer);

	peer->say |= say;
	if (peer->say_listed)
		return;
	peer->say_listed = true;
	peer->say_next = LINK_NONE;
	if (links->say_tail == LINK_NONE)
		links->say_head = index;
	else
		links->peer[links->say_tail].say_next = index;
	links->say_tail = index;
}

// ---- pools

struct link_asker *
asker_get(struct links *links, struct link_peer *peer)
{
	if (peer->asker == LINK_NONE && links->askers_free != LINK_NONE) {
		struct link_asker *asker = &links->asker[links->askers_free];

		peer->asker = links->askers_free;
		links->askers_free = asker->next_free;
		asker->peer = index_of(links, peer);
		ASSERT(!asker->open && !asker->frames);
		pace_begin(asker, peer->next);
	}
	return peer->asker == LINK_NONE ? NULL : &links->asker[peer->asker];
}

void
asker_put(struct links *links, struct link_peer *peer)
{
	struct link_asker *asker = &links->asker[peer->asker];

	ASSERT(peer->asker != LINK_NONE && !asker->open);
	asker->peer = LINK_NONE;
	asker->unseen = asker->resend = 0;
	asker->frames = 0;
	asker->next_free = links->askers_free;
	links->askers_free = peer->asker;
	peer->asker = LINK_NONE;
}

struct link_answerer *
answerer_get(struct links *links, struct link_peer *peer)
{
	if (peer->answerer == LINK_NONE && links->answerers_free != LINK_NONE &&
	    !FAULT_POINT(ANSWERERS_FULL)) {
		struct link_answerer *answerer =
			&links->answerer[links->answerers_free];

		peer->answerer = links->answerers_free;
		links->answerers_free = answerer->next_free;
		answerer->peer = index_of(links, peer);
		answerer->used = 0;
		links->answerers_used++;
	}
	return peer->answerer == LINK_NONE ? NULL
					   : &links->answerer[peer->answerer];
}

void
answerer_put(struct links *links, struct link_peer *peer)
{
	struct link_answerer *answerer;

	if (peer->answerer == LINK_NONE)
		return;
	answerer = &links->answerer[peer->answerer];
	ASSERT(answerer->peer == index_of(links, peer));
	answerer->peer = LINK_NONE;
	answerer->used = 0;
	links->answerers_used--;
	answerer->next_free = links->answerers_free;
	links->answerers_free = peer->answerer;
	peer->answerer = LINK_NONE;
}
