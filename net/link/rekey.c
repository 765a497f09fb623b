// SPDX-License-Identifier: BSD-2-Clause
// Keys change while the session goes on, and nobody says a word about it: which key a
// frame is under follows from its sequence number. Numbers with the same upper bits
// are a turn; the key of the next turn is SipHash of a constant under this one's, so
// that it can be computed and not be undone.
//
// Each direction turns by itself: when its numbers run into the next turn, and about
// each quarter of an hour, when the sender leaves the rest of a turn out. The receiver
// has the newest key that was shown to it. It tries the next one on a frame of the next
// turn, and keeps it when the tag was right; frames of a turn that is past are dropped,
// as too old to tell, and sent again like any lost frame.

#include "kernel/base/assert.h"
#include "kernel/base/siphash.h"
#include "net/link/state.h"

#define PEERS_A_TURN 1024u	// one in so many each time: about 17 minutes for each

// An older minor version has one key for a session.
static bool
turns(const struct link_peer *peer)
{
	return peer->minor >= 1;
}

u32
rekey_bits(const struct links_config *config)
{
	return config->rekey_bits ? config->rekey_bits : WIRE_REKEY_BITS;
}

u64
rekey_ahead(const struct links *links, const struct link_peer *peer, u64 sequence)
{
	if (unlikely(!turns(peer)))
		return 0;
	return (sequence >> rekey_bits(&links->config)) -
	       (peer->rx_newest >> rekey_bits(&links->config));
}

void
rekey_next(u8 key[KEY_LEN])
{
	static const u8 label[16] = "deos fabric turn";
	u8 next[KEY_LEN];

	STATIC_ASSERT(SIPHASH128_LEN == KEY_LEN);
	siphash128(key, label, sizeof(label), next);
	__builtin_memcpy(key, next, KEY_LEN);
	__builtin_memset(next, 0, KEY_LEN);
}

// The next frame has the sequence number tx_sequence, already counted: a turn's first.
void
rekey_send(struct links *links, struct link_peer *peer)
{
	ASSERT(!(peer->tx_sequence & links->turn_mask));
	if (!turns(peer))
		return;
	rekey_next(peer->tx_key);
	SOMETIMES(KEY_COUNTED);
	links->counters.rekeys++;
	counts_of(links, peer)->rekeys++;
}

void
links_secret(const struct links *links, u8 secret[LINKS_SECRET])
{
	static const u8 label[16] = "deos fabric slot";

	crypto_hash(secret, LINKS_SECRET, links->config.secret_key, label,
		    sizeof(label));
}

static void
mask_make(const u8 key[KEY_LEN], u64 sequence, u8 mask[LINKS_MASK])
{
	u8 text[24] = "deos fabric mask";

	STATIC_ASSERT(SIPHASH128_LEN == LINKS_MASK);
	le64_store(text + 16, sequence);
	siphash128(key, text, sizeof(text), mask);
}

void
links_mask_next(const struct links *links, u16 index, u8 mask[LINKS_MASK])
{
	const struct link_peer *peer = &links->peer[index];
	u64 sequence = peer->tx_sequence + 1;
	u8 key[KEY_LEN];

	__builtin_memcpy(key, peer->tx_key, KEY_LEN);
	if (!(sequence & links->turn_mask) && turns(peer))
		rekey_next(key);
	mask_make(key, sequence, mask);
}

// The newest key that was shown is the one that the frame was under: what came under
// an older one was dropped.
void
links_mask_heard(const struct links *links, u16 index, u64 sequence,
		 u8 mask[LINKS_MASK])
{
	mask_make(links->peer[index].rx_key, sequence, mask);
}

// Called once for each beacon: leaves the rest of their turn out for some peers.
void
rekey_some(struct links *links, u64 now)
{
	bool all = FAULT_POINT(REKEY_SOON);

	for (u32 i = all ? 0 : links->rekey_turn; i < links->peers_fresh;
	     i += all ? 1 : PEERS_A_TURN) {
		struct link_peer *peer = &links->peer[i];

		if (!turns(peer) || !session_live(links, now, peer))
			continue;
		SOMETIMES(KEY_SKIPPED);
		peer->tx_sequence |= links->turn_mask;
	}
	links->rekey_turn = (links->rekey_turn + 1) % PEERS_A_TURN;
}
