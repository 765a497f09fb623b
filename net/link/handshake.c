// SPDX-License-Identifier: BSD-2-Clause
// From a beacon to session keys. Both sides do the same:
//
//	beacon heard            -> key agreement, HELLO(our nonce, -)
//	HELLO(theirs, *) heard  -> HELLO(our nonce, theirs)
//	HELLO(theirs, ours)     -> session_confirm(): our nonce is fresh, so the
//	                           peer is alive and knows the pair key
//
// Who answers a HELLO promises that nothing of an earlier session with that life
// of the peer can still run: the session is over, and no device works for it. So
// the other side may end its old requests when it confirms the new one.
//
// A HELLO is worth a key agreement only when its tag is right under the cluster
// key, and there are key_agreements_max of them in a second.

#include "kernel/base/assert.h"
#include "kernel/base/siphash.h"
#include "net/link/state.h"

#define PAIR_BYTES (CRYPTO_KEY + 2 * (16 + 8 + CRYPTO_KEY))

struct link_handshake *
handshake_of(const struct links *links, const struct link_peer *peer)
{
	return peer->handshake == LINK_NONE ? NULL
					    : &links->handshake[peer->handshake];
}

// Whether our uuid is the lower: the one thing in which the sides differ.
static bool
we_are_low(const struct links *links, const u8 uuid[16])
{
	return __builtin_memcmp(links->config.uuid, uuid, 16) < 0;
}

static u8
our_minor(const struct links *links)
{
	ASSERT(links->config.behind <= WIRE_MINOR);
	return (u8)(WIRE_MINOR - links->config.behind);
}

static bool
budget_take(struct links *links, u64 now)
{
	if (now - links->budget_at >= NS_PER_SECOND) {
		links->budget_at = now;
		links->budget = links->config.key_agreements_max;
	}
	if (SOMETIMES_IF(AGREEMENTS_OUT, !links->budget))
		return false;
	links->budget--;
	links->counters.key_agreements++;
	return true;
}

static u8 *
put(u8 *at, const void *bytes, u32 len)
{
	__builtin_memcpy(at, bytes, len);
	return at + len;
}

static u8 *
put_side(u8 *at, const u8 uuid[16], u64 incarnation, const u8 key[CRYPTO_KEY])
{
	at = put(at, uuid, 16);
	le64_store(at, incarnation);
	return put(at + 8, key, CRYPTO_KEY);
}

// The keys of the two boots, from the secret that they share and who they are.
static bool
pair_keys(const struct links *links, const struct link_peer *peer,
	  struct link_handshake *h)
{
	const struct links_config *c = &links->config;
	u8 text[PAIR_BYTES], keys[CRYPTO_KEY + KEY_LEN];
	u8 *at = text + CRYPTO_KEY;

	if (!crypto_shared(text, c->secret_key, h->public_key))
		return false;
	if (we_are_low(links, peer->uuid)) {
		at = put_side(at, c->uuid, c->incarnation, links->public_key);
		at = put_side(at, peer->uuid, h->incarnation, h->public_key);
	} else {
		at = put_side(at, peer->uuid, h->incarnation, h->public_key);
		at = put_side(at, c->uuid, c->incarnation, links->public_key);
	}
	ASSERT(at == text + sizeof(text));
	crypto_hash(keys, sizeof(keys), c->cluster_key, text, sizeof(text));
	put(h->pair_key, keys, CRYPTO_KEY);
	put(h->proof_key, keys + CRYPTO_KEY, KEY_LEN);
	return true;
}

static void
session_keys(const struct links *links, const struct link_peer *peer,
	     struct link_handshake *h)
{
	bool low = we_are_low(links, peer->uuid);
	u8 text[2 * NONCE_LEN], keys[2 * KEY_LEN];

