// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Frames that are answered by turning them around, for both sides: the handler in the
// kernel (answer.c) and the programs whose rings it stands on, which turn around what it
// passes on. Ethernet, with ARP or with IPv4 without options and UDP. Swapping addresses
// and ports leaves the checksums right.

#include "kernel/base/byteorder.h"

#define ANSWER_ARP_LEN 42u
#define ANSWER_UDP_LEN 42u		// the headers; the datagram follows
#define ANSWER_NO_PORT 0x10000u

// The handler's region.
struct answer {
	u32 address;			// that it answers for, in host order
	u32 port;			// whose datagrams it sends back, or ANSWER_NO_PORT
	u8 mac[6];			// of the ring
	u8 reserved[2];
	u32 located;			// ARP requests answered
	u32 answered;			// datagrams
	u32 unsent;			// answers that there was no room for
};

#define answer_inline_ static inline __attribute__((always_inline))

answer_inline_ void
answer_swap(u8 *a, u8 *b, u32 len)
{
	for (u32 i = 0; i < len; i++) {
		u8 byte = a[i];

		a[i] = b[i];
		b[i] = byte;
	}
}

// Does it ask where `address` is?
answer_inline_ bool
answer_is_arp(const u8 *frame, u64 len, u32 address)
{
	return len >= ANSWER_ARP_LEN && be16_load(frame + 12) == 0x0806 &&
	       be16_load(frame + 20) == 1 && be32_load(frame + 38) == address;
}

// Is it a datagram for `address`, whole?
answer_inline_ bool
answer_is_udp(const u8 *frame, u64 len, u32 address)
{
	return len >= ANSWER_UDP_LEN && be16_load(frame + 12) == 0x0800 &&
	       frame[14] == 0x45 && !(be16_load(frame + 20) & 0x3fff) &&
	       frame[23] == 17 && be32_load(frame + 30) == address;
}

// The port that a datagram is for.
answer_inline_ u32
answer_port(const u8 *frame)
{
	return be16_load(frame + 36);
}

answer_inline_ void
answer_turn_arp(u8 *frame, const u8 *mac)
{
	answer_swap(frame + 22, frame + 32, 10);	// who asks, and for what
	for (u32 i = 0; i < 6; i++) {
		frame[i] = frame[i + 6];
		frame[i + 6] = frame[i + 22] = mac[i];
	}
	be16_store(frame + 20, 2);
}

answer_inline_ void
answer_turn_udp(u8 *frame)
{
	answer_swap(frame, frame + 6, 6);
	answer_swap(frame + 26, frame + 30, 4);
	answer_swap(frame + 34, frame + 36, 2);
}
