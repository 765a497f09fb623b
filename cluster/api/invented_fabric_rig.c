// SPDX-License-Identifier: BSD-2-Clause
// The fabric of the made-up cluster behind server_rig: tables of a node with two links,
// of which one lapsed, one capability that a peer holds and one that is held, and a few
// events. Every member shows the same.

#include "cluster/api/server_rig.h"

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

static void
make_links(void)
{
	for (u32 i = 0; i < 2; i++) {
		links[i] = (struct fabric_link){
			.mac = { 2, 0, 0, 0, 0, (u8)(i + 1) },
			.state = i ? FABRIC_LINK_LAPSED : FABRIC_LINK_UP,
			.open = 1, .grant = 8, .credit = 16, .carries = 1514, .session = 1,
			.rtt_us = 123,
		};
		for (u32 j = 0; j < 16; j++)
			links[i].uuid[j] = (u8)(0x20 + 0x10 * i);
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
		.state = FABRIC_ON, .links = 2, .exports = 1,
		.exports_max = FABRIC_EXPORTS_MAX, .uuid = { 0x10 }, .received = 200,
		.accepted = 193, .dropped = { [2] = 7 }, .strays = { [5] = 1 },
		.lost = { [1] = 2 }, .completed = { 50, 2, 1 }, .executed = { [1] = 40 },
		.refused = { [7] = 3 },
	};
	exports[3] = (struct fabric_export){
		.count = 4, .base = 100, .operations = 40, .bytes_in = 10,
		.bytes_out = 163840, .denials = 3, .environment = 9, .peer = 0,
		.type = FABRIC_FRAMES, .rights = 1,
	};
	held[5] = (struct fabric_held){
		.count = 2, .operations = 3, .bytes_in = 12288, .latency_us = 700,
		.latency = { [7] = 2, [9] = 1 }, .environment = 9, .peer = 1,
		.type = FABRIC_BLOCKS, .rights = 3, .serial = 11, .denials = 1,
	};
	sys = (struct sys_info){
		.cpu_count = 1, .frame_count = 16384, .frames_free = 8192,
		.incarnation = 0x1234, .nic_rx_frames = 300,
	};
	tables = (struct api_tables){ &sys, cpus, &info, links, counts, exports, held,
				      rig_now_ns() };
	return &tables;
}

void
rig_show_fabric(struct json *json, const u8 node[16])
{
	const struct api_tables *t = rig_tables();

	api_show_fabric_begin(json, node, &info);
	api_show_fabric_list(json, API_LIST_LINKS);
	for (u32 i = 0; i < info.links; i++)
		(void)api_show_link(json, i, t->now_ns, &links[i], &counts[i]);
	api_show_fabric_list(json, API_LIST_EXPORTS);
	(void)api_show_export(json, 3, &exports[3]);
	api_show_fabric_list(json, API_LIST_HELD);
	(void)api_show_held(json, 5, &held[5]);
	api_show_fabric_end(json);
}

void
rig_show_trace(struct json *json, const u8 node[16])
{
	api_show_trace_begin(json, node, 0x1234);
	api_show_trace_events(json, events, ARRAY_SIZE(events));
	api_show_trace_end(json, 0, ARRAY_SIZE(events), 6000);
}
