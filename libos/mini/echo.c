// SPDX-License-Identifier: BSD-2-Clause
// The network path: a ring, frames by hand. Answers ARP for its address, and UDP to
// port 7 with what it got (RFC 862), or with its counters where a datagram begins with
// "counters". Every length is checked before what lies behind it is looked at; a frame
// that does not hold is dropped.

#include "libos/mini/mini.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"

#define MAC_INDEX 5u
#define ADDRESS 0x0a000210u		// 10.0.2.16
#define PORT 7u
#define ETHERNET 14u
#define ARP_LEN 28u
#define IPV4_LEN 20u			// headers with options are dropped
#define UDP_LEN 8u
#define TYPE_IPV4 0x0800u
#define TYPE_ARP 0x0806u
#define QUESTION "counters"

static struct ring_control *ring;
static struct ring_tx *descriptors;
static u8 *buffers, *answer;		// `answer`: one page to send from
static u64 answer_frame;
static u32 slot;

static void
open_ring(void)
{
	static struct ring_spec spec;
	u64 frame;

	ring = memory_pages(RING_FRAMES, &frame);
	descriptors = (struct ring_tx *)(void *)((u8 *)ring + PAGE_SIZE);
	buffers = (u8 *)ring + RING_CONTROL_FRAMES * PAGE_SIZE;
	answer = memory_pages(1, &answer_frame);
	spec = (struct ring_spec){
		.nic_slot = granted(ROLE_NIC),
		.mac_index = MAC_INDEX,
		.ring_slot = memory.slot,
		.narrows = SLOT_NONE,
		.ring_frame = frame,
		.region_count = 1,
		.region = { { memory.slot, 0, answer_frame, 1 } },
	};
	slot = (u32)must(call(SYS_ring_bind, (u64)&spec, 0, 0, 0, 0, 0));
}

// Sends what is in `answer`, and waits until the page is free again.
static void
send(u32 len)
{
	u32 head = ring->tx_head;

	descriptors[head % RING_SLOTS] = (struct ring_tx){
		.piece = { { (u32)answer_frame, 0, (u16)len } },
		.piece_count = 1,
	};
	__atomic_store_n(&ring->tx_head, head + 1, __ATOMIC_RELEASE);
	call(SYS_ring_kick, slot, 0, 0, 0, 0, 0);
	while (__atomic_load_n(&ring->tx_done, __ATOMIC_ACQUIRE) == head)
		thread_wait(&ring->tx_done, head, now() + NS_PER_MS);
}

// Back to where it came from.
static void
turn_around(const u8 *frame, u32 len)
{
	memcpy(answer, frame, len);
	memcpy(answer, frame + 6, 6);
	memcpy(answer + 6, ring->mac, 6);
}

static void
take_arp(const u8 *frame, u32 len)
{
	const u8 *arp = frame + ETHERNET;
	u8 *to = answer + ETHERNET;

	if (len < ETHERNET + ARP_LEN || be16_load(arp + 6) != 1 ||
	    be32_load(arp + 24) != ADDRESS)
		return;
	turn_around(frame, ETHERNET + ARP_LEN);
	be16_store(to + 6, 2);			// a reply
	memcpy(to + 8, ring->mac, 6);
	be32_store(to + 14, ADDRESS);
	memcpy(to + 18, arp + 8, 10);		// who asked
	send(ETHERNET + ARP_LEN);
}

static u16
header_sum(const u8 *ip)
{
	u32 sum = 0;

	for (u32 i = 0; i < IPV4_LEN; i += 2)
		sum += be16_load(ip + i);
	sum = (sum & 0xffff) + (sum >> 16);
	return (u16)~((sum & 0xffff) + (sum >> 16));
}

// The counters instead of the question. Without a checksum, which IPv4 allows.
static u32
tell_counters(void)
{
	u8 *ip = answer + ETHERNET, *udp = ip + IPV4_LEN;
	u32 len = (u32)fmt_into((char *)udp + UDP_LEN, 100,
				"echoed %lu preempted %lu worked %lu",
				counters.echoed, counters.preempted, counters.worked);

	be16_store(udp + 4, (u16)(UDP_LEN + len));
	be16_store(udp + 6, 0);
	be16_store(ip + 2, (u16)(IPV4_LEN + UDP_LEN + len));
	be16_store(ip + 10, 0);
	be16_store(ip + 10, header_sum(ip));
	return ETHERNET + IPV4_LEN + UDP_LEN + len;
}

// Swapping addresses and ports leaves both checksums right.
static void
take_udp(const u8 *frame, u32 len)
{
	const u8 *ip = frame + ETHERNET, *udp = ip + IPV4_LEN;
	u32 total = be16_load(ip + 2);

	if (ip[0] != 0x45 || total < IPV4_LEN + UDP_LEN || total > len - ETHERNET ||
	    ip[9] != 17 || be32_load(ip + 16) != ADDRESS ||
	    (be16_load(ip + 6) & 0x3fff) || be16_load(udp + 2) != PORT)
		return;
	turn_around(frame, ETHERNET + total);
	memcpy(answer + ETHERNET + 12, ip + 16, 4);
	memcpy(answer + ETHERNET + 16, ip + 12, 4);
	memcpy(answer + ETHERNET + IPV4_LEN, udp + 2, 2);
	memcpy(answer + ETHERNET + IPV4_LEN + 2, udp, 2);
	counters.echoed++;
	if (total - IPV4_LEN - UDP_LEN >= strlen(QUESTION) &&
	    !memcmp(udp + UDP_LEN, QUESTION, strlen(QUESTION)))
		send(tell_counters());
	else
		send(ETHERNET + total);
}

static void
take(const u8 *frame, u32 len)
{
	if (len < ETHERNET + IPV4_LEN + UDP_LEN || len > RING_MTU_MAX)
		return;
	if (be16_load(frame + 12) == TYPE_ARP)
		take_arp(frame, len);
	else if (be16_load(frame + 12) == TYPE_IPV4)
		take_udp(frame, len);
}

void
echo(void)
{
	u32 tail = 0;

	open_ring();
	for (;;) {
		u32 head = __atomic_load_n(&ring->rx_head, __ATOMIC_ACQUIRE);

		if (head == tail) {
			call(SYS_ring_kick, slot, 0, 0, 0, 0, 0);
			if (__atomic_load_n(&ring->rx_head, __ATOMIC_ACQUIRE) == tail)
				thread_wait(&ring->rx_head, tail, NEVER);
			continue;
		}
		take(buffers + tail % RING_SLOTS * RING_BUFFER_SIZE,
		     ring->rx_len[tail % RING_SLOTS]);
		tail++;
		__atomic_store_n(&ring->rx_tail, tail, __ATOMIC_RELEASE);
	}
}
