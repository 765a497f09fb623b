// SPDX-License-Identifier: BSD-2-Clause
// Tests of links: messages of every length between processors, and what a side meets
// whose other ends, lies, or has no right to the memory any more.
// libos/programs/tally.c is where a lot streams.

#include "kernel/base/string.h"
#include "libos/crt/attempt.h"
#include "libos/crt/start.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/message/link.h"
#include "libos/programs/selftest/links.h"

#define HALF LINK_HALF(LINK_PAGES)
#define LONGEST (LINK_PAGES * PAGE_SIZE - 4)
#define MINE_VA (REGION_BASE + 16 * PAGE_SIZE)
#define THEIRS_VA (MINE_VA + HALF * PAGE_SIZE)

static u8 message[LINK_PAGES * PAGE_SIZE];
static u8 got[LINK_PAGES * PAGE_SIZE];

// The child.

static struct link end;

static void
map_half(u32 slot, u64 frame, u64 va, u32 prot)
{
	must(map_run(CAP_SLOT_SELF, va, slot, frame, HALF, prot), "map a half");
}

static void
echo(void)
{
	enum channel_result result;
	u32 len;

	while ((result = link_receive(&end, got, sizeof(got), &len, NEVER)) ==
	       CHANNEL_DONE)
		must(link_send(&end, got, len, NEVER) == CHANNEL_DONE ? 0 : -E_STATE,
		     "send");
	check(result == CHANNEL_CLOSED, "the end of the link");
	link_close(&end);
}

static void
store(void *argument)
{
	(void)argument;
	((volatile struct link_page *)THEIRS_VA)->sends.count = 4;
}

static void
read_on(void *argument)
{
	u32 len;

	(void)argument;
	while (link_get(&end, got, sizeof(got), &len) <= CHANNEL_WAIT)
		;
}

void
link_child(volatile struct shared *shared)
{
	struct upcall_frame fault = { 0 };

	if (!changed(&shared->order, 0))
		return;
	map_half(shared->slot[0], shared->base[0], MINE_VA, PROT_READ | PROT_WRITE);
	map_half(shared->slot[1], shared->base[1], THEIRS_VA, PROT_READ);
	if (!link_open(&end, (void *)MINE_VA, (void *)THEIRS_VA, LINK_PAGES,
		       (u32)shared->value))
		return;
	announce(&shared->state, 1);
	switch ((enum link_order)shared->order) {
	case LINK_ECHO:
		echo();
		break;
	case LINK_MAP:
		shared->value = (u64)map_run(CAP_SLOT_SELF, THEIRS_VA, shared->slot[1],
					     shared->base[1], 1,
					     PROT_READ | PROT_WRITE);
		break;
	case LINK_STORE:
		shared->count = attempt(store, NULL, &fault);
		break;
	case LINK_LIE:
		((volatile struct link_page *)MINE_VA)->sends.count = 2 * PAGE_SIZE;
		sys_wake((u32 *)MINE_VA);
		break;
	case LINK_READ:
		shared->count = attempt(read_on, NULL, &fault);
		break;
	case LINK_IDLE:
		break;
	}
	shared->vector = fault.vector;
	announce(&shared->state, 2);
	while (sys_wait(NULL, 0, NEVER) < 0)
		;
}

// The test's side.

struct setting {
	struct helper helper;
	struct link link;
	u32 slot;			// of the memory, its own capability
	u8 *memory;
};

static u32
hand_over(const struct setting *s, u64 frame, u32 rights)
{
	i64 slot = sys_cap_derive(s->slot, s->helper.child.env, rights, frame, HALF);

	must(slot, "hand a half over");
	return (u32)slot;
}

// The first half is the child's.
static void
begin(struct setting *s, u32 cpu, enum link_order order)
{
	volatile struct shared *shared;
	struct frame_run run;
	i64 slot = sys_frame_alloc(FRAME_ANY, 2 * HALF);

	must(slot, "shared memory");
	must(run_of_slot((u32)slot, &run), "its frames");
	must(map_direct(&run, PROT_READ | PROT_WRITE), "map it");
	s->slot = run.slot;
	s->memory = direct_address(run.frame);
	helper_start(&s->helper, "link", cpu, NULL);
	shared = s->helper.shared;
	shared->slot[0] = hand_over(s, run.frame, CAP_READ | CAP_WRITE);
	shared->base[0] = run.frame;
	shared->slot[1] = hand_over(s, run.frame + HALF, CAP_READ);
	shared->base[1] = run.frame + HALF;
	shared->value = env_table()[self_index()].id;
	check(link_open(&s->link, s->memory + HALF * PAGE_SIZE, s->memory, LINK_PAGES,
			s->helper.child.id), "the child lives");
	announce(&shared->order, order);
	check(changed(&shared->state, 0), "the child began");
}

