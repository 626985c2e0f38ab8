/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* tally.c owns the count of what was met: a suite of power cuts proves nothing of a step that it never cut.
 *
 * 1. A step counts when a call was made in it and images were made at that call.
 * 2. A piece of the file counts as there, lost or torn by comparison of an image with what its parent had written: the next
 *    blob of the chain, and, where a checkpoint is under way, each page, node and chunk that it writes. */
#include "arena/log/recover.h"
#include "tests/crash/crash.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PATH "store"

const char *const stage_names[STAGES] = {
	"creation",
	"open",
	"first write of a session",
	"writes",
	"commit",
	"abort",
	"sync",
	"checkpoint",
	"compaction",
	"making a slot",
	"close",
	"replay",
	"checkpoint: begun",
	"checkpoint: slices",
	"checkpoint: before the flush of its pages",
	"checkpoint: header written, before its flush",
	"checkpoint: header flushed",
	"checkpoint: freed",
	"compaction: moving what the exact planner chose",
	"compaction: moving what gravity chose",
	"compaction: cleaning near a limit",
	"compaction: sweeping",
	"compaction: the end of a sweep",
	"compaction: a step in the write path",
	"truncation",
	"punching",
	"growth",
};

const char *const piece_names[PIECES] = {
	"put",        "large value", "tombstone",       "MOVE",   "JUMP", "JUMP that is a commit", "commit",
	"table page", "node",        "free list chunk", "header", "mark",
};

/* --- steps -------------------------------------------------------------------------------------------------------- */

/* A step moves blobs by writing memory, and most make no call: the first call after one, at which images are made, cuts
 * it, while nothing that it wrote was flushed. */
static void stage_move(struct life *l, enum sim_call call)
{
	struct tally *t = &l->crash->tally;
	const arena *a = l->a;
	const bool moving = a->b->space.evict_end > a->b->space.evict_start || a->b->compaction_steps > l->steps_seen;

	l->steps_seen = a->b->compaction_steps;

	if (l->stage == STAGE_COMPACT) {
		t->stage[STAGE_SWEEP] += moving;
		t->stage[STAGE_SWEEP_END] += call == SIM_TRUNCATE || call == SIM_PUNCH;
		return;
	}
	if (moving && l->crash->workload->max_bytes != 0 && l->stage != STAGE_MAKE)
		t->stage[STAGE_ROOM]++;
	else if (moving && l->stage == STAGE_MAKE)
		t->stage[l->planner == GRAVITY_GRAVITY ? STAGE_GRAVITY : STAGE_CHEAPEST]++;
	else if (moving && l->stage == STAGE_COMMIT)
		t->stage[STAGE_TIDY]++;
}

static bool is_pushing(const arena *a)
{
	return a->checkpoint.state == CHECKPOINT_PUSHING || a->checkpoint.state == CHECKPOINT_HEADER;
}

static void stage_checkpoint(struct life *l, enum sim_call call, uint64_t offset)
{
	struct tally *t = &l->crash->tally;
	const arena *a = l->a;
	const bool pushing = is_pushing(a);

	t->stage[STAGE_BEGUN] += pushing && l->state_seen != CHECKPOINT_PUSHING && l->state_seen != CHECKPOINT_HEADER;
	t->stage[STAGE_SLICE] += pushing && call == SIM_PUSH;
	t->stage[STAGE_FLUSH] += pushing && call == SIM_SYNC;
	t->stage[STAGE_HEADER_WRITTEN] += pushing && call == SIM_SYNC_RANGE && offset < DISK_DATA;
	t->stage[STAGE_HEADER_FLUSHED] += l->header_seen != 0 && a->flush.header.checkpoint > l->header_seen;
	t->stage[STAGE_FREED] += a->checkpoint.count > l->count_seen;
	l->state_seen = a->checkpoint.state;
	l->header_seen = a->flush.header.checkpoint;
	l->count_seen = a->checkpoint.count;
}

void tally_stage(struct life *l, enum sim_call call, uint64_t offset)
{
	struct tally *t = &l->crash->tally;

	t->stage[l->stage]++;
	t->stage[STAGE_TRUNCATE] += call == SIM_TRUNCATE;
	t->stage[STAGE_PUNCH] += call == SIM_PUNCH;
	t->stage[STAGE_GROW] += call == SIM_GROW;
	if (l->a == NULL)
		return;
	t->stage[STAGE_REPLAY] += l->stage == STAGE_SESSION && l->a->b->replayed_count > 0;
	stage_move(l, call);
	stage_checkpoint(l, call, offset);
}

