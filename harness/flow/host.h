// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The host of one node's cores in the flow rig: memory, capabilities, completions.
// Nobody but the engine (flow.c) calls this.

#include "harness/flow/flow.h"

void
host_boot(u32 node);
void
host_end(u32 node);

// A frame, and then whatever it brought.
void
host_input(u32 node, const u8 *bytes, u32 len);
void
host_settle(u32 node);

// Whose address stands at a frame's beginning; FLOW_NONE: everybody's.
u32
host_node_of(const u8 mac[6]);

// Of the engine, for the host.
bool
flow_can_send(u32 node);
bool
flow_has_room(u32 node);
void
flow_send(u32 from, const u8 *bytes, u32 len);
