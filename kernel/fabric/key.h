// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What the fabric wants of the command line: the cluster's key, and how to run.

#include "kernel/base/types.h"

// Reads `cluster=NAME` and `key=HEX` (at most 32 bytes, in pairs of digits) and
// blanks both. The key is the BLAKE2b of the name under the other. False when
// there is no name or a key that is none, which is said on the console.
must_check bool
key_take(char *cmdline, u8 key[32]);

// Takes `fabric=` off the command line: `hidden`, sessions are encrypted; `untagged`, for
// measuring only, they do without tags. `cover` is what becomes of frames, an enum
// link_cover (net/link/link.h). False: it is another word, which is said on the console.
must_check bool
key_cover(char *cmdline, u8 *cover);
