/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* space_limit.c owns what a size limit changes of where new data goes.
 *
 * 1. Puts go into pieces first, slots smaller than a unit; then into the largest windows that there are.
 * 2. Pages and nodes stand side by side wherever there is room for them, in the smallest slots by preference.
 * 3. Of clean slots, and of slots that hold a page of the table, a put leaves what arena/move/limit.c has set aside. Once that is in
 *    use, tombstones and nodes go where no page does, while there is such a place.
 *
 * Cost: O(log n) in the number of slots, for each of some dozens of slots at most; what is clean is counted slot by slot. */
#include <limits.h>

#include "arena/gravity.h"
#include "arena/space/space_fit.h"

#define PIECE_LOOKS  64u
#define OWN_SHARE    2 /* of a limit: as long as the file is no longer, large records have windows of their own */
#define GROWTH_MOST  (UINT64_C(32) << 20) /* of the file while chunks of a free list are taken */
#define LIST_FEW     64u                  /* pairs that come while it is begun */
#define LIST_SHARE   4 /* of its bytes, once more for the heads of its chunks and what is left in them */
#define MOVE_WINDOW  (UINT64_C(1) << 20)
#define BESIDE_PAGES 2u            /* for each snapshot: the page that it keeps, and the next copy of it */
#define LIST_GRAIN   UINT64_C(512) /* of a slot, what a chunk of the free list is sure to make use of */

_Static_assert(SLOTS_PAGE == sizeof(struct page_disk) + DISK_LINE, "what holds a page");

/* The first slot of `bytes` that is smaller than `size`: larger ones on the way to it are passed, but not for ever. */
static struct fit fit_below(const struct space *s, uint64_t bytes, uint64_t size)
{
	uint64_t at = 0;

	for (unsigned i = 0; i < PIECE_LOOKS && bytes < size; i++) {
		const struct fit f = fit_slot(s, slots_first_fit_from(&s->free, bytes, at));
		if (f.size < size && (f.start + f.size <= s->evict_start || f.start >= s->evict_end))
			return f;
		at = f.start + f.size;
	}
	return (struct fit){0};
}

/* One that is too small for a page. */
static struct fit fit_scrap(const struct space *s, uint64_t bytes)
{
	return fit_below(s, bytes, sizeof(struct page_disk));
}

struct fit fit_piece(const struct space *s, uint64_t bytes)
{
	return s->max_bytes == UINT64_MAX ? (struct fit){0} : fit_below(s, bytes, s->unit);
}

/* The first slot below `size` that holds a page at a multiple of 64: above all what another page has left. */
static struct fit fit_packed(const struct space *s, uint64_t bytes, uint64_t size, unsigned looks)
{
	uint64_t at = 0;

	for (unsigned i = 0; i < looks; i++) {
		const struct fit f = fit_slot(s, slots_first_fit_from(&s->free, bytes, at));
		if (f.size == 0)
			break;
		if (f.size < size && line_round(f.start) + bytes <= f.start + f.size &&
		    (f.start + f.size <= s->evict_start || f.start >= s->evict_end))
			return f;
		at = f.start + f.size;
	}
	return (struct fit){0};
}

/* Under a limit pages and nodes stand side by side, at any multiple of 64: slots of whole pages of the file would have to
 * be made. A new cluster with room for `bytes` at least. */
int packed_begin(struct space *s, uint64_t bytes)
{
	const uint64_t need = bytes + DISK_LINE - DISK_UNIT;
	const uint64_t wish = s->cluster_bytes > need ? s->cluster_bytes : need;
	struct fit f;
	int r = space_end_cluster(s);

	if (r != 0)
		return r;
	if (s->slack < 0 && bytes < sizeof(struct page_disk)) {
		/* A node leaves the slots that hold a page to the page that is copied with it. */
		f = fit_packed(s, bytes, sizeof(struct page_disk), PIECE_LOOKS);
	} else {
		f = fit_piece(s, wish);
	}
	if (f.size == 0)
		f = fit_packed(s, bytes, 2 * SLOTS_PAGE, PIECE_LOOKS);
	if (f.size == 0)
		f = fit_packed(s, bytes, s->window, PIECE_LOOKS);
	if (f.size == 0)
		f = fit_outside(s, wish);
	if (f.size == 0)
		r = fit_obtain(s, need, &f);
	if (r == GRAVITY_FULL || (r == 0 && f.size == 0)) {
		f = fit_packed(s, bytes, UINT64_MAX, UINT_MAX);
		r = f.size != 0 ? 0 : GRAVITY_FULL;
	}
	if (r != 0)
		return r;
	f.size = f.size > wish ? wish : f.size;
	s->pages = (struct cluster){line_round(f.start), f.start + f.size};
	r = slot_cut(s, s->pages.start, s->pages.end - s->pages.start);
	if (r != 0)
		s->pages = (struct cluster){0};
	return r;
}

