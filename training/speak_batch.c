/* speak_batch.c - see speak_batch.h. */
#include "speak_batch.h"

#include <string.h>

enum { LOOK_LAYER = 3, LOOK_HEADS = 2 };
static const size_t HEAD_LAYER[SPEAKING_HEADS] = {
    [OWN_INDEX] = 1,  [REGION_KIND] = 1, [REGION_PLACE] = 1,
    [ASKED_KIND] = 2, [NAMED_INDEX] = 2, [NAMED_KIND] = 3};

gm_status speaking_check(const gm_groma *groma, gm_error *err) {
  const gm_llama *l = groma->llama;
  if (l->n_layers > LOOK_LAYER && l->heads >= SPEAKING_LOOKS * LOOK_HEADS) return GM_OK;
  return gm_fail(err, GM_ERR_MODEL,
                 "the language model has %zu layers of %zu heads, wanted at least %d of %d",
                 l->n_layers, l->heads, LOOK_LAYER + 1, SPEAKING_LOOKS * LOOK_HEADS);
}

gm_status speaking_sequence(const speaking *s, speaking_item *item, gm_error *err) {
  const lesson *l = item->lesson;
  const gm_sequence_rule rule = {
      .regions = {0.15f, 0.6f, SEEN_REGIONS}, .eos = true, .max_ids = GM_SEQUENCE_IDS};
  const gm_proposals regions = {l->boxes, l->scores, l->n};
  return gm_sequence_build(&item->sequence, &rule, s->groma->prompt, &l->sample, &regions, 0,
                           err);
}

/* ---- what is said of the rows ---- */

/* Rows that a head of the training looks at, and what it is to say of them. */
typedef struct taught_rows {
  size_t *rows; /* [n] */
  int32_t *targets;
  size_t n;
} taught_rows;

typedef struct batch_pass {
  const speaking *s;
  const speaking_item *items;
  size_t n, n_image, n_regions;
  float *vectors, *d_vectors; /* image tokens, then regions */
  const float **outputs;
  gm_region_picture *pictures;
  gm_bridge_kept bridge_kept;
  gm_region_kept *regions_kept;
  gm_ids rows, targets;
  size_t *lengths;
  gm_llama_batch batch;
  gm_llama_pass words;
  taught_rows taught[SPEAKING_HEADS];
  gm_attention_lesson *looks[SPEAKING_LOOKS];
  size_t n_looks[SPEAKING_LOOKS];
  /* With measure, [rows], where there is a target: the most likely next id, and the most likely
   * index token of the picture's. */
  int32_t *likely, *likely_index;
} batch_pass;

static void teach(batch_pass *p, int which, size_t row, ptrdiff_t target) {
  taught_rows *t = &p->taught[which];
  t->rows[t->n] = row;
  t->targets[t->n++] = (int32_t)target;
}

static void look(batch_pass *p, int why, size_t row, size_t look_at) {
  for (size_t h = 0; h < LOOK_HEADS; h++)
    p->looks[why][p->n_looks[why]++] =
        (gm_attention_lesson){row, look_at, (size_t)why * LOOK_HEADS + h};
}

/* A sequence of the batch while its rows are walked through. */
typedef struct walker {
  batch_pass *p;
  const speaking_item *item;
  size_t begin, end, first_vector; /* rows, and its regions among the vectors */
  size_t listed[SEEN_REGIONS];     /* the row of each region in the list */
  size_t referred;                 /* the last row of a region's vector */
  speaking_score *sum;             /* NULL: not measured */
} walker;

/* Of an answer's row. */
static bool is_index(const walker *w, int32_t id, size_t *index) {
  int32_t first = w->p->s->groma->prompt->region_0;
  if (id < first || id >= first + (int32_t)w->item->lesson->n) return false;
  *index = (size_t)(id - first);
  return true;
}

static void find_listed(walker *w) {
  bool seen_it[SEEN_REGIONS] = {false};
  for (size_t i = w->begin; i < w->end; i++) {
    int32_t id = w->p->rows.ids[i];
    if (id >= 0 || (size_t)(-1 - id) < w->first_vector) continue;
    size_t k = (size_t)(-1 - id) - w->first_vector;
    if (seen_it[k]) continue;
    seen_it[k] = true;
    w->listed[k] = i;
    teach(w->p, OWN_INDEX, i, (ptrdiff_t)k);
    teach(w->p, REGION_KIND, i, w->item->lesson->kinds[k]);
    teach(w->p, REGION_PLACE, i, box_place(w->item->lesson->boxes[k]));
  }
}

/* The region that an answer points to from row i on; false: none. */
static bool next_index(const walker *w, size_t i, size_t *index) {
  for (; i < w->end && w->p->targets.ids[i] >= 0; i++)
    if (is_index(w, w->p->targets.ids[i], index)) return true;
  return false;
}

