// SPDX-License-Identifier: BSD-2-Clause
// Which driver is behind disk.h: the first in the list below whose disk is there and
// starts. Of several disks one is used.

#include "kernel/dev/disk.h"
#include "kernel/base/assert.h"

static const struct disk_driver *const drivers[] = {
	&virtio_blk_driver,
	&ahci_driver,
};

static const struct disk_facts *
no_facts(void)
{
	return NULL;
}

static bool
not_working(void)
{
	return false;
}

static u32
no_room(void)
{
	return 0;
}

static void
no_push(void)
{
}

static bool
not_finished(u32 *cookie, bool *succeeded)
{
	(void)cookie;
	(void)succeeded;
	return false;
}

static const struct disk_driver absent = {
	.facts = no_facts,
	.works = not_working,
	.room = no_room,
	.push = no_push,
	.finished = not_finished,
};

const struct disk_driver *disk_driver = &absent;
u64 disk_look_ns = NEVER;

bool
disk_init(void (*interrupt)(void))
{
	ASSERT(disk_driver == &absent && interrupt);
	for (u32 i = 0; i < ARRAY_SIZE(drivers); i++) {
		if (drivers[i]->init(interrupt)) {
			disk_driver = drivers[i];
			return true;
		}
	}
	return false;
}
