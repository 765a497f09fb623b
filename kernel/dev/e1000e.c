// SPDX-License-Identifier: BSD-2-Clause
// The driver for Intel's 82574L (QEMU's e1000e) behind nic.h, after the 82574 datasheet,
// revision 3.4: one receive and one transmit ring, MSI-X, no offload but the checksum of
// frames that are sent. Copies, pins and bounds are those of virtio_net.c.
//
// Interrupts mask themselves: the card clears the mask bit of a cause when it sends its
// message (section 7.4; EIAC and EIAME), so that turning them off costs nothing, each
// cause interrupts at most once until it is asked for again, and a flood of frames makes
// no flood of interrupts. Asking costs a register write, or two when frames come in
// numbers.
//
// A message can arrive when what it tells of has been taken: the throttle holds it back,
// or the processor was in the kernel. It has masked its cause all the same.
//
// A boot ROM has used the card before. Nothing of what it left is relied on: the card is
// stopped and reset first, and every register that matters is written, also those that
// a reset clears.
//
// The card does not tell an MTU. Frames of 9000 bytes need buffers of nine KiB and a
// switch that carries them: who wants them says so (`mtu=` on the command line).
//
// Invariants:
//   E1  every receive buffer is with the device, with the caller, or given and not yet
//       shown
//   E2  a header slot is written only while its frame is free
//   E3  after a failure nothing is read from the rings; cookies come back only once the
//       device has confirmed its reset
//   E4  every wait for a register is bounded by RESET_WAIT_NS
//   E5  from nic_receive_end(true) to the next batch's begin a frame that comes is told
//       of: the cause is armed, or its message has yet to arrive

#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/irq.h"
#include "kernel/arch/x86_64/memory.h"
#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "kernel/dev/e1000e_registers.h"
#include "kernel/dev/e1000e_ring.h"
#include "kernel/dev/mmio.h"
#include "kernel/dev/nic.h"
#include "kernel/dev/pci.h"
#include "kernel/main/kprintf.h"

#define RESET_WAIT_NS (200 * NS_PER_MS)	// far longer than a card takes, for slow hosts
#define VLAN_LEN 4u
#define FCS_LEN 4u
#define BUFFER_UNIT 1024u
#define SLOT_LEN 128u
#define SHOW_AT_LEAST 32u		// buffers worth a register write

STATIC_ASSERT(NIC_HEADER_MAX <= SLOT_LEN);
STATIC_ASSERT(NIC_PIECES_MAX + 1 == E1000E_PIECES_MAX);
STATIC_ASSERT(NIC_FLIGHTS_MAX >= E1000E_ROOM);
STATIC_ASSERT(NIC_CHECKSUM_END == E1000E_CHECKSUM_MAX + 1);

static struct {
	const struct pci_function *pci;
	u8 *registers;
	void (*interrupt)(void);
	struct nic_facts facts;
	struct e1000e_receive receive;
	struct e1000e_send transmit;
	u8 *buffers;
	u8 *slots;
	u64 slots_physical;
	u32 armed;		// causes whose message is still to come, or on its way
	u16 armed_at;		// receive.taken when a frame was last asked for
	bool listening;		// frames that come are to interrupt
	bool link_up;
	bool present;
	bool failed;		// the device broke the rules
	bool stopped;		// and has confirmed its reset
} net;

static u32
reg_read(u32 at)
{
	ASSERT(at < REGISTERS_LEN);
	return mmio_read32(net.registers + at);
}

static void
reg_write(u32 at, u32 v)
{
	ASSERT(at < REGISTERS_LEN);
	mmio_write32(net.registers + at, v);
}

// Waits until of the register's bits in `mask` those of `wanted` are set (E4). A
// function that has left the bus reads as all ones, which is never what is wanted.
static bool
wait_register(u32 at, u32 mask, u32 wanted)
{
	u64 until = clock_ns() + RESET_WAIT_NS;
	u32 v;

	do {
		v = reg_read(at);
		if (v != ALL && (v & mask) == wanted)
			return true;
		cpu_pause();
	} while (clock_ns() < until);
	return false;
}

// Stops reading and writing memory, then resets all but the PHY (sections 4.6.1 and
// 5.2.3.1.1). True when the device confirmed it; else it has lost the bus, but what
// it had begun may still land.
static bool
stop(void)
{
	reg_write(REG_IMC, ALL);
	reg_write(REG_RCTL, 0);
	reg_write(REG_TCTL, TCTL_PAD);
	reg_write(REG_CTRL, reg_read(REG_CTRL) | CTRL_MASTER_DISABLE);

	// What it has begun is to end first; if it does not, the reset ends it.
	bool idle = wait_register(REG_STATUS, STATUS_MASTER, 0);

	reg_write(REG_CTRL, reg_read(REG_CTRL) | CTRL_RESET);
	if (wait_register(REG_CTRL, CTRL_RESET, 0)) {
		reg_write(REG_IMC, ALL);
		reg_write(REG_ICR, ALL);
		return true;
	}
	pci_silence(net.pci);
	kprintf("nic: the device does not confirm its reset%s\n",
		idle ? "" : ", nor that it is idle");
	return false;
}