/* Bytes of slots of `least` and more, with what the file may still grow by, as far as `enough`; none of those that
 * compaction empties. Of each, what is left over of whole `grain`s does not count. */
static uint64_t bytes_from(const struct space *s, uint64_t least, uint64_t grain, uint64_t enough)
{
	const uint64_t tail = tail_bytes(s);
	const uint64_t growth = space_growth(s);
	uint64_t bytes = tail >= least ? growth : tail + growth >= least ? tail + growth : 0;
	uint64_t at = 0;

	bytes -= bytes % grain;
	while (bytes < enough) {
		const struct fit f = fit_slot(s, slots_first_fit_from(&s->free, least, at));
		if (f.size == 0)
			break;
		bytes += f.start >= s->evict_start && f.start + f.size <= s->evict_end ? 0 : f.size - f.size % grain;
		at = f.start + f.size;
	}
	return bytes;
}

uint64_t space_clean(const struct space *s, uint64_t enough)
{
	return bytes_from(s, s->unit, 1, enough);
}

/* Pages of the table that find a place in slots that compaction does not empty, or in what the file may grow by. */
static uint64_t page_places(const struct space *s)
{
	const uint64_t tail = tail_bytes(s);
	uint64_t pages = s->free.pages + (tail + space_growth(s)) / SLOTS_PAGE - tail / SLOTS_PAGE;
	uint64_t at = s->evict_start;

	while (at < s->evict_end) {
		const struct fit f = fit_slot(s, slots_first_fit_from(&s->free, SLOTS_PAGE, at));
		if (f.size == 0)
			break;
		at = f.start + f.size;
		pages -= at <= s->evict_end ? f.size / SLOTS_PAGE : 0;
	}
	return pages;
}

/* The distances and sizes of all pairs together are no longer than the file, so few of them are large. A zigzag doubles a
 * distance. */
uint64_t space_pairs_bytes(const struct space *s, uint64_t count)
{
	const uint64_t growth = space_growth(s);
	uint64_t left = 2 * ((map_bytes(s->map) + (growth < GROWTH_MOST ? growth : GROWTH_MOST)) / DISK_UNIT);
	uint64_t bytes = 0;

	for (; left > 0; left >>= 7)
		bytes += 2 * (count < left ? count : left);
	return bytes;
}

uint64_t space_list_bytes(const struct space *s)
{
	const uint64_t count = s->free.count + s->aside.count + pending_count(&s->pending) + LIST_FEW;
	const uint64_t bytes = space_pairs_bytes(s, count);

	return bytes + bytes / LIST_SHARE + LIST_GRAIN;
}

void space_count_slack(struct space *s)
{
	s->slack = (int64_t)(page_places(s) * SLOTS_PAGE) - (int64_t)(s->copies + s->list + s->spare);
}

bool space_holds_pages(const struct space *s, uint64_t pages)
{
	const uint64_t all = pages * SLOTS_PAGE + space_list_bytes(s);
	uint64_t places;

	if (s->max_bytes == UINT64_MAX)
		return true;
	places = page_places(s);
	/* The list has chunks of any size. */
	return places * SLOTS_PAGE >= all || (places >= pages && bytes_from(s, LIST_GRAIN, LIST_GRAIN, all) >= all);
}

/* How much of a fit a window for `need` takes. A large record has no more than that, since the hole that it leaves takes the
 * next of its size only with the JUMP behind it; but near a limit pieces are to be filled. What is moved under a limit goes side
 * by side, whatever its sizes are. */
uint64_t window_part(const struct space *s, uint64_t size, uint64_t need)
{
	const uint64_t wish = s->max_bytes == UINT64_MAX ? SPACE_WINDOW : is_moving(s) ? MOVE_WINDOW : s->window;
	const bool own = need >= SPACE_WINDOW_OWN && map_bytes(s->map) <= s->max_bytes / OWN_SHARE;
	const uint64_t most = own || need > wish ? need : wish;

	return size > most ? most : size;
}

uint64_t space_floor_beside(const struct space *s)
{
	const uint64_t snapshots = atomic_load(&s->readers->snapshots);
	const uint64_t floor = s->spare / SPACE_FLOOR_SHARE + snapshots * BESIDE_PAGES * SLOTS_PAGE;

	return snapshots == 0 ? 0 : floor < s->spare ? floor : s->spare;
}

/* Beside a snapshot a put that fills a piece goes too far, too, once it is in use what moves have to leave there: what it copies,
 * and what is moved for it, does not come back before the snapshot ends, and deletes have to go on until then. */
