// SPDX-License-Identifier: BSD-2-Clause
// links: kernel/code/run_rig.c kernel/code/arith.c kernel/code/verify.c
// links: kernel/code/shape.c kernel/code/step.c kernel/code/state.c
// links: kernel/code/range.c kernel/code/compile.c
// links: harness/testing/host_assert.c
//
// Fuzzes the verifier, and the compiler against the interpreter on whatever the
// verifier accepts: differ_rig.h says what must hold. The first byte of an input
// says whether the rest are instructions, or are made likely ones.

#include "kernel/code/differ_rig.h"

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct code_insn text[RIG_BODY_MAX];
	u64 seed = 0;
	u32 count;

	if (size < 9)
		return 0;
	memcpy(&seed, data + 1, 8);
	if (data[0] & 1)
		return rig_likely_program(data + 9, size - 9, seed), 0;
	count = (u32)MIN((size - 9) / sizeof(text[0]), (size_t)RIG_BODY_MAX);
	memcpy(text, data + 9, count * sizeof(text[0]));
	rig_differ(text, count, seed);
	return 0;
}
