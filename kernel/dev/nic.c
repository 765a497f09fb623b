// SPDX-License-Identifier: BSD-2-Clause
// Which driver is behind nic.h: the first in the list below whose device is there and
// starts. virtio comes first, because where a hypervisor offers it, it is the cheapest.
// Of several cards one is used; the others have lost the bus (devices.c).

#include "kernel/dev/nic.h"
#include "kernel/base/assert.h"
#include "kernel/main/kprintf.h"

static const struct nic_driver *const drivers[] = {
	&virtio_net_driver,
	&e1000e_driver,
};

static u32 mtu_asked = NIC_MTU_STANDARD;

static bool
nothing(void)
{
	return false;
}

static const struct nic_facts *
no_facts(void)
{
	return NULL;
}

static u32
no_room(void)
{
	return 0;
}

static bool
not_sent(u32 *cookie)
{
	(void)cookie;
	return false;
}

static bool
not_wanted(bool wanted)
{
	(void)wanted;
	return false;
}

static void
ignore(void)
{
}

// No interface: what may be called then finds nothing. Frames to send and buffers to give
// back there are none, and a call that needs one would be a mistake of the kernel's.
static const struct nic_driver absent = {
	.facts = no_facts,
	.receive_waiting = nothing,
	.sent_waiting = nothing,
	.receive_begin = ignore,
	.receive_end = not_wanted,
	.room = no_room,
	.push = ignore,
	.sent = not_sent,
	.want_sent = not_wanted,
	.works = nothing,
};

const struct nic_driver *nic_driver = &absent;

void
nic_ask_mtu(const char *word)
{
	u32 mtu = 0;

	ASSERT(nic_driver == &absent);
	if (!word)
		return;
	for (; *word >= '0' && *word <= '9' && mtu <= NIC_MTU_MAX; word++)
		mtu = 10 * mtu + (u32)(*word - '0');
	if ((*word && *word != ' ') || mtu < NIC_MTU_STANDARD || mtu > NIC_MTU_MAX)
		kprintf("boot: mtu= is not a number from %u to %u\n",
			NIC_MTU_STANDARD, NIC_MTU_MAX);
	else
		mtu_asked = mtu;
}

bool
nic_init(void (*interrupt)(void), u32 buffers)
{
	ASSERT(nic_driver == &absent && buffers > 0);
	for (u32 i = 0; i < ARRAY_SIZE(drivers); i++) {
		if (drivers[i]->init(interrupt, buffers, mtu_asked)) {
			nic_driver = drivers[i];
			return true;
		}
	}
	return false;
}
