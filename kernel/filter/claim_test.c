// SPDX-License-Identifier: BSD-2-Clause
// links: kernel/filter/claim.c kernel/filter/trie.c kernel/filter/filter.c
// links: kernel/filter/check_rig.c harness/testing/host_assert.c
//
// Claims against a model that knows no masks, no trie and no order: a list of claims,
// each with its atoms, asked one after the other for every frame of a small universe.
// The model records who showed authority over whom, and demands of every frame: it
// goes to a ring that accepts it, and never past a ring that accepts it to one that
// has no authority over that ring. SEED=n replays a run.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/testing/seed.h"
#include "kernel/abi/errors.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/prng.h"
#include "kernel/filter/check_rig.h"
#include "kernel/filter/claim.h"
#include "kernel/filter/egress.h"
#include "kernel/filter/oracle_rig.h"

#define BITS 7u
#define FRAMES (1u << BITS)
#define HISTORIES 40
#define STEPS 400
#define MACS 2u
#define RINGS 6u

// One thing that a model knows of a claim.
struct known {
	bool used;
	u32 mac;
	u32 guard;
	u32 atom_count;
	struct ring_atom atom[4];
	u64 over;		// rings that it was let in over, as bits
	u32 stands_on;		// claim, or CLAIM_NONE
};

static struct claims claims;
static struct known known[CLAIMS_MAX];
static struct prng prng;
static u32 next_guard;

// Bytes and bits that matter: in the addresses, the type, and both ends of words.
static const struct {
	u8 byte;
	u8 bit;
} universe[BITS] = {
	{ 5, 2 }, { 6, 7 }, { 12, 3 }, { 13, 0 }, { 23, 4 }, { 36, 1 }, { 63, 5 },
};

static u32
below(u32 bound)
{
	return (u32)prng_below(&prng, bound);
}

static void
frame_of(u8 *frame, u32 assignment)
{
	memset(frame, 0, FILTER_WINDOW);
	for (u32 i = 0; i < BITS; i++) {
		if (assignment >> i & 1)
			frame[universe[i].byte] |= (u8)(1u << universe[i].bit);
	}
}

static u64
mac_of(u32 index)
{
	u8 mac[6] = { 2, 0, 0, 0, 0, (u8)(index << universe[0].bit) };

	return egress_mac(mac);
}

// Atoms over the universe, few bits each, so that claims meet often.
static u32
random_atoms(struct ring_atom *atoms)
{
	u32 count = below(4);

	for (u32 i = 0; i < count; i++) {
		u32 which = below(BITS), offset = MIN(universe[which].byte, 60u);
		u8 word[FILTER_WINDOW] = { 0 };

		word[universe[which].byte] = (u8)(1u << universe[which].bit);
		atoms[i] = (struct ring_atom){ offset, be32_load(word + offset), 0 };
		atoms[i].value = below(2) ? atoms[i].mask : 0;
	}
	return count;
}

static bool
accepts(const struct known *k, const u8 *frame)
{
	return k->used && oracle_accepts(k->atom, k->atom_count, frame, FILTER_WINDOW);
}

// Rings with a claim to receive that accepts, under an address or any.
static u32
takers(u32 mac, const u8 *frame)
{
	u32 rings = 0;

	for (u32 i = 0; i < CLAIMS_MAX; i++) {
		if (i % CLAIMS_A_RING != CLAIM_SEND && accepts(&known[i], frame) &&
		    (mac == MACS || known[i].mac == mac))
			rings |= 1u << i / CLAIMS_A_RING;
	}
	return rings;
}

// May `ring` have frames that `other` accepts: does it have one of its claims that
// accepts this frame from it?
static bool
let_in_over(u32 ring, u32 other, u32 mac, const u8 *frame)
{
	for (u32 i = 0; i < CLAIM_SEND; i++) {
		const struct known *k = &known[ring * CLAIMS_A_RING + i];

		if (accepts(k, frame) && k->mac == mac && k->over >> other & 1)
			return true;
	}
	return false;
}

