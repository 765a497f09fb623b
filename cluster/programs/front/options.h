// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The argument vip=A.B.C.D/LENGTH of front.

#include "kernel/base/types.h"

// Reads "A.B.C.D/LENGTH": a host's address in its network, in host order. False: it
// is none, and nothing is stored.
must_check bool
option_network(const char *text, u32 *address, u32 *mask);
