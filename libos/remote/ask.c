// SPDX-License-Identifier: BSD-2-Clause
// Asking for a capability: a place first, then the message, then the wait. What
// another grants meanwhile, unasked, is dropped.

#include "libos/remote/ask.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/syscall.h"
#include "libos/remote/node.h"

#define PATIENCE_NS (3 * NS_PER_SECOND)

static i64
send(struct far_io *io, u16 node, const struct far_ask *ask, void *buffer)
{
	struct fabric_submit s = {
		.op = FABRIC_SEND,
		.node = node,
		.slot = io->fabric->fabric_slot,
		.offset = FAR_SERVICE,
		.local = fabric_local(buffer),
		.length = sizeof(*ask),
	};

	memcpy(buffer, ask, sizeof(*ask));
	return far_run(io, &s, NULL);
}

static i64
place(struct far_io *io, u64 *tag)
{
	struct fabric_submit s = { .tag = --io->tags, .op = FABRIC_ACCEPT };

	*tag = s.tag;
	return fabric_put(io->fabric, &s) ? fabric_flush(io->fabric) : -E_STATE;
}

// Takes the place back. Its completion, or the grant that came first, is dropped.
static void
withdraw(struct far_io *io, u64 tag)
{
	struct fabric_submit s = {
		.tag = --io->tags, .op = FABRIC_CANCEL, .offset = tag,
	};
	struct fabric_complete complete;

	if (fabric_run(io->fabric, &s, &complete))
		return;
	while (fabric_take(io->fabric, &complete)) {
		if (complete.op == FABRIC_ACCEPT &&
		    complete.outcome == FABRIC_DONE)
			cap_drop_all(complete.slot);
	}
}

static i64
wait_for_grant(struct far_io *io, u64 *tag, u64 word, u32 *slot)
{
	u64 until = now_ns() + PATIENCE_NS;
	struct fabric_complete complete;

	while (fabric_next(io->fabric, &complete, until)) {
		if (complete.tag != *tag || complete.outcome != FABRIC_DONE)
			continue;
		if (complete.word == word) {
			*slot = complete.slot;
			return 0;
		}
		cap_drop_all(complete.slot);
		if (place(io, tag))
			break;
	}
	return -E_TIMEOUT;
}

// The others are told, and answer nothing.
static bool
is_for_a_grant(u32 kind)
{
	return kind == FAR_ASK_PAGES || kind == FAR_ASK_BLOCKS ||
	       kind == FAR_ASK_HANDLER || kind == FAR_ASK_POOL;
}

i64
far_ask(struct far_io *io, u16 node, struct far_ask *ask, void *buffer, u32 *slot)
{
	bool wants = is_for_a_grant(ask->kind);
	u64 tag = 0;
	i64 error = sys_entropy_read(&ask->word, sizeof(ask->word));

	if (!error && wants)
		error = place(io, &tag);
	if (error)
		return error;
	error = send(io, node, ask, buffer);
	if (!wants)
		return error;
	if (!error)
		error = wait_for_grant(io, &tag, ask->word, slot);
	if (error)
		withdraw(io, tag);
	return error;
}

i64
far_ticket(struct far_io *io, u32 slot, u16 node, const struct fabric_target *target,
	   u64 lifetime_ns, struct fabric_ticket *ticket)
{
	struct fabric_submit s = {
		.op = FABRIC_TICKET, .slot = slot, .node = node,
		.offset = lifetime_ns, .local = fabric_local(ticket),
		.length = sizeof(*ticket), .target = *target,
	};

	return far_run(io, &s, NULL);
}

static i64
redeem(struct far_io *io, const struct fabric_ticket *ticket, u64 word)
{
	struct fabric_submit s = {
		.op = FABRIC_REDEEM, .offset = word,
		.ticket = *ticket,
	};
	char uuid[37];

	node_uuid_text(ticket->owner, uuid);
	s.node = node_find(uuid);
	return far_run(io, &s, NULL);
}

i64
far_redeem(struct far_io *io, const struct fabric_ticket *ticket, u32 *slot)
{
	u64 word, tag;
	i64 error = sys_entropy_read(&word, sizeof(word));

	word >>= 1;		// an offset on the wire
	if (!error)
		error = place(io, &tag);
	if (error)
		return error;
	error = redeem(io, ticket, word);
	if (!error)
		error = wait_for_grant(io, &tag, word, slot);
	if (error)
		withdraw(io, tag);
	return error;
}
