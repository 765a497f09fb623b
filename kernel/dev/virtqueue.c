// SPDX-License-Identifier: BSD-2-Clause
// The split virtqueue: descriptors out, used chains back. The contract, the
// invariants and what is believed of a device are in virtqueue.h.
//
// Order of memory accesses, the delicate part: an entry is written before the
// index that shows it (release); the device's index is read before its entry
// (acquire); and a full fence stands where a store must be seen before a load
// of the other side's flag or index (publish and its flag, listen and the used
// index), or each side could conclude that the other is awake.

#include "kernel/dev/virtqueue.h"
#include "kernel/base/assert.h"
#include "kernel/dev/fence.h"

#define DESCRIPTOR_NEXT 1u
#define DESCRIPTOR_DEVICE_WRITES 2u
#define DRIVER_NO_INTERRUPT 1u
#define DEVICE_NO_NOTIFY 1u

#define AREA_ALIGN 4096u

STATIC_ASSERT(sizeof(struct virtqueue_descriptor) == 16);
STATIC_ASSERT(sizeof(struct virtqueue_used) == 8);
STATIC_ASSERT(offsetof(struct virtqueue_device_area, entry) == 4);

u32
virtqueue_driver_offset(u32 size)
{
	return size * (u32)sizeof(struct virtqueue_descriptor);
}

u32
virtqueue_device_offset(u32 size)
{
	u32 driver_len = (u32)sizeof(struct virtqueue_driver_area) +
			 (size + 1) * (u32)sizeof(u16);

	return ALIGN_UP(virtqueue_driver_offset(size) + driver_len, AREA_ALIGN);
}

u32
virtqueue_memory_len(u32 size)
{
	u32 device_len = (u32)sizeof(struct virtqueue_device_area) +
			 size * (u32)sizeof(struct virtqueue_used) + 2;

	return virtqueue_device_offset(size) + ALIGN_UP(device_len, AREA_ALIGN);
}

void
virtqueue_init(struct virtqueue *q, void *memory, u32 size, bool events)
{
	u8 *at = memory;

	ASSERT(size > 0 && size <= VIRTQUEUE_SIZE_MAX);
	ASSERT((size & (size - 1)) == 0 && (uintptr_t)memory % AREA_ALIGN == 0);
	*q = (struct virtqueue){
		.size = (u16)size,
		.free_count = (u16)size,
		.events = events,
	};
	q->descriptors = (volatile void *)at;
	q->driver = (volatile void *)(at + virtqueue_driver_offset(size));
	q->device = (volatile void *)(at + virtqueue_device_offset(size));
	for (u32 i = 0; i < size; i++)
		q->link[i] = (u16)(i + 1);
}

void
virtqueue_add_one(struct virtqueue *q, u64 physical, u32 len, bool writable,
		  u64 cookie)
{
	u16 at = q->free_first;
	struct virtqueue_chain *chain = &q->chain[at];
	volatile struct virtqueue_descriptor *descriptor = &q->descriptors[at];

	ASSERT(q->free_count > 0 && chain->count == 0 && len > 0);
	q->driver->entry[q->added & (q->size - 1)] = at;
	chain->cookie = cookie;
	chain->writable_len = writable ? len : 0;
	chain->count = 1;
	chain->last = at;
	descriptor->physical = physical;
	descriptor->len = len;
	descriptor->flags = writable ? DESCRIPTOR_DEVICE_WRITES : 0;
	q->free_first = q->link[at];
	q->free_count--;
	q->added++;
}

void
virtqueue_add(struct virtqueue *q, const struct virtqueue_piece *pieces,
	      u32 readable, u32 writable, u64 cookie)
{
	u32 count = readable + writable;
	u16 at = q->free_first, last = at;
	struct virtqueue_chain *chain = &q->chain[at];

	if (count == 1) {
		virtqueue_add_one(q, pieces->physical, pieces->len, writable, cookie);
		return;
	}
	ASSERT(count > 0 && count <= VIRTQUEUE_PIECES_MAX);
	ASSERT(count <= q->free_count && chain->count == 0);
	q->driver->entry[q->added & (q->size - 1)] = at;
	*chain = (struct virtqueue_chain){ .cookie = cookie, .count = (u16)count };
	for (u32 i = 0; i < count; i++) {
		u16 flags = i + 1 < count ? DESCRIPTOR_NEXT : 0;

		ASSERT(pieces[i].len > 0);
		if (i >= readable) {
			flags |= DESCRIPTOR_DEVICE_WRITES;
			chain->writable_len += pieces[i].len;
		}
		q->descriptors[at].physical = pieces[i].physical;
		q->descriptors[at].len = pieces[i].len;
		q->descriptors[at].flags = flags;
		q->descriptors[at].next = q->link[at];
		last = at;
		at = q->link[at];
	}
	chain->last = last;
	q->free_first = at;
	q->free_count = (u16)(q->free_count - count);
	q->added++;
}

