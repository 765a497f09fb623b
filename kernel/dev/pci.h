// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// PCI functions of this node, found once at boot through the configuration
// ports (PCI Local Bus 3.0, section 3.2.2.3.2). Firmware has numbered the buses
// and placed the BARs; the kernel reads what is there and moves nothing.
//
// Whatever a device says about itself is checked before it is used: a BAR that
// is missing, an index or offset outside it, a capability list that loops.

#include "kernel/base/types.h"

#define PCI_FUNCTIONS_MAX 64u
#define PCI_CAP_MSI 0x05u
#define PCI_CAP_VENDOR 0x09u
#define PCI_CAP_MSIX 0x11u
#define PCI_CLASS_STORAGE 0x01u
#define PCI_CLASS_NETWORK 0x02u

struct pci_function {
	u8 bus;
	u8 device;
	u8 function;
	u8 base_class;
	u8 sub_class;
	u8 interface;		// of that class: the programming interface
	u16 vendor_id;
	u16 device_id;
	u16 subsystem_id;
};

struct pci_bar {
	u64 physical;
	u64 len;		// bytes; a power of two
};

// Walks bus 0 and every bus behind a bridge. Boot only; at most
// PCI_FUNCTIONS_MAX functions are kept, and more are reported on the console.
void
pci_scan(void);

// The function at that place in the table, or NULL past its end.
const struct pci_function *
pci_at(u32 index);

// Configuration space: `offset` in bytes, below 256, aligned to the width.
u8
pci_read8(const struct pci_function *f, u32 offset);
u16
pci_read16(const struct pci_function *f, u32 offset);
u32
pci_read32(const struct pci_function *f, u32 offset);

// The next capability of kind `id` after the one at `previous` (0: the first).
// Returns its offset in configuration space, or 0 when there is none. Bounded
// whatever the list looks like.
u32
pci_capability(const struct pci_function *f, u8 id, u32 previous);

// Finds the memory BAR `index`. False when it does not exist, is a port range,
// or was not placed by the firmware.
must_check bool
pci_bar(const struct pci_function *f, u32 index, struct pci_bar *bar);

// Lets the function answer memory accesses and master the bus; its pin
// interrupt is turned off, because drivers here use messages only.
void
pci_enable(const struct pci_function *f);

// May the function read and write memory by itself?
bool
pci_masters(const struct pci_function *f);

// Takes the bus away from a function that failed or is not used: it reads and writes
// no memory from now on, whatever it believes. Under the kernel lock.
void
pci_silence(const struct pci_function *f);

// Routes the first `count` MSI-X table entries to the boot processor's `vectors` and
// turns MSI-X on; every other entry is masked. Boot only (it maps the table). False
// when the function has no usable MSI-X capability, or not so many entries.
must_check bool
pci_msix_enable(const struct pci_function *f, const u8 *vectors, u32 count);

// Routes the function's one message (MSI) to the boot processor's `vector`. Boot only.
// False when it has no usable MSI capability.
must_check bool
pci_msi_enable(const struct pci_function *f, u8 vector);
