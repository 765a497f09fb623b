// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The lines of a file of golden vectors, for tests with cmocka: `NAME VALUE`, found by
// name; vectors.py says which there are. What nobody has asked for can be told.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/base/types.h"

#define VECTOR_LINES_MAX 8192u

static struct vector_line {
	char *name, *value;
	bool used;
} lines[VECTOR_LINES_MAX];
static u32 line_count;
static char *vectors_text;

static inline void
vectors_open(const char *path)
{
	FILE *file = fopen(path, "r");
	char *at;
	long size;

	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	size = ftell(file);
	rewind(file);
	vectors_text = calloc(1, (size_t)size + 1);
	assert_non_null(vectors_text);
	assert_int_equal(fread(vectors_text, 1, (size_t)size, file), size);
	fclose(file);
	line_count = 0;
	for (at = strtok(vectors_text, "\n"); at; at = strtok(NULL, "\n")) {
		char *space = strchr(at, ' ');

		if (*at == '#')
			continue;
		assert_non_null(space);
		*space = 0;
		assert_true(line_count < VECTOR_LINES_MAX);
		lines[line_count++] = (struct vector_line){ at, space + 1, false };
	}
}

static inline void
vectors_close(void)
{
	free(vectors_text);
	vectors_text = NULL;
}

static inline const char *
vector_value(const char *name)
{
	for (u32 i = 0; i < line_count; i++) {
		if (strcmp(lines[i].name, name))
			continue;
		lines[i].used = true;
		return lines[i].value;
	}
	return NULL;
}

// Returns how many bytes the text stands for: 0 when there is none.
static inline u32
vector_unhex(u8 *at, u32 most, const char *hex)
{
	u32 len = hex ? (u32)strlen(hex) / 2 : 0;
	unsigned byte;

	assert_true(len <= most);
	for (u32 i = 0; i < len; i++) {
		assert_int_equal(sscanf(hex + (size_t)2 * i, "%2x", &byte), 1);
		at[i] = (u8)byte;
	}
	return len;
}

// The bytes of a line that there must be.
static inline u32
vector_bytes(const char *name, u8 *at, u32 len)
{
	assert_int_equal(vector_unhex(at, len, vector_value(name)), len);
	return len;
}
