// SPDX-License-Identifier: BSD-2-Clause
// Lists the programs of the boot archive, a name a line, for other programs to read.
// The shell's own `ls`, without a pipe, shows their sizes as well.
//
//	ls | PROGRAM

#include "libos/image/cpio.h"
#include "libos/mem/archive.h"
#include "libos/programs/tools/tool.h"

int
main(int argc, char **argv)
{
	struct archive archive;
	struct cpio_walk walk;
	struct cpio_entry entry;
	i64 error = archive_open(ROLE_BOOT_ARCHIVE, &archive);

	(void)argc;
	(void)argv;
	if (error) {
		print("ls: no boot archive: %s\n", error_text(error));
		return STATUS_FAILED;
	}
	cpio_start(&walk, archive.data, archive.len_bytes);
	while (cpio_next(&walk, &entry) == CPIO_ENTRY) {
		if (cpio_is_file(&entry) && entry.name[0] != '.')
			print("%s\n", entry.name);
	}
	return STATUS_OK;
}
