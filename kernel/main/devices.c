// SPDX-License-Identifier: BSD-2-Clause
// Device start-up: bus, entropy, network, disk. A device that is absent or
// broken is left out, and sys_info says so; the node boots all the same.

#include "kernel/main/devices.h"
#include "kernel/arch/x86_64/lock.h"
#include "kernel/base/assert.h"
#include "kernel/dev/echo.h"
#include "kernel/dev/nic.h"
#include "kernel/dev/pci.h"
#include "kernel/dev/virtio_rng.h"
#include "kernel/main/kprintf.h"
#include "kernel/sys/env.h"
#include "kernel/sys/queue.h"
#include "kernel/sys/ring.h"

#define ECHO_BUFFERS 256u

void
devices_init(void)
{
	ASSERT(frames.count > 0);
	pci_scan();
	virtio_rng_init();
	ring_init();
	queue_init();
}

void
devices_echo_floor(void)
{
	pci_scan();
	if (!nic_init(echo_interrupt, ECHO_BUFFERS))
		panic("floor=echo needs a network interface");
	kprintf("floor: echoing frames\n");
	kernel_unlock();
	echo_loop();
}
