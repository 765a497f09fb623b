// SPDX-License-Identifier: BSD-2-Clause
// A capability that passes from node to node without its owner: one program holds a
// page of OWNER and makes a ticket for a part of it, to read, for a program on a third
// node, and sends it there. That one redeems it at OWNER, after it has tried what must
// be refused: altered, and a second time. Then it reads until the maker's REVOKE.

#include "kernel/abi/errors.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/crt/syscall.h"
#include "libos/programs/remote/remote.h"
#include "libos/text/text.h"

#define LIFETIME_NS (10 * NS_PER_SECOND)
#define LEND_NS (2 * NS_PER_SECOND)

static i64
send_ticket(u16 node, const struct fabric_ticket *ticket)
{
	struct fabric_submit s = {
		.op = FABRIC_SEND, .node = node, .slot = fabric.fabric_slot,
		.offset = FAR_TICKETS, .local = fabric_local(ticket),
		.length = sizeof(*ticket),
	};

	return far_run(&io, &s, NULL);
}

int
hand(int argc, char **argv)
{
	u16 owner = node_or_exit(argv[2]), third = node_or_exit(argv[3]);
	struct fabric_ticket *ticket = (void *)region_page(2);
	struct fabric_target target = {
		.incarnation = link_table()[third].incarnation,
		.rights = CAP_READ, .base = 1, .count = 1,
	};
	struct far far;
	u64 environment;
	i64 error;

	(void)argc;
	if (!text_to_u64(argv[4], &environment) || environment > ~0u)
		return STATUS_USAGE;
	target.environment = (u32)environment;
	ask_or_exit(owner, FAR_ASK_PAGES, CAP_READ | CAP_WRITE | CAP_DERIVE, 0, 2,
		    &far);
	memset(region_page(1), 0x5a, PAGE_SIZE);
	error = far_write(&far, PAGE_SIZE, region_page(1), PAGE_SIZE);
	if (!error)
		error = far_ticket(&io, far.slot, third, &target, LIFETIME_NS,
				   ticket);
	if (!error)
		error = send_ticket(third, ticket);
	if (!error) {
		print("remote: ticket %u handed on\n", ticket->serial);
		pause_ns(LEND_NS);
		error = take_back(far.slot, false);
	}
	print("remote: %s: %s\n", error ? "FAIL" : "taken back", far_error_text(error));
	return error ? STATUS_FAILED : STATUS_OK;
}

// Waits for one, which stays where it came to lie.
static const struct fabric_ticket *
receive(void)
{
	struct fabric_submit s = {
		.tag = 1, .op = FABRIC_POST, .local = fabric_local(region_page(2)),
		.length = sizeof(struct fabric_ticket),
	};
	struct fabric_complete got;
	i64 endpoint = sys_endpoint_open(fabric.fabric_slot, fabric.slot,
					 FAR_TICKETS);

	if (endpoint < 0)
		return NULL;
	s.slot = (u32)endpoint;
	if (!fabric_put(&fabric, &s) || fabric_flush(&fabric))
		return NULL;
	print("remote: redeems as environment %u\n", env_table()[self_index()].id);
	if (!fabric_next(&fabric, &got, NEVER) ||
	    got.length != sizeof(struct fabric_ticket))
		return NULL;
	return (const void *)region_page(2);
}

int
redeem(int argc, char **argv)
{
	const struct fabric_ticket *ticket = receive();
	struct fabric_ticket altered;
	u32 slot, second;
	struct far far;
	i64 error;

	(void)argc;
	(void)argv;
	if (!ticket)
		return STATUS_FAILED;
	altered = *ticket;
	altered.rights |= CAP_WRITE;
	print("remote: altered: %s\n",
	      far_error_text(far_redeem(&io, &altered, &second)));
	error = far_redeem(&io, ticket, &slot);
	if (!error)
		error = far_open(&far, &io, slot);
	if (!error)
		error = far_read(&far, 0, region_page(1), PAGE_SIZE);
	if (error) {
		print("remote: FAIL: %s\n", far_error_text(error));
		return STATUS_FAILED;
	}
	print("remote: redeemed %lu pages, its bytes are %02x; again: %s\n", far.units,
	      *region_page(1), far_error_text(far_redeem(&io, ticket, &second)));
	print("remote: beyond it: %s; to write: %s\n",
	      far_error_text(far_read(&far, PAGE_SIZE, region_page(1), 8)),
	      far_error_text(far_write(&far, 0, region_page(1), 8)));
	read_on(&far);
	return STATUS_OK;
}
