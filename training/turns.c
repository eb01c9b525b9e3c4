/* turns.c - see turns.h. */
#include "turns.h"

#include "text_buffer.h"
#include "visit.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct teacher {
  lesson *out;
  const scenes *s;
  const scene *sc;
  const seen *saw;
  size_t index_of[SEEN_REGIONS]; /* the index token of each region */
  bool used[SEEN_REGIONS];       /* objects that were answered for */
  gm_turn *turns;
  gm_rel_box *refer, *ground;
  gm_rng *rng;
  gm_arena *arena;
  gm_error *err;
} teacher;

static bool chance(teacher *t, double p) {
  return gm_rng_unit(t->rng) < p;
}

static gm_status begin(teacher *t) {
  lesson *out = t->out;
  *out = (lesson){.n = t->saw->n};
  t->turns = gm_arena_alloc(t->arena, MAX_TURNS * sizeof *t->turns);
  t->refer = gm_arena_alloc(t->arena, MAX_TURNS * sizeof *t->refer);
  t->ground = gm_arena_alloc(t->arena, 2 * SEEN_REGIONS * MAX_TURNS * sizeof *t->ground);
  if (!t->turns || !t->refer || !t->ground) return gm_fail_memory(t->err, "a lesson", 4096);
  out->sample.turns = t->turns;
  out->sample.refer = t->refer;
  out->sample.ground = t->ground;
  for (size_t i = 0; i < out->n; i++) out->order[i] = i;
  for (size_t i = out->n; i > 1; i--) {
    size_t j = gm_rng_below(t->rng, i), swap = out->order[i - 1];
    out->order[i - 1] = out->order[j];
    out->order[j] = swap;
  }
  for (size_t i = 0; i < out->n; i++) {
    t->index_of[out->order[i]] = i;
    out->boxes[i] = t->saw->boxes[out->order[i]];
    out->scores[i] = 3 - 0.01f * (float)i;
    ptrdiff_t object = t->saw->object[out->order[i]];
    out->kinds[i] = object < 0 ? -1 : (ptrdiff_t)t->sc->objects[object].kind;
  }
  return GM_OK;
}

/* ---- words ---- */