/* --- pieces ------------------------------------------------------------------------------------------------------- */

static enum piece piece_of(const struct blob_disk *b)
{
	switch (blob_kind(b)) {
	case BLOB_PUT:
		return blob_span(b->size) > SPACE_WINDOW ? PIECE_LARGE : PIECE_PUT;
	case BLOB_MOVE:
		return PIECE_MOVE;
	case BLOB_TOMB:
		return PIECE_TOMB;
	case BLOB_PAGE:
		return PIECE_PAGE;
	case BLOB_NODE:
		return PIECE_NODE;
	case BLOB_FREE:
		return PIECE_CHUNK;
	default:
		return (blob_flags(b) & BLOB_COMMIT) != 0 ? PIECE_HOP : PIECE_JUMP;
	}
}

static void log_piece(uint64_t *count, const struct blob_disk *b)
{
	count[piece_of(b)]++;
	if ((blob_flags(b) & BLOB_COMMIT) != 0 && piece_of(b) != PIECE_HOP)
		count[PIECE_COMMIT]++;
}

/* Of what the parent had written unflushed in [start, end): which of its sectors does the image have? */
static void range_tally(struct life *l, const arena *a, enum piece piece, uint64_t start, uint64_t end)
{
	const struct sim_file *f = &sim_find(l->sim, PATH)->file;
	struct tally *t = &l->crash->tally;
	bool same = false, differs = false;

	for (uint64_t at = start & ~(SIM_SECTOR - 1); at < end && at < f->bytes; at += SIM_SECTOR) {
		if (f->newest[at / SIM_SECTOR] == 0)
			continue;
		if (at + SIM_SECTOR > map_bytes(&a->map)) {
			differs = true;
			continue;
		}
		if (memcmp(a->map.base + at, f->cache + at, SIM_SECTOR) == 0)
			same = true;
		else
			differs = true;
		if (differs && at < f->disk_bytes && memcmp(a->map.base + at, f->disk + at, SIM_SECTOR) != 0)
			same = true; /* a mixture of old and new */
	}
	t->there[piece] += same && !differs;
	t->lost[piece] += differs && !same;
	t->torn[piece] += same && differs;
}

/* Where the chain of the image ends: what was its last blob, and what did the power cut take? */
static void chain_tally(struct life *l, const arena *a)
{
	struct tally *t = &l->crash->tally;
	const struct sim_entry *parent = sim_find(l->sim, PATH);
	struct map whole = {.identity = a->map.identity, .sum = a->map.sum};
	const struct blob_disk *b, *last = NULL;
	struct chain c;

	chain_begin(&c, &a->map, &a->flush.header);
	while ((b = chain_next(&c)) != NULL)
		last = b;
	if (last != NULL)
		log_piece(t->there, last);
	l->crash->chain_end = c.at.cursor;
	l->crash->chain_seq = c.seq;
	l->crash->headers[0] = a->flush.header.checkpoint;
	l->crash->headers[1] = a->flush.header.seq;
	if (parent == NULL || c.at.cursor >= parent->file.bytes)
		return;
	whole.base = parent->file.cache;
	whole.length = &whole.bytes;
	atomic_store(whole.length, parent->file.bytes);
	if (!blob_verify(&whole, c.at.cursor) || blob_at(&whole, c.at.cursor)->link != c.at.link)
		return;
	b = blob_at(&whole, c.at.cursor);
	log_piece(t->lost, b);
	for (uint64_t at = c.at.cursor & ~(SIM_SECTOR - 1); at < c.at.cursor + blob_span(b->size); at += SIM_SECTOR) {
		if (at + SIM_SECTOR <= map_bytes(&a->map) &&
		    memcmp(a->map.base + at, whole.base + at, SIM_SECTOR) == 0) {
			log_piece(t->torn, b);
			return;
		}
	}
}

struct chunk_tally {
	struct life *life;
	const arena *image;
};

static int chunk_visit(void *arg, struct free_disk *chunk)
{
	const struct chunk_tally *c = arg;
	const uint64_t at = blob_offset(&c->life->a->map, &chunk->head);

	range_tally(c->life, c->image, PIECE_CHUNK, at, at + blob_span(chunk->head.size));
	return 0;
}

