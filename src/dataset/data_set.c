/* data_set.c - see data_set.h. */
#include "data_set.h"

#include "set_reader.h"
#include "text_input.h"
#include "text_read.h"

#include <stdlib.h>
#include <string.h>

const char *const gm_format_names[7] = {"coco", "refcoco", "flickr",        "vg",
                                        "grit", "llava",   "groma-instruct"};
const char *const gm_task_names[7] = {
    "detect", "locate", "locate-all", "describe", "describe-long", "grounded-caption", "chat"};

static const struct {
  gm_status (*read)(gm_set_reader *r);
  unsigned tasks; /* bits */
} formats[7] = {
    [GM_DATA_COCO] = {gm_read_coco_set, 1 << GM_TASK_DETECT | 1 << GM_TASK_LOCATE_ALL},
    [GM_DATA_REFCOCO] = {gm_read_coco_set, 1 << GM_TASK_DETECT | 1 << GM_TASK_LOCATE |
                                               1 << GM_TASK_DESCRIBE |
                                               1 << GM_TASK_DESCRIBE_LONG},
    [GM_DATA_FLICKR] = {gm_read_coco_set, 1 << GM_TASK_DETECT | 1 << GM_TASK_GROUNDED_CAPTION},
    [GM_DATA_VG] = {gm_read_coco_set,
                    1 << GM_TASK_DETECT | 1 << GM_TASK_DESCRIBE | 1 << GM_TASK_DESCRIBE_LONG},
    [GM_DATA_GRIT] = {gm_read_grit_set, 1 << GM_TASK_LOCATE},
    [GM_DATA_LLAVA] = {gm_read_llava_set, 1 << GM_TASK_CHAT},
    [GM_DATA_GROMA_INSTRUCT] = {gm_read_groma_instruct_set, 1 << GM_TASK_CHAT},
};

bool gm_format_has_task(gm_data_format format, gm_task task) {
  return formats[format].tasks & 1u << task;
}

static gm_status copy_spec(gm_data_spec *to, const gm_data_spec *from, gm_error *err) {
  *to = *from;
  to->name = strdup(from->name);
  to->file = strdup(from->file);
  to->images = strdup(from->images);
  if (to->name && to->file && to->images) return GM_OK;
  return gm_fail_memory(err, "a data set's names", strlen(from->file));
}

gm_status gm_set_order_by_shape(gm_data_set *set, gm_error *err) {
  size_t n = set->n_pictures, wide = 0, other;
  set->by_shape = malloc(n * sizeof *set->by_shape);
  if (!set->by_shape) return gm_fail_memory(err, "pictures", n * sizeof *set->by_shape);
  for (size_t i = 0; i < n; i++) wide += set->pictures[i].width > set->pictures[i].height;
  set->n_wide = other = wide;
  wide = 0;
  for (size_t i = 0; i < n; i++) {
    bool is_wide = set->pictures[i].width > set->pictures[i].height;
    set->by_shape[is_wide ? wide++ : other++] = (uint32_t)i;
  }
  return GM_OK;
}

static gm_status read_set(gm_set_reader *r, const char *text) {
  gm_data_set *set = r->set;
  r->json = gm_pull_begin(text);
  gm_status status = formats[set->spec.format].read(r);
  if (status == GM_OK && r->json.wanted)
    status = gm_fail(r->err, GM_ERR_ARGUMENT, "%s: line %zu: this is no JSON: wanted %s",
                     set->spec.file, gm_pull_line(&r->json), r->json.wanted);
  if (status == GM_OK && set->n_pictures == 0)
    status = gm_fail(r->err, GM_ERR_ARGUMENT,
                     "%s: none of its entries can be used as format %s; see the counts of "
                     "what was left out",
                     set->spec.file, gm_format_names[set->spec.format]);
  return status == GM_OK ? gm_set_order_by_shape(set, r->err) : status;
}

gm_status gm_data_set_load(gm_data_set **out, const gm_data_spec *spec,
                           const gm_data_rules *rules, gm_data_report *report, gm_error *err) {
  *out = NULL;
  if (!gm_format_has_task(spec->format, spec->task))
    return gm_fail(err, GM_ERR_ARGUMENT, "set %s: format %s has no task %s", spec->name,
                   gm_format_names[spec->format], gm_task_names[spec->task]);
  gm_data_set *set = calloc(1, sizeof *set);
  if (!set) return gm_fail_memory(err, "a data set", sizeof *set);
  char *text = NULL;
  gm_set_reader r = {.set = set, .rules = rules, .report = report, .err = err};
  gm_status status = copy_spec(&set->spec, spec, err);
  if (status == GM_OK) status = gm_text_read(&text, spec->file, err);
  if (status == GM_OK) status = read_set(&r, text);
  free(text);
  if (status != GM_OK) {
    gm_data_set_free(set);
    return status;
  }
  *out = set;
  return GM_OK;
}

gm_status gm_data_picture_path(const gm_data_set *set, size_t picture, gm_text *path,
                               gm_error *err) {
  const char *file = gm_data_text(set, set->pictures[picture].file);
  if (file[0] != '/') {
    GM_TRY(gm_text_append_string(path, set->spec.images, err));
    GM_TRY(gm_text_append(path, "/", 1, err));
  }
  return gm_text_append_string(path, file, err);
}

void gm_data_set_free(gm_data_set *set) {
  if (!set) return;
  free(set->spec.name);
  free(set->spec.file);
  free(set->spec.images);
  free(set->pictures);
  free(set->boxes);
  free(set->turns);
  free(set->categories);
  free(set->articles);
  free(set->picture_of);
  gm_name_table_free(&set->ids);
  free(set->by_shape);
  gm_text_free(&set->texts);
  free(set);
}
