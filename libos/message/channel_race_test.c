// SPDX-License-Identifier: BSD-2-Clause
// links: -lpthread
//
// A channel between two threads, under the thread sanitizer (harness/testing/rules.mk):
// every message arrives once, whole and in order, and whoever sleeps is woken, for a
// wake that gets lost hangs the test. A sleep is as the kernel's: it looks at the words
// when it begins, and again at each wake.

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// All of the program is built with one sanitizer.
#include "harness/testing/host_assert.c"
#include "libos/message/channel.c"

#define SIZE 256u
#define MESSAGES 200000u
#define PATIENCE_S 60u

struct side {
	struct channel channel;
	u64 naps;
	u64 wakes;
	u32 wrong;
};

static struct channel_end writes, reads;
static u8 ring[SIZE];
static struct side writer, reader;
static pthread_mutex_t kernel = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t hint = PTHREAD_COND_INITIALIZER;

static void
sleep_and_rise(struct side *side)
{
	bool sleeps = channel_nap(&side->channel);

	if (sleeps) {
		side->naps++;
		pthread_mutex_lock(&kernel);
		while (!channel_moved(&side->channel))
			pthread_cond_wait(&hint, &kernel);
		pthread_mutex_unlock(&kernel);
	}
	channel_rise(&side->channel);
}

static void
wake(struct side *side)
{
	if (!channel_wakes(&side->channel))
		return;
	side->wakes++;
	pthread_mutex_lock(&kernel);
	pthread_cond_broadcast(&hint);
	pthread_mutex_unlock(&kernel);
}

static u32
compose(u32 n, u8 message[SIZE])
{
	u32 len = n * 7 % 61;

	memset(message, (int)(n % 251), len);
	return len;
}

static void *
write_all(void *argument)
{
	u8 message[SIZE];

	(void)argument;
	for (u32 i = 0; i < MESSAGES;) {
		u32 len = compose(i, message);

		if (channel_put(&writer.channel, message, len) == CHANNEL_DONE) {
			i++;
			wake(&writer);
		} else {
			sleep_and_rise(&writer);
		}
	}
	channel_close(&writer.channel);
	wake(&writer);
	return NULL;
}

static void *
read_all(void *argument)
{
	u8 message[SIZE], expected[SIZE];
	enum channel_result result;
	u32 got = 0, len;

	(void)argument;
	for (;;) {
		result = channel_get(&reader.channel, message, SIZE, &len);
		if (result == CHANNEL_WAIT) {
			sleep_and_rise(&reader);
			continue;
		}
		if (result != CHANNEL_DONE)
			break;
		reader.wrong += len != compose(got, expected) ||
				memcmp(message, expected, len) != 0;
		got++;
		wake(&reader);
	}
	reader.wrong += result != CHANNEL_CLOSED || got != MESSAGES;
	return NULL;
}

static void
two_threads(void **state)
{
	pthread_t threads[2];

	(void)state;
	alarm(PATIENCE_S);
	channel_open(&writer.channel, true, &writes, &reads, ring, SIZE);
	channel_open(&reader.channel, false, &reads, &writes, ring, SIZE);
	assert_int_equal(pthread_create(&threads[0], NULL, write_all, NULL), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, read_all, NULL), 0);
	for (u32 i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	alarm(0);
	printf("%u messages; the writer napped %llu times, the reader %llu\n", MESSAGES,
	       (unsigned long long)writer.naps, (unsigned long long)reader.naps);
	assert_int_equal(reader.wrong, 0);
	// One wake for each nap at most, also of those that did not come to sleep.
	assert_true(writer.wakes <= reader.channel.naps / 2);
	assert_true(reader.wakes <= writer.channel.naps / 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
