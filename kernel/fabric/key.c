// SPDX-License-Identifier: BSD-2-Clause
// The cluster's key. Words are separated by blanks; of several with one name the
// first counts, and all are blanked, so that no program sees the key.

#include "kernel/fabric/key.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/main/kprintf.h"
#include "net/link/crypto.h"
#include "net/link/link.h"

#define WORD_MAX 128u

// Moves the value of the first word that begins with `prefix` to `value`, and
// blanks every such word. Returns its length, 0 when there is none.
static u32
take_word(char *cmdline, const char *prefix, char value[WORD_MAX])
{
	size_t skip = strlen(prefix);
	u32 len = 0;

	for (char *at = cmdline; *at; at++) {
		if ((at != cmdline && at[-1] != ' ') || !string_starts(at, prefix))
			continue;
		for (size_t i = 0; at[i] && at[i] != ' '; i++) {
			if (i >= skip && i - skip < WORD_MAX && len == i - skip)
				value[len++] = at[i];
			at[i] = ' ';
		}
	}
	return len;
}

static i32
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
read_hex(const char *text, u32 len, u8 bytes[CRYPTO_KEY])
{
	memset(bytes, 0, CRYPTO_KEY);
	if (len % 2 || len / 2 > CRYPTO_KEY)
		return false;
	for (u32 i = 0; i < len; i++) {
		i32 d = digit(text[i]);

		if (d < 0)
			return false;
		bytes[i / 2] = (u8)(bytes[i / 2] << 4 | d);
	}
	return true;
}

bool
key_take(char *cmdline, u8 key[32])
{
	char name[WORD_MAX], hex[WORD_MAX];
	u32 name_len = take_word(cmdline, "cluster=", name);
	u32 hex_len = take_word(cmdline, "key=", hex);
	u8 secret[CRYPTO_KEY];

	STATIC_ASSERT(CRYPTO_KEY == 32);
	if (!name_len)
		return false;
	if (!read_hex(hex, hex_len, secret)) {
		kprintf("fabric: key= takes at most 64 hexadecimal digits, in "
			"pairs: this node joins no cluster\n");
		return false;
	}
	crypto_hash(key, CRYPTO_KEY, secret, name, name_len);
	memset(secret, 0, sizeof(secret));
	memset(hex, 0, sizeof(hex));
	return true;
}

bool
key_cover(char *cmdline, u8 *cover)
{
	static const struct {
		const char *name, *says;
		enum link_cover cover;
	} known[] = {
		{ "hidden", "what frames carry is encrypted", LINK_HIDDEN },
		{ "untagged", "frames are NOT authenticated: for measuring only",
		  LINK_BARE },
	};
	char word[WORD_MAX];
	u32 len = take_word(cmdline, "fabric=", word);

	*cover = LINK_TAGGED;
	for (u32 i = 0; len && i < ARRAY_SIZE(known); i++) {
		if (len != strlen(known[i].name) || memcmp(word, known[i].name, len))
			continue;
		kprintf("fabric: fabric=%s: %s\n", known[i].name, known[i].says);
		*cover = (u8)known[i].cover;
		return true;
	}
	if (len)
		kprintf("fabric: fabric= takes the words hidden and untagged: this "
			"node joins no cluster\n");
	return !len;
}
