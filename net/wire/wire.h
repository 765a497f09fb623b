// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The fabric's frames, made from the tables beside this file. For each STRUCT
// of frames.def there is a struct wire_NAME, its length on the wire, and
// wire_NAME_store() and wire_NAME_load(). wire_parse() is the one parser: what
// it accepts has every length that its kind and operation demand, so that
// nobody behind it measures again. It does not look at tags.
//
//	Ethernet 14 | header 48 | body | payload | tag 8 | (padding)
//
// Stateless, no allocation. docs/protocol/frames.md is the page.

#include "kernel/base/byteorder.h"
#include "kernel/base/types.h"

#define WIRE_ETHERTYPE 0x88b5u
#define WIRE_VERSION 1u
#define WIRE_ETHERNET 14u	// bytes before the header
#define WIRE_TAG 8u		// bytes behind the payload
#define WIRE_NOBODY 0xffffu	// header.sender before an index was given
#define WIRE_SLOT_NONE 0xffffffffu
#define WIRE_SLOT_BITS 24
#define WIRE_DATA_MAX 4096u
#define WIRE_SEND_MAX 1024u
#define WIRE_CLAUSES_MAX 3u
#define WIRE_CLAUSE_NONE 255u
#define WIRE_PIECES_MAX 13u	// so that PUTV's fit where three clauses do
#define WIRE_ALLOC_MAX 16u	// units that one ALLOC takes
#define WIRE_ALLOC_RANGE 4096u	// units that it looks for them in
#define WIRE_HOLDERS_MAX 24u	// of one answer, which is one part
#define WIRE_TOGETHER_MAX 8u	// requests of one frame
#define WIRE_WINDOW 64u		// requests open at a time, of one direction
#define WIRE_REKEY_BITS 28u	// of the sequence, after which a direction's key changes

// An operation's data travel in one part, or in parts of this size: then each
// frame fits a payload of 1500, and a page fits three frames.
#define WIRE_PART 1368u
#define WIRE_PARTS_MAX 3u
#define WIRE_MTU_MIN 1500u
#define WIRE_MTU_MAX 9000u

#define WIRE_FLAG_WHOLE 1u	// one part, whatever the length
#define WIRE_FLAG_CANCEL 2u	// do not run it; say what happened
#define WIRE_FLAG_MORE 4u	// another request follows; both only read, by their bodies alone
#define WIRE_FLAGS 7u

#define WIRE_RIGHT_NONE 0u
#define WIRE_RIGHT_READ 1u	// the bits of kernel/abi/caps.h
#define WIRE_RIGHT_WRITE 2u
#define WIRE_RIGHT_DERIVE 8u
#define WIRE_RIGHTS 11u

enum wire_kind {
#define X(name, body, number, tag, sentence) WIRE_##name = number,
#include "net/wire/kinds.def"
#undef X
};

enum wire_op {
#define X(name, number, type, rights, shortest, longest, repeat, sentence) \
	OP_##name = number,
#include "net/wire/ops.def"
#undef X
	OP_COUNT
};

enum wire_type {
	TYPE_NONE,
#define X(name, number, sentence) TYPE_##name = number,
#include "net/wire/types.def"
#undef X
	TYPE_ANY = 255
};

enum wire_status {
#define X(name, number, sentence) STATUS_##name = number,
#include "net/wire/statuses.def"
#undef X
	STATUS_COUNT
};

enum wire_code {
#define X(name, number, sentence) name = number,
#include "net/wire/codes.def"
#undef X
	CODE_COUNT
};

// Minor versions. What a node may send is what the older one of a session knows.
enum wire_minor {
#define X(minor, name, commit, kinds, ops, codes, flags, vectors) \
	WIRE_RELEASED_##minor = minor,
#include "net/wire/versions.def"
#undef X
	WIRE_MINOR		// ours
};

struct wire_version {
	u8 kinds, ops, codes;	// the last number that it knows of each
	u8 flags;		// of a request
};