static bool right(const walker *w, size_t row) {
  return w->p->likely[row] == w->p->targets.ids[row];
}

/* The rows of an answer, from row i on; returns the row after the last. */
static size_t walk_answer(walker *w, size_t i, const turn_facts *f) {
  batch_pass *p = w->p;
  const gm_prompt *prompt = p->s->groma->prompt;
  ptrdiff_t phrase = f->kind == TURN_CAPTION ? -1 : 0;
  bool naming = f->kind == TURN_NAME, all = true, phrase_right = true;
  size_t index = 0, first = i;
  for (; i < w->end && p->targets.ids[i] >= 0; i++) {
    int32_t id = p->rows.ids[i], target = p->targets.ids[i];
    bool points = id == prompt->roi || is_index(w, id, &index);
    if (id == prompt->phrase) {
      naming = true;
      phrase_right = true;
      phrase += phrase + 1 < (ptrdiff_t)f->n;
    }
    naming = naming && target != prompt->phrase_end && target != prompt->eos;
    ptrdiff_t kind = phrase < 0 ? -1 : f->kinds[phrase];
    if (naming) {
      bool asked = f->kind == TURN_NAME, known = asked || next_index(w, i, &index);
      teach(p, NAMED_KIND, i, kind);
      if (known) {
        teach(p, NAMED_INDEX, i, asked ? f->region : (ptrdiff_t)index);
        look(p, NAMING, i, asked ? w->referred : w->listed[index]);
      }
    }
    if (points) look(p, POINTING, i, is_index(w, target, &index) ? w->listed[index] : i);
    if (id == prompt->roi) teach(p, ASKED_KIND, i, kind);
    if (f->kind == TURN_ASK && i == first) {
      teach(p, ASKED_KIND, i, kind);
      look(p, POINTING, i, f->region >= 0 ? w->listed[f->region] : i);
    }
    if (!w->sum) continue;
    if (f->kind == TURN_LOCATE && !f->absent && is_index(w, target, &index)) {
      w->sum->located++;
      w->sum->located_right += p->likely_index[i] == target;
      w->sum->located_by_chance += 1 / (double)w->item->lesson->n;
    }
    all = all && right(w, i);
    phrase_right = phrase_right && right(w, i);
    if (f->kind == TURN_CAPTION && is_index(w, target, &index)) {
      w->sum->phrases++;
      w->sum->phrases_right += phrase_right;
    }
  }
  if (w->sum) {
    w->sum->turns[f->kind][f->absent]++;
    w->sum->exact[f->kind][f->absent] += all;
  }
  return i;
}

static void walk(walker *w) {
  const gm_ids *rows = &w->p->rows, *targets = &w->p->targets;
  size_t turn = 0;
  find_listed(w);
  for (size_t i = w->begin; i < w->end;) {
    int32_t id = rows->ids[i];
    if (id < 0 && (size_t)(-1 - id) >= w->first_vector) w->referred = i;
    if (targets->ids[i] >= 0)
      i = walk_answer(w, i, &w->item->lesson->facts[turn++]);
    else
      i++;
  }
}

static gm_status walk_all(batch_pass *p, speaking_score *sum) {
  gm_compute *c = p->s->t.c;
  size_t n = p->rows.n;
  for (int h = 0; h < SPEAKING_HEADS; h++) {
    p->taught[h].rows = gm_scratch(c, n * sizeof *p->taught[h].rows, "the heads");
    p->taught[h].targets = gm_scratch(c, n * sizeof *p->taught[h].targets, "the heads");
    if (!p->taught[h].rows || !p->taught[h].targets) return GM_ERR_MEMORY;
  }
  for (int why = 0; why < SPEAKING_LOOKS; why++) {
    p->looks[why] = gm_scratch(c, LOOK_HEADS * n * sizeof *p->looks[why], "the heads");
    if (!p->looks[why]) return GM_ERR_MEMORY;
  }
  size_t row = 0, vector = p->n_image;
  for (size_t i = 0; i < p->n; i++) {
    walker w = {.p = p,
                .item = &p->items[i],
                .begin = row,
                .end = row + p->lengths[i],
                .first_vector = vector,
                .sum = sum};
    walk(&w);
    row = w.end;
    vector += p->items[i].sequence.n_regions;
  }
  return GM_OK;
}

/* ---- forward ---- */

