// SPDX-License-Identifier: BSD-2-Clause
// How a processor with nothing to do waits: halted, or for a bounded while looking for
// the fabric's frames, where those come one after the other (fabric/look.h says when).
// Looking is as halting to everybody else: the lock is free, the processor counts as
// flushed, and all but the network interface interrupts it.

#include "kernel/sys/idle.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/lock.h"
#include "kernel/dev/nic.h"
#include "kernel/fabric/fabric.h"
#include "kernel/sys/ring.h"
#include "kernel/sys/tables.h"

#define LOOKS_A_TIME 16u		// between two looks at the clock

// Waking from a halt takes longer than a frame and its answer: where frames come one
// after the other, the processor looks for the next one for a bounded while. All else
// interrupts it, and ends that. No PAUSE, with which an emulator takes its big lock.
static __attribute__((noinline)) void
look_for_frames(const struct cpu *cpu, u64 until)
{
	u64 locks = cpu->info->locks;		// an interrupt takes it

	while (!cpu->reschedule && cpu->info->locks == locks) {
		for (u32 i = 0; i < LOOKS_A_TIME; i++) {
			if (nic_receive_waiting())
				return;
		}
		if (clock_ns() >= until)
			return;
		cpu_let_interrupt();
	}
}

// With interrupts off, and `sti; hlt` lets none in between. False: frames came while others
// were taken, of which none tells.
static bool
halt(const struct cpu *cpu)
{
	if (cpu->reschedule)
		return true;
	if (nic_receive_waiting())
		return false;
	cpu_halt_for_interrupt();
	return true;
}

void
idle_halt(struct cpu *cpu)
{
	u64 until = cpu->index == 0 ? fabric_look_until() : 0;
	bool frames = until != 0;

	if (until)
		nic_receive_begin();	// they need not interrupt meanwhile
	kernel_unlock();
	if (until)
		look_for_frames(cpu, until);
	else
		frames = !halt(cpu);
	kernel_lock();
	if (frames)
		ring_look_end();
}
