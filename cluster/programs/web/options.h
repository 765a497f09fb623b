// SPDX-License-Identifier: BSD-2-Clause
#pragma once
// The arguments of the web server:
//
//	ip=A.B.C.D/LENGTH	static address; without it DHCP is asked
//	gw=A.B.C.D		gateway; needs ip=, lies in that network
//	time=SECONDS		seconds since 1970 now, for Date fields
//	conns=N			connections at most, 1..65535
//	instance=N job=ID	as a job of a cluster: which one

#include "kernel/base/types.h"

// Addresses are in host order; 0 where none was given.
struct web_options {
	u32 address;
	u32 mask;
	u32 gateway;
	u32 conn_max;
	u64 unix_seconds;
	u64 instance;
	u64 job;
};

// Reads argv[1..argc). Returns NULL, or the argument that is wrong; *sentence
// then says why.
must_check const char *
options_read(int argc, char **argv, struct web_options *options,
	     const char **sentence);

#define ADDRESS_TEXT_SIZE 16u

// Writes an address as text, terminated.
void
address_text(u32 address, char text[ADDRESS_TEXT_SIZE]);
