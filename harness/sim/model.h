// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The oracle: what each operation may do and answer, judged without the cores.
//
// It is told three things: an operation was submitted; bytes of a page or block
// changed; an operation was answered. It keeps every operation of a seed and
// demands, with the history of all bytes and the table of authority:
//
//   M1  each change is the effect of exactly one operation, whole, that is
//       allowed it at that moment: its capability is good, its node's boot is
//       current or within its lease, it has not been answered, and no earlier one
//       is open that it is fenced from
//   M2  nothing but READ, BLOCK_READ and the parts of a WRITE has effect twice
//   M3  DONE: it had its effect, and each byte of its answer was so at some
//       moment between submission and answer, all at the same one
//   M4  NOT_DONE: it had no effect, and the code's reason was true
//   M5  UNKNOWN_FINAL: nothing of it happens from now on
//   M6  an operation that was refused was not allowed
//   M7  rights and ranges only shrink; what came out of a pool is one's alone; a
//       ticket is redeemed once, and by whom it names
//
// A broken demand is told to model_failed(), the run's.

#include "harness/sim/authority.h"
#include "harness/sim/history.h"
#include "harness/sim/trace.h"

#define MODEL_OPS_MAX 65536u
#define CLAUSES_MAX 3u
#define NO_CLAUSE 0xffu
#define PIECES_MAX 4u
#define OWN_SLOT 0xffffffffu	// PROTECT: of the capability itself
#define TICKETS_OUT 32u		// of one capability, that an owner tells apart

enum model_kind {
	DO_READ, DO_WRITE, DO_MCAS, DO_ADD, DO_NOTIFY, DO_SEND,
	DO_BLOCK_READ, DO_BLOCK_WRITE, DO_FLUSH, DO_DERIVE, DO_REVOKE, DO_DROP,
	DO_PUTV, DO_INVOKE, DO_HOLDERS, DO_EXPEL, DO_PROTECT, DO_ALLOC, DO_REDEEM,
	DO_RELEASE,
	DO_KINDS
};

enum model_outcome { OPEN, DONE, NOT_DONE, UNKNOWN_FINAL, ORPHAN };

// Why an operation was refused, whatever code said so.
enum model_reason {
	WHY_NONE,
	WHY_SLOT,		// no such capability: never was, or gone
	WHY_HOLDER,		// another's
	WHY_LIFE,		// of another life of its owner than is known
	WHY_REVOKED,
	WHY_RIGHTS,
	WHY_TYPE,
	WHY_RANGE,
	WHY_SESSION,		// no session to send it in, or it ended
	WHY_CANCELLED,
	WHY_ROOM,		// a table or buffer of the owner's was full
	WHY_ARGUMENT,		// it makes no sense
	WHY_DEVICE,		// the disk failed
	WHY_ENTRY,		// what it names was not derived from the capability
	WHY_TICKET,		// the ticket is not as its maker made it
	WHY_EXPIRED,		// its time is over
	WHY_SPENT,		// it was redeemed before, or many later ones were
	WHY_MAKER,		// its maker lives another life
	WHY_COUNT
};

struct model_clause {
	u64 compare[2], compare_mask[2], swap[2], swap_mask[2];
	u64 chain_offset;
	u32 chain_len;		// what is read when it matched
};

// Bytes from the operation's offset on.
struct model_piece {
	u32 offset, len;
};

struct model_op {
	enum model_kind kind;
	enum model_outcome outcome;
	enum model_reason reason;
	struct party by;
	u32 owner, owner_boot;
	u32 cap;		// row of authority; AUTHORITY_NONE: a forged one
	u32 slot, generation;	// what it named the capability by
	bool forged;		// there is no such capability: it must be refused
	bool early;		// there was none when it was submitted
	bool cancelled;		// the requester asked to cancel it
	bool fenced;		// not before all earlier ones of its queue to that node
	u32 queue;
	u64 offset;		// bytes from the first of the capability's units
	u32 len;
	u64 submitted, ended;
	u64 payload;		// seed of the bytes that it writes
	u64 add;
	struct model_clause clause[CLAUSES_MAX];
	u32 clauses;
	struct model_piece piece[PIECES_MAX];	// of PUTV; its clause only compares
	u32 pieces;
	struct party to;	// of DERIVE and REDEEM: for whom
	u32 rights, base, count;	// of these and of ALLOC: what. PROTECT: what stays
	u32 range;		// of ALLOC: units from base on that may be taken
	u32 named, named_generation;	// of EXPEL and PROTECT: which entry
	u32 serial;		// of REDEEM: the ticket's, among those of its row
	u64 good_until;		// of REDEEM: its time is over then, by any clock
	u32 effects;
	u8 matched;		// by the effect: which clause
	u64 old[2];		// by the effect: the word before
	u64 told;		// by its answer: that word, or the first that was read
	bool unmatched;		// by its answer: no clause matched
	u64 placed[UNIT / 64];	// of a WRITE: a bit for each byte
};

