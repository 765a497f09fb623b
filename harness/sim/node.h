// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A node's life: it starts, takes frames, sends frames, stands still, dies.

#include "harness/sim/sim.h"

#define SLOW_RING 32u		// frames that wait for a slow node

void
node_boot(struct sim_node *node);

// It is dead at once. `empty`: memory and unflushed blocks are lost.
void
node_crash(struct sim_node *node, bool empty);

// Its present boot is over, or the run is.
void
node_end(struct sim_node *node);

void
node_pause(struct sim_node *node);
void
node_resume(struct sim_node *node);

// Its clock jumps ahead by `ns`, or stands still as long. False: it must not yet.
must_check bool
node_step(struct sim_node *node, u64 ns, bool ahead);

// From now on it takes `ns` over each frame, and `ring` frames wait for it. 0, 0: it
// is as fast as ever.
void
node_serve(struct sim_node *node, u64 ns, u32 ring);

// A frame has arrived at its card.
void
node_frame(struct sim_node *node, u32 frame);

// The time that its core asked for has come.
void
node_timer(struct sim_node *node);

// What has to be done after anything was done with its core: completions are
// told, frames sent, changes judged, invariants walked, the timer set.
void
node_settle(struct sim_node *node);

// Its clock.
u64
node_now(const struct sim_node *node);

// A node's name: its number and generation, in sixteen bytes.
void
node_uuid(u32 node, u8 uuid[16]);

u32
node_of_uuid(const u8 uuid[16]);

// The peer that a node is, or LINK_NONE.
u16
node_peer(const struct sim_node *node, u32 other);

// False: the node does not run, or has no session with the other one.
must_check bool
node_session(const struct sim_node *node, u32 other, struct link_info *info);

// The node whose peer this is.
u32
node_of_peer(const struct sim_node *node, u16 peer);

// Which boot of a node had that incarnation; 0: none.
u32
node_boot_of(u32 node, u64 incarnation);
