// SPDX-License-Identifier: BSD-2-Clause
// What the children do: each answers to what its test asks in the shared page,
// which it maps first, from the capability that its parent granted. Fields and
// who writes them: struct shared in selftest.h. What counts for ever ends when the
// test reaps it.

#include "libos/crt/attempt.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/mem/layout.h"
#include "libos/programs/selftest/links.h"
#include "libos/programs/selftest/transfer.h"
#include "libos/text/text.h"

#define SECTION_NS (20 * NS_PER_US)
#define PAGE_VA REGION_BASE
#define LENT_VA (REGION_BASE + PAGE_SIZE)

static volatile struct shared *const shared = (volatile struct shared *)PAGE_VA;

static void
map_shared(u32 nth, u64 va, u32 prot)
{
	const struct startup_cap *cap = startup_find(ROLE_SHARED, nth);

	if (!cap)
		return;
	must(sys_page_map(CAP_SLOT_SELF, va, cap->slot, cap->base, 1, prot),
	     "map what is shared");
}

static void
report_processor(void)
{
	shared->processor = processor();
	announce(&shared->state, 1);
}

// Counts for ever, by itself or a step for each time it is given.
static void
count(void)
{
	for (;;)
		shared->count++;
}

static void
count_steps(void)
{
	for (;;) {
		shared->count++;
		sys_yield(SLOT_NONE);
	}
}

static void
count_naps(void)
{
	for (;;) {
		if (sys_wait(NULL, 0, now_ns() + NS_PER_MS / 2) != -E_TIMEOUT)
			shared->vector = 1;
		shared->processor = processor();
		shared->count++;
	}
}

static void
count_where(void)
{
	for (;;) {
		shared->processor = processor();
		shared->count++;
	}
}

static void
answer(void)
{
	u32 seen = 0;

	while (changed(&shared->order, seen)) {
		seen = shared->order;
		shared->processor = processor();
		announce(&shared->state, seen);
	}
}

static void
read_lent(void *forever)
{
	do
		shared->value = *(volatile u64 *)LENT_VA;
	while (forever);
}

static void
report_fault(bool forever)
{
	struct upcall_frame fault;

	if (attempt(read_lent, forever ? &fault : NULL, &fault)) {
		shared->vector = fault.vector;
		shared->address = fault.address;
	}
	announce(&shared->state, 2);
}

// Reads lent memory over and over: the fault comes while it runs.
static void
read_running(void)
{
	read_lent(NULL);
	announce(&shared->state, 1);
	report_fault(true);
}

// Reads lent memory, sleeps, reads it again.
static void
read_after_sleep(void)
{
	read_lent(NULL);
	announce(&shared->state, 1);
	if (changed(&shared->order, 0))
		report_fault(false);
}

// Counts for ever; ends of slices in `value`, their starts in `address`. A section
// that an end fell into is counted by what it made up for.
static bool in_section;

static void
at_start(struct upcall_context *context)
{
	(void)context;
	shared->address++;
}

static void
at_end(struct upcall_context *context)
{
	(void)context;
	if (in_section)
		shared->vector = 1;
	shared->value++;
}

static void
count_slices(void)
{
	slice_handlers_set(at_start, at_end);
	count();
}

static void
count_in_sections(void)
{
	slice_handlers_set(at_start, at_end);
	for (;;) {
		u64 ends;

		upcall_hold();
		in_section = true;
		ends = shared->value;
		for (u64 until = now_ns() + SECTION_NS; now_ns() < until;)
			;
		in_section = false;
		upcall_release();
		shared->count += shared->value != ends;
	}
}

static void
stay(struct upcall_context *context)
{
	shared->value++;
	(void)context;
	count();
}

// Never gives the processor up, asked to or not.
static void
overrun(void)
{
	slice_handlers_set(NULL, stay);
	count();
}

static void
cling(void)
{
	slice_handlers_set(NULL, at_end);
	upcall_hold();
	count();
}

