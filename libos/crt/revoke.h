// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What a program does when it is to give something back (kernel/abi/revoke.h,
// docs/revocation.md). A program that calls nothing of this ignores all requests:
// it loses what it owes at the deadline, and finds out by faults.

#include "kernel/abi/revoke.h"

// Called by the upcall, between two instructions of the program, when a request or
// a record is new. It may make system calls; it must not touch the heap or print.
typedef void revoke_handler(void);

// Asks for the upcall, or with NULL for none.
void
revoke_handler_set(revoke_handler *handler);

// Says that all of a capability but its first `keep` units may be taken before
// anything else; what is declared first goes first. Returns false when
// REVOKE_DECLARED_MAX are declared already.
bool
revoke_declare(u32 slot, u64 keep);

// Units of that type that open requests still want.
u64
revoke_owed(enum cap_type type);

// The oldest record that was not read yet. Returns false when there is none;
// revoke_missed() tells how many there was no room for.
bool
revoke_record_next(struct revoke_taken *taken);
u64
revoke_missed(void);
