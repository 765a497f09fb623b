// SPDX-License-Identifier: BSD-2-Clause
// Stride scheduling, at user level (Waldspurger and Weihl, MIT-LCS-TM-528, 1995):
//
//	stride TURNS SHARE...
//
// Starts a program that computes for each share, takes its slice away, and gives
// each of TURNS slices, its own and what others leave, to the one whose pass is
// least. A pass is the time that a program has had, by the exported table, divided
// by its share. Prints "stride: share S got N ns" for each.

#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/program.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"
#include "libos/text/text.h"

#define CLIENTS_MAX 4u
#define CLIENT_FRAMES 100u

static struct client {
	struct child child;
	u64 share;
	u64 pass;
} clients[CLIENTS_MAX];
static u32 client_count;

static u64
time_of(const struct client *c)
{
	return env_table()[c->child.index].cpu_ns;
}

static bool
start(struct client *c)
{
	static struct archive boot;
	char *argv[] = { "stride", "work", NULL };
	struct spawn_spec spec = {
		.archive = &boot, .argc = 2, .argv = argv, .slices = 1,
		.quota = { .frames = CLIENT_FRAMES },
		.cpu = env_table()[self_index()].processor,
	};

	if ((!boot.data && archive_open(ROLE_BOOT_ARCHIVE, &boot)) ||
	    program_start(&spec, &c->child) ||
	    sys_slice_bind(c->child.slices[0], CAP_SLOT_SELF))
		return false;
	c->pass = time_of(c) / c->share;
	return true;
}

static void
give_slice(void)
{
	struct client *least = &clients[0];

	for (u32 i = 1; i < client_count; i++)
		least = clients[i].pass < least->pass ? &clients[i] : least;
	sys_yield(least->child.env);
	least->pass = time_of(least) / least->share;
}

static bool
read_arguments(int argc, char **argv, u64 *turns)
{
	if (argc < 3 || argc > 2 + (int)CLIENTS_MAX || !text_to_u64(argv[1], turns))
		return false;
	for (int i = 2; i < argc; i++) {
		u64 *share = &clients[client_count++].share;

		if (!text_to_u64(argv[i], share) || !*share)
			return false;
	}
	return true;
}

int
main(int argc, char **argv)
{
	u64 turns;

	while (argc == 2 && !strcmp(argv[1], "work"))
		;
	if (!read_arguments(argc, argv, &turns)) {
		print("usage: stride TURNS SHARE... (at most %u shares)\n", CLIENTS_MAX);
		return STATUS_USAGE;
	}
	for (u32 i = 0; i < client_count; i++) {
		if (!start(&clients[i]))
			return STATUS_FAILED;
	}
	while (turns--)
		give_slice();
	for (u32 i = 0; i < client_count; i++)
		print("stride: share %lu got %lu ns\n", clients[i].share, time_of(&clients[i]));
	return STATUS_OK;
}