static bool
is_82574(const struct pci_function *f)
{
	return f->vendor_id == VENDOR_INTEL &&
	       (f->device_id == DEVICE_82574L || f->device_id == DEVICE_82574LA);
}

static bool
find(void)
{
	const struct pci_function *f = NULL;
	struct pci_bar bar;

	for (u32 i = 0; (f = pci_at(i)); i++) {
		if (is_82574(f))
			break;
	}
	if (!f)
		return false;
	if (!pci_bar(f, 0, &bar) || bar.len < REGISTERS_LEN) {
		kprintf("nic: the device's registers are not where they should be\n");
		return false;
	}
	net.pci = f;
	net.registers = mmio_map(bar.physical, REGISTERS_LEN);
	pci_enable(f);
	return true;
}

// The address that the card has read from its memory.
static bool
read_address(void)
{
	if (!wait_register(REG_EECD, EECD_READ_DONE, EECD_READ_DONE)) {
		kprintf("nic: the device does not read its configuration\n");
		return false;
	}

	u32 low = reg_read(REG_RAL), high = reg_read(REG_RAH);

	le32_store(net.facts.mac, low);
	net.facts.mac[4] = (u8)high;
	net.facts.mac[5] = (u8)(high >> 8);
	if (!(high & RAH_VALID) || (low & 1) || (!low && !(high & 0xffff))) {
		kprintf("nic: the device tells no address of its own\n");
		return false;
	}
	return true;
}

static void
take_memory(u32 buffers, u32 buffer_len)
{
	u32 ring_len = E1000E_RECEIVE_SIZE * sizeof(struct e1000e_descriptor);
	u32 send_len = E1000E_SEND_SIZE * sizeof(struct e1000e_descriptor);

	net.buffers = boot_frames(ALIGN_UP(buffers * buffer_len, PAGE_SIZE) / PAGE_SIZE);
	e1000e_receive_init(&net.receive, boot_frames(ring_len / PAGE_SIZE),
			    physical_of(net.buffers), buffers, buffer_len);
	e1000e_send_init(&net.transmit, boot_frames(send_len / PAGE_SIZE));
	net.slots = boot_frames(E1000E_ROOM * SLOT_LEN / PAGE_SIZE);
	net.slots_physical = physical_of(net.slots);
}

// An address register has its upper half behind it.
static void
write_address(u32 at, const volatile void *memory)
{
	u64 physical = physical_of((const void *)memory);

	reg_write(at, (u32)physical);
	reg_write(at + 4, (u32)(physical >> 32));
}

static void
start_receive(void)
{
	u32 control = RCTL_ENABLE | RCTL_ALL_UNICAST | RCTL_ALL_MULTICAST |
		      RCTL_BROADCAST | RCTL_DROP_PAUSE | RCTL_STRIP_CRC |
		      net.receive.buffer_len / BUFFER_UNIT << RCTL_BUFFER_KIB_SHIFT;

	if (net.facts.mtu > NIC_MTU_STANDARD)
		control |= RCTL_LONG;
	reg_write(REG_RXCSUM, 0);
	reg_write(REG_RFCTL, RFCTL_NO_ACK_CAUSE);
	reg_write(REG_MRQC, 0);
	reg_write(REG_RDLEN1, 0);
	write_address(REG_RDBAL, net.receive.ring);
	reg_write(REG_RDLEN, E1000E_RECEIVE_SIZE * sizeof(struct e1000e_descriptor));
	reg_write(REG_RDH, 0);
	reg_write(REG_RDT, 0);
	reg_write(REG_RDTR, 0);
	reg_write(REG_RADV, 0);
	reg_write(REG_RXDCTL, DCTL_DESCRIPTORS | DCTL_WRITE_BACK);
	for (u32 i = 0; i < net.receive.buffer_count; i++)
		e1000e_receive_give(&net.receive, i);
	reg_write(REG_RCTL, control);
	reg_write(REG_RDT, e1000e_receive_show(&net.receive));
}

