/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* Waiting for a store that another process has open.
 *
 * Owns the setting of --wait and the pauses. It opens nothing itself: who opens asks it whether to try again.
 *
 * 1. The pauses double from 1 to 50 ms: a store that is in use for a moment is had at once, and one that is in use for
 *    long costs twenty attempts a second.
 * 2. The last attempt is made when the time is over, not before. */

#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/message.h"
#include "cli/wait.h"

enum { PAUSE_FIRST_MS = 1, PAUSE_MOST_MS = 50 };

#define WAIT_FOR_EVER UINT64_MAX
#define SECONDS_MOST  1e9

static uint64_t wait_ms;
static const char *wait_text; /* as it was given, for the message */
static uint64_t started_ms;   /* 0: no attempt was made yet */
static uint64_t pause_ms;

static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 + 1;
}

void wait_none(void)
{
	wait_ms = 0;
	wait_text = NULL;
	started_ms = 0;
}

bool wait_for(const char *seconds)
{
	char *end;
	double number;

	wait_none();
	wait_ms = WAIT_FOR_EVER;
	if (!seconds)
		return true;
	/* strtod knows signs, exponents and names that are no time to wait. */
	if (seconds[0] == '\0' || seconds[strspn(seconds, "0123456789.")] != '\0')
		return false;
	number = strtod(seconds, &end);
	if (*end != '\0')
		return false;
	if (number < SECONDS_MOST)
		wait_ms = (uint64_t)(number * 1000);
	wait_text = seconds;
	return true;
}

bool wait_again(int code)
{
	uint64_t now, left, pause;

	if (code != GKV_BUSY || wait_ms == 0)
		return false;
	now = clock_ms();
	if (started_ms == 0) {
		started_ms = now;
		pause_ms = PAUSE_FIRST_MS;
	}
	if (now - started_ms >= wait_ms)
		return false;
	left = wait_ms - (now - started_ms);
	pause = pause_ms < left ? pause_ms : left;
	/* A signal that is handled cuts a pause short, which does no harm. */
	(void)nanosleep(&(struct timespec){.tv_nsec = (long)pause * 1000000}, NULL);
	pause_ms = 2 * pause_ms < PAUSE_MOST_MS ? 2 * pause_ms : PAUSE_MOST_MS;
	return true;
}

enum status wait_give_up(const char *path)
{
	if (wait_text)
		say(path, "still in use by another process after %s seconds", wait_text);
	else
		say(path, "in use by another process (--wait waits for it)");
	return STATUS_FAILED;
}
