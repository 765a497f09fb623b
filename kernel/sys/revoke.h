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
