// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Walks every invariant of volume.h; asserts.

#include "kernel/volume/volume.h"

void
volume_check(struct volume *v);
