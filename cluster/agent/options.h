// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the command line says to the agent.

#include "kernel/base/types.h"

struct agent_options {
	bool claim_disk;	// disk=claim
	char *vip;		// vip=ADDRESS/LENGTH, for front; NULL: lease one
	u64 unix_at_boot;	// by time=SECONDS, else the machine's clock; 0: unknown
};

extern struct agent_options agent_options;
