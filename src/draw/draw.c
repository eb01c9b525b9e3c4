/* draw.c - PICTURE + BOXES + CAPTION -> CANVAS: see draw.h.
 *
 *   lay out    how large the picture is drawn (small ones enlarged, huge ones shrunk), sizes of
 *              lines and letters, the caption's lines, and from these the canvas
 *   picture    resized into the canvas, centred where the canvas must be larger
 *   boxes      large ones first, each line with a dark casing, so that it shows on any picture
 *   labels     filled tags, small boxes first, since they have the fewest good places
 *   caption    below, its spans in their boxes' colours */
#include "draw.h"

#include "draw_caption.h"
#include "draw_shapes.h"
#include "image.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
  SMALLEST = 640,        /* pixels of the longer side as drawn, at least */
  LARGEST = 8192,        /* and at most */
  AREA_WIDTH = 480,      /* the part of the canvas over the caption, at least */
  CANVAS_HEIGHT = 32000, /* at most: cairo's limit is 32767 */
  MAX_LABEL = 200,       /* letters */
};

typedef struct drawing {
  const gm_image *image;
  size_t width, height;  /* size of the picture as drawn */
  gm_rect area, picture; /* on the canvas */
  double font, line;     /* size of letters, width of lines */
  gm_caption_layout caption;
  double margin; /* around the caption */
  gm_canvas canvas;
  gm_rect *boxes; /* [marks] on the canvas, line included */
  size_t *order;  /* [marks] in order of falling area */
  gm_rect *tags;  /* [marks] those placed so far */
} drawing;

/* ---- lay out ---- */

static void lay_out_picture(drawing *d) {
  size_t w = d->image->width, h = d->image->height, longer = w > h ? w : h;
  if (longer < SMALLEST) {
    size_t times = (SMALLEST + longer - 1) / longer;
    w *= times;
    h *= times;
  } else if (longer > LARGEST) {
    w = w * LARGEST / longer;
    h = h * LARGEST / longer;
  }
  d->width = w ? w : 1;
  d->height = h ? h : 1;
  double mean = sqrt((double)d->width * (double)d->height);
  d->font = fmax(15, round(0.024 * mean));
  d->line = fmax(3, round(0.005 * mean));
  d->margin = d->font;
  double least =
      4 * d->font; /* so that a label fits above and below even a very flat picture */
  d->area.w = fmax((double)d->width, AREA_WIDTH);
  d->area.h = fmax((double)d->height, least);
  d->picture = (gm_rect){floor((d->area.w - (double)d->width) / 2),
                         floor((d->area.h - (double)d->height) / 2), (double)d->width,
                         (double)d->height};
}

/* The caption's lines give the canvas its height. */
static gm_status lay_out_caption(drawing *d, const char *caption, const gm_span_colour *spans,
                                 size_t n_spans, double *height, gm_error *err) {
  *height = d->area.h;
  if (!caption) return GM_OK;
  double font = round(1.1 * d->font);
  double room = (CANVAS_HEIGHT - d->area.h - 2 * d->margin) / (1.6 * font);
  GM_TRY(gm_caption_lay_out(&d->caption, caption, spans, n_spans, font,
                            d->area.w - 2 * d->margin, (size_t)room, err));
  if (d->caption.n_lines > 0)
    *height += (double)d->caption.n_lines * d->caption.line_height + 2 * d->margin;
  return GM_OK;
}

/* ---- boxes ---- */

/* Maps pixels of the original to the canvas, clipped to the picture; NaN becomes its left or
 * upper edge. */
static double map(float v, double size, double from, double scaled) {
  double inside = v > 0 ? fmin((double)v, size) : 0;
  return from + inside * scaled / size;
}

static gm_rect box_on_canvas(const drawing *d, gm_box b) {
  double w = d->image->width, h = d->image->height;
  double x1 = map(b.x1, w, d->picture.x, d->picture.w),
         x2 = map(b.x2, w, d->picture.x, d->picture.w);
  double y1 = map(b.y1, h, d->picture.y, d->picture.h),
         y2 = map(b.y2, h, d->picture.y, d->picture.h);
  gm_rect r = {fmin(x1, x2), fmin(y1, y2), fabs(x2 - x1), fabs(y2 - y1)};
  /* even an empty box is visible, and one at the edge as a whole */
  r.w = fmax(r.w, 3 * d->line);
  r.h = fmax(r.h, 3 * d->line);
  r.x = fmax(fmin(r.x, d->area.w - r.w), 0);
  r.y = fmax(fmin(r.y, d->area.h - r.h), 0);
  return r;
}

