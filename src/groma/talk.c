/* talk.c - see talk.h. */
#include "talk.h"

#include "picture_vectors.h"
#include "row_tree.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const gm_prompt *prompt_of(const gm_talk *talk) {
  return talk->picture->groma->prompt;
}

/* Positions before the first that was said. */
static size_t prefix_of(const gm_talk *talk) {
  return gm_picture_positions(talk->picture, &talk->list);
}

size_t gm_talk_positions(const gm_talk *talk) {
  return prefix_of(talk) + talk->said.n;
}

bool gm_talk_steps(const gm_talk *talk) {
  return talk->seq.n >= prefix_of(talk) + talk->asked;
}

/* ---- lists ---- */

gm_status gm_talk_begin(gm_talk *talk, gm_picture *picture, const gm_rel_box *boxes, size_t n,
                        size_t *index, gm_error *err) {
  *talk = (gm_talk){.picture = picture};
  talk->seq.shape = picture->prefix.shape;
  return gm_picture_refer(picture, boxes, n, &talk->list, index, err);
}

void gm_talk_free(gm_talk *talk) {
  gm_region_list_free(&talk->list);
  gm_rows_free(&talk->said);
  gm_kv_clear(&talk->seq);
}

/* Regions that questions and answers have named. */
static void mark_named(const gm_talk *talk, bool *in_use) {
  for (size_t i = 0; i < talk->said.n; i++) {
    const gm_llama_row *row = &talk->said.rows[i];
    int32_t region = row->id - prompt_of(talk)->region_0;
    if (!row->vector && region >= 0 && (size_t)region < talk->list.n) in_use[region] = true;
  }
}

/* The list has changed from region `first` on. */
static void cut_cache(gm_talk *talk, size_t first) {
  size_t kept = talk->picture->n_image + 2 * first;
  if (talk->seq.n > kept) gm_kv_truncate(&talk->seq, kept);
  talk->list_at = 0;
}

gm_status gm_talk_refer(gm_talk *talk, const gm_rel_box *boxes, size_t n, size_t *index,
                        gm_error *err) {
  if (n == 0) return GM_OK;
  size_t max = talk->picture->groma->max_regions, first;
  bool *in_use = calloc(max, sizeof *in_use);
  if (!in_use) return gm_fail_memory(err, "the regions", max * sizeof *in_use);
  mark_named(talk, in_use);
  gm_status status =
      gm_picture_append(talk->picture, &talk->list, boxes, n, in_use, index, &first, err);
  free(in_use);
  if (first < talk->list.n) cut_cache(talk, first);
  return status;
}

/* ---- the cache under a talk ---- */

/* Regions at the start of both lists that are the same. */
static size_t common_regions(const gm_region_list *a, const gm_region_list *b) {
  size_t i = 0;
  while (i < a->n && i < b->n && gm_rel_box_same(a->regions[i].box, b->regions[i].box)) i++;
  return i;
}

static gm_status take_prefix(gm_talk *talk, gm_error *err) {
  gm_kv_seq *prefix = &talk->picture->prefix;
  size_t common = common_regions(&talk->picture->base, &talk->list);
  size_t n = talk->picture->n_image + 2 * common;
  if (common == talk->list.n && common == talk->picture->base.n) n = prefix_of(talk);
  gm_kv_clear(&talk->seq);
  GM_TRY(gm_kv_fork(&talk->seq, prefix, err));
  if (n < talk->seq.n) gm_kv_truncate(&talk->seq, n);
  bool found;
  if (talk->seq.n == prefix_of(talk)) return GM_OK;
  talk->list_at = talk->seq.n;
  GM_TRY(gm_picture_find_list(talk->picture, &talk->list, &talk->seq, &found, err));
  if (found) talk->list_at = 0;
  return GM_OK;
}

gm_status gm_talks_prepare(gm_compute *c, gm_talk *const *talks, size_t n) {
  gm_picture *picture = talks[0]->picture;
  bool any_new = false, whole = false;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_region_list **lists = gm_scratch(c, n * sizeof *lists, "the lists of regions");
  if (!lists) return GM_ERR_MEMORY;
  for (size_t i = 0; i < n; i++) {
    lists[i] = &talks[i]->list;
    if (talks[i]->seq.n >= picture->n_image) continue;
    any_new = true;
    /* Lists that go on from the base list's positions make them worth while. */
    whole = whole || 2 * common_regions(&picture->base, lists[i]) >= picture->base.n;
  }
  gm_status status = gm_picture_fill(picture, c, lists, n);
  if (status == GM_OK && any_new) status = gm_picture_prefill(picture, c, whole);
  for (size_t i = 0; i < n && status == GM_OK; i++)
    if (talks[i]->seq.n < picture->n_image) status = take_prefix(talks[i], c->err);
  gm_arena_restore(&c->arena, mark);
  return status;
}

/* ---- what is said ---- */

