// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Instances named by hand, where no agent tells who there is: for trials and tests.
// An argument `peers=A,B,C` has the node of instance 0, 1, 2, each as libos/remote/node.h
// takes it. One that is named like this instance's is on the same node.

#include "dsm/map/dsm.h"

struct named {
	u32 count;
	u32 number;
	const char *name[DSM_MEMBERS_MAX];
};

// Takes a list apart, in place. False: too many, or none.
must_check bool
named_read(struct named *named, char *list, u32 number);

// A dsm_finder; `context` is a struct named. An instance is there when its node has a
// session; more than half of all decide.
u32
named_find(void *context, struct dsm_peer peer[DSM_MEMBERS_MAX], bool *decides);
