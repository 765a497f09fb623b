// SPDX-License-Identifier: BSD-2-Clause
// More tests of protected control transfer: what belongs to each side stays with it (FPU
// state, the account of time, slices), how deep calls go, and what becomes of a call in
// the middle of which the server or the capability goes. By both paths.

#include "libos/crt/start.h"
#include "libos/programs/selftest/transfer.h"

#define PATTERN 0x1122334455667788ull
#define ROUNDS 50u
#define BUSY_NS (5 * NS_PER_MS)
#define HANG_NS (200 * NS_PER_MS)

static const u32 paths[] = { CALL_FAST, 0 };

static void
check_float(const struct server *s, u32 path, bool first)
{
	u64 kept, foreign = 0;

	for (u64 i = 0; i < ROUNDS; i++) {
		struct transfer m = { { ORDER_FLOAT } };
		u64 mine = PATTERN + i;

		__asm__ volatile("movq %0, %%xmm5" : : "r"(mine));
		check(server_order(s, &m, path) == 0, "a call");
		__asm__ volatile("movq %%xmm5, %0" : "=r"(kept));
		// At its first use the server finds nothing.
		foreign += kept != mine || m.word[0] != (first && !i ? 0 : FLOAT_MARK);
	}
	check(foreign == 0, "each side finds its own in the FPU");
}

void
test_transfer_float(void)
{
	for (u32 cpu = 0; cpu < sys_info()->cpu_count; cpu++) {
		struct server s;

		server_start(&s, cpu);
		for (u32 i = 0; i < ARRAY_SIZE(paths); i++)
			check_float(&s, paths[i], i == 0);
		server_end(&s);
	}
}

// A server that has no slice gets on in its caller's, over their ends, and only the
// caller pays. A rival on the same processor runs meanwhile.
void
test_transfer_account(void)
{
	const volatile struct env_info *own = &env_table()[self_index()];
	const volatile struct env_info *callee;
	struct server s;
	struct helper rival;

	server_start(&s, processor());
	callee = &env_table()[s.helper.child.index];
	must(sys_slice_bind(s.helper.child.slices[0], CAP_SLOT_SELF), "slice_bind");
	helper_start(&rival, "count", processor(), NULL);
	for (u64 until = now_ns() + PATIENCE_NS;
	     !rival.shared->count && now_ns() < until;)
		sys_yield(SLOT_NONE);
	check(rival.shared->count > 0, "a rival");
	for (u32 i = 0; i < ARRAY_SIZE(paths); i++) {
		u64 paid = own->cpu_ns, spent = callee->cpu_ns;
		bool shared = false;

		for (u32 round = 0; round < ROUNDS && !shared; round++) {
			struct transfer m = { { ORDER_BUSY, BUSY_NS } };
			u32 count = rival.shared->count;

			check(server_order(&s, &m, paths[i]) == 0, "it is at work");
			shared = rival.shared->count != count;
		}
		check(shared, "slices ended in the server");
		check(sys_wait(NULL, 0, now_ns() + NS_PER_MS) == -E_TIMEOUT, "a rest");
		check(callee->cpu_ns == spent, "the server pays nothing");
		check(own->cpu_ns > paid, "the caller pays");
	}
	helper_end(&rival);
	server_end(&s);
}

// One more server than calls may be open.
#define SERVERS (TRANSFER_DEPTH_MAX + 1)

