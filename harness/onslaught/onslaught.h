// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// An onslaught on one node of the fabric. Three nodes of the tests' rig: the victim,
// an intruder, and an honest holder whose work must go on. The intruder is a stranger
// on the wire, who has captures and no key, or a member of the cluster, whose kernel
// seals whatever it likes under its own keys.
//
//	forge.c		frames: captured, altered, made up, sealed
//	handed.c	tickets, and what owners say to holders; whose the exports are
//	rows.c		what is tried, a function a row of docs/attacks.md
//	main.c		rounds, the judgement after each, the command line
//
// A round is a fresh rig; a failure names its seed.

#include "net/link/state.h"
#include "net/rcap/test_rig.h"

#define VICTIM 0u
#define INTRUDER 1u
#define HONEST 2u
#define NODES 3u
#define ENV 7u			// the environment that holds, on the intruder's node
#define ENV_HONEST 9u
#define ENV_VICTIM 5u		// that holds what both others have granted

// The victim's memory, in pages.
#define LANDS_AT 1u		// where messages to its endpoint land
#define LENT_AT 8u		// to the intruder
#define LENT 4u
#define READ_AT 24u		// lent to it for reading
#define READ_PAGES 2u
#define READ_RIGHTS ((u32)WIRE_RIGHT_READ | WIRE_RIGHT_DERIVE)
#define POOL_AT 28u		// a pool: it takes pages out of it
#define POOL 3u
#define HONEST_AT 16u
#define HONEST_PAGES 4u
#define HONEST_RIGHTS (3u | WIRE_RIGHT_DERIVE)
#define BLOCKS_AT 4u		// of its disk, lent to the intruder
#define BLOCKS 3u

#define CORPUS_MAX 4096u

struct onslaught {
	struct rig rig;
	struct prng prng;
	u64 seed;
	u32 frames_place, blocks_place, endpoint_place;	// of the intruder
	u32 read_place;		// frames that it may only read
	u32 pool_place;
	u32 honest_place;
	u32 granted_place;	// of the victim: what the intruder has granted it; what comes
				// behind it was granted since
	u32 lent_places;	// of the intruder: behind them is what it has derived
	u32 asked_seen;		// of what the victim was asked for
	u8 ticket[WIRE_LENGTH(ticket)];		// of the honest node, for itself
	u32 honest_session;	// the victim's, with the honest node
	u64 added;		// that the honest node has added to its word
	u8 shadow[RIG_PAGES * 4096];
	u32 corpus;		// captured frames, in rig.captured
};

struct tally {
	u64 frames;
	u64 counted;		// dropped, by any reason
	u64 refused, executed;	// of those that were requests
	u64 code[CODE_COUNT], ran[OP_COUNT];
	u64 dropped[LINK_DROP_COUNT];
};

// What a row does: at most `frames` in this round.
typedef void (*row_run)(struct onslaught *o, struct tally *tally, u64 frames);

struct row {
	const char *name, *sentence;
	row_run run;
	u32 of_1000;		// its share of the frames; 0: of the guesses
};

extern const struct row rows[];
extern const u32 row_count;

// Ends the program with the seed and what was wrong.
_Noreturn void
onslaught_failed(const struct onslaught *o, const char *what);

// Makes a round: sessions, capabilities, a corpus of an honest conversation.
void
onslaught_begin(struct onslaught *o, u64 seed);
void
onslaught_end(struct onslaught *o);

// The victim holds what it must, and the honest node goes on.
void
onslaught_judge(struct onslaught *o);

// Puts a frame in front of the victim; all that it counts goes into the tally.
void
onslaught_deliver(struct onslaught *o, struct tally *tally, const u8 *frame, u32 len);

// Lets everything that is under way arrive.
void
onslaught_settle(struct onslaught *o);

// ---- forge.c

// A captured frame to the victim, altered: never the same as it was. Returns its length.
u32
forge_altered(struct onslaught *o, u8 *frame);

// Noise; mostly with the fabric's EtherType, a kind, and a length that fits.
u32
forge_noise(struct onslaught *o, u8 *frame);

// A frame of the intruder's session, sealed: an operation with fields drawn at random,
// an answer, an IDLE or a greeting, altered before it is sealed.
u32
forge_sealed(struct onslaught *o, u8 *frame);

// An operation by the intruder's capability for frames, well formed.
u32
forge_use(struct onslaught *o, u8 *frame);

// An operation by a capability that the intruder does not have.
u32
forge_guess(struct onslaught *o, u8 *frame);

// ---- handed.c

// After the capabilities of a round: the honest node's ticket, and grants to the victim.
void
handed_begin(struct onslaught *o);

// The operands of GRANT, DERIVE, REDEEM and RECALL; their lengths. What a RELEASE keeps.
u32
handed_grant(struct onslaught *o, u8 *at);
u32
handed_derive(struct onslaught *o, u8 *at);
u32
handed_ticket(struct onslaught *o, u8 *at);
u32
handed_recall(struct onslaught *o, u8 *at);
u64
handed_release(struct onslaught *o);

// A place of the intruder's that it has itself derived, or with `others` mostly none
// (RCAP_NONE): then the honest node's name stands in for it.
u32
handed_place(struct onslaught *o, bool others);
void
handed_stolen(struct onslaught *o, struct wire_request *body);

// Whatever the victim was asked for was asked by who has granted it.
void
handed_asked(struct onslaught *o);

// Nobody holds what nobody gave, and the honest node's ticket is good once.
void
handed_judge(struct onslaught *o);
