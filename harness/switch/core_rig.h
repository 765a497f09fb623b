// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A switch core of PORTS ports for its tests, and what they send through it.
//
// Every test ends by rig_close(), which takes all frames out and counts the
// buffers: none may be lost or doubled. SEED=n replays a run; seed_choose() prints
// the seed.

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/switch/core.h"
#include "kernel/base/byteorder.h"

#define PORTS 4u
#define PAYLOAD_AT 14u
#define FRAME_LEN 64u

static u64 seed = 1;

struct rig {
	struct core *core;
	struct frame *slabs[PORTS];
	u64 now_ns;
};

static inline struct rig
rig_open(void)
{
	static const char *const names[PORTS] = { "1", "2", "3", "4" };
	struct rig rig = { .core = calloc(1, sizeof(struct core)) };

	assert_non_null(rig.core);
	core_init(rig.core, seed);
	for (u32 i = 0; i < PORTS; i++) {
		rig.slabs[i] = malloc(CORE_FRAMES_PER_PORT *
				      sizeof(struct frame));
		assert_non_null(rig.slabs[i]);
		assert_int_equal(core_port_add(rig.core, names[i],
					       rig.slabs[i]), i);
		core_port_up(rig.core, i);
	}
	return rig;
}

// Checks that every buffer has come home (C1), then frees all.
static inline void
rig_close(struct rig *rig)
{
	core_check(rig->core);
	for (u32 i = 0; i < PORTS; i++)
		if (rig->core->ports[i].connected)
			core_port_down(rig->core, i);
	core_mirror(rig->core, false);
	core_check(rig->core);
	assert_int_equal(rig->core->pool.free_count, rig->core->pool.total);
	for (u32 i = 0; i < PORTS; i++)
		free(rig->slabs[i]);
	free(rig->core);
}

static inline void
write_mac(u8 *at, u32 station)
{
	memset(at, station ? 0 : 0xff, 6);
	if (station) {
		at[0] = 0x02;
		at[5] = (u8)station;
	}
}

// Station numbers are ports plus one; station 0 as a target is broadcast. The
// payload begins with `serial`.
static inline void
send_from(struct rig *rig, u32 port, u32 source, u32 target, u32 serial)
{
	struct frame *frame = core_frame(rig->core, port);

	assert_non_null(frame);
	frame->len = FRAME_LEN;
	memset(frame->data, 0, FRAME_LEN);
	write_mac(frame->data, target);
	write_mac(frame->data + 6, source);
	be16_store(frame->data + 12, 0x88b5);
	be32_store(frame->data + PAYLOAD_AT, serial);
	core_input(rig->core, port, frame, rig->now_ns);
	core_tick(rig->core, rig->now_ns);
}

static inline void
send(struct rig *rig, u32 source, u32 target, u32 serial)
{
	send_from(rig, source - 1, source, target, serial);
}

// Takes a frame off a station's port. Returns its serial, or -1.
static inline i64
take(struct rig *rig, u32 station)
{
	struct frame *frame = core_take(rig->core, station - 1);
	u32 serial;

	if (!frame)
		return -1;
	assert_int_equal(frame->len, FRAME_LEN);
	serial = be32_load(frame->data + PAYLOAD_AT);
	frame_release(&rig->core->pool, frame);
	return serial;
}

static inline u32
take_all(struct rig *rig, u32 station)
{
	u32 count = 0;

	while (take(rig, station) >= 0)
		count++;
	return count;
}

// Makes every station known on its port.
static inline void
learn_all(struct rig *rig)
{
	for (u32 station = 1; station <= PORTS; station++)
		send(rig, station, 0, 0);
	for (u32 station = 1; station <= PORTS; station++)
		assert_int_equal(take_all(rig, station), PORTS - 1);
}

static inline void
set_plan(struct rig *rig, u32 station, struct fault_plan plan)
{
	core_set_plan(rig->core, station - 1, &plan);
}

static inline const struct core_counters *
counters(const struct rig *rig, u32 station)
{
	return &rig->core->ports[station - 1].counters;
}

// The seed, from the environment or as it is; said, so that a run can be had
// again.
static inline void
seed_choose(void)
{
	if (getenv("SEED"))
		seed = strtoull(getenv("SEED"), NULL, 0);
	printf("SEED=%llu\n", (unsigned long long)seed);
}
