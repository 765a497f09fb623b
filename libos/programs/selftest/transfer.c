// SPDX-License-Identifier: BSD-2-Clause
// Tests of protected control transfer: what a call carries and what it does not, who
// pays for it, and every way in which one ends. Each goes by the short path and by
// the long one, for they must not differ.

#include "kernel/base/string.h"
#include "libos/crt/start.h"
#include "libos/programs/selftest/transfer.h"

#define CALLS 1000u
#define ENDS 8u
#define HANG_NS (200 * NS_PER_MS)
#define BADGE 0x1234567ull

static const u32 paths[] = { CALL_FAST, 0 };

// An entry is there when its environment sleeps.
void
server_ready(const struct server *s)
{
	const volatile struct env_info *info = &env_table()[s->helper.child.index];

	for (u64 until = now_ns() + PATIENCE_NS;
	     info->state != ENV_ASLEEP && now_ns() < until;)
		sys_yield(SLOT_NONE);
	check(info->state == ENV_ASLEEP, "the server waits");
}

void
server_start(struct server *s, u32 cpu)
{
	i64 entry;

	helper_start(&s->helper, "serve", cpu, NULL);
	check(changed(&s->helper.shared->state, 0), "the server began");
	server_ready(s);
	entry = sys_entry_make(s->helper.child.env);
	must(entry, "entry_make");
	s->entry = (u32)entry;
}

void
server_end(struct server *s)
{
	must(sys_cap_drop(s->entry), "cap_drop");
	helper_end(&s->helper);
}

u32
server_introduce(const struct server *s, const struct server *to)
{
	i64 slot = sys_cap_derive(s->entry, to->helper.child.env, CAP_EXECUTE,
				  (u64)s->helper.child.id << ENTRY_BADGE_BITS, 1);

	must(slot, "cap_derive");
	return (u32)slot;
}

i64
server_order(const struct server *s, struct transfer *m, u32 path)
{
	return sys_entry_call(s->entry, NEVER, m, path);
}

static void
echo(const struct server *s, u32 path)
{
	u32 wrong = 0;

	for (u64 i = 0; i < CALLS; i++) {
		struct transfer m = { { ORDER_ECHO, i, ~i, i << 40 } };

		wrong += server_order(s, &m, path) != 0 || m.word[0] != ORDER_ECHO + 1 ||
			 m.word[1] != i + 1 || m.word[2] != ~i + 1 ||
			 m.word[3] != (i << 40) + 1;
	}
	check(wrong == 0, "a message came and went whole");
}

static u64 returned[REGISTERS];

// A call with a pattern in every register that is none of its own; what it finds in
// them afterwards.
static void
call_marked(u64 entry, u64 path)
{
	__asm__ volatile(
		"push %%rbp\n\t"
		"mov $0x1111111111111111, %%rbx\n\t"
		"mov %%rbx, %%rbp; mov %%rbx, %%r12; mov %%rbx, %%r13\n\t"
		"mov %%rbx, %%r14; mov %%rbx, %%r15\n\t"
		"syscall\n\t"
		"mov %%rax, returned(%%rip)\n\t"
		"mov %%rbx, returned+8(%%rip)\n\t"
		"mov %%rsi, returned+32(%%rip)\n\t"
		"mov %%rdi, returned+40(%%rip)\n\t"
		"mov %%rbp, returned+48(%%rip)\n\t"
		"mov %%r11, returned+80(%%rip)\n\t"
		"mov %%r12, returned+88(%%rip)\n\t"
		"mov %%r13, returned+96(%%rip)\n\t"
		"mov %%r14, returned+104(%%rip)\n\t"
		"mov %%r15, returned+112(%%rip)\n\t"
		"pop %%rbp"
		: "+a"(path), "+D"(entry)
		: "S"(NEVER), "d"((u64)ORDER_SEEN)
		: "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
		  "r15", "memory");
}

// Neither side finds anything of the other's, or of the kernel's, in a register.
static void
check_registers(const struct server *s, u32 path)
{
	struct transfer m = { { ORDER_SEEN } };
	u64 stray = 0;

	for (u32 i = 0; i < 3; i++) {
		memset(returned, 0, sizeof(returned));
		call_marked(s->entry, SYS_entry_call | path);
		for (u32 r = 0; r < REGISTERS; r++)
			stray |= r == R11 ? returned[r] & ~0x202ull : returned[r];
	}
	check(stray == 0, "the reply leaves nothing in registers");
	check(server_order(s, &m, path) == 0 && m.word[0] == 0,
	      "the call leaves nothing in registers");
}

static void
check_identity(const struct server *s, u32 path)
{
	struct cap_info info;
	struct transfer m = { { ORDER_WHO } };
	i64 badged;

	check(server_order(s, &m, path) == 0 && m.word[0] == 0, "no badge is badge 0");
	check(m.word[1] == env_table()[self_index()].id, "it knows who calls");
	must(sys_cap_inspect(CAP_SLOT_SELF, s->entry, &info), "cap_inspect");
	badged = sys_cap_derive(s->entry, CAP_SLOT_SELF, CAP_EXECUTE,
				info.base + BADGE, 1);
	must(badged, "cap_derive");
	for (u32 i = 0; i < 2; i++) {
		m.word[0] = ORDER_WHO;
		check(!sys_entry_call((u32)badged, NEVER, &m, path) &&
		      m.word[0] == BADGE, "a derived capability has its badge");
	}
	must(sys_cap_drop((u32)badged), "cap_drop");
	check(sys_entry_call((u32)badged, NEVER, &m, path) == -E_SLOT,
	      "what was dropped calls nobody");
	m.word[0] = ORDER_ECHO;
	check(server_order(s, &m, path) == 0, "the other one still does");
}