void
test_transfer_depth(void)
{
	static struct server s[SERVERS];

	// They need no slices of their own.
	for (u32 i = 0; i < SERVERS; i++) {
		server_start(&s[i], i % sys_info()->cpu_count);
		must(sys_cap_drop(s[i].helper.child.slices[0]), "cap_drop");
		s[i].helper.child.slice_count = 0;
	}
	for (u32 i = 0; i + 2 < SERVERS; i++)
		s[i].helper.shared->slot[0] = server_introduce(&s[i + 1], &s[i]);
	for (u32 round = 0; round < 3 * ARRAY_SIZE(paths); round++) {
		struct transfer m = { { ORDER_DOWN, 1, paths[round % 2] } };

		s[SERVERS - 2].helper.shared->slot[0] = 0;
		check(server_order(&s[0], &m, paths[round % 2]) == 0 &&
		      m.word[0] == 0 && m.word[1] == TRANSFER_DEPTH_MAX,
		      "calls as deep as they go");
		s[SERVERS - 2].helper.shared->slot[0] =
			server_introduce(&s[SERVERS - 1], &s[SERVERS - 2]);
		// From where there is room, so that the way is short the next time.
		m = (struct transfer){ { ORDER_DOWN, 1, paths[round % 2] } };
		check(server_order(&s[SERVERS - 2], &m, paths[round % 2]) == 0 &&
		      m.word[0] == 0 && m.word[1] == 2, "the last one can be called");
		m = (struct transfer){ { ORDER_DOWN, 1, paths[round % 2] } };
		check(server_order(&s[0], &m, paths[round % 2]) == 0 &&
		      (i64)m.word[0] == -E_DEPTH && m.word[1] == TRANSFER_DEPTH_MAX,
		      "and no deeper");
		m = (struct transfer){ { ORDER_ECHO } };
		check(server_order(&s[SERVERS - 1], &m, paths[round % 2]) == 0,
		      "whom nobody called is free");
	}
	for (u32 i = 0; i < SERVERS; i++)
		server_end(&s[i]);
}

// A server that calls another, which hangs; the test itself does not wait for it.
static void
hang(struct server *middle, struct server *s, u32 path, u32 cpu)
{
	struct transfer m;

	server_start(s, cpu);
	server_start(middle, processor());
	m = (struct transfer){ { ORDER_CALL, server_introduce(s, middle), ORDER_HANG } };
	middle->helper.shared->value = 1;
	check(sys_entry_call(middle->entry, now_ns() + HANG_NS, &m, path) ==
	      -E_TIMEOUT && s->helper.shared->state == 2, "it hangs");
}

// What the one in the middle heard in the end.
static i64
heard(const struct server *middle)
{
	check(changed(&middle->helper.shared->records, 0), "it goes on");
	return (i64)middle->helper.shared->value;
}

// The server is destroyed by a third while it serves.
void
test_transfer_destroyed(void)
{
	for (u32 i = 0; i < 4; i++) {
		struct server s, middle;
		struct transfer m = { { ORDER_ECHO } };

		hang(&middle, &s, paths[i % 2], i / 2 % sys_info()->cpu_count);
		server_end(&s);
		check(heard(&middle) == -E_ABORTED, "its server is gone");
		server_ready(&middle);
		check(server_order(&middle, &m, paths[i % 2]) == 0, "it serves on");
		server_end(&middle);
	}
}

// The capability is revoked while the call lasts: the reply comes, the next is refused.
void
test_transfer_revoked(void)
{
	for (u32 i = 0; i < 4; i++) {
		struct server s, middle;
		struct transfer m;
		u32 slot;

		hang(&middle, &s, paths[i % 2], i / 2 % sys_info()->cpu_count);
		must(sys_cap_revoke(s.entry), "cap_revoke");
		announce(&s.helper.shared->order, 1);
		check(heard(&middle) == 0, "the reply");
		server_ready(&middle);
		slot = server_introduce(&s, &middle);
		must(sys_cap_revoke(s.entry), "cap_revoke");
		m = (struct transfer){ { ORDER_CALL, slot, ORDER_ECHO } };
		check(server_order(&middle, &m, paths[i % 2]) == 0 &&
		      (i64)m.word[0] == -E_SLOT, "no more");
		server_end(&middle);
		server_end(&s);
	}
}

// A word that the server's program waits for changes during a call: it goes on after
// the reply.
void
test_transfer_told(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(paths); i++) {
		struct server s;

		server_start(&s, i % sys_info()->cpu_count);
		for (u32 round = 0; round < ROUNDS; round++) {
			struct transfer m = { { ORDER_STORE } };

			check(server_order(&s, &m, paths[i]) == 0 &&
			      m.word[0] == round, "not during the call");
			check(changed(&s.helper.shared->count, round), "but after it");
			server_ready(&s);
		}
		server_end(&s);
	}
}