	put(text, low ? h->nonce : h->their_nonce, NONCE_LEN);
	put(text + NONCE_LEN, low ? h->their_nonce : h->nonce, NONCE_LEN);
	if (PLANTED(BUG_SESSION_KEY))
		__builtin_memset(text, 0, sizeof(text));
	crypto_hash(keys, sizeof(keys), h->pair_key, text, sizeof(text));
	put(h->tx_key, low ? keys : keys + KEY_LEN, KEY_LEN);
	put(h->rx_key, low ? keys + KEY_LEN : keys, KEY_LEN);
}

static void
nonce_renew(struct links *links, u64 now, const struct link_peer *peer,
	    struct link_handshake *h)
{
	u64 count = ++links->nonces;

	siphash128(links->nonce_key, &count, sizeof(count), h->nonce);
	h->nonce_at = now;
	if (h->complete)
		session_keys(links, peer, h);
}

void
handshake_end(struct links *links, struct link_peer *peer)
{
	struct link_handshake *h = handshake_of(links, peer);

	ASSERT(h && h->peer == index_of(links, peer));
	*h = (struct link_handshake){
		.peer = LINK_NONE,
		.next_free = links->handshakes_free,
	};
	links->handshakes_free = peer->handshake;
	peer->handshake = LINK_NONE;
	peer->say &= (u8)~SAY_HELLO;
}

u64
handshake_due(const struct link_handshake *h)
{
	return h ? MIN(h->next_at, h->give_up_at) : NEVER_NS;
}

// Who a beacon or HELLO says that it is from.
struct caller {
	const u8 *uuid;
	u64 incarnation;
	const u8 *public_key;
	const u8 *mac;
	u16 mtu;
};

static struct link_handshake *
handshake_take(struct links *links, u64 now, struct link_peer *peer,
	       const struct caller *caller)
{
	struct link_handshake *h = &links->handshake[links->handshakes_free];

	ASSERT(links->handshakes_free != LINK_NONE && h->peer == LINK_NONE);
	peer->handshake = links->handshakes_free;
	links->handshakes_free = h->next_free;
	*h = (struct link_handshake){
		.peer = index_of(links, peer),
		.next_free = LINK_NONE,
		.incarnation = caller->incarnation,
		.their_index = WIRE_NOBODY,
		.mtu = MIN(caller->mtu, links->config.mtu),
		.begun_at = now,
		.next_at = now,
	};
	put(h->mac, caller->mac, 6);
	put(h->public_key, caller->public_key, CRYPTO_KEY);
	trace_put(links->trace, now, TRACE_PEER, h->peer, 0, le64_load(peer->uuid));
	return h;
}

// Sees to it that a handshake with this life of the peer is under way. One with
// another life gives way when it has had its time, so that neither a replayed
// beacon nor a dead life keeps a new one out for long.
static enum link_drop
handshake_begin(struct links *links, u64 now, struct link_peer *peer,
		const struct caller *caller)
{
	bool under_way = peer->handshake != LINK_NONE;
	struct link_handshake *h = &links->handshake[under_way ? peer->handshake : 0];

	if (under_way && h->incarnation == caller->incarnation &&
	    !__builtin_memcmp(h->public_key, caller->public_key, CRYPTO_KEY)) {
		h->give_up_at = now + HANDSHAKE_NS;
		return LINK_DROP_COUNT;
	}
	if (under_way && now - h->begun_at < LINK_IDLE_NS)
		return LINK_DROP_BUDGET;
	if (!under_way && (SOMETIMES_IF(HANDSHAKE_NO_ROOM,
					links->handshakes_free == LINK_NONE) ||
			   FAULT_POINT(HANDSHAKES_FULL)))
		return LINK_DROP_BUDGET;
	if (!budget_take(links, now))
		return LINK_DROP_BUDGET;
	if (SOMETIMES_IF(LIFE_REPLACED, under_way))
		handshake_end(links, peer);
	h = handshake_take(links, now, peer, caller);
	if (!pair_keys(links, peer, h)) {
		handshake_end(links, peer);
		return LINK_DROP_PROOF;
	}
	h->give_up_at = now + HANDSHAKE_NS;
	nonce_renew(links, now, peer, h);
	peer_due_by(links, peer, handshake_due(h));
	return LINK_DROP_COUNT;
}