static int by_falling_area(const void *a, const void *b, void *boxes) {
  const gm_rect *r = boxes;
  size_t i = *(const size_t *)a, k = *(const size_t *)b;
  double first = r[i].w * r[i].h, second = r[k].w * r[k].h;
  if (first != second) return first > second ? -1 : 1;
  return i < k ? -1 : 1;
}

/* Width of the dark edge on both sides of a line. */
static double casing_of(const drawing *d) {
  return fmax(1, round(0.35 * d->line));
}

/* The frame of a mark. Several marks may have one box, when phrases mean the same thing. Their
 * frames are nested, as far as there is room; the others share the innermost frame, in
 * alternating dashes. Otherwise only the last would be visible. */
typedef struct frame {
  gm_rect rect;
  size_t share, shares; /* of the dashes; shares 1: a frame of its own */
} frame;

static bool is_same_box(const drawing *d, size_t i, size_t k) {
  const gm_rect *a = &d->boxes[i], *b = &d->boxes[k];
  double far = fmax(fabs(a->x - b->x), fabs(a->y - b->y));
  far = fmax(far, fmax(fabs(a->x + a->w - b->x - b->w), fabs(a->y + a->h - b->y - b->h)));
  return far < d->line;
}

/* The frame of the mark that is drawn as number `at` of n. */
static frame frame_of(const drawing *d, size_t at, size_t n) {
  gm_rect r = d->boxes[d->order[at]];
  assert(at < n && d->order[at] < n);
  size_t before = 0, all = 0;
  for (size_t k = 0; k < n; k++) {
    bool same = is_same_box(d, d->order[at], d->order[k]);
    all += same;
    before += same && k < at;
  }
  assert(before < all); /* the mark counts itself */
  double step = d->line + casing_of(d), room = (fmin(r.w, r.h) - 3 * d->line) / 2;
  size_t last = (size_t)fmax(0, floor(room / step)); /* index of the innermost frame that has
                                                        room */
  double inset = step * (double)(before < last ? before : last);
  return (frame){{r.x + inset, r.y + inset, r.w - 2 * inset, r.h - 2 * inset},
                 before > last ? before - last : 0,
                 before >= last && all > last ? all - last : 1};
}

/* The dashes of a mark that shares a frame, one each, in whole rounds along it. */
static void set_shared_dashes(cairo_t *cr, const frame *f, gm_rect middle, double line) {
  double radius = fmin(2 * line, fmin(middle.w, middle.h) / 2), shares = (double)f->shares;
  double around = 2 * (middle.w + middle.h) - 1.717 * radius; /* 8 - 2 pi: round corners */
  double rounds = fmax(1, floor(around / (4 * line * shares)));
  double dash = around / (rounds * shares);
  cairo_set_dash(cr, (double[]){dash, dash * (shares - 1)}, 2, -dash * (double)f->share);
}

static void draw_box(const drawing *d, frame f, int32_t colour) {
  cairo_t *cr = d->canvas.cr;
  gm_rect r = f.rect;
  double inset = d->line / 2;
  gm_rect middle = {r.x + inset, r.y + inset, r.w - d->line, r.h - d->line};
  const double dashes[GM_PALETTE_LINES][2] = {
      {0, 0}, {4 * d->line, 2.5 * d->line}, {1.2 * d->line, 1.8 * d->line}};
  int line = gm_palette_line(colour);
  gm_draw_round(cr, middle, 2 * d->line);
  if (f.share == 0) {
    cairo_set_line_width(cr, d->line + 2 * casing_of(d));
    gm_draw_source(cr, (gm_colour){0, 0, 0}, 0.55);
    cairo_stroke_preserve(cr);
  }
  if (f.shares > 1)
    set_shared_dashes(cr, &f, middle, d->line);
  else if (line > 0)
    cairo_set_dash(cr, dashes[line], 2, 0);
  cairo_set_line_width(cr, d->line);
  gm_draw_source(cr, gm_palette_colour(colour), 1);
  cairo_stroke(cr);
  cairo_set_dash(cr, NULL, 0, 0);
}

static gm_status draw_boxes(drawing *d, const gm_mark *marks, size_t n, gm_error *err) {
  d->boxes = calloc(n, sizeof *d->boxes);
  d->tags = calloc(n, sizeof *d->tags);
  d->order = calloc(n, sizeof *d->order);
  if (!d->boxes || !d->tags || !d->order)
    return gm_fail_memory(err, "the boxes of a drawing", n * sizeof *d->boxes);
  for (size_t i = 0; i < n; i++) {
    d->boxes[i] = box_on_canvas(d, marks[i].box);
    d->order[i] = i;
  }
  qsort_r(d->order, n, sizeof *d->order, by_falling_area, d->boxes);
  for (size_t i = 0; i < n; i++) draw_box(d, frame_of(d, i, n), marks[d->order[i]].colour);
  return GM_OK;
}