static void
check_frame(u32 assignment)
{
	u8 frame[FILTER_WINDOW];

	for (u32 mac = 0; mac < MACS; mac++) {
		u64 target = mac_of(mac);

		frame_of(frame, assignment);
		memcpy(frame, &target, 6);

		u32 may = takers(mac, frame), bits = claims_takers(&claims, frame);
		u32 got = (u32)__builtin_ctz(bits | 1u << 31);

		if (!may) {
			assert_int_equal(bits, 0);
			continue;
		}
		assert_int_equal(bits, 1u << got);
		assert_true(got < RINGS && may >> got & 1);
		for (u32 other = 0; other < RINGS; other++) {
			if (other != got && may >> other & 1)
				assert_true(let_in_over(got, other, mac, frame));
		}
	}
	frame_of(frame, assignment);
	frame[0] |= 1;
	assert_int_equal(claims_takers(&claims, frame), takers(MACS, frame));
}

static void
compare(void)
{
	claims_check(&claims);
	for (u32 i = 0; i < CLAIMS_MAX; i++)
		assert_int_equal(claims.claim[i].used, known[i].used);
	for (u32 i = 0; i < FRAMES; i++)
		check_frame(i);
}

// ---- what a history does ----

// Every frame, in words of the model: do both accept one?
static bool
meet(const struct known *a, const struct known *b, bool *within)
{
	bool both = false;
	u8 frame[FILTER_WINDOW];

	*within = true;
	for (u32 i = 0; i < FRAMES; i++) {
		frame_of(frame, i);
		bool in_a = accepts(a, frame), in_b = accepts(b, frame);

		both |= in_a && in_b;
		*within &= !in_a || in_b;
	}
	return both;
}

// Is every claim of others that this one meets one that it has authority over: the
// ring shown, or what a claim around this one of that ring or its own is let in over?
static bool
model_may(const struct known *k, u32 ring, bool send, u32 shown, u64 *over)
{
	bool within, may = true;

	*over = 0;
	for (u32 i = 0; i < CLAIMS_MAX; i++) {
		u32 owner = i / CLAIMS_A_RING;

		if (!known[i].used || (i % CLAIMS_A_RING == CLAIM_SEND) != send ||
		    known[i].mac != k->mac || (owner != shown && owner != ring))
			continue;
		if (meet(k, &known[i], &within) && within)
			*over |= known[i].over | (owner == shown ? 1u << shown : 0);
	}
	for (u32 i = 0; i < CLAIMS_MAX; i++) {
		u32 owner = i / CLAIMS_A_RING;

		if (!known[i].used || (i % CLAIMS_A_RING == CLAIM_SEND) != send ||
		    known[i].mac != k->mac || owner == ring)
			continue;
		if (meet(k, &known[i], &within))
			may &= within && *over >> owner & 1;
	}
	return may;
}

static u32 let_in, turned_away;

static void
wish(void)
{
	struct claim_wish w = {
		.ring = below(RINGS),
		.sends = below(4) == 0,
		.over = below(2) ? below(RINGS) : RING_NONE,
		.guard = next_guard++,
	};
	struct known k = { .used = true, .mac = below(MACS), .guard = w.guard };
	u32 under, index = w.sends ? CLAIM_SEND : claims_room(&claims, w.ring);
	bool may;

	// All claims of a ring are for its address.
	k.mac = w.ring % MACS;
	k.atom_count = random_atoms(k.atom);
	w.filter = (struct filter){ 0 };
	if (!filter_add(&w.filter, k.atom, k.atom_count) || index == CLAIM_NONE ||
	    known[w.ring * CLAIMS_A_RING + index].used)
		return;
	if (w.over == w.ring)
		w.over = RING_NONE;
	w.mac = mac_of(k.mac);
	may = model_may(&k, w.ring, w.sends, w.over, &k.over);

	i64 result = claims_may(&claims, &w, &under);

	assert_true(result == 0 || result == -E_TAKEN);
	// The rules are stricter than the model where claims of one ring overlap.
	if (result == 0)
		assert_true(may);
	let_in += result == 0;
	turned_away += result != 0;
	if (result)
		return;
	claims_let_in(&claims, &w, index, under);
	k.stands_on = claims.claim[w.ring * CLAIMS_A_RING + index].under;
	k.guard = claims.claim[w.ring * CLAIMS_A_RING + index].guard;
	known[w.ring * CLAIMS_A_RING + index] = k;
}

// Forgets what ended, and what stood on it; returns the rings.
static u32
model_end(u32 claim)
{
	u32 rings = 1u << claim / CLAIMS_A_RING;

	if (!known[claim].used)
		return 0;
	known[claim].used = false;
	for (u32 i = 0; i < CLAIMS_MAX; i++) {
		if (known[i].used && known[i].stands_on == claim)
			rings |= model_end(i);
	}
	return rings;
}

