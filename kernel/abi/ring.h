// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Packet rings: the shared memory between an environment and the kernel's
// network path. A ring lives in RING_FRAMES consecutive frames of the
// environment that binds it:
//
//   frame 0        struct ring_control
//   frames 1..2    struct ring_tx tx[RING_SLOTS]
//   frames 3..130  receive buffers, RING_BUFFER_SIZE bytes each
//
// Indices run freely and are taken modulo RING_SLOTS. For receive the kernel
// fills buffer rx_head % RING_SLOTS and then advances rx_head; the environment
// reads and advances rx_tail. The kernel does so while the environment sleeps; one
// that is awake sees more when it calls ring_kick() or wait(). For transmit the
// environment fills a descriptor and advances tx_head; the kernel advances
// tx_done once the device has read the memory, and only then may the environment
// reuse it.
//
// Protection works both ways. Received frames are only those that the filter
// takes. A frame to send starts in piece 0, whose first bytes the kernel copies
// and checks: the source address is the ring's, the EtherType never the
// fabric's, every atom given to ring_narrow() holds. The rest is sent from
// where it lies (zero copy), and must lie in the ring's regions.
//
// A frame for the address of a ring of the same node, checked like any other, does
// not go to the wire: the kernel copies it to the ring of that address whose filter
// takes it, the checksum completed. No switch would bring it back.
//
// Where sys_info says that the device can (nic_segments), one descriptor may be many
// TCP segments: a packet of at most RING_LONG_MAX bytes, which the device cuts into
// frames of `segment` bytes of payload, each with the header that was checked.

#include "kernel/abi/layout.h"

#define RING_SLOTS 256u
#define RING_BUFFER_SIZE 2048u
#define RING_CHECKSUM_END 256u	// what every device that completes checksums can do
#define RING_CONTROL_FRAMES 3u
#define RING_FRAMES (RING_CONTROL_FRAMES + \
		     RING_SLOTS * RING_BUFFER_SIZE / (u32)PAGE_SIZE)
#define RING_MTU_MAX 1514u	// bytes of a frame, without checksum; longer ones are
				// dropped, and counted in sys_info
#define RING_LONG_MAX 65535u	// bytes of what is to be cut into segments
#define RING_SEGMENT_MIN 512u	// of payload
#define RING_PIECES_MAX 3u
#define RING_HEADER_COPY 96u	// leading bytes of piece 0 copied and checked
#define RING_REGIONS_MAX 4u
#define RING_ATOMS_MAX 8u	// of a filter
#define RING_FILTERS_MAX 8u	// of a ring

#define RING_MAC_GIVEN 0xffffffffu

#define ETHERTYPE_FABRIC 0x88b5u

// A condition on a frame, as in DPF (Engler and Kaashoek, SIGCOMM '96): the
// big-endian 32-bit word at `offset` (bytes past the frame's end read as 0),
// and-ed with `mask`, equals `value`.
struct ring_atom {
	u32 offset;		// at most 60
	u32 mask;
	u32 value;
};

// ring_filter: what a ring receives besides, at most RING_FILTERS_MAX in all.
struct ring_filter {
	u32 narrows;		// slot of the ring that it narrows, or SLOT_NONE
	u32 count;
	struct ring_atom atom[RING_ATOMS_MAX];
};

// A memory region that frames may be sent from: `slot` names a capability for
// frames with READ.
struct ring_region {
	u32 slot;
	u32 reserved;
	u64 frame;
	u64 count;
};

// ring_bind. mac_index 0 is the node's own address; others are derived from it
// (locally administered) and let several libOSes share the interface. With
// RING_MAC_GIVEN the address is `mac`, no group's and not zero, and the interface's
// capability has FORGE: it may be one that moves between nodes.
//
// `filter` says which frames for the address it receives; of broadcasts it gets those
// that its atoms accept. `send` says what every frame must meet that it sends. Two
// rings with one address may share neither direction by halves: what a new ring
// receives and sends must be disjoint from what the others do, or lie within what one
// of them does that `narrows` names. Then it goes to the new one, until that ends or
// the capability in `narrows` does (docs/filters.md).
struct ring_spec {
	u32 nic_slot;		// CAP_NIC; READ to receive, WRITE to send
	u32 mac_index;		// 0..RINGS_MAX-1, or RING_MAC_GIVEN
	u32 ring_slot;		// CAP_FRAMES with READ and WRITE
	u32 narrows;		// slot of the ring that it narrows, or SLOT_NONE: READ to
				// receive of its frames, WRITE to send like it
	u64 ring_frame;		// first of RING_FRAMES frames
	u32 region_count;	// besides the ring's own frames
	u32 filter_count;
	struct ring_region region[RING_REGIONS_MAX];
	struct ring_atom filter[RING_ATOMS_MAX];
	u8 mac[6];		// with RING_MAC_GIVEN
	u8 reserved[2];
	u32 send_count;
	u32 reserved2;
	struct ring_atom send[RING_ATOMS_MAX];
};

struct ring_piece {
	u32 frame;		// frame number
	u16 offset;		// in that frame, below 4096
	u16 len;		// bytes; may run on into the following frames
};

enum ring_tx_status {
	RING_TX_OPEN,		// not looked at yet
	RING_TX_SENT,		// given to the device, or to a ring of this node
	RING_TX_FORGED,		// refused: header
	RING_TX_OUTSIDE,	// refused: a piece outside the ring's regions
	RING_TX_MALFORMED,	// refused: lengths
	RING_TX_LOCAL,		// refused: segments for a ring of this node; send them
				// one by one
};

// One frame to send. The TCP or UDP checksum is completed by the device when
// checksum_start is not 0 and sys_info says that it can: the environment puts
// the sum of the pseudo header at checksum_start + checksum_offset, which must
// lie behind the EtherType and its tags and every byte that an atom looks at.
//
// With `segment` it is one IPv4 packet with TCP and no options of IP, whose headers
// lie in the bytes that are copied, the checksum as above. The device changes lengths,
// checksums, the sequence number and the flags: no atom of the ring may look at them.
struct ring_tx {
	struct ring_piece piece[RING_PIECES_MAX];
	u8 piece_count;
	u8 status;		// enum ring_tx_status; the kernel writes
	u8 checksum_start;	// bytes from the frame's start; 0: none
	u8 checksum_offset;	// start + offset is below RING_CHECKSUM_END
	u16 segment;		// bytes, from RING_SEGMENT_MIN on; 0: this is one frame
	u16 reserved;
};

struct ring_control {
	// Written by the kernel.
	u32 rx_head;
	u32 tx_done;
	u32 rx_dropped;		// frames for this ring that found it full
	u32 tx_refused;
	u8 mac[6];
	u8 reserved0[42];
	// Written by the environment.
	u32 rx_tail;
	u32 tx_head;
	u8 reserved1[56];
	u16 rx_len[RING_SLOTS];	// written by the kernel: bytes in each buffer
};

STATIC_ASSERT(sizeof(struct ring_tx) == 32);
STATIC_ASSERT(sizeof(struct ring_control) <= PAGE_SIZE);
STATIC_ASSERT(RING_FRAMES == 131);
