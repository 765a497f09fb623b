// SPDX-License-Identifier: BSD-2-Clause
// See stepped.h.

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#undef PAGE_SIZE		// of sys/user.h
#undef PAGE_SHIFT

#include "harness/testing/stepped.h"

#define BREAKPOINT 0xccu

static u64
to_breakpoint(pid_t child, bool step)
{
	struct user_regs_struct regs;
	u64 steps = 0;
	int status;

	for (;;) {
		ptrace(step ? PTRACE_SINGLESTEP : PTRACE_CONT, child, 0, 0);
		if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) {
			if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && !step)
				return ~0ull;
			fprintf(stderr, "the child that is stepped ended: %#x\n", status);
			exit(1);
		}
		if (!step)
			return 0;
		steps++;
		ptrace(PTRACE_GETREGS, child, 0, &regs);
		if ((ptrace(PTRACE_PEEKTEXT, child, regs.rip, 0) & 0xff) == BREAKPOINT)
			break;
	}
	to_breakpoint(child, false);
	return steps;
}

struct stepped
stepped_run(void (*run)(u32 what), u32 what)
{
	struct stepped found = { 0 };
	pid_t child = fork();
	int status;
	u64 steps;

	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		run(what);
		_exit(0);
	}
	waitpid(child, &status, 0);
	while (to_breakpoint(child, false) == 0) {
		steps = to_breakpoint(child, true);
		found.count++;
		found.sum += steps;
		found.most = steps > found.most ? steps : found.most;
	}
	return found;
}
