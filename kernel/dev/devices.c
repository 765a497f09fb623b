// SPDX-License-Identifier: BSD-2-Clause
// Device start-up: bus, entropy, network, disk. A device that is absent or
// broken is left out, and sys_info says so; the node boots all the same.
//
// Firmware and boot ROMs have used network cards and disks, and may not have stopped
// all of them. Those lose the bus first; the drivers give it to what they take.

#include "kernel/dev/devices.h"
#include "kernel/base/assert.h"
#include "kernel/dev/pci.h"
#include "kernel/dev/virtio_rng.h"
#include "kernel/sys/env.h"
#include "kernel/sys/queue.h"
#include "kernel/sys/ring.h"
#include "kernel/sys/tables.h"

void
devices_find(void)
{
	const struct pci_function *f;

	pci_scan();
	for (u32 i = 0; (f = pci_at(i)); i++) {
		if (f->base_class == PCI_CLASS_NETWORK ||
		    f->base_class == PCI_CLASS_STORAGE)
			pci_silence(f);
	}
}

// What was found, and which of it may use the bus by now.
static void
show_devices(void)
{
	const struct pci_function *f;

	for (u32 i = 0; i < DEVICES_MAX && (f = pci_at(i)); i++) {
		device_table[i] = (struct device_info){
			.vendor = f->vendor_id,
			.device = f->device_id,
			.bus = f->bus,
			.slot = f->device,
			.function = f->function,
			.base_class = f->base_class,
			.sub_class = f->sub_class,
			.interface = f->interface,
			.masters = pci_masters(f),
		};
	}
}

void
devices_init(void)
{
	ASSERT(frames.count > 0);
	devices_find();
	virtio_rng_init();
	ring_init();
	queue_init();
	show_devices();
}