static gm_status make_vectors(batch_pass *p) {
  const speaking *s = p->s;
  gm_compute *c = s->t.c;
  const size_t D = s->groma->llama->dim, T = gm_vision_n_tokens(s->groma->vision);
  p->n_image = p->n * T;
  for (size_t i = 0; i < p->n; i++) p->n_regions += p->items[i].sequence.n_regions;
  size_t floats = (p->n_image + p->n_regions) * D;
  p->outputs = gm_scratch(c, p->n * sizeof *p->outputs, "the pictures");
  p->pictures = gm_scratch(c, p->n * sizeof *p->pictures, "the pictures");
  p->lengths = gm_scratch(c, p->n * sizeof *p->lengths, "the sequences");
  p->vectors = gm_scratch_f32(c, floats, "image tokens and regions");
  p->d_vectors = gm_scratch_f32(c, floats, "their gradients");
  if (!p->outputs || !p->pictures || !p->lengths || !p->vectors || !p->d_vectors)
    return GM_ERR_MEMORY;
  memset(p->d_vectors, 0, floats * sizeof *p->d_vectors);
  float *at = p->vectors + p->n_image * D;
  for (size_t i = 0; i < p->n; i++) {
    const speaking_item *item = &p->items[i];
    p->outputs[i] = item->saw->states[GM_REGION_LEVELS - 1];
    p->pictures[i] =
        (gm_region_picture){.boxes = item->sequence.regions, .r = item->sequence.n_regions};
    memcpy(p->pictures[i].states, item->saw->states, sizeof item->saw->states);
    for (size_t k = 0; k < item->sequence.n_regions; k++, at += D)
      memcpy(at, item->saw->vectors + item->lesson->order[k] * D, D * sizeof *at);
  }
  GM_TRY(gm_visual_tokens_train(&s->t, gm_vision_bridge(s->groma->vision), p->outputs, p->n,
                                p->vectors, &p->bridge_kept));
  if (!s->regions_learn) return GM_OK;
  return gm_region_encoder_train(&s->t, gm_vision_regions(s->groma->vision), p->pictures, p->n,
                                 p->vectors + p->n_image * D, &p->regions_kept);
}

static gm_status make_rows(batch_pass *p) {
  const size_t T = gm_vision_n_tokens(p->s->groma->vision);
  for (size_t i = 0, image = 0, region = p->n_image; i < p->n; i++) {
    const gm_sequence *s = &p->items[i].sequence;
    size_t before = p->rows.n;
    GM_TRY(gm_sequence_rows(s, p->s->groma->prompt, T, image, region, &p->rows, &p->targets,
                            p->s->t.c->err));
    p->lengths[i] = p->rows.n - before;
    image += T;
    region += s->n_regions;
  }
  p->batch = (gm_llama_batch){.lengths = p->lengths,
                              .n_sequences = p->n,
                              .n_rows = p->rows.n,
                              .rows = p->rows.ids,
                              .vectors = p->vectors,
                              .targets = p->targets.ids,
                              .d_vectors = p->d_vectors};
  return GM_OK;
}

static int32_t best_of(const float *row, size_t begin, size_t end) {
  size_t best = begin;
  for (size_t k = begin + 1; k < end; k++)
    if (row[k] > row[best]) best = k;
  return (int32_t)best;
}

/* The most likely ids of all rows with a target, and the mean loss of the targets. */
static gm_status most_likely(batch_pass *p, double *loss) {
  const gm_llama *l = p->s->groma->llama;
  const gm_training *t = &p->s->t;
  gm_compute *c = t->c;
  size_t n = p->words.n_asked, item = 0, end = p->lengths[0];
  float *normed = gm_scratch_f32(c, n * (l->dim + 2), "the answers"),
        *logits = gm_scratch_f32(c, n * l->vocab, "logits");
  int32_t *targets = gm_scratch(c, n * sizeof *targets, "targets");
  p->likely = gm_scratch(c, p->rows.n * sizeof *p->likely, "the answers");
  p->likely_index = gm_scratch(c, p->rows.n * sizeof *p->likely_index, "the answers");
  if (!normed || !logits || !targets || !p->likely || !p->likely_index) return GM_ERR_MEMORY;
  gm_rms_norm_train(t, normed, p->words.states[l->n_layers], normed + n * l->dim, n, l->dim,
                    l->norm, l->eps);
  GM_TRY(gm_linear_train(t, &l->head, NULL, normed, l->dim, n, logits, l->vocab));
  GM_TRY(gm_linear_train(t, &l->extra_head, NULL, normed, l->dim, n, logits + l->base_vocab,
                         l->vocab));
  for (size_t i = 0; i < n; i++) {
    const float *row = logits + i * l->vocab;
    const size_t at = p->words.asked[i], first = (size_t)p->s->groma->prompt->region_0;
    while (at >= end) end += p->lengths[++item];
    p->likely[at] = best_of(row, 0, l->vocab);
    p->likely_index[at] = best_of(row, first, first + p->items[item].lesson->n);
    targets[i] = p->targets.ids[at];
  }
  gm_cross_entropy(t, logits, l->vocab, n, l->vocab, targets, (double)(n ? n : 1), loss);
  return GM_OK;
}

/* ---- the other losses ---- */

