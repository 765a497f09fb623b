// SPDX-License-Identifier: BSD-2-Clause
// Where the broken kernel leaves the way of the ordinary one: it has the same objects,
// and by the linker's --wrap breaks itself once the first environment exists, in the way
// that the word `panic=WAY` on its command line names. The kernel that is shipped has
// none of this.

#include "harness/broken/provoke.h"
#include "kernel/arch/x86_64/multiboot.h"
#include "kernel/main/words.h"

void
__real_first_env(const struct boot_info *boot);
void
__wrap_first_env(const struct boot_info *boot);

void
__wrap_first_env(const struct boot_info *boot)
{
	const char *way = boot_word("panic=");

	__real_first_env(boot);
	if (way)
		provoke(way);
}
