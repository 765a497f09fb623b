// SPDX-License-Identifier: BSD-2-Clause
// virtio over PCI: the four register windows that vendor capabilities describe
// (common configuration, notification, device configuration; the ISR window is
// never read, because interrupts are messages), the start-up sequence of
// section 3.1, and queue set-up.
//
// Invariants:
//   W1  a register is touched only inside a window that lies within its BAR
//   W2  a queue's notification register lies within the notification window
//   W3  a device whose start failed is reset, or if it does not confirm that has
//       lost the bus, so that it masters nothing
//
// Boot and failure paths only, virtio_push() excepted.

#include "kernel/dev/virtio.h"
#include "kernel/arch/x86_64/irq.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/dev/mmio.h"
#include "kernel/main/kprintf.h"

#define VENDOR 0x1af4u
#define DEVICE_TRANSITIONAL 0x1000u	// .. 0x103f; the subsystem id is the type
#define DEVICE_MODERN 0x1040u		// + type

#define WINDOW_COMMON 1u
#define WINDOW_NOTIFY 2u
#define WINDOW_DEVICE 4u
#define WINDOW_LEN_MAX (64u * 1024u)
#define WINDOWS_MAX 16u

// Fields of a vendor capability.
#define CAP_KIND 3u
#define CAP_BAR 4u
#define CAP_OFFSET 8u
#define CAP_LENGTH 12u
#define CAP_MULTIPLIER 16u
#define CAP_END 20u

// The common configuration window.
#define COMMON_OFFER_SELECT 0x00
#define COMMON_OFFER 0x04
#define COMMON_ACCEPT_SELECT 0x08
#define COMMON_ACCEPT 0x0c
#define COMMON_CONFIG_VECTOR 0x10
#define COMMON_STATUS 0x14
#define COMMON_GENERATION 0x15
#define COMMON_QUEUE_SELECT 0x16
#define COMMON_QUEUE_SIZE 0x18
#define COMMON_QUEUE_VECTOR 0x1a
#define COMMON_QUEUE_ENABLE 0x1c
#define COMMON_QUEUE_NOTIFY 0x1e
#define COMMON_QUEUE_DESCRIPTORS 0x20
#define COMMON_QUEUE_DRIVER 0x28
#define COMMON_QUEUE_DEVICE 0x30
#define COMMON_LEN 0x38u

#define STATUS_ACKNOWLEDGE 0x01u
#define STATUS_DRIVER 0x02u
#define STATUS_DRIVER_OK 0x04u
#define STATUS_FEATURES_OK 0x08u
#define STATUS_FAILED 0x80u

#define NO_VECTOR 0xffffu
#define RESET_POLLS_MAX 1000000u
#define CONFIG_TRIES_MAX 16u

static bool
is_type(const struct pci_function *f, enum virtio_type type)
{
	if (f->vendor_id != VENDOR)
		return false;
	if (f->device_id == DEVICE_MODERN + (u32)type)
		return true;
	return f->device_id >= DEVICE_TRANSITIONAL &&
	       f->device_id < DEVICE_MODERN && f->subsystem_id == (u32)type;
}

// Maps the window that the capability at `cap` describes. NULL when it is not
// inside its BAR.
static u8 *
map_window(const struct pci_function *f, u32 cap, u32 *len)
{
	u32 offset = pci_read32(f, cap + CAP_OFFSET);
	struct pci_bar bar;

	*len = MIN(pci_read32(f, cap + CAP_LENGTH), WINDOW_LEN_MAX);
	if (!pci_bar(f, pci_read8(f, cap + CAP_BAR), &bar) || *len == 0 ||
	    offset > bar.len || *len > bar.len - offset || offset % 4 != 0)
		return NULL;
	return mmio_map(bar.physical + offset, *len);
}

// Takes one vendor capability; of several for one window, the first counts.
static void
take_window(struct virtio *v, u32 cap, u32 *common_len)
{
	const struct pci_function *f = v->pci;

	switch (pci_read8(f, cap + CAP_KIND)) {
	case WINDOW_COMMON:
		if (!v->common)
			v->common = map_window(f, cap, common_len);
		break;
	case WINDOW_NOTIFY:
		if (!v->notify && cap + CAP_END <= 256) {
			v->notify = map_window(f, cap, &v->notify_len);
			v->notify_multiplier =
				pci_read32(f, cap + CAP_MULTIPLIER);
		}
		break;
	case WINDOW_DEVICE:
		if (!v->config)
			v->config = map_window(f, cap, &v->config_len);
		break;
	default:
		break;
	}
}

static bool
map_windows(struct virtio *v)
{
	u32 common_len = 0;
	u32 cap = 0;

	for (u32 i = 0; i < WINDOWS_MAX; i++) {
		cap = pci_capability(v->pci, PCI_CAP_VENDOR, cap);
		if (!cap)
			break;
		if (cap + CAP_MULTIPLIER <= 256)
			take_window(v, cap, &common_len);
	}
	return v->common && common_len >= COMMON_LEN && v->notify;
}

bool
virtio_find(struct virtio *v, enum virtio_type type, u32 nth, const char *name)
{
	const struct pci_function *f = NULL;

	for (u32 i = 0; (f = pci_at(i)); i++) {
		if (is_type(f, type) && nth-- == 0)
			break;
	}
	if (!f)
		return false;
	*v = (struct virtio){ .name = name, .pci = f };
	pci_enable(f);
	if (map_windows(v))
		return true;
	pci_silence(f);
	kprintf("%s: the device has no usable virtio 1.x interface\n", name);
	return false;
}

