// SPDX-License-Identifier: BSD-2-Clause
// The JSON writer: structure, escapes of any byte, exact numbers, and what happens when
// the room ends, at every place where it can.
//
// links: cluster/api/json.c kernel/base/fmt.c kernel/base/string.c
// links: harness/testing/host_assert.c

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/api/json.h"

static char buffer[4096];
static struct json json;

static const char *
ended(void)
{
	u32 len = json_end(&json);

	assert_true(len > 0 && len < sizeof(buffer));
	buffer[len] = 0;
	return buffer;
}

static void
begin(void)
{
	json_begin(&json, buffer, sizeof(buffer));
}

static void
structure_and_values(void **state)
{
	static const u8 uuid[16] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
				     0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10 };

	(void)state;
	begin();
	json_open_object(&json, NULL);
	json_number(&json, "most", UINT64_MAX);
	json_bool(&json, "yes", true);
	json_null(&json, "nothing");
	json_open_array(&json, "list");
	json_number(&json, NULL, 1);
	json_open_object(&json, NULL);
	json_close(&json);
	json_string(&json, NULL, "x");
	json_close(&json);
	json_hex(&json, "hex", uuid, 3);
	json_uuid(&json, "uuid", uuid);
	json_address(&json, "address", 0x0a0002ff);
	json_address(&json, "none", 0);
	json_reason(&json, "why", "it is so");
	json_reason(&json, "because", "");
	json_reason(&json, "of", NULL);
	json_close(&json);
	assert_string_equal(ended(),
		"{\"most\":18446744073709551615,\"yes\":true,\"nothing\":null,"
		"\"list\":[1,{},\"x\"],\"hex\":\"012345\","
		"\"uuid\":\"01234567-89ab-cdef-fedc-ba9876543210\","
		"\"address\":\"10.0.2.255\",\"none\":null,\"why\":\"it is so\","
		"\"because\":null,\"of\":null}\n");
}

static void
assert_text(const char *text, u32 len, const char *expected)
{
	begin();
	json_text(&json, NULL, text, len);
	assert_string_equal(ended(), expected);
}

#define TEXT(bytes) bytes, sizeof(bytes) - 1

static void
any_byte_is_escaped_so_that_it_comes_back(void **state)
{
	(void)state;
	assert_text(TEXT("a\"b\\c/"), "\"a\\\"b\\\\c/\"\n");
	assert_text(TEXT("\n\t\r\0\x1f\x7f"),
		    "\"\\n\\t\\u000d\\u0000\\u001f\\u007f\"\n");
	// UTF-8 of two, three and four bytes stays.
	assert_text(TEXT("\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"),
		    "\"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\"\n");
	// Lone, cut, overlong, surrogate, too large: byte by byte.
	assert_text(TEXT("\xff"), "\"\\udcff\"\n");
	assert_text(TEXT("\xc3"), "\"\\udcc3\"\n");
	assert_text(TEXT("\xe2\x82x"), "\"\\udce2\\udc82x\"\n");
	assert_text(TEXT("\xc0\xaf"), "\"\\udcc0\\udcaf\"\n");
	assert_text(TEXT("\xe0\x80\xaf"), "\"\\udce0\\udc80\\udcaf\"\n");
	assert_text(TEXT("\xed\xa0\x80"), "\"\\udced\\udca0\\udc80\"\n");
	assert_text(TEXT("\xf4\x90\x80\x80"), "\"\\udcf4\\udc90\\udc80\\udc80\"\n");
}

// Nothing is read behind the end of a text that ends inside of a character.
static void
a_text_ends_where_it_says(void **state)
{
	(void)state;
	assert_text("\xe2\x82\xac", 2, "\"\\udce2\\udc82\"\n");
	assert_text("abc", 2, "\"ab\"\n");
	assert_text("", 0, "\"\"\n");
}

// In every room that is too small the writer stays inside and says so.
static void
what_does_not_fit_is_never_half_there(void **state)
{
	static const char whole[] = "{\"key\":[\"some text\",12345,{\"a\":true}]}\n";

	(void)state;
	for (u32 room = JSON_TAIL + 1; room < sizeof(buffer); room++) {
		u32 len;

		memset(buffer, '#', sizeof(buffer));
		json_begin(&json, buffer, room);
		json_open_object(&json, NULL);
		json_open_array(&json, "key");
		json_string(&json, NULL, "some text");
		json_number(&json, NULL, 12345);
		json_open_object(&json, NULL);
		json_bool(&json, "a", true);
		json_close(&json);
		json_close(&json);
		json_close(&json);
		len = json_end(&json);
		assert_int_equal(buffer[room], '#');
		if (len) {
			assert_int_equal(len, sizeof(whole) - 1);
			assert_memory_equal(buffer, whole, len);
			return;
		}
	}
	fail();
}

// A list is cut at an element, and the document stays whole.
static void
a_list_is_cut_between_elements(void **state)
{
	(void)state;
	for (u32 room = JSON_TAIL + 16; room < 200; room++) {
		u32 count = 0, commas = 0, len;

		json_begin(&json, buffer, room);
		json_open_object(&json, NULL);
		json_open_array(&json, "list");
		for (;;) {
			struct json mark = json_mark(&json);

			json_string(&json, NULL, "element");
			if (json.full) {
				json_cut(&json, &mark);
				break;
			}
			count++;
		}
		json_close(&json);
		json_bool(&json, "truncated", json.cut);
		json_close(&json);
		len = json_end(&json);
		assert_true(len > 0 && len <= room);
		buffer[len] = 0;
		for (u32 i = 0; i < len; i++)
			commas += buffer[i] == ',';
		assert_int_equal(commas, count ? count : 1);
		assert_non_null(strstr(buffer, "],\"truncated\":true}\n"));
	}
}

static void
one_text_takes_the_place_of_another(void **state)
{
	static char other[4096];
	struct json from;

	(void)state;
	json_begin(&from, other, sizeof(other));
	json_open_array(&from, NULL);
	json_string(&from, NULL, "a");
	json_close(&from);
	begin();
	json_copy(&json, &from);
	assert_string_equal(ended(), "[\"a\"]\n");
	from.full = true;
	begin();
	json_copy(&json, &from);
	assert_int_equal(json_end(&json), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(structure_and_values),
		cmocka_unit_test(any_byte_is_escaped_so_that_it_comes_back),
		cmocka_unit_test(a_text_ends_where_it_says),
		cmocka_unit_test(what_does_not_fit_is_never_half_there),
		cmocka_unit_test(a_list_is_cut_between_elements),
		cmocka_unit_test(one_text_takes_the_place_of_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
