// SPDX-License-Identifier: BSD-2-Clause
// The fabric of the made-up cluster behind server_rig: tables of a node with two links,
// of which one lapsed, one capability that a peer holds and one that is held, and a few
// events; or with as many links and capabilities as it is told. Every member shows the
// same.

#include "cluster/api/server_rig.h"
#include "kernel/base/string.h"

static struct sys_info sys;
static struct cpu_info cpus[CPUS_MAX];
static struct fabric_info info;
static struct fabric_link links[FABRIC_LINKS_MAX];
static struct fabric_counts counts[FABRIC_LINKS_MAX];
static struct fabric_export exports[FABRIC_EXPORTS_MAX];
static struct fabric_held held[FABRIC_HELD_MAX];
static struct api_tables tables;

static const struct trace_event events[] = {
	{ 1000, TRACE_BOOT, { TRACE_NOBODY }, 0, 0x1234 },
	{ 2000, TRACE_PEER, { 0 }, 0, 0x2020202020202020 },
	{ 3000, TRACE_SESSION, { 0 }, 1, 1 },
	{ 4000, TRACE_IN, { 0 }, 7, TRACE_PACK(3, 8, 4, 1) },
	{ 4500, TRACE_RAN, { 0 }, 7, TRACE_PACK(3, 8, 0, 1) },
	{ 5000, TRACE_OUT, { 0 }, 7, TRACE_PACK(TRACE_NO_SLOT, 8, 5, 0) },
};

static u32 many;		// links and capabilities; 0: those above

void
rig_fabric_begin(u32 count)
{
	many = count;
}

static u32
link_count(void)
{
	return many ? MIN(many, FABRIC_LINKS_MAX) : 2;
}

static void
make_links(void)
{
	for (u32 i = 0; i < link_count(); i++) {
		links[i] = (struct fabric_link){
			.mac = { 2, 0, 0, 0, 0, (u8)(i + 1) },
			.state = i ? FABRIC_LINK_LAPSED : FABRIC_LINK_UP,
			.open = 1, .grant = 8, .credit = 16, .carries = 1514, .session = 1,
			.rtt_us = 123,
		};
		for (u32 j = 0; j < 16; j++)
			links[i].uuid[j] = (u8)(0x20 + 0x10 * i);
		if (many)
			memcpy(links[i].uuid, &i, sizeof(i));
		counts[i] = (struct fabric_counts){
			.sent = 100, .received = 90, .dropped = 2, .refused = 3,
			.resends = 4, .timeouts = 1, .sessions = 1, .lapses = i,
		};
	}
}

const struct api_tables *
rig_tables(void)
{
	make_links();
	info = (struct fabric_info){
		.state = FABRIC_ON, .links = link_count(), .exports = 1,
		.exports_max = FABRIC_EXPORTS_MAX, .uuid = { 0x10 }, .received = 200,
		.accepted = 193, .dropped = { [2] = 7 }, .strays = { [5] = 1 },
		.lost = { [1] = 2 }, .completed = { 50, 2, 1 }, .executed = { [1] = 40 },
		.refused = { [7] = 3 },
	};
	exports[3] = (struct fabric_export){
		.count = 4, .base = 100, .operations = 40, .bytes_in = 10,
		.bytes_out = 163840, .denials = 3, .environment = 9, .peer = 0,
		.type = FABRIC_FRAMES, .rights = 1, .work_us = 40, .work = { [2] = 2, [3] = 1 },
	};
	held[5] = (struct fabric_held){
		.count = 2, .operations = 3, .bytes_in = 12288, .latency_us = 700,
		.latency = { [7] = 2, [9] = 1 }, .environment = 9, .peer = 1,
		.type = FABRIC_BLOCKS, .rights = 3, .serial = 11, .denials = 1,
	};
	for (u32 i = 6; i < many; i++) {
		exports[i % FABRIC_EXPORTS_MAX] = exports[3];
		held[i % FABRIC_HELD_MAX] = held[5];
	}
	sys = (struct sys_info){
		.cpu_count = 1, .frame_count = 16384, .frames_free = 8192,
		.incarnation = 0x1234, .nic_rx_frames = 300,
	};
	tables = (struct api_tables){ &sys, cpus, &info, links, counts, exports, held,
				      rig_now_ns() };
	return &tables;
}

static bool
show_entry(struct json *json, u32 list, u32 index)
{
	switch (list) {
	case API_LIST_LINKS:
		return index >= info.links ||
		       api_show_link(json, index, rig_now_ns(), &links[index], &counts[index]);
	case API_LIST_EXPORTS:
		return !exports[index].type || api_show_export(json, index, &exports[index]);
	default:
		return index >= FABRIC_HELD_MAX || !held[index].type ||
		       api_show_held(json, index, &held[index]);
	}
}

void
rig_show_fabric(struct json *json, const u8 node[16], u32 from)
{
	u32 next = 0;

	rig_tables();
	api_show_fabric_begin(json, node, &info);
	for (u32 list = 0; list < API_LISTS; list++) {
		api_show_fabric_list(json, (enum api_list)list);
		for (u32 i = 0; i < FABRIC_LINKS_MAX && !next; i++) {
			if (api_from(list, i) >= from &&
			    (json->cut || !show_entry(json, list, i)))
				next = api_from(list, i);
		}
	}
	api_show_page_end(json, next);
}

void
rig_show_trace(struct json *json, const u8 node[16])
{
	api_show_trace_begin(json, node, 0x1234);
	api_show_trace_events(json, events, ARRAY_SIZE(events));
	api_show_trace_end(json, 0, ARRAY_SIZE(events), 6000);
}
