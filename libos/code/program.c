// SPDX-License-Identifier: BSD-2-Clause
// Loading programs into the kernel, and saying why it does not want one.

#include "libos/code/program.h"
#include "libos/code/object.h"
#include "libos/crt/console.h"
#include "libos/crt/syscall.h"
#include "libos/image/cpio.h"
#include "libos/mem/archive.h"

const char *
program_reason(u32 reason)
{
	static const char *const sentences[] = {
#define X(name, sentence) [name] = sentence,
#include "kernel/abi/code_refusals.def"
#undef X
	};

	return reason < ARRAY_SIZE(sentences) ? sentences[reason]
					      : "for a reason without a name";
}

i64
program_load(const void *text, u32 count, enum program_type type,
	     struct program_verdict *verdict)
{
	struct program_spec spec = {
		.text = (u64)text, .count = count, .type = type,
	};
	i64 slot = sys_code_load(&spec);
	i64 error;

	if (slot < 0)
		return slot;
	do
		error = sys_code_verify((u32)slot, verdict);
	while (error == -E_AGAIN);
	if (error) {
		if (sys_cap_drop((u32)slot))
			print("code: cannot drop slot %u\n", (u32)slot);
		return error;
	}
	return slot;
}

i64
program_load_object(const void *file, u64 size, const char *name,
		    enum program_type type)
{
	struct object_program program;
	struct program_verdict verdict;
	const char *why = object_find(file, size, name, &program);
	i64 slot;

	if (why) {
		print("code: %s: %s\n", name, why);
		return -E_ARGUMENT;
	}
	slot = program_load(program.text, program.count, type, &verdict);
	if (slot < 0 || verdict.reason == CODE_FINE)
		return slot;
	print("code: %s: instruction %u: %s\n", name, verdict.insn,
	      program_reason(verdict.reason));
	return sys_cap_drop((u32)slot) ? -E_STATE : -E_ARGUMENT;
}

i64
program_load_boot(const char *file, const char *name, enum program_type type)
{
	struct archive boot;
	struct cpio_entry entry;
	i64 error = archive_open(ROLE_BOOT_ARCHIVE, &boot);

	if (error)
		return error;
	if (!cpio_find(boot.data, boot.len_bytes, file, &entry))
		return -E_ABSENT;
	return program_load_object(entry.data, entry.data_len, name, type);
}