gm_status gm_talk_say(gm_talk *talk, int32_t id, gm_error *err) {
  return gm_rows_add_ids(&talk->said, &id, 1, err);
}

static gm_status add_question(gm_talk *talk, const gm_question *question, const size_t *index,
                              gm_error *err) {
  gm_rows *said = &talk->said;
  const gm_prompt *prompt = prompt_of(talk);
  if (said->n > 0 && said->rows[said->n - 1].id != prompt->eos)
    GM_TRY(gm_talk_say(talk, prompt->eos, err));
  size_t places = question->boxes.n;
  if (places == 0) return gm_rows_add_question(said, prompt, question, NULL, NULL, err);
  const float **vectors = malloc(talk->list.n * sizeof *vectors);
  if (!vectors) return gm_fail_memory(err, "the question", talk->list.n * sizeof *vectors);
  for (size_t i = 0; i < talk->list.n; i++) vectors[i] = talk->list.regions[i].vector;
  gm_status status = gm_rows_add_question(said, prompt, question, index, vectors, err);
  free(vectors);
  return status;
}

gm_status gm_talk_ask(gm_talk *talk, const gm_question *question, const size_t *index,
                      gm_error *err) {
  GM_TRY(add_question(talk, question, index, err));
  talk->asked = talk->said.n;
  return GM_OK;
}

gm_status gm_talk_mark_set(gm_talk_mark *mark, const gm_talk *talk, gm_error *err) {
  size_t bytes = talk->list.n * sizeof *talk->list.regions;
  *mark = (gm_talk_mark){{malloc(bytes), talk->list.n}, talk->said.n};
  if (!mark->list.regions) return gm_fail_memory(err, "the regions", bytes);
  memcpy(mark->list.regions, talk->list.regions, bytes);
  return GM_OK;
}

void gm_talk_mark_free(gm_talk_mark *mark) {
  gm_region_list_free(&mark->list);
}

void gm_talk_go_back(gm_talk *talk, const gm_talk_mark *mark) {
  gm_region_list *list = &talk->list;
  size_t first = common_regions(list, &mark->list);
  if (first < list->n) cut_cache(talk, first); /* a list never becomes shorter in a turn */
  memcpy(list->regions, mark->list.regions, mark->list.n * sizeof *list->regions);
  list->n = mark->list.n;
  talk->said.n = mark->n_said;
  if (talk->asked > mark->n_said) talk->asked = mark->n_said;
  if (talk->seq.n > gm_talk_positions(talk))
    gm_kv_truncate(&talk->seq, gm_talk_positions(talk));
}

/* ---- running ---- */

/* A batch of talks while it runs. */
typedef struct batch {
  gm_compute *c;
  gm_talk *const *talks;
  size_t n;
  bool *resting, *full;
  bool *running; /* [n] in this step */
  gm_rows *rows; /* [n] of a first step that has to compute a prefix */
  gm_llama_run *runs;
  float *logits;
} batch;

/* List, tail and what was said, as rows. */
static gm_status all_rows(const gm_talk *talk, gm_rows *rows, gm_error *err) {
  const gm_prompt *prompt = prompt_of(talk);
  for (size_t i = 0; i < talk->list.n; i++)
    GM_TRY(gm_rows_add_region(rows, prompt, i, talk->list.regions[i].vector, err));
  GM_TRY(gm_rows_add_ids(rows, prompt->tail.ids, prompt->tail.n, err));
  return gm_rows_add(rows, talk->said.rows, talk->said.n, err);
}

/* Lists that the cache between runs may keep get blocks of their own. */
static gm_status reserve_lists(const batch *b) {
  for (size_t i = 0; i < b->n; i++) {
    gm_talk *talk = b->talks[i];
    size_t end = prefix_of(talk);
    if (!talk->picture->cache || talk->list_at == 0 || talk->seq.n >= end) continue;
    GM_TRY(gm_kv_reserve_piece(&talk->seq, end - talk->list_at, b->c->err));
  }
  return GM_OK;
}

static gm_status keep_lists(const batch *b) {
  for (size_t i = 0; i < b->n; i++) {
    gm_talk *talk = b->talks[i];
    if (talk->list_at == 0 || talk->seq.n < prefix_of(talk)) continue;
    GM_TRY(
        gm_picture_keep_list(talk->picture, &talk->list, &talk->seq, talk->list_at, b->c->err));
    talk->list_at = 0;
  }
  return GM_OK;
}

/* Whether a talk that does not rest has rows to read. */
static bool any_reads(const batch *b) {
  for (size_t i = 0; i < b->n; i++)
    if (!b->resting[i] && !gm_talk_steps(b->talks[i])) return true;
  return false;
}

/* Fills runs with what the talks that do not rest have to compute: those that read, or those
 * that take a step. *n_runs becomes their number. */
