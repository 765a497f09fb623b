// SPDX-License-Identifier: BSD-2-Clause
// The shell's commands: one table of names, handlers and a line of help. A first
// word that is no command is a program of the boot archive.

#include "libos/crt/console.h"
#include "libos/crt/errors.h"
#include "libos/crt/line.h"
#include "libos/crt/start.h"
#include "libos/crt/syscall.h"
#include "libos/programs/sh/sh.h"
#include "libos/text/text.h"

static void
help(int argc, char **argv);

static void
run(int argc, char **argv)
{
	bool background = !strcmp(argv[argc - 1], "&");

	if (argc - background < 2) {
		print("run: which program? `ls` lists them\n");
		return;
	}
	pipeline_start(argc - 1 - background, argv + 1, background, false);
}

static void
time_it(int argc, char **argv)
{
	if (argc < 2 || !strcmp(argv[argc - 1], "&")) {
		print("time: which program? It runs in the foreground\n");
		return;
	}
	pipeline_start(argc - 1, argv + 1, false, true);
}

static void
kill(int argc, char **argv)
{
	u64 id;

	if (argc != 2 || !text_to_u64(argv[1], &id) || id == 0 || id > ~0u) {
		print("kill: give the id of an environment; `envs` lists them\n");
		return;
	}
	job_kill((u32)id);
}

static void
status(int argc, char **argv)
{
	print("%s %u\n", argc > 1 ? argv[1] : "status", job_last_status());
}

static void
stop(enum machine_stop_how how)
{
	u32 slot = startup_slot(ROLE_MACHINE);

	print("%s\n", error_text(slot == SLOT_NONE ?
				 -E_ABSENT : sys_machine_stop(slot, how)));
}

static void
audit(int argc, char **argv)
{
	u32 slot = startup_slot(ROLE_MACHINE);
	i64 error = slot == SLOT_NONE ? -E_ABSENT : sys_machine_audit(slot);

	(void)argc;
	(void)argv;
	print("audit: %s\n", error ? error_text(error) : "all is accounted for");
}

static void
power_off(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	stop(MACHINE_POWER_OFF);
}

static void
reboot(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	stop(MACHINE_REBOOT);
}

static const struct command {
	const char *name;
	const char *arguments;
	const char *sentence;
	void (*run)(int argc, char **argv);
} commands[] = {
	{ "help", "", "shows this", help },
	{ "ls", "", "lists the programs of the boot archive", show_programs },
	{ "run", "NAME [ARG...] [&]", "runs a program (NAME alone does too)",
	  run },
	{ "time", "NAME [ARG...]", "runs it, and says how long it took", time_it },
	{ "kill", "ID", "ends a program started here", kill },
	{ "status", "[WORD]",
	  "says, behind WORD, how the last program ended", status },
	{ "envs", "", "lists the environments", show_envs },
	{ "frames", "", "counts page frames by owner and state", show_frames },
	{ "slices", "", "shows who has the processors, when", show_slices },
	{ "rings", "", "lists the packet rings", show_rings },
	{ "caps", "[ID]", "lists capabilities: the shell's, or a child's",
	  show_caps },
	{ "links", "", "lists the links to other nodes", show_links },
	{ "mem", "", "shows the memory of the node and of the shell",
	  show_memory },
	{ "trace", "[N]", "shows the kernel's newest trace events", show_trace },
	{ "uptime", "", "shows the time since boot", show_uptime },
	{ "audit", "", "has the kernel count what it gave out", audit },
	{ "poweroff", "", "powers the node off", power_off },
	{ "reboot", "", "starts the node anew", reboot },
};

static void
help(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (u32 i = 0; i < ARRAY_SIZE(commands); i++)
		print("  %-8s %-18s %s\n", commands[i].name,
		      commands[i].arguments, commands[i].sentence);
	print("  ^C ends the program in the foreground; `&` runs one in the "
	      "background\n  `a | b` gives what a program writes to the next to "
	      "read\n");
}

static bool
has_pipe(int count, char **words)
{
	for (int i = 0; i < count; i++) {
		if (!strcmp(words[i], "|"))
			return true;
	}
	return false;
}

void
command_run(char *text)
{
	char *words[WORDS_MAX];
	int count = line_split(text, words);
	bool background;

	if (count < 0)
		print("sh: an open quote, or more than %u words\n", WORDS_MAX);
	if (count <= 0)
		return;
	for (u32 i = 0; i < ARRAY_SIZE(commands) && !has_pipe(count, words); i++) {
		if (!strcmp(words[0], commands[i].name)) {
			commands[i].run(count, words);
			return;
		}
	}
	background = count > 1 && !strcmp(words[count - 1], "&");
	if (!strcmp(words[0], "time"))
		time_it(count, words);
	else
		pipeline_start(count - background, words, background, false);
}
