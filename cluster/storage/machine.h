// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What storage and deployments need of the machine besides tasks and messages. A host
// test puts a simulated one in its place.

#include "cluster/agent/message.h"
#include "cluster/agent/task.h"
#include "cluster/view/view.h"
#include "kernel/abi/errors.h"
#include "kernel/abi/syscalls.h"

// The clock of every deadline.
u64
machine_now(void);

// A random number that is not zero. Waits.
u64
machine_random(void);

// The life of a node that is known now, this one's too. False: none is.
must_check bool
machine_peer(const u8 uuid[16], struct peer *peer);

// A member that is not known to be dead.
must_check bool
machine_is_alive(const u8 uuid[16]);

// Free blocks of a node's disk, as that node told; 0 if it did not.
u64
machine_free_blocks(const u8 uuid[16]);

// True for the result of a fabric operation that another try may change: the session
// ended or there is none, the capability is as good as before.
must_check bool
machine_may_pass(i64 result);

// Grants WRITE for blocks [first, first + count) to who asked, who has a place for a
// capability with that word. Waits. Returns the slot of a capability of this node's
// that takes the grant back when it is dropped, or an error.
must_check i64
machine_grant(const struct message *asker, u64 first, u64 count, u64 word);
void
machine_revoke(u32 slot);

// Grants READ for blocks [first, first + count), the same run each time, to who asked.
// It ends with the asker or with this agent. Waits.
must_check i64
machine_lend(const struct message *asker, u64 first, u64 count, u64 word);

// True when the asker's environment is an instance of a job, as its node tells.
must_check bool
machine_is_instance(const struct message *asker);

// Gives back a capability that came.
void
machine_drop(u32 slot);

// The `local` of a fabric operation for an address in the agent's region.
u64
machine_local(const void *address);
