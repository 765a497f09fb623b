// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Other nodes by the names that people type: the index of a link, the beginning of
// a UUID, or a MAC address.

#include "kernel/abi/fabric.h"

#define NODE_NONE 0xffffu

// The one link that a name fits, or NODE_NONE.
u16
node_find(const char *name);

// Waits until there is a session with the node that the name fits. Returns its
// index, or NODE_NONE when the deadline passed first.
u16
node_wait(const char *name, u64 deadline_ns);

// "52540000-…" as people write it; `text` has room for 37 bytes.
void
node_uuid_text(const volatile u8 uuid[16], char text[37]);
