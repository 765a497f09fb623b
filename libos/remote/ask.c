// SPDX-License-Identifier: BSD-2-Clause
// Asking for a capability: a place first, then the message, then the wait. What
// another grants meanwhile, unasked, is dropped.

#include "libos/remote/ask.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/syscall.h"

#define PATIENCE_NS (3 * NS_PER_SECOND)

static i64
send(struct far_io *io, u16 node, const struct far_ask *ask, void *buffer)
{
	struct fabric_submit s = {
		.tag = --io->tags,
		.op = FABRIC_SEND,
		.node = node,
		.slot = io->fabric->fabric_slot,
		.offset = FAR_SERVICE,
		.local = fabric_local(buffer),
		.length = sizeof(*ask),
	};
	struct fabric_complete complete;
	i64 error;

	memcpy(buffer, ask, sizeof(*ask));
	error = fabric_run(io->fabric, &s, &complete);
	return error ? error : far_result(&complete);
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

i64
far_ask(struct far_io *io, u16 node, struct far_ask *ask, void *buffer, u32 *slot)
{
	bool wants = ask->kind != FAR_ASK_REVOKE && ask->kind != FAR_ASK_FREE;
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