void
test_transfer(void)
{
	for (u32 cpu = 0; cpu < sys_info()->cpu_count; cpu++) {
		struct server s;

		server_start(&s, cpu);
		for (u32 i = 0; i < ARRAY_SIZE(paths); i++) {
			echo(&s, paths[i]);
			check_registers(&s, paths[i]);
			check_identity(&s, paths[i]);
		}
		server_end(&s);
	}
}

// Calls that are refused, and calls that nobody waits for.
void
test_transfer_refused(void)
{
	struct server s;
	struct transfer m = { { ORDER_SLEEP } };

	server_start(&s, processor());
	for (u32 i = 0; i < ARRAY_SIZE(paths); i++) {
		u32 path = paths[i];

		check(sys_entry_reply(&m, path) == -E_STATE, "nothing to reply to");
		check(sys_entry_call(CAP_SLOT_SELF, NEVER, &m, path) == -E_TYPE,
		      "an environment is no entry");
		check(sys_entry_call(~0u, NEVER, &m, path) == -E_SLOT,
		      "no capability, no call");
		check(sys_entry_call(s.entry, 1, &m, path) == -E_TIMEOUT,
		      "a deadline that has passed");
		m.word[0] = ORDER_SLEEP;
		check(server_order(&s, &m, path) == 0 && (i64)m.word[0] == -E_STATE,
		      "who serves cannot sleep");
		m.word[0] = ORDER_SLEEP;
	}
	check(sys_entry_wait(NULL, 0, 0, USER_END, 0) == -E_ARGUMENT,
	      "an entry outside");
	server_end(&s);
	check(server_order(&s, &m, CALL_FAST) == -E_SLOT, "the capability is gone");
}

// The callee ends in the middle: the caller goes on with an error.
void
test_transfer_aborted(void)
{
	static const enum transfer_order ways[] = { ORDER_EXIT, ORDER_FAULT };

	for (u32 i = 0; i < ENDS; i++) {
		u32 path = paths[i % 2];
		struct transfer m = { { ORDER_ECHO } };
		struct server s, other;

		server_start(&s, i % sys_info()->cpu_count);
		check(server_order(&s, &m, path) == 0, "it serves");
		m.word[0] = ways[i / 2 % 2];
		check(server_order(&s, &m, path) == -E_ABORTED, "it ended");
		check(server_order(&s, &m, path) == -E_STATE, "nobody is there now");
		helper_end(&s.helper);
		// The next one may stand where that one stood; the capability is
		// not for it.
		server_start(&other, processor());
		m.word[0] = ORDER_ECHO;
		check(server_order(&s, &m, path) == -E_STATE, "nor somebody else");
		must(sys_cap_drop(s.entry), "cap_drop");
		server_end(&other);
	}
}

// The callee does not reply: the caller's deadline ends the wait, the callee goes on
// in its own time.
void
test_transfer_deadline(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(paths); i++) {
		struct transfer m = { { ORDER_ECHO } };
		struct server s;

		server_start(&s, i % sys_info()->cpu_count);
		check(server_order(&s, &m, paths[i]) == 0, "it serves");
		for (u32 round = 1; round <= 3; round++) {
			s.helper.shared->order = 0;
			s.helper.shared->state = 1;
			m.word[0] = ORDER_HANG;
			check(sys_entry_call(s.entry, now_ns() + HANG_NS, &m,
					     paths[i]) == -E_TIMEOUT,
			      "the deadline passed");
			check(s.helper.shared->state == 2, "in the middle");
			m.word[0] = ORDER_ECHO;
			check(server_order(&s, &m, paths[i]) == -E_BUSY, "it is at work");
			s.helper.shared->order = round;
			server_ready(&s);
			check(server_order(&s, &m, paths[i]) == 0, "and then free again");
		}
		server_end(&s);
	}
}

// The caller ends, or is ended, in the middle.
void
test_transfer_orphan(void)
{
	for (u32 i = 0; i < ENDS; i++) {
		struct transfer m = { { ORDER_ECHO } };
		struct server s, middle;

		server_start(&s, i % sys_info()->cpu_count);
		server_start(&middle, i / 2 % sys_info()->cpu_count);
		m = (struct transfer){ { ORDER_CALL, server_introduce(&s, &middle),
					 ORDER_HANG } };
		check(sys_entry_call(middle.entry, now_ns() + HANG_NS, &m,
				     paths[i % 2]) == -E_TIMEOUT, "it hangs");
		check(s.helper.shared->state == 2, "at the second");
		server_end(&middle);
		s.helper.shared->order = 1;
		server_ready(&s);
		m.word[0] = ORDER_ECHO;
		check(server_order(&s, &m, paths[i % 2]) == 0, "it serves again");
		server_end(&s);
	}
}