static const gm_class_head *head_of(const speaking *s, int h) {
  if (h == OWN_INDEX || h == NAMED_INDEX) return &s->index_head;
  return h == REGION_PLACE ? &s->place_head : &s->kind_head;
}

static gm_status head_loss(batch_pass *p, int h, double weight, bool measure,
                           gm_state_gradient *out, speaking_score *sum) {
  const taught_rows *taught = &p->taught[h];
  const size_t dim = p->s->groma->llama->dim, layer = HEAD_LAYER[h];
  gm_compute *c = p->s->t.c;
  float *x = gm_scratch_f32(c, taught->n * dim, "a head"),
        *d = gm_scratch_f32(c, taught->n * dim, "a head");
  if (!x || !d) return GM_ERR_MEMORY;
  memset(d, 0, taught->n * dim * sizeof *d);
  for (size_t i = 0; i < taught->n; i++)
    memcpy(x + i * dim, p->words.states[layer] + taught->rows[i] * dim, dim * sizeof *x);
  double loss;
  size_t hits;
  GM_TRY(gm_class_head_classify(&p->s->t, head_of(p->s, h), x, taught->n, taught->targets,
                                weight, measure ? NULL : d, &loss, &hits));
  sum->heads += loss;
  for (size_t i = 0; i < taught->n; i++) sum->rows[h] += taught->targets[i] >= 0;
  sum->right[h] += (double)hits;
  *out = (gm_state_gradient){layer, taught->n, taught->rows, d};
  return GM_OK;
}

static gm_status look_loss(batch_pass *p, double weight, gm_attention_gradient *out,
                           speaking_score *sum) {
  const gm_llama *l = p->s->groma->llama;
  gm_compute *c = p->s->t.c;
  size_t n_q = p->rows.n * l->dim, n_k = p->rows.n * l->kv_dim, hits;
  float *d_q = gm_scratch_f32(c, n_q, "attention"), *d_k = gm_scratch_f32(c, n_k, "attention");
  if (!d_q || !d_k) return GM_ERR_MEMORY;
  memset(d_q, 0, n_q * sizeof *d_q);
  memset(d_k, 0, n_k * sizeof *d_k);
  for (int why = 0; why < SPEAKING_LOOKS; why++) {
    double loss;
    GM_TRY(gm_attention_lessons(&p->words, LOOK_LAYER, p->looks[why], p->n_looks[why], weight,
                                d_q, d_k, &loss, &hits));
    sum->looks += loss;
    sum->looked[why] += (double)p->n_looks[why];
    sum->looked_right[why] += (double)hits;
  }
  *out = (gm_attention_gradient){LOOK_LAYER, d_q, d_k};
  return GM_OK;
}

static gm_status backward(batch_pass *p, const gm_state_gradient *extra,
                          const gm_attention_gradient *looks) {
  const speaking *s = p->s;
  const gm_vision *vision = s->groma->vision;
  p->words.looks = looks;
  GM_TRY(gm_llama_train_back(&p->words, extra, SPEAKING_HEADS));
  GM_TRY(gm_visual_tokens_back(&s->t, gm_vision_bridge(vision), p->outputs, p->n,
                               &p->bridge_kept, p->d_vectors, NULL));
  if (!s->regions_learn) return GM_OK;
  return gm_region_encoder_back(&s->t, gm_vision_regions(vision), p->pictures, p->n,
                                p->regions_kept,
                                p->d_vectors + p->n_image * s->groma->llama->dim);
}

static gm_status run(batch_pass *p, double weight, bool measure, speaking_score *sum) {
  gm_state_gradient extra[SPEAKING_HEADS];
  gm_attention_gradient looks;
  double loss;
  GM_TRY(make_vectors(p));
  GM_TRY(make_rows(p));
  GM_TRY(gm_llama_train_forward(&p->words, &p->s->t, p->s->groma->llama, &p->batch));
  GM_TRY(measure ? most_likely(p, &loss) : gm_llama_train_loss(&p->words, &loss));
  GM_TRY(walk_all(p, measure ? sum : NULL));
  for (int h = 0; h < SPEAKING_HEADS; h++)
    GM_TRY(head_loss(p, h, weight, measure, &extra[h], sum));
  GM_TRY(look_loss(p, weight, &looks, sum));
  sum->words += loss;
  sum->batches++;
  return measure ? GM_OK : backward(p, extra, &looks);
}

gm_status speaking_batch(const speaking *s, const speaking_item *items, size_t n, double weight,
                         bool measure, speaking_score *sum) {
  batch_pass pass = {.s = s, .items = items, .n = n};
  gm_arena_mark mark = gm_arena_save(&s->t.c->arena);
  gm_status status = run(&pass, weight, measure, sum);
  gm_ids_free(&pass.rows);
  gm_ids_free(&pass.targets);
  gm_arena_restore(&s->t.c->arena, mark);
  return status;
}
