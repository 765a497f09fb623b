// SPDX-License-Identifier: BSD-2-Clause
// Where the floor leaves the way of the ordinary kernel: it has the same objects, but its
// main.c calls floor_init() (rules.mk). When the command line says `floor=echo` or
// `floor=ping,...` that starts the network interface alone, and never comes to the rest.
// The kernel that is shipped has none of this.

#include "harness/floor/echo.h"
#include "harness/floor/ping.h"
#include "kernel/arch/x86_64/lock.h"
#include "kernel/dev/nic.h"
#include "kernel/dev/devices.h"
#include "kernel/main/kprintf.h"
#include "kernel/main/words.h"

#define ECHO_BUFFERS 256u

void
floor_init(void);

static void
start_interface(void (*interrupt)(void))
{
	devices_find();
	if (!nic_init(interrupt, ECHO_BUFFERS))
		panic("floor= needs a network interface");
	echo_init();
}

// Answers raw frames for ever.
noreturn_ static void
echo(void)
{
	start_interface(echo_interrupt);
	kprintf("floor: echoing frames\n");
	kernel_unlock();
	echo_loop();
}

// Asks a node that does.
noreturn_ static void
ping(const char *plan)
{
	struct ping_plan p;

	start_interface(ping_interrupt);
	if (!ping_plan_read(plan, NIC_ETHERNET_LEN + nic_facts()->mtu, &p))
		panic("floor=ping,%s: not MAC,AxB,CxD,FLIGHTS,OPERATIONS[,spin] "
		      "within the bounds of harness/floor/ping.h", plan);
	kernel_unlock();
	ping_run(&p);
}

void
floor_init(void)
{
	const char *word = boot_word("floor=echo");
	const char *plan = boot_word("floor=ping,");

	if (word && (*word == 0 || *word == ' '))
		echo();
	if (plan)
		ping(plan);
	devices_init();
}
