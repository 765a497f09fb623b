// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The network interface as the rest of the kernel sees it: frames in, frames
// out, batches. Implemented by a driver: virtio_net.c, or e1000e.c where no virtio
// card is there (nic.c chooses). Calls come one at a time, under the kernel lock or
// before there are other processors.
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
#define NIC_HEADROOM 16u	// bytes before a frame that is sent whole
#define NIC_CHECKSUM_END 256u	// some devices have 8 bits for the place

struct nic_facts {
	u8 mac[6];
	u16 mtu;		// payload bytes: 68..NIC_MTU_MAX
	bool checksum;		// the device completes TCP and UDP checksums
	bool segments;		// and cuts TCP over IPv4 into segments
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
	u16 checksum_offset;	// from checksum_start; lies inside the frame, and
				// start + offset is below NIC_CHECKSUM_END
	u16 segment;		// bytes of payload in each segment; 0: one frame (else
				// facts->segments and checksum_start must be set)
	u16 segment_header;	// bytes that each begins with, within header_len
};

struct nic_received {
	u8 *frame;		// kernel memory; the device wrote it
	u32 len;		// 14..facts->mtu + 14
	u32 buffer;		// for nic_give_back()
};

// What a driver implements, each function as its namesake below says.
struct nic_driver {
	bool (*init)(void (*interrupt)(void), u32 buffers, u32 mtu);
	const struct nic_facts *(*facts)(void);
	bool (*receive_waiting)(void);
	bool (*sent_waiting)(void);
	void (*receive_begin)(void);
	bool (*receive)(struct nic_received *received);
	void (*give_back)(u32 buffer);
	bool (*receive_end)(bool listen);
	u32 (*room)(void);
	u8 *(*header)(void);
	void (*send)(const struct nic_frame *frame, u32 cookie);
	void (*send_whole)(u8 *bytes, u64 physical, u32 len, u32 cookie);
	void (*push)(void);
	bool (*sent)(u32 *cookie);
	bool (*want_sent)(bool wanted);
	bool (*works)(void);
};

extern const struct nic_driver virtio_net_driver;
extern const struct nic_driver e1000e_driver;

// The one in use; before nic_init(), and where there is no interface, one that has
// nothing. Set at boot, once.
extern const struct nic_driver *nic_driver;

// What stands behind `mtu=` on the command line, or NULL: the payload bytes that frames
// shall carry where the device does not tell. Boot only, before nic_init().
void
nic_ask_mtu(const char *word);

// Finds and starts the interface, with `buffers` receive buffers (a power of
// two, at most 256), each for the longest frame. `interrupt` runs on the boot
// processor when frames came, or when sent ones were asked for. Boot only.
// False: there is none.
must_check bool
nic_init(void (*interrupt)(void), u32 buffers);

// NULL when there is no interface.
static inline const struct nic_facts *
nic_facts(void)
{
	return nic_driver->facts();
}

// Cheap: has anything come, has anything been sent?
must_check static inline bool
nic_receive_waiting(void)
{
	return nic_driver->receive_waiting();
}

must_check static inline bool
nic_sent_waiting(void)
{
	return nic_driver->sent_waiting();
}

// The batch described above. nic_receive() returns false when nothing has come;
// a frame's memory stays the caller's until nic_give_back().
static inline void
nic_receive_begin(void)
{
	nic_driver->receive_begin();
}

must_check static inline bool
nic_receive(struct nic_received *received)
{
	return nic_driver->receive(received);
}

static inline void
nic_give_back(u32 buffer)
{
	nic_driver->give_back(buffer);
}

// Ends the batch: hands the given-back buffers to the device and, with `listen`,
// lets it interrupt again. True when more came meanwhile: do another batch.
must_check static inline bool
nic_receive_end(bool listen)
{
	return nic_driver->receive_end(listen);
}

// Descriptors that are free: a frame takes one and one more for each piece.
static inline u32
nic_room(void)
{
	return nic_driver->room();
}

// Where the next frame's beginning goes: NIC_HEADER_MAX bytes. There must be
// room for the whole frame. The place stays the same until nic_send().
static inline u8 *
nic_header(void)
{
	return nic_driver->header();
}

static inline void
nic_send(const struct nic_frame *frame, u32 cookie)
{
	nic_driver->send(frame, cookie);
}

// A frame of `len` bytes that lies in one piece of kernel memory, and takes one
// descriptor. The NIC_HEADROOM bytes before it are the driver's until it is sent.
static inline void
nic_send_whole(u8 *bytes, u64 physical, u32 len, u32 cookie)
{
	nic_driver->send_whole(bytes, physical, len, cookie);
}

static inline void
nic_push(void)
{
	nic_driver->push();
}

// One frame that the device is done with. False when there is none.
must_check static inline bool
nic_sent(u32 *cookie)
{
	return nic_driver->sent(cookie);
}

// Says whether sent frames shall interrupt. True when some wait already.
static inline bool
nic_want_sent(bool wanted)
{
	return nic_driver->want_sent(wanted);
}

// A device that broke the rules is stopped, and everything it held comes back
// through nic_sent(); from then on this is false, nothing is received, and
// nic_room() is 0.
must_check static inline bool
nic_works(void)
{
	return nic_driver->works();
}
