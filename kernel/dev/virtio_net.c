// SPDX-License-Identifier: BSD-2-Clause
// The virtio network driver behind nic.h (virtio 1.2, section 5.1): one receive
// and one transmit queue, one interrupt vector, no offload that would make
// received frames larger than the wire's.
//
// A receive buffer is one descriptor for the virtio header and the frame, as long
// as the MTU that the device tells makes it: 256 of them are 384 KiB with 1500
// bytes, 2272 KiB with 9000. Merged buffers would make that less, and every jumbo
// frame a list; they are not asked for.
//
// A frame to send is one descriptor for the virtio header and the frame's copied
// beginning, in a slot that belongs to the chain's first descriptor, and one
// for each piece behind it. One that is sent whole has the virtio header before it.
//
// Invariants:
//   N1  every receive buffer is with the device, with the caller, or added and
//       not yet published; its number is the cookie of its chain
//   N2  a header slot is written only while its descriptor is free
//   N3  after a failure nothing is read from the queues; cookies come back only
//       once the device has confirmed its reset

#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/dev/nic.h"
#include "kernel/dev/virtio.h"
#include "kernel/main/kprintf.h"

#define FEATURE_CHECKSUM (1ull << 0)
#define FEATURE_MTU (1ull << 3)
#define FEATURE_MAC (1ull << 5)
#define FEATURE_SEGMENTS (1ull << 11)	// of TCP over IPv4, on transmit
#define FEATURE_STATUS (1ull << 16)

#define CONFIG_MAC 0u
#define CONFIG_STATUS 6u
#define CONFIG_MTU 10u
#define STATUS_LINK_UP 1u

#define QUEUE_RECEIVE 0u
#define QUEUE_TRANSMIT 1u
#define MTU_MIN 68u			// RFC 791
#define SHOW_PART 16u			// of the buffers, that is worth telling
#define BUFFER_ALIGN 64u		// no cache line belongs to two frames
#define SLOT_LEN 128u

// What runs once a frame, with what it calls as a part of it.
#define FLAT __attribute__((flatten))

#define HEADER_NEEDS_CHECKSUM 1u
#define OFFLOAD_TCP4 1u

struct net_header {
	u8 flags;
	u8 offload;		// OFFLOAD_TCP4, or 0: no segmentation
	u16 header_len;
	u16 segment_len;
	u16 checksum_start;
	u16 checksum_offset;
	u16 buffer_count;
};

STATIC_ASSERT(sizeof(struct net_header) == 12);
STATIC_ASSERT(sizeof(struct net_header) <= NIC_HEADROOM);
STATIC_ASSERT(sizeof(struct net_header) + NIC_HEADER_MAX <= SLOT_LEN);
STATIC_ASSERT(NIC_PIECES_MAX + 1 <= VIRTQUEUE_PIECES_MAX);
STATIC_ASSERT(NIC_FLIGHTS_MAX >= VIRTQUEUE_SIZE_MAX);

static struct {
	struct virtio device;
	struct virtio_queue receive;
	struct virtio_queue transmit;
	struct nic_facts facts;
	u8 *buffers;
	u64 buffers_physical;
	u8 *slots;
	u64 slots_physical;
	u32 buffer_count;
	u32 buffer_len;
	bool works;		// until the device breaks the rules
	bool stopped;		// it has confirmed its reset since
} net;

static bool
read_facts(void)
{
	struct virtio *v = &net.device;
	u16 mtu = net.facts.mtu, status = STATUS_LINK_UP;

	if (!(v->features & FEATURE_MAC) ||
	    !virtio_config(v, CONFIG_MAC, net.facts.mac, 6) ||
	    (net.facts.mac[0] & 1)) {
		kprintf("nic: the device tells no address of its own\n");
		return false;
	}
	if ((v->features & FEATURE_MTU) &&
	    (!virtio_config(v, CONFIG_MTU, &mtu, 2) || mtu < MTU_MIN)) {
		kprintf("nic: the device tells an impossible MTU\n");
		return false;
	}
	if ((v->features & FEATURE_STATUS) &&
	    (!virtio_config(v, CONFIG_STATUS, &status, 2) ||
	     !(status & STATUS_LINK_UP)))
		kprintf("nic: the link is down\n");
	net.facts.mtu = MIN(mtu, (u16)NIC_MTU_MAX);
	net.facts.checksum = (v->features & FEATURE_CHECKSUM) != 0;
	net.facts.segments = net.facts.checksum && v->features & FEATURE_SEGMENTS;
	return true;
}

