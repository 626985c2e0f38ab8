/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* key_text.h: a key as a sentence shows it. */
#ifndef GKV_KVSTORE_KEY_TEXT_H
#define GKV_KVSTORE_KEY_TEXT_H

#include "kvstore/record.h"

/* Room for a key that is shown, with its quotes. */
#define KEY_TEXT_MAX 288

/* The record's key in quotes, its first 64 bytes where it is longer; \t \n \r \0 \\ \" and \xHH stand for control bytes,
 * the backslash and the quote, as in the text formats of the command line. All other bytes stand for themselves. */
void key_text(char out[KEY_TEXT_MAX], const struct record *record);

#endif