static void
end_something(void)
{
	u32 ring = below(RINGS), index = below(CLAIMS_A_RING), rings = 0;
	u32 guard = below(next_guard);

	switch (below(3)) {
	case 0:
		if (!known[ring * CLAIMS_A_RING + index].used)
			return;
		rings = model_end(ring * CLAIMS_A_RING + index);
		assert_int_equal(claims_end(&claims, ring, index), rings);
		return;
	case 1:
		if (below(4))
			return;
		for (u32 i = 0; i < CLAIMS_A_RING; i++)
			rings |= model_end(ring * CLAIMS_A_RING + i);
		assert_int_equal(claims_end_ring(&claims, ring), rings);
		return;
	default:
		guard = below(2) ? guard : next_guard - 1;
		for (u32 i = 0; i < CLAIMS_MAX; i++) {
			if (known[i].guard == guard)
				rings |= model_end(i);
		}
		assert_int_equal(claims_end_guarded(&claims, guard), rings);
	}
}

static void
histories(void **state)
{
	(void)state;
	for (u32 h = 0; h < HISTORIES; h++) {
		claims_init(&claims, prng_u64(&prng));
		memset(known, 0, sizeof(known));
		next_guard = 1;
		for (u32 s = 0; s < STEPS; s++) {
			if (below(3))
				wish();
			else
				end_something();
			if (s % 8 == 0)
				compare();
		}
		for (u32 ring = 0; ring < RINGS; ring++)
			claims_end_ring(&claims, ring);
		memset(known, 0, sizeof(known));
		compare();
		assert_int_equal(claims.trie.node[TRIE_ONE].tests, TRIE_NIL);
		assert_int_equal(claims.trie.node[TRIE_GROUP].tests, TRIE_NIL);
	}
	assert_true(let_in > 1000 && turned_away > 1000);
}

// ---- the rules, one by one ----

static struct claim_wish
for_port(u32 ring, u32 port, u32 over)
{
	struct ring_atom port_80[] = {
		{ 12, 0xffff0000, 0x08000000 }, { 20, 0xff, 17 },
		{ 36, 0xffff0000, port << 16 },
	};
	struct claim_wish w = {
		.ring = ring, .mac = mac_of(0), .over = over, .guard = 100 + ring,
	};

	w.filter = (struct filter){ 0 };
	assert_true(filter_add(&w.filter, port_80, port ? 3 : 2));
	return w;
}

static i64
ask(struct claim_wish w)
{
	u32 under, index = claims_room(&claims, w.ring);
	i64 result = claims_may(&claims, &w, &under);

	if (result == 0)
		claims_let_in(&claims, &w, index, under);
	return result;
}

static u32
receiver(u32 port)
{
	u8 frame[FILTER_WINDOW] = { 2, 0, 0, 0, 0, 0 };

	be16_store(frame + 12, 0x0800);
	frame[23] = 17;
	be16_store(frame + 36, (u16)port);
	return claims_takers(&claims, frame) ? (u32)__builtin_ctz(claims_takers(&claims, frame))
					     : RING_NONE;
}

static void
rules(void **state)
{
	struct claim_wish half;

	(void)state;
	claims_init(&claims, 7);
	assert_int_equal(ask(for_port(0, 0, RING_NONE)), 0);	// all UDP
	assert_int_equal(ask(for_port(1, 80, RING_NONE)), -E_TAKEN);
	assert_int_equal(ask(for_port(1, 80, 2)), -E_TAKEN);	// of a ring without
	assert_int_equal(ask(for_port(1, 80, 0)), 0);
	assert_int_equal(receiver(80), 1);
	assert_int_equal(receiver(81), 0);
	// Identical: by authority over the ring that has it, not over the wider one.
	assert_int_equal(ask(for_port(2, 80, 0)), -E_TAKEN);
	assert_int_equal(ask(for_port(2, 80, 1)), 0);
	assert_int_equal(receiver(80), 2);
	// Through a ring that has less, nothing of the wider one's is to be had.
	assert_int_equal(ask(for_port(3, 443, 1)), -E_TAKEN);
	assert_int_equal(ask(for_port(3, 0, 1)), -E_TAKEN);	// wider than what is
	half = for_port(3, 0, 0);
	half.filter = (struct filter){ .mask = { 0, 0, 0, 0, ~0ull }, };
	assert_int_equal(ask(half), -E_TAKEN);			// by halves
	// Another address is another's business.
	half.mac = mac_of(1);
	assert_int_equal(ask(half), 0);
	// The owner hands out a second port and takes the first back.
	assert_int_equal(ask(for_port(3, 443, 0)), 0);
	assert_int_equal(claims_end_guarded(&claims, 101), 1u << 1 | 1u << 2);
	assert_int_equal(receiver(80), 0);
	assert_int_equal(receiver(443), 3);
	assert_int_equal(claims_end_ring(&claims, 0), 1u << 0 | 1u << 3);
	assert_int_equal(receiver(443), RING_NONE);
}

