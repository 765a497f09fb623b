// SPDX-License-Identifier: BSD-2-Clause
// links: kernel/code/run_rig.c kernel/code/arith.c kernel/code/verify.c
// links: kernel/code/shape.c kernel/code/step.c kernel/code/state.c
// links: kernel/code/range.c kernel/code/compile.c
// links: harness/testing/host_assert.c
//
// Random programs through the verifier, the interpreter and the compiler: what
// code_fuzz.c searches for long, a little of it in every run. SEED=n replays.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "harness/testing/seed.h"
#include "kernel/base/prng.h"
#include "kernel/code/differ_rig.h"

#define PROGRAMS 12000u

static void
random_programs(void **state)
{
	u64 seed = test_seed();
	struct prng prng;
	u32 accepted = 0;

	(void)state;
	prng_seed(&prng, seed);
	for (u32 i = 0; i < PROGRAMS; i++) {
		u8 data[RIG_BODY_MAX * sizeof(struct code_insn)];
		u32 insns = 1 + (u32)(prng_u64(&prng) % 12);

		for (u32 j = 0; j < insns * 8; j++)
			data[j] = (u8)(prng_u64(&prng) >> 11);
		accepted += rig_likely_program(data, insns * 8, prng_u64(&prng));
	}
	printf("%u of %u programs accepted\n", accepted, PROGRAMS);
	assert_true(accepted > PROGRAMS / 20);
}

int
main(void)
{
	const struct CMUnitTest all[] = { cmocka_unit_test(random_programs) };

	return cmocka_run_group_tests(all, NULL, NULL);
}