/* What a checkpoint under way has written, seen in the parent's memory. */
static void checkpoint_tally(struct life *l, const arena *a)
{
	const struct checkpoint *cp = &l->a->checkpoint;
	struct chunk_tally chunks = {.life = l, .image = a};
	struct table_iter it;
	struct blob_disk *b;

	l->crash->tally.newer_header += a->flush.header.checkpoint == cp->header.checkpoint;
	l->crash->tally.older_header += a->flush.header.checkpoint < cp->header.checkpoint;
	table_iter_begin(&it, &l->a->map, cp->header.root, cp->born_after, cp->header.seq);
	while (table_iter_next(&it, &b) == 0) {
		const uint64_t at = blob_offset(&l->a->map, b);
		range_tally(l, a, piece_of(b), at, at + blob_span(b->size));
	}
	if (cp->header.free_first != 0)
		(void)freelist_each(&l->a->map, &cp->header, chunk_visit, &chunks);
}

void tally_image(struct life *l, const arena *a)
{
	const struct sim_entry *parent = sim_find(l->sim, PATH);

	chain_tally(l, a);
	if (l->a == NULL || parent == NULL || !parent->file.tracked)
		return;
	for (uint64_t page = 0; page < DISK_DATA; page += DISK_PAGE) {
		range_tally(l, a, PIECE_HEADER, page, page + SIM_SECTOR);
		range_tally(l, a, PIECE_MARK, page + HEADER_MARK_OFFSET, page + HEADER_MARK_OFFSET + SIM_SECTOR);
	}
	if (is_pushing(l->a))
		checkpoint_tally(l, a);
}

/* --- sums --------------------------------------------------------------------------------------------------------- */

/* All of it is numbers. */
_Static_assert(sizeof(struct tally) % sizeof(uint64_t) == 0, "a tally is a row of numbers");

void tally_add(struct tally *to, const struct tally *t)
{
	uint64_t sum[sizeof *t / sizeof(uint64_t)], more[sizeof *t / sizeof(uint64_t)];

	memcpy(sum, to, sizeof sum);
	memcpy(more, t, sizeof more);
	for (size_t i = 0; i < sizeof sum / sizeof sum[0]; i++)
		sum[i] += more[i];
	memcpy(to, sum, sizeof sum);
}

void tally_print(const struct tally *t, const char *name)
{
	printf("%s: %" PRIu64 " distinct images of %" PRIu64 " (%" PRIu64 " of a kill) at %" PRIu64 " cuts; %" PRIu64
	       " replayed a log, %" PRIu64 " lost commits, %" PRIu64 "/%" PRIu64
	       " had the older/newer header in a checkpoint, %" PRIu64 " before there was a store; %" PRIu64
	       " rounds, %" PRIu64 " crashed; %" PRIu64 " images lived on; %" PRIu64
	       " commits beside a checkpoint; %" PRIu64 " old errors told\n",
	       name, t->distinct, t->images, t->kills, t->cuts, t->replayed, t->older, t->older_header, t->newer_header,
	       t->absent, t->rounds, t->crashes, t->nested, t->beside, t->stale);
	for (unsigned i = 0; i < STAGES; i++)
		printf("  cut in %s: %" PRIu64 "\n", stage_names[i], t->stage[i]);
	for (unsigned i = 0; i < PIECES; i++)
		printf("  %s: there %" PRIu64 ", lost %" PRIu64 ", torn %" PRIu64 "\n", piece_names[i], t->there[i],
		       t->lost[i], t->torn[i]);
	(void)fflush(stdout);
}

bool tally_met(const struct tally *t, enum piece piece)
{
	/* A mark is one word. */
	return t->there[piece] > 0 && t->lost[piece] > 0 && (piece == PIECE_MARK || t->torn[piece] > 0);
}

const char *tally_never(const struct tally *t)
{
	for (unsigned i = 0; i < STAGES; i++)
		if (t->stage[i] == 0)
			return stage_names[i];
	for (unsigned i = 0; i < PIECES; i++)
		/* The JUMP that is a commit is rare: a test of its own makes it. */
		if (i != PIECE_HOP && !tally_met(t, (enum piece)i))
			return piece_names[i];
	return NULL;
}
