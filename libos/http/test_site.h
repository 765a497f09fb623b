// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// For the tests of this folder only: builds a website as a newc archive in
// memory, and seeds what is random.

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kernel/base/string.h"
#include "libos/http/site.h"

#define TEST_NOW 1700000000ull		// Tue, 14 Nov 2023 22:13:20 GMT
#define TEST_MTIME 784111777u		// Sun, 06 Nov 1994 08:49:37 GMT

// The seed of a random test: SEED from the environment, else the time.
static inline u64
test_seed(void)
{
	const char *text = getenv("SEED");
	u64 seed = text ? strtoull(text, NULL, 0) : (u64)time(NULL);

	printf("SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

// Appends formatted text to the string in `text`, of `size` bytes.
static inline void printf_like(3, 4)
test_append(char *text, size_t size, const char *format, ...)
{
	size_t len = strlen(text);
	va_list args;

	va_start(args, format);
	if (vsnprintf(text + len, size - len, format, args) >= (int)(size - len))
		abort();
	va_end(args);
}

struct test_archive {
	u8 *bytes;		// malloc'd
	u64 len, room;
};

#define TEST_ARCHIVE_SMALL 65536u

static inline void
test_archive_put(struct test_archive *a, const void *bytes, u64 len)
{
	static const u8 zeros[4];
	u64 padding = ALIGN_UP(a->len + len, 4) - (a->len + len);
	u64 needed = a->len + len + padding;

	// A large one does not move at each file. What is complete is exactly as long
	// as it says, so that a sanitizer sees what is read beyond it.
	if (needed > TEST_ARCHIVE_SMALL)
		needed = ALIGN_UP(needed, TEST_ARCHIVE_SMALL);
	if (needed != a->room)
		a->bytes = realloc(a->bytes, needed);
	if (!a->bytes)
		abort();
	a->room = needed;
	if (len)
		memcpy(a->bytes + a->len, bytes, len);
	memcpy(a->bytes + a->len + len, zeros, padding);
	a->len += len + padding;
}

static inline void
test_archive_add(struct test_archive *a, const char *name, u32 mode, u32 mtime,
		 const void *data, u64 len)
{
	size_t name_size = strlen(name) + 1;
	char *header = malloc(111 + name_size);

	if (!header)
		abort();
	snprintf(header, 111, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x"
		 "%08x%08x%08x", 1u, mode, 0u, 0u, 1u, mtime, (u32)len, 0u, 0u,
		 0u, 0u, (u32)name_size, 0u);
	memcpy(header + 110, name, name_size);
	test_archive_put(a, header, 110 + name_size);
	free(header);
	test_archive_put(a, data, len);
}

static inline void
test_archive_file(struct test_archive *a, const char *name, const void *data,
		  u64 len)
{
	test_archive_add(a, name, 0100644, TEST_MTIME, data, len);
}

static inline void
test_archive_text(struct test_archive *a, const char *name, const char *text)
{
	test_archive_file(a, name, text, strlen(text));
}

static inline void
test_archive_end(struct test_archive *a)
{
	test_archive_add(a, "TRAILER!!!", 0, 0, "", 0);
	a->bytes = realloc(a->bytes, a->len);
	if (!a->bytes)
		abort();
	a->room = a->len;
}

// Indexes the archive into fresh memory of exactly the size needed, so that a
// sanitizer sees every byte beyond it.
static inline void *
test_site_build(struct site *site, const struct test_archive *a)
{
	u64 needed;
	void *memory;

	if (site_memory_needed(a->bytes, a->len, &needed) != SITE_OK)
		abort();
	memory = malloc(needed);
	if (!memory || site_build(site, a->bytes, a->len, memory, needed,
				  TEST_NOW) != SITE_OK)
		abort();
	site_check(site);
	return memory;
}
