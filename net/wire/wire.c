// SPDX-License-Identifier: BSD-2-Clause
// The one parser of the fabric's frames. Lengths first, then version and kind,
// then every field whose domain does not depend on state; a frame that is
// returned as WIRE_FINE is well formed, whoever sent it. Nothing here knows
// about keys, peers or capabilities. How much an operation wrote is counted here too: the
// layouts say it.

#include "net/wire/wire.h"
#include "kernel/base/assert.h"

#define NONE WIRE_RIGHT_NONE
#define READ WIRE_RIGHT_READ
#define WRITE WIRE_RIGHT_WRITE
#define DERIVE WIRE_RIGHT_DERIVE
#define RUN true
#define TELL false

const struct wire_op_info wire_op_info[OP_COUNT] = {
#define X(name, number, type, rights, shortest, longest, repeat, sentence) \
	[OP_##name] = { TYPE_##type, rights, repeat, repeat, shortest, 0 },
#include "net/wire/ops.def"
#undef X
};

const u32 wire_op_longest[OP_COUNT] = {
#define X(name, number, type, rights, shortest, longest, repeat, sentence) \
	[OP_##name] = (longest),
#include "net/wire/ops.def"
#undef X
};

#undef NONE
#undef READ
#undef WRITE
#undef DERIVE
#undef RUN
#undef TELL

const struct wire_version wire_version[WIRE_MINOR + 1] = {
#define X(minor, name, commit, kinds, ops, codes, flags, vectors) \
	{ kinds, ops, codes, flags },
#include "net/wire/versions.def"
#undef X
	{ WIRE_RESPONSE, OP_COUNT - 1, CODE_COUNT - 1, WIRE_FLAGS },
};

static const char *const code_text[CODE_COUNT] = {
#define X(name, number, sentence) [name] = (sentence),
#include "net/wire/codes.def"
#undef X
};

static const char *const op_name[OP_COUNT] = {
	"",
#define X(name, number, type, rights, shortest, longest, repeat, sentence) #name,
#include "net/wire/ops.def"
#undef X
};

const char *
wire_code_text(u32 code)
{
	return code < CODE_COUNT ? code_text[code] : "a code that does not exist";
}

const char *
wire_op_name(u32 op)
{
	return op > 0 && op < OP_COUNT ? op_name[op] : "?";
}

static u32
body_len(u8 kind)
{
	switch (kind) {
#define X(name, body, number, tag, sentence) \
	case WIRE_##name:		     \
		return WIRE_LENGTH(body);
#include "net/wire/kinds.def"
#undef X
	default:
		return 0;
	}
}

u32
wire_request_data(const struct wire_request *request)
{
	switch (request->op) {
	case OP_WRITE:
	case OP_SEND:
	case OP_INVOKE:
	case OP_BLOCK_WRITE:
	case OP_BLOCK_FUA:
		return request->length;
	case OP_FETCH_ADD:
		return WIRE_LENGTH(addend);
	case OP_GRANT:
		return WIRE_LENGTH(grant);
	case OP_DERIVE:
		return WIRE_LENGTH(derive);
	case OP_EXPEL:
		return WIRE_LENGTH(expel);
	case OP_PROTECT:
		return WIRE_LENGTH(protect);
	case OP_ALLOC:
		return WIRE_LENGTH(alloc);
	case OP_REDEEM:
		return WIRE_LENGTH(ticket);
	case OP_RECALL:
		return WIRE_LENGTH(recall);
	default:
		return 0;
	}
}

// What the clause writes that matched: the word, and what is chained to it.
static u32
clause_writes(const struct wire_request *request, const u8 *operand, u32 index)
{
	struct wire_clause clause;

	wire_clause_load(&clause, operand + (u64)index * WIRE_LENGTH(clause));
	return request->length +
	       (clause.chain == CHAIN_WRITE ? clause.chain_length : 0);
}

// Likewise the pieces of a PUTV.
static u32
change_writes(const struct wire_request *request, const u8 *operand)
{
	u32 bytes = request->length;
	struct wire_piece piece;

	for (u32 i = 0; i < request->pieces; i++) {
		wire_piece_load(&piece, operand + WIRE_LENGTH(change) +
						(u64)i * WIRE_LENGTH(piece));
		bytes += piece.length;
	}
	return bytes;
}

u32
wire_taken(const struct wire_request *request, const u8 *operand, u32 clause)
{
	switch (request->op) {
	case OP_WRITE:
	case OP_FETCH_ADD:
	case OP_SEND:
	case OP_INVOKE:
	case OP_BLOCK_WRITE:
	case OP_BLOCK_FUA:
		return request->length;
	case OP_MCAS:
		return clause < WIRE_CLAUSES_MAX
			       ? clause_writes(request, operand, clause) : 0;
	case OP_PUTV:
		return clause == WIRE_CLAUSE_NONE ? 0 : change_writes(request, operand);
	default:
		return 0;
	}
}

u8
wire_time_pack(u64 us)
{
	u32 bits, mantissa;

	if (us < 16)
		return (u8)us;
	bits = 64 - (u32)__builtin_clzll(us);
	if (bits > 19)
		return 255;
	mantissa = (u32)(us >> (bits - 5)) & 15;
	return (u8)((bits - 4) << 4 | mantissa);
}

u32
wire_time_unpack(u8 packed)
{
	u32 power = packed >> 4, mantissa = packed & 15;

	return power ? (16 + mantissa) << (power - 1) : mantissa;
}

// A clause's chain; *data becomes the bytes that the longest WRITE wants.
static bool
chain_fits(const struct wire_clause *clause, u32 *data)
{
	if (clause->chain_offset > ~0ull - WIRE_DATA_MAX)
		return false;
	switch (clause->chain) {
	case CHAIN_READ:
		return clause->chain_length <= WIRE_DATA_MAX;
	case CHAIN_WRITE:
		*data = MAX(*data, clause->chain_length);
		return clause->chain_length <= WIRE_SEND_MAX;
	case CHAIN_NOTIFY:
		return clause->chain_length == 4 && !(clause->chain_offset & 3);
	default:
		return false;
	}
}

// MCAS carries one to three clauses, and behind them what a chained WRITE writes.
static bool
clauses_fit(const struct wire_request *request, const u8 *payload, u32 len)
{
	u32 count = wire_pieces(request, len), data = 0;
	struct wire_clause clause;

	if (count < 1 || count > WIRE_CLAUSES_MAX ||
	    len < count * WIRE_LENGTH(clause) ||
	    (request->length != 8 && request->length != 16))
		return false;
	for (u32 i = 0; i < count; i++) {
		wire_clause_load(&clause, payload + (u64)i * WIRE_LENGTH(clause));
		if (!chain_fits(&clause, &data))
			return false;
	}
	return len == count * WIRE_LENGTH(clause) + data;
}

// One to thirteen pieces that lie at `at`, of `most` bytes in all; *sum becomes how
// many.
static bool
pieces_fit(const u8 *at, u32 count, u32 most, u32 *sum)
{
	struct wire_piece piece;

	*sum = 0;
	for (u32 i = 0; i < count; i++) {
		wire_piece_load(&piece, at + (u64)i * WIRE_LENGTH(piece));
		if (!piece.length || piece.length > most - *sum ||
		    piece.offset > ~0ull - WIRE_DATA_MAX)
			return false;
		*sum += piece.length;
	}
	return count >= 1 && count <= WIRE_PIECES_MAX;
}

static bool
readv_fits(const struct wire_request *request, const u8 *payload, u32 len)
{
	u32 sum;

	return len == request->pieces * WIRE_LENGTH(piece) &&
	       pieces_fit(payload, request->pieces, WIRE_DATA_MAX, &sum) &&
	       sum == request->length;
}

static bool
putv_fits(const struct wire_request *request, const u8 *payload, u32 len)
{
	u32 head = WIRE_LENGTH(change) + request->pieces * WIRE_LENGTH(piece), sum;

	return len >= head &&
	       pieces_fit(payload + WIRE_LENGTH(change), request->pieces,
			  WIRE_SEND_MAX, &sum) &&
	       len == head + sum;
}

static bool
alloc_fits(const u8 *payload, u32 len)
{
	struct wire_alloc alloc;

	if (len != WIRE_LENGTH(alloc))
		return false;
	wire_alloc_load(&alloc, payload);
	return alloc.count >= 1 && alloc.count <= WIRE_ALLOC_MAX &&
	       alloc.count <= alloc.range && alloc.range <= WIRE_ALLOC_RANGE;
}

// What belongs to one operation's payload only.
static bool
payload_fits(const struct wire_request *request, const u8 *payload, u32 len)
{
	bool whole = request->flags & WIRE_FLAG_WHOLE;
	u32 data;

	if (likely(request->op == OP_READ))
		return !len && !request->part;
	data = wire_request_data(request);
	if (request->part >= wire_parts(data, whole))
		return false;
	switch (request->op) {
	case OP_MCAS:
		return clauses_fit(request, payload, len);
	case OP_READV:
		return readv_fits(request, payload, len);
	case OP_PUTV:
		return putv_fits(request, payload, len);
	case OP_GRANT:
		return len == data || len == data + WIRE_LENGTH(secret);
	case OP_HOLDERS:
		return !len && (request->length - WIRE_LENGTH(holders)) %
				       WIRE_LENGTH(holder) == 0;
	case OP_ALLOC:
		return alloc_fits(payload, len);
	case OP_BLOCK_TRIM:
	case OP_BLOCK_ZERO:
		return !len && !(request->length & (WIRE_DATA_MAX - 1));
	default:
		return len == wire_part_len(data, whole, request->part);
	}
}

// All but what its payload says.
static bool
request_fits(const struct wire_request *request, u32 len)
{
	if (request->op == 0 || request->op >= OP_COUNT ||
	    request->flags & ~WIRE_FLAGS)
		return false;

	const struct wire_op_info *info = &wire_op_info[request->op];

	if (request->length < info->shortest || request->length > wire_op_longest[request->op] ||
	    request->offset > ~0ull - WIRE_DATA_MAX)
		return false;
	if (request->slot != WIRE_SLOT_NONE && request->slot >> WIRE_SLOT_BITS)
		return false;
	return !(request->flags & WIRE_FLAG_CANCEL) || (len == 0 && request->part == 0);
}

static bool
may_go_together(const struct wire_request *request)
{
	return wire_op_info[request->op].again && !(request->flags & WIRE_FLAG_CANCEL) &&
	       payload_fits(request, NULL, 0);
}

// Several requests of one frame: they change nothing, behind none of them stands anything
// but the next, and each but the last says that there is one. Out of the way of one alone.
static __attribute__((noinline)) bool
further_fit(const struct wire_frame *frame)
{
	struct wire_request request = frame->request;
	const u8 *at = frame->payload, *end = at + frame->payload_len;

	ASSERT(frame->payload_len % WIRE_LENGTH(request) == 0);
	for (; at < end; at += WIRE_LENGTH(request)) {
		if (!(request.flags & WIRE_FLAG_MORE) || !may_go_together(&request))
			return false;
		wire_request_load(&request, at);
		if (!request_fits(&request, 0))
			return false;
	}
	return !(request.flags & WIRE_FLAG_MORE) && may_go_together(&request);
}

bool
wire_payload_fits(const struct wire_frame *frame)
{
	if (frame->header.kind != WIRE_REQUEST)
		return true;
	if (unlikely(frame->request.flags & WIRE_FLAG_MORE))
		return further_fit(frame);
	return frame->request.flags & WIRE_FLAG_CANCEL ||
	       payload_fits(&frame->request, frame->payload, frame->payload_len);
}

// Of a frame with several, the first as if it was alone.
static bool
first_fits(const struct wire_request *request, u32 len)
{
	u32 size = WIRE_LENGTH(request);

	if (likely(!(request->flags & WIRE_FLAG_MORE)))
		return request_fits(request, len);
	return len && len % size == 0 && len / size < WIRE_TOGETHER_MAX &&
	       request_fits(request, 0);
}

static bool
response_fits(const struct wire_response *response, u32 len)
{
	if (response->status >= STATUS_COUNT || response->code >= CODE_COUNT ||
	    response->length > WIRE_DATA_MAX)
		return false;

	bool whole = response->parts == 1;

	return (whole || response->parts == wire_parts(response->length, false)) &&
	       response->part < response->parts &&
	       len == wire_part_len(response->length, whole, response->part);
}

static enum wire_flaw
parse_body(struct wire_frame *frame, const u8 *body)
{
	u32 len = frame->payload_len;

	switch (frame->header.kind) {
	case WIRE_BEACON:
		wire_beacon_load(&frame->beacon, body);
		return len ? WIRE_LENGTH_WRONG : WIRE_FINE;
	case WIRE_HELLO:
		wire_hello_load(&frame->hello, body);
		return len ? WIRE_LENGTH_WRONG : WIRE_FINE;
	case WIRE_IDLE:
		wire_idle_load(&frame->idle, body);
		return WIRE_FINE;	// what follows is padding under the tag
	case WIRE_REQUEST:
		wire_request_load(&frame->request, body);
		return first_fits(&frame->request, len) ? WIRE_FINE : WIRE_SHAPE_WRONG;
	default:
		wire_response_load(&frame->response, body);
		return response_fits(&frame->response, len) ? WIRE_FINE
							    : WIRE_SHAPE_WRONG;
	}
}

enum wire_flaw
wire_parse_hidden(struct wire_frame *frame, const void *bytes, u32 len)
{
	const u8 *at = bytes;

	if (len < WIRE_BODY_AT + WIRE_TAG)
		return WIRE_SHORT;
	if (be16_load(at + 12) != WIRE_ETHERTYPE)
		return WIRE_ALIEN;
	wire_header_load(&frame->header, at + WIRE_ETHERNET);
	if (frame->header.length > len - WIRE_ETHERNET)
		return WIRE_LENGTH_WRONG;
	if (frame->header.version != WIRE_VERSION)
		return WIRE_VERSION_WRONG;

	u32 body = body_len(frame->header.kind);

	if (!body)
		return WIRE_KIND_WRONG;
	if (frame->header.length < WIRE_HEADER + body + WIRE_TAG)
		return WIRE_LENGTH_WRONG;
	frame->tagged = at + WIRE_ETHERNET;
	frame->tagged_len = frame->header.length - WIRE_TAG;
	frame->payload = at + WIRE_BODY_AT + body;
	frame->payload_len = frame->tagged_len - WIRE_HEADER - body;
	frame->tag = le64_load(frame->tagged + frame->tagged_len);
	return parse_body(frame, at + WIRE_BODY_AT);
}

enum wire_flaw
wire_parse(struct wire_frame *frame, const void *bytes, u32 len)
{
	enum wire_flaw flaw = wire_parse_hidden(frame, bytes, len);

	return flaw == WIRE_FINE && !wire_payload_fits(frame) ? WIRE_SHAPE_WRONG : flaw;
}
