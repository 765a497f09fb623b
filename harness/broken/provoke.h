// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Breaking the kernel on purpose, for the tests of its protections and of the
// panic report: the command line's `panic=WAY`.

// Does what the word at `way` (up to a blank) names; says so when there is no
// such way or when nothing stopped it. Called once the first environment exists.
void
provoke(const char *way);
