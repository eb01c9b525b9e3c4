/* tune_sheet.c - see tune_sheet.h. */
#include "tune_sheet.h"

#include "gromatic_tools.h"
#include "results.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_MARKS = 64, GAP = 8, COLUMNS = 3 };

typedef struct marks {
  gm_mark all[MOST_MARKS];
  size_t n;
} marks;

static void add(marks *m, gm_box box, const char *label, size_t colour) {
  if (m->n < MOST_MARKS)
    m->all[m->n++] = (gm_mark){sizeof(gm_mark), box, label, (int32_t)colour};
}

static void add_true(marks *m, const tune_data *data, const data_picture *p) {
  for (size_t i = 0; i < p->n_objects; i++)
    add(m, p->objects[i].box, data->names[p->objects[i].category], i);
}

static void add_answer(marks *m, const gm_answer *answer) {
  for (size_t i = 0; answer && i < answer->n_groundings; i++) {
    gm_grounding g = out_grounding(answer, i);
    for (size_t k = 0; k < g.n_regions; k++)
      add(m, out_answer_region(answer, i, k).box, g.phrase, i);
  }
}

/* The picture with marks, as an image. */
static gm_status drawn(gm_image **out, const gm_image *image, const marks *m,
                       const char *caption, gm_error *err) {
  gm_draw_params params = gm_draw_params_default();
  void *bytes;
  size_t size;
  params.marks = m->all;
  params.n_marks = m->n;
  params.caption = caption;
  gm_status status = gm_draw_to_memory(image, &params, GM_FORMAT_PNG, &bytes, &size, err);
  if (status != GM_OK) return status;
  status = gm_image_from_memory(out, bytes, size, NULL, err);
  gm_bytes_free(bytes);
  return status;
}

static gm_status draw_row(gm_image *cells[COLUMNS], const tune_data *data, size_t i,
                          const gm_answer *before, const gm_answer *after, gm_error *err) {
  static const char *const captions[COLUMNS] = {"before", "true", "after"};
  const data_picture *p = &data->measured[i];
  gm_image *image;
  gm_status status = gm_image_open(&image, p->path, NULL, err);
  if (status != GM_OK) return status;
  for (size_t c = 0; status == GM_OK && c < COLUMNS; c++) {
    marks m = {.n = 0};
    if (c == 1)
      add_true(&m, data, p);
    else
      add_answer(&m, c ? after : before);
    status = drawn(&cells[c], image, &m, captions[c], err);
  }
  gm_image_free(image);
  return status;
}

/* ---- the sheet ---- */

typedef struct sheet {
  gm_image *cells[TUNE_SHOWN][COLUMNS];
  size_t rows;
} sheet;

static uint32_t row_height(const sheet *s, size_t row) {
  uint32_t height = 0;
  for (size_t c = 0; c < COLUMNS; c++)
    if (gm_image_height(s->cells[row][c]) > height) height = gm_image_height(s->cells[row][c]);
  return height + GAP;
}

static uint32_t column_width(const sheet *s) {
  uint32_t width = 0;
  for (size_t r = 0; r < s->rows; r++)
    for (size_t c = 0; c < COLUMNS; c++)
      if (gm_image_width(s->cells[r][c]) > width) width = gm_image_width(s->cells[r][c]);
  return width + GAP;
}

static gm_status write_sheet(const sheet *s, const char *path, gm_error *err) {
  uint32_t column = column_width(s), width = column * COLUMNS, height = 0, top = 0;
  for (size_t r = 0; r < s->rows; r++) height += row_height(s, r);
  uint8_t *rgb = malloc((size_t)width * height * 3);
  if (!rgb) return err->status = GM_ERR_MEMORY;
  memset(rgb, 255, (size_t)width * height * 3);
  for (size_t r = 0; r < s->rows; top += row_height(s, r++))
    for (size_t c = 0; c < COLUMNS; c++) {
      const gm_image *cell = s->cells[r][c];
      size_t bytes = (size_t)gm_image_width(cell) * 3;
      for (uint32_t y = 0; y < gm_image_height(cell); y++)
        memcpy(rgb + ((size_t)(top + y) * width + c * column) * 3,
               gm_image_rgb(cell) + y * bytes, bytes);
    }
  gm_image *image;
  gm_status status = gm_image_from_rgb(&image, rgb, width, height, err);
  free(rgb);
  if (status != GM_OK) return status;
  status = gm_draw(image, NULL, path, err);
  gm_image_free(image);
  return status;
}

int tune_sheet_write(const char *path, const tune_data *data, const tune_measures *before,
                     const tune_measures *after) {
  sheet s = {.rows = 0};
  gm_error err = {0};
  gm_status status = GM_OK;
  for (size_t i = 0; status == GM_OK && i < TUNE_SHOWN && i < data->n_held; i++) {
    if (!before->shown[i] || !after->shown[i]) continue;
    status = draw_row(s.cells[s.rows], data, i, before->shown[i], after->shown[i], &err);
    if (status == GM_OK) s.rows++;
  }
  if (status == GM_OK && s.rows) status = write_sheet(&s, path, &err);
  for (size_t r = 0; r < TUNE_SHOWN; r++)
    for (size_t c = 0; c < COLUMNS; c++) gm_image_free(s.cells[r][c]);
  if (status == GM_OK) return CLI_DONE;
  cli_report_error(&err);
  return cli_exit_code(status);
}
