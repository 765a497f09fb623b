// SPDX-License-Identifier: BSD-2-Clause
// One MAC address: a ring, a small stack, and the way of frames past it.
//
// A frame that is passed on is sent from its receive buffer, which goes back to the
// kernel when the device has read it. Short ones, requests and acknowledgements, are
// copied by the kernel and go back in the same round.
//
// Invariants:
//   P1  receive buffers go back in the order in which they came
//   P2  a buffer of the stack's is filled again only after its descriptor is done

#include "cluster/programs/front/front.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"

#define OUT_SIZE 2048u
#define CONNS 1u			// it accepts none: nobody listens
#define RECEIVE_SIZE 2048u
#define MTU_MAX 1500u
#define KEPT_MAX (RING_SLOTS / 2)	// more under way: wait for the device
#define PROTOCOL_TCP 6

STATIC_ASSERT(OUT_SIZE >= NET_HEADER_MAX);

static i64
open_stack(struct port *port, const struct net_config *wanted)
{
	struct net_config config = *wanted;
	u64 size;
	i64 error;

	memcpy(config.mac, port->mac, sizeof(config.mac));
	config.mtu = (u16)MIN((u32)sys_info()->nic_mtu, MTU_MAX);
	config.conn_max = CONNS;
	config.receive_size = RECEIVE_SIZE;
	error = sys_entropy_read(config.secret, sizeof(config.secret));
	if (!error)
		error = sys_entropy_read(&config.seed, sizeof(config.seed));
	if (error)
		return error;
	size = ALIGN_UP(net_memory_needed(&config), PAGE_SIZE);
	error = frames_take((u32)(size / PAGE_SIZE), &port->memory);
	if (error)
		return error;
	memset(direct_address(port->memory.frame), 0, size);
	port->net = net_init(direct_address(port->memory.frame), size, &config,
			     now_ns());
	ASSERT(port->net);
	return 0;
}

i64
port_open(struct port *port, const u8 *mac, const struct net_config *config)
{
	const struct startup_cap *nic = startup_find(ROLE_NIC, 0);
	struct ring_config ring = {
		.nic_slot = nic ? nic->slot : SLOT_NONE,
		.mac = mac,
		.narrows = SLOT_NONE,
		.regions = &port->out,
		.region_count = 1,
	};
	i64 error;

	*port = (struct port){ 0 };
	error = frames_take(PORT_OUT_MAX * OUT_SIZE / PAGE_SIZE, &port->out);
	if (error)
		return error;
	error = ring_open(&port->ring, &ring);
	if (error) {
		frames_give(&port->out);
		return error;
	}
	for (u32 i = 0; i < sizeof(port->mac); i++)
		port->mac[i] = port->ring.control->mac[i];
	error = open_stack(port, config);
	if (error) {
		ring_close(&port->ring);
		frames_give(&port->out);
		return error;
	}
	port->open = true;
	return 0;
}

void
port_close(struct port *port)
{
	ASSERT(port->open);
	ring_close(&port->ring);
	frames_give(&port->out);
	frames_give(&port->memory);
	port->open = false;
}

// Frame number `sequence` is done with.
static bool
is_sent(const struct port *port, u32 sequence)
{
	return (i32)(ring_sent(&port->ring) - sequence) > 0;
}

static void
give_back(struct port *port)
{
	for (u32 i = 0; i < RING_SLOTS && port->ahead; i++) {
		u32 slot = port->ring.rx_tail % RING_SLOTS;

		if (port->flying[slot] && !is_sent(port, port->sequence[slot]))
			return;
		port->flying[slot] = false;
		ring_consume(&port->ring);
		port->ahead--;
	}
}