// Behind the device's entries: the index whose chain it wants to hear of.
static u16
device_event(const struct virtqueue *q)
{
	return *(const volatile u16 *)&q->device->entry[q->size];
}

bool
virtqueue_publish(struct virtqueue *q)
{
	u16 count = (u16)(q->added - q->published);

	if (count == 0)
		return false;
	q->published = q->added;
	__atomic_store_n(&q->driver->index, q->published, __ATOMIC_RELEASE);
	device_fence();
	if (!q->events)
		return !(q->device->flags & DEVICE_NO_NOTIFY);
	// Is the chain of that index among those shown just now?
	return (u16)(q->published - device_event(q) - 1) < count;
}

// Gives a chain's descriptors back to the free list.
static void
close_chain(struct virtqueue *q, u16 head)
{
	struct virtqueue_chain *chain = &q->chain[head];

	ASSERT(chain->count > 0 && q->free_count + chain->count <= q->size);
	q->link[chain->last] = q->free_first;
	q->free_first = head;
	q->free_count = (u16)(q->free_count + chain->count);
	chain->count = 0;
	q->taken++;
}

bool
virtqueue_take(struct virtqueue *q, struct virtqueue_done *done)
{
	volatile struct virtqueue_device_area *device = q->device;
	u16 index = __atomic_load_n(&device->index, __ATOMIC_ACQUIRE), taken = q->taken;

	if (q->broken || index == taken)
		return false;

	volatile struct virtqueue_used *used = &device->entry[taken & (q->size - 1)];
	u32 id = used->id;
	u32 len = used->len;

	// More used than published, an id that is not an open chain, or more
	// bytes than there was room for.
	if ((u16)(index - taken) > (u16)(q->published - taken) ||
	    id >= q->size || q->chain[id].count == 0 ||
	    len > q->chain[id].writable_len) {
		q->broken = true;
		return false;
	}
	*done = (struct virtqueue_done){ q->chain[id].cookie, len, (u16)id };
	close_chain(q, (u16)id);
	return true;
}

// Behind the driver's entries: the index at which it wants an interrupt.
static void
set_driver_event(struct virtqueue *q, u16 index)
{
	q->driver->entry[q->size] = index;
}

void
virtqueue_quiet(struct virtqueue *q)
{
	// An index that is past comes again only after 2^16 chains.
	if (q->events)
		set_driver_event(q, (u16)(q->taken - 1));
	else
		q->driver->flags = DRIVER_NO_INTERRUPT;
}

bool
virtqueue_listen(struct virtqueue *q)
{
	if (q->events)
		set_driver_event(q, q->taken);
	else
		q->driver->flags = 0;
	device_fence();
	return virtqueue_used_waiting(q);
}

bool
virtqueue_abandon(struct virtqueue *q, u64 *cookie)
{
	q->broken = true;
	q->published = q->added;
	for (u32 i = 0; i < q->size; i++) {
		if (q->chain[i].count == 0)
			continue;
		*cookie = q->chain[i].cookie;
		close_chain(q, (u16)i);
		return true;
	}
	ASSERT(q->free_count == q->size && virtqueue_open(q) == 0);
	return false;
}

static void
visit(const struct virtqueue *q, bool *seen, u16 at, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		ASSERT(at < q->size && !seen[at]);			// Q2
		seen[at] = true;
		at = q->link[at];
	}
}

void
virtqueue_check(const struct virtqueue *q)
{
	bool seen[VIRTQUEUE_SIZE_MAX] = { false };
	u32 open = 0, descriptors = q->free_count;

	visit(q, seen, q->free_first, q->free_count);
	for (u32 i = 0; i < q->size; i++) {
		if (q->chain[i].count == 0)
			continue;
		open++;
		descriptors += q->chain[i].count;
		visit(q, seen, (u16)i, q->chain[i].count);
	}
	ASSERT(descriptors == q->size);					// Q1
	ASSERT(open == virtqueue_open(q) && open <= q->size);		// Q3
	ASSERT((u16)(q->published - q->taken) <= open);
}
