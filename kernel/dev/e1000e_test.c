// SPDX-License-Identifier: BSD-2-Clause
// The e1000e's driver on the host, against a card made of a page of registers: what it
// writes in which order, how it starts on a card that a boot ROM left running, and what
// it makes of one that does not answer, answers nonsense, or loses its link. The driver
// is included as it is, with its register accesses and its clock going to the card below.
//
// links: kernel/dev/e1000e_ring.c harness/testing/host_assert.c

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
	u32 resets;
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

// What has fired masks itself, as EIAC and EIAME ask.
static void
fire(void)
{
	u32 causes = *reg(REG_ICR) & *reg(REG_IMS) & CAUSES_VECTORS;

	*reg(REG_IMS) &= ~causes;
	*reg(REG_ICR) &= ~causes;
	if (causes & (CAUSE_RECEIVED | CAUSE_SENT))
		handlers[0]();
	if (causes & CAUSE_OTHER)
		handlers[1]();
}

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
	switch (place(at)) {
	case REG_IMS:
		*reg(REG_IMS) |= v;
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

static void
test_start(void **state)
{
	(void)state;
	start(NIC_MTU_STANDARD);
	assert_int_equal(card.resets, 1);
	assert_false(card.running_at_reset);
	assert_true(card.master);
	assert_memory_equal(e1000e_driver.facts()->mac, "\x52\x54\x00\xde\x05\x01", 6);
	assert_int_equal(e1000e_driver.facts()->mtu, 1500);
	assert_int_equal(*reg(REG_RDT), BUFFERS);
	assert_int_equal(*reg(REG_RDH), 0);
	assert_int_equal(*reg(REG_MRQC), 0);
	assert_int_equal(*reg(REG_IMS), CAUSE_RECEIVED | CAUSE_OTHER | CAUSE_LINK);
	assert_int_equal(*reg(REG_RCTL) >> 27 & 15, 2);
	assert_false(*reg(REG_RCTL) & RCTL_LONG);
	assert_false(*reg(REG_CTRL) & CTRL_MASTER_DISABLE);
	assert_string_equal(card.said, "");
}

static void
test_long_frames(void **state)
{
	struct nic_received r;

	(void)state;
	start(9000);
	assert_int_equal(*reg(REG_RCTL) >> 27 & 15, 9);
	assert_true(*reg(REG_RCTL) & RCTL_LONG);
	arrive(9014);
	arrive(9015);
	arrive(14);
	assert_true(e1000e_driver.receive(&r));
	assert_int_equal(r.len, 9014);
	e1000e_driver.give_back(r.buffer);
	assert_true(e1000e_driver.receive(&r));
	assert_int_equal(r.len, 14);
	assert_false(e1000e_driver.receive(&r));
}

// One interrupt for each time that it is asked for, and never a frame forgotten.
static void
test_receive(void **state)
{
	struct nic_received r;
	u32 received = 0;

	(void)state;
	start(NIC_MTU_STANDARD);
	for (u32 round = 0; round < 100; round++) {
		u32 before = card.interrupts, burst = 1 + round % BUFFERS / 2;

		for (u32 i = 0; i < burst; i++)
			assert_true(arrive(FRAME_LEN + i));
		assert_int_equal(card.interrupts, before + 1);
		e1000e_driver.receive_begin();
		while (e1000e_driver.receive(&r)) {
			assert_int_equal(r.frame[r.len - 1], 0x5a);
			e1000e_driver.give_back(r.buffer);
			received++;
		}
		assert_false(e1000e_driver.receive_end(false));
		assert_true(arrive(FRAME_LEN));
		assert_int_equal(card.interrupts, before + 1);
		assert_true(e1000e_driver.receive_waiting());
		assert_true(e1000e_driver.receive_end(true));
		assert_true(e1000e_driver.receive(&r));
		e1000e_driver.give_back(r.buffer);
		assert_false(e1000e_driver.receive_end(true));
		received -= burst;
		assert_int_equal(received, 0);
	}
}

// A caller that keeps buffers does not make the card starve while others are there.
static void
test_buffers_return(void **state)
{
	struct nic_received r[BUFFERS];
	u32 held = 0;

	(void)state;
	start(NIC_MTU_STANDARD);
	while (arrive(FRAME_LEN))
		;
	while (e1000e_driver.receive(&r[held]))
		held++;
	assert_int_equal(held, BUFFERS);
	assert_false(e1000e_driver.receive_end(true));
	assert_false(arrive(FRAME_LEN));
	while (held)
		e1000e_driver.give_back(r[--held].buffer);
	assert_false(e1000e_driver.receive_end(true));
	assert_true(arrive(FRAME_LEN));
}

static void
test_send(void **state)
{
	u32 cookie;

	(void)state;
	start(NIC_MTU_STANDARD);
	assert_int_equal(e1000e_driver.room(), E1000E_ROOM);
	for (u32 i = 0; i < 3 * E1000E_ROOM; i++) {
		send(i);
		assert_false(e1000e_driver.sent_waiting());
		assert_int_equal(e1000e_driver.room(), E1000E_ROOM - 1);
		transmit();
		assert_int_equal(card.interrupts, 0);
		assert_true(e1000e_driver.sent(&cookie));
		assert_int_equal(cookie, i);
		assert_false(e1000e_driver.sent(&cookie));
	}
	assert_false(e1000e_driver.want_sent(true));
	send(1);
	transmit();
	assert_int_equal(card.interrupts, 1);
	assert_true(e1000e_driver.want_sent(true));
}

// Everything that it held comes back once, and nothing goes out any more.
static void
check_stopped(u32 open)
{
	struct nic_received r;
	u32 cookie;

	assert_false(e1000e_driver.works());
	assert_int_equal(e1000e_driver.room(), 0);
	assert_false(e1000e_driver.receive_waiting());
	assert_false(e1000e_driver.receive(&r));
	assert_false(e1000e_driver.receive_end(true));
	for (u32 i = 0; i < open; i++) {
		assert_true(e1000e_driver.sent_waiting());
		assert_true(e1000e_driver.sent(&cookie));
		assert_int_equal(cookie, i);
	}
	assert_false(e1000e_driver.sent_waiting());
	assert_false(e1000e_driver.sent(&cookie));
}

static void
test_bad_completion(void **state)
{
	struct nic_received r;

	(void)state;
	start(NIC_MTU_STANDARD);
	for (u32 i = 0; i < 3; i++)
		send(i);
	ring(REG_RDBAL)[0].rest = 2049 | DONE_LAST;
	assert_true(e1000e_driver.receive_waiting());
	assert_false(e1000e_driver.receive(&r));
	assert_int_equal(card.resets, 2);
	assert_false(card.running_at_reset);
	assert_non_null(strstr(card.said, "broke the rules"));
	check_stopped(3);
}

// One that does not confirm loses the bus, and keeps what it may still read.
static void
test_bad_completion_unconfirmed(void **state)
{
	struct nic_received r;
	u32 cookie;

	(void)state;
	start(NIC_MTU_STANDARD);
	send(0);
	card.deaf = true;
	ring(REG_RDBAL)[0].rest = 2049 | DONE_LAST;
	assert_false(e1000e_driver.receive(&r));
	assert_false(card.master);
	assert_non_null(strstr(card.said, "does not confirm its reset\n"));
	assert_false(e1000e_driver.sent_waiting());
	assert_false(e1000e_driver.sent(&cookie));
}

static void
test_never_answers(void **state)
{
	(void)state;
	card.deaf = true;
	assert_false(e1000e_driver.init(count_interrupt, BUFFERS, NIC_MTU_STANDARD));
	assert_false(card.master);
	assert_null(e1000e_driver.facts());
	assert_false(e1000e_driver.works());
	assert_true(card.now <= 3 * RESET_WAIT_NS);
	assert_string_equal(card.said, "nic: the device does not confirm its reset\n");
}

static void
test_gone(void **state)
{
	(void)state;
	card.gone = true;
	assert_false(e1000e_driver.init(count_interrupt, BUFFERS, NIC_MTU_STANDARD));
	assert_false(card.master);
	assert_string_equal(card.said, "nic: the device does not confirm its reset, "
				       "nor that it is idle\n");
}

static void
test_no_address(void **state)
{
	(void)state;
	for (u32 i = 0; i < 3; i++) {
		power_on(state);
		*reg(REG_RAL) = i == 0 ? 0xde005453 : i == 1 ? 0 : 0xde005452;
		*reg(REG_RAH) = i == 0 ? RAH_VALID : i == 1 ? RAH_VALID : 0x0105;
		assert_false(e1000e_driver.init(count_interrupt, BUFFERS, 1500));
		assert_false(card.master);
		assert_non_null(strstr(card.said, "no address of its own\n"));
	}
}

static void
test_link(void **state)
{
	(void)state;
	*reg(REG_STATUS) = 0;
	start(NIC_MTU_STANDARD);
	for (u32 i = 0; i < 2; i++) {
		*reg(REG_STATUS) ^= STATUS_LINK_UP;
		*reg(REG_ICR) |= CAUSE_LINK | CAUSE_OTHER;
		fire();
		assert_int_equal(*reg(REG_ICR), 0);
		assert_true(*reg(REG_IMS) & CAUSE_OTHER);
	}
	assert_string_equal(card.said, "nic: the link is down\nnic: the link is up\n"
				       "nic: the link is down\n");
	assert_true(e1000e_driver.works());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_start, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_long_frames, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_receive, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_buffers_return, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_send, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_bad_completion, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_bad_completion_unconfirmed, power_on,
						power_off),
		cmocka_unit_test_setup_teardown(test_never_answers, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_gone, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_no_address, power_on, power_off),
		cmocka_unit_test_setup_teardown(test_link, power_on, power_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