static void
set_status(struct virtio *v, u8 bits)
{
	u8 status = mmio_read8(v->common + COMMON_STATUS);

	mmio_write8(v->common + COMMON_STATUS, status | bits);
}

bool
virtio_stop(struct virtio *v)
{
	mmio_write8(v->common + COMMON_STATUS, 0);
	for (u32 i = 0; i < RESET_POLLS_MAX; i++) {
		if (mmio_read8(v->common + COMMON_STATUS) == 0)
			return true;
	}
	pci_silence(v->pci);
	kprintf("%s: the device does not confirm its reset\n", v->name);
	return false;
}

// Says why the device is not used and resets it (W3). Returns false.
static bool
refuse(struct virtio *v, const char *why)
{
	kprintf("%s: not used: %s\n", v->name, why);
	set_status(v, STATUS_FAILED);
	virtio_stop(v);
	return false;
}

static u64
offered_features(struct virtio *v)
{
	mmio_write32(v->common + COMMON_OFFER_SELECT, 0);

	u64 low = mmio_read32(v->common + COMMON_OFFER);

	mmio_write32(v->common + COMMON_OFFER_SELECT, 1);
	return low | (u64)mmio_read32(v->common + COMMON_OFFER) << 32;
}

bool
virtio_negotiate(struct virtio *v, u64 wanted)
{
	if (!virtio_stop(v))
		return false;
	set_status(v, STATUS_ACKNOWLEDGE);
	set_status(v, STATUS_DRIVER);

	u64 offered = offered_features(v);

	if (!(offered & VIRTIO_F_VERSION_1))
		return refuse(v, "it does not speak virtio 1.x");
	v->features = offered &
		      (wanted | VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX);
	mmio_write32(v->common + COMMON_ACCEPT_SELECT, 0);
	mmio_write32(v->common + COMMON_ACCEPT, (u32)v->features);
	mmio_write32(v->common + COMMON_ACCEPT_SELECT, 1);
	mmio_write32(v->common + COMMON_ACCEPT, (u32)(v->features >> 32));
	set_status(v, STATUS_FEATURES_OK);
	if (!(mmio_read8(v->common + COMMON_STATUS) & STATUS_FEATURES_OK))
		return refuse(v, "it refuses these features");
	mmio_write16(v->common + COMMON_CONFIG_VECTOR, NO_VECTOR);
	return true;
}

bool
virtio_interrupts(struct virtio *v, void (*handler)(void))
{
	u8 vector = irq_claim(handler);

	if (!pci_msix_enable(v->pci, &vector, 1))
		return refuse(v, "it has no usable MSI-X");
	v->interrupts = true;
	return true;
}

// The largest power of two that is at most `size` and `size_max`; 0 when the
// queue does not exist.
static u32
queue_size(u32 size, u32 size_max)
{
	u32 best = MIN(size_max, VIRTQUEUE_SIZE_MAX);

	ASSERT(best > 0 && (best & (best - 1)) == 0);
	while (best > size)
		best /= 2;
	return best;
}

bool
virtio_queue_open(struct virtio *v, struct virtio_queue *q, u16 index,
		  u32 size_max)
{
	u8 *common = v->common;

	mmio_write16(common + COMMON_QUEUE_SELECT, index);

	u32 size = queue_size(mmio_read16(common + COMMON_QUEUE_SIZE), size_max);
	u64 offset = (u64)mmio_read16(common + COMMON_QUEUE_NOTIFY) *
		     v->notify_multiplier;

	if (size == 0)
		return refuse(v, "a queue is missing");
	if (offset % 2 != 0 || offset + 2 > v->notify_len)		// W2
		return refuse(v, "a notification register lies outside");

	u8 *memory = boot_frames(virtqueue_memory_len(size) / PAGE_SIZE);
	u64 physical = physical_of(memory);

	virtqueue_init(&q->ring, memory, size, v->features & VIRTIO_F_EVENT_IDX);
	q->index = index;
	q->notify = v->notify + offset;
	mmio_write16(common + COMMON_QUEUE_SIZE, (u16)size);
	mmio_write64(common + COMMON_QUEUE_DESCRIPTORS, physical);
	mmio_write64(common + COMMON_QUEUE_DRIVER,
		     physical + virtqueue_driver_offset(size));
	mmio_write64(common + COMMON_QUEUE_DEVICE,
		     physical + virtqueue_device_offset(size));

	u16 vector = v->interrupts ? 0 : NO_VECTOR;

	mmio_write16(common + COMMON_QUEUE_VECTOR, vector);
	if (mmio_read16(common + COMMON_QUEUE_VECTOR) != vector)
		return refuse(v, "it refuses the interrupt vector");
	mmio_write16(common + COMMON_QUEUE_ENABLE, 1);
	return true;
}

void
virtio_start(struct virtio *v)
{
	set_status(v, STATUS_DRIVER_OK);
}

void
virtio_push(struct virtio_queue *q)
{
	if (virtqueue_publish(&q->ring))
		mmio_write16(q->notify, q->index);
}

bool
virtio_config(const struct virtio *v, u32 offset, void *target, u32 len)
{
	u8 *bytes = target;

	if (!v->config || offset > v->config_len || len > v->config_len - offset)
		return false;
	for (u32 try = 0; try < CONFIG_TRIES_MAX; try++) {
		u8 before = mmio_read8(v->common + COMMON_GENERATION);

		for (u32 i = 0; i < len; i++)
			bytes[i] = mmio_read8(v->config + offset + i);
		if (mmio_read8(v->common + COMMON_GENERATION) == before)
			return true;
	}
	return false;
}
