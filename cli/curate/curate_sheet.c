/* curate_sheet.c - see curate_sheet.h. */
#include "curate_sheet.h"

#include "draw.h"
#include "draw_numbers.h"
#include "marked_order.h"
#include "marked_picture.h"
#include "room.h"
#include "tags.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 3, WIDTH = 480, MOST_SHOWN = MOST_MARKED };

void curate_samples_add(curate_samples *samples, const curate_picture *picture,
                        json_t *conversation) {
  if (samples->n == SHEET_SAMPLES) return;
  samples->at[samples->n].picture = picture;
  samples->at[samples->n++].conversation = json_incref(conversation);
}

void curate_samples_free(curate_samples *samples) {
  for (size_t i = 0; i < samples->n; i++) json_decref(samples->at[i].conversation);
}

/* The conversation as one text without tags, and where its phrases are. */
typedef struct sample_text {
  gm_text text;
  gm_span_colour *spans;
  size_t n_spans;
  bool ok;
} sample_text;

static void put(sample_text *s, const char *text, size_t n) {
  s->ok = s->ok && gm_text_append(&s->text, text, n, NULL) == GM_OK;
}

static void put_phrase(sample_text *s, const char *text, size_t n, int32_t colour) {
  gm_span_colour *grown = gm_room_for_one(s->spans, s->n_spans, sizeof *grown);
  s->ok = s->ok && grown;
  if (!grown) return;
  s->spans = grown;
  grown[s->n_spans++] = (gm_span_colour){.struct_size = sizeof *grown,
                                         .begin = s->text.length,
                                         .end = s->text.length + n,
                                         .colour = colour};
  put(s, text, n);
}

/* A phrase has the colour of its first box. */
static void put_turn(sample_text *s, const json_t *turn) {
  const char *text = json_string_value(json_object_get(turn, "value")), *tag, *phrase = NULL;
  const json_t *inds = json_object_get(turn, "box_inds");
  size_t length, used = 0;
  for (; (tag = gm_find_tag(text, &length)); text = tag + length) {
    if (strncmp(tag, "</p>", 4) == 0 && phrase)
      put_phrase(s, phrase, (size_t)(tag - phrase),
                 (int32_t)json_integer_value(json_array_get(inds, used)));
    else
      put(s, text, (size_t)(tag - text));
    if (strncmp(tag, "<p>", 3) == 0) phrase = tag + 3;
    used += strncmp(tag, "<ground_box>", length) == 0;
  }
  put(s, text, strlen(text));
}

static gm_status draw_marks(gm_canvas *canvas, const gm_image *image, const curate_picture *p,
                            const sample_text *text, gm_error *err) {
  gm_mark marks[MOST_SHOWN];
  char labels[MOST_SHOWN][8];
  size_t n = p->n_boxes < MOST_SHOWN ? p->n_boxes : MOST_SHOWN;
  for (size_t i = 0; i < n; i++) {
    const curate_box *b = &p->boxes[i];
    snprintf(labels[i], sizeof labels[i], "%u", (unsigned)(i + 1));
    marks[i] =
        (gm_mark){.struct_size = sizeof marks[i],
                  .box = {(float)b->x, (float)b->y, (float)(b->x + b->w), (float)(b->y + b->h)},
                  .label = labels[i],
                  .colour = (int32_t)i};
  }
  return gm_draw_marked(canvas, image, marks, n, text->text.bytes, text->spans, text->n_spans,
                        err);
}

static bool draw_sample(gm_canvas *canvas, const curate_picture *p, const json_t *conversation,
                        const char *folder) {
  sample_text text = {.ok = true};
  gm_image_params params = gm_image_params_default();
  gm_image *image = NULL;
  gm_error err = {0};
  size_t i;
  json_t *turn;
  json_array_foreach(conversation, i, turn) {
    put(&text, i % 2 ? " A: " : i ? " Q: " : "Q: ", i ? 4 : 3);
    put_turn(&text, turn);
  }
  char *path = picture_path(p, folder);
  gm_status status = path && text.ok ? gm_image_open(&image, path, &params, &err)
                                     : gm_fail_memory(&err, "a sample", 0);
  if (status == GM_OK) status = draw_marks(canvas, image, p, &text, &err);
  if (status != GM_OK) cli_error("--sheet: %s: %s", path ? path : p->file, err.message);
  gm_image_free(image);
  gm_text_free(&text.text);
  free(text.spans);
  free(path);
  return status == GM_OK;
}

bool curate_sheet_write(const curate_samples *samples, const char *folder, const char *path) {
  gm_canvas canvases[SHEET_SAMPLES] = {{0}};
  gm_text png = {0};
  gm_error err = {0};
  size_t n = 0;
  bool ok = true;
  for (size_t i = 0; i < samples->n; i++) {
    if (draw_sample(&canvases[n], samples->at[i].picture, samples->at[i].conversation, folder))
      n++;
    else
      gm_canvas_free(&canvases[n]);
  }
  if (!n) {
    cli_error("--sheet %s: there is no sample to show", path);
    return false;
  }
  if (gm_draw_sheet(&png, canvases, n, n < COLUMNS ? n : COLUMNS, WIDTH, &err) != GM_OK) {
    cli_error("--sheet %s: %s", path, err.message);
    ok = false;
  }
  ok = ok && write_bytes(path, png.bytes, png.length);
  for (size_t i = 0; i < n; i++) gm_canvas_free(&canvases[i]);
  gm_text_free(&png);
  return ok;
}
