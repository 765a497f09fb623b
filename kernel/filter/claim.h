// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Who may receive and send what, as a sans-IO core: the claims that rings make on
// frames, the rules by which a new one is let in, and the trie that finds the ring of
// a frame.
//
// A ring has at most RING_FILTERS_MAX claims to receive and one to send, all for its
// address. Two claims of the same direction and address *meet* when there is a frame
// that both accept. A new claim may meet one of another ring only if it lies within
// it, and its maker shows authority over the other ring: by a capability for that
// ring (the *guard*), or by one for a ring whose own claim the new one lies within,
// which itself was let in under the other. Everything else that meets is refused:
// claims that overlap by halves, and those wider than one that is there.
//
// So claims that meet are ordered, each within the next, and a frame goes to the
// narrowest; of equal ones to the newest, which was let in by the older. A claim
// stands on the one that let it in and on the guard: it goes when either goes. One
// within another of the same ring stands on what that one stands on.
//
// Invariants, checked by check_rig.c:
//   M1  of two claims that meet, of different rings, the newer lies within the older,
//       or did when it was let in (what a ring sends may be narrowed later)
//   M2  the claim that another stands on is in use, older, of the same direction and
//       address, and the other lies within it
//   M3  the trie holds claims to receive, each unless no frame can meet it under its
//       address nor to a group
//
// Bounds: letting in looks at all claims (CLAIMS_MAX) once; an end at most once for
// each claim that ends with it.

#include "kernel/filter/filter.h"
#include "kernel/filter/trie.h"

#define CLAIMS_A_RING (RING_FILTERS_MAX + 1u)
#define CLAIM_SEND RING_FILTERS_MAX	// index of a ring's claim to send
#define CLAIMS_MAX (RINGS_MAX * CLAIMS_A_RING)
#define CLAIM_NONE 0xffffffffu
#define RING_NONE 0xffffffffu
#define CLAIM_UNGUARDED 0xffffffffu	// no capability's node

struct claim {
	bool used;
	u32 under;		// claim that it stands on, or CLAIM_NONE
	u32 guard;		// node of the capability shown, or CLAIM_UNGUARDED
	u64 mac;		// egress_mac()
	u64 number;		// counts claims: the newer has the greater
	struct filter filter;
};

struct claims {
	u64 next_number;
	struct claim claim[CLAIMS_MAX];	// index: ring * CLAIMS_A_RING + index in it
	struct trie trie;
};

// No claims; `key` is any number that nobody can guess.
void
claims_init(struct claims *c, u64 key);

// What a ring asks for, and what is shown for it.
struct claim_wish {
	u32 ring;
	bool sends;
	u64 mac;
	struct filter filter;
	u32 over;		// another ring, that authority is shown over, or RING_NONE
	u32 guard;		// node of the capability that shows it
};

// May it be let in? 0, and *under is set; -E_TAKEN when it meets others' claims
// otherwise than the rules allow.
must_check i64
claims_may(const struct claims *c, const struct claim_wish *w, u32 *under);

// A free place for a claim to receive of a ring: its index, or CLAIM_NONE.
must_check u32
claims_room(const struct claims *c, u32 ring);

// Lets it in at that index of the ring, which is free (CLAIM_SEND for sending);
// claims_may() has just said so.
void
claims_let_in(struct claims *c, const struct claim_wish *w, u32 index, u32 under);

// Narrows a claim to send, if the ring has one.
void
claims_narrow(struct claims *c, u32 ring, const struct filter *narrowed);

// A claim ends, and all that stand on it. Returns the rings that lost one, as bits.
u32
claims_end(struct claims *c, u32 ring, u32 index);

// All claims of a ring end.
u32
claims_end_ring(struct claims *c, u32 ring);

// The capability of that node is gone: what it guarded ends.
u32
claims_end_guarded(struct claims *c, u32 guard);

must_check bool
claims_has(const struct claims *c, u32 ring, u32 index);

// How many claims to receive a ring has.
must_check u32
claims_filters(const struct claims *c, u32 ring);

// The rings that receive the frame that begins with these FILTER_WINDOW bytes, as
// bits: at most one if it is for one address.
must_check static inline u32
claims_takers(const struct claims *c, const u8 *window)
{
	u32 entry;

	if (window[0] & 1)
		return trie_group(&c->trie, window);
	entry = trie_one(&c->trie, window);
	return entry == TRIE_NIL ? 0 : 1u << entry / RING_FILTERS_MAX;
}