/* ---- labels ---- */

static void draw_tag(const drawing *d, gm_rect tag, const gm_line *line, double pad,
                     gm_colour colour) {
  gm_rect middle = {tag.x + 0.5, tag.y + 0.5, tag.w - 1, tag.h - 1};
  gm_draw_round(d->canvas.cr, middle, 0.3 * d->font);
  gm_draw_source(d->canvas.cr, colour, 1);
  cairo_fill_preserve(d->canvas.cr);
  gm_draw_source(d->canvas.cr, (gm_colour){0, 0, 0}, 0.45);
  cairo_set_line_width(d->canvas.cr, 1);
  cairo_stroke(d->canvas.cr);
  gm_draw_source(d->canvas.cr, gm_palette_ink(colour), 1);
  /* centres capitals and figures, which are 0.73 em high */
  gm_line_show(line, 0, line->n_runs, d->canvas.cr, tag.x + pad,
               tag.y + tag.h / 2 + 0.365 * d->font);
}

/* Places the label of a box, clear of the tags placed so far. */
static void place_label(drawing *d, const gm_mark *mark, const gm_line *line, double pad,
                        size_t i, size_t n, size_t *placed) {
  gm_rect tag = {0, 0, line->width + 2 * pad, 1.5 * d->font};
  gm_tag_place(&tag, i, d->boxes, n, d->tags, *placed, d->area);
  tag.x = round(tag.x);
  tag.y = round(tag.y);
  draw_tag(d, tag, line, pad, gm_palette_colour(mark->colour));
  assert(*placed < n);
  d->tags[(*placed)++] = tag;
}

static gm_status draw_label(drawing *d, const gm_mark *mark, size_t i, size_t n, size_t *placed,
                            gm_error *err) {
  gm_span_colour whole = {.end = strlen(mark->label), .colour = mark->colour}; /* bold */
  gm_letters letters;
  gm_line line = {0};
  double pad = 0.4 * d->font, widest = fmax(0.5 * d->area.w, d->boxes[i].w);
  gm_status status = gm_letters_read(&letters, mark->label, MAX_LABEL, &whole, 1, err);
  if (status == GM_OK)
    status = gm_line_fit(&line, &letters, d->font, fmin(widest, d->area.w) - 2 * pad, err);
  if (status == GM_OK) place_label(d, mark, &line, pad, i, n, placed);
  gm_line_free(&line);
  gm_letters_free(&letters);
  return status;
}

static gm_status draw_labels(drawing *d, const gm_mark *marks, size_t n, gm_error *err) {
  size_t placed = 0;
  for (size_t k = n; k-- > 0;) {
    const gm_mark *mark = &marks[d->order[k]];
    if (!mark->label || !mark->label[0]) continue;
    GM_TRY(draw_label(d, mark, d->order[k], n, &placed, err));
  }
  return GM_OK;
}

/* ---- all of it ---- */

/* Paints the picture, and the strip around it if it is smaller than its area. */
static gm_status paint_picture(const drawing *d, gm_error *err) {
  gm_draw_source(d->canvas.cr, (gm_colour){0.87, 0.88, 0.89}, 1);
  cairo_rectangle(d->canvas.cr, d->area.x, d->area.y, d->area.w, d->area.h);
  cairo_fill(d->canvas.cr);
  return gm_canvas_paint(&d->canvas, d->image, (size_t)d->picture.x, (size_t)d->picture.y,
                         d->width, d->height, err);
}

static gm_status draw(drawing *d, const gm_mark *marks, size_t n_marks, const char *caption,
                      const gm_span_colour *spans, size_t n_spans, gm_error *err) {
  double height;
  lay_out_picture(d);
  GM_TRY(lay_out_caption(d, caption, spans, n_spans, &height, err));
  GM_TRY(gm_canvas_create(&d->canvas, d->area.w, height, err));
  GM_TRY(paint_picture(d, err));
  if (n_marks > 0) {
    GM_TRY(draw_boxes(d, marks, n_marks, err));
    GM_TRY(draw_labels(d, marks, n_marks, err));
  }
  gm_caption_draw(&d->caption, d->canvas.cr, d->margin, d->area.h + d->margin);
  return GM_OK;
}

gm_status gm_draw_marked(gm_canvas *out, const gm_image *image, const gm_mark *marks,
                         size_t n_marks, const char *caption, const gm_span_colour *spans,
                         size_t n_spans, gm_error *err) {
  drawing d = {.image = image};
  gm_status status = draw(&d, marks, n_marks, caption, spans, n_spans, err);
  *out = d.canvas;
  gm_caption_free(&d.caption);
  free(d.boxes);
  free(d.tags);
  free(d.order);
  return status;
}
