/* item.c - one sample with its pixels (read_ahead.h): decoding, augmentation, and another
 * picture where one cannot be used. */
#include "read_ahead.h"

/* Pictures in a row that cannot be used. */
enum { MOST_TRIES = 100 };

typedef struct making {
  gm_item *item;
  const gm_read_ahead_params *params;
  const gm_data_set *set;
  gm_rng rng;
  gm_arena *arena;
  pthread_mutex_t *lock;
  gm_error *err;
} making;

static gm_status tell_fault(const making *m, gm_data_fault kind, const char *message) {
  if (m->lock) pthread_mutex_lock(m->lock);
  gm_status status = gm_report_fault(m->params->report, kind, m->err, "%s", message);
  if (m->lock) pthread_mutex_unlock(m->lock);
  return status;
}

/* Boxes are copies in the arena, so they may be changed. */
static gm_rel_box *own_boxes(gm_sample *sample) {
  return (gm_rel_box *)sample->boxes;
}

/* *used: whether boxes are left. */
static gm_status take_pixels(making *m, const gm_image *image, bool *used) {
  gm_sample *s = &m->item->sample;
  const gm_read_ahead_params *p = m->params;
  size_t side = p->visit.side;
  m->item->has_pixels = true;
  if (!p->augment) {
    return gm_pixels_squash(m->item->pixels, image, side, &p->norm, NULL, m->err);
  }
  gm_augmentation a =
      gm_augmentation_draw(gm_image_width(image), gm_image_height(image), &m->rng);
  s->n_boxes = gm_augmentation_boxes(&a, own_boxes(s), s->n_boxes, side, s->source);
  *used = s->n_boxes > 0;
  if (!*used) return GM_OK;
  return gm_augmentation_pixels(m->item->pixels, &a, image, side, &p->norm, m->err);
}

/* A picture turned by its EXIF data has other boxes than its entry; one of another resolution
 * has the same. */
static bool is_of_shape(const gm_data_picture *p, const gm_image *image) {
  if (!p->width) return true;
  bool wide = p->width > p->height, tall = p->width < p->height;
  uint32_t w = gm_image_width(image), h = gm_image_height(image);
  return !(wide && w < h) && !(tall && w > h);
}

static gm_status read_picture(making *m, const gm_data_picture *picture, bool *used) {
  gm_image *image;
  gm_error err;
  gm_status status = gm_image_open(&image, m->item->sample.image, NULL, &err);
  if (status == GM_ERR_MEMORY) return gm_fail(m->err, status, "%s", err.message);
  *used = status == GM_OK;
  if (!*used) return tell_fault(m, GM_FAULT_FILE, err.message);
  if (is_of_shape(picture, image)) {
    status = take_pixels(m, image, used);
  } else {
    *used = false;
    (void)gm_fail(&err, GM_ERR_ARGUMENT,
                  "%s: the picture has %u x %u pixels, but its entry says %u x %u",
                  m->item->sample.image, gm_image_width(image), gm_image_height(image),
                  picture->width, picture->height);
    status = tell_fault(m, GM_FAULT_SIZE, err.message);
  }
  gm_image_free(image);
  return status;
}

static gm_status try_picture(making *m, size_t index, bool *used) {
  const gm_read_ahead_params *p = m->params;
  gm_sample *s = &m->item->sample;
  GM_TRY(gm_visit_sample(s, m->set, index, &p->visit, &m->rng, m->arena, m->err));
  if (s->task == GM_TASK_DETECT && !p->augment)
    s->n_boxes = gm_boxes_large_enough(own_boxes(s), s->n_boxes, p->visit.side, s->source);
  *used = s->task == GM_TASK_DETECT ? s->n_boxes > 0 : s->n_turns > 0;
  m->item->has_pixels = false;
  if (!*used || (p->wants_pixels && !p->wants_pixels(p->user, s))) return GM_OK;
  return read_picture(m, &m->set->pictures[index], used);
}

gm_status gm_item_make(gm_item *item, const gm_read_ahead_params *params, gm_visit visit,
                       gm_arena *arena, pthread_mutex_t *lock, gm_error *err) {
  making m = {.item = item,
              .params = params,
              .set = params->sets[visit.set],
              .rng = gm_visit_rng(params->seed, visit),
              .arena = arena,
              .lock = lock,
              .err = err};
  size_t picture = visit.picture, last = picture;
  gm_arena_mark start = gm_arena_save(arena);
  item->set = visit.set;
  for (int i = 0; i < MOST_TRIES; i++) {
    bool used;
    GM_TRY(try_picture(&m, picture, &used));
    if (used) return GM_OK;
    gm_arena_restore(arena, start);
    last = picture;
    picture = gm_visit_another(m.set, picture, &m.rng);
  }
  return gm_fail(
      err, GM_ERR_ARGUMENT,
      "set %s: %d pictures in a row cannot be used (not readable, or no box is large "
      "enough), the last is %s",
      m.set->spec.name, MOST_TRIES, gm_data_text(m.set, m.set->pictures[last].file));
}
