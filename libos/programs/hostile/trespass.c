// SPDX-License-Identifier: BSD-2-Clause
// Abuses fabric queues: forged slots and ranges, a spoiled queue, random
// submissions, memory and authority that go while operations are open.
//
//	trespass		alone, or with whoever is there
//	trespass leave NODE	begins operations on NODE and exits at once
//	trespass fault NODE	and dies of a fault
//
// The second and third need `remote serve` on NODE.

#include "kernel/base/prng.h"
#include "libos/io/wait.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/hostile/taken.h"
#include "libos/programs/hostile/verdict.h"
#include "libos/remote/ask.h"
#include "libos/remote/node.h"
#include "libos/text/text.h"

#define REGION_FRAMES 8u
#define SERVICE 0x7e57ull
#define ROUNDS 2000u
#define LEFT_OPEN 24u

static struct frame_run region, memory;
static struct fabric_control *control;
static u32 root, queue, head, tail;

static struct fabric_spec
honest_spec(void)
{
	return (struct fabric_spec){
		.fabric_slot = root,
		.queue_slot = memory.slot,
		.queue_frame = memory.frame,
		.region_slot = region.slot,
		.region_frame = region.frame,
		.region_count = region.count,
	};
}

static void
bind(void)
{
	struct fabric_spec spec = honest_spec();

	head = tail = 0;
	queue = (u32)need("bind a queue", sys_fabric_bind(&spec));
	control = direct_address(memory.frame);
}

static void
bad_bindings(void)
{
	struct fabric_spec s;
	i64 lesser = need("derive", sys_cap_derive(root, CAP_SLOT_SELF, CAP_READ,
						   0, 10));
	i64 flat = need("derive", sys_cap_derive(region.slot, CAP_SLOT_SELF,
						 CAP_READ, region.frame, 4));

#define TRY(what, error, ...) \
	do { \
		s = honest_spec(); \
		__VA_ARGS__; \
		refused(what, sys_fabric_bind(&s), error); \
	} while (0)
	TRY("frames for a fabric", E_TYPE, s.fabric_slot = region.slot);
	TRY("a slot that is empty", E_SLOT, s.fabric_slot = 255);
	TRY("a slot that is none", E_SLOT, s.fabric_slot = ~0u);
	TRY("a fabric to read from", E_RIGHTS, s.fabric_slot = (u32)lesser);
	TRY("a queue in other frames", E_RANGE, s.queue_frame++);
	TRY("a queue at the end of all", E_RANGE, s.queue_frame = ~0ull);
	TRY("a region before its own", E_RANGE, s.region_frame--);
	TRY("a region that is too long", E_RANGE, s.region_count++);
	TRY("a region without end", E_RANGE, s.region_count = ~0ull);
	TRY("an empty region", E_RANGE, s.region_count = 0);
	TRY("a region to read from", E_RIGHTS, s.region_slot = (u32)flat);
#undef TRY
	refused("a spec that is nowhere",
		sys_fabric_bind((const struct fabric_spec *)0x10), E_ADDRESS);
	need("drop", sys_cap_drop((u32)lesser));
	need("drop", sys_cap_drop((u32)flat));
}

static void
put(const struct fabric_submit *s)
{
	control->submit[head % FABRIC_SUBMIT_SLOTS] = *s;
	head++;
	__atomic_store_n(&control->submit_head, head, __ATOMIC_RELEASE);
}

// Takes the next completion. False: none came.
static bool
take_completion(struct fabric_complete *c, u64 patience_ns)
{
	u64 until = now_ns() + patience_ns;

	while (__atomic_load_n(&control->complete_head, __ATOMIC_ACQUIRE) == tail) {
		struct wait_word word = {
			.va = (u64)&control->complete_head, .expected = tail };

		if (sys_wait(&word, 1, until) == -E_TIMEOUT)
			return false;
	}
	*c = control->complete[tail % FABRIC_COMPLETE_SLOTS];
	tail++;
	__atomic_store_n(&control->complete_tail, tail, __ATOMIC_RELEASE);
	return true;
}

