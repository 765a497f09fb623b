// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The cluster's key, from the command line.

#include "kernel/base/types.h"

// Reads `cluster=NAME` and `key=HEX` (at most 32 bytes, in pairs of digits) and
// blanks both. The key is the BLAKE2b of the name under the other. False when
// there is no name or a key that is none, which is said on the console.
must_check bool
key_take(char *cmdline, u8 key[32]);
