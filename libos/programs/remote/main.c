// SPDX-License-Identifier: BSD-2-Clause
// remote: what it takes to reach other nodes (a fabric queue and a region), the
// table of commands, and the simple ones.
// remote.h says what each does.

#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"
#include "libos/programs/remote/remote.h"
#include "libos/remote/node.h"
#include "libos/text/text.h"

#define LINE_BYTES 16u
#define PATIENCE_NS (10 * NS_PER_SECOND)

struct fabric_queue fabric;
struct frame_run region;
struct far_io io = { .fabric = &fabric, .region = &region };
u32 failures;

u8 *
region_page(u32 number)
{
	return direct_address(region.frame + number);
}

void
holds(const char *what, bool value)
{
	if (value)
		return;
	failures++;
	print("remote: does not hold: %s\n", what);
}

noreturn_ static void
fail(const char *what, i64 error)
{
	print("remote: %s: %s\n", what, far_error_text(error));
	sys_env_exit(STATUS_FAILED);
}

u16
node_or_exit(const char *name)
{
	u16 node = node_wait(name, now_ns() + PATIENCE_NS);

	if (node != NODE_NONE)
		return node;
	print("remote: no session with a node '%s'; `links` lists them\n", name);
	sys_env_exit(STATUS_FAILED);
}

void
ask_or_exit(u16 node, enum far_asked kind, u32 rights, u64 first, u64 count,
	    struct far *far)
{
	struct far_ask ask = {
		.kind = kind, .rights = rights, .first = first, .count = count,
	};
	u32 slot = SLOT_NONE;
	i64 error = far_ask(&io, node, &ask, region_page(0), &slot);

	if (error)
		fail("asking that node", error);
	error = far_open(far, &io, slot);
	if (error)
		fail("opening what it granted", error);
}

static void
show_bytes(const u8 *bytes, u32 len)
{
	for (u32 at = 0; at < len; at += LINE_BYTES) {
		print("%04x ", at);
		for (u32 i = at; i < MIN(at + LINE_BYTES, len); i++)
			print(" %02x", bytes[i]);
		print("  ");
		for (u32 i = at; i < MIN(at + LINE_BYTES, len); i++)
			print("%c", bytes[i] >= ' ' && bytes[i] < 127 ? bytes[i]
								      : '.');
		print("\n");
	}
}

static int
read(int argc, char **argv)
{
	u64 page, len = 64;
	struct far far;
	i64 error;

	if (!text_to_u64(argv[3], &page) ||
	    (argc > 4 && (!text_to_u64(argv[4], &len) || len > PAGE_SIZE)))
		return STATUS_USAGE;
	ask_or_exit(node_or_exit(argv[2]), FAR_ASK_PAGES, CAP_READ, page, 1, &far);
	error = far_read(&far, 0, region_page(1), (u32)len);
	if (error)
		fail("reading", error);
	show_bytes(region_page(1), (u32)len);
	print("remote: read %lu bytes\n", len);
	return STATUS_OK;
}

static int
write(int argc, char **argv)
{
	u32 len = (u32)MIN(strlen(argv[4]) + 1, PAGE_SIZE);
	struct far far;
	u64 page;
	i64 error;

	(void)argc;
	if (!text_to_u64(argv[3], &page))
		return STATUS_USAGE;
	ask_or_exit(node_or_exit(argv[2]), FAR_ASK_PAGES, CAP_READ | CAP_WRITE,
		    page, 1, &far);
	memcpy(region_page(1), argv[4], len);
	error = far_write(&far, 0, region_page(1), len);
	if (error)
		fail("writing", error);
	print("remote: wrote %u bytes\n", len);
	return STATUS_OK;
}

static const struct command {
	const char *name;
	int words;		// at least, behind `remote`
	int (*run)(int argc, char **argv);
	const char *arguments;
} commands[] = {
	{ "serve", 2, serve, "PAGES [ro|rw [NODE WEIGHT | pool POOL]]" },
	{ "read", 3, read, "NODE PAGE [BYTES]" },
	{ "write", 4, write, "NODE PAGE TEXT" },
	{ "cat", 3, cat, "NODE FILE" },
	{ "hammer", 2, hammer, "NODE [OPERATIONS [SEED]]" },
	{ "count", 3, count, "NODE NAME [ADD]" },
	{ "every", 2, every, "NODE" },
	{ "pool", 2, use_pool, "NODE [PAGES]" },
	{ "blocks", 3, use_blocks, "NODE BLOCK" },
	{ "refuse", 2, refuse, "NODE" },
	{ "pulse", 2, pulse, "NODE" },
	{ "told", 2, told, "NODE [ADDS]" },
	{ "pace", 2, pace, "NODE [PAGES]" },
	{ "shares", 3, shares, "NODE NODE [OPERATIONS]" },
	{ "atomics", 2, atomics, "NODE|here [ROUNDS]" },
	{ "pass", 4, pass, "OWNER NODE ENVIRONMENT [expel]" },
	{ "take", 1, take, "" },
	{ "hand", 4, hand, "OWNER NODE ENVIRONMENT" },
	{ "redeem", 1, redeem, "" },
	{ "keep", 4, keep_pages, "NODE PAGES gives|copies|declares|ignores" },
	{ "recall", 4, recall, "NODE PAGES MILLISECONDS" },
	{ "cache", 2, cache, "NODE [revoke|drop]" },
};

static int
usage(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(commands); i++)
		print("%s remote %s %s\n", i ? "      " : "usage:",
		      commands[i].name, commands[i].arguments);
	return STATUS_USAGE;
}

static i64
prepare(void)
{
	u32 slot = startup_slot(ROLE_FABRIC);
	i64 error;

	if (slot == SLOT_NONE)
		return -E_ABSENT;
	error = frames_take(REGION_PAGES, &region);
	return error ? error : fabric_open(&fabric, slot, &region);
}

int
main(int argc, char **argv)
{
	i64 error;
	int status;

	for (u32 i = 0; i < ARRAY_SIZE(commands); i++) {
		if (argc < 2 || strcmp(argv[1], commands[i].name) ||
		    argc <= commands[i].words)
			continue;
		error = prepare();
		if (error == -E_ABSENT) {
			print("remote: this node has joined no cluster\n");
			return STATUS_FAILED;
		}
		if (error)
			fail("no fabric", error);
		status = commands[i].run(argc, argv);
		return status == STATUS_USAGE ? usage() : status;
	}
	return usage();
}
