// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A node that has its keys and is somebody else's: now and then a frame of its own echoes
// a time that its receiver never told it, under a tag that is right. Echoes are what the
// receiver's lease lives on; nothing else in the frame is changed.

#include "kernel/base/types.h"

struct sim_node;

// Perhaps changes a frame that the node is about to send.
void
lie(struct sim_node *node, u8 *bytes, u32 len);