static void
start_transmit(void)
{
	reg_write(REG_TDLEN1, 0);
	write_address(REG_TDBAL, net.transmit.ring);
	reg_write(REG_TDLEN, E1000E_SEND_SIZE * sizeof(struct e1000e_descriptor));
	reg_write(REG_TDH, 0);
	reg_write(REG_TDT, 0);
	reg_write(REG_TIDV, 0);
	reg_write(REG_TADV, 0);
	reg_write(REG_TARC, reg_read(REG_TARC) | TARC_ENABLE);
	reg_write(REG_TXDCTL, DCTL_DESCRIPTORS | DCTL_WRITE_BACK | TXDCTL_RESERVED);
	reg_write(REG_TCTL, TCTL_ENABLE | TCTL_PAD | TCTL_COLLISIONS);
}

static bool
e1000e_works(void)
{
	return net.present && !net.failed;
}

static bool
e1000e_receive_is_waiting(void)
{
	return e1000e_works() && e1000e_receive_waiting(&net.receive);
}

// Lets a cause interrupt once. What has happened so far is looked at by the caller,
// after this; where the cause may be set by it, it is cleared, lest it fire at once.
static void
arm(u32 cause, bool may_be_set)
{
	if (may_be_set)
		reg_write(REG_ICR, cause);
	reg_write(REG_IMS, cause);
	net.armed |= cause;
}

// A cause is cleared when it fires; only frames behind the first set it again.
static void
arm_received(void)
{
	u16 taken = (u16)(net.receive.taken - net.armed_at);

	arm(CAUSE_RECEIVED, taken > 1 || e1000e_receive_is_waiting());
	net.armed_at = net.receive.taken;
}

// Frames came or were sent. The causes that fired are masked by now, and which they
// are is not worth a register read: none is counted as armed. Where the frames that
// the message tells of have been taken already, no batch will end with asking for the
// next one: that is done here, before the caller looks (E5).
static void
on_queues(void)
{
	net.armed = 0;
	if (net.listening && !e1000e_receive_is_waiting())
		arm_received();
	net.interrupt();
}

// Says how the link is, at boot and when it changes; at most every 17 ms.
static void
on_other(void)
{
	bool up = reg_read(REG_STATUS) & STATUS_LINK_UP;

	if (net.failed)
		return;
	if (up != net.link_up)
		kprintf("nic: the link is %s\n", up ? "up" : "down");
	net.link_up = up;
	reg_write(REG_ICR, CAUSES_OTHER | CAUSE_OTHER);
	reg_write(REG_IMS, CAUSE_OTHER | CAUSE_LINK);
}

static void
start_interrupts(void)
{
	u32 extended = reg_read(REG_CTRL_EXT) & ~CTRL_EXT_IAME;

	reg_write(REG_CTRL_EXT, extended | CTRL_EXT_EIAME | CTRL_EXT_DRIVER |
					CTRL_EXT_PBA_CLEAR);
	reg_write(REG_EIAC, CAUSES_VECTORS);
	reg_write(REG_IAM, CAUSES_VECTORS);
	reg_write(REG_IVAR, IVAR_RECEIVED | IVAR_SENT | IVAR_OTHER);
	reg_write(REG_EITR, THROTTLE_QUEUES);
	reg_write(REG_EITR + 4, THROTTLE_OTHER);
	net.link_up = true;
	on_other();
	arm(CAUSE_RECEIVED, true);
}

// Link up as the PHY has agreed with the other side; no pause frames.
static void
start_link(void)
{
	reg_write(REG_CTRL, CTRL_FULL_DUPLEX | CTRL_LINK_UP);
	reg_write(REG_FCTTV, 0);
}

static bool
e1000e_init(void (*interrupt)(void), u32 buffers, u32 mtu)
{
	u8 vector[VECTORS];

	ASSERT(!net.present && buffers > 0 && buffers <= E1000E_BUFFERS_MAX);
	if (!find() || !stop())
		return false;
	net.interrupt = interrupt;
	vector[0] = irq_claim(on_queues);
	vector[1] = irq_claim(on_other);
	if (!read_address() || !pci_msix_enable(net.pci, vector, VECTORS)) {
		kprintf("nic: not used\n");
		pci_silence(net.pci);
		return false;
	}
	net.facts.mtu = (u16)mtu;
	net.facts.checksum = true;
	take_memory(buffers, ALIGN_UP(NIC_ETHERNET_LEN + VLAN_LEN + mtu + FCS_LEN,
				      BUFFER_UNIT));
	start_link();
	start_transmit();
	start_receive();
	net.present = true;
	start_interrupts();
	return true;
}

static const struct nic_facts *
e1000e_facts(void)
{
	return net.present ? &net.facts : NULL;
}

