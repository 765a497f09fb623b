// SPDX-License-Identifier: BSD-2-Clause
// Every operation on another node's pages once, each compared with what it must have
// done, and for each where its time went: waiting here, on the way, at work there.

#include "kernel/base/string.h"
#include "libos/crt/console.h"
#include "libos/crt/status.h"
#include "libos/programs/remote/remote.h"

#define PAGES 2u
#define AT 1000u		// of the piece that is written and read again

static struct far far;
static struct fabric_complete last;

static void
attempt(const char *name, struct fabric_submit s)
{
	i64 error;

	s.slot = far.slot;
	s.local = fabric_local(region_page(1));
	error = far_run(&io, &s, &last);
	print("  %s: %6lu us waiting, %6lu on the way, %6lu there%s%s\n", name,
	      last.queue_ns / 1000, last.wire_ns / 1000, last.remote_ns / 1000,
	      error ? ": " : "", error ? far_error_text(error) : "");
	failures += error != 0;
}

static void
plain(void)
{
	for (u32 i = 0; i < PAGE_SIZE; i++)
		region_page(1)[i] = (u8)(i * 7);
	attempt("WRITE 4096", (struct fabric_submit){ .op = FABRIC_WRITE,
						      .length = PAGE_SIZE });
	memset(region_page(1), 0, PAGE_SIZE);
	attempt("READ 4096", (struct fabric_submit){ .op = FABRIC_READ,
						     .length = PAGE_SIZE });
	holds("what was written is read", region_page(1)[4095] == (u8)(4095 * 7));
	attempt("FETCH_ADD", (struct fabric_submit){
		.op = FABRIC_FETCH_ADD, .offset = PAGE_SIZE, .length = 8,
		.addend = 5,
	});
	attempt("NOTIFY", (struct fabric_submit){ .op = FABRIC_NOTIFY, .length = 4,
						  .offset = PAGE_SIZE });
}

static void
several(void)
{
	struct fabric_submit s = {
		.op = FABRIC_READV, .length = 12, .clause_count = 3,
		.piece = { { 0, 4, 0 }, { 4092, 4, 0 }, { PAGE_SIZE, 4, 0 } },
	};
	u32 last_word;

	attempt("READV of 3 pieces", s);
	memcpy(&last_word, region_page(1) + 8, 4);
	holds("the word is 6", last_word == 6);
	s = (struct fabric_submit){
		.op = FABRIC_PUTV, .offset = PAGE_SIZE, .length = 8,
		.clause_count = 2,
		.change = {
			.compare = 6, .compare_mask = ~0ull, .add = 1,
			.piece = { { AT, 100, 0 }, { AT + 500, 1, 0 } },
		},
	};
	memset(region_page(1), 0x77, PAGE_SIZE);
	attempt("PUTV of 2 pieces", s);
	holds("it compared", last.clause == 0 && last.old[0] == 6);
	attempt("PUTV, another version", s);
	holds("it did not", last.clause == FABRIC_CLAUSE_NONE && last.old[0] == 7);
}

// The word at the start of the second page is 7 by now; each adds one to it.
static void
chained(void)
{
	struct fabric_submit s = {
		.op = FABRIC_MCAS, .offset = PAGE_SIZE, .length = 8,
		.clause_count = 1,
		.clause[0] = {
			.compare = { 7 }, .compare_mask = { ~0ull },
			.swap = { 8 }, .swap_mask = { ~0ull },
			.chain_offset = PAGE_SIZE + AT, .chain_length = 101,
		},
	};

	attempt("MCAS, chained READ", s);
	holds("the pieces are there", last.clause == 0 && last.length == 101 &&
	      region_page(1)[99] == 0x77 && region_page(1)[100] == 0);
	memset(region_page(1), 0x55, PAGE_SIZE);
	s.clause[0].compare[0]++;
	s.clause[0].swap[0]++;
	s.clause[0].chain = FABRIC_CHAIN_WRITE;
	attempt("MCAS, chained WRITE", s);
	s.clause[0].compare[0]++;
	s.clause[0].swap[0]++;
	s.clause[0].chain = FABRIC_CHAIN_NOTIFY;
	s.clause[0].chain_offset = PAGE_SIZE + 8;
	s.clause[0].chain_length = 4;
	attempt("MCAS, chained NOTIFY", s);
	attempt("READ of what they left", (struct fabric_submit){
		.op = FABRIC_READ, .offset = PAGE_SIZE, .length = PAGE_SIZE });
	holds("the word, the notice and the bytes", region_page(1)[0] == 10 &&
	      region_page(1)[8] == 1 && region_page(1)[AT] == 0x55 &&
	      region_page(1)[AT + 101] == 0);
}

int
every(int argc, char **argv)
{
	(void)argc;
	ask_or_exit(node_or_exit(argv[2]), FAR_ASK_PAGES,
		    CAP_READ | CAP_WRITE | CAP_DERIVE, 0, PAGES, &far);
	memset(region_page(1), 0, PAGE_SIZE);
	attempt("WRITE, to begin with", (struct fabric_submit){
		.op = FABRIC_WRITE, .offset = PAGE_SIZE, .length = PAGE_SIZE });
	plain();
	several();
	chained();
	print("remote: %s each operation%s\n", failures ? "FAIL" : "PASS",
	      failures ? ", see above" : "");
	return failures ? STATUS_FAILED : STATUS_OK;
}
