/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */
#ifndef GKV_CLI_ESCAPE_WRITE_H
#define GKV_CLI_ESCAPE_WRITE_H

#include "cli/cli.h"
#include "cli/sink.h"
#include "gkv.h"

/* Writes bytes with the escapes of escape.h. False: the sink has failed. */
bool escape_write(struct sink *sink, gkv_bytes bytes);

#endif
