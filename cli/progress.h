/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */
#ifndef GKV_CLI_PROGRESS_H
#define GKV_CLI_PROGRESS_H

#include <time.h>

#include "cli/cli.h"

/* A line on the terminal that says how far long work has come. It is drawn only where standard error is a terminal and
 * the user did not ask for quiet; all calls are allowed, and do nothing, where it is not. One at a time. */
struct progress {
	const char *label;
	bool shown;
	struct timespec started;
	struct timespec drawn;
};

void progress_start(struct progress *progress, const char *label, bool quiet);

/* done and total in bytes; total 0: not known. Draws at most ten times a second. */
void progress_update(struct progress *progress, uint64_t done, uint64_t total);

/* Ends the bar: the line is taken away. progress_finish leaves one that says what was done. */
void progress_stop(struct progress *progress);
void progress_finish(struct progress *progress, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Takes the line away, so that a message can be printed; the next update draws it again. */
void progress_hide(void);

/* A gkv_progress for the library: arg is the struct progress. Non-zero once a signal asked to stop. */
int progress_step(void *arg, uint64_t done, uint64_t total);

/* Whether a signal asked to stop. */
bool progress_interrupted(void);

/* From here on SIGINT (the interrupt key), SIGTERM and SIGHUP stop the work through progress_step, with everything put in
 * order; one that was ignored when the command started is ignored still. */
void progress_catch_signals(void);

/* The same with another handler, each signal once. Without `others` one that has a handler keeps it. */
void signals_catch(void (*handler)(int number), bool others);

/* "12.3 MiB" and the like into out. */
void progress_size(char out[16], double bytes);

#endif