extern const struct wire_version wire_version[WIRE_MINOR + 1];

// What follows the swap of an MCAS.
enum wire_chain {
	CHAIN_READ,
	CHAIN_WRITE,
	CHAIN_NOTIFY,
	CHAIN_COUNT
};

// What the table of operations says of one.
struct wire_op_info {
	u8 type;		// enum wire_type
	u8 rights;
	u8 again;		// run it again when it is asked again
	u8 answers_data;	// `length` bytes come back
	u16 shortest;
	u16 reserved;		// eight bytes, so that an index is a scale
};

extern const struct wire_op_info wire_op_info[OP_COUNT];
extern const u32 wire_op_longest[OP_COUNT];	// bound of `length`

// The structures, with natural alignment.
typedef u64 u48;
#define STRUCT(name, sentence) struct wire_##name {
#define FIELD(bits, name, sentence) u##bits name;
#define BYTES(len, name, sentence) u8 name[len];
#define END(name) };
#include "net/wire/frames.def"
#undef STRUCT
#undef FIELD
#undef END

// Their places on the wire: the same fields as bytes, without gaps.
#define STRUCT(name, sentence) struct wire_##name##_layout {
#define FIELD(bits, name, sentence) u8 name[(bits) / 8];
#define END(name) };
#include "net/wire/frames.def"
#undef STRUCT
#undef FIELD
#undef BYTES
#undef END

static inline u8
le8_load(const void *at)
{
	return *(const u8 *)at;
}

static inline void
le8_store(void *at, u8 v)
{
	*(u8 *)at = v;
}

static inline u48
le48_load(const void *at)
{
	return le32_load(at) | (u64)le16_load((const u8 *)at + 4) << 32;
}

static inline void
le48_store(void *at, u48 v)
{
	le32_store(at, (u32)v);
	le16_store((u8 *)at + 4, (u16)(v >> 32));
}