static void
take_memory(u32 buffers)
{
	u32 slots_len = net.transmit.ring.size * SLOT_LEN;

	net.buffer_count = MIN(buffers, (u32)net.receive.ring.size);
	net.buffer_len = ALIGN_UP((u32)sizeof(struct net_header) +
				  NIC_ETHERNET_LEN + net.facts.mtu, BUFFER_ALIGN);
	net.buffers = boot_frames(
		ALIGN_UP(net.buffer_count * net.buffer_len, PAGE_SIZE) / PAGE_SIZE);
	net.buffers_physical = physical_of(net.buffers);
	net.slots = boot_frames(ALIGN_UP(slots_len, PAGE_SIZE) / PAGE_SIZE);
	net.slots_physical = physical_of(net.slots);
}

static const struct nic_facts *
net_facts(void)
{
	return &net.facts;
}

static bool
net_works(void)
{
	return net.works;
}

// The device broke the rules: nothing of it is used any more (N3).
static __attribute__((noinline)) void
fail(void)
{
	if (!net.works)
		return;
	net.works = false;
	kprintf("nic: the device broke the rules of its queues; it is stopped\n");
	net.stopped = virtio_stop(&net.device);
}

static bool
net_receive_waiting(void)
{
	return net_works() && virtqueue_used_waiting(&net.receive.ring);
}

static bool
net_sent_waiting(void)
{
	if (net_works())
		return virtqueue_used_waiting(&net.transmit.ring);
	return net.stopped && virtqueue_open(&net.transmit.ring) > 0;
}

static void
net_receive_begin(void)
{
	virtqueue_quiet(&net.receive.ring);
}

static void
net_give_back(u32 buffer)
{
	ASSERT(buffer < net.buffer_count);
	if (net_works())
		virtqueue_add_one(&net.receive.ring,
				  net.buffers_physical + buffer * net.buffer_len,
				  net.buffer_len, true, buffer);
}

FLAT static bool
net_receive(struct nic_received *received)
{
	struct virtqueue *q = &net.receive.ring;
	struct virtqueue_done done;
	u32 header_len = sizeof(struct net_header);

	while (net_works() && virtqueue_take(q, &done)) {
		u32 buffer = (u32)done.cookie;
		u32 len = done.len < header_len ? 0 : done.len - header_len;

		ASSERT(buffer < net.buffer_count);
		if (len < NIC_ETHERNET_LEN ||
		    len > NIC_ETHERNET_LEN + net.facts.mtu) {
			net_give_back(buffer);
			continue;
		}
		received->frame = net.buffers + buffer * net.buffer_len +
				  header_len;
		received->len = len;
		received->buffer = buffer;
		return true;
	}
	if (q->broken)
		fail();
	return false;
}

static bool
net_receive_end(bool listen)
{
	if (!net_works())
		return false;
	// A few of them more make no difference to a device that has the others.
	if (virtqueue_unpublished(&net.receive.ring) * SHOW_PART >= net.buffer_count)
		virtio_push(&net.receive);
	return listen ? virtqueue_listen(&net.receive.ring)
		      : virtqueue_used_waiting(&net.receive.ring);
}

static u32
net_room(void)
{
	return net_works() ? virtqueue_room(&net.transmit.ring) : 0;
}

static u32
slot_offset(void)
{
	u32 slot = virtqueue_next_head(&net.transmit.ring);

	ASSERT(slot < net.transmit.ring.size);
	return slot * SLOT_LEN;
}

static u8 *
net_header(void)
{
	ASSERT(net_room() > 0);						// N2
	return net.slots + slot_offset() + sizeof(struct net_header);
}