static void
done(struct setting *s)
{
	if (s->helper.child.id)
		helper_end(&s->helper);
	if (s->slot != SLOT_NONE)
		cap_drop_all(s->slot);
}

static enum channel_result
send(struct setting *s, u32 len)
{
	return link_send(&s->link, message, len, now_ns() + PATIENCE_NS);
}

static enum channel_result
receive(struct setting *s, u32 *len)
{
	return link_receive(&s->link, got, sizeof(got), len, now_ns() + PATIENCE_NS);
}

void
test_link(void)
{
	for (u32 cpu = 0; cpu < sys_info()->cpu_count; cpu++) {
		struct setting s;
		u32 wrong = 0, len;

		begin(&s, cpu, LINK_ECHO);
		for (u32 i = 0; i <= LONGEST; i += i < 80 ? 1 : 97) {
			memset(message, (int)(i % 251), i);
			wrong += send(&s, i) != CHANNEL_DONE ||
				 receive(&s, &len) != CHANNEL_DONE || len != i ||
				 memcmp(message, got, i) != 0;
		}
		check(wrong == 0, "messages of every length");
		check(send(&s, LONGEST + 1) == CHANNEL_LONG, "but none that is longer");
		check(link_receive(&s.link, got, 8, &len, now_ns()) == CHANNEL_LATE,
		      "the deadline passes");
		link_close(&s.link);
		check(receive(&s, &len) == CHANNEL_CLOSED, "the end, both ways");
		check(changed(&s.helper.shared->state, 1), "it heard of it");
		done(&s);
	}
}

// The other ends: what it sent before is still there, and then nothing is waited for.
void
test_link_ended(void)
{
	for (u32 cpu = 0; cpu < sys_info()->cpu_count; cpu++) {
		struct setting s;
		u32 len, sent = 0;

		begin(&s, cpu, LINK_ECHO);
		check(send(&s, 100) == CHANNEL_DONE, "a message");
		while (!channel_moved(&s.link.in))
			sys_yield(SLOT_NONE);
		helper_end(&s.helper);
		check(receive(&s, &len) == CHANNEL_DONE && len == 100, "its last words");
		check(receive(&s, &len) == CHANNEL_ENDED, "and no more");
		while (link_put(&s.link, message, 100) == CHANNEL_DONE)
			sent++;
		check(sent > 0 && send(&s, 100) == CHANNEL_ENDED, "nobody makes room");
		s.helper.child.id = 0;
		done(&s);
	}
}

void
test_link_lies(void)
{
	struct setting s;
	u32 len;

	begin(&s, processor(), LINK_LIE);
	check(receive(&s, &len) == CHANNEL_BROKEN, "a count that cannot be");
	check(receive(&s, &len) == CHANNEL_BROKEN, "it stays so");
	check(send(&s, 8) == CHANNEL_DONE, "the other way is another channel");
	done(&s);
	begin(&s, processor(), LINK_MAP);
	check(changed(&s.helper.shared->state, 1) &&
	      (i64)s.helper.shared->value == -E_RIGHTS, "the other's half is to read");
	done(&s);
	begin(&s, processor(), LINK_STORE);
	check(changed(&s.helper.shared->state, 1) && s.helper.shared->count == 1 &&
	      s.helper.shared->vector == VECTOR_PAGE_FAULT, "a store there faults");
	check(link_get(&s.link, got, sizeof(got), &len) == CHANNEL_WAIT,
	      "and changes nothing");
	done(&s);
}

// Whose memory it is takes it back: the other side faults, and lives on.
void
test_link_revoked(void)
{
	for (u32 cpu = 0; cpu < sys_info()->cpu_count; cpu++) {
		struct setting s;

		begin(&s, cpu, LINK_READ);
		check(send(&s, 8) == CHANNEL_DONE, "it reads");
		cap_drop_all(s.slot);
		s.slot = SLOT_NONE;
		check(changed(&s.helper.shared->state, 1), "it lives");
		check(s.helper.shared->count == 1 &&
		      s.helper.shared->vector == VECTOR_PAGE_FAULT, "it met a fault");
		done(&s);
	}
}
