// SPDX-License-Identifier: BSD-2-Clause
// Lending this disk's objects to read: to agents of members, and to the instances of
// jobs that run on other nodes. Instances here got theirs when they were started.
//
// An instance may ask before its node's word of it has come: the question waits for
// that a little.

#include "cluster/storage/state.h"

#define KNOWN_NS NS_PER_SECOND
#define LOOK_NS (50 * NS_PER_MS)

static bool
is_known_soon(const struct message *m)
{
	u64 until = machine_now() + KNOWN_NS;

	while (!m->from_agent && !machine_is_instance(m)) {
		if (machine_now() >= until)
			return false;
		task_sleep(machine_now() + LOOK_NS);
	}
	return true;
}

// A grant comes, or nothing does: there is no answer.
static u32
serve_read_blocks(const struct message *m, u8 *answer)
{
	struct message_read_blocks question;

	(void)answer;
	if (m->len != sizeof(question) || storage_state() != STORAGE_READY ||
	    m->link == VIEW_LINK_SELF || !is_known_soon(m))
		return 0;
	memcpy(&question, m->bytes, sizeof(question));
	if (machine_lend(m, STORE_FIRST_BLOCK, storage_label.blocks - STORE_FIRST_BLOCK,
			 question.word))
		return 0;	// the asker's patience ends
	return 0;
}

void
lend_open_blocks(void)
{
	message_serve(MESSAGE_READ_BLOCKS, serve_read_blocks);
}
