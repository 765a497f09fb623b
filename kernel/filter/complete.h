// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Completing a checksum as a device does when its driver asks (virtio 1.2, 5.1.6.2:
// csum_start and csum_offset), for frames that never reach one.

#include "kernel/base/types.h"

// Sums the frame's bytes from `start` to its end, which include what the sender left at
// start + offset (the sum of the pseudo header), and puts the Internet checksum
// there. All of it lies within `total` bytes.
void
complete_checksum(u8 *frame, u32 start, u32 offset, u32 total);