// Sends the frame on from where it lies.
static void
pass_on(struct port *port, u8 *frame, u32 len, const u8 *mac)
{
	u32 slot = (port->ring.rx_tail + port->ahead) % RING_SLOTS;
	struct ring_part part = { frame, len };
	bool placed;

	ASSERT(ring_room(&port->ring) > 0 && !port->flying[slot]);
	memcpy(frame, mac, 6);
	memcpy(frame + 6, port->mac, 6);
	port->sequence[slot] = port->ring.tx_head;
	port->flying[slot] = true;
	placed = ring_put(&port->ring, &part, 1, (struct ring_offload){ 0 });
	ASSERT(placed);
	port->passed++;
}

static void
to_stack(struct port *port, const u8 *frame, u32 len, u64 now_ns)
{
	port->echoes += len >= 12 && !memcmp(frame + 6, port->mac, 6);
	port->unclaimed += len >= 34 && !(frame[0] & 1) &&
			   be16_load(frame + 12) == 0x0800 &&
			   frame[23] == PROTOCOL_TCP;
	net_input(port->net, now_ns, frame, len);
}

// One frame. False: there is no room to pass it on now.
static bool
take_frame(struct port *port, const struct balance *balance, const u8 *frame,
	   u32 len, u64 now_ns)
{
	const u8 *mac;
	enum balance_way way = balance_steer(balance, frame, len, &mac);

	if (way == BALANCE_STACK)
		to_stack(port, frame, len, now_ns);
	if (way != BALANCE_HERE && (way != BALANCE_SPREAD || !port->spreads))
		return true;
	if (!ring_room(&port->ring))
		return false;
	port->spread += way == BALANCE_SPREAD;
	// Our own memory, which ring_peek() shows to be read.
	pass_on(port, (u8 *)(u64)frame, len, mac);
	return true;
}

u32
port_receive(struct port *port, const struct balance *balance, u64 now_ns)
{
	const u8 *frame;
	u32 count = 0, len;

	give_back(port);
	port->starved = false;
	while (count < RING_SLOTS &&
	       (len = ring_peek_after(&port->ring, port->ahead, &frame))) {
		if (!take_frame(port, balance, frame, len, now_ns)) {
			port->starved = true;
			break;
		}
		port->ahead++;
		count++;
	}
	return count;
}

// The next buffer of the stack's; NULL: all are with the device.
static u8 *
free_buffer(const struct port *port)
{
	u32 at = port->out_head % PORT_OUT_MAX;
	u8 *buffers = direct_address(port->out.frame);

	if (!ring_room(&port->ring) ||
	    (port->out_head >= PORT_OUT_MAX &&
	     !is_sent(port, port->out_sequence[at])))
		return NULL;
	return buffers + at * OUT_SIZE;
}

static void
put_buffer(struct port *port, const u8 *buffer, u32 len)
{
	struct ring_part part = { buffer, len };
	bool placed;

	port->out_sequence[port->out_head % PORT_OUT_MAX] = port->ring.tx_head;
	port->out_head++;
	placed = ring_put(&port->ring, &part, 1, (struct ring_offload){ 0 });
	ASSERT(placed);
}

bool
port_put(struct port *port, const void *frame, u32 len)
{
	u8 *buffer = free_buffer(port);

	ASSERT(len <= OUT_SIZE);
	if (!buffer)
		return false;
	memcpy(buffer, frame, len);
	put_buffer(port, buffer, len);
	return true;
}

void
port_send(struct port *port, u64 now_ns)
{
	struct net_packet packet;

	while ((packet.header = free_buffer(port))) {
		if (!net_output(port->net, now_ns, &packet))
			break;
		ASSERT(packet.span_count == 0);
		put_buffer(port, packet.header, packet.header_len);
	}
	port->starved |= !packet.header;
	ring_flush(&port->ring);
	give_back(port);
}

void
port_watch(const struct port *port, struct wait_set *set)
{
	ring_watch_after(&port->ring, port->ahead, set);
	if (port->starved || port->ahead > KEPT_MAX)
		ring_watch_sent(&port->ring, set, ring_sent(&port->ring));
	wait_until(set, net_next_deadline(port->net));
}
