// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Starting a program of the boot archive by its name.

#include "libos/crt/spawn.h"

// Fills in spec->image, from the program named argv[0] of spec->archive, and
// spec->name, and spawns. Returns 0, -E_ABSENT when the archive has no such
// program, or the error of spawn().
must_check i64
program_start(struct spawn_spec *spec, struct child *child);
