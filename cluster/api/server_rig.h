// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The two halves of the test server: sockets (server_rig.c) and the made-up cluster
// behind them (invented_rig.c).

#include "cluster/api/session.h"

struct rig_options {
	u32 nodes;
	u64 room;		// bytes of content
	u64 rate;		// of them, taken in a second
	u32 many;		// links and capabilities of each kind; 0: a few
	bool has_majority, has_record;
};

extern const struct api_host rig_host;

// Makes the cluster up. The options are lent for good.
void
rig_begin(const struct rig_options *options);

u64
rig_now_ns(void);

// Its fabric (invented_fabric_rig.c).
void
rig_fabric_begin(u32 count);
const struct api_tables *
rig_tables(void);
void
rig_show_fabric(struct json *json, const u8 node[16], u32 from);
void
rig_show_trace(struct json *json, const u8 node[16]);
