// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The Internet checksum (RFC 1071), summed in 64-bit strides.

#include "kernel/base/types.h"

// Adds `len` bytes to a running sum. Odd lengths pad with zero, so only the
// last part of a sum may be odd; checksum_add_odd() goes on after one.
u64
checksum_add(u64 sum, const void *bytes, u32 len);

// Adds bytes that begin at an odd offset of what is summed.
u64
checksum_add_odd(u64 sum, const void *bytes, u32 len);

// Folds a sum into the 16 bits that are stored (network order by be16_store).
u16
checksum_finish(u64 sum);

// The sum of the TCP and UDP pseudo header.
u64
checksum_pseudo(u32 source, u32 target, u8 protocol, u32 len);
