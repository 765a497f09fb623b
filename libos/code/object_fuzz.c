// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes the reader of eBPF objects: what it finds lies in the file. An input may be
// a whole file, or sections behind a right header.
//
// seeds: libos/bpf/*.bpf
//
// links: libos/code/object.c kernel/base/string.c harness/testing/host_assert.c

#include <stdlib.h>
#include <string.h>

#include "kernel/base/assert.h"
#include "kernel/base/byteorder.h"
#include "libos/code/object.h"

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	// Of programs of ours, so that inputs made from them go all the way.
	static const char *const names[] = { "f", "add", "parrot", "liar_owns", "reached" };
	struct object_program program;
	u8 *file = malloc(size ? size : 1);
	const char *why;

	if (!file)
		abort();
	memcpy(file, data, size);
	if (size >= 64 && !(data[0] & 1)) {
		memset(file, 0, 64);
		memcpy(file, "\177ELF\2\1\1", 7);
		le16_store(file + 16, 1);
		le16_store(file + 18, 247);
		le64_store(file + 40, 64);
		le16_store(file + 58, 64);
		le16_store(file + 60, data[1] % 8);
	}
	for (u32 i = 0; i < ARRAY_SIZE(names); i++) {
		why = object_find(file, size, names[i], &program);
		if (why)
			continue;
		ASSERT(program.count > 0 && program.count <= CODE_INSNS_MAX);
		ASSERT(program.text >= file && program.text + program.count *
		       sizeof(struct code_insn) <= file + size);
	}
	free(file);
	return 0;
}
