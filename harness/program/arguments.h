// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Command lines of host programs, read by glibc's argp. A program has one table of options,
// from which --help comes too; a word that is wrong ends it with status 2 and a sentence.

#include <argp.h>

#include "kernel/base/types.h"

#define EXIT_USAGE 2

// Reads the command line as `argp` says; its parser finds `input` in its state. Does not
// return when --help is asked for, or a word is wrong.
void
arguments_read(const struct argp *argp, int argc, char **argv, void *input);

// What an argp parser has in hand, as a number from `least` to `most`. Does not return when
// it is none.
u64
argument_number(const struct argp_state *state, const char *text, u64 least, u64 most);

// The same for "7" or "3..7", both ends from `least` to `most`.
void
argument_range(const struct argp_state *state, const char *text, u64 least, u64 most,
	       u64 *first, u64 *last);

// The place of a word in a list, in any case of letters. Does not return when it is not
// there.
u32
argument_word(const struct argp_state *state, const char *text, const char *const *words,
	      u32 count);