static i64
run(const struct fabric_submit *s)
{
	struct fabric_complete c;

	put(s);
	need("kick", sys_fabric_kick(queue));
	if (!take_completion(&c, 10 * NS_PER_SECOND))
		return -E_TIMEOUT;
	return far_result(&c);
}

// Outcomes but DONE are refusals here: nothing of it may run.
static void
bad_submissions(void)
{
	static const u32 slots[] = { 0, 3, 200, 255, 256, 1u << 16, ~0u };
	u64 first = fabric_local(direct_address(region.frame));
	u64 size = region.count * PAGE_SIZE;
	const u64 places[] = { 0, first - 1, first + size, first + size - 1, ~0ull,
			       first + (1ull << 60), 1ull << 63 };

	for (u32 op = 0; op < 256; op++) {
		struct fabric_submit s = {
			.op = (u8)op, .slot = region.slot, .local = first,
			.length = 8, .node = 0xffff,
		};

		if (op == FABRIC_ACCEPT)
			continue;
		denied("an operation on own frames", run(&s));
		for (u32 i = 0; i < ARRAY_SIZE(slots); i++) {
			s.slot = slots[i];
			denied("a forged slot", run(&s));
		}
		if (op != FABRIC_READ && op != FABRIC_WRITE && op != FABRIC_SEND &&
		    op != FABRIC_POST)
			continue;
		for (u32 i = 0; i < ARRAY_SIZE(places); i++) {
			s.local = places[i];
			denied("memory of others", run(&s));
		}
	}
}

static void
bad_indices(void)
{
	static const u32 steps[] = { FABRIC_SUBMIT_SLOTS + 1, 1u << 16, 1u << 31,
				     ~0u };
	struct fabric_submit s = { .op = FABRIC_CANCEL, .offset = 12345 };

	for (u32 i = 0; i < ARRAY_SIZE(steps); i++) {
		control->submit_head = head + steps[i];
		refused("a head far away", sys_fabric_kick(queue), E_ARGUMENT);
	}
	control->submit_head = head;
	for (u32 i = 0; i < ARRAY_SIZE(steps); i++) {
		control->complete_tail = tail + steps[i];
		control->submit_tail += steps[i];
		holds("indices overwritten", sys_fabric_kick(queue) == 0);
	}
	control->complete_tail = tail;
	denied("and then what is not open is cancelled", run(&s));
}

// One call that takes operations and sleeps: refused, it has taken none.
static void
bad_waits(void)
{
	struct fabric_submit s = { .op = FABRIC_CANCEL, .offset = 12345 };
	struct wait_word word = { .va = (u64)&control->complete_head,
				  .expected = tail };
	struct fabric_complete c;

	put(&s);
	refused("a sleep on words that are nowhere",
		sys_fabric_wait(queue, (const struct wait_word *)0x10, 1, NEVER),
		E_ADDRESS);
	refused("a sleep on too many words",
		sys_fabric_wait(queue, &word, WAIT_WORDS_MAX + 1, NEVER), E_ARGUMENT);
	word.va++;
	refused("a sleep on half a word", sys_fabric_wait(queue, &word, 1, NEVER),
		E_ARGUMENT);
	word.va = 0x10;
	refused("a sleep on a word that is nowhere",
		sys_fabric_wait(queue, &word, 1, NEVER), E_ADDRESS);
	refused("a sleep with frames for a queue",
		sys_fabric_wait(region.slot, &word, 0, 0), E_TYPE);
	holds("nothing was taken", control->submit_tail == head - 1 &&
				   control->complete_head == tail);
	word.va = (u64)&control->complete_head;
	holds("what has ended by then is slept for no more",
	      sys_fabric_wait(queue, &word, 1, NEVER) == 0);
	holds("it completes", take_completion(&c, 0));
	word.expected = tail;
	holds("with nothing to take it sleeps",
	      sys_fabric_wait(queue, &word, 1, now_ns() + NS_PER_MS) == -E_TIMEOUT);
	refused("a sleep with frames for a queue, without words",
		sys_fabric_sleep(region.slot, 0), E_TYPE);
	put(&s);
	holds("what has ended by then is slept for no more, without words",
	      sys_fabric_sleep(queue, NEVER) == 0);
	holds("nor is what was not taken", sys_fabric_sleep(queue, NEVER) == 0);
	holds("it completes too", take_completion(&c, 0));
	holds("with nothing to take it sleeps without words",
	      sys_fabric_sleep(queue, now_ns() + NS_PER_MS) == -E_TIMEOUT);
}

