// SPDX-License-Identifier: BSD-2-Clause
// The run of `floor=ping` (ping.h). A flight is a place for one operation; its
// number stands in the frames. The first operations only warm up: nothing of
// them is counted.
//
// Invariants:
//   P1  begun - ended operations are under way, each in a flight of its own
//       whose `missing` is not 0; an answer to any other flight is ignored
//   P2  frames under way <= PING_FRAMES_OPEN_MAX in each direction, so neither
//       ring of either node can overflow

#include "harness/floor/ping.h"
#include "harness/floor/echo.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/base/assert.h"
#include "kernel/dev/nic.h"
#include "kernel/main/kprintf.h"
#include "libos/crt/rank.h"

#define WARM_UP 64u
#define DESCRIPTORS_A_REQUEST (PING_FRAMES_MAX * ECHO_FRAME_DESCRIPTORS)

STATIC_ASSERT(PING_FRAMES_OPEN_MAX * ECHO_FRAME_DESCRIPTORS <= NIC_FLIGHTS_MAX);

struct flight {
	u64 begun_ns;
	u32 missing;		// answers still to come; 0: the flight is free
};

static struct {
	struct ping_plan plan;
	struct flight flight[PING_FLIGHTS_MAX];
	u32 sample_ns[PING_OPERATIONS_MAX];
	u32 begun;
	u32 ended;
	u64 counted_from_ns;
	u64 halted_ns;		// since then
	volatile u64 woken_ns;
} ping;

static u32
operations_in_all(void)
{
	return ping.plan.operations + WARM_UP;
}

static void
begin(u32 number)
{
	const struct ping_plan *p = &ping.plan;
	struct flight *f = &ping.flight[number];
	struct echo_ask ask = {
		.kind = ECHO_ASK,
		.answer_len = (u16)p->answer_len,
		.number = (u16)number,
	};

	ASSERT(f->missing == 0);					// P1
	while (nic_room() < DESCRIPTORS_A_REQUEST) {
		if (!nic_works())
			panic("floor=ping: the network interface failed");
		nic_push();
		echo_reclaim();
	}
	f->begun_ns = clock_ns();
	f->missing = p->answers;
	ping.begun++;
	for (u32 i = 1; i <= p->asks; i++) {
		ask.answers = i == p->asks ? (u16)p->answers : 0;
		echo_send(p->mac, &ask, p->ask_len);
	}
}

static void
end(u32 number)
{
	u64 now = clock_ns();

	if (ping.ended >= WARM_UP)
		ping.sample_ns[ping.ended - WARM_UP] = (u32)MIN(
			now - ping.flight[number].begun_ns, (u64)0xffffffff);
	ping.ended++;
	if (ping.ended == WARM_UP) {
		ping.counted_from_ns = now;
		ping.halted_ns = 0;
	}
	if (ping.begun < operations_in_all())
		begin(number);
}

static void
take(const struct nic_received *r)
{
	struct echo_ask ask;
	bool counts = echo_read(r, &ask) && ask.kind == ECHO_ANSWER &&
		      r->len == ping.plan.answer_len &&
		      ask.number < ping.plan.flights &&
		      ping.flight[ask.number].missing > 0;		// P1

	nic_give_back(r->buffer);
	if (counts && --ping.flight[ask.number].missing == 0)
		end(ask.number);
}

// Takes what has come; true when more is there.
static bool
batch(void)
{
	struct nic_received r;

	nic_receive_begin();
	while (nic_receive(&r))
		take(&r);
	nic_push();
	echo_reclaim();
	return nic_receive_end(true);
}

void
ping_interrupt(void)
{
	ping.woken_ns = clock_ns();
}

static void
wait(void)
{
	u64 from_ns = clock_ns();

	if (ping.plan.spin)
		return;
	ping.woken_ns = from_ns;
	cpu_halt_for_interrupt();
	ping.halted_ns += ping.woken_ns - from_ns;
}

static void
print(u64 took_ns)
{
	u32 count = ping.plan.operations;

	ASSERT(count >= 1 && count <= PING_OPERATIONS_MAX);
	kprintf("floor: ping operations=%u took_ns=%lu busy_ns=%lu median_ns=%u "
		"min_ns=%u p99_ns=%u\n",
		count, (unsigned long)took_ns,
		(unsigned long)(took_ns - ping.halted_ns),
		rank_u32(ping.sample_ns, count, count / 2),
		rank_u32(ping.sample_ns, count, 0),
		rank_u32(ping.sample_ns, count, (count - 1) * 99 / 100));
}

void
ping_run(const struct ping_plan *plan)
{
	bool more = true;

	ASSERT(plan->flights >= 1 && plan->flights <= PING_FLIGHTS_MAX);
	ping.plan = *plan;
	for (u32 i = 0; i < plan->flights; i++)
		begin(i);
	nic_push();
	while (ping.ended < operations_in_all()) {
		if (!more)
			wait();
		more = batch();
	}
	print(clock_ns() - ping.counted_from_ns);
	for (;;)
		cpu_halt_for_interrupt();
}
