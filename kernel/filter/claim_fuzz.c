// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes claims: bytes choose atoms, rings, authority shown, and ends; every step keeps
// the invariants, and each claim that is left gets its frame unless a narrower or newer
// one that meets it does. Frames are found by a scan that knows no trie.
//
// links: kernel/filter/claim.c kernel/filter/trie.c kernel/filter/filter.c
// links: kernel/filter/check_rig.c harness/testing/host_assert.c

#include <string.h>

#include "kernel/base/assert.h"
#include "kernel/filter/check_rig.h"
#include "kernel/filter/claim.h"

#define OPERATION_BYTES 16u
#define OPERATIONS_MAX 200u
#define GUARDS 16u

static struct claims claims;

static void
let_in(const u8 *b)
{
	struct claim_wish w = {
		.ring = b[1] % RINGS_MAX,
		.sends = b[2] & 1,
		.mac = (b[1] % 2) << 8 | 2,
		.over = b[2] & 2 ? b[3] % RINGS_MAX : RING_NONE,
		.guard = b[3] % GUARDS,
	};
	struct ring_atom atoms[2];
	u32 under, index;

	for (u32 i = 0; i < 2; i++) {
		const u8 *a = b + 4 + 6 * i;

		atoms[i].offset = a[0] % 64;
		atoms[i].mask = (u32)a[1] << (a[2] % 25) | (u32)a[3] << (a[4] % 25);
		atoms[i].value = a[5] & 1 ? atoms[i].mask : a[5];
	}
	w.filter = (struct filter){ 0 };
	if (!filter_add(&w.filter, atoms, b[2] >> 2 & 1 ? 1 : 2))
		return;
	index = w.sends ? CLAIM_SEND : claims_room(&claims, w.ring);
	w.over = w.over == w.ring ? RING_NONE : w.over;
	if (index == CLAIM_NONE || claims_has(&claims, w.ring, index) ||
	    claims_may(&claims, &w, &under))
		return;
	claims_let_in(&claims, &w, index, under);
}

// A frame that is just what a claim asks for: by one scan its taker must be its ring,
// or that of a newer claim within it.
static void
look(u32 i)
{
	const struct claim *x = &claims.claim[i];
	struct filter_window w;
	u32 takers, all = 0, ring = i / CLAIMS_A_RING;
	bool newer = false;

	memcpy(&w, x->filter.value, sizeof(w));
	w.word[0] = (w.word[0] & ~0xffffffffffffull) | x->mac;
	if (!filter_accepts(&x->filter, &w))
		return;			// its atoms want another address
	takers = claims_takers(&claims, (const u8 *)&w);
	ASSERT(takers && (takers & (takers - 1)) == 0);
	for (u32 j = 0; j < CLAIMS_MAX; j++) {
		const struct claim *y = &claims.claim[j];

		if (!y->used || j % CLAIMS_A_RING == CLAIM_SEND ||
		    y->mac != x->mac || !filter_accepts(&y->filter, &w))
			continue;
		all |= 1u << j / CLAIMS_A_RING;
		newer |= takers >> j / CLAIMS_A_RING & 1 && y->number > x->number &&
			 filter_within(&y->filter, &x->filter);
	}
	ASSERT(takers & all);
	ASSERT(takers >> ring & 1 || newer);
	w.word[0] |= 1;
	all = 0;
	for (u32 j = 0; j < CLAIMS_MAX; j++) {
		if (claims.claim[j].used && j % CLAIMS_A_RING != CLAIM_SEND &&
		    filter_accepts(&claims.claim[j].filter, &w))
			all |= 1u << j / CLAIMS_A_RING;
	}
	ASSERT(claims_takers(&claims, (const u8 *)&w) == all);
}

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	claims_init(&claims, 0x9e3779b97f4a7c15);
	for (u32 i = 0; size >= OPERATION_BYTES && i < OPERATIONS_MAX; i++) {
		u32 ring = data[1] % RINGS_MAX, index = data[2] % CLAIMS_A_RING;

		if (data[0] % 8 < 5)
			let_in(data);
		else if (data[0] % 8 == 5 && claims_has(&claims, ring, index))
			claims_end(&claims, ring, index);
		else if (data[0] % 8 == 6)
			claims_end_ring(&claims, ring);
		else if (data[0] % 8 == 7)
			claims_end_guarded(&claims, data[3] % GUARDS);
		data += OPERATION_BYTES;
		size -= OPERATION_BYTES;
	}
	claims_check(&claims);
	for (u32 i = 0; i < CLAIMS_MAX; i++) {
		if (claims.claim[i].used && i % CLAIMS_A_RING != CLAIM_SEND)
			look(i);
	}
	return 0;
}
