// SPDX-License-Identifier: BSD-2-Clause
//
// The Linux peer's half of the `primitives` benchmark: the same
// operations as DEOS's program `prims`, done the cheapest way that Linux
// offers an unprivileged program. Prints one line a repetition in the format
// both systems share: "prims: NAME ns=VALUE", VALUE being nanoseconds (or,
// under -icount shift=0, instructions) for one operation.
//
//	null call			getpid by a bare system call
//	fault upcall			SIGSEGV to a handler that steps over the store
//	protect fault unprotect		mprotect one page of 256, each time the next,
//					read-only, store, SIGSEGV, the handler
//					unprotects, the store is retried
//	protect fault unprotect alone	the same with always the same page, which is a
//					mapping of its own, so that Linux has none to
//					split and to join
//	control transfer		a byte to another process and one back, by two
//					pipes; the other one lives meanwhile
//	map page batch			1,024 pages of a shared memory file mapped
//					populated and unmapped, a page: the frames
//					exist already, as they do on DEOS
//	environment create destroy	fork, exit in the child, wait; run first,
//					while the process is as small as it can be
//	fork 16MiB			the same with 16 MiB that the process has
//					written, in pages of 4 KiB
//
// A repetition lasts about a millisecond, so that most of them are whole even on a
// host that others use; those before the first that counts are the warm-up. What a
// primitive needs is made before, and taken down after, all of its repetitions.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum {
	PAGE = 4096,
	BATCH = 1024,
	REGION = 256, // pages
	LARGE = 16 << 20,
	REPETITIONS = 25,
	STORE_BYTES = 2, // length of "mov %al,(%rdi)"
};

struct primitive {
	const char *name;
	void (*run)(long count);
	long count;   // operations a repetition
	long warm_up; // repetitions that do not count
	void (*begin)(void);
	void (*end)(void);
};

static char *page;	// one private page, present and writable, a mapping of its own
static char *region;	// REGION such pages, one mapping
static char *guard;	// one page that may not be touched
static int memory_file; // BATCH pages, present
static int there[2], back[2]; // the pipes to the other process and from it
static pid_t other;

static long
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static void
on_fault(void (*handler)(int, siginfo_t *, void *))
{
	// SA_NODEFER spares nothing and SA_RESTART nothing: plain is cheapest.
	struct sigaction action = {
		.sa_sigaction = handler,
		.sa_flags = SA_SIGINFO,
	};

	if (sigaction(SIGSEGV, &action, NULL) < 0)
		die("sigaction");
}

static void
environment_create_destroy(long count)
{
	for (long i = 0; i < count; i++) {
		long child = syscall(SYS_fork);

		if (child == 0)
			syscall(SYS_exit_group, 0);
		if (child < 0 || waitpid((pid_t)child, NULL, 0) < 0)
			die("fork");
	}
}

// Huge pages would make this another benchmark: a copy of eight entries.
static void
fork_begin(void)
{
	char *large = mmap(NULL, LARGE, PROT_READ | PROT_WRITE,
	                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (large == MAP_FAILED)
		die("mmap");
	madvise(large, LARGE, MADV_NOHUGEPAGE);
	for (long i = 0; i < LARGE; i += PAGE)
		large[i] = 1;
}

static void
null_call(long count)
{
	for (long i = 0; i < count; i++)
		syscall(SYS_getpid);
}

static void
step_over(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)info;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += STORE_BYTES;
}

static void
fault_begin(void)
{
	on_fault(step_over);
}

static void
fault_upcall(long count)
{
	for (long i = 0; i < count; i++) // mov %al,(%rdi), as bytes: fixed length
		__asm__ volatile(".byte 0x88,0x07" ::"D"(guard), "a"(0) : "memory");
}

static void
unprotect(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	if (mprotect((void *)((long)info->si_addr & -PAGE), PAGE, PROT_READ | PROT_WRITE) < 0)
		_exit(1);
}