static bool leaves_floor(struct space *s)
{
	const uint64_t floor = space_floor_beside(s);
	const int64_t least = (int64_t)floor - (int64_t)s->spare;

	if (floor == 0)
		return true;
	if (s->slack < least)
		space_count_slack(s);
	return s->slack >= least;
}

/* Whether clean bytes, and room for pages, are left as they should be when a window for `need` is cut from a fit. */
static bool may_take(struct space *s, struct fit f, uint64_t need, enum space_claim claim)
{
	const uint64_t part = is_moving(s) ? need : window_part(s, f.size, need);
	const uint64_t lost = f.size - part >= s->unit ? part : f.size;
	const uint64_t keep = claim == SPACE_PUT ? s->spare : s->floor;
	const int64_t least = (int64_t)part - (int64_t)(s->spare - keep);

	if (claim != SPACE_PUT && !is_moving(s))
		return true;
	if (f.size < sizeof(struct page_disk))
		return claim != SPACE_PUT || leaves_floor(s);
	if (s->slack < least)
		space_count_slack(s);
	if (s->slack < least)
		return false;
	return f.size < s->unit || space_clean(s, keep + lost) >= keep + lost;
}

bool pages_short(struct space *s)
{
	if (!s->full || s->slack >= (int64_t)SLOTS_PAGE)
		return false;
	space_count_slack(s);
	return s->slack < (int64_t)SLOTS_PAGE;
}

/* Of what is offered, what may be taken. */
static bool fit_takes(struct space *s, struct fit offered, uint64_t need, enum space_claim claim, struct fit *f)
{
	*f = offered.size != 0 && may_take(s, offered, need, claim) ? offered : (struct fit){0};
	return f->size != 0;
}

/* Once what is set aside is in use, a tombstone leaves the slots that hold a page to the page that its delete copies. */
static struct fit fit_tombstone(const struct space *s, uint64_t wish, uint64_t need)
{
	const struct fit f = fit_scrap(s, wish);

	return f.size != 0 ? f : fit_scrap(s, need);
}

/* What a snapshot sees stays between pieces, and no move makes one slot of them. So beside a snapshot what is moved goes into
 * pieces that hold no page, and all of what it leaves is gained; but not once what is set aside is in use: then they are for
 * tombstones. */
static struct fit fit_moved(const struct space *s, uint64_t wish)
{
	if (s->slack < 0 || atomic_load(&s->readers->snapshots) == 0)
		return (struct fit){0};
	return fit_scrap(s, wish);
}

/* Under a limit pieces go first, so that clean slots are there for what fits nowhere else, and for moves, which make more
 * of them: without a snapshot what is moved goes into nothing smaller while there is one. */
int window_fit_limited(struct space *s, uint64_t need, enum space_claim claim, struct fit *f)
{
	const uint64_t least = s->window_least > SPACE_WINDOW_LEAST ? s->window_least : SPACE_WINDOW_LEAST;
	const uint64_t wish = least > need ? least : need;
	struct fit offered;
	int r;

	if (claim == SPACE_RESERVED && !is_moving(s) && s->slack < 0) {
		*f = fit_tombstone(s, wish, need);
		if (f->size != 0)
			return 0;
	}
	offered = is_moving(s) ? fit_moved(s, wish) : fit_piece(s, wish);
	if (fit_takes(s, offered, need, claim, f))
		return 0;
	for (uint64_t size = s->window; size > s->unit; size /= 2)
		if (fit_takes(s, fit_outside(s, need > size ? need : size), need, claim, f))
			return 0;
	r = fit_obtain(s, need > s->unit ? need : s->unit, &offered);
	if (r == 0 && fit_takes(s, offered, need, claim, f))
		return 0;
	if (fit_takes(s, fit_piece(s, need), need, claim, f) || fit_takes(s, fit_scrap(s, need), need, claim, f))
		return 0;
	if (claim != SPACE_PUT && !is_moving(s) && fit_takes(s, fit_outside(s, need), need, claim, f))
		return 0;
	return r != 0 ? r : GRAVITY_FULL;
}

bool space_fits(struct space *s, uint64_t bytes, enum space_claim claim)
{
	struct fit f = fit_outside(s, bytes);

	if (claim == SPACE_RESERVED)
		return f.size != 0;
	if (!space_allows(s, bytes) || pages_short(s))
		return false;
	if (fit_takes(s, fit_piece(s, bytes), bytes, claim, &f) || fit_takes(s, fit_scrap(s, bytes), bytes, claim, &f))
		return true;
	f = fit_outside(s, bytes > s->unit ? bytes : s->unit);
	if (f.size != 0)
		return may_take(s, f, bytes, claim);
	f = (struct fit){.start = map_bytes(s->map), .size = tail_bytes(s) + space_growth(s)};
	return f.size >= bytes && f.size >= s->unit && may_take(s, f, bytes, claim);
}
