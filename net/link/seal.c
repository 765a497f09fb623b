// SPDX-License-Identifier: BSD-2-Clause
// Frames on their way out: Ethernet header, header, body, payload, tag. The
// payload is copied into the frame and hashed in the same pass; when nodes hide what they
// say (hide.c), it is copied, hidden where it lies, and hashed with the rest.

#include "kernel/base/assert.h"
#include "kernel/base/siphash.h"
#include "net/link/state.h"

u64
tag_of(const u8 key[KEY_LEN], const void *tagged, u32 len)
{
	return siphash64(key, tagged, len);
}

// Without authentication a part of the key stands for the tag: it costs nothing and
// still tells frames of one session from those of another.
u64
session_tag(const struct links *links, const u8 key[KEY_LEN], const void *tagged,
	    u32 len)
{
	return links->config.cover == LINK_BARE ? le64_load(key)
						: tag_of(key, tagged, len);
}

void
ethernet_store(u8 *buffer, const u8 to[6], const u8 from[6])
{
	__builtin_memcpy(buffer, to, 6);
	__builtin_memcpy(buffer + 6, from, 6);
	be16_store(buffer + 12, WIRE_ETHERTYPE);
}

static void
header_store(const struct links *links, u64 now, const struct link_peer *peer,
	     enum wire_kind kind, u32 length, u8 *at)
{
	u32 open = peer->asker == LINK_NONE ? 0 : links->asker[peer->asker].frames;
	struct wire_header header = {
		.version = WIRE_VERSION,
		.kind = (u8)kind,
		.length = (u16)length,
		.sender = peer->their_index,
		.grant = peer->grant,
		.want = (u8)MIN(open + peer->want, 255u),
		.from = (u32)links->config.incarnation,
		.to = (u32)peer->incarnation,
		.sequence = peer->tx_sequence,
		.turn = peer->turn,
		.turn_seen = peer->turn_kept,
		.clock = clock_us(now),
		.echo = peer->their_clock,
		.done = peer->done,
		.seen_newest = peer->seen_newest,
		.seen = peer->seen,
	};

	wire_header_store(at, &header);
}

// Header and body stand at `at`: the payload is copied behind them, and the tag
// behind that. Whatever becomes of it, each word of it is read once.
static void
close_frame(const struct links *links, const struct link_peer *peer, u8 *at, u32 head,
	    const void *payload, u32 len)
{
	const u8 *key = peer->tx_key;
	u8 *data = at + head;
	struct siphash hash;

	if (unlikely(links->config.cover != LINK_TAGGED)) {
		if (len)
			__builtin_memcpy(data, payload, len);
		if (links->config.cover == LINK_HIDDEN)
			payload_hide(key, peer->tx_sequence, data, data, len);
		le64_store(data + len, session_tag(links, key, at, head + len));
		return;
	}
	siphash_begin(&hash, key);
	siphash_words(&hash, at, head);
	siphash_copy(&hash, data, payload, len);
	le64_store(data + len, siphash_end(&hash, data + (len & ~7u), head + len));
}

// Everything but the body, which is in the buffer already.
static u32
seal(struct links *links, u64 now, struct link_peer *peer, enum wire_kind kind,
     u8 *buffer, u32 body_len, const void *payload, u32 len)
{
	u8 *at = buffer + WIRE_ETHERNET;
	u32 tagged = WIRE_HEADER + body_len + len;
	bool again, said = peer->say & SAY_IDLE;

	STATIC_ASSERT(WIRE_HEADER % 8 == 0 && WIRE_LENGTH(request) % 8 == 0);
	STATIC_ASSERT(WIRE_LENGTH(response) % 8 == 0 && WIRE_LENGTH(idle) % 8 == 0);
	ASSERT(WIRE_ETHERNET + tagged + WIRE_TAG <= WIRE_FRAME_MAX);
	peer->tx_sequence++;
	if (unlikely(!(peer->tx_sequence & links->turn_mask)))
		rekey_send(links, peer);
	again = peer->sent_at == now;
	peer->sent_at = now;
	peer->say &= (u8)~SAY_IDLE;
	links->counters.sent++;
	counts_of(links, peer)->sent++;
	ethernet_store(buffer, peer->mac, links->config.mac);
	header_store(links, now, peer, kind, tagged + WIRE_TAG, at);
	close_frame(links, peer, at, WIRE_HEADER + body_len, payload, len);
	if (!again || said)	// else the frame before has seen to it
		peer_due_by(links, peer, session_idle_due(links, peer));
	return WIRE_ETHERNET + tagged + WIRE_TAG;
}

static inline void
trace_request(const struct links *links, u64 now, u16 peer_index,
	      const struct wire_request *body, u32 len)
{
	trace_put(links->trace, now, TRACE_OUT, peer_index, body->number,
		  TRACE_PACK(body->slot, len, TRACE_PART(WIRE_REQUEST, body->part),
			     body->op));
}

