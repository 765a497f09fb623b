// SPDX-License-Identifier: BSD-2-Clause
// Parsing of the web server's arguments: text from the command line of the
// node, so every part is checked.
//
// Stateless.

#include "cluster/programs/web/options.h"
#include "cluster/view/view.h"
#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "libos/text/text.h"

// A host's address: not 0/8, not loopback, multicast or above.
static bool
is_host(u32 address)
{
	u32 first = address >> 24;

	return first != 0 && first != 127 && first < 224;
}

static const char *
read_address(const char *text, struct web_options *o)
{
	u32 length, host;

	if (!text_take_address(&text, &o->address) || *text++ != '/' ||
	    !text_take_number(&text, 30, &length) || *text || length == 0)
		return "an address is written like ip=10.0.2.15/24";
	o->mask = ~0u << (32 - length);
	host = o->address & ~o->mask;
	if (!is_host(o->address) || host == 0 || host == ~o->mask)
		return "this is no host's address";
	return NULL;
}

static const char *
read_gateway(const char *text, struct web_options *o)
{
	if (!text_take_address(&text, &o->gateway) || *text)
		return "a gateway is written like gw=10.0.2.2";
	return is_host(o->gateway) ? NULL : "this is no host's address";
}

static const char *
read_number(const char *text, u64 max, u64 *value)
{
	return text_to_u64(text, value) && *value <= max ? NULL :
	       "the agent gives a number here";
}

static const char *
read_option(const char *word, struct web_options *o)
{
	u64 number;

	if (string_starts(word, "ip="))
		return read_address(word + 3, o);
	if (string_starts(word, "gw="))
		return read_gateway(word + 3, o);
	if (string_starts(word, "time="))
		return text_to_u64(word + 5, &o->unix_seconds) ? NULL :
		       "time= is a number of seconds since 1970";
	if (string_starts(word, "conns=")) {
		if (!text_to_u64(word + 6, &number) || number < 1 ||
		    number > 65535)
			return "conns= is a number from 1 to 65535";
		o->conn_max = (u32)number;
		return NULL;
	}
	if (string_starts(word, "instance="))
		return read_number(word + 9, VIEW_INSTANCES_MAX - 1, &o->instance);
	if (string_starts(word, "job="))
		return read_number(word + 4, UINT32_MAX, &o->job);
	return "no such option; there are ip= gw= time= conns= instance= job=";
}

const char *
options_read(int argc, char **argv, struct web_options *options,
	     const char **sentence)
{
	*options = (struct web_options){ 0 };
	for (int i = 1; i < argc; i++) {
		*sentence = read_option(argv[i], options);
		if (*sentence)
			return argv[i];
	}
	if (options->gateway && ((options->gateway ^ options->address) &
				 options->mask || !options->address)) {
		*sentence = "the gateway is not in the network of ip=";
		return "gw=";
	}
	return NULL;
}

void
address_text(u32 address, char text[ADDRESS_TEXT_SIZE])
{
	fmt_into(text, ADDRESS_TEXT_SIZE, "%u.%u.%u.%u", address >> 24,
		 address >> 16 & 255, address >> 8 & 255, address & 255);
}
