// SPDX-License-Identifier: BSD-2-Clause
// Fuzzes the web server's arguments: lines of the input are words. Either a word
// is refused with a sentence, or every value is in its range; what was read of
// an address reads the same when it is written again.
//
// words: ip= gw= time= conns= instance= job= 10.0.2.15/24 10.0.2.2 255 \n
//
// links: cluster/programs/web/options.c libos/text/text.c kernel/base/fmt.c kernel/base/string.c
// links: harness/testing/host_assert.c

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/assert.h"
#include "cluster/programs/web/options.h"

#define WORDS_MAX 8

static void
check_address(u32 address)
{
	char shown[ADDRESS_TEXT_SIZE], word[ADDRESS_TEXT_SIZE + 8];
	char *argv[] = { "web", word };
	struct web_options again;
	const char *sentence;

	address_text(address, shown);
	ASSERT(strlen(shown) < ADDRESS_TEXT_SIZE);
	snprintf(word, sizeof(word), "ip=%s/1", shown);
	if (!options_read(2, argv, &again, &sentence))
		ASSERT(again.address == address);
}

static void
check_options(const struct web_options *o)
{
	ASSERT(o->conn_max <= 65535);
	if (o->address) {
		u32 host = o->address & ~o->mask;

		ASSERT(o->mask && !(~o->mask & (~o->mask + 1)));
		ASSERT(host != 0 && host != ~o->mask);
		check_address(o->address);
	}
	if (o->gateway)
		ASSERT(!((o->gateway ^ o->address) & o->mask));
}

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int
LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	char *words = malloc(size + 1), *argv[WORDS_MAX + 1] = { "web" };
	const char *sentence = NULL, *wrong;
	struct web_options options;
	int argc = 1;

	if (!words)
		abort();
	memcpy(words, data, size);
	words[size] = 0;
	for (char *word = strtok(words, "\n"); word && argc <= WORDS_MAX;
	     word = strtok(NULL, "\n"))
		argv[argc++] = word;
	wrong = options_read(argc, argv, &options, &sentence);
	if (wrong)
		ASSERT(sentence && strlen(sentence) > 0);
	else
		check_options(&options);
	free(words);
	return 0;
}
