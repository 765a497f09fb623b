// SPDX-License-Identifier: BSD-2-Clause
// The serial console. A port that does not answer (its scratch register keeps
// nothing) is left alone, so that machines without one boot as well. Writers
// come one at a time: under the kernel lock, or in a panic.
//
// Invariant C1: typed_head - typed_tail <= CONSOLE_RING.

#include "kernel/dev/console.h"
#include "kernel/arch/x86_64/io.h"
#include "kernel/arch/x86_64/irq.h"
#include "kernel/base/assert.h"
#include "kernel/dev/apic.h"
#include "kernel/sys/tables.h"
#include "kernel/sys/wait.h"

#define PORT 0x3f8
#define ISA_IRQ 4
#define CONSOLE_RING 256u

enum uart_register {
	UART_DATA = 0,
	UART_INTERRUPTS = 1,
	UART_FIFO = 2,			// read: interrupt identification
	UART_LINE_CONTROL = 3,
	UART_MODEM_CONTROL = 4,
	UART_LINE_STATUS = 5,
	UART_SCRATCH = 7,
};

#define STATUS_RECEIVED 0x01
#define STATUS_TRANSMIT_EMPTY 0x20
#define TRANSMIT_SPINS 100000
#define FIFO_LEN 16u
#define FIFO_WORKS 0xc0u	// in the identification register
#define RECEIVE_MAX 64u		// bytes that one interrupt takes

static bool present;
static u32 fifo_len = 1;	// of the transmitter
static u32 room;		// bytes that it takes without being asked
static char typed[CONSOLE_RING];
static u32 typed_head, typed_tail;

void
console_init(void)
{
	port_out8(PORT + UART_SCRATCH, 0x5a);
	if (port_in8(PORT + UART_SCRATCH) != 0x5a)
		return;
	present = true;
	port_out8(PORT + UART_INTERRUPTS, 0);
	port_out8(PORT + UART_LINE_CONTROL, 0x80);	// divisor: 115200
	port_out8(PORT + UART_DATA, 1);
	port_out8(PORT + UART_INTERRUPTS, 0);
	port_out8(PORT + UART_LINE_CONTROL, 0x03);	// 8N1
	port_out8(PORT + UART_FIFO, 0x07);		// on, cleared, at each byte
	if ((port_in8(PORT + UART_FIFO) & FIFO_WORKS) == FIFO_WORKS)
		fifo_len = FIFO_LEN;
	port_out8(PORT + UART_MODEM_CONTROL, 0x0b);	// with interrupts
}

// The transmitter takes a FIFO of bytes at once when it says that it is empty.
static void
put_byte(char c)
{
	for (u32 i = 0; !room && i < TRANSMIT_SPINS; i++) {
		if (port_in8(PORT + UART_LINE_STATUS) & STATUS_TRANSMIT_EMPTY)
			room = fifo_len;
	}
	room -= room > 0;
	port_out8(PORT + UART_DATA, (u8)c);
}

void
console_put(const char *text, size_t len)
{
	for (size_t i = 0; present && i < len; i++) {
		if (text[i] == '\n')
			put_byte('\r');
		put_byte(text[i]);
	}
}

static bool
receive_byte(void)
{
	if (!(port_in8(PORT + UART_LINE_STATUS) & STATUS_RECEIVED))
		return false;

	char c = (char)port_in8(PORT + UART_DATA);

	if (typed_head - typed_tail == CONSOLE_RING)
		return true;
	typed[typed_head++ % CONSOLE_RING] = c;
	sys_info.console_typed++;
	return true;
}

static void
receive(void)
{
	u32 count = 0;

	while (count < RECEIVE_MAX && receive_byte())
		count++;
	// The line is still high then, and the interrupt comes with its edge.
	if (count == RECEIVE_MAX) {
		port_out8(PORT + UART_INTERRUPTS, 0);
		port_out8(PORT + UART_INTERRUPTS, 1);
	}
	wait_hint_table(&sys_info.console_typed, sizeof(sys_info.console_typed));
}

void
console_listen(void)
{
	if (!present)
		return;
	ioapic_route(ISA_IRQ, irq_claim(receive));
	port_out8(PORT + UART_INTERRUPTS, 1);
	receive();
}

u32
console_take(char *buffer, u32 size)
{
	u32 n = 0;

	ASSERT(typed_head - typed_tail <= CONSOLE_RING);
	while (n < size && typed_tail != typed_head)
		buffer[n++] = typed[typed_tail++ % CONSOLE_RING];
	return n;
}
