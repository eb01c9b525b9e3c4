/* lesson.c - see lesson.h. */
#include "lesson.h"

#include "question_templates.h"
#include "text_buffer.h"
#include "visit.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of a picture with more, a random part is used. */
enum { MOST_NAMED = 10, MOST_TURNS = 5 };
static const double absent_share = 0.1, own_share = 0.6;
static const float same_box = 0.8f;

static const char mark[] = "<ground_box>";

typedef struct teacher {
  gm_lesson *out;
  const gm_lesson_rule *rule;
  const gm_prompt *prompt;
  const gm_look *look;
  const gm_proposals *proposals;
  gm_rng *rng;
  gm_arena *arena;
  gm_error *err;
  uint64_t seed;  /* of the shuffle, the same for all sequences */
  size_t *chosen; /* [n_chosen] boxes of the look, in random order */
  size_t n_chosen;
} teacher;

static const gm_tune_object *object_of(const teacher *t, size_t box) {
  return &t->look->picture->objects[t->look->objects[box]];
}

static gm_status take(const teacher *t, size_t bytes, void *out) {
  void *memory = gm_arena_alloc(t->arena, bytes + 1);
  memcpy(out, &memory, sizeof memory);
  return memory ? GM_OK : gm_fail_memory(t->err, "a lesson", bytes);
}

static gm_status add_sequence(teacher *t, const gm_sample *sample) {
  gm_sequence *s = &t->out->sequences[t->out->n];
  GM_TRY(gm_sequence_build(s, &t->rule->sequence, t->prompt, sample, t->proposals, t->seed,
                           t->err));
  if (s->n_turns > 0) t->out->n++;
  return GM_OK;
}

/* Copies the text with its first letter upper and the others lower, or only the first changed.
 */
static gm_status capitalised(const teacher *t, const char *text, bool rest, const char **out) {
  size_t n = strlen(text);
  char *copy;
  GM_TRY(take(t, n, &copy));
  memcpy(copy, text, n + 1);
  copy[0] = (char)toupper((unsigned char)copy[0]);
  for (size_t i = 1; rest && i < n; i++) copy[i] = (char)tolower((unsigned char)copy[i]);
  *out = copy;
  return GM_OK;
}

/* ---- caption ---- */

typedef struct named {
  size_t box, index;
} named;

static int by_index(const void *a, const void *b) {
  const named *x = a, *y = b;
  if (x->index != y->index) return x->index < y->index ? -1 : 1;
  return x->box < y->box ? -1 : x->box > y->box;
}

static gm_status write_caption(const teacher *t, const named *order, size_t n, gm_text *text) {
  for (size_t i = 0; i < n; i++) {
    const char *name = object_of(t, order[i].box)->name;
    if (i == 0) GM_TRY(capitalised(t, name, false, &name));
    if (i > 0) GM_TRY(gm_text_append_string(text, i + 1 == n ? " and " : ", ", t->err));
    GM_TRY(gm_text_append_string(text, "<p>", t->err));
    GM_TRY(gm_text_append_string(text, name, t->err));
    GM_TRY(gm_text_append_string(text, "</p><roi>", t->err));
    GM_TRY(gm_text_append_string(text, mark, t->err));
    GM_TRY(gm_text_append_string(text, "</roi>", t->err));
  }
  const char *background = t->look->picture->background;
  if (background && background[0]) {
    bool vowel = strchr("aeiou", background[0]) != NULL;
    GM_TRY(gm_text_append_string(text, vowel ? " on an " : " on a ", t->err));
    GM_TRY(gm_text_append_string(text, background, t->err));
    GM_TRY(gm_text_append_string(text, " background", t->err));
  }
  return gm_text_append_string(text, ".", t->err);
}

static gm_status caption_sample(const teacher *t, const named *order, size_t n, gm_turn *turn,
                                gm_rel_box *ground, gm_sample *out) {
  gm_text text = {0};
  gm_status status = write_caption(t, order, n, &text);
  char *copy = NULL;
  if (status == GM_OK) status = take(t, text.length, &copy);
  if (status == GM_OK) memcpy(copy, text.bytes, text.length + 1);
  gm_text_free(&text);
  GM_TRY(status);
  turn->answer = copy;
  for (size_t i = 0; i < n; i++) ground[i] = t->look->boxes[order[i].box];
  *out = (gm_sample){.task = GM_TASK_GROUNDED_CAPTION,
                     .turns = turn,
                     .n_turns = 1,
                     .ground = ground,
                     .n_ground = n};
  return GM_OK;
}

