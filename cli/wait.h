/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */
#ifndef GKV_CLI_WAIT_H
#define GKV_CLI_WAIT_H

#include "cli/cli.h"

/* How long a store that is in use is waited for: the option --wait[=SECONDS], which every verb knows. The process has
 * one such setting. */

/* The setting until the next call. seconds NULL: wait for ever. False: it is not a number of seconds, as 2 or 0.5. */
bool wait_for(const char *seconds);

/* Back to the default: no wait. */
void wait_none(void);

/* To be asked with the result of each attempt to open a store. Returns true, after a pause, if another attempt is to
 * follow: the store is in use, and the time is not over. The first call starts the time. */
bool wait_again(int code);

/* Says why a store in use is given up, and returns STATUS_FAILED. */
enum status wait_give_up(const char *path);

#endif
