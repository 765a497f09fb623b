// SPDX-License-Identifier: BSD-2-Clause
// Exits in the middle of something:
//
//	quit WAY		see the table
//	quit WAY fault		dies of a fault instead
//
// The devices still read and write its memory, others watch it, time was given
// to it or by it. Nothing of it may be left, and nobody else may notice.

#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "libos/crt/program.h"
#include "libos/crt/upcall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/hostile/taken.h"
#include "libos/programs/hostile/verdict.h"
#include "libos/text/text.h"

#define MAC_INDEX 9u
#define WAIT_NS (20 * NS_PER_MS)

static bool by_fault;

noreturn_ static void
end(void)
{
	if (by_fault) {
		uarea()->upcall_entry = 0;
		*(volatile u8 *)(REGION_BASE + 0x1000000) = 0;
	}
	sys_env_exit(42);
}

// Frames whose bytes the device reads from where they lie.
static void
fill_ring(struct ring_control *control, struct ring_tx *tx, u64 payload)
{
	u8 *header = direct_address(payload);

	memset(header, 0xff, 6);
	for (u32 i = 0; i < 6; i++)
		header[6 + i] = control->mac[i];
	be16_store(header + 12, 0x88b6);
	for (u32 i = 0; i < RING_SLOTS; i++)
		tx[i] = (struct ring_tx){
			.piece = { { (u32)payload, 0, 14 },
				   { (u32)payload + 1, 0, 700 },
				   { (u32)payload + 2, 0, 700 } },
			.piece_count = 3,
		};
	control->tx_head = RING_SLOTS;
}

static void
sending(void)
{
	struct frame_run memory = take_mapped(RING_FRAMES), payload = take_mapped(3);
	struct ring_spec spec = {
		.nic_slot = startup_slot(ROLE_NIC),
		.mac_index = MAC_INDEX,
		.ring_slot = memory.slot,
		.ring_frame = memory.frame,
		.narrows = SLOT_NONE,
		.region_count = 1,
		.region = { { payload.slot, 0, payload.frame, payload.count } },
	};
	i64 slot = need("bind a ring", sys_ring_bind(&spec));

	fill_ring(direct_address(memory.frame), direct_address(memory.frame + 1),
		  payload.frame);
	need("kick", sys_ring_kick((u32)slot));
	end();
}

// Every operation that a queue holds at once, on the first blocks of the disk.
static void
disk(enum queue_op op)
{
	struct frame_run memory = take_mapped(1), region = take_mapped(QUEUE_SLOTS);
	struct queue_control *control = direct_address(memory.frame);
	struct queue_spec spec = {
		.blocks_slot = startup_slot(ROLE_BLOCKS),
		.queue_slot = memory.slot,
		.queue_frame = memory.frame,
		.region_slot = region.slot,
		.region_frame = region.frame,
		.region_count = region.count,
	};
	i64 slot = need("bind a queue", sys_queue_bind(&spec));

	memset(direct_address(region.frame), 0xa7, region.count * PAGE_SIZE);
	for (u32 i = 0; i < QUEUE_SLOTS; i++)
		control->submit[i] = (struct queue_submit){
			.block = i,
			.frame = (u32)region.frame + i,
			.count = 1,
			.op = (u8)op,
		};
	control->submit_head = QUEUE_SLOTS;
	need("kick", sys_queue_kick((u32)slot));
	end();
}

static void
reading(void)
{
	disk(QUEUE_READ);
}

static void
writing(void)
{
	disk(QUEUE_WRITE);
}

static void
exit_at_once(struct upcall_context *context)
{
	(void)context;
	end();
}

// From inside an upcall.
static void
upcall(void)
{
	timer_handler_set(exit_at_once);
	sys_timer_set(1);
	for (;;)
		sys_yield(SLOT_NONE);
}