// Completions that nobody reads: the ring must not run over.
static void
unread_completions(void)
{
	struct fabric_submit s = { .op = FABRIC_READ, .slot = 255, .length = 8,
				   .local = fabric_local(direct_address(region.frame)) };
	struct fabric_complete c;

	for (u32 round = 0; round < 4; round++) {
		while (head - control->submit_tail < FABRIC_SUBMIT_SLOTS)
			put(&s);
		need("kick", sys_fabric_kick(queue));
		holds("completions wait for their reader",
		      control->complete_head - tail <= FABRIC_COMPLETE_SLOTS);
	}
	while (tail != head) {
		if (!holds("each completes", take_completion(&c, 10 * NS_PER_SECOND)))
			return;
		need("kick", sys_fabric_kick(queue));
	}
}

// Whatever a submission holds, it completes or is a place that stays open, and at
// most FABRIC_OPEN_MAX are.
static void
random_submissions(void)
{
	struct fabric_complete c;
	struct prng prng;
	u32 completed = 0;

	prng_seed(&prng, now_ns());
	for (u32 i = 0; i < ROUNDS; i++) {
		struct fabric_submit s;
		u8 *bytes = (u8 *)&s;

		for (u32 b = 0; b < sizeof(s); b++)
			bytes[b] = (u8)prng_u64(&prng);
		s.op = (u8)prng_below(&prng, FABRIC_OP_COUNT);
		if (s.op == FABRIC_ACCEPT)
			s.op = FABRIC_GRANT;
		if (prng_below(&prng, 2))
			s.slot = (u32)prng_below(&prng, 32);
		if (prng_below(&prng, 2))
			s.local = fabric_local(direct_address(region.frame)) +
				  prng_below(&prng, 8192);
		s.length = (u32)prng_below(&prng, 5000);
		s.node = (u16)prng_below(&prng, 4);
		put(&s);
		need("kick", sys_fabric_kick(queue));
		while (take_completion(&c, 0))
			completed++;
	}
	while (take_completion(&c, 100 * NS_PER_MS))
		completed++;
	holds("every one completed", completed == ROUNDS);
}

static void
endpoints(void)
{
	i64 lesser = need("derive", sys_cap_derive(root, CAP_SLOT_SELF,
						   CAP_READ | CAP_WRITE, 5, 2));
	i64 first = need("open", sys_endpoint_open(root, queue, SERVICE));
	struct fabric_submit s = {
		.op = FABRIC_POST, .slot = (u32)first, .length = 4097,
		.local = fabric_local(direct_address(region.frame)),
	};

	refused("a number outside", sys_endpoint_open((u32)lesser, queue, 7),
		E_RANGE);
	refused("a service of somebody", sys_endpoint_open(root, queue, SERVICE),
		E_TAKEN);
	refused("frames for a queue", sys_endpoint_open(root, region.slot, 1),
		E_TYPE);
	refused("frames for a fabric", sys_endpoint_open(region.slot, queue, 1),
		E_TYPE);
	refused("a third one", sys_endpoint_open(root, queue, 9), E_QUOTA);
	denied("a buffer that is too long", run(&s));
	s.length = 0;
	denied("an empty buffer", run(&s));
	s.length = 64;
	for (u32 i = 0; i < FABRIC_OPEN_MAX * 2; i++) {
		if (head - control->submit_tail < FABRIC_SUBMIT_SLOTS)
			put(&s);
		need("kick", sys_fabric_kick(queue));
	}
	holds("open ones are bounded",
	      control->submit_tail - (control->complete_head - tail) <=
	      head);
	need("drop the endpoint", sys_cap_drop((u32)first));
	need("drop", sys_cap_drop((u32)lesser));
}

