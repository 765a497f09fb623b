// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// What programs for the kernel are written with, compiled by `clang -target bpf`:
// helpers by their number, and the names of functions as object_find() sees them.
// Everything but the entry is inlined; there is no data beside the stack.

#include "kernel/abi/program.h"
#include "kernel/abi/volume.h"

#define inline_ static inline __attribute__((always_inline))

// The number of a helper, in place of its address: clang makes a call of it.
#define helper_(number) ((void *)(u64)(number))

static u64 (*const look_at)(u64 ns) = helper_(PREDICATE_LOOK_AT);
static u64 (*const send)(const void *frame, u64 len) = helper_(HANDLER_SEND);
