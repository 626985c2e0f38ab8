/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* shop.h: a store on a simulated machine for tests of one situation, whose contents are known: what every power cut and
 * every kill leaves of it is compared with one state, or with a row of them. */
#ifndef GKV_TESTS_CRASH_SHOP_H
#define GKV_TESTS_CRASH_SHOP_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/core.h"
#include "tests/crash/model.h"
#include "tests/crash/sim_os.h"

#define SHOP_PATH "store"

struct shop {
	struct sim sim;  /* the store                   */
	struct sim leaf; /* where images are opened     */
	struct sim twig; /* where some of them live on  */
	arena *a;
	struct model model;
	uint64_t random;
	uint32_t cuts_at_call; /* images of a power cut at each call; and one of a kill */
	uint64_t images;
	uint64_t calls;
	/* Called with each image in s->leaf, as well as for what a kill leaves. */
	void (*image)(struct shop *s, bool killed);
};

void shop_init(struct shop *s, uint32_t names, uint32_t size_most);
void shop_release(struct shop *s);
struct arena_options shop_options(struct sim *sim);
void shop_open(struct shop *s);
void shop_close(struct shop *s);
/* One transaction: new values for the names from `from` on, `step` apart; or none: they are deleted. */
void shop_write(struct shop *s, arena *a, uint32_t from, uint32_t step, bool value, bool durable);
/* Images are made at each call from now on, or no more. */
void shop_watch(struct shop *s, void (*image)(struct shop *s, bool killed));
/* What the power cut leaves of the store, in s->leaf. */
void shop_cut(struct shop *s, const struct sim *from, struct sim *to);
/* The image opens, is sound and shows one of the states from `first` on: which one. */
uint32_t shop_holds(struct shop *s, struct sim *image, uint32_t first);
/* What a handle shows. */
void shop_read(struct shop *s, arena *a, struct state *out);
uint32_t shop_match(struct shop *s, const struct state *got, uint32_t first);

#endif