// A child that does something for ever, with memory of ours to look at.
static struct child
start_child(char *way, struct frame_run *page)
{
	static struct archive boot;
	char *argv[] = { "quit", way, NULL };
	struct spawn_grant grants[2];
	struct spawn_spec spec = {
		.archive = &boot,
		.argc = 2,
		.argv = argv,
		.grants = grants,
		.grant_count = 1,
		.quota = { .frames = 300 },
		.cpu = 0,
		.slices = 1,
	};
	struct child child;

	*page = take_mapped(1);
	grants[0] = (struct spawn_grant){ ROLE_SHARED, page->slot,
		CAP_READ | CAP_WRITE, page->frame, 1, 0 };
	if (!boot.data)
		need("open the archive", archive_open(ROLE_BOOT_ARCHIVE, &boot));
	need("start a child", program_start(&spec, &child));
	while (*(volatile u32 *)direct_address(page->frame) == 0)
		sys_yield(child.env);
	return child;
}

static volatile u32 *
shared_page(void)
{
	const struct startup_cap *cap = startup_find(ROLE_SHARED, 0);

	need("find the page", cap ? 0 : -E_ABSENT);
	need("map it", sys_page_map(CAP_SLOT_SELF, REGION_BASE, cap->slot,
				    cap->base, 1, PROT_READ | PROT_WRITE));
	return (volatile u32 *)REGION_BASE;
}

static void
child_writes(void)
{
	for (volatile u32 *page = shared_page();;)
		(*page)++;
}

static void
child_waits(void)
{
	volatile u32 *page = shared_page();

	*page = 1;
	for (;;) {
		struct wait_word word = { .va = (u64)page, .expected = 1 };

		(void)(sys_wait(&word, 1, NEVER) < 0);
	}
}

// A parent goes while its child uses its memory, or waits for it to change.
static void
writing_child(void)
{
	struct frame_run page;

	start_child("child-writes", &page);
	end();
}

static void
waiting_child(void)
{
	struct frame_run page;

	start_child("child-waits", &page);
	(void)(sys_wait(NULL, 0, now_ns() + WAIT_NS) < 0);
	end();
}

// A child goes in time that was given to it.
static void
child_exits(void)
{
	volatile u32 *page = shared_page();

	*page = 1;
	while (*page == 1)
		sys_yield(SLOT_NONE);
	end();
}

static void
yielding(void)
{
	struct frame_run page;
	struct child child = start_child("child-exits", &page);

	*(volatile u32 *)direct_address(page.frame) = 2;
	for (u32 i = 0; i < 100; i++)
		sys_yield(child.env);
	end();
}

// Asleep on everything that can be waited for.
static void
sleeping(void)
{
	struct wait_word words[WAIT_WORDS_MAX];
	struct frame_run page = take_mapped(1);

	for (u32 i = 0; i < WAIT_WORDS_MAX; i++)
		words[i] = (struct wait_word){
			.va = (u64)direct_address(page.frame) + 4 * i };
	need("drop what is watched", sys_page_unmap(CAP_SLOT_SELF,
		(u64)direct_address(page.frame) + PAGE_SIZE, 1));
	print("quit: asleep\n");
	(void)(sys_wait(words, WAIT_WORDS_MAX, NEVER) < 0);
	end();
}

// A chain of capabilities as deep as it goes, without itself at the end.
static void
deep(void)
{
	struct frame_run page = take_mapped(1);
	i64 slot = page.slot;

	for (i64 next = slot; next >= 0; slot = next)
		next = sys_cap_derive((u32)slot, CAP_SLOT_SELF,
				      CAP_READ | CAP_DERIVE, page.frame, 1);
	need("drop itself", sys_cap_drop(CAP_SLOT_SELF));
	end();
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} ways[] = {
		{ "sending", sending },
		{ "reading", reading },
		{ "writing", writing },
		{ "upcall", upcall },
		{ "writing-child", writing_child },
		{ "waiting-child", waiting_child },
		{ "yielding", yielding },
		{ "sleeping", sleeping },
		{ "deep", deep },
		{ "child-writes", child_writes },
		{ "child-waits", child_waits },
		{ "child-exits", child_exits },
	};

	by_fault = argc > 2;
	for (u32 i = 0; argc > 1 && i < ARRAY_SIZE(ways); i++) {
		if (!strcmp(ways[i].name, argv[1]))
			ways[i].run();
	}
	print("quit: in the middle of what?\n");
	return STATUS_USAGE;
}
