// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The registers: words that are only read, written, swapped and added to as a whole,
// so that their histories can be judged for linearizability by what requesters know.

// Judges every register of every boot of every node; a seed fails where one has no order.
void
registers_judge(void);
