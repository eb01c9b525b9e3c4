/* talk.c - see talk.h. */
#include "talk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const gm_prompt *prompt_of(const gm_talk *talk) {
  return talk->encoding->groma->prompt;
}

/* Positions before the first that was said. */
static size_t prefix_of(const gm_talk *talk) {
  return gm_encoding_positions(talk->encoding, &talk->list);
}

size_t gm_talk_positions(const gm_talk *talk) {
  return prefix_of(talk) + talk->said.n;
}

bool gm_talk_steps(const gm_talk *talk) {
  return talk->seq.n >= prefix_of(talk) + talk->asked;
}

/* ---- lists ---- */

gm_status gm_talk_begin(gm_talk *talk, gm_encoding *encoding, const gm_rel_box *boxes, size_t n,
                        size_t *index, gm_error *err) {
  *talk = (gm_talk){.encoding = encoding};
  talk->seq.shape = encoding->prefix.shape;
  return gm_encoding_refer(encoding, boxes, n, &talk->list, index, err);
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
  size_t kept = talk->encoding->n_image + 2 * first;
  if (talk->seq.n > kept) gm_kv_truncate(&talk->seq, kept);
  talk->list_at = 0;
}

gm_status gm_talk_refer(gm_talk *talk, const gm_rel_box *boxes, size_t n, size_t *index,
                        gm_error *err) {
  if (n == 0) return GM_OK;
  size_t max = talk->encoding->groma->max_regions, first;
  bool *in_use = calloc(max, sizeof *in_use);
  if (!in_use) return gm_fail_memory(err, "the regions", max * sizeof *in_use);
  mark_named(talk, in_use);
  gm_status status =
      gm_encoding_append(talk->encoding, &talk->list, boxes, n, in_use, index, &first, err);
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

gm_status gm_talk_take_prefix(gm_talk *talk, gm_compute *c) {
  if (talk->seq.n >= talk->encoding->n_image) return GM_OK;
  gm_kv_seq *prefix = &talk->encoding->prefix;
  size_t common = common_regions(&talk->encoding->base, &talk->list);
  size_t n = talk->encoding->n_image + 2 * common;
  if (common == talk->list.n && common == talk->encoding->base.n) n = prefix_of(talk);
  gm_kv_clear(&talk->seq);
  GM_TRY(gm_kv_fork(&talk->seq, prefix, c->err));
  if (n < talk->seq.n) gm_kv_truncate(&talk->seq, n);
  bool found;
  if (talk->seq.n == prefix_of(talk)) return GM_OK;
  talk->list_at = talk->seq.n;
  GM_TRY(gm_encoding_find_list(talk->encoding, c, &talk->list, &talk->seq, &found));
  if (found) talk->list_at = 0;
  return GM_OK;
}

gm_prefix_part gm_talks_missing_prefix(gm_talk *const *talks, size_t n) {
  const gm_encoding *encoding = talks[0]->encoding;
  bool any = false, whole = false;
  for (size_t i = 0; i < n; i++) {
    if (talks[i]->seq.n >= encoding->n_image) continue;
    any = true;
    /* The whole prefix pays where a list shares at least half of the base list. */
    whole = whole || 2 * common_regions(&encoding->base, &talks[i]->list) >= encoding->base.n;
  }
  if (!any || encoding->prefix.n > (whole ? encoding->n_image : 0)) return GM_PREFIX_NONE;
  return whole ? GM_PREFIX_WHOLE : GM_PREFIX_IMAGE;
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

/* ---- a pass ---- */

size_t gm_talk_unread(const gm_talk *talk) {
  size_t all = gm_talk_positions(talk);
  assert(talk->seq.n <= all);
  return all > talk->encoding->groma->context ? 0 : all - talk->seq.n;
}

/* List, tail and what was said, as rows. */
static gm_status all_rows(const gm_talk *talk, gm_rows *rows, gm_error *err) {
  const gm_prompt *prompt = prompt_of(talk);
  for (size_t i = 0; i < talk->list.n; i++)
    GM_TRY(gm_rows_add_region(rows, prompt, i, talk->list.regions[i].vector, err));
  GM_TRY(gm_rows_add_ids(rows, prompt->tail.ids, prompt->tail.n, err));
  return gm_rows_add(rows, talk->said.rows, talk->said.n, err);
}

/* A list that the cache between runs may keep gets a block of its own. */
static gm_status reserve_list(gm_talk *talk, gm_error *err) {
  size_t prefix = prefix_of(talk);
  if (!talk->encoding->cache || talk->list_at == 0 || talk->seq.n >= prefix) return GM_OK;
  assert(talk->seq.n == talk->list_at);
  return gm_kv_reserve_piece(&talk->seq, prefix - talk->list_at, err);
}

static gm_status make_run(gm_talk_pass *p, size_t i, float *logits) {
  gm_talk *talk = p->talks[i];
  size_t cached = talk->seq.n, prefix = prefix_of(talk), n = gm_talk_unread(talk);
  const gm_llama_row *rows;
  assert(cached >= talk->encoding->n_image && n > 0);
  if (cached >= prefix) {
    rows = talk->said.rows + (cached - prefix);
  } else {
    GM_TRY(reserve_list(talk, p->c->err));
    GM_TRY(all_rows(talk, &p->rows[i], p->c->err));
    rows = p->rows[i].rows + (cached - talk->encoding->n_image);
  }
  p->runs[i] = (gm_llama_run){.seq = &talk->seq, .rows = rows, .n = n, .logits = logits};
  return GM_OK;
}

gm_status gm_talk_pass_begin(gm_talk_pass *p, gm_compute *c, gm_talk *const *talks, size_t n,
                             float *logits) {
  *p = (gm_talk_pass){.c = c,
                      .llama = talks[0]->encoding->groma->llama,
                      .talks = talks,
                      .n = n,
                      .mark = gm_arena_save(&c->arena)};
  gm_rows *rows = gm_scratch(c, n * sizeof *rows, "the answers");
  p->runs = gm_scratch(c, n * sizeof *p->runs, "the answers");
  if (!rows || !p->runs) return GM_ERR_MEMORY;
  memset(rows, 0, n * sizeof *rows);
  p->rows = rows;
  p->tree = (gm_row_tree){.runs = p->runs, .n = n};
  for (size_t i = 0; i < n; i++) {
    assert(gm_talk_steps(talks[i]) == gm_talk_steps(talks[0]));
    GM_TRY(make_run(p, i, logits + i * p->llama->vocab));
  }
  return GM_OK;
}

/* True where all have only questions to read, after the same positions. A list is not in a
 * tree: it is kept as one block. */
static bool begin_alike(const gm_talk_pass *p) {
  for (size_t i = 0; i < p->n; i++)
    if (p->talks[i]->list_at > 0) return false;
  for (size_t i = 1; i < p->n; i++)
    if (p->runs[i].seq->n != p->runs[0].seq->n ||
        gm_kv_common(p->runs[0].seq, p->runs[i].seq) != p->runs[0].seq->n)
      return false;
  return p->n > 1;
}

gm_status gm_talk_pass_share(gm_talk_pass *p) {
  if (!begin_alike(p)) return GM_OK;
  p->grown = true;
  return gm_row_tree_grow(&p->tree, p->runs, p->n, p->c->err);
}

gm_status gm_talk_pass_keep_lists(gm_talk_pass *p) {
  for (size_t i = 0; i < p->n; i++) {
    gm_talk *talk = p->talks[i];
    if (talk->list_at == 0) continue;
    GM_TRY(gm_encoding_keep_list(talk->encoding, p->c, &talk->list, &talk->seq, talk->list_at));
    talk->list_at = 0;
  }
  return GM_OK;
}

void gm_talk_pass_end(gm_talk_pass *p) {
  if (p->grown) gm_row_tree_free(&p->tree);
  for (size_t i = 0; i < p->n && p->rows; i++) gm_rows_free(&p->rows[i]);
  gm_arena_restore(&p->c->arena, p->mark);
}
