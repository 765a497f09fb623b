// SPDX-License-Identifier: BSD-2-Clause
// The entropy driver: one queue, no interrupt, one request at a time into a
// buffer of the kernel's.
//
// Invariant E1: bytes are handed out once. What the device wrote is copied to
// one caller and wiped; a request that a caller gave up on stays with the
// device, and the next caller collects its answer.

#include "kernel/dev/virtio_rng.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/dev/virtio.h"
#include "kernel/main/kprintf.h"

#define QUEUE_SIZE 8u
#define REQUEST_LEN 256u

static struct {
	struct virtio device;
	struct virtio_queue queue;
	u8 *buffer;
	u64 patience_ns;	// left of VIRTIO_RNG_PATIENCE_NS
	bool present;
} rng;

void
virtio_rng_init(void)
{
	struct virtio *v = &rng.device;

	ASSERT(!rng.present);
	if (!virtio_find(v, VIRTIO_RNG, 0, "rng") || !virtio_negotiate(v, 0) ||
	    !virtio_queue_open(v, &rng.queue, 0, QUEUE_SIZE))
		return;
	rng.buffer = boot_frames(1);
	virtqueue_quiet(&rng.queue.ring);
	virtio_start(v);
	rng.patience_ns = VIRTIO_RNG_PATIENCE_NS;
	rng.present = true;
}

static void
ask(void)
{
	struct virtqueue_piece piece = { physical_of(rng.buffer), REQUEST_LEN };

	if (virtqueue_open(&rng.queue.ring) > 0)
		return;
	virtqueue_add(&rng.queue.ring, &piece, 0, 1, 0);
	virtio_push(&rng.queue);
}

// Waits for the request that is open. Returns the bytes that came, 0 when none
// did.
static u32
answer(u64 deadline_ns)
{
	struct virtqueue_done done;

	ASSERT(virtqueue_open(&rng.queue.ring) == 1);
	while (!virtqueue_take(&rng.queue.ring, &done)) {
		if (rng.queue.ring.broken) {
			kprintf("rng: the device broke the rules of its queue\n");
			rng.present = false;
			virtio_stop(&rng.device);
			return 0;
		}
		if (clock_ns() >= deadline_ns)
			return 0;
		cpu_pause();
	}
	ASSERT(done.len <= REQUEST_LEN);
	return done.len;
}

bool
virtio_rng_read(void *target, u32 len)
{
	u64 began_ns = clock_ns(), spent_ns;
	u64 deadline_ns = began_ns + MAX(rng.patience_ns, VIRTIO_RNG_WAIT_NS);
	u8 *at = target;

	while (len && rng.present) {
		ask();

		u32 came = answer(deadline_ns), part = MIN(came, len);

		if (part == 0)
			break;
		memcpy(at, rng.buffer, part);
		memset(rng.buffer, 0, REQUEST_LEN);			// E1
		at += part;
		len -= part;
	}
	spent_ns = clock_ns() - began_ns;
	rng.patience_ns -= MIN(spent_ns, rng.patience_ns);
	if (rng.present)
		ask();			// what the next caller finds
	return len == 0;
}