/* The order of the index tokens is known when a sequence was built: the first one is thrown
 * away. The regions of both are the same. */
static gm_status caption(teacher *t) {
  size_t n = t->n_chosen;
  named *order;
  gm_rel_box *ground;
  gm_turn turn;
  gm_sample sample;
  gm_sequence first = {0};
  GM_TRY(take(t, n * sizeof *order, &order));
  GM_TRY(take(t, n * sizeof *ground, &ground));
  GM_TRY(gm_task_question(&turn.question, GM_TASK_GROUNDED_CAPTION, NULL, 0, t->rng, t->arena,
                          t->err));
  for (size_t i = 0; i < n; i++) order[i] = (named){t->chosen[i], 0};
  GM_TRY(caption_sample(t, order, n, &turn, ground, &sample));
  GM_TRY(gm_sequence_build(&first, &t->rule->sequence, t->prompt, &sample, t->proposals,
                           t->seed, t->err));
  for (size_t i = 0; first.n_regions && i < n; i++)
    order[i].index = gm_regions_referred(first.regions, first.n_regions, ground[i]);
  gm_sequence_free(&first);
  qsort(order, n, sizeof *order, by_index);
  GM_TRY(caption_sample(t, order, n, &turn, ground, &sample));
  return add_sequence(t, &sample);
}

/* ---- descriptions ---- */

/* The proposal that is nearly the same box: its vector is made anyway. */
static gm_rel_box nearly(const teacher *t, gm_rel_box box) {
  const gm_proposals *p = t->proposals;
  if (p->n == 0) return box;
  gm_rel_box found = p->boxes[gm_regions_referred(p->boxes, p->n, box)];
  return gm_region_iou(found, box) > same_box ? found : box;
}

static gm_status descriptions(teacher *t) {
  size_t n = t->n_chosen < MOST_TURNS ? t->n_chosen : MOST_TURNS;
  gm_turn turns[MOST_TURNS];
  gm_rel_box refer[MOST_TURNS];
  for (size_t i = 0; i < n; i++) {
    GM_TRY(gm_task_question(&turns[i].question, GM_TASK_DESCRIBE, NULL, 0, t->rng, t->arena,
                            t->err));
    GM_TRY(capitalised(t, object_of(t, t->chosen[i])->name, true, &turns[i].answer));
    refer[i] = nearly(t, t->look->boxes[t->chosen[i]]);
  }
  const gm_sample sample = {
      .task = GM_TASK_DESCRIBE, .turns = turns, .n_turns = n, .refer = refer, .n_refer = n};
  return add_sequence(t, &sample);
}

/* ---- places ---- */

static gm_status joined(const teacher *t, const char *a, const char *b, const char *c,
                        const char **out) {
  size_t n = strlen(a), m = strlen(b), k = strlen(c);
  char *text;
  GM_TRY(take(t, n + m + k, &text));
  memcpy(text, a, n);
  memcpy(text + n, b, m);
  memcpy(text + n + m, c, k + 1);
  *out = text;
  return GM_OK;
}

static const char *without_the(const char *noun) {
  return strncmp(noun, "the ", 4) == 0 ? noun + 4 : noun;
}

/* A phrase that fits this box alone by its name, or by its place beside the other one of that
 * name; NULL: there is none. */
static gm_status phrase_by_name(const teacher *t, size_t box, const char **out) {
  const gm_look *look = t->look;
  const gm_tune_object *object = object_of(t, box);
  size_t others = 0, other = 0;
  *out = NULL;
  for (size_t i = 0; i < look->n; i++) {
    if (i == box || strcmp(object_of(t, i)->name, object->name) != 0) continue;
    others++;
    other = i;
  }
  const char *noun = without_the(object->noun);
  if (others == 0 && gm_rng_unit(t->rng) < 0.5) {
    *out = object->name;
    return GM_OK;
  }
  if (others == 0) return joined(t, "the ", noun, "", out);
  if (others > 1) return GM_OK;
  gm_rel_box a = look->boxes[box], b = look->boxes[other];
  float dx = (a.cx - b.cx) * look->width, dy = (a.cy - b.cy) * look->height;
  if (fabsf(dx) > fabsf(dy) && fabsf(dx) > 0.5f * a.w * look->width)
    return joined(t, "the ", noun, dx > 0 ? " on the right" : " on the left", out);
  if (fabsf(dy) > 0.5f * a.h * look->height)
    return joined(t, dy > 0 ? "the lower " : "the upper ", noun, "", out);
  return GM_OK;
}

