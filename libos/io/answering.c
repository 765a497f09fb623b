// SPDX-License-Identifier: BSD-2-Clause
// Binding the ring, loading the handler, and sending back what it leaves. Stateless.

#include "libos/io/answering.h"
#include "kernel/base/string.h"
#include "libos/code/program.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"
#include "libos/mem/frames.h"
#include "libos/mem/layout.h"

i64
answering_open(struct answering *a, u32 mac_index, u32 address, u32 port)
{
	struct ring_config config = {
		.nic_slot = startup_slot(ROLE_NIC), .mac_index = mac_index,
		.narrows = SLOT_NONE, .regions = &a->memory, .region_count = 1,
	};
	i64 program, error = frames_take(2, &a->memory);

	if (!error)
		error = ring_open(&a->ring, &config);
	if (error)
		return error;
	a->state = direct_address(a->memory.frame);
	a->page = direct_address(a->memory.frame + 1);
	*a->state = (struct answer){ .address = address, .port = port };
	for (u32 i = 0; i < sizeof(a->state->mac); i++)
		a->state->mac[i] = a->ring.control->mac[i];
	program = program_load_boot("answer.bpf", "answer", PROGRAM_HANDLER);
	return program < 0 ? program
			   : sys_ring_handle(a->ring.slot, (u32)program, a->memory.slot,
					     a->memory.frame);
}

i64
answering_send(struct ring *ring, u8 *page, const u8 *frame, u32 len)
{
	struct ring_part part = { page, len };
	struct wait_set set;
	i64 error;

	memcpy(page, frame, len);
	answer_turn_udp(page);
	if (!ring_put(ring, &part, 1, (struct ring_offload){ 0 }))
		return -E_RANGE;
	error = ring_flush(ring);
	for (u32 sent; !error && (sent = ring_sent(ring)) != ring->tx_head;) {
		wait_begin(&set);
		ring_watch_sent(ring, &set, sent);
		wait_sleep(&set);
		error = sys_ring_kick(ring->slot);
	}
	return error;
}
