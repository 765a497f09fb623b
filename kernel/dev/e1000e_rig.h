// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// An 82574 made of registers, and the parts of the kernel that the driver calls; the driver
// itself is included here, with its registers and its clock redirected. What the card does
// wrong, and when its messages come, a test says in `card`; frames come and go with arrive()
// and transmit().

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define mmio_read32 unused_read32
#define mmio_write32 unused_write32
#define clock_ns unused_clock_ns
#include "kernel/arch/x86_64/clock.h"
#include "kernel/dev/mmio.h"
#undef mmio_read32
#undef mmio_write32
#undef clock_ns

static unsigned
card_read(const void *at);
static void
card_write(void *at, unsigned v);
static unsigned long
clock_ns(void);
#define mmio_read32 card_read
#define mmio_write32 card_write
#include "kernel/dev/e1000e.c"

#define BUFFERS 64u
#define FRAME_LEN 60u
#define DONE_LAST (3ull << 32)

static struct {
	u32 reg[REGISTERS_LEN / 4];
	u64 now;
	u32 head;		// the next descriptor that it fills
	u32 sent;		// and that it sends
	u32 interrupts;
	u32 writes;		// to registers
	u32 pending;		// causes whose messages are on their way
	u32 resets;
	bool slow;		// messages stay on their way until deliver()
	u32 last_moment;	// frames that come just before one is to interrupt again
	bool found;		// a frame waited when the caller was told
	bool gone;		// reads as ones
	bool deaf;		// never ends a reset
	bool master;		// may use the bus
	bool running_at_reset;
	char said[4096];
} card;

static struct pci_function functions[] = {
	{ .vendor_id = 0x1af4, .device_id = 0x1041 },
	{ .vendor_id = VENDOR_INTEL, .device_id = DEVICE_82574L },
};
static void (*handlers[VECTORS])(void);
static u32 handler_count;
static void *memory[16];
static u32 memory_count;

static u32 *
reg(u32 at)
{
	return &card.reg[at / 4];
}

static u32
place(const void *at)
{
	return (u32)((const u8 *)at - (const u8 *)card.reg);
}

static void
deliver(void)
{
	u32 causes = card.pending;

	card.pending = 0;
	if (causes & (CAUSE_RECEIVED | CAUSE_SENT))
		handlers[0]();
	if (causes & CAUSE_OTHER)
		handlers[1]();
}

// What has fired masks itself, as EIAC and EIAME ask. Its message comes at once, or later:
// held back by the throttle, or by a processor that is in the kernel.
static void
fire(void)
{
	u32 causes = *reg(REG_ICR) & *reg(REG_IMS) & CAUSES_VECTORS;

	*reg(REG_IMS) &= ~causes;
	*reg(REG_ICR) &= ~causes;
	card.pending |= causes;
	if (!card.slow)
		deliver();
}

static bool
arrive(u32 len);

static void
card_reset(void)
{
	u32 low = *reg(REG_RAL), high = *reg(REG_RAH), status = *reg(REG_STATUS);

	card.running_at_reset = (*reg(REG_RCTL) | *reg(REG_TCTL)) & RCTL_ENABLE;
	memset(card.reg, 0, sizeof(card.reg));
	*reg(REG_RAL) = low;
	*reg(REG_RAH) = high;
	*reg(REG_STATUS) = status;
	*reg(REG_EECD) = EECD_READ_DONE;
	card.head = card.sent = 0;
	card.resets++;
}

static u32
card_read(const void *at)
{
	u32 v = *reg(place(at));

	if (card.gone)
		return ALL;
	if (place(at) == REG_STATUS && !(*reg(REG_CTRL) & CTRL_MASTER_DISABLE))
		v |= STATUS_MASTER;
	return v;
}

static void
card_write(void *at, u32 v)
{
	if (card.gone)
		return;
	card.writes++;
	switch (place(at)) {
	case REG_IMS:
		for (; card.last_moment; card.last_moment--)
			assert_true(arrive(FRAME_LEN));
		*reg(REG_IMS) |= v;
		fire();
		break;
	case REG_IMC:
		*reg(REG_IMS) &= ~v;
		break;
	case REG_ICR:
		*reg(REG_ICR) &= ~v;
		break;
	case REG_CTRL:
		*reg(REG_CTRL) = v;
		if ((v & CTRL_RESET) && !card.deaf)
			card_reset();
		break;
	default:
		*reg(place(at)) = v;
	}
}

// The rest of the kernel.

