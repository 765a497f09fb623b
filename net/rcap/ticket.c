// SPDX-License-Identifier: BSD-2-Clause
// Tickets: a holder passes a part of its capability on without a word to the owner.
//
//	boot secret of the owner -- slot, generation, holder --> secret of the slot
//	secret of the slot -- for whom, what, until when, which --> tag of a ticket
//
// The owner derives a slot's secret whenever it needs it, so tickets cost it no state
// but the serials that were redeemed, 64 bits an entry. The holder's kernel got the
// secret with the grant, hidden under a mask that follows from the session's key. A
// ticket itself is no secret: it names the node, the life and the environment that may
// redeem it, the session proves the first two, and the kernel there the third.
//
// What is redeemed becomes the child of the maker's node, so it goes when that goes.
// What is refused leaves everything as it was, and the ticket good.

#include "kernel/base/assert.h"
#include "kernel/base/siphash.h"
#include "net/link/crypto.h"
#include "net/rcap/state.h"

#define KEY_LEN SIPHASH_KEY_LEN
#define SIGNED ((u32)offsetof(struct wire_ticket_layout, tag))

STATIC_ASSERT(KEY_LEN == LINKS_MASK);
STATIC_ASSERT(SIPHASH128_LEN == sizeof(((struct wire_ticket *)0)->tag));
STATIC_ASSERT(RCAP_TICKETS == 8 * sizeof(((struct rcap_spent *)0)->seen));
STATIC_ASSERT(LINKS_SECRET == CRYPTO_KEY);

// Of the holder that a slot was given to.
static void
slot_secret(const struct rcap *rcap, const struct wire_grant *grant, u64 incarnation,
	    u8 key[KEY_LEN])
{
	u8 text[20];

	le32_store(text, grant->slot);
	le32_store(text + 4, grant->generation);
	le32_store(text + 8, grant->environment);
	le64_store(text + 12, incarnation);
	crypto_hash(key, KEY_LEN, rcap->secret, text, sizeof(text));
}

static void
mask_apply(u8 *key, const u8 mask[LINKS_MASK])
{
	for (u32 i = 0; i < LINKS_MASK; i++)
		key[i] ^= mask[i];
}

// ---- with a grant

// For the frame that goes next to the holder.
void
secret_hide(struct rcap *rcap, u64 now, const struct rcap_op *op, u8 *at)
{
	struct wire_secret secret = { .clock = now / NS_PER_US };
	struct wire_grant grant;
	u8 mask[LINKS_MASK];

	ASSERT(op->op == OP_GRANT && op->data_len == WIRE_LENGTH(secret));
	wire_grant_load(&grant, op->operand);
	slot_secret(rcap, &grant, op->incarnation, secret.key);
	links_mask_next(rcap->links, op->peer, mask);
	mask_apply(secret.key, mask);
	wire_secret_store(at, &secret);
}

bool
secret_find(const struct rcap *rcap, const struct asked *asked,
	    struct rcap_secret *secret)
{
	const struct wire_frame *frame = (const void *)
		((const u8 *)asked->request - offsetof(struct wire_frame, request));
	struct wire_secret wire;
	u8 mask[LINKS_MASK];

	if (asked->payload_len == WIRE_LENGTH(grant))
		return false;
	ASSERT(asked->payload_len == WIRE_LENGTH(grant) + WIRE_LENGTH(secret));
	wire_secret_load(&wire, asked->payload + WIRE_LENGTH(grant));
	links_mask_heard(rcap->links, asked->peer, frame->header.sequence, mask);
	mask_apply(wire.key, mask);
	*secret = (struct rcap_secret){ .clock = wire.clock, .at = asked->now };
	__builtin_memcpy(secret->key, wire.key, KEY_LEN);
	return true;
}

const struct rcap_secret *
rcap_granted(const struct rcap *rcap)
{
	return rcap->granted;
}

// ---- the maker

// The owner's clock now, or a little before: its reading took time to get here.
static u64
owner_clock(const struct rcap_secret *secret, u64 now)
{
	u64 since = now > secret->at ? now - secret->at : 0;

	return secret->clock + since / NS_PER_US;
}

void
rcap_ticket_write(const struct rcap *rcap, u64 now,
		  const struct rcap_ticket_terms *terms, u8 *at)
{
	u64 until = owner_clock(terms->secret, now);
	const struct wire_derive *to = terms->to;
	struct wire_ticket t = {
		.owner_incarnation = terms->remote->incarnation,
		.maker_environment = terms->environment,
		.slot = terms->remote->slot,
		.generation = terms->remote->generation,
		.serial = terms->serial,
		.incarnation = to->incarnation,
		.environment = to->environment,
		.rights = to->rights,
		.base = to->base,
		.count = to->count,
		.expires = until + MIN(terms->lifetime_ns / NS_PER_US, ~until),
	};
	struct link_info info = { 0 };
	bool known = links_info(rcap->links, terms->remote->peer, &info);

	ASSERT(known && terms->serial);
	__builtin_memcpy(t.owner, info.uuid, sizeof(t.owner));
	__builtin_memcpy(t.uuid, to->uuid, sizeof(t.uuid));
	t.maker_incarnation = links_self(rcap->links, t.maker);
	wire_ticket_store(at, &t);
	siphash128(terms->secret->key, at, SIGNED, at + SIGNED);
}

// ---- the owner

// Every bit is looked at, whichever is the first that differs.
static bool
tags_equal(const u8 *a, const u8 *b)
{
	u8 differ = 0;

	for (u32 i = 0; i < SIPHASH128_LEN; i++)
		differ |= a[i] ^ b[i];
	return !differ;
}

