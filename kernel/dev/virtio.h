// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// virtio 1.x devices on PCI (OASIS virtio 1.2, sections 2 to 4.1): finding one,
// agreeing on features, setting up its queues, stopping it. Modern interface
// only; a transitional device is driven through its modern half.
//
// A driver's start:  virtio_find, virtio_negotiate, virtio_queue_open (each),
// virtio_start. Anything the device says that does not hold together ends in
// false and one line on the console, and the device is left reset.
//
// virtio_stop() is the one way out after a failure: it resets the device and
// says whether the device confirmed it. Only then may memory that the device
// could still write be used for anything else.

#include "kernel/base/types.h"
#include "kernel/dev/pci.h"
#include "kernel/dev/virtqueue.h"

enum virtio_type {
	VIRTIO_NET = 1,
	VIRTIO_BLOCK = 2,
	VIRTIO_RNG = 4,
};

#define VIRTIO_F_EVENT_IDX (1ull << 29)
#define VIRTIO_F_VERSION_1 (1ull << 32)

struct virtio {
	const char *name;		// for messages
	const struct pci_function *pci;
	u64 features;			// agreed
	u8 *common;			// register windows
	u8 *notify;
	u8 *config;			// NULL when the device has none
	u32 notify_len;
	u32 notify_multiplier;
	u32 config_len;
	bool interrupts;		// one message vector for all its queues
};

struct virtio_queue {
	struct virtqueue ring;
	void *notify;			// register that rings the device's bell
	u16 index;
};

// Finds the `nth` device (0: first) of that type and maps its registers. False
// when there is none, or when it cannot be used (said on the console).
must_check bool
virtio_find(struct virtio *v, enum virtio_type type, u32 nth, const char *name);

// Resets the device and agrees on VERSION_1, on EVENT_IDX if it can, and on what
// of `wanted` it offers; v->features has the result.
must_check bool
virtio_negotiate(struct virtio *v, u64 wanted);

// Routes the interrupts of all queues opened after this to `handler` (boot
// processor; kernel/arch/x86_64/irq.h). Without it the driver polls.
must_check bool
virtio_interrupts(struct virtio *v, void (*handler)(void));

// Sets up queue `index` with at most `size_max` descriptors (power of two), in
// memory that it takes for good.
must_check bool
virtio_queue_open(struct virtio *v, struct virtio_queue *q, u16 index,
		  u32 size_max);

// The device may work from here on.
void
virtio_start(struct virtio *v);

// Publishes what was added to the queue and rings the bell if the device asks
// for it: one register write, the expensive part of every transfer.
void
virtio_push(struct virtio_queue *q);

// Reads `len` bytes of the device's configuration at `offset`, all from the
// same state of the device. False when the device has no such field or keeps
// changing it.
must_check bool
virtio_config(const struct virtio *v, u32 offset, void *target, u32 len);

// Resets the device. True when it confirmed within a bounded time; else it has
// lost the bus, but what it had begun may still land.
bool
virtio_stop(struct virtio *v);