// A ring may put a narrower claim beside a wider one and give the wider up.
static void
own_claims(void **state)
{
	struct claim_wish again = for_port(1, 80, RING_NONE);

	(void)state;
	claims_init(&claims, 7);
	assert_int_equal(ask(for_port(0, 0, RING_NONE)), 0);
	assert_int_equal(ask(for_port(0, 80, RING_NONE)), 0);
	claims_end(&claims, 0, 0);
	assert_int_equal(receiver(80), 0);
	assert_int_equal(receiver(81), RING_NONE);
	assert_int_equal(ask(for_port(1, 81, RING_NONE)), 0);
	claims_check(&claims);

	// What it was handed stays what it was handed, however often it says it again.
	claims_init(&claims, 7);
	assert_int_equal(ask(for_port(0, 0, RING_NONE)), 0);
	assert_int_equal(ask(for_port(1, 80, 0)), 0);
	again.guard = CLAIM_UNGUARDED;
	assert_int_equal(ask(again), 0);
	claims_end(&claims, 1, 0);
	assert_int_equal(receiver(80), 1);
	assert_int_equal(claims_end_guarded(&claims, 101), 1u << 1);
	assert_int_equal(receiver(80), 0);
}

static i64
ask_to_send(struct claim_wish w)
{
	u32 under;
	i64 result;

	w.sends = true;
	result = claims_may(&claims, &w, &under);
	if (result == 0)
		claims_let_in(&claims, &w, CLAIM_SEND, under);
	return result;
}

// What a ring sends no more is another's to send.
static void
narrowed_claims(void **state)
{
	struct claim_wish less = for_port(0, 81, RING_NONE);

	(void)state;
	claims_init(&claims, 7);
	claims_narrow(&claims, 0, &less.filter);	// it has no claim to send
	assert_false(claims_has(&claims, 0, CLAIM_SEND));
	assert_int_equal(ask_to_send(for_port(0, 0, RING_NONE)), 0);
	assert_int_equal(ask_to_send(for_port(1, 80, RING_NONE)), -E_TAKEN);
	claims_narrow(&claims, 0, &less.filter);
	claims_check(&claims);
	assert_int_equal(ask_to_send(for_port(1, 81, RING_NONE)), -E_TAKEN);
	assert_int_equal(ask_to_send(for_port(1, 80, RING_NONE)), 0);
}

// As many filters as a node has, all different and all asking in different ways.
static void
full(void **state)
{
	(void)state;
	claims_init(&claims, prng_u64(&prng));
	for (u32 i = 0; i < TRIE_ENTRIES_MAX; i++) {
		struct claim_wish w = for_port(i / RING_FILTERS_MAX, 0, RING_NONE);

		w.mac = mac_of(0) + i / RING_FILTERS_MAX;
		for (u32 word = 1; word < FILTER_WORDS; word++)
			w.filter.mask[word] = 1ull << 63 | i << word | 1;
		w.filter.value[0] = w.filter.mask[0] = 1ull << 48 | (u64)i << 49;
		for (u32 word = 1; word < FILTER_WORDS; word++)
			w.filter.value[word] = w.filter.mask[word];
		assert_int_equal(ask(w), 0);
	}
	for (u32 ring = 0; ring < RINGS_MAX; ring++)
		assert_int_equal(claims_room(&claims, ring), CLAIM_NONE);
	claims_check(&claims);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules),
		cmocka_unit_test(own_claims),
		cmocka_unit_test(narrowed_claims),
		cmocka_unit_test(full),
		cmocka_unit_test(histories),
	};

	prng_seed(&prng, test_seed());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
