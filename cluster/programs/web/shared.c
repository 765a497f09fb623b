// SPDX-License-Identifier: BSD-2-Clause
// The region of the web server's instances.

#include "cluster/programs/web/shared.h"
#include "kernel/abi/errors.h"

i64
shared_open(struct job *job)
{
	(void)job;
	return -E_ABSENT;
}

void *
shared_get(u64 offset, u64 len, bool write)
{
	(void)offset;
	(void)len;
	(void)write;
	return NULL;
}

i64
shared_publish(u64 len)
{
	(void)len;
	return -E_ABSENT;
}

void
shared_poll(void)
{
}

void
shared_watch(struct wait_set *set)
{
	(void)set;
}
