// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The order of a driver's stores and loads, as its device sees them.

// What was stored before is seen by the device before anything is loaded after.
//
// The emulator runs devices in threads of its own, and QEMU up to 8.0 (tcg_gen_mb(), mended
// by its commit c914d46d0a64) leaves fences and lock prefixes out of what it translates
// for a machine of one processor: the host's processor then puts the load first, a device
// and its driver each conclude that the other is awake, and both sleep for good. Of blocks
// read 32 at a time one in 400,000 never came. Reading the time stamp counter takes a lock
// of QEMU's there, an exchange that is translated as written; elsewhere it costs some tens
// of cycles.
static inline void
device_fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__asm__ volatile("rdtsc" : : : "eax", "edx", "memory");
}
