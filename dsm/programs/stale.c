// SPDX-License-Identifier: BSD-2-Clause
// stale: what an instance holds in its registers while the others go on without it must
// not come into their memory.
//
//	stale instance=N peers=A,B,C
//
// All read a word. The last instance computes with it for a while, without a call, as
// programs do, and a test stops its node meanwhile. The others go on as a smaller group,
// and the first one writes the word. The node goes on, hears in an upcall that it was
// left out, and stores what it has computed. When it is back as another life, the word
// must be what the first one wrote.

#include "dsm/map/named.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/text/text.h"

#define SERVICE 0x7374616c65000000ull
#define PATIENCE_NS (60 * NS_PER_SECOND)
#define LOOK_NS (50 * NS_PER_MS)
#define COMPUTE_NS (5 * NS_PER_SECOND)
#define OLD 1u
#define NEW 100u

static struct named named;
static struct dsm_group group;
static u64 phase;

static volatile u64 *const word = (volatile u64 *)DSM_BASE;

// A group of all; -E_TIMEOUT: there is none.
static i64
wait_all(void)
{
	i64 error = dsm_wait_group(named.count, now_ns() + PATIENCE_NS);

	dsm_group_get(&group);
	phase = 0;
	return error;
}

static i64
meet(void)
{
	return dsm_barrier(group.epoch, ++phase);
}

static void
compute(void)
{
	u64 value = *word, until = now_ns() + COMPUTE_NS;
	i64 error;

	print("stale: instance %u computes\n", named.number);
	while (now_ns() < until)
		;
	*word = value + 1;
	error = dsm_fetch(word, sizeof(*word), false, now_ns() + PATIENCE_NS);
	print("stale: instance %u has stored, %s\n", named.number,
	      error == -E_STATE ? "left out" : "not left out");
}

static void
go_on(void)
{
	u64 until = now_ns() + PATIENCE_NS;

	while (group.count != named.count - 1 && now_ns() < until) {
		if (!dsm_wait_group(DSM_MEMBERS_MAX, now_ns() + LOOK_NS))
			return;
		dsm_group_get(&group);
	}
	if (group.rank)
		return;
	*word = NEW;
	print("stale: %u instances go on\n", group.count);
}

static int
run(void)
{
	i64 error = wait_all();

	if (!error && group.rank == 0)
		*word = OLD;
	if (!error)
		error = meet();
	if (!error && named.number == named.count - 1)
		compute();
	else if (!error)
		go_on();
	if (!error)
		error = wait_all();
	if (!error)
		error = meet();
	print("stale: %s instance %u sees %lu\n",
	      error || *word != NEW ? "FAIL" : "PASS", named.number, *word);
	// The others look, too.
	return error || meet() ? STATUS_FAILED : STATUS_OK;
}

int
main(int argc, char **argv)
{
	struct dsm_config config = {
		.find = named_find, .find_context = &named, .service = SERVICE,
		.pages = 1, .fabric_slot = startup_slot(ROLE_FABRIC),
	};
	u64 number = 0;
	i64 error;

	if (argc != 3 || !string_starts(argv[1], "instance=") ||
	    !text_to_u64(argv[1] + 9, &number) ||
	    !string_starts(argv[2], "peers=") ||
	    !named_read(&named, argv[2] + 6, (u32)number) ||
	    config.fabric_slot == SLOT_NONE) {
		print("usage: stale instance=N peers=A,B,C, on nodes of one cluster\n");
		return STATUS_USAGE;
	}
	config.number = (u16)number;
	error = dsm_open(&config);
	if (error) {
		print("stale: FAIL, no region: error %ld\n", error);
		return STATUS_FAILED;
	}
	dsm_timer(2 * NS_PER_MS);
	return run();
}
