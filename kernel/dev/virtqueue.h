// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// A split virtqueue (virtio 1.2, section 2.7), driver's side, as a sans-IO core
// over memory that the host gives: it fills descriptors, publishes chains and
// takes back what the device has used. Registers, notifications and physical
// addresses of the queue itself are the host's.
//
// The device shares that memory and may be broken or hostile. What this core
// must remember (which chains are open, how descriptors link, how much the
// device may write) it keeps in private memory and never reads back from the
// shared part. From there it reads three things, each once, and checks them:
// the used index, a used entry (id, length), the notification flag or event. A device
// that breaks the rules marks the queue broken; no access leaves the queue.
// What a bus master writes elsewhere in memory, only an IOMMU could stop.
//
// Invariants, checked by virtqueue_check():
//   Q1  free descriptors + descriptors of open chains = size
//   Q2  the free list visits each free descriptor once, an open chain's links
//       visit only its own
//   Q3  taken <= published <= added, all modulo 2^16, at most `size` apart
//
// With VIRTIO_F_EVENT_IDX (section 2.7.10) each side names the index at which it
// wants to hear of the other, in a word behind the other's entries; without it
// each has a flag. With it a burst of frames makes one interrupt and not one
// each. No allocation, no clock.

#include "kernel/base/types.h"

#define VIRTQUEUE_SIZE_MAX 256u
#define VIRTQUEUE_PIECES_MAX 8u

// The shared layout, in one run of memory: descriptors at 0, then the driver's
// area, then, page aligned, the device's.
struct virtqueue_descriptor {
	u64 physical;
	u32 len;
	u16 flags;
	u16 next;
};

struct virtqueue_driver_area {
	u16 flags;
	u16 index;
	u16 entry[];
};

struct virtqueue_used {
	u32 id;
	u32 len;
};

struct virtqueue_device_area {
	u16 flags;
	u16 index;
	struct virtqueue_used entry[];
};

struct virtqueue_piece {
	u64 physical;
	u32 len;		// at least 1
};

struct virtqueue_chain {
	u64 cookie;		// the host's
	u32 writable_len;	// bytes that the device may write
	u16 count;		// descriptors; 0: not open
	u16 last;		// the last one
};

struct virtqueue {
	volatile struct virtqueue_descriptor *descriptors;
	volatile struct virtqueue_driver_area *driver;
	volatile struct virtqueue_device_area *device;
	u16 size;		// power of two
	u16 added;		// chains, counted freely
	u16 published;
	u16 taken;
	u16 free_first;		// valid while free_count is not 0
	u16 free_count;
	bool broken;		// the device broke the rules: use nothing of it
	bool events;		// VIRTIO_F_EVENT_IDX was agreed on
	u16 link[VIRTQUEUE_SIZE_MAX];
	struct virtqueue_chain chain[VIRTQUEUE_SIZE_MAX];	// by first descriptor
};

// What the device gave back.
struct virtqueue_done {
	u64 cookie;
	u32 len;		// bytes that it says it wrote: at most what it may
	u16 head;		// the chain's first descriptor
};

// Offsets of the driver's and the device's area, and the size of the whole, for
// a queue of `size` descriptors.
u32
virtqueue_driver_offset(u32 size);
u32
virtqueue_device_offset(u32 size);
u32
virtqueue_memory_len(u32 size);

// Prepares an empty queue over zeroed, page-aligned memory of
// virtqueue_memory_len(size) bytes. `size` is a power of two, at most
// VIRTQUEUE_SIZE_MAX; `events` says that VIRTIO_F_EVENT_IDX was agreed on.
void
virtqueue_init(struct virtqueue *q, void *memory, u32 size, bool events);

// Free descriptors.
static inline u32
virtqueue_room(const struct virtqueue *q)
{
	return q->free_count;
}

// Chains that are open: added and not yet taken back.
static inline u32
virtqueue_open(const struct virtqueue *q)
{
	return (u16)(q->added - q->taken);
}

// Chains that were added since the last virtqueue_publish().
static inline u32
virtqueue_unpublished(const struct virtqueue *q)
{
	return (u16)(q->added - q->published);
}

// The first descriptor of the chain that the next virtqueue_add() makes: hosts
// index per-request memory by it. There must be room.
static inline u32
virtqueue_next_head(const struct virtqueue *q)
{
	return q->free_first;
}

// Opens a chain: first `readable` pieces that the device reads, then `writable`
// ones that it writes; together at least 1 and at most virtqueue_room(). The
// device does not see it before virtqueue_publish(). Cannot fail.
void
virtqueue_add(struct virtqueue *q, const struct virtqueue_piece *pieces,
	      u32 readable, u32 writable, u64 cookie);

// The same of a chain of one piece, as most are.
void
virtqueue_add_one(struct virtqueue *q, u64 physical, u32 len, bool writable,
		  u64 cookie);

// Shows the device everything added so far. Returns whether it wants to be
// notified of it; false also when there was nothing new.
must_check bool
virtqueue_publish(struct virtqueue *q);

// Takes back the next chain that the device has used. False when there is none,
// or when the device broke the rules (q->broken is then set and stays).
must_check bool
virtqueue_take(struct virtqueue *q, struct virtqueue_done *done);

// Is there something to take? One load; a broken queue has nothing.
static inline bool
virtqueue_used_waiting(const struct virtqueue *q)
{
	return !q->broken &&
	       __atomic_load_n(&q->device->index, __ATOMIC_ACQUIRE) != q->taken;
}

// Asks for no interrupts (a hint: one may still come).
void
virtqueue_quiet(struct virtqueue *q);

// Asks for an interrupt when the device uses a chain. Returns true when it has
// used one meanwhile, for which no interrupt may come: take it first.
must_check bool
virtqueue_listen(struct virtqueue *q);

// Takes back one open chain without the device, once it has been reset and
// touches no memory any more. False when none is open.
must_check bool
virtqueue_abandon(struct virtqueue *q, u64 *cookie);

// Walks every invariant; asserts.
void
virtqueue_check(const struct virtqueue *q);