// Its own pattern in every FPU register, looked at again and again.
static void
keep_float(void)
{
	static const u64 mine = 0x0123456789abcdefull;
	u64 seen;

	__asm__ volatile("movq %0, %%xmm5; fldpi" : : "r"(mine));
	for (;;) {
		__asm__ volatile("movq %%xmm5, %0" : "=r"(seen));
		if (seen != mine)
			shared->vector = 1;
		shared->count++;
	}
}

// Counts to what its test waits for, a little at a time, and says so each time.
static void
tick(void)
{
	if (!changed(&shared->order, 0))
		return;
	for (u32 i = 1; i <= 20; i++) {
		if (sys_wait(NULL, 0, now_ns() + NS_PER_MS / 4) != -E_TIMEOUT)
			return;
		announce(&shared->count, i);
	}
}

// Puts all of its frames into programs that nobody verifies.
static void
hoard(void)
{
	static const struct code_insn text[] = { { 0x95, 0, 0, 0 } };
	struct program_spec spec = { .text = (u64)text, .count = 1 };

	while (sys_code_load(&spec) >= 0)
		shared->count++;
	announce(&shared->state, 1);
	while (sys_wait(NULL, 0, NEVER) < 0)
		;
}

// Sleeps by the predicate that it is given, until more is typed.
static void
sleep_by_predicate(void)
{
	struct wait_word typed = {
		.va = (u64)&sys_info()->console_typed,
		.expected = sys_info()->console_typed,
	};

	if (!changed(&shared->order, 0))
		return;
	announce(&shared->state, 1);
	shared->value = (u64)sys_wait_for(shared->order, &typed, 1, NEVER, 1);
	announce(&shared->state, 2);
}

static void
on_tick(struct upcall_context *context)
{
	(void)context;
	shared->count++;
	sys_timer_set(now_ns() + NS_PER_MS / 10);
}

static void
count_ticks(void)
{
	timer_handler_set(on_tick);
	sys_timer_set(now_ns());
	for (;;)
		;
}

static void
serve(void)
{
	transfer_serve(shared);
}

static void
break_it(void)
{
	break_handler(shared);
}

// Would receive by another's ring, which it may read and write, end what that has, and
// handle what comes to it.
static void
filter_lent(void)
{
	const struct ring_filter everything = { .narrows = SLOT_NONE };

	if (!changed(&shared->order, 0))
		return;
	shared->value = (u64)sys_ring_filter(shared->slot[0], &everything);
	shared->address = (u64)sys_ring_unfilter(shared->slot[0], 0);
	shared->base[0] = (u64)sys_ring_handle(shared->slot[0], SLOT_NONE, 0, 0);
	announce(&shared->state, 1);
}

static void
link_up(void)
{
	link_child(shared);
}

int
child_main(const char *what)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} jobs[] = {
		{ "processor", report_processor },
		{ "count", count },
		{ "steps", count_steps },
		{ "naps", count_naps },
		{ "answer", answer },
		{ "read-running", read_running },
		{ "read-after-sleep", read_after_sleep },
		{ "float", keep_float },
		{ "where", count_where },
		{ "slices", count_slices },
		{ "sections", count_in_sections },
		{ "overrun", overrun },
		{ "cling", cling },
		{ "ticks", count_ticks },
		{ "hold", hold },
		{ "hold-parts", hold_parts },
		{ "hold-declared", hold_declared },
		{ "hold-politely", hold_politely },
		{ "hold-scribbling", hold_scribbling },
		{ "hold-family", hold_family },
		{ "hold-others", hold_others },
		{ "hold-blocks", hold_blocks },
		{ "hold-blocks-politely", hold_blocks_politely },
		{ "tick", tick },
		{ "hoard", hoard },
		{ "predicate", sleep_by_predicate },
		{ "serve", serve },
		{ "link", link_up },
		{ "filter-lent", filter_lent },
		{ "break-handler", break_it },
	};

	map_shared(0, PAGE_VA, PROT_READ | PROT_WRITE);
	map_shared(1, LENT_VA, PROT_READ);
	for (u32 i = 0; i < ARRAY_SIZE(jobs); i++) {
		if (!strcmp(jobs[i].name, what)) {
			jobs[i].run();
			return STATUS_OK;
		}
	}
	return STATUS_USAGE;
}
