// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Random bytes: RDRAND where the processor has it, else the virtio entropy
// device. With neither there is none, and callers hear so.

#include "kernel/base/types.h"

// Fills `len` bytes, any number. False when there is no source or it gives
// nothing, and then `target` must not be used. May take VIRTIO_RNG_WAIT_NS.
must_check bool
entropy_fill(void *target, u32 len);
