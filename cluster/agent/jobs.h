// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The instances of jobs on this node: those that the record places here run, others do
// not. And `front`, which every node has.

#include "cluster/agent/program.h"
#include "kernel/base/types.h"

#define JOBS_HERE 20u
#define JOB_RINGS 8u		// packet ring, block queue, fabric queues, endpoints
#define JOB_DRAIN_NS (2 * NS_PER_SECOND)

struct instance {
	bool used;
	bool wanted;
	u32 job;		// id in the record
	u16 number;
	u8 mac_index;		// 0: it serves no port
	u8 state;		// enum view_state
	u64 drain_until_ns;
	struct program program;
};

// Starts the task that keeps instances as the record says, and front.
must_check i64
jobs_open(void);
must_check i64
front_open(void);

// Instances by number; those with used false are free entries.
const struct instance *
instance_at(u32 number);
