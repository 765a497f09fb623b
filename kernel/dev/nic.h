// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The network interface as the rest of the kernel sees it: frames in, frames
// out, batches. Implemented by the driver (virtio_net.c). Calls come one at a
// time, under the kernel lock or before there are other processors.
//
// Receive: nic_receive_begin; nic_receive until it finds none, each frame given
// back with nic_give_back once its bytes are no longer needed (now or later);
// nic_receive_end. At most as many frames come between begin and end as the
// driver has buffers, so a flood cannot keep the kernel in the loop.
//
// Send: nic_header gives room for the beginning of a frame in kernel memory;
// fill it; nic_send adds pieces that the device reads from where they lie, and
// a cookie; any number of those; nic_push tells the device, once. nic_sent
// hands the cookies back when the device has read the memory: it is called when
// convenient, because completions do not interrupt unless nic_want_sent asked.

#include "kernel/base/types.h"

#define NIC_HEADER_MAX 96u	// bytes of a frame that nic_header() has room for
#define NIC_PIECES_MAX 3u	// pieces behind the header
#define NIC_FLIGHTS_MAX 256u	// frames with the device at any time
#define NIC_MTU_MAX 9000u	// payload bytes of a frame
#define NIC_MTU_STANDARD 1500u	// where the device does not say
#define NIC_ETHERNET_LEN 14u	// addresses and EtherType

struct nic_facts {
	u8 mac[6];
	u16 mtu;		// payload bytes: 68..NIC_MTU_MAX
	bool checksum;		// the device completes TCP and UDP checksums
};

struct nic_piece {
	u64 physical;
	u32 len;		// at least 1
};

struct nic_frame {
	u32 header_len;		// bytes filled in at nic_header(): 14..96
	u32 piece_count;
	struct nic_piece piece[NIC_PIECES_MAX];
	u16 checksum_start;	// 0: none (else facts->checksum must be set)
	u16 checksum_offset;	// from checksum_start; lies inside the frame
};

struct nic_received {
	u8 *frame;		// kernel memory; the device wrote it
	u32 len;		// 14..facts->mtu + 14
	u32 buffer;		// for nic_give_back()
};

// Finds and starts the interface, with `buffers` receive buffers (a power of
// two, at most 256), each for the longest frame. `interrupt` runs on the boot
// processor when frames came, or when sent ones were asked for. Boot only.
// False: there is none.
must_check bool
nic_init(void (*interrupt)(u32 argument), u32 buffers);

// NULL when there is no interface.
const struct nic_facts *
nic_facts(void);

// Cheap: has anything come, has anything been sent?
must_check bool
nic_receive_waiting(void);
must_check bool
nic_sent_waiting(void);

// The batch described above. nic_receive() returns false when nothing has come;
// a frame's memory stays the caller's until nic_give_back().
void
nic_receive_begin(void);
must_check bool
nic_receive(struct nic_received *received);
void
nic_give_back(u32 buffer);

// Ends the batch: hands the given-back buffers to the device and, with `listen`,
// lets it interrupt again. True when more came meanwhile: do another batch.
must_check bool
nic_receive_end(bool listen);

// Descriptors that are free: a frame takes one and one more for each piece.
u32
nic_room(void);

// Where the next frame's beginning goes: NIC_HEADER_MAX bytes. There must be
// room for the whole frame. The place stays the same until nic_send().
u8 *
nic_header(void);
void
nic_send(const struct nic_frame *frame, u32 cookie);
void
nic_push(void);

// One frame that the device is done with. False when there is none.
must_check bool
nic_sent(u32 *cookie);

// Says whether sent frames shall interrupt. True when some wait already.
bool
nic_want_sent(bool wanted);

// A device that broke the rules is stopped, and everything it held comes back
// through nic_sent(); from then on this is false, nothing is received, and
// nic_room() is 0.
must_check bool
nic_works(void);