#define STRUCT(name, sentence)						    \
	static inline void						    \
	wire_##name##_store(void *restrict at,				    \
			    const struct wire_##name *restrict v)	    \
	{								    \
		struct wire_##name##_layout *l = at;
#define FIELD(bits, name, sentence) le##bits##_store(l->name, v->name);
#define BYTES(len, name, sentence) __builtin_memcpy(l->name, v->name, len);
#define END(name) }
#include "net/wire/frames.def"
#undef STRUCT
#undef FIELD
#undef BYTES

#define STRUCT(name, sentence)						    \
	static inline void						    \
	wire_##name##_load(struct wire_##name *restrict v,		    \
			   const void *restrict at)			    \
	{								    \
		const struct wire_##name##_layout *l = at;
#define FIELD(bits, name, sentence) v->name = le##bits##_load(l->name);
#define BYTES(len, name, sentence) __builtin_memcpy(v->name, l->name, len);
#include "net/wire/frames.def"
#undef STRUCT
#undef FIELD
#undef BYTES
#undef END

#define WIRE_LENGTH(name) ((u32)sizeof(struct wire_##name##_layout))
#define WIRE_HEADER WIRE_LENGTH(header)
#define WIRE_BODY_AT (WIRE_ETHERNET + WIRE_HEADER)
#define WIRE_OPERAND_MAX (WIRE_CLAUSES_MAX * WIRE_LENGTH(clause))

// The longest frame, with its Ethernet header.
#define WIRE_FRAME_MAX \
	(WIRE_BODY_AT + WIRE_LENGTH(request) + WIRE_DATA_MAX + WIRE_TAG)

// The longest frame for a path that carries `mtu` bytes behind an Ethernet
// header: whole pages where they fit.
#define WIRE_WHOLE_MTU (WIRE_FRAME_MAX - WIRE_ETHERNET)

STATIC_ASSERT(sizeof(struct wire_header_layout) == 48);
STATIC_ASSERT(WIRE_HEADER + WIRE_LENGTH(request) + WIRE_PART + WIRE_TAG <=
	      WIRE_MTU_MIN);
STATIC_ASSERT(WIRE_PART * WIRE_PARTS_MAX >= WIRE_DATA_MAX);
STATIC_ASSERT(WIRE_PART % 8 == 0);
STATIC_ASSERT(WIRE_LENGTH(change) + WIRE_PIECES_MAX * WIRE_LENGTH(piece) <=
	      WIRE_OPERAND_MAX);
STATIC_ASSERT(WIRE_OPERAND_MAX + WIRE_SEND_MAX <= WIRE_PART);
STATIC_ASSERT(WIRE_LENGTH(ticket) <= WIRE_OPERAND_MAX);
STATIC_ASSERT(WIRE_LENGTH(holders) + WIRE_HOLDERS_MAX * WIRE_LENGTH(holder) <=
	      WIRE_PART);

// Why a frame is not one of ours, or not well formed.
enum wire_flaw {
	WIRE_FINE,
	WIRE_SHORT,		// ends before its header, body or tag does
	WIRE_ALIEN,		// another EtherType
	WIRE_LENGTH_WRONG,	// header.length disagrees with the frame or the kind
	WIRE_VERSION_WRONG,
	WIRE_KIND_WRONG,
	WIRE_SHAPE_WRONG,	// a field outside its domain
};

struct wire_frame {
	struct wire_header header;
	union {
		struct wire_beacon beacon;
		struct wire_hello hello;
		struct wire_idle idle;
		struct wire_request request;
		struct wire_response response;
	};
	const u8 *tagged;	// header, body and payload: what the tag is over
	u32 tagged_len;
	const u8 *payload;
	u32 payload_len;
	u64 tag;
};

// Reads a frame of `len` bytes, Ethernet header included. The frame's memory
// is referred to afterwards.
must_check enum wire_flaw
wire_parse(struct wire_frame *frame, const void *bytes, u32 len);

// The same of a frame whose payload cannot be read yet (net/link/hide.c): it is not looked
// at, and wire_payload_fits() is to be asked when it can.
must_check enum wire_flaw
wire_parse_hidden(struct wire_frame *frame, const void *bytes, u32 len);
must_check bool
wire_payload_fits(const struct wire_frame *frame);

// Parts that `length` bytes of data travel in; where each begins, and its bytes.
// A part exists even when there are no data.
static inline u32
wire_parts(u32 length, bool whole)
{
	return whole || length <= WIRE_PART ? 1 : length <= 2 * WIRE_PART ? 2 : 3;
}

static inline u64
wire_part_at(u32 part)
{
	return (u64)part * WIRE_PART;
}

static inline u32
wire_part_len(u32 length, bool whole, u32 part)
{
	u32 rest = length - part * WIRE_PART;

	return whole ? length : MIN(rest, WIRE_PART);
}

// How long an owner worked, in one byte: microseconds as they are below 16, above
// as a number of five bits (the first is 1) times a power of two. Within a sixteenth,
// up to half a second; what is longer is as long as that.
u8
wire_time_pack(u64 us);
u32
wire_time_unpack(u8 packed);

// Clauses or pieces before the data of a request with `len` bytes of payload.
static inline u32
wire_pieces(const struct wire_request *request, u32 len)
{
	return request->pieces ? request->pieces : len / WIRE_LENGTH(clause);
}

// Bytes of data that a request for this operation carries in all its parts;
// those of operations with an operand are the operand, always one part. What the
// payload of MCAS, READV and PUTV is, it says itself: also one part.
must_check u32
wire_request_data(const struct wire_request *request);

// Bytes of data that the owner took of an operation that ran: written to memory or a
// disk, or delivered. `operand` is its payload, or as much of it as stands before data;
// `clause` is the one that matched.
must_check u32
wire_taken(const struct wire_request *request, const u8 *operand, u32 clause);

// The sentence for a code, for people.
const char *
wire_code_text(u32 code);
const char *
wire_op_name(u32 op);
