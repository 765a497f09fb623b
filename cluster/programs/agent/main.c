// SPDX-License-Identifier: BSD-2-Clause
// agent: a node's part of the cluster. It holds what init has but the shell's reserve,
// finds out with the other agents who lives and what is agreed, and starts `front` and
// the jobs with what each needs (docs/agent.md).
//
// Arguments, from the kernel's command line: disk=claim, vip=ADDRESS/LENGTH,
// time=SECONDS.

#include "cluster/agent/agent.h"
#include "cluster/agent/options.h"
#include "kernel/base/string.h"
#include "libos/crt/clock.h"
#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/start.h"
#include "libos/crt/status.h"
#include "libos/text/text.h"

static bool
read_word(char *word)
{
	u64 seconds;

	if (!strcmp(word, "disk=claim")) {
		agent_options.claim_disk = true;
		return true;
	}
	if (string_starts(word, "vip=")) {
		agent_options.vip = word;
		return true;
	}
	if (string_starts(word, "time=") &&
	    text_to_u64(word + strlen("time="), &seconds)) {
		agent_options.unix_at_boot =
			seconds - MIN(seconds, now_ns() / NS_PER_SECOND);
		return true;
	}
	return false;
}

int
main(int argc, char **argv)
{
	i64 error;

	agent_options.unix_at_boot = sys_info()->boot_unix_seconds;
	for (int i = 1; i < argc; i++) {
		if (!read_word(argv[i])) {
			print("agent: the command line says `%s`: it takes "
			      "disk=claim, vip=ADDRESS/LENGTH, time=SECONDS\n",
			      argv[i]);
			return STATUS_USAGE;
		}
	}
	error = agent_open();
	if (error) {
		print("agent: cannot start: %s\n", error_text(error));
		return STATUS_FAILED;
	}
	agent_run();
}
