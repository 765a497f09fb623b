// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Requests to give things back, and the abort protocol, as the rest of the kernel
// sees them (kernel/abi/revoke.h is what programs see). The calls revoke_ask and
// cap_trim are declared by call.h. Everything runs under the kernel lock.

#include "kernel/sys/env.h"

// When revoke_work() is wanted: the earliest deadline of all requests, or NEVER.
extern u64 revoke_due_ns;

// Takes what is overdue, a bounded part at a time.
void
revoke_work(u64 now_ns);

// An environment gave something up: does it owe less now?
void
revoke_settle(struct env *env);

// The owner of a REMOTE capability, on another node, wants all but its first `keep`
// units back; at the deadline they go here too. False: there is no place for one more
// request.
must_check bool
revoke_remote(u32 node, u64 keep, u64 deadline_ns);

// It has taken what is behind them, of `left`: now, where it had asked. Else that is
// recorded, and the capability stays for its holder to drop.
void
revoke_lost(u32 node, u64 keep, u64 left);
