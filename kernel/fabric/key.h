// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the fabric wants of the command line: the cluster's key, and how to run.

#include "kernel/base/types.h"

// Reads `cluster=NAME` and `key=HEX` (at most 32 bytes, in pairs of digits) and
// blanks both. The key is the BLAKE2b of the name under the other. False when
// there is no name or a key that is none, which is said on the console.
must_check bool
key_take(char *cmdline, u8 key[32]);

// Takes `fabric=untagged` off the command line: for measuring only, sessions do
// without tags (net/link/link.h). True when it is there.
must_check bool
key_untagged(char *cmdline);
