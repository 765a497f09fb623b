// SPDX-License-Identifier: BSD-2-Clause
// What two do to the same words, one here with the processor's own instructions, the other
// from another node through the kernel: nothing of either is lost. `here` goes on until
// the other says that it is done; then both have to find what they have added, in sum.
//
//	word 0	lock xadd here, FETCH_ADD there
//	     1	lock cmpxchg here, FETCH_ADD there
//	     2	lock xadd here, PUTV there
//	     3	lock xadd here, of 4 bytes, NOTIFY there
//	     4	lock xadd here, of the lower half; MCAS there, of the upper one
//	     6	lock xadd here; MCAS of 16 bytes there, of the word behind it
//	     8	what the other has done, once it is done

#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/status.h"
#include "libos/mem/map.h"
#include "libos/programs/remote/remote.h"
#include "libos/text/text.h"

#define MOST 100000u
#define AT_ONCE 2u			// rounds, which run in any order
#define STUCK_NS (100 * NS_PER_SECOND)
#define BEHIND (PAGE_SIZE / 2)		// where the piece of PUTV goes

enum { ADD, SWAP, CHANGE, NOTE, HALF, WIDE = 6, DONE = 8, WORDS };

static struct far page;
static u32 asked;			// that were not answered yet

static void
here_once(u64 *word)
{
	u64 old = __atomic_load_n(&word[SWAP], __ATOMIC_RELAXED);

	__atomic_fetch_add(&word[ADD], 1, __ATOMIC_SEQ_CST);
	while (!__atomic_compare_exchange_n(&word[SWAP], &old, old + 1, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	__atomic_fetch_add(&word[CHANGE], 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add((u32 *)&word[NOTE], 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&word[HALF], 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&word[WIDE], 1, __ATOMIC_SEQ_CST);
}

static int
here(void)
{
	u64 *word = (u64 *)(void *)page.memory;
	u64 until = now_ns() + STUCK_NS, done = 0, rounds = 0;
	struct frame_run run;

	if (run_of_slot(page.slot, &run) || map_direct(&run, PROT_READ | PROT_WRITE)) {
		print("remote: FAIL cannot map the page\n");
		return STATUS_FAILED;
	}
	print("remote: adds here\n");
	while (!(done = __atomic_load_n(&word[DONE], __ATOMIC_ACQUIRE)) && now_ns() < until) {
		for (u32 i = 0; i < 256; i++, rounds++)
			here_once(word);
	}
	holds("the other is done", done);
	holds("each FETCH_ADD, and each add here", word[ADD] == rounds + done);
	holds("each FETCH_ADD, and each swap here", word[SWAP] == rounds + done);
	holds("each PUTV, and each add here", word[CHANGE] == rounds + done);
	holds("each NOTIFY, and each add here", (u32)word[NOTE] == (u32)(rounds + done));
	holds("the half that MCAS left alone", (u32)word[HALF] == (u32)rounds);
	holds("the half that MCAS set", word[HALF] >> 32 == done);
	holds("the word beside that of MCAS", word[WIDE] == rounds);
	holds("the word that MCAS set", word[WIDE + 1] == done);
	print("remote: %s %lu rounds here, %lu there\n", failures ? "FAIL" : "PASS", rounds,
	      done);
	return failures ? STATUS_FAILED : STATUS_OK;
}

static void
ask(struct fabric_submit s)
{
	s.slot = page.slot;
	s.local = fabric_local(region_page(1));
	asked++;
	failures += !fabric_put(&fabric, &s);
}

static void
answers(void)
{
	struct fabric_complete c;

	failures += fabric_flush(&fabric) != 0;
	for (; asked && !failures; asked--)
		failures += !fabric_next(&fabric, &c, now_ns() + STUCK_NS) ||
			    c.outcome != FABRIC_DONE || c.clause == FABRIC_CLAUSE_NONE;
}

static struct fabric_submit
swap(u32 word, u32 len, u32 half, u64 mask, u64 to)
{
	struct fabric_submit s = {
		.op = FABRIC_MCAS, .offset = word * sizeof(u64), .length = len,
		.clause_count = 1,
	};

	s.clause[0].swap[half] = to;
	s.clause[0].swap_mask[half] = mask;
	return s;
}

static void
there_once(u64 last)
{
	for (u32 word = ADD; word <= SWAP; word++)
		ask((struct fabric_submit){ .op = FABRIC_FETCH_ADD, .addend = 1, .length = 8,
					    .offset = word * sizeof(u64) });
	ask((struct fabric_submit){
		.op = FABRIC_PUTV, .offset = CHANGE * sizeof(u64), .length = 8,
		.clause_count = 1,
		.change = { .add = 1, .piece = { { BEHIND, 1, 0 } } },
	});
	ask((struct fabric_submit){ .op = FABRIC_NOTIFY, .offset = NOTE * sizeof(u64),
				    .length = 4 });
	ask(swap(HALF, 8, 0, ~0ull << 32, last << 32));
	ask(swap(WIDE, 16, 1, ~0ull, last));
}

int
atomics(int argc, char **argv)
{
	bool local = !strcmp(argv[2], "here");
	u64 rounds = 10000;

	if (argc > 3 && (!text_to_u64(argv[3], &rounds) || !rounds || rounds > MOST ||
			 rounds % AT_ONCE))
		return STATUS_USAGE;
	ask_or_exit(local ? FABRIC_NODE_SELF : node_or_exit(argv[2]), FAR_ASK_PAGES,
		    CAP_READ | CAP_WRITE, 0, 1, &page);
	if (local)
		return here();
	for (u64 round = 0; round < rounds && !failures; round += AT_ONCE) {
		for (u32 i = 0; i < AT_ONCE; i++)
			there_once(round + AT_ONCE);
		answers();
	}
	ask((struct fabric_submit){ .op = FABRIC_FETCH_ADD, .addend = rounds, .length = 8,
				    .offset = DONE * sizeof(u64) });
	answers();
	print("remote: %s %lu rounds\n", failures ? "FAIL" : "PASS", rounds);
	return failures ? STATUS_FAILED : STATUS_OK;
}
