// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The descriptors that one round of the main loop waits for.
//
// Every part adds its own before the wait, keeps the index it got, and asks
// for that index after the wait. libslirp dictates this shape: it names its
// sockets anew in each round.

#include <poll.h>

#include "kernel/base/types.h"

#define POLL_SET_MAX 4096u

struct poll_set {
	u32 count;
	struct pollfd fds[POLL_SET_MAX];
};

// Returns the index for poll_set_events(), or -1 when the set is full or `fd`
// is negative; asking for -1 later answers that nothing happened.
static inline int
poll_set_add(struct poll_set *set, int fd, short events)
{
	if (fd < 0 || set->count == POLL_SET_MAX)
		return -1;
	set->fds[set->count].fd = fd;
	set->fds[set->count].events = events;
	set->fds[set->count].revents = 0;
	return (int)set->count++;
}

static inline short
poll_set_events(const struct poll_set *set, int index)
{
	if (index < 0 || (u32)index >= set->count)
		return 0;
	return set->fds[index].revents;
}
