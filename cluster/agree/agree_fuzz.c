// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes the register with messages and slots: two nodes that have a record get what
// is made of the input, in any state; their invariants hold, and what they answer is a
// message again. The input is a row of pieces: a byte that says what to do, two that
// say how long, and the bytes.
//
// links: cluster/agree/agree.c cluster/agree/message.c cluster/agree/slot.c
// links: cluster/agree/acceptor.c cluster/agree/proposer.c cluster/agree/request.c
// links: cluster/record/record.c cluster/record/codec.c cluster/record/change.c
// links: kernel/base/string.c kernel/base/siphash.c harness/testing/host_assert.c

#include <stdlib.h>
#include <string.h>

#include "cluster/agree/agree.h"
#include "cluster/agree/parts.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"

static struct agree a;
static struct agree_output out;
static struct record scratch;
static u64 now;

static const u8 self[AGREE_UUID] = { 1 }, other[AGREE_UUID] = { 2 };

static void
drain(bool written)
{
	struct agree_message m;

	while (agree_output(&a, now, &out)) {
		if (out.kind == AGREE_SEND || out.kind == AGREE_TELL)
			ASSERT(agree_message_load(&m, out.bytes, out.len, &scratch));
		if (out.kind == AGREE_WRITE && written)
			agree_written(&a, now, true);
	}
	agree_check(&a);
}

static void
begin(bool with_record)
{
	const u8 cluster[AGREE_UUID] = { 9 };
	u8 voter[2][AGREE_UUID];

	memcpy(voter[0], self, AGREE_UUID);
	memcpy(voter[1], other, AGREE_UUID);
	now = NS_PER_SECOND;
	agree_init(&a, now, self, 77, 5, true);
	if (with_record && !agree_found(&a, now, cluster, (const u8(*)[AGREE_UUID])voter, 1, 1))
		abort();
	drain(true);
}

static void
give(u8 what, const u8 *bytes, u32 len)
{
	u8 *exact = malloc(len ? len : 1);

	if (!exact)
		abort();
	if (len)
		memcpy(exact, bytes, len);
	// The format, and for most kinds that carry one a record that is one.
	if (len >= AGREE_HEADER && what & 2) {
		exact[0] = 1;
		exact[1] = (u8)(1 + exact[1] % (MESSAGE_KINDS - 1));
		le32_store(exact + 4, len - AGREE_HEADER);
	}
	now += what & 4 ? 300 * NS_PER_MS : 1;
	if (what & 8)
		agree_timer(&a, now);
	agree_input(&a, now, what & 16 ? other : self, exact, len);
	drain(what & 1);
	if (a.acceptor.writing && what & 32)
		agree_written(&a, now, what & 64);
	free(exact);
}

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static u8 slot[AGREE_SLOTS][AGREE_SLOT];

	begin(size && data[0] & 1);
	for (size_t at = 1; at + 3 <= size;) {
		u32 len = le16_load(data + at + 1);

		len = (u32)MIN(len, size - at - 3);
		give(data[at], data + at + 3, len);
		at += 3 + len;
	}
	agree_init(&a, now, self, 78, 6, true);
	memset(slot, 0, sizeof(slot));
	memcpy(slot[0], data, MIN(size, AGREE_SLOT));
	if (agree_load(&a, (const u8(*)[AGREE_SLOT])slot) == AGREE_LOADED)
		agree_check(&a);
	return 0;
}