// The device broke the rules: nothing of it is used any more (E3).
static void
give_up(void)
{
	if (net.failed)
		return;
	net.failed = true;
	net.listening = false;
	kprintf("nic: the device broke the rules of its rings; it is stopped\n");
	net.stopped = stop();
}

static bool
e1000e_sent_is_waiting(void)
{
	if (e1000e_works())
		return e1000e_send_waiting(&net.transmit);
	return net.stopped && e1000e_send_open(&net.transmit) > 0;
}

// In the card nothing is to be turned off: see the head of this file.
static void
e1000e_receive_begin(void)
{
	net.listening = false;
}

static bool
e1000e_receive(struct nic_received *received)
{
	struct e1000e_received r;

	if (!e1000e_works())
		return false;
	if (e1000e_receive_take(&net.receive, NIC_ETHERNET_LEN,
				NIC_ETHERNET_LEN + net.facts.mtu, &r)) {
		received->frame = net.buffers + r.buffer * net.receive.buffer_len;
		received->len = r.len;
		received->buffer = r.buffer;
		return true;
	}
	if (net.receive.broken)
		give_up();
	return false;
}

static void
e1000e_give_back(u32 buffer)
{
	if (e1000e_works())
		e1000e_receive_give(&net.receive, buffer);
}

static bool
e1000e_receive_end(bool listen)
{
	if (!e1000e_works())
		return false;
	if (e1000e_receive_unshown(&net.receive) >= SHOW_AT_LEAST)
		reg_write(REG_RDT, e1000e_receive_show(&net.receive));
	net.listening = listen;
	if (listen && !(net.armed & CAUSE_RECEIVED))
		arm_received();
	return e1000e_receive_waiting(&net.receive);
}

static u32
e1000e_room(void)
{
	return e1000e_works() ? net.transmit.room : 0;
}

static u8 *
e1000e_header(void)
{
	ASSERT(e1000e_room() > 0);					// E2
	return net.slots + e1000e_send_slot(&net.transmit) * SLOT_LEN;
}

static void
e1000e_send(const struct nic_frame *frame, u32 cookie)
{
	struct e1000e_piece piece[E1000E_PIECES_MAX];
	u32 start = frame->checksum_start;

	ASSERT(frame->header_len >= NIC_ETHERNET_LEN &&
	       frame->header_len <= NIC_HEADER_MAX);
	ASSERT(frame->piece_count <= NIC_PIECES_MAX);
	piece[0].physical = net.slots_physical +
			    e1000e_send_slot(&net.transmit) * SLOT_LEN;
	piece[0].len = frame->header_len;
	for (u32 i = 0; i < frame->piece_count; i++) {
		piece[i + 1].physical = frame->piece[i].physical;
		piece[i + 1].len = frame->piece[i].len;
	}
	e1000e_send_add(&net.transmit, piece, frame->piece_count + 1, start,
			start ? start + frame->checksum_offset : 0, cookie);
}

static void
e1000e_send_whole(u8 *bytes, u64 physical, u32 len, u32 cookie)
{
	struct e1000e_piece piece = { physical, len };

	(void)bytes;
	ASSERT(len >= NIC_ETHERNET_LEN && e1000e_room() > 0);
	e1000e_send_add(&net.transmit, &piece, 1, 0, 0, cookie);
}

static void
e1000e_push(void)
{
	u32 tail;

	if (e1000e_works() && e1000e_send_show(&net.transmit, &tail))
		reg_write(REG_TDT, tail);
}

static bool
e1000e_sent(u32 *cookie)
{
	struct e1000e_send *s = &net.transmit;

	if (e1000e_works() && e1000e_send_take(s, cookie))
		return true;
	if (net.present && s->broken)
		give_up();
	return net.failed && net.stopped && e1000e_send_abandon(s, cookie);
}

static bool
e1000e_want_sent(bool wanted)
{
	if (!e1000e_works() || !wanted)
		return false;
	if (!(net.armed & CAUSE_SENT))
		arm(CAUSE_SENT, true);
	return e1000e_send_waiting(&net.transmit);
}

const struct nic_driver e1000e_driver = {
	.init = e1000e_init,
	.facts = e1000e_facts,
	.receive_waiting = e1000e_receive_is_waiting,
	.sent_waiting = e1000e_sent_is_waiting,
	.receive_begin = e1000e_receive_begin,
	.receive = e1000e_receive,
	.give_back = e1000e_give_back,
	.receive_end = e1000e_receive_end,
	.room = e1000e_room,
	.header = e1000e_header,
	.send = e1000e_send,
	.send_whole = e1000e_send_whole,
	.push = e1000e_push,
	.sent = e1000e_sent,
	.want_sent = e1000e_want_sent,
	.works = e1000e_works,
};