void
handshake_timer(struct links *links, u64 now, struct link_peer *peer)
{
	struct link_handshake *h = handshake_of(links, peer);

	if (!h)
		return;
	if (SOMETIMES_IF(HANDSHAKE_ENDS, now >= h->give_up_at)) {
		handshake_end(links, peer);
	} else if (now >= h->next_at) {
		h->next_at = now + (FAULT_POINT(EARLY_HELLO) ? HELLO_NS / 64 : HELLO_NS);
		say_add(links, peer, SAY_HELLO);
	}
}

static bool
is_us(const struct links *links, const u8 uuid[16])
{
	return !__builtin_memcmp(links->config.uuid, uuid, 16);
}

enum link_drop
hear_beacon(struct links *links, u64 now, const struct wire_beacon *beacon)
{
	struct caller caller = { beacon->uuid, beacon->incarnation,
				 beacon->public_key, beacon->mac, beacon->mtu };
	struct link_peer *peer;

	if (is_us(links, beacon->uuid))
		return LINK_DROP_OWN;
	if (beacon->mtu < WIRE_MTU_MIN || !beacon->incarnation)
		return LINK_DROP_SHAPE;
	peer = peer_find(links, beacon->uuid);
	if (!peer)
		peer = peer_add(links, now, beacon->uuid);
	if (!peer)
		return LINK_DROP_PEERS;
	if (session_live(links, now, peer))
		return SOMETIMES_IF(LIFE_REFUSED,
				    peer->incarnation != beacon->incarnation)
			       ? LINK_DROP_LIVE : LINK_DROP_COUNT;
	return handshake_begin(links, now, peer, &caller);
}

// The peer repeats the HELLO of the session that stands: it has not heard from
// us since. Anything else in the same life is out of order.
static enum link_drop
hear_again(struct links *links, struct link_peer *peer,
	   const struct wire_hello *hello)
{
	if (le32_load(hello->nonce) != peer->their_nonce ||
	    le32_load(hello->nonce_seen) != peer->nonce)
		return LINK_DROP_LIVE;
	SOMETIMES(HELLO_AGAIN);
	say_add(links, peer, SAY_IDLE);
	return LINK_DROP_COUNT;
}

static bool
proof_holds(const struct link_handshake *h, const struct wire_frame *frame)
{
	u32 len = WIRE_HEADER +
		  (u32)offsetof(struct wire_hello_layout, proof);

	return siphash64(h->proof_key, frame->tagged, len) == frame->hello.proof;
}

// A HELLO that proves the pair key.
static enum link_drop
hear_proven(struct links *links, u64 now, struct link_peer *peer,
	    struct link_handshake *h, const struct wire_hello *hello)
{
	static const u8 nothing[NONCE_LEN];
	bool named = __builtin_memcmp(hello->nonce_seen, nothing, NONCE_LEN);
	bool fresh, changed;

	ASSERT(h && h->peer == index_of(links, peer));
	fresh = !__builtin_memcmp(hello->nonce_seen, h->nonce, NONCE_LEN);
	changed = __builtin_memcmp(hello->nonce, h->their_nonce, NONCE_LEN);
	put(h->mac, hello->mac, 6);
	put(h->their_nonce, hello->nonce, NONCE_LEN);
	h->mtu = MIN(hello->mtu, links->config.mtu);
	h->their_index = hello->index;
	h->minor = MIN(hello->minor, our_minor(links));
	h->complete = true;
	session_keys(links, peer, h);
	if (fresh || PLANTED(BUG_HELLO_ECHO)) {
		session_confirm(links, now, peer);
		return LINK_DROP_COUNT;
	}
	// The nonce that answers a new one has to last until the peer's first frame
	// under both has come.
	if (SOMETIMES_IF(NONCE_FOR_ANSWER,
			 changed && now - h->nonce_at >= NONCE_NS / 2))
		nonce_renew(links, now, peer, h);
	say_add(links, peer, SAY_HELLO);
	SOMETIMES_WHEN(HELLO_STALE, named);
	return named ? LINK_DROP_NONCE : LINK_DROP_COUNT;
}

