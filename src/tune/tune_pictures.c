/* tune_pictures.c - see tune_pictures.h. */
#include "tune_pictures.h"

#include "name_table.h"
#include "sizes.h"
#include "struct_size.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static gm_status check_box(const gm_tune_picture *p, gm_box b, gm_error *err) {
  if (isfinite(b.x1 + b.y1 + b.x2 + b.y2) && b.x2 > b.x1 && b.y2 > b.y1) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT,
                 "%s: found the box %g,%g,%g,%g; wanted finite numbers and an area", p->path,
                 (double)b.x1, (double)b.y1, (double)b.x2, (double)b.y2);
}

/* Replaces the caller's lists of objects and phrases by copies. */
static gm_status own_lists(gm_tune_picture *p, gm_error *err) {
  gm_tune_object *objects = calloc(p->n_objects + 1, sizeof *objects);
  gm_tune_phrase *phrases = calloc(p->n_phrases + 1, sizeof *phrases);
  const gm_tune_picture given = *p;
  p->objects = objects;
  p->phrases = phrases;
  if (!objects || !phrases)
    return gm_fail_memory(err, "annotations", (p->n_objects + p->n_phrases) * sizeof *objects);
  if (!p->path) return gm_fail(err, GM_ERR_ARGUMENT, "found a picture without a path");
  GM_TRY(GM_STRUCTS_READ(gm_tune_object, objects, given.objects, p->n_objects, err));
  GM_TRY(GM_STRUCTS_READ(gm_tune_phrase, phrases, given.phrases, p->n_phrases, err));
  for (size_t i = 0; i < p->n_objects; i++) {
    if (!objects[i].name || !objects[i].noun || !objects[i].name[0])
      return gm_fail(err, GM_ERR_ARGUMENT, "%s: found an object without a name", p->path);
    GM_TRY(check_box(p, objects[i].box, err));
  }
  for (size_t i = 0; i < p->n_phrases; i++) {
    if (!phrases[i].text || !phrases[i].text[0])
      return gm_fail(err, GM_ERR_ARGUMENT, "%s: found a phrase without text", p->path);
    GM_TRY(check_box(p, phrases[i].box, err));
  }
  return GM_OK;
}

static gm_status read_list(gm_tune_list *list, const gm_tune_picture *given, size_t n,
                           gm_error *err) {
  list->all = calloc(n + 1, sizeof *list->all);
  list->broken = calloc(n + 1, sizeof *list->broken);
  list->order = calloc(n + 1, sizeof *list->order);
  list->seen = calloc(2 * n + 1, sizeof *list->seen);
  list->classes = calloc(n + 1, sizeof *list->classes);
  if (!list->all || !list->broken || !list->order || !list->seen || !list->classes)
    return gm_fail_memory(err, "the list of pictures", n * sizeof *list->all);
  GM_TRY(GM_STRUCTS_READ(gm_tune_picture, list->all, given, n, err));
  for (size_t i = 0; i < n; i++) {
    list->n = i + 1;
    list->order[i] = (uint32_t)i;
    GM_TRY(own_lists(&list->all[i], err));
  }
  list->at = n;
  return GM_OK;
}

/* Gives the objects of a list their classes. learns: a name that is not in the table is added
 * to it. */
static bool classify(gm_tune_list *list, gm_name_table *table, bool learns) {
  for (size_t i = 0; i < list->n; i++) {
    const gm_tune_picture *p = &list->all[i];
    list->classes[i] = calloc(p->n_objects + 1, sizeof **list->classes);
    if (!list->classes[i]) return false;
    for (size_t k = 0; k < p->n_objects; k++) {
      const char *name = p->objects[k].name;
      size_t at = learns ? gm_name_table_add(table, name, strlen(name))
                         : gm_name_table_find(table, name, strlen(name));
      if (learns && at == GM_NAME_NONE) return false;
      list->classes[i][k] = at < GM_TUNE_CLASSES ? (int32_t)at : -1;
    }
  }
  return true;
}

static gm_status list_names(gm_tune_pictures *out, gm_error *err) {
  gm_name_table table = {0};
  const gm_tune_list *list = &out->learned;
  bool ok = classify(&out->learned, &table, true);
  out->n_names = gm_min_size(table.n, GM_TUNE_CLASSES);
  out->names = calloc(out->n_names + 1, sizeof *out->names);
  ok = ok && out->names && classify(&out->kept, &table, true) &&
       classify(&out->held, &table, false);
  for (size_t i = 0; ok && i < list->n; i++)
    for (size_t k = 0; k < list->all[i].n_objects; k++)
      if (list->classes[i][k] >= 0)
        out->names[list->classes[i][k]] = list->all[i].objects[k].name;
  out->n_classes = gm_min_size(table.n, GM_TUNE_CLASSES);
  gm_name_table_free(&table);
  return ok ? GM_OK : gm_fail_memory(err, "the names", out->n_names * sizeof *out->names);
}

gm_status gm_tune_pictures_read(gm_tune_pictures *out, const gm_tune_params *params,
                                gm_error *err) {
  *out = (gm_tune_pictures){0};
  if (params->n_learned == 0 || !params->learned)
    return gm_fail(err, GM_ERR_ARGUMENT, "found no picture to learn from");
  GM_TRY(read_list(&out->learned, params->learned, params->n_learned, err));
  GM_TRY(read_list(&out->held, params->held, params->held ? params->n_held : 0, err));
  GM_TRY(read_list(&out->kept, params->kept, params->kept ? params->n_kept : 0, err));
  return list_names(out, err);
}

static void free_list(gm_tune_list *list) {
  for (size_t i = 0; i < list->n; i++) {
    free((void *)(uintptr_t)list->all[i].objects);
    free((void *)(uintptr_t)list->all[i].phrases);
    gm_tune_seen_free(&list->seen[2 * i]);
    gm_tune_seen_free(&list->seen[2 * i + 1]);
    free(list->classes[i]);
  }
  free(list->seen);
  free(list->classes);
  free(list->all);
  free(list->broken);
  free(list->order);
}

void gm_tune_pictures_free(gm_tune_pictures *pictures) {
  free_list(&pictures->learned);
  free_list(&pictures->held);
  free_list(&pictures->kept);
  free(pictures->names);
}

const gm_tune_picture *gm_tune_next(gm_tune_list *list, gm_rng *rng) {
  for (size_t tries = 0; tries < 2 * list->n; tries++) {
    if (list->at == list->n) {
      for (size_t i = list->n; i > 1; i--) {
        size_t j = (size_t)(gm_rng_unit(rng) * (double)i);
        uint32_t swap = list->order[i - 1];
        list->order[i - 1] = list->order[j];
        list->order[j] = swap;
      }
      list->at = 0;
    }
    size_t picture = list->order[list->at++];
    if (!list->broken[picture]) return &list->all[picture];
  }
  return NULL;
}

void gm_tune_break(gm_tune_list *list, const gm_tune_picture *picture) {
  list->broken[picture - list->all] = true;
}
