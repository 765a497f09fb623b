// SPDX-License-Identifier: BSD-2-Clause
// Formatted text: one pass over the format, one conversion a function.
//
// Stateless and reentrant: a panic may call it in any context. Output beyond
// the buffer is counted and dropped, so a caller can size a second try.

#include "kernel/base/fmt.h"
#include "kernel/base/assert.h"

struct out {
	char *buffer;
	size_t size;
	size_t length;		// of the whole text, also what did not fit
};

struct conversion {
	bool left;		// '-': pad on the right
	bool zero;		// '0': pad numbers with zeros
	bool wide;		// 'l', 'll': 64 bits
	int width;
	int precision;		// of text; -1: all of it
};

static void
put(struct out *out, char c)
{
	if (out->length + 1 < out->size)
		out->buffer[out->length] = c;
	out->length++;
}

static void
put_padding(struct out *out, char c, int count)
{
	while (count-- > 0)
		put(out, c);
}

static void
put_field(struct out *out, const struct conversion *conv, bool zero, bool negative,
	  const char *text, int len)
{
	int padding = conv->width - len - negative;

	if (!conv->left && !zero)
		put_padding(out, ' ', padding);
	if (negative)
		put(out, '-');
	if (!conv->left && zero)
		put_padding(out, '0', padding);
	for (int i = 0; i < len; i++)
		put(out, text[i]);
	if (conv->left)
		put_padding(out, ' ', padding);
}

static void
put_text(struct out *out, const struct conversion *conv, const char *text)
{
	int len = 0;

	if (!text)
		text = "(null)";
	while ((conv->precision < 0 || len < conv->precision) && text[len])
		len++;
	put_field(out, conv, false, false, text, len);
}

static void
put_number(struct out *out, const struct conversion *conv, u64 value, bool negative,
	   u32 base)
{
	char text[20];
	char *end = text + sizeof(text), *at = end;

	ASSERT(base == 10 || base == 16);
	do {
		*--at = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	put_field(out, conv, conv->zero, negative, at, (int)(end - at));
}

static const char *
parse_flags(const char *f, struct conversion *conv, va_list *args)
{
	*conv = (struct conversion){ .precision = -1 };
	for (; *f == '-' || *f == '0'; f++) {
		conv->left |= *f == '-';
		conv->zero |= *f == '0';
	}
	for (; *f >= '0' && *f <= '9'; f++)
		conv->width = conv->width * 10 + (*f - '0');
	if (f[0] == '.' && f[1] == '*') {
		conv->precision = va_arg(*args, int);
		f += 2;
	}
	for (; *f == 'l'; f++)
		conv->wide = true;
	return f;
}

static bool
put_conversion(struct out *out, char kind, const struct conversion *conv,
	       va_list *args)
{
	char c;
	i64 v;

	switch (kind) {
	case 'd':
		v = conv->wide ? va_arg(*args, i64) : va_arg(*args, i32);
		put_number(out, conv, v < 0 ? 0 - (u64)v : (u64)v, v < 0, 10);
		return true;
	case 'u':
	case 'x':
		put_number(out, conv, conv->wide ? va_arg(*args, u64)
						 : va_arg(*args, u32),
			   false, kind == 'x' ? 16 : 10);
		return true;
	case 'c':
		c = (char)va_arg(*args, int);
		put_field(out, conv, false, false, &c, 1);
		return true;
	case 's':
		put_text(out, conv, va_arg(*args, const char *));
		return true;
	case '%':
		put(out, '%');
		return true;
	}
	return false;
}

size_t
fmt_into_va(char *buffer, size_t size, const char *format, va_list args)
{
	struct out out = { buffer, size, 0 };
	struct conversion conv;
	va_list rest;

	va_copy(rest, args);
	for (const char *f = format; *f; f++) {
		if (*f != '%') {
			put(&out, *f);
			continue;
		}
		const char *kind = parse_flags(f + 1, &conv, &rest);

		if (*kind && put_conversion(&out, *kind, &conv, &rest))
			f = kind;
		else
			put(&out, *f);
	}
	va_end(rest);
	if (size)
		buffer[MIN(out.length, size - 1)] = 0;
	return out.length;
}

size_t
fmt_into(char *buffer, size_t size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	size_t length = fmt_into_va(buffer, size, format, args);
	va_end(args);
	return length;
}
