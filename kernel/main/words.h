// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The words of the command line.

// What follows `prefix` where a word begins with it, or NULL.
const char *
boot_word(const char *prefix);