const struct pci_function *
pci_at(u32 index)
{
	return index < ARRAY_SIZE(functions) ? &functions[index] : NULL;
}

bool
pci_bar(const struct pci_function *f, u32 index, struct pci_bar *bar)
{
	*bar = (struct pci_bar){ (u64)(uintptr_t)card.reg, REGISTERS_LEN };
	return index == 0 && f->device_id == DEVICE_82574L;
}

void *
mmio_map(u64 physical, u64 len)
{
	assert_int_equal(len, REGISTERS_LEN);
	return (void *)(uintptr_t)physical;
}

void
pci_enable(const struct pci_function *f)
{
	assert_ptr_equal(f, &functions[1]);
	card.master = true;
}

void
pci_silence(const struct pci_function *f)
{
	assert_ptr_equal(f, &functions[1]);
	card.master = false;
}

bool
pci_msix_enable(const struct pci_function *f, const u8 *vectors, u32 count)
{
	(void)f;
	assert_int_equal(count, VECTORS);
	return vectors[0] == 32 && vectors[1] == 33;
}

u8
irq_claim(void (*handler)(void))
{
	handlers[handler_count] = handler;
	return (u8)(32 + handler_count++);
}

void *
boot_frames(u64 count)
{
	void *frames = aligned_alloc(PAGE_SIZE, count * PAGE_SIZE);

	memset(frames, 0, count * PAGE_SIZE);
	return memory[memory_count++] = frames;
}

u64
physical_of(const void *object)
{
	return (u64)(uintptr_t)object;
}

static u64
clock_ns(void)
{
	return card.now += 1000;
}

void
kprintf(const char *format, ...)
{
	size_t len = strlen(card.said);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(card.said + len, sizeof(card.said) - len, format, arguments);
	va_end(arguments);
}

static void
count_interrupt(void)
{
	card.interrupts++;
	card.found = e1000e_driver.receive_waiting();
}

// A card as a boot ROM leaves it: running, with all interrupts on.
static int
power_on(void **state)
{
	(void)state;
	memset(&card, 0, sizeof(card));
	memset(&net, 0, sizeof(net));
	handler_count = 0;
	*reg(REG_RAL) = 0xde005452;
	*reg(REG_RAH) = RAH_VALID | 0x0105;
	*reg(REG_STATUS) = STATUS_LINK_UP;
	*reg(REG_RCTL) = RCTL_ENABLE;
	*reg(REG_TCTL) = TCTL_ENABLE;
	*reg(REG_IMS) = ALL;
	*reg(REG_RDH) = 7;
	*reg(REG_RDT) = 5;
	*reg(REG_MRQC) = 1;
	return 0;
}

static int
power_off(void **state)
{
	(void)state;
	while (memory_count)
		free(memory[--memory_count]);
	return 0;
}

static void
start(u32 mtu)
{
	assert_true(e1000e_driver.init(count_interrupt, BUFFERS, mtu));
	assert_true(e1000e_driver.works());
}

static struct e1000e_descriptor *
ring(u32 low)
{
	return (void *)(uintptr_t)(*reg(low) | (u64)*reg(low + 4) << 32);
}

// The card receives a frame of `len` bytes, if there is a descriptor.
static bool
arrive(u32 len)
{
	struct e1000e_descriptor *d = &ring(REG_RDBAL)[card.head];

	if (card.head == *reg(REG_RDT) || !(*reg(REG_RCTL) & RCTL_ENABLE))
		return false;
	memset((void *)(uintptr_t)d->physical, 0x5a, len);
	d->rest = len | DONE_LAST;
	card.head = (card.head + 1) % E1000E_RECEIVE_SIZE;
	*reg(REG_ICR) |= CAUSE_RECEIVED;
	fire();
	return true;
}

// The card sends what was shown to it.
static void
transmit(void)
{
	for (; card.sent != *reg(REG_TDT); card.sent = (card.sent + 1) % E1000E_SEND_SIZE) {
		struct e1000e_descriptor *d = &ring(REG_TDBAL)[card.sent];

		if (d->rest >> 27 & 1) {
			d->rest |= 1ull << 32;
			*reg(REG_ICR) |= CAUSE_SENT;
		}
	}
	fire();
}

static void
send(u32 cookie)
{
	struct nic_frame frame = { .header_len = FRAME_LEN };

	memset(e1000e_driver.header(), 0x11, FRAME_LEN);
	e1000e_driver.send(&frame, cookie);
	e1000e_driver.push();
}