u32
links_request(struct links *links, u64 now, u16 peer_index, u8 *buffer,
	      const struct wire_request *body, const void *payload, u32 len)
{
	struct link_peer *peer = &links->peer[peer_index];

	if (!session_live(links, now, peer))
		return 0;
	wire_request_store(buffer + WIRE_BODY_AT, body);
	trace_request(links, now, peer_index, body, len);
	return seal(links, now, peer, WIRE_REQUEST, buffer, WIRE_LENGTH(request),
		    payload, len);
}

u32
links_requests(struct links *links, u64 now, u16 peer_index, u8 *buffer,
	       const struct wire_request *bodies, u32 count)
{
	u64 size = WIRE_LENGTH(request);
	struct wire_request first = bodies[0];
	u8 further[(WIRE_TOGETHER_MAX - 1) * WIRE_LENGTH(request)];

	ASSERT(count > 1 && count <= WIRE_TOGETHER_MAX);
	ASSERT(wire_version[links->peer[peer_index].minor].flags & WIRE_FLAG_MORE);
	for (u32 i = 1; i < count; i++) {
		struct wire_request body = bodies[i];

		body.flags |= i + 1 < count ? WIRE_FLAG_MORE : 0;
		wire_request_store(further + (i - 1) * size, &body);
		trace_request(links, now, peer_index, &body, 0);
	}
	first.flags |= WIRE_FLAG_MORE;
	return links_request(links, now, peer_index, buffer, &first, further,
			     (count - 1) * (u32)size);
}

u32
links_response(struct links *links, u64 now, u16 peer_index, u8 *buffer,
	       const struct wire_response *body, const void *payload, u32 len)
{
	struct link_peer *peer = &links->peer[peer_index];

	if (!session_live(links, now, peer))
		return 0;
	wire_response_store(buffer + WIRE_BODY_AT, body);
	// A code that came later than the peer would make it drop the answer.
	if (unlikely(body->code) && body->code > wire_version[peer->minor].codes)
		buffer[WIRE_BODY_AT + offsetof(struct wire_response_layout, code)] =
			CODE_SHAPE;
	trace_put(links->trace, now, TRACE_OUT, peer_index, body->number,
		  TRACE_PACK(TRACE_NO_SLOT, len,
			     TRACE_PART(WIRE_RESPONSE, body->part), body->status));
	return seal(links, now, peer, WIRE_RESPONSE, buffer,
		    WIRE_LENGTH(response), payload, len);
}

// Says what the longest frame was that came from the peer; and, while it is not
// known that the path carries a page, tries with zeros as long as one.
u32
say_idle(struct links *links, u64 now, struct link_peer *peer, u8 *buffer)
{
	static const u8 zeros[WIRE_WHOLE_MTU];
	struct wire_idle idle = {
		.carries = peer->carries_here,
		.answer = now - peer->proven_at >= LINK_DANGER_NS,
	};
	u32 fixed = WIRE_HEADER + WIRE_LENGTH(idle) + WIRE_TAG, pad = 0;

	SOMETIMES_WHEN(LEASE_DANGER, idle.answer);
	if (path_probing(peer)) {
		peer->probes++;
		pad = WIRE_WHOLE_MTU - fixed;
	}
	wire_idle_store(buffer + WIRE_BODY_AT, &idle);
	trace_put(links->trace, now, TRACE_OUT, index_of(links, peer), 0,
		  TRACE_PACK(TRACE_NO_SLOT, pad, WIRE_IDLE, 0));
	return seal(links, now, peer, WIRE_IDLE, buffer, WIRE_LENGTH(idle), zeros,
		    pad);
}

u32
say_beacon(struct links *links, u64 now, u8 *buffer)
{
	static const u8 everybody[6] = { 255, 255, 255, 255, 255, 255 };
	u32 tagged = WIRE_HEADER + WIRE_LENGTH(beacon);
	u8 *at = buffer + WIRE_ETHERNET;
	struct wire_header header = {
		.version = WIRE_VERSION,
		.kind = WIRE_BEACON,
		.length = (u16)(tagged + WIRE_TAG),
		.sender = WIRE_NOBODY,
		.from = (u32)links->config.incarnation,
		.clock = clock_us(now),
	};
	struct wire_beacon beacon = {
		.incarnation = links->config.incarnation,
		.mtu = links->config.mtu,
	};

	__builtin_memcpy(beacon.uuid, links->config.uuid, 16);
	__builtin_memcpy(beacon.public_key, links->public_key, CRYPTO_KEY);
	__builtin_memcpy(beacon.mac, links->config.mac, 6);
	ethernet_store(buffer, everybody, links->config.mac);
	wire_header_store(at, &header);
	wire_beacon_store(at + WIRE_HEADER, &beacon);
	le64_store(at + tagged, tag_of(links->cluster_tag_key, at, tagged));
	links->counters.sent++;
	trace_put(links->trace, now, TRACE_OUT, TRACE_NOBODY, 0,
		  TRACE_PACK(TRACE_NO_SLOT, 0, WIRE_BEACON, 0));
	return WIRE_ETHERNET + tagged + WIRE_TAG;
}
