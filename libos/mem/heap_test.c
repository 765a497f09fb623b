// SPDX-License-Identifier: BSD-2-Clause
// The heap over pages of the development machine: patterns survive, nothing
// overlaps, memory comes back, and misuse is caught. SEED=n replays.
//
// links: libos/mem/heap.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "kernel/base/assert.h"
#include "kernel/base/prng.h"
#include "libos/mem/heap.h"

#define OBJECTS 400
#define STEPS 40000

static u64 pages_out;
static jmp_buf *expecting;

void
assert_failed(const char *expression, const char *file, int line)
{
	if (expecting)
		longjmp(*expecting, 1);
	_assert_true(0, expression, file, line);
	abort();
}

static bool
take(u64 pages, void **at, u32 *cookie)
{
	*at = aligned_alloc(4096, pages * 4096);
	if (!*at)
		return false;
	memset(*at, 0xa5, pages * 4096);
	pages_out += pages;
	*cookie = (u32)pages * 7;
	return true;
}

static void
give(void *at, u64 pages, u32 cookie)
{
	assert_int_equal(cookie, pages * 7);
	pages_out -= pages;
	free(at);
}

static const struct heap_source source = { take, give };

struct object {
	u8 *at;
	u64 size;
	u8 pattern;
};

static void
object_check(const struct object *o)
{
	for (u64 i = 0; i < o->size; i++)
		assert_int_equal(o->at[i], o->pattern);
}

static u64
random_size(struct prng *prng)
{
	return prng_below(prng, 16) ? prng_below(prng, 2100) + 1 :
				      prng_below(prng, 30000) + 1;
}

static void
random_step(struct heap *heap, struct object *o, struct prng *prng)
{
	if (o->at) {
		object_check(o);
		heap_free(heap, o->at);
		o->at = NULL;
		return;
	}
	o->size = random_size(prng);
	o->pattern = (u8)prng_u64(prng);
	o->at = heap_alloc(heap, o->size);
	assert_non_null(o->at);
	assert_int_equal((uintptr_t)o->at % 16, 0);
	assert_true(heap_size(o->at) >= o->size);
	memset(o->at, o->pattern, o->size);
}

static void
test_random(void **state)
{
	const char *given = getenv("SEED");
	u64 seed = given ? strtoull(given, NULL, 0) : (u64)time(NULL);
	struct object objects[OBJECTS] = { { 0 } };
	struct prng prng;
	struct heap heap;

	(void)state;
	printf("SEED=%lu\n", seed);
	prng_seed(&prng, seed);
	heap_init(&heap, &source, 100000);
	for (u32 i = 0; i < STEPS; i++) {
		random_step(&heap, &objects[prng_below(&prng, OBJECTS)], &prng);
		if (i % 64 == 0)
			heap_check(&heap);
		assert_int_equal(heap.pages, pages_out);
	}
	for (u32 i = 0; i < OBJECTS; i++) {
		if (objects[i].at)
			random_step(&heap, &objects[i], &prng);
	}
	heap_check(&heap);
	assert_int_equal(heap.objects, 0);
	assert_true(heap.pages <= HEAP_CLASSES);	// one kept a class
	for (u32 i = 0; i < HEAP_CLASSES; i++)
		free(heap.partial[i]);
	pages_out = 0;
}

static void
test_bounds(void **state)
{
	struct heap heap;
	void *small, *large;

	(void)state;
	heap_init(&heap, &source, 3);
	assert_null(heap_alloc(&heap, 3 * 4096));	// header does not fit
	assert_null(heap_alloc(&heap, ~0ull));
	assert_null(heap_alloc(&heap, ~0ull - 4096));
	large = heap_alloc(&heap, 2 * 4096 - 64);
	assert_non_null(large);
	small = heap_alloc(&heap, 0);
	assert_non_null(small);
	assert_null(heap_alloc(&heap, 100));		// a fourth page
	heap_free(&heap, large);
	large = heap_alloc(&heap, 4096);
	assert_non_null(large);
	heap_free(&heap, large);
	heap_free(&heap, NULL);
	free(heap.partial[0]);
	pages_out = 0;
}

static bool
free_fails(struct heap *heap, void *object)
{
	jmp_buf here;
	bool failed = true;

	expecting = &here;
	if (!setjmp(here)) {
		heap_free(heap, object);
		failed = false;
	}
	expecting = NULL;
	return failed;
}

static void
test_misuse(void **state)
{
	struct heap heap;
	u8 *a, *b, *large;
	static u8 stray[8192] aligned_(4096);

	(void)state;
	heap_init(&heap, &source, 100);
	a = heap_alloc(&heap, 40);
	b = heap_alloc(&heap, 40);
	large = heap_alloc(&heap, 5000);
	assert_true(free_fails(&heap, a + 1));
	assert_true(free_fails(&heap, a + 16));
	assert_true(free_fails(&heap, large + 16));
	assert_true(free_fails(&heap, stray + 64));
	heap_free(&heap, b);
	assert_true(free_fails(&heap, b));
	heap_free(&heap, a);
	free((void *)((uintptr_t)a & ~4095ull));
	free(large - 64);
	pages_out = 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_misuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