static void
net_send(const struct nic_frame *frame, u32 cookie)
{
	struct virtqueue_piece piece[NIC_PIECES_MAX + 1];
	u32 count = frame->piece_count + 1;
	u32 offset = slot_offset();
	struct net_header header = { 0 };

	ASSERT(frame->header_len >= NIC_ETHERNET_LEN &&
	       frame->header_len <= NIC_HEADER_MAX);
	ASSERT(frame->piece_count <= NIC_PIECES_MAX && net_room() >= count);
	if (frame->checksum_start) {
		ASSERT(net.facts.checksum);
		header.flags = HEADER_NEEDS_CHECKSUM;
		header.checksum_start = frame->checksum_start;
		header.checksum_offset = frame->checksum_offset;
	}
	if (frame->segment) {
		ASSERT(net.facts.segments && frame->checksum_start &&
		       frame->segment_header <= frame->header_len);
		header.offload = OFFLOAD_TCP4;
		header.header_len = frame->segment_header;
		header.segment_len = frame->segment;
	}
	__builtin_memcpy(net.slots + offset, &header, sizeof(header));
	piece[0].physical = net.slots_physical + offset;
	piece[0].len = (u32)sizeof(header) + frame->header_len;
	for (u32 i = 0; i < frame->piece_count; i++) {
		piece[i + 1].physical = frame->piece[i].physical;
		piece[i + 1].len = frame->piece[i].len;
	}
	virtqueue_add(&net.transmit.ring, piece, count, 0, cookie);
}

static void
net_send_whole(u8 *bytes, u64 physical, u32 len, u32 cookie)
{
	const u32 header_len = sizeof(struct net_header);

	ASSERT(len >= NIC_ETHERNET_LEN && net_room() > 0);
	__builtin_memset(bytes - header_len, 0, header_len);
	virtqueue_add_one(&net.transmit.ring, physical - header_len, header_len + len,
			  false, cookie);
}

static void
net_push(void)
{
	if (net_works())
		virtio_push(&net.transmit);
}

FLAT static bool
net_sent(u32 *cookie)
{
	struct virtqueue *q = &net.transmit.ring;
	struct virtqueue_done done;
	u64 abandoned;

	if (net_works() && virtqueue_take(q, &done)) {
		*cookie = (u32)done.cookie;
		return true;
	}
	if (q->broken)
		fail();
	if (net.works || !net.stopped || !virtqueue_abandon(q, &abandoned))
		return false;
	*cookie = (u32)abandoned;
	return true;
}

static bool
net_want_sent(bool wanted)
{
	if (!net_works())
		return false;
	if (wanted)
		return virtqueue_listen(&net.transmit.ring);
	virtqueue_quiet(&net.transmit.ring);
	return false;
}

static bool
net_init(void (*interrupt)(void), u32 buffers, u32 mtu)
{
	struct virtio *v = &net.device;

	ASSERT(!net.works && buffers > 0 && buffers <= VIRTQUEUE_SIZE_MAX);
	net.facts.mtu = (u16)mtu;
	if (!virtio_find(v, VIRTIO_NET, 0, "nic") ||
	    !virtio_negotiate(v, FEATURE_CHECKSUM | FEATURE_SEGMENTS | FEATURE_MTU |
				 FEATURE_MAC | FEATURE_STATUS))
		return false;
	if (!read_facts()) {
		net.stopped = virtio_stop(v);
		return false;
	}
	if (!virtio_interrupts(v, interrupt) ||
	    !virtio_queue_open(v, &net.receive, QUEUE_RECEIVE, buffers) ||
	    !virtio_queue_open(v, &net.transmit, QUEUE_TRANSMIT,
			       VIRTQUEUE_SIZE_MAX))
		return false;
	take_memory(buffers);
	virtqueue_quiet(&net.transmit.ring);
	virtio_start(v);
	net.works = true;
	for (u32 i = 0; i < net.buffer_count; i++)
		net_give_back(i);
	virtio_push(&net.receive);
	return true;
}

const struct nic_driver virtio_net_driver = {
	.init = net_init,
	.facts = net_facts,
	.receive_waiting = net_receive_waiting,
	.sent_waiting = net_sent_waiting,
	.receive_begin = net_receive_begin,
	.receive = net_receive,
	.give_back = net_give_back,
	.receive_end = net_receive_end,
	.room = net_room,
	.header = net_header,
	.send = net_send,
	.send_whole = net_send_whole,
	.push = net_push,
	.sent = net_sent,
	.want_sent = net_want_sent,
	.works = net_works,
};
