// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Pages and blocks of other nodes, from the shell:
//
//	remote serve PAGES [ro|rw [NODE WEIGHT]]	offers PAGES fresh pages, and the disk's
//						blocks to read or write; NODE has WEIGHT
//	remote serve PAGES ro|rw pool POOL	and POOL pages that others take frames out of
//	remote read NODE PAGE [BYTES]
//	remote write NODE PAGE TEXT
//	remote cat NODE FILE			of a cpio archive on NODE's disk
//	remote hammer NODE [OPERATIONS [SEED]]
//	remote count NODE NAME [ADD]		a counter that a program in NODE's kernel keeps
//	remote every NODE			each operation once, and its time
//	remote pool NODE [PAGES]		takes frames out of its pool and gives them
//						back; with PAGES, keeps so many
//	remote blocks NODE BLOCK		writes, keeps, zeroes and trims from BLOCK on
//	remote refuse NODE			what must be refused, is
//	remote pulse NODE			until NODE fails; then how that was told
//	remote told NODE [ADDS]			adds to words of it by upcalls alone
//	remote pace NODE [PAGES]		reads with a window of its own
//	remote shares NODE NODE [OPERATIONS]	how much of so many operations each is served
//						here, while both wait
//	remote atomics NODE|here [ROUNDS]	changes words of NODE's, while `here` does so on
//						NODE with instructions: nothing is lost
//	remote take				waits for a capability, reads until refused
//	remote redeem				waits for a ticket, redeems it, reads until refused
//	remote hand OWNER NODE ENVIRONMENT	makes one of what OWNER lends it, without OWNER
//	remote pass OWNER NODE ENVIRONMENT [expel]
//						has OWNER lend it one, takes it back
//	remote keep NODE PAGES MANNER		holds pages of it until they are asked for;
//						then gives, declares them, or ignores that
//	remote recall NODE PAGES MILLISECONDS	has NODE ask each holder for its last PAGES
//	remote cache NODE [revoke|drop]		reads a page of it in a copy under a lease; has
//						NODE take it back after a while, or gives it up
//
// NODE is the index of a link, the beginning of a UUID, or a MAC address. Each
// prints one verdict line that begins with "remote:".

#include "libos/remote/ask.h"

#define REGION_PAGES 32u

extern struct fabric_queue fabric;
extern struct frame_run region;
extern struct far_io io;

// Page `number` of the region.
u8 *
region_page(u32 number);

// Asks NODE and opens what comes, or says why not and ends the program.
u16
node_or_exit(const char *name);
void
ask_or_exit(u16 node, enum far_asked kind, u32 rights, u64 first, u64 count,
	    struct far *far);

// main.c: counts what does not hold, and says it.
extern u32 failures;

void
holds(const char *what, bool value);

int
serve(int argc, char **argv);
int
cat(int argc, char **argv);
int
hammer(int argc, char **argv);
int
count(int argc, char **argv);
int
every(int argc, char **argv);
int
use_pool(int argc, char **argv);
int
use_blocks(int argc, char **argv);
int
refuse(int argc, char **argv);
int
pulse(int argc, char **argv);
int
told(int argc, char **argv);
int
pace(int argc, char **argv);
int
shares(int argc, char **argv);
int
atomics(int argc, char **argv);
int
pass(int argc, char **argv);
int
take(int argc, char **argv);
int
keep_pages(int argc, char **argv);
int
recall(int argc, char **argv);
int
cache(int argc, char **argv);
int
hand(int argc, char **argv);
int
redeem(int argc, char **argv);

// pass.c: time, and all of what came from a capability taken back (with `expel` from
// one holder at a time).
void
pause_ns(u64 ns);
i64
take_back(u32 slot, bool expel);
// Reads a page until that is refused, and says why.
void
read_on(struct far *far);
