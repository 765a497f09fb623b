// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes membership with messages of three others, in any state and at any time: its
// invariants hold, and every message that it sends is one. The input is a row of
// pieces: a byte that says from whom and when, one that says how long, and the bytes. It
// begins with members that know each other, accuse and die (member.seeds).
//
// lines: cluster/member/member.seeds
// links: cluster/member/member.c cluster/member/state.c cluster/member/probe.c
// links: cluster/member/message.c cluster/member/send.c
// links: kernel/base/string.c harness/testing/host_assert.c

#include <stdlib.h>
#include <string.h>

#include "cluster/member/member.h"
#include "cluster/member/parts.h"
#include "kernel/base/assert.h"

static struct members m;
static u64 now;

static void
drain(void)
{
	u8 bytes[MEMBER_MESSAGE_MAX];
	struct member_message message;
	struct member_id to;
	u32 len;

	while ((len = members_output(&m, now, &to, bytes)) != 0) {
		ASSERT(len <= MEMBER_MESSAGE_MAX);
		ASSERT(member_message_load(&message, bytes, len));
	}
	while (members_event(&m) != MEMBER_NONE)
		;
	members_check(&m);
}

static void
give(u8 what, const u8 *data, u32 len)
{
	struct member_id from = { .incarnation = 1u + (what >> 2 & 1), .uuid = { what & 3 } };
	u8 *exact = malloc(len ? len : 1);

	if (!exact)
		abort();
	if (len)
		memcpy(exact, data, len);
	if (len >= MEMBER_HEADER && what & 8) {
		exact[0] = 1;
		exact[2] = (u8)((len - MEMBER_HEADER) / MEMBER_RUMOUR);
		len = MEMBER_HEADER + exact[2] * MEMBER_RUMOUR;
		memset(exact + 12, 0, 4);
	}
	now += what & 16 ? 150 * NS_PER_MS : what & 32 ? NS_PER_SECOND : 1;
	if (what & 64)
		members_timer(&m, now);
	if (what & 128)
		members_link(&m, now, &from, what & 8);
	members_input(&m, now, &from, exact, len);
	drain();
	free(exact);
}

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	const struct member_id self = { .incarnation = 9 };

	now = NS_PER_SECOND;
	members_init(&m, now, &self, 3);
	for (size_t at = 0; at + 2 <= size;) {
		u32 len = data[at + 1] * 4u;

		len = (u32)MIN(len, size - at - 2);
		give(data[at], data + at + 2, len);
		at += 2 + len;
	}
	return 0;
}