enum link_drop
hear_hello(struct links *links, u64 now, const struct wire_frame *frame)
{
	const struct wire_hello *hello = &frame->hello;
	struct caller caller = { hello->uuid, hello->incarnation,
				 hello->public_key, hello->mac, hello->mtu };
	struct link_peer *peer;
	enum link_drop drop;

	if (is_us(links, hello->uuid))
		return LINK_DROP_OWN;
	if (hello->mtu < WIRE_MTU_MIN || !hello->incarnation)
		return LINK_DROP_SHAPE;
	if (hello->to_incarnation != links->config.incarnation)
		return LINK_DROP_INCARNATION;
	peer = peer_find(links, hello->uuid);
	if (!peer)
		peer = peer_add(links, now, hello->uuid);
	if (!peer)
		return LINK_DROP_PEERS;
	// Who speaks in a live session is alive: another life of that node is
	// heard when the lease has run out, or any member could end it by name.
	if (session_live(links, now, peer))
		return peer->incarnation == hello->incarnation
			       ? hear_again(links, peer, hello) : LINK_DROP_LIVE;
	if (peer->held || FAULT_POINT(HELLO_HELD))
		return LINK_DROP_LIVE;
	drop = handshake_begin(links, now, peer, &caller);
	if (drop != LINK_DROP_COUNT)
		return drop;

	struct link_handshake *h = &links->handshake[peer->handshake];

	if (!proof_holds(h, frame))
		return LINK_DROP_PROOF;
	return hear_proven(links, now, peer, h, hello);
}

static void
hello_fill(const struct links *links, const struct link_peer *peer,
	   const struct link_handshake *h, struct wire_hello *hello)
{
	*hello = (struct wire_hello){
		.incarnation = links->config.incarnation,
		.mtu = links->config.mtu,
		.index = index_of(links, peer),
		.minor = our_minor(links),
		.to_incarnation = h->incarnation,
	};
	put(hello->uuid, links->config.uuid, 16);
	put(hello->public_key, links->public_key, CRYPTO_KEY);
	put(hello->mac, links->config.mac, 6);
	put(hello->nonce, h->nonce, NONCE_LEN);
	put(hello->nonce_seen, h->their_nonce, NONCE_LEN);
}

u32
say_hello(struct links *links, u64 now, struct link_peer *peer, u8 *buffer)
{
	struct link_handshake *h = &links->handshake[peer->handshake];
	u32 body_len = WIRE_LENGTH(hello), proven;
	u8 *at = buffer + WIRE_ETHERNET;
	struct wire_hello hello;
	struct wire_header header = {
		.version = WIRE_VERSION,
		.kind = WIRE_HELLO,
		.length = (u16)(WIRE_HEADER + body_len + WIRE_TAG),
		.sender = WIRE_NOBODY,
		.from = (u32)links->config.incarnation,
		.to = (u32)h->incarnation,
		.clock = clock_us(now),
	};

	ASSERT(h->peer == index_of(links, peer));
	if (SOMETIMES_IF(NONCE_RENEWED, now - h->nonce_at >= NONCE_NS))
		nonce_renew(links, now, peer, h);
	hello_fill(links, peer, h, &hello);
	trace_put(links->trace, now, TRACE_OUT, index_of(links, peer), 0,
		  TRACE_PACK(TRACE_NO_SLOT, 0, WIRE_HELLO, 0));
	ethernet_store(buffer, h->mac, links->config.mac);
	wire_header_store(at, &header);
	wire_hello_store(at + WIRE_HEADER, &hello);
	proven = WIRE_HEADER + (u32)offsetof(struct wire_hello_layout, proof);
	le64_store(at + proven, siphash64(h->proof_key, at, proven));
	le64_store(at + WIRE_HEADER + body_len,
		   tag_of(links->cluster_tag_key, at, WIRE_HEADER + body_len));
	return WIRE_ETHERNET + header.length;
}
