/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* The progress bar.
 *
 * Owns one line of the terminal and the flag that a signal asks to stop. Nothing of it is ever printed where standard error
 * is not a terminal.
 *
 * 1. At most one bar is active, and `active` names it.
 * 2. The line is redrawn ten times a second at most: one reading of the clock per call, whatever the work. */

#include "cli/cli.h"

#include <assert.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/progress.h"

enum { BAR_COLUMNS = 24, LINE_BYTES = 160, DEFAULT_COLUMNS = 80 };

static struct progress *active;
static bool visible;
static volatile sig_atomic_t interrupted;

static double seconds_between(const struct timespec *from, const struct timespec *to)
{
	return (double)(to->tv_sec - from->tv_sec) + (double)(to->tv_nsec - from->tv_nsec) / 1e9;
}

void progress_size(char out[16], double bytes)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	size_t unit = 0;

	while (bytes >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		bytes /= 1024;
		unit++;
	}
	snprintf(out, 16, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

static size_t terminal_columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		return DEFAULT_COLUMNS;
	return size.ws_col;
}

static void line_draw(const char *text)
{
	size_t columns = terminal_columns();

	/* The last column stays free: some terminals wrap as soon as it is used. */
	fprintf(stderr, "\r\033[K%.*s", (int)(columns - 1), text);
	fflush(stderr);
	visible = true;
}

static void bar_draw(const struct progress *progress, uint64_t done, uint64_t total, double seconds)
{
	char line[LINE_BYTES], done_text[16], rate_text[16], total_text[16];
	char bar[BAR_COLUMNS + 1];
	size_t filled;

	progress_size(done_text, (double)done);
	progress_size(rate_text, seconds > 0 ? (double)done / seconds : 0);
	if (total == 0) {
		snprintf(line, sizeof(line), "%s  %s  %s/s", progress->label, done_text, rate_text);
		line_draw(line);
		return;
	}
	if (done > total)
		done = total;
	filled = (size_t)((double)done / (double)total * BAR_COLUMNS);
	memset(bar, ' ', BAR_COLUMNS);
	memset(bar, '#', filled);
	bar[BAR_COLUMNS] = '\0';
	progress_size(total_text, (double)total);
	snprintf(line, sizeof(line), "%s [%s] %3.0f%%  %s of %s  %s/s", progress->label, bar,
		 100.0 * (double)done / (double)total, done_text, total_text, rate_text);
	line_draw(line);
}

void progress_start(struct progress *progress, const char *label, bool quiet)
{
	assert(!active);
	*progress = (struct progress){.label = label, .shown = !quiet && isatty(STDERR_FILENO)};
	if (!progress->shown)
		return;
	active = progress;
	clock_gettime(CLOCK_MONOTONIC, &progress->started);
	progress->drawn = progress->started;
	line_draw(label);
}

void progress_update(struct progress *progress, uint64_t done, uint64_t total)
{
	struct timespec now;

	if (!progress->shown)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (seconds_between(&progress->drawn, &now) < 0.1)
		return;
	progress->drawn = now;
	bar_draw(progress, done, total, seconds_between(&progress->started, &now));
}

void progress_hide(void)
{
	if (!active || !visible)
		return;
	fputs("\r\033[K", stderr);
	visible = false;
}

void progress_stop(struct progress *progress)
{
	if (!progress->shown)
		return;
	progress_hide();
	active = NULL;
	progress->shown = false;
}

void progress_finish(struct progress *progress, const char *format, ...)
{
	struct timespec now;
	va_list args;

	if (!progress->shown)
		return;
	progress_stop(progress);
	clock_gettime(CLOCK_MONOTONIC, &now);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, " in %.1f s\n", seconds_between(&progress->started, &now));
}

static void interrupt_note(int number)
{
	(void)number;
	interrupted = 1;
}

void signals_catch(void (*handler)(int number), bool others)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	/* SA_RESTART: no system call of the library is to fail because of the signal. SA_RESETHAND: sent twice, it
	 * ends the process, which harms no store. */
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART | (int)SA_RESETHAND};
	struct sigaction old;

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		/* Whoever started us, as nohup does, may want it ignored. */
		if (sigaction(signals[i], NULL, &old) == 0 &&
		    (others ? old.sa_handler != SIG_IGN : old.sa_handler == SIG_DFL))
			sigaction(signals[i], &action, NULL);
}

void progress_catch_signals(void)
{
	signals_catch(interrupt_note, true);
}

bool progress_interrupted(void)
{
	return interrupted != 0;
}

int progress_step(void *arg, uint64_t done, uint64_t total)
{
	progress_update(arg, done, total);
	return interrupted;
}