static void
protect(char *at)
{
	if (mprotect(at, PAGE, PROT_READ) < 0)
		die("mprotect");
	*(volatile char *)at = 1;
}

static void
protect_begin(void)
{
	on_fault(unprotect);
}

static void
protect_fault_unprotect(long count)
{
	for (long i = 0; i < count; i++)
		protect(region + i % REGION * PAGE);
}

static void
protect_alone(long count)
{
	for (long i = 0; i < count; i++)
		protect(page);
}

static void
transfer_begin(void)
{
	char byte;

	if (pipe(there) < 0 || pipe(back) < 0)
		die("pipe");
	other = fork();
	if (other == 0) {
		close(there[1]);
		while (read(there[0], &byte, 1) == 1)
			if (write(back[1], &byte, 1) != 1)
				break;
		_exit(0);
	}
	if (other < 0)
		die("fork");
}

static void
control_transfer(long count)
{
	char byte = 0;

	for (long i = 0; i < count; i++)
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			die("pipe");
}

static void
transfer_end(void)
{
	close(there[0]), close(there[1]), close(back[0]), close(back[1]);
	waitpid(other, NULL, 0);
}

static void
map_page_batch(long count)
{
	for (long i = 0; i < count; i += BATCH) {
		void *at = mmap(NULL, BATCH * PAGE, PROT_READ | PROT_WRITE,
		                MAP_SHARED | MAP_POPULATE, memory_file, 0);

		if (at == MAP_FAILED)
			die("mmap");
		munmap(at, BATCH * PAGE);
	}
}

static const struct primitive PRIMITIVES[] = {
	{ "environment create destroy", environment_create_destroy, 2, 20, NULL, NULL },
	{ "null call", null_call, 3000, 10, NULL, NULL },
	{ "fault upcall", fault_upcall, 150, 10, fault_begin, NULL },
	{ "protect fault unprotect", protect_fault_unprotect, 40, 20, protect_begin, NULL },
	{ "protect fault unprotect alone", protect_alone, 80, 20, protect_begin, NULL },
	{ "control transfer", control_transfer, 30, 50, transfer_begin, transfer_end },
	{ "map page batch", map_page_batch, BATCH * 1L, 20, NULL, NULL },
	{ "fork 16MiB", environment_create_destroy, 1, 10, fork_begin, NULL },
};

static void
prepare_memory(void)
{
	char *two = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
	                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static char zeros[PAGE];

	if (two == MAP_FAILED)
		die("mmap");
	page = two;
	guard = two + PAGE;
	page[0] = 1;
	region = mmap(NULL, (REGION + 1) * PAGE, PROT_READ | PROT_WRITE,
	              MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (region == MAP_FAILED || mprotect(region + REGION * PAGE, PAGE, PROT_NONE) < 0)
		die("mmap");
	if (mprotect(guard, PAGE, PROT_NONE) < 0)
		die("mprotect");
	memory_file = memfd_create("batch", MFD_CLOEXEC);
	if (memory_file < 0)
		die("memfd_create");
	for (int i = 0; i < BATCH; i++)
		if (write(memory_file, zeros, PAGE) != PAGE)
			die("write");
}

static void
measure(const struct primitive *p)
{
	static long took_ns[REPETITIONS];

	if (p->begin)
		p->begin();
	for (long i = 0; i < p->warm_up; i++)
		p->run(p->count);
	for (int i = 0; i < REPETITIONS; i++) {
		took_ns[i] = now_ns();
		p->run(p->count);
		took_ns[i] = now_ns() - took_ns[i];
	}
	if (p->end)
		p->end();
	for (int i = 0; i < REPETITIONS; i++)
		printf("prims: %s ns=%.1f\n", p->name,
		       (double)took_ns[i] / (double)p->count);
	fflush(stdout);
}

int
main(void)
{
	prepare_memory();
	for (size_t i = 0; i < sizeof PRIMITIVES / sizeof PRIMITIVES[0]; i++)
		measure(&PRIMITIVES[i]);
	return 0;
}
