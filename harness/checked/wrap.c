// SPDX-License-Identifier: BSD-2-Clause
// Where the checked kernel's own parts come in: the linker's --wrap sends calls
// of these functions here from every other file (rules.mk lists them).

#include "harness/broken/provoke.h"
#include "harness/checked/checked.h"
#include "kernel/arch/x86_64/multiboot.h"
#include "kernel/base/string.h"

#define UNCHECKED __attribute__((no_sanitize("kernel-address", "undefined")))

#define WRAPPED(result, name, ...) \
	result __real_##name(__VA_ARGS__); \
	result __wrap_##name(__VA_ARGS__)

WRAPPED(void, kernel_main, u32 magic, u64 information);
WRAPPED(void, kernel_map_build, u64 ram_end);
WRAPPED(void, memory_init, const struct boot_info *boot);
WRAPPED(void, provoke, const char *way);
WRAPPED(void *, memcpy, void *target, const void *source, size_t len);
WRAPPED(void *, memmove, void *target, const void *source, size_t len);
WRAPPED(void *, memset, void *target, int byte, size_t len);
WRAPPED(int, memcmp, const void *a, const void *b, size_t len);

UNCHECKED void
__wrap_kernel_main(u32 magic, u64 information)
{
	kasan_early();
	__real_kernel_main(magic, information);
}

// It loads new tables. Between that and its return nothing on the stack may need
// shadow; it has no variables that would.
UNCHECKED void
__wrap_kernel_map_build(u64 ram_end)
{
	__real_kernel_map_build(ram_end);
	kasan_early();
}

void
__wrap_memory_init(const struct boot_info *boot)
{
	__real_memory_init(boot);
	kasan_start();
}

void
__wrap_provoke(const char *way)
{
	if (!ways_run(way))
		__real_provoke(way);
}

// memory.c itself is compiled without checks: one for each range, not for each
// word of it.
void *
__wrap_memcpy(void *target, const void *source, size_t len)
{
	kasan_check((u64)source, len, false);
	kasan_check((u64)target, len, true);
	return __real_memcpy(target, source, len);
}

void *
__wrap_memmove(void *target, const void *source, size_t len)
{
	kasan_check((u64)source, len, false);
	kasan_check((u64)target, len, true);
	return __real_memmove(target, source, len);
}

void *
__wrap_memset(void *target, int byte, size_t len)
{
	kasan_check((u64)target, len, true);
	return __real_memset(target, byte, len);
}

int
__wrap_memcmp(const void *a, const void *b, size_t len)
{
	kasan_check((u64)a, len, false);
	kasan_check((u64)b, len, false);
	return __real_memcmp(a, b, len);
}