// Authority and memory go while buffers and places are open.
static void
gone_in_flight(void)
{
	struct fabric_submit s = { .op = FABRIC_ACCEPT };
	u32 lesser;

	need("drop the queue", sys_cap_drop(queue));
	bind();
	for (u32 i = 0; i < FABRIC_SUBMIT_SLOTS; i++)
		put(&s);
	need("kick", sys_fabric_kick(queue));
	need("drop the region", sys_cap_drop(region.slot));
	refused("a kick of a queue without memory", sys_fabric_kick(queue),
		E_STATE);
	need("drop the queue", sys_cap_drop(queue));
	region = take_mapped(REGION_FRAMES);
	lesser = (u32)need("derive", sys_cap_derive(root, CAP_SLOT_SELF,
						    CAP_WRITE, 0, 1));
	need("bind", queue = (u32)sys_fabric_bind(&(struct fabric_spec){
		.fabric_slot = lesser, .queue_slot = memory.slot,
		.queue_frame = memory.frame, .region_slot = region.slot,
		.region_frame = region.frame, .region_count = region.count }));
	need("drop the fabric", sys_cap_drop(lesser));
	refused("a kick without authority", sys_fabric_kick(queue), E_STATE);
	need("drop the queue", sys_cap_drop(queue));
	bind();
	need("drop the queue's frames", sys_cap_drop(memory.slot));
	refused("a kick of a queue that is gone", sys_fabric_kick(queue), E_STATE);
}

// Leaves with operations open, in one way or another.
noreturn_ static void
leave(const char *name, bool fault)
{
	struct fabric_queue q;
	struct far_io io = { .fabric = &q, .region = &region };
	struct far_ask ask = { .kind = FAR_ASK_PAGES,
			       .rights = CAP_READ | CAP_WRITE };
	u16 node = node_wait(name, now_ns() + 5 * NS_PER_SECOND);
	u8 *buffer = direct_address(region.frame);
	u32 slot = 0;

	need("find the node", node == NODE_NONE ? -E_ABSENT : 0);
	need("open", fabric_open(&q, root, &region));
	need("ask", far_ask(&io, node, &ask, buffer, &slot));
	for (u32 i = 0; i < LEFT_OPEN; i++) {
		struct fabric_submit s = {
			.tag = i, .slot = slot, .length = 4096,
			.op = i % 2 ? FABRIC_READ : FABRIC_WRITE,
			.local = fabric_local(buffer + i % 8 * PAGE_SIZE),
		};

		if (!fabric_put(&q, &s))
			break;
	}
	need("kick", fabric_flush(&q));
	print("trespass: leaves\n");
	if (fault)
		__asm__ volatile("ud2");
	sys_env_exit(STATUS_OK);
}

int
main(int argc, char **argv)
{
	root = startup_slot(ROLE_FABRIC);
	if (root == SLOT_NONE)
		need("find a fabric", -E_ABSENT);
	region = take_mapped(REGION_FRAMES);
	if (argc > 2)
		leave(argv[2], !strcmp(argv[1], "fault"));
	memory = take_mapped(FABRIC_QUEUE_FRAMES);
	bad_bindings();
	bind();
	bad_submissions();
	bad_indices();
	bad_waits();
	unread_completions();
	random_submissions();
	endpoints();
	gone_in_flight();
	return verdict_end();
}