static gm_status say(teacher *t, const char **out, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static gm_status say(teacher *t, const char **out, const char *format, ...) {
  char text[2048];
  va_list list;
  va_start(list, format);
  int n = vsnprintf(text, sizeof text, format, list);
  va_end(list);
  char *copy = gm_arena_alloc(t->arena, (size_t)n + 1);
  if (!copy) return gm_fail_memory(t->err, "a lesson", (size_t)n + 1);
  memcpy(copy, text, (size_t)n + 1);
  *out = copy;
  return GM_OK;
}

static const char *name_of(const teacher *t, size_t object) {
  return t->s->names[t->sc->objects[object].kind];
}

static gm_status phrase(teacher *t, size_t kind, bool capital, const char **out) {
  char text[256];
  snprintf(text, sizeof text, "%s", t->s->phrases[kind]);
  if (capital && text[0] >= 'a' && text[0] <= 'z') text[0] = (char)(text[0] - 'a' + 'A');
  return say(t, out, "%s", text);
}

static gm_status question(teacher *t, gm_task task, const char *about) {
  return gm_task_question(&t->turns[t->out->sample.n_turns].question, task, about,
                          about ? strlen(about) : 0, t->rng, t->arena, t->err);
}

static void point(teacher *t, size_t object) {
  t->ground[t->out->sample.n_ground++] = t->saw->boxes[t->saw->region_of[object]];
}

static turn_facts *next_turn(teacher *t, turn_kind kind) {
  turn_facts *facts = &t->out->facts[t->out->sample.n_turns];
  *facts = (turn_facts){.kind = kind, .region = -1};
  return facts;
}

static void end_turn(teacher *t, const char *answer) {
  t->turns[t->out->sample.n_turns++].answer = answer;
}

/* ---- captions ---- */

static gm_status caption(teacher *t) {
  turn_facts *facts = next_turn(t, TURN_CAPTION);
  const char *text = "", *name;
  size_t total = 0;
  for (size_t i = 0; i < t->out->n; i++) total += t->saw->object[t->out->order[i]] >= 0;
  if (total == 0) return GM_OK;
  for (size_t i = 0; i < t->out->n; i++) {
    ptrdiff_t object = t->saw->object[t->out->order[i]];
    if (object < 0) continue;
    size_t kind = t->sc->objects[object].kind, k = facts->n;
    facts->kinds[facts->n++] = (ptrdiff_t)kind;
    GM_TRY(phrase(t, kind, k == 0, &name));
    GM_TRY(say(t, &text, "%s%s<p>%s</p><roi><ground_box></roi>", text,
               k == 0           ? ""
               : k + 1 == total ? " and "
                                : ", ",
               name));
    point(t, (size_t)object);
  }
  const char *back = t->sc->background;
  if (back)
    GM_TRY(say(t, &text, "%s on %s %s background", text, strchr("aeiou", back[0]) ? "an" : "a",
               back));
  GM_TRY(say(t, &text, "%s.", text));
  GM_TRY(question(t, GM_TASK_GROUNDED_CAPTION, NULL));
  end_turn(t, text);
  return GM_OK;
}

/* ---- what is there ---- */

/* Where an object that has no twin is, if that is plain; in the words of the expressions of two
 * twins. wrong: the opposite. */
static bool place_words(const teacher *t, size_t object, bool wrong, const char *noun,
                        char out[256]) {
  gm_rel_box b = t->sc->objects[object].box;
  bool right = b.cx > 0.65f, left = b.cx < 0.35f, upper = b.cy<0.35f, lower = b.cy> 0.65f;
  if (right || left) {
    snprintf(out, 256, "the %s on the %s", noun, right != wrong ? "right" : "left");
    return true;
  }
  if (upper || lower) snprintf(out, 256, "the %s %s", lower != wrong ? "lower" : "upper", noun);
  return upper || lower;
}

static size_t twins(const teacher *t, size_t object) {
  size_t n = 0;
  for (size_t i = 0; i < t->sc->n; i++)
    n += i != object && t->sc->objects[i].kind == t->sc->objects[object].kind;
  return n;
}

/* One of its expressions; NULL: it has none. */
static const char *expression_of(teacher *t, ptrdiff_t object) {
  size_t n = 0;
  const char *chosen = NULL;
  for (size_t i = 0; i < t->sc->n_expressions; i++)
    if (t->sc->expressions[i].object == object && gm_rng_below(t->rng, ++n) == 0)
      chosen = t->sc->expressions[i].text;
  return chosen;
}

static gm_status locate(teacher *t, size_t object, const char *words) {
  turn_facts *facts = next_turn(t, TURN_LOCATE);
  facts->kinds[facts->n++] = (ptrdiff_t)t->sc->objects[object].kind;
  GM_TRY(question(t, GM_TASK_LOCATE, words));
  point(t, object);
  end_turn(t, "<roi><ground_box></roi>");
  return GM_OK;
}

static gm_status find_all(teacher *t, size_t kind) {
  turn_facts *facts = next_turn(t, TURN_FIND_ALL);
  const char *marks = "";
  for (size_t i = 0; i < t->out->n; i++) {
    ptrdiff_t object = t->saw->object[t->out->order[i]];
    if (object < 0 || t->sc->objects[object].kind != kind) continue;
    t->used[object] = true;
    facts->kinds[facts->n++] = (ptrdiff_t)kind;
    point(t, (size_t)object);
    GM_TRY(say(t, &marks, "%s<ground_box>", marks));
  }
  facts->absent = facts->n == 0;
  if (facts->absent) facts->kinds[facts->n++] = (ptrdiff_t)kind;
  GM_TRY(question(t, GM_TASK_LOCATE_ALL, t->s->names[kind]));
  GM_TRY(say(t, &marks, "<roi>%s</roi>", marks));
  end_turn(t, marks);
  return GM_OK;
}

static gm_status name_it(teacher *t, size_t object) {
  turn_facts *facts = next_turn(t, TURN_NAME);
  const char *answer;
  size_t kind = t->sc->objects[object].kind, region = (size_t)t->saw->region_of[object];
  facts->kinds[facts->n++] = (ptrdiff_t)kind;
  facts->region = (ptrdiff_t)t->index_of[region];
  GM_TRY(question(t, GM_TASK_DESCRIBE, NULL));
  GM_TRY(phrase(t, kind, true, &answer));
  t->refer[t->out->sample.n_refer++] = t->saw->boxes[region];
  end_turn(t, answer);
  return GM_OK;
}

/* object -1: no such thing. */
static gm_status ask(teacher *t, size_t kind, ptrdiff_t object) {
  static const char *const forms[] = {"Is there %s?", "Is there %s in the picture?",
                                      "Is there %s in the image?", "Can you see %s?"};
  turn_facts *facts = next_turn(t, TURN_ASK);
  const char *thing, *answer = "No.", **asked = &t->turns[t->out->sample.n_turns].question;
  facts->absent = object < 0;
  facts->kinds[facts->n++] = (ptrdiff_t)kind;
  if (object >= 0) facts->region = (ptrdiff_t)t->index_of[t->saw->region_of[object]];
  GM_TRY(phrase(t, kind, false, &thing));
  const char *form = forms[gm_rng_below(t->rng, sizeof forms / sizeof *forms)];
  const char *at = strstr(form, "%s");
  bool grounded = chance(t, 0.5);
  GM_TRY(say(t, asked, "%s%.*s%s%s", grounded ? "[grounding]" : "", (int)(at - form), form,
             thing, at + 2));
  if (object >= 0 && grounded) {
    facts->kinds[facts->n++] = (ptrdiff_t)kind;
    GM_TRY(say(t, &answer, "Yes, <p>%s</p><roi><ground_box></roi>.", thing));
    point(t, (size_t)object);
  } else if (object >= 0) {
    answer = "Yes.";
  }
  end_turn(t, answer);
  return GM_OK;
}

static gm_status about(teacher *t, size_t object) {
  size_t kind = t->sc->objects[object].kind;
  bool alone = twins(t, object) == 0;
  double draw = gm_rng_unit(t->rng);
  char words[256];
  t->used[object] = true;
  if (draw < 0.25) return name_it(t, object);
  if (alone && draw < 0.4) return ask(t, kind, (ptrdiff_t)object);
  if (draw < 0.5) {
    /* All of its kind, unless one was answered for already or has no region. */
    bool whole = true;
    for (size_t i = 0; i < t->sc->n; i++)
      if (i != object && t->sc->objects[i].kind == kind)
        whole = whole && !t->used[i] && t->saw->region_of[i] >= 0;
    if (whole) return find_all(t, kind);
  }
  if (alone && draw < 0.75 && place_words(t, object, false, name_of(t, object), words))
    return locate(t, object, words);
  const char *known = expression_of(t, (ptrdiff_t)object);
  return known ? locate(t, object, known) : name_it(t, object);
}

/* ---- what is not there ---- */

static size_t absent_kind(teacher *t) {
  for (;;) {
    size_t kind = gm_rng_below(t->rng, t->s->n_names), i = 0;
    while (i < t->sc->n && t->sc->objects[i].kind != kind) i++;
    if (i == t->sc->n) return kind;
  }
}

static gm_status refuse(teacher *t, ptrdiff_t kind, const char *words) {
  turn_facts *facts = next_turn(t, TURN_LOCATE);
  facts->absent = true;
  facts->kinds[facts->n++] = kind;
  GM_TRY(question(t, GM_TASK_LOCATE, words));
  end_turn(t, "<roi></roi>");
  return GM_OK;
}

/* The kind of thing that the words end with or name; the longest name counts. */
static ptrdiff_t kind_in(const teacher *t, const char *words) {
  ptrdiff_t best = -1;
  for (size_t k = 0; k < t->s->n_names; k++)
    if (strstr(words, t->s->names[k]) &&
        (best < 0 || strlen(t->s->names[k]) > strlen(t->s->names[best])))
      best = (ptrdiff_t)k;
  return best;
}

static gm_status not_there(teacher *t) {
  double draw = gm_rng_unit(t->rng);
  size_t kind = absent_kind(t), object = t->sc->n ? gm_rng_below(t->rng, t->sc->n) : 0;
  char words[256];
  if (draw < 0.25) return ask(t, kind, -1);
  if (draw < 0.35) return find_all(t, kind);
  /* The right place and the wrong noun, the right noun and the wrong place. */
  if (draw < 0.5 && t->sc->n && place_words(t, object, false, t->s->names[kind], words))
    return refuse(t, (ptrdiff_t)kind, words);
  if (draw < 0.7 && t->sc->n && twins(t, object) == 0 && !t->used[object] &&
      place_words(t, object, true, name_of(t, object), words)) {
    t->used[object] = true;
    return refuse(t, (ptrdiff_t)t->sc->objects[object].kind, words);
  }
  const char *known = expression_of(t, -1);
  if (known) return refuse(t, kind_in(t, known), known);
  const char *thing;
  GM_TRY(phrase(t, kind, false, &thing));
  return refuse(t, (ptrdiff_t)kind, thing);
}

/* ---- lessons ---- */

gm_status lesson_caption(lesson *out, const scenes *s, const scene *sc, const seen *saw,
                         gm_rng *rng, gm_arena *arena, gm_error *err) {
  teacher t = {
      .out = out, .s = s, .sc = sc, .saw = saw, .rng = rng, .arena = arena, .err = err};
  GM_TRY(begin(&t));
  return caption(&t);
}

gm_status lesson_questions(lesson *out, const scenes *s, const scene *sc, const seen *saw,
                           size_t most, gm_rng *rng, gm_arena *arena, gm_error *err) {
  teacher t = {
      .out = out, .s = s, .sc = sc, .saw = saw, .rng = rng, .arena = arena, .err = err};
  size_t left[SEEN_REGIONS], n = 0;
  GM_TRY(begin(&t));
  if (out->n == 0) return GM_OK;
  for (size_t i = 0; i < sc->n && i < SEEN_REGIONS; i++)
    if (saw->region_of[i] >= 0) left[n++] = i;
  while (out->sample.n_turns < most && out->sample.n_turns < MAX_TURNS) {
    if (n == 0 || chance(&t, 0.35)) {
      GM_TRY(not_there(&t));
      if (n == 0) break;
      continue;
    }
    size_t at = gm_rng_below(rng, n), object = left[at];
    left[at] = left[--n];
    if (!t.used[object]) GM_TRY(about(&t, object));
  }
  return GM_OK;
}
