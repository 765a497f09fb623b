// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The checked kernel: the kernel's own sources, compiled with the compiler's
// address and undefined-behaviour checks, and linked with this folder. It never
// ships; `make checked` builds it as build/checked/deos.elf. What is here reaches
// the kernel by the linker's --wrap, so that the kernel's sources know nothing
// of it.
//
//   kasan.c	address checks: shadow memory, and the frame table
//   ubsan.c	undefined behaviour
//   control.c	what a test program asks for by the null call (control.h)
//   audit.c	every invariant that can be walked, page tables included
//   ways.c	more ways to break the kernel on purpose: panic=WAY
//   planted.py	bugs in copies of kernel/sys, of which one can be switched on

#include "kernel/base/types.h"

// Maps the shadow of all kernel addresses to one page that anybody may write,
// through the tables that are loaded. Checks stay off.
void
kasan_early(void);

// Gives the image and the stacks real shadow, and turns the checks on. Once, when
// boot_frames() takes from the frame table.
void
kasan_start(void);

// Poisons, or frees from poison, whole 8-byte granules.
void
kasan_poison(const void *at, u64 len, bool poison);

// Checks an access before it is made; panics when it must not be.
void
kasan_check(u64 address, u64 len, bool write);

// A report: checks off, then a panic.
noreturn_ void
checked_report(const char *format, ...) printf_like(1, 2);

// Walks everything; panics at what does not hold.
void
audit(void);

// Breaks the kernel in the way that `way` begins with. False: no such way here.
must_check bool
ways_run(const char *way);
