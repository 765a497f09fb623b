// SPDX-License-Identifier: BSD-2-Clause
// Frames that no honest kernel sends. Alterations know the structures: they come from
// net/wire/frames.def, so every field of every frame is hit by values at its ends and
// between; others cut, lengthen, splice and flip without knowing anything. Requests begin
// as well formed as an honest kernel makes them, whatever the operation: what stands
// behind the body is drawn within its bounds, and altered afterwards or not.
// A frame that is sealed afterwards is what only a member of the cluster can send.

#include <string.h>

#include "harness/onslaught/onslaught.h"
#include "kernel/base/assert.h"
#include "kernel/base/siphash.h"

static u64
below(struct onslaught *o, u64 bound)
{
	return prng_below(&o->prng, bound);
}

// A field's place within header and body, drawn from the tables. Its length.
static u32
draw_field(struct onslaught *o, u8 kind, u32 *at)
{
	u32 count = 0, want;
	u32 places[160], lengths[160];

#define STRUCT(name, sentence)						    \
	{								    \
		typedef struct wire_##name##_layout layout;		    \
		bool here = !strcmp(#name, "header") ||			    \
			    (kind == WIRE_BEACON && !strcmp(#name, "beacon")) || \
			    (kind == WIRE_HELLO && !strcmp(#name, "hello")) || \
			    (kind == WIRE_IDLE && !strcmp(#name, "idle")) || \
			    (kind == WIRE_REQUEST && !strcmp(#name, "request")) || \
			    (kind == WIRE_RESPONSE && !strcmp(#name, "response")); \
		u32 base = strcmp(#name, "header") ? WIRE_HEADER : 0;
#define PLACE(name)							    \
		if (here) {						    \
			places[count] = base + (u32)offsetof(layout, name); \
			lengths[count++] = sizeof(((layout *)0)->name);	    \
		}
#define FIELD(bits, name, sentence) PLACE(name)
#define BYTES(len, name, sentence) PLACE(name)
#define END(name) }
#include "net/wire/frames.def"
#undef STRUCT
#undef FIELD
#undef BYTES
#undef END
#undef PLACE
	want = (u32)below(o, count);
	*at = WIRE_ETHERNET + places[want];
	return lengths[want];
}

static void
fill_random(struct onslaught *o, u8 *at, u32 len)
{
	for (u32 i = 0; i < len; i++)
		at[i] = (u8)prng_u64(&o->prng);
}

// Ends of a number's range, its neighbours, or anything.
static void
set_field(struct onslaught *o, u8 *frame, u32 len)
{
	u32 at, bytes = draw_field(o, frame[WIRE_ETHERNET + 1], &at);
	u64 value;

	if (at + bytes > len)
		return;
	switch (below(o, 6)) {
	case 0:
		memset(frame + at, 0, bytes);
		break;
	case 1:
		memset(frame + at, 0xff, bytes);
		break;
	case 2:
		memset(frame + at, 0, bytes);
		frame[at] = 1;
		break;
	case 3:
		frame[at + below(o, bytes)] ^= (u8)(1u << below(o, 8));
		break;
	case 4:				// one more, or one less
		value = 0;
		memcpy(&value, frame + at, MIN(bytes, 8u));
		value += below(o, 2) ? 1 : -1ull;
		memcpy(frame + at, &value, MIN(bytes, 8u));
		break;
	default:
		fill_random(o, frame + at, bytes);
		break;
	}
}

static void
set_length(u8 *frame, u32 len)
{
	le16_store(frame + WIRE_ETHERNET + 2, (u16)(len - WIRE_ETHERNET));
}

// One alteration. Returns the length.
static u32
alter(struct onslaught *o, u8 *frame, u32 len)
{
	const struct rig_frame *other = &o->rig.captured[below(o, o->corpus)];
	u32 at;

	switch (below(o, 9)) {
	case 0:
		at = WIRE_ETHERNET + (u32)below(o, len - WIRE_ETHERNET);
		frame[at] ^= (u8)(1u << below(o, 8));
		return len;
	case 1:				// cut
		at = WIRE_ETHERNET + (u32)below(o, len - WIRE_ETHERNET);
		if (below(o, 2))
			set_length(frame, at);
		return at;
	case 2:				// longer
		at = (u32)below(o, 80);
		if (len + at > WIRE_FRAME_MAX)
			return len;
		fill_random(o, frame + len, at);
		set_length(frame, len + at);
		return len + at;
	case 3:				// another's body
		at = WIRE_BODY_AT;
		if (other->len <= at || len <= at)
			return len;
		memcpy(frame + at, other->bytes + at, MIN(other->len, len) - at);
		return len;
	case 4:
		frame[WIRE_ETHERNET + 1] = (u8)below(o, 8);
		return len;
	default:
		set_field(o, frame, len);
		return len;
	}
}

u32
forge_altered(struct onslaught *o, u8 *frame)
{
	for (;;) {
		const struct rig_frame *from = &o->rig.captured[below(o, o->corpus)];
		u32 len = from->len;

		memcpy(frame, from->bytes, len);
		for (u64 n = 1 + below(o, 3); n && len > WIRE_BODY_AT; n--)
			len = alter(o, frame, len);
		// Padding is no part of a frame: nothing else may be as it was.
		if (len < from->len ||
		    memcmp(frame + WIRE_ETHERNET, from->bytes + WIRE_ETHERNET,
			   from->len - WIRE_ETHERNET))
			return len;
	}
}

u32
forge_noise(struct onslaught *o, u8 *frame)
{
	u32 len = (u32)below(o, below(o, 8) ? 200 : WIRE_FRAME_MAX + 1);

	fill_random(o, frame, len);
	if (len < WIRE_ETHERNET + 4 || !below(o, 16))
		return len;
	be16_store(frame + 12, WIRE_ETHERTYPE);
	if (below(o, 8))
		frame[WIRE_ETHERNET] = WIRE_VERSION;
	if (below(o, 4))
		frame[WIRE_ETHERNET + 1] = (u8)(1 + below(o, 5));
	if (below(o, 4))
		set_length(frame, len);
	return len;
}

// ---- under the intruder's keys

static struct links *
own_links(struct onslaught *o)
{
	return o->rig.node[INTRUDER].links;
}

static struct link_peer *
own_peer(struct onslaught *o)
{
	return &own_links(o)->peer[rig_peer(&o->rig, INTRUDER, VICTIM)];
}

// What the victim believes of the intruder.
static const struct link_peer *
victims_view(struct onslaught *o)
{
	return &o->rig.node[VICTIM].links->peer[rig_peer(&o->rig, VICTIM, INTRUDER)];
}

// A forged header may have taken sequence and numbers far ahead: what comes next goes
// on from there, or it would be refused for that alone.
static void
catch_up(struct onslaught *o)
{
	const struct link_peer *view = victims_view(o);
	struct link_peer *peer = own_peer(o);

	peer->tx_sequence = MAX(peer->tx_sequence, view->rx_newest);
	if (number_diff(view->their_done, peer->next) > 0)
		peer->next = peer->done = view->their_done;
}

// Nothing of the intruder's is open: each request has a number of its own.
static u32
next_number(struct onslaught *o)
{
	struct link_peer *peer = own_peer(o);

	peer->done = ++peer->next;
	return peer->done;
}

static u32
seal(struct onslaught *o, u8 *frame, u32 len)
{
	u8 kind = frame[WIRE_ETHERNET + 1];
	bool greeting = kind == WIRE_BEACON || kind == WIRE_HELLO;
	const u8 *key = greeting ? own_links(o)->cluster_tag_key : own_peer(o)->tx_key;
	u32 tagged;

	if (len < WIRE_BODY_AT + WIRE_TAG)
		return len;
	tagged = len - WIRE_ETHERNET - WIRE_TAG;
	le64_store(frame + WIRE_ETHERNET + tagged,
		   siphash64(key, frame + WIRE_ETHERNET, tagged));
	return len;
}

// ---- operations, well formed

// Pieces behind each other in the payload, of `most` bytes in all. Returns how many bytes
// they are of.
static u32
draw_pieces(struct onslaught *o, struct wire_request *body, u8 *at, u32 most)
{
	u32 sum = 0;

	body->pieces = (u8)(1 + below(o, WIRE_PIECES_MAX));
	for (u32 i = 0; i < body->pieces; i++, at += WIRE_LENGTH(piece)) {
		struct wire_piece piece = {
			.offset = below(o, 8) ? below(o, 2 * 4096) : below(o, ~0ull >> 8),
			.length = 1 + (u32)below(o, most / WIRE_PIECES_MAX - 1),
		};

		wire_piece_store(at, &piece);
		sum += piece.length;
	}
	return sum;
}

static u32
draw_clauses(struct onslaught *o, struct wire_request *body, u8 *payload)
{
	u32 data = 0;

	body->length = below(o, 2) ? 8 : 16;
	body->pieces = (u8)(1 + below(o, WIRE_CLAUSES_MAX));
	for (u32 i = 0; i < body->pieces; i++) {
		struct wire_clause c = {
			.compare_mask_low = below(o, 2), .swap_mask_low = ~0ull,
			.swap_low = prng_u64(&o->prng),
			.chain = (u32)below(o, CHAIN_COUNT),
			.chain_offset = below(o, 4096) * 4,
			.chain_length = (u32)below(o, 200),
		};

		if (c.chain == CHAIN_NOTIFY)
			c.chain_length = 4;
		if (c.chain == CHAIN_WRITE)
			data = MAX(data, c.chain_length);
		wire_clause_store(payload + (u64)i * WIRE_LENGTH(clause), &c);
	}
	return body->pieces * WIRE_LENGTH(clause) + data;
}

static u32
draw_change(struct onslaught *o, struct wire_request *body, u8 *payload)
{
	struct wire_change change = {
		.compare_mask = below(o, 2), .compare = below(o, 2), .add = 1,
	};

	wire_change_store(payload, &change);
	return draw_pieces(o, body, payload + WIRE_LENGTH(change), WIRE_SEND_MAX) +
	       WIRE_LENGTH(change) + body->pieces * WIRE_LENGTH(piece);
}

// Who is named: an entry that there is, if the guess is good; whose is the question.
static u32
draw_name(struct onslaught *o, const struct wire_request *body, u8 *payload)
{
	struct wire_protect name = {
		.slot = (u32)below(o, RIG_EXPORTS),
		.generation = 1 + (u32)below(o, 3),
		.rights = (u8)below(o, WIRE_RIGHTS + 1),
	};
	struct wire_expel expel = { name.slot, name.generation };

	if (body->op == OP_PROTECT) {
		wire_protect_store(payload, &name);
		return WIRE_LENGTH(protect);
	}
	wire_expel_store(payload, &expel);
	return WIRE_LENGTH(expel);
}

static u32
draw_alloc(struct onslaught *o, u8 *payload)
{
	struct wire_alloc alloc = {
		.base = below(o, 8) ? below(o, POOL) : prng_u64(&o->prng),
		.count = 1 + (u32)below(o, below(o, 4) ? 2 : WIRE_ALLOC_MAX),
		.rights = (u8)below(o, below(o, 4) ? 4 : 16),
	};

	alloc.range = alloc.count + (u32)below(o, below(o, 4) ? 2 : 4000);
	wire_alloc_store(payload, &alloc);
	return WIRE_LENGTH(alloc);
}

// What stands behind the body of an operation that has fields of its own there; else its
// length alone, drawn from the table.
static u32
draw_operand(struct onslaught *o, struct wire_request *body, u8 *payload)
{
	u32 shortest = wire_op_info[body->op].shortest;
	u32 most = MIN(wire_op_longest[body->op], 4 * WIRE_DATA_MAX);

	body->length = shortest + (u32)below(o, (u64)most - shortest + 1);
	switch (body->op) {
	case OP_MCAS:
		return draw_clauses(o, body, payload);
	case OP_READV:
		body->length = draw_pieces(o, body, payload, WIRE_DATA_MAX);
		return body->pieces * WIRE_LENGTH(piece);
	case OP_PUTV:
		return draw_change(o, body, payload);
	case OP_EXPEL:
	case OP_PROTECT:
		return draw_name(o, body, payload);
	case OP_ALLOC:
		return draw_alloc(o, payload);
	case OP_GRANT:
		return handed_grant(o, payload);
	case OP_DERIVE:
		return handed_derive(o, payload);
	case OP_REDEEM:
		return handed_ticket(o, payload);
	case OP_RECALL:
		return handed_recall(o, payload);
	case OP_RELEASE:
		body->offset = handed_release(o);
		return 0;
	case OP_HOLDERS:
		body->offset = below(o, 8) ? 0 : below(o, RIG_EXPORTS);
		body->length = WIRE_LENGTH(holders) +
			       (1 + (u32)below(o, WIRE_HOLDERS_MAX)) * WIRE_LENGTH(holder);
		return 0;
	case OP_BLOCK_TRIM:
	case OP_BLOCK_ZERO:
		body->offset &= ~4095ull;
		body->length = 4096 * (1 + (u32)below(o, 4));
		return 0;
	default:
		return wire_request_data(body);
	}
}

// What the operation works on, three times of four; else anything.
static u32
draw_place(struct onslaught *o, u8 op)
{
	const u32 places[] = { o->frames_place, o->frames_place, o->read_place,
			       o->blocks_place, o->endpoint_place, o->pool_place };

	switch (below(o, 4) ? wire_op_info[op].type : TYPE_NONE) {
	case TYPE_BLOCKS:
		return o->blocks_place;
	case TYPE_ENDPOINT:
		return o->endpoint_place;
	case TYPE_POOL:
		return o->pool_place;
	case TYPE_FRAMES:
		return o->frames_place;
	default:
		return places[below(o, ARRAY_SIZE(places))];
	}
}

// Whose capability the body names. A DROP of what a round stands on is rare, and so is a
// DERIVE from what was itself derived; most DROPs are of others'.
static void
draw_named(struct onslaught *o, struct wire_request *body)
{
	u32 at = draw_place(o, body->op);

	if (body->op == OP_DROP ? below(o, 32) : body->op == OP_DERIVE && !below(o, 4))
		at = handed_place(o, body->op == OP_DROP);
	if (at == RCAP_NONE)
		handed_stolen(o, body);
	else {
		body->slot = o->rig.node[INTRUDER].place[at].remote.slot;
		body->generation = o->rig.node[INTRUDER].place[at].remote.generation;
	}
}

// Data of several parts go one part a frame.
static u32
base_request(struct onslaught *o, u8 *frame)
{
	static u8 payload[WIRE_OPERAND_MAX + 4 * WIRE_DATA_MAX];
	struct wire_request body = {
		.number = next_number(o),
		.op = (u8)(1 + below(o, OP_COUNT - 1)),
		.flags = (u8)(below(o, 4) ? WIRE_FLAG_WHOLE * below(o, 2)
					  : below(o, WIRE_FLAGS + 1)),
		.environment = ENV,
		.offset = below(o, 4) ? below(o, (LENT + 1) * 512u) * 8 : below(o, 20000),
	};
	u32 len;

	draw_named(o, &body);
	fill_random(o, payload, 128);
	len = draw_operand(o, &body, payload);
	if (len && len == wire_request_data(&body)) {
		body.part = (u8)below(o, wire_parts(len, body.flags & WIRE_FLAG_WHOLE));
		len = wire_part_len(len, body.flags & WIRE_FLAG_WHOLE, body.part);
	}
	len = body.flags & WIRE_FLAG_CANCEL ? 0 : MIN(len, WIRE_DATA_MAX);
	return links_request(own_links(o), o->rig.now,
			     rig_peer(&o->rig, INTRUDER, VICTIM), frame, &body, payload,
			     len);
}

static u32
base_response(struct onslaught *o, u8 *frame)
{
	static u8 payload[WIRE_DATA_MAX];
	struct wire_response body = {
		.number = (u32)below(o, 80), .status = (u8)below(o, STATUS_COUNT),
		.code = (u8)below(o, CODE_COUNT), .parts = 1,
		.length = (u16)below(o, WIRE_DATA_MAX + 1),
	};

	return links_response(own_links(o), o->rig.now,
			      rig_peer(&o->rig, INTRUDER, VICTIM), frame, &body, payload,
			      body.length);
}

// Somebody's greeting, from the captures.
static u32
base_greeting(struct onslaught *o, u8 *frame)
{
	for (u32 i = (u32)below(o, o->corpus), left = o->corpus; left; left--) {
		const struct rig_frame *from = &o->rig.captured[i];
		u8 kind = from->bytes[WIRE_ETHERNET + 1];

		i = (i + 1) % o->corpus;
		if (kind != WIRE_HELLO && kind != WIRE_BEACON)
			continue;
		memcpy(frame, from->bytes, from->len);
		return from->len;
	}
	return say_beacon(own_links(o), o->rig.now, frame);
}

static u32
base_frame(struct onslaught *o, u8 *frame)
{
	switch (below(o, 16)) {
	case 0:
		return say_beacon(own_links(o), o->rig.now, frame);
	case 1:
		return base_greeting(o, frame);
	case 2:
		return base_response(o, frame);
	case 3:
		if (own_peer(o)->state != LINK_STATE_UP)
			return 0;
		return say_idle(own_links(o), o->rig.now, own_peer(o), frame);
	default:
		return base_request(o, frame);
	}
}

u32
forge_sealed(struct onslaught *o, u8 *frame)
{
	u32 at, len;

	catch_up(o);
	len = base_frame(o, frame);
	if (!len)
		return 0;		// the session is over
	for (u64 n = below(o, 3); n && len > WIRE_BODY_AT; n--) {
		at = WIRE_BODY_AT + (u32)below(o, len - WIRE_BODY_AT);
		if (!below(o, 8))
			len = alter(o, frame, len);
		else if (below(o, 2))
			frame[at] ^= (u8)(1u << below(o, 8));
		else
			set_field(o, frame, len);
	}
	return seal(o, frame, len);
}

// A small operation on memory or a block, or one that ends a capability, by whatever the
// body names.
static u32
small_request(struct onslaught *o, u8 *frame, struct wire_request *body, u64 ops)
{
	static const u8 op[] = { OP_READ, OP_WRITE, OP_FETCH_ADD, OP_NOTIFY, OP_BLOCK_READ,
				 OP_RELEASE, OP_DROP, OP_REVOKE };
	static const u8 payload[8] = { 1 };
	u32 least;

	ASSERT(ops <= ARRAY_SIZE(op));
	body->op = op[below(o, ops)];
	body->number = next_number(o);
	least = wire_op_info[body->op].shortest;
	body->length = MIN(MAX(least, 8u), wire_op_longest[body->op]);
	return links_request(own_links(o), o->rig.now,
			     rig_peer(&o->rig, INTRUDER, VICTIM), frame, body, payload,
			     wire_request_data(body));
}

u32
forge_use(struct onslaught *o, u8 *frame)
{
	const struct rig_place *place = &o->rig.node[INTRUDER].place[o->frames_place];
	struct wire_request body = {
		.environment = ENV,
		.slot = place->remote.slot,
		.generation = place->remote.generation,
		.offset = below(o, LENT * 512u) * 8,
	};

	return small_request(o, frame, &body, 4);
}

u32
forge_guess(struct onslaught *o, u8 *frame)
{
	const struct rig_node *n = &o->rig.node[INTRUDER];
	struct wire_request body;
	bool own;

	do {
		body = (struct wire_request){
			.environment = below(o, 2) ? ENV : (u32)prng_u64(&o->prng),
			.slot = (u32)below(o, below(o, 2) ? 16 : 1u << WIRE_SLOT_BITS),
			.generation = below(o, 2) ? (u32)below(o, 4)
						  : (u32)prng_u64(&o->prng),
		};
		own = false;
		for (u32 i = 0; i < n->places; i++)
			own |= body.environment == ENV &&
			       body.slot == n->place[i].remote.slot &&
			       body.generation == n->place[i].remote.generation;
	} while (own);
	return small_request(o, frame, &body, 8);
}