static gm_status make_runs(batch *b, bool reading, size_t *n_runs) {
  *n_runs = 0;
  for (size_t i = 0; i < b->n; i++) {
    gm_talk *talk = b->talks[i];
    size_t cached = talk->seq.n, prefix = prefix_of(talk), all = gm_talk_positions(talk);
    b->running[i] = false;
    if (b->resting[i] || gm_talk_steps(talk) == reading) continue;
    if (all > talk->picture->groma->context) {
      b->resting[i] = b->full[i] = true;
      continue;
    }
    const gm_llama_row *rows;
    assert(cached >= talk->picture->n_image && cached < all);
    if (cached >= prefix) {
      rows = talk->said.rows + (cached - prefix);
    } else {
      GM_TRY(all_rows(talk, &b->rows[i], b->c->err));
      rows = b->rows[i].rows + (cached - talk->picture->n_image);
    }
    size_t vocab = talk->picture->groma->llama->vocab;
    b->running[i] = true;
    b->runs[(*n_runs)++] =
        (gm_llama_run){&talk->seq, rows, all - cached, b->logits + i * vocab, NULL};
  }
  return GM_OK;
}

/* True where all talks that read have only questions to read, after the same positions. A list
 * is no part of a tree: it is kept as one block. */
static bool begin_alike(const batch *b, size_t n_runs) {
  for (size_t i = 0; i < b->n; i++)
    if (b->talks[i]->list_at > 0) return false;
  for (size_t i = 1; i < n_runs; i++)
    if (b->runs[i].seq->n != b->runs[0].seq->n ||
        gm_kv_common(b->runs[0].seq, b->runs[i].seq) != b->runs[0].seq->n)
      return false;
  return n_runs > 1;
}

static gm_status forward(batch *b, size_t n_runs, bool reading) {
  const gm_picture *picture = b->talks[0]->picture;
  const gm_llama *llama = picture->groma->llama;
  if (!reading) return gm_llama_step(llama, b->c, b->runs, n_runs);
  gm_row_tree tree = {.runs = b->runs, .n = n_runs};
  bool grown = begin_alike(b, n_runs);
  gm_status status = grown ? gm_row_tree_grow(&tree, b->runs, n_runs, b->c->err) : GM_OK;
  if (status == GM_OK)
    status =
        gm_llama_forward(llama, b->c, tree.runs, tree.n, gm_watch_progress, picture->watch);
  if (grown) gm_row_tree_free(&tree);
  return status;
}

/* In the account of every picture. */
static void watch_begin(const batch *b, const char *stage) {
  const gm_picture *last = NULL;
  for (size_t i = 0; i < b->n; i++) {
    const gm_picture *picture = b->talks[i]->picture;
    if (picture != last) gm_watch_begin(picture->watch, stage);
    last = picture;
  }
}

static gm_status run_steps(batch *b, gm_next_fn next, void *user) {
  const gm_llama *llama = b->talks[0]->picture->groma->llama;
  GM_TRY(reserve_lists(b));
  for (;;) {
    size_t n_runs;
    bool reading = any_reads(b);
    GM_TRY(make_runs(b, reading, &n_runs));
    if (n_runs == 0 && reading) continue; /* none has room, so all of these rest now */
    if (n_runs == 0) return GM_OK;
    if (reading) watch_begin(b, "prefill");
    GM_TRY(forward(b, n_runs, reading));
    if (reading) GM_TRY(keep_lists(b));
    if (reading) watch_begin(b, "generate");
    for (size_t i = 0; i < b->n; i++) {
      if (!b->running[i]) continue;
      int32_t id = -1;
      bool more = false;
      GM_TRY(next(user, i, b->logits + i * llama->vocab, &id, &more));
      if (id >= 0) GM_TRY(gm_talk_say(b->talks[i], id, b->c->err));
      b->resting[i] = !more;
    }
  }
}

gm_status gm_talks_run(gm_compute *c, gm_talk *const *talks, size_t n, gm_next_fn next,
                       void *user, bool *full) {
  gm_arena_mark mark = gm_arena_save(&c->arena);
  size_t vocab = talks[0]->picture->groma->llama->vocab;
  batch b = {.c = c, .talks = talks, .n = n, .full = full};
  b.resting = gm_scratch(c, n * sizeof *b.resting, "the answers");
  b.running = gm_scratch(c, n * sizeof *b.running, "the answers");
  b.rows = gm_scratch(c, n * sizeof *b.rows, "the answers");
  b.runs = gm_scratch(c, n * sizeof *b.runs, "the answers");
  b.logits = gm_scratch_f32(c, n * vocab, "the answers");
  gm_status status = GM_ERR_MEMORY;
  if (b.resting && b.running && b.rows && b.runs && b.logits) {
    memset(b.resting, 0, n * sizeof *b.resting);
    memset(b.rows, 0, n * sizeof *b.rows);
    memset(full, 0, n * sizeof *full);
    status = run_steps(&b, next, user);
    for (size_t i = 0; i < n; i++) gm_rows_free(&b.rows[i]);
  }
  gm_arena_restore(&c->arena, mark);
  return status;
}
