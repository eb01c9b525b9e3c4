/* convert_source.c - finds a source's architecture and carries out its plan; reads the small
 * files of a source. */
#include "convert.h"
#include "json_file.h"
#include "mapping.h"
#include "placeholder.h"

#include <stdlib.h>
#include <string.h>

static const gm_architecture *const architectures[] = {&gm_architecture_groma,
                                                       &gm_architecture_clip};

enum { N_ARCHITECTURES = sizeof architectures / sizeof architectures[0], MAX_SMALL = 64 << 20 };

/* ---- the small files of a source */

static gm_status read_small(const char *directory, const char *name, void **out, size_t *size,
                            gm_error *err) {
  char *path = gm_join_path(directory, name);
  if (!path) return gm_fail_memory(err, name, strlen(directory) + strlen(name));
  gm_mapping file;
  gm_status status = gm_map_file(&file, path, true, err);
  if (status == GM_ERR_FILE_NOT_FOUND) {
    /* A dangling link is an error, not an absent file. */
    gm_status link = gm_refuse_dangling_link(path, err);
    if (link != GM_OK) status = GM_ERR_MODEL;
    if (link != GM_OK && err) err->status = status;
  }
  if (status == GM_OK) status = gm_refuse_placeholder(path, file.data, file.size, err);
  if (status == GM_OK && file.size > MAX_SMALL)
    status = gm_fail(err, GM_ERR_MODEL, "%s: found %zu bytes, wanted at most %d", path,
                     file.size, MAX_SMALL);
  if (status == GM_OK) {
    *out = malloc(file.size ? file.size : 1);
    *size = file.size;
    if (*out)
      memcpy(*out, file.data, file.size);
    else
      status = gm_fail_memory(err, path, file.size);
  }
  if (file.data) gm_unmap(&file);
  free(path);
  return status;
}

gm_status gm_source_bytes(const gm_source *source, const char *name, void **out, size_t *size,
                          gm_error *err) {
  *out = NULL;
  *size = 0;
  if (source->directory) return read_small(source->directory, name, out, size, err);
  for (size_t i = 0; i < source->n_files; i++) {
    const gm_source_file *file = &source->files[i];
    if (strcmp(file->name, name) != 0) continue;
    *out = malloc(file->size ? file->size : 1);
    if (!*out) return gm_fail_memory(err, name, file->size);
    memcpy(*out, file->bytes, file->size);
    *size = file->size;
    return GM_OK;
  }
  return gm_fail(err, GM_ERR_FILE_NOT_FOUND, "%s: there is no %s", source->name, name);
}

gm_status gm_source_json(const gm_source *source, const char *name, json_t **out,
                         gm_error *err) {
  *out = NULL;
  void *bytes;
  size_t size;
  GM_TRY(gm_source_bytes(source, name, &bytes, &size, err));
  gm_status status = gm_json_parse(out, bytes, size, name, err);
  free(bytes);
  return status;
}

/* ---- for every architecture */

/* The numbers of general.file_type in ggml's docs/gguf.md. */
static const struct {
  gm_type type;
  uint32_t number;
} file_types[] = {
    {GM_TYPE_F32, 0},   {GM_TYPE_F16, 1},   {GM_TYPE_Q4_0, 2},  {GM_TYPE_Q8_0, 7},
    {GM_TYPE_Q4_K, 15}, {GM_TYPE_Q6_K, 18}, {GM_TYPE_BF16, 32},
};

enum { N_FILE_TYPES = sizeof file_types / sizeof file_types[0] };

uint32_t gm_file_type_of(gm_type type) {
  for (size_t i = 0; i < N_FILE_TYPES; i++)
    if (file_types[i].type == type) return file_types[i].number;
  return 0;
}

gm_type gm_type_of_file(uint32_t file_type) {
  for (size_t i = 0; i < N_FILE_TYPES; i++)
    if (file_types[i].number == file_type) return file_types[i].type;
  return GM_TYPE_COUNT;
}

const gm_architecture *gm_architecture_named(const char *name) {
  for (size_t i = 0; i < N_ARCHITECTURES; i++)
    if (strcmp(architectures[i]->name, name) == 0) return architectures[i];
  return NULL;
}

static gm_status convert_as(const gm_architecture *architecture, const gm_source *source,
                            gm_gguf_writer *writer, gm_type type,
                            const gm_plan_options *options, gm_error *err) {
  gm_plan plan = {.type = type};
  gm_gguf_put_string(writer, "general.architecture", architecture->name);
  gm_gguf_put_string(writer, "general.name", source->name);
  gm_gguf_put_u32(writer, "general.file_type", gm_file_type_of(type));
  gm_gguf_put_u32(writer, "general.quantization_version", 2);
  gm_status status = architecture->read(source, writer, &plan, err);
  if (status == GM_OK) status = gm_plan_check_left_over(&plan, source, architecture, err);
  if (status == GM_OK) status = gm_plan_run(&plan, source->weights, writer, options, err);
  if (status == GM_OK) gm_plan_summary(&plan, source->weights, source->params);
  gm_plan_free(&plan);
  return status;
}

gm_status gm_convert_source(const gm_source *source, gm_gguf_writer *writer, gm_type type,
                            const gm_plan_options *options, gm_error *err) {
  for (size_t i = 0; i < N_ARCHITECTURES; i++)
    if (architectures[i]->matches(source))
      return convert_as(architectures[i], source, writer, type, options, err);
  return gm_fail(
      err, GM_ERR_MODEL,
      "%s: found %zu tensors of no architecture known here, wanted a checkpoint of Groma or of "
      "CLIP with vision transformer",
      source->weights->path, source->weights->n_tensors);
}