/* The phrase of the user's that fits the box, drawn among several; NULL: there is none. */
static const char *own_phrase(const teacher *t, size_t box) {
  const gm_look *look = t->look;
  size_t n = 0;
  const char *found = NULL;
  for (size_t i = 0; i < look->n_phrases; i++) {
    if (gm_region_iou(look->phrases[i].box, look->boxes[box]) < 0.95f) continue;
    if (gm_rng_unit(t->rng) * (double)++n < 1) found = look->phrases[i].text;
  }
  return found;
}

/* A name that no object of the picture has; NULL if the draw does not give one. */
static const char *absent_name(const teacher *t) {
  const gm_tune_picture *picture = t->look->picture;
  if (t->rule->n_names == 0) return NULL;
  const char *name = t->rule->names[gm_rng_below(t->rng, t->rule->n_names)];
  for (size_t i = 0; i < picture->n_objects; i++)
    if (strcmp(picture->objects[i].name, name) == 0) return NULL;
  return name;
}

static gm_status places(teacher *t) {
  gm_turn turns[MOST_TURNS];
  gm_rel_box ground[MOST_TURNS];
  size_t n = 0, n_ground = 0;
  for (size_t i = 0; i < t->n_chosen && n < MOST_TURNS; i++) {
    const char *absent = gm_rng_unit(t->rng) < absent_share ? absent_name(t) : NULL;
    const char *phrase = absent;
    if (!phrase && gm_rng_unit(t->rng) < own_share) phrase = own_phrase(t, t->chosen[i]);
    if (!phrase) GM_TRY(phrase_by_name(t, t->chosen[i], &phrase));
    if (!phrase) phrase = own_phrase(t, t->chosen[i]);
    if (!phrase) continue;
    GM_TRY(gm_task_question(&turns[n].question, GM_TASK_LOCATE, phrase, strlen(phrase), t->rng,
                            t->arena, t->err));
    turns[n++].answer = absent ? "<roi></roi>" : "<roi><ground_box></roi>";
    if (!absent) ground[n_ground++] = t->look->boxes[t->chosen[i]];
  }
  if (n == 0) return GM_OK;
  const gm_sample sample = {.task = GM_TASK_LOCATE,
                            .turns = turns,
                            .n_turns = n,
                            .ground = ground,
                            .n_ground = n_ground};
  return add_sequence(t, &sample);
}

/* ---- all ---- */

static gm_status choose(teacher *t) {
  size_t n = t->look->n;
  GM_TRY(take(t, n * sizeof *t->chosen, &t->chosen));
  for (size_t i = 0; i < n; i++) {
    size_t j = gm_rng_below(t->rng, i + 1);
    t->chosen[i] = t->chosen[j];
    t->chosen[j] = i;
  }
  t->n_chosen = n < MOST_NAMED ? n : MOST_NAMED;
  return GM_OK;
}

gm_status gm_lesson_make(gm_lesson *out, const gm_lesson_rule *rule, const gm_prompt *prompt,
                         const gm_look *look, const gm_proposals *proposals, gm_rng *rng,
                         gm_arena *arena, gm_error *err) {
  teacher t = {.out = out,
               .rule = rule,
               .prompt = prompt,
               .look = look,
               .proposals = proposals,
               .rng = rng,
               .arena = arena,
               .err = err,
               .seed = gm_rng_u64(rng)};
  *out = (gm_lesson){0};
  if (look->n == 0) return GM_OK;
  gm_status status = choose(&t);
  size_t only = rule->single ? gm_rng_below(rng, GM_LESSON_SEQUENCES) : GM_LESSON_SEQUENCES;
  gm_status (*const kinds[])(teacher *) = {caption, descriptions, places};
  for (size_t i = 0; status == GM_OK && i < GM_LESSON_SEQUENCES; i++)
    if (!rule->single || i == only) status = kinds[i](&t);
  if (status != GM_OK) gm_lesson_free(out);
  return status;
}

void gm_lesson_free(gm_lesson *lesson) {
  for (size_t i = 0; i < lesson->n; i++) gm_sequence_free(&lesson->sequences[i]);
  *lesson = (gm_lesson){0};
}
