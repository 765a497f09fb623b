// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The asking side of the bare-frame floor (harness/floor/echo.h is the answering
// side): frames in the number and sizes of an operation between two nodes, and
// nothing else of it. The kernel command line says which:
//
//	floor=ping,MAC,AxB,CxD,FLIGHTS,OPERATIONS[,spin]
//
// An operation sends A frames of B bytes to MAC and is over when C frames of D
// bytes have come back. FLIGHTS of them are under way at any time, until
// OPERATIONS have ended. Bytes count the Ethernet header. While it waits the
// node halts, or with `spin` looks again and again. Then one line:
//
//	floor: ping operations=N took_ns=T busy_ns=B median_ns=M min_ns=L p99_ns=P
//
// busy_ns is the part of took_ns in which the processor was not halted; where an
// instruction lasts a nanosecond (QEMU's -icount) it counts instructions. It
// lacks those from an interrupt to its handler.
//
// A frame that is lost is not sent again: the link must not lose any, and who
// waits for the line decides for how long.

#include "kernel/base/types.h"

#define PING_FRAMES_MAX 4u	// of a request
#define PING_FLIGHTS_MAX 32u
#define PING_FRAMES_OPEN_MAX 96u	// of all flights, one way
#define PING_OPERATIONS_MAX 4096u

struct ping_plan {
	u8 mac[6];
	u32 asks;		// frames of a request
	u32 ask_len;
	u32 answers;		// frames of an answer
	u32 answer_len;
	u32 flights;
	u32 operations;
	bool spin;
};

// Parses what follows "floor=ping," up to a space or the end. False: it is not
// such a plan, or beyond the bounds above or `frame_max`.
must_check bool
ping_plan_read(const char *words, u32 frame_max, struct ping_plan *plan);

// Runs the plan, prints its line, and halts for ever. As echo_loop().
noreturn_ void
ping_run(const struct ping_plan *plan);

// The interrupt handler for nic_init() in that mode.
void
ping_interrupt(void);
