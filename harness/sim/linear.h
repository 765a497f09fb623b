// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// Is a history of one word linearizable? Is there one order of its operations, each
// at some moment between call and return, in which every answer is right?
//
// The search of Wing and Gong (1993) with Lowe's memory of what was tried (2017):
// states are the set of operations that have taken effect and the word's value.
// An operation that may or may not have run (UNKNOWN_FINAL, or its caller died) takes
// effect in its time or never. This asks nobody but the requesters, so it finds what
// an oracle that watches memory cannot: an answer that fits some moment, but not in
// one order with the others.

#include "kernel/base/types.h"

#define LINEAR_OPS_MAX 512u	// of one history

enum linear_kind {
	LINEAR_READ,
	LINEAR_WRITE,		// puts `next`
	LINEAR_SWAP,		// puts `next` if the word is `expected`
	LINEAR_ADD,		// adds `next`
};

struct linear_op {
	u64 called, returned;
	u64 expected, next;
	u64 answer;		// what the word was before, unless `unknown`
	u8 kind;		// enum linear_kind
	bool unknown;
	bool mute;		// it is known to have run, but tells no value: a WRITE
};

enum linear_verdict { LINEAR_YES, LINEAR_NO, LINEAR_UNDECIDED };

// Judges `count` operations, in any order, on a word that was `first`, and was `last`
// when all had returned. UNDECIDED when the memory of what was tried is full.
enum linear_verdict
linear_judge(const struct linear_op *op, u32 count, u64 first, u64 last);
