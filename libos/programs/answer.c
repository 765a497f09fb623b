// SPDX-License-Identifier: BSD-2-Clause
// An address that answers by itself:
//
//	answer ADDRESS PORT
//
// Whoever asks where ADDRESS is, or sends a short datagram to PORT of it, is answered by
// a handler in the kernel (libos/code/bpf/answer.c) when the frame comes. This program
// sleeps meanwhile: it wakes for what the handler passes on, the longer datagrams, sends
// them back itself, and says how many of each there were.

#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/status.h"
#include "libos/io/answering.h"
#include "libos/text/text.h"

#define MAC_INDEX 10u

static struct answering me;
static u32 sent_here;

static i64
take(const u8 *frame, u32 len)
{
	const volatile struct answer *a = me.state;

	if (!answer_is_udp(frame, len, a->address) || answer_port(frame) != a->port)
		return 0;
	sent_here++;
	print("answer: %u datagrams by the kernel, %u here\n", a->answered, sent_here);
	return answering_send(&me.ring, me.page, frame, len);
}

static i64
serve(void)
{
	struct wait_set set;
	const u8 *frame;
	i64 error = 0;

	while (!error) {
		u32 len = ring_peek(&me.ring, &frame);

		if (len) {
			error = take(frame, len);
			ring_consume(&me.ring);
			continue;
		}
		wait_begin(&set);
		ring_watch(&me.ring, &set);
		wait_sleep(&set);
	}
	return error;
}

int
main(int argc, char **argv)
{
	const char *text = argc == 3 ? argv[1] : "";
	u32 address;
	u64 port;
	i64 error;

	if (!text_take_address(&text, &address) || *text ||
	    !text_to_u64(argv[2], &port) || port < 1 || port > 0xffff) {
		print("usage: answer ADDRESS PORT, as in answer 10.0.2.17 7\n");
		return STATUS_USAGE;
	}
	error = answering_open(&me, MAC_INDEX, address, (u32)port);
	if (!error) {
		print("answer: at %s, port %lu\n", argv[1], port);
		error = serve();
	}
	print("answer: %s\n", error_text(error));
	return STATUS_FAILED;
}
