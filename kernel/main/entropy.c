// SPDX-License-Identifier: BSD-2-Clause
// Random bytes from the sources that the machine has. RDRAND may fail for a
// moment; Intel's guide asks for ten tries.

#include "kernel/main/entropy.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/dev/virtio_rng.h"

#define RDRAND_TRIES 10

static bool
from_processor(u8 *target, u32 len)
{
	while (len) {
		u64 word;
		int tries = 0;

		while (!random_u64(&word)) {
			if (++tries == RDRAND_TRIES)
				return false;
		}

		u32 part = MIN(len, sizeof(word));

		memcpy(target, &word, part);
		target += part;
		len -= part;
	}
	return true;
}

bool
entropy_fill(void *target, u32 len)
{
	ASSERT(target || !len);
	if (cpu_features.rdrand && from_processor(target, len))
		return true;
	return virtio_rng_read(target, len);
}
