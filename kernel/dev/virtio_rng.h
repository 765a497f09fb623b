// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Random bytes from the virtio entropy device (virtio 1.2, section 5.4), for
// processors without RDRAND.

#include "kernel/base/types.h"

// Finds and starts the device. Once, at boot, after pci_scan(). Without one
// every read fails.
void
virtio_rng_init(void);

// Fills `len` bytes (any number). Polls the device for at most VIRTIO_RNG_WAIT_NS
// in all, and, as a busy host may let it stand still, for VIRTIO_RNG_PATIENCE_NS more in
// a node's life; false when there is no device or it did not answer in that time, and
// then `target` must not be used.
#define VIRTIO_RNG_WAIT_NS (20 * NS_PER_MS)
#define VIRTIO_RNG_PATIENCE_NS (2 * NS_PER_SECOND)
must_check bool
virtio_rng_read(void *target, u32 len);
