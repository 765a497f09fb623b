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
	int width;
	int precision;		// -1: none given
	int longs;		// 'l' counts 1, 'll' and 'z' 2
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
put_text(struct out *out, const struct conversion *conv, const char *text)
{
	int len = 0;

	if (!text)
		text = "(null)";
	while ((conv->precision < 0 || len < conv->precision) && text[len])
		len++;
	if (!conv->left)
		put_padding(out, ' ', conv->width - len);
	for (int i = 0; i < len; i++)
		put(out, text[i]);
	if (conv->left)
		put_padding(out, ' ', conv->width - len);
}

static void
put_number(struct out *out, const struct conversion *conv, u64 value,
	   bool negative, u32 base, const char *digits)
{
	char text[24];
	int len = 0;

	ASSERT(base == 10 || base == 16);
	do {
		text[len++] = digits[value % base];
		value /= base;
	} while (value);
	ASSERT(len <= 20);

	int padding = conv->width - len - negative;

	if (!conv->left && !conv->zero)
		put_padding(out, ' ', padding);
	if (negative)
		put(out, '-');
	if (!conv->left && conv->zero)
		put_padding(out, '0', padding);
	while (len--)
		put(out, text[len]);
	if (conv->left)
		put_padding(out, ' ', padding);
}

// A number in the format, or an argument for `*`.
static const char *
parse_number(const char *f, int *value, va_list *args)
{
	*value = 0;
	if (*f == '*') {
		*value = va_arg(*args, int);
		return f + 1;
	}
	for (; *f >= '0' && *f <= '9'; f++)
		*value = *value * 10 + (*f - '0');
	return f;
}

static const char *
parse_flags(const char *f, struct conversion *conv, va_list *args)
{
	*conv = (struct conversion){ .precision = -1 };
	for (; *f == '-' || *f == '0'; f++) {
		conv->left |= *f == '-';
		conv->zero |= *f == '0';
	}
	f = parse_number(f, &conv->width, args);
	if (conv->width < 0) {
		conv->left = true;
		conv->width = -conv->width;
	}
	if (*f == '.')
		f = parse_number(f + 1, &conv->precision, args);
	for (; *f == 'l' || *f == 'z' || *f == 'h'; f++)
		conv->longs += *f == 'z' ? 2 : *f == 'l' ? 1 : 0;
	return f;
}

static u64
next_unsigned(const struct conversion *conv, va_list *args)
{
	return conv->longs ? va_arg(*args, u64) : va_arg(*args, u32);
}

static void
put_signed(struct out *out, const struct conversion *conv, va_list *args)
{
	i64 v = conv->longs ? va_arg(*args, i64) : va_arg(*args, i32);
	u64 magnitude = v < 0 ? 0 - (u64)v : (u64)v;

	put_number(out, conv, magnitude, v < 0, 10, "0123456789");
}

static bool
put_conversion(struct out *out, char kind, const struct conversion *conv,
	       va_list *args)
{
	static const char lower[] = "0123456789abcdef";
	static const char upper[] = "0123456789ABCDEF";
	char text[2] = { 0 };

	switch (kind) {
	case 'd':
	case 'i':
		put_signed(out, conv, args);
		return true;
	case 'u':
		put_number(out, conv, next_unsigned(conv, args), false, 10, lower);
		return true;
	case 'x':
		put_number(out, conv, next_unsigned(conv, args), false, 16, lower);
		return true;
	case 'X':
		put_number(out, conv, next_unsigned(conv, args), false, 16, upper);
		return true;
	case 'p':
		put(out, '0');
		put(out, 'x');
		put_number(out, conv, (u64)(uintptr_t)va_arg(*args, void *),
			   false, 16, lower);
		return true;
	case 'c':
		text[0] = (char)va_arg(*args, int);
		put_text(out, conv, text);
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