// What an answer carried.
struct model_answer {
	enum model_outcome outcome;
	enum model_reason reason;
	u64 old[2];
	u8 clause;
	const u8 *bytes;	// of a READ, or of an MCAS's chained one
	u32 len;
	const struct model_holder *holder;	// of HOLDERS
	u32 holders;
	u32 next;		// where to go on; 0: that was all
};

// Who holds something, as HOLDERS tells.
struct model_holder {
	u32 slot, generation;
	struct party party;
	u32 rights, base, count;
};

struct model {
	struct trace *trace;
	struct authority authority;
	struct history history;
	struct store *store;	// [node * STORE_COUNT + enum model_store]
	const u32 *boot;	// of each node, the host's
	u64 lease_ns;		// longest time that a dead boot's requests may have effect
	u32 nodes;
	u32 first_open;		// no operation before it is open
	u64 passed;		// of the change that is being judged
	u32 ops;
	u64 answered[DO_KINDS][ORPHAN + 1];
	u64 refused[WHY_COUNT];
	struct model_op op[MODEL_OPS_MAX];
};

void
model_init(struct model *model, struct trace *trace, struct store *store,
	   u32 nodes, u8 *history_bytes);

// Rights that an operation needs of its capability.
u32
model_rights(enum model_kind kind);

// Registers an operation, OPEN from now. Returns its number.
u32
model_submit(struct model *model, const struct model_op *op);

// The core did not take it: it never was.
void
model_withdrawn(struct model *model, u32 op);

void
model_answered(struct model *model, u32 op, const struct model_answer *answer);

// Compares a node's pages or blocks with the shadow and judges what changed. Its
// authority was good at `passed`: now, but for a block that was on its way to the
// disk when its capability was revoked.
void
model_look(struct model *model, u32 node, enum model_store kind, u64 passed);

// What changed there was changed by the node's own programs: it is so.
void
model_wrote(struct model *model, u32 node, enum model_store kind);

// The node lost its power: its disk holds at least what was flushed, and from
// now on what it holds is so.
void
model_power_cut(struct model *model, u32 node);

// A message reached its reader; or the program behind an endpoint, which told that.
void
model_delivered(struct model *model, u32 node, u32 op, const u8 *bytes, u32 len);
void
model_invoked(struct model *model, u32 node, u32 op, const u8 *bytes, u32 len,
	      const u64 result[2]);

// There is a new row: who named it before it was may now have it.
void
model_row_made(struct model *model, u32 row);

// A capability (the new row) was derived for a remote holder from one that a
// remote holder has; or was and is gone already, since nobody could be told of it, and
// is no row; what came from a row was revoked, or the row itself, by a message.
void
model_derived(struct model *model, u32 row);
void
model_derived_away(struct model *model, const struct authority_cap *made);
void
model_revoked(struct model *model, u32 row, bool self);

// A message took rights away from a row, or what lies behind its first units.
void
model_protected(struct model *model, u32 row, u32 rights);
void
model_shortened(struct model *model, u32 row, u32 keep);

// A node starts anew: what it had open nobody is told of any more.
void
model_crashed(struct model *model, u32 node);

// How many bytes an operation writes, and the byte at `at` of them.
u32
model_payload_len(const struct model_op *op);
u8
model_byte(const struct model_op *op, u32 at);
void
model_payload(const struct model_op *op, u8 *bytes);

const char *
model_kind_word(enum model_kind kind);
const char *
model_reason_word(enum model_reason reason);

// Reports a broken demand, with the operation (or MODEL_OPS_MAX) that it is
// about. Does not return. Supplied by the run, or by a test.
noreturn_ void
model_failed(const struct model *model, u32 op, const char *what);
