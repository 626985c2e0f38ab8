/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */
#ifndef GKV_CLI_UNUSED_H
#define GKV_CLI_UNUSED_H

#include "cli/cli.h"
#include "gkv.h"

/* The store that this command has made, as long as nothing is stored in it. One at a time. */

/* Before the store at path is opened, and after that (db NULL: it was not): a store that was made in between is watched. A
 * signal that ends the command takes it away as well. */
void unused_before(const char *path);
void unused_after(const char *path, gkv *db);
/* Something was stored in it, or it is wanted as it is. */
void unused_keep(void);
/* Takes it away, unless it was kept. It is still open, so that nobody else has it. */
void unused_remove(void);

#endif