// The entry that the ticket was made from, and still stands for its maker.
static enum wire_code
maker_find(struct rcap *rcap, const struct wire_ticket *t, struct rcap_export **found)
{
	u16 maker = links_find(rcap->links, t->maker);
	struct rcap_export *entry;
	u8 uuid[16];
	u64 life;

	if (t->owner_incarnation != links_self(rcap->links, uuid))
		return CODE_INCARNATION;
	// Of who is not known, or not yet again, no entry is left: it is refused below.
	life = maker == LINK_NONE ? 0 : links_incarnation(rcap->links, maker);
	if (SOMETIMES_IF(TICKET_ORPHANED, life && life != t->maker_incarnation))
		return CODE_LIFE;
	if (t->slot >= rcap->exports_fresh)
		return CODE_SLOT;
	*found = entry = &rcap->exports[t->slot];
	if (t->generation && t->generation < entry->generation)
		return CODE_REVOKED;
	if (entry->type == TYPE_NONE)
		return CODE_SLOT;
	if (t->generation != entry->generation)
		return CODE_GENERATION;
	return entry->peer == maker && entry->environment == t->maker_environment &&
			       entry->incarnation == t->maker_incarnation
		       ? CODE_NONE : CODE_TICKET;
}

static bool
tag_holds(const struct rcap *rcap, const struct wire_ticket *t, const u8 *bytes)
{
	struct wire_grant grant = {
		.slot = t->slot,
		.generation = t->generation,
		.environment = t->maker_environment,
	};
	u8 key[KEY_LEN], tag[SIPHASH128_LEN];

	if (PLANTED(BUG_TICKET_TAG))
		return true;
	slot_secret(rcap, &grant, t->maker_incarnation, key);
	siphash128(key, bytes, SIGNED, tag);
	return tags_equal(tag, t->tag);
}

static bool
redeemer_is(const struct rcap *rcap, const struct asked *asked,
	    const struct wire_ticket *t)
{
	struct link_info info = { 0 };
	bool known = links_info(rcap->links, asked->peer, &info);

	ASSERT(known);
	return (!__builtin_memcmp(t->uuid, info.uuid, sizeof(t->uuid)) &&
		t->incarnation == info.incarnation &&
		t->environment == asked->request->environment) ||
	       PLANTED(BUG_TICKET_ANYBODY);
}

static bool
serial_spent(const struct rcap_spent *spent, u32 serial)
{
	u32 age = spent->newest - serial;

	if (serial > spent->newest)
		return false;
	return age >= RCAP_TICKETS || spent->seen >> age & 1;
}

static void
serial_spend(struct rcap_spent *spent, u32 serial)
{
	u32 ahead = serial - spent->newest;

	ASSERT(!serial_spent(spent, serial));
	if (serial < spent->newest) {
		spent->seen |= 1u << (spent->newest - serial);
		return;
	}
	spent->seen = ahead >= RCAP_TICKETS ? 0 : spent->seen << ahead;
	spent->seen |= 1;
	spent->newest = serial;
}

// Who may not, and what is not to be had, of a ticket that its maker made.
static enum wire_code
terms_check(struct rcap *rcap, const struct asked *asked, const struct wire_ticket *t,
	    struct rcap_export *entry)
{
	if (!entry_walk(rcap, entry))
		return CODE_REVOKED;
	if (!redeemer_is(rcap, asked, t))
		return CODE_HOLDER;
	if (SOMETIMES_IF(TICKET_LATE, t->expires <= asked->now / NS_PER_US))
		return CODE_EXPIRED;
	if (t->rights & ~(u32)entry->rights || !(entry->rights & WIRE_RIGHT_DERIVE))
		return CODE_RIGHTS;
	if (!t->count || t->base >= entry->count || t->count > entry->count - t->base)
		return CODE_RANGE;
	return SOMETIMES_IF(TICKET_SPENT, serial_spent(&rcap->spent[t->slot], t->serial))
		       ? CODE_SPENT : CODE_NONE;
}

static enum wire_code
redeem(struct rcap *rcap, const struct asked *asked)
{
	struct rcap_export *entry = NULL;
	struct rcap_grant grant;
	struct wire_ticket t;
	enum wire_code code;

	wire_ticket_load(&t, asked->payload);
	code = maker_find(rcap, &t, &entry);
	if (code == CODE_NONE &&
	    SOMETIMES_IF(TICKET_FORGED, !tag_holds(rcap, &t, asked->payload)))
		code = CODE_TICKET;
	if (code == CODE_NONE)
		code = terms_check(rcap, asked, &t, entry);
	if (code != CODE_NONE)
		return code;
	grant = (struct rcap_grant){
		.rights = t.rights,
		.peer = asked->peer,
		.incarnation = t.incarnation,
		.environment = t.environment,
		.base = t.base,
		.count = t.count,
		.word = asked->request->offset,
	};
	code = export_part(rcap, entry, &grant);
	if (code == CODE_NONE && !PLANTED(BUG_TICKET_TWICE))
		serial_spend(&rcap->spent[t.slot], t.serial);
	return code;
}

// Like DERIVE: recorded and answered at once; the GRANT goes its own way.
void
run_redeem(struct rcap *rcap, struct asked *asked)
{
	enum wire_code code = redeem(rcap, asked);

	if (code != CODE_NONE) {
		owner_refuse(rcap, asked, code);
		return;
	}
	owner_ran(rcap, asked, asked->payload, 0);
	peer_dispatch(rcap, asked->now, asked->peer);
}
