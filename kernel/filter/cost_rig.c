// SPDX-License-Identifier: BSD-2-Clause
// What it costs to find the ring of a frame, in instructions, counted one by one
// (harness/testing/stepped.h). Built like the kernel, without sanitizers, by test_cost.py.
//
// Prints "NAME FILTERS INSTRUCTIONS" a line, the mean over the frames of a case and,
// with "-max" behind the name, the most. `linear` is what stood here before there was
// a trie: each filter's eight words, one filter after the other.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/testing/stepped.h"
#include "kernel/base/byteorder.h"
#include "kernel/filter/claim.h"
#include "kernel/filter/egress.h"

#define FILTERS 100u
#define FRAME_LEN 128u
#define UDP 17u

static struct claims claims;
static u8 frame[FRAME_LEN];
static struct {
	u64 mac;
	struct filter filter;
} line[FILTERS];
static u32 line_count;

static void
add(u32 ring, u64 mac, u32 port)
{
	struct ring_atom atoms[] = {
		{ 12, 0xffff0000, 0x08000000 }, { 20, 0xff, UDP },
		{ 36, 0xffff0000, port << 16 },
	};
	struct claim_wish w = { .ring = ring, .mac = mac, .over = RING_NONE };
	u32 under;

	w.filter = (struct filter){ 0 };
	if (!filter_add(&w.filter, atoms, port ? 3 : 0) ||
	    claims_may(&claims, &w, &under))
		exit(2);
	claims_let_in(&claims, &w, claims_room(&claims, ring), under);
	line[line_count].mac = mac;
	line[line_count++].filter = w.filter;
}

static u64
mac_of(u32 index)
{
	u8 mac[6] = { 2, 0, 0, 0, 0, (u8)index };

	return egress_mac(mac);
}

// As kernel/sys/ring_rx.c does.
static __attribute__((noinline)) u32
classify(const u8 *at, u32 len)
{
	return len < FILTER_WINDOW ? 0 : claims_takers(&claims, at);
}

static __attribute__((noinline)) u32
linear(const u8 *at, u32 len)
{
	u64 target = le64_load(at) & 0xffffffffffff;
	struct filter_window window;

	filter_load(&window, at, len);
	for (u32 i = 0; i < line_count; i++) {
		if (line[i].mac == target && filter_accepts(&line[i].filter, &window))
			return 1;
	}
	return 0;
}

static void
make_frame(u64 mac, u32 port)
{
	memset(frame, 0, sizeof(frame));
	memcpy(frame, &mac, 6);
	be16_store(frame + 12, 0x0800);
	frame[23] = UDP;
	be16_store(frame + 36, (u16)port);
}

// In the child: one classification between two breakpoints.
static void
measure(u32 (*how)(const u8 *, u32), bool found)
{
	u32 got;

	STEPPED_BEGIN();
	got = how(frame, FRAME_LEN);
	STEPPED_END(got);
	if ((got != 0) != found)
		_exit(3);
}

// Which filters there are: `count` on as many rings as it takes, on one address or
// one a ring.
static void
fill(u32 count, bool one_address)
{
	claims_init(&claims, 0x9e3779b97f4a7c15);
	line_count = 0;
	for (u32 i = 0; i < count; i++)
		add(i / RING_FILTERS_MAX,
		    mac_of(one_address ? 0 : i / RING_FILTERS_MAX), 1000 + i);
}

static void
count(const char *name, u32 filters, void (*run)(u32))
{
	struct stepped found = stepped_run(run, filters);

	printf("%s %u %llu\n", name, filters,
	       (unsigned long long)(found.sum / found.count));
	printf("%s-max %u %llu\n", name, filters, (unsigned long long)found.most);
}

static void
ports(u32 n)
{
	fill(n, true);
	for (u32 i = 0; i < n; i++) {
		make_frame(mac_of(0), 1000 + i);
		measure(classify, true);
	}
}

static void
addresses(u32 n)
{
	fill(n, false);
	for (u32 i = 0; i < n; i++) {
		make_frame(mac_of(i / RING_FILTERS_MAX), 1000 + i);
		measure(classify, true);
	}
}

static void
misses(u32 n)
{
	fill(n, true);
	make_frame(mac_of(0), 999);
	measure(classify, false);
	make_frame(mac_of(99), 1000);
	measure(classify, false);
}

static void
broadcasts(u32 n)
{
	fill(n, false);
	make_frame(0xffffffffffff, 1000 + n - 1);
	measure(classify, true);
	make_frame(0xffffffffffff, 999);
	measure(classify, false);
}

// One ring that takes everything for its address, as the web server's.
static void
whole(u32 n)
{
	claims_init(&claims, 1);
	line_count = 0;
	for (u32 i = 0; i < n; i++)
		add(i, mac_of(i), 0);
	make_frame(mac_of(n - 1), 80);
	measure(classify, true);
}

static void
before_ports(u32 n)
{
	fill(n, true);
	for (u32 i = 0; i < n; i++) {
		make_frame(mac_of(0), 1000 + i);
		measure(linear, true);
	}
}

static void
before_whole(u32 n)
{
	claims_init(&claims, 1);
	line_count = 0;
	for (u32 i = 0; i < n; i++)
		add(i, mac_of(i), 0);
	make_frame(mac_of(n - 1), 80);
	measure(linear, true);
}

int
main(void)
{
	static const u32 sizes[] = { 1, FILTERS };

	setvbuf(stdout, NULL, _IONBF, 0);
	for (u32 i = 0; i < ARRAY_SIZE(sizes); i++) {
		count("ports", sizes[i], ports);
		count("addresses", sizes[i], addresses);
		count("misses", sizes[i], misses);
		count("broadcasts", sizes[i], broadcasts);
		count("linear-ports", sizes[i], before_ports);
	}
	count("whole", 1, whole);
	count("whole", RINGS_MAX, whole);
	count("linear-whole", 1, before_whole);
	count("linear-whole", RINGS_MAX, before_whole);
	return 0;
}
