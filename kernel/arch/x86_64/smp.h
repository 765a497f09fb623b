// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Starting the other processors.

// Starts every processor that firmware lists, one after another. One that does
// not come up within a second is reported and left out. At most CPUS_MAX.
void
smp_start(void);
