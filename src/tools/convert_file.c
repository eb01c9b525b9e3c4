/* convert_file.c - gm_convert: opens the source, then converts, requantises or computes it. The
 * file appears at its destination when it is complete. */
#include "adapted.h"
#include "convert.h"
#include "gguf_checkpoint.h"

#include "model_file_bytes.h"
#include "new_file.h"
#include "source_names.h"
#include "struct_size.h"
#include "synthetic.h"

#include <dirent.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *last_part(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static gm_status convert_to(const gm_source *source, const char *destination, gm_type type,
                            const gm_plan_options *options, gm_error *err) {
  gm_gguf_writer *writer;
  GM_TRY(gm_gguf_writer_create(&writer, destination, err));
  gm_status status = strcmp(source->weights->format, "gguf") == 0
                         ? gm_requantise(source, writer, type, options, err)
                         : gm_convert_source(source, writer, type, options, err);
  if (status == GM_OK) status = gm_gguf_finish_file(writer, err);
  gm_gguf_writer_free(writer);
  return status;
}

/* The directory of the small files, and the model's name: the name of that directory, without
 * "." and trailing slashes. */
static gm_status locate(const char *path, char **directory, char **name, gm_error *err) {
  struct stat st;
  char *real = realpath(path, NULL);
  if (!real) return gm_fail_memory(err, path, strlen(path));
  if (stat(real, &st) == 0 && !S_ISDIR(st.st_mode)) dirname(real);
  *directory = real;
  *name = strdup(last_part(real));
  if (*name) return GM_OK;
  free(real);
  *directory = NULL;
  return gm_fail_memory(err, path, strlen(path));
}

/* Writes a computed model to a file, so that mapped models of true shapes can be tested. */
static gm_status write_synthetic(const char *spec, const char *destination, unsigned threads,
                                 gm_error *err) {
  gm_pool *pool;
  gm_model_file *model = NULL;
  gm_new_file file = {.fd = -1};
  size_t size;
  GM_TRY(gm_pool_create(&pool, threads, err));
  gm_status status = gm_synthetic_model(&model, spec, pool, err);
  if (status == GM_OK) gm_new_file_remove_dead(destination);
  if (status == GM_OK) status = gm_new_file_begin(&file, destination, err);
  if (status == GM_OK) {
    const void *bytes = gm_model_file_bytes(model, &size);
    status = gm_new_file_write(&file, bytes, size, err);
  }
  if (status == GM_OK) status = gm_new_file_commit(&file, err);
  gm_new_file_end(&file);
  gm_model_file_close(model);
  gm_pool_free(pool);
  return status;
}

static bool is_gguf(const char *name) {
  size_t n = strlen(name);
  return n > 5 && strcmp(name + n - 5, ".gguf") == 0;
}

/* Whether `file` is in the directory. GGUF files in it are results, not sources. */
static bool holds_file(const char *directory, const struct stat *file) {
  DIR *dir = opendir(directory);
  bool found = false;
  struct stat st;
  for (struct dirent *entry; dir && !found && (entry = readdir(dir));)
    found = !is_gguf(entry->d_name) && fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 &&
            st.st_dev == file->st_dev && st.st_ino == file->st_ino;
  if (dir) closedir(dir);
  return found;
}

/* The destination must not replace a file that is read. */
static gm_status check_destination(const char *path, const char *destination, gm_error *err) {
  struct stat from, to;
  if (stat(path, &from) != 0 || stat(destination, &to) != 0) return GM_OK;
  bool folder = S_ISDIR(from.st_mode);
  bool same = from.st_dev == to.st_dev && from.st_ino == to.st_ino;
  if (!same && !(folder && S_ISREG(to.st_mode) && holds_file(path, &to))) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT,
                 "%s: found a file of the source as the destination; wanted another name for "
                 "the result",
                 destination);
}

static gm_status check_params(const gm_convert_params *params, gm_type *type, gm_error *err) {
  *type = GM_TYPE_F16;
  if (params->type && !gm_type_from_name(params->type, type))
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found type \"%.40s\", wanted f32, f16, bf16, q8_0, q4_0, q4_k or q6_k",
                   params->type);
  if (params->layout && strcmp(params->layout, "openai") != 0 &&
      strcmp(params->layout, "open_clip") != 0)
    return gm_fail(err, GM_ERR_ARGUMENT, "found layout \"%.40s\", wanted openai or open_clip",
                   params->layout);
  return GM_OK;
}

/* Opens the adapters, if there are any, and puts them on the source. */
static gm_status adapt(gm_checkpoint *weights, const char *destination,
                       gm_adapter_changes *changes, const gm_convert_params *params,
                       gm_error *err) {
  if (params->n_adapters == 0) return GM_OK;
  if (strcmp(weights->format, "gguf") != 0)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "%s: found adapters for a checkpoint, wanted a GGUF file made by gromatic "
                   "convert; convert the checkpoint first",
                   weights->path);
  GM_TRY(gm_adapted_read(changes, gm_gguf_checkpoint_file(weights), params->adapters,
                         params->n_adapters, err));
  for (size_t i = 0; i < changes->n_adapters; i++)
    GM_TRY(check_destination(changes->adapters[i].adapter->path, destination, err));
  gm_gguf_checkpoint_change(weights, changes);
  return GM_OK;
}

static gm_status convert(const char *path, const char *destination, gm_type type,
                         const gm_convert_params *params, const gm_callbacks *callbacks,
                         gm_error *err) {
  gm_source source = {0};
  gm_pool *pool = NULL;
  gm_adapter_changes changes = {0};
  char *directory = NULL, *name = NULL;
  GM_TRY(check_destination(path, destination, err));
  GM_TRY(gm_checkpoint_open(&source.weights, path, err));
  bool gguf = strcmp(source.weights->format, "gguf") == 0;
  gm_status status = gguf ? GM_OK : gm_source_clean_names(source.weights, err);
  if (status == GM_OK) status = adapt(source.weights, destination, &changes, params, err);
  if (status == GM_OK) status = locate(path, &directory, &name, err);
  if (status == GM_OK) status = gm_pool_create(&pool, params->threads, err);
  if (status == GM_OK) {
    source.directory = directory;
    source.params = params;
    source.name = name;
    gm_plan_options options = {.pool = pool, .callbacks = callbacks, .sums = true};
    status = convert_to(&source, destination, type, &options, err);
  }
  gm_pool_free(pool);
  free(directory);
  free(name);
  gm_checkpoint_close(source.weights);
  gm_changes_free(&changes);
  return status;
}

gm_status gm_convert(const char *path, const char *destination, const gm_convert_params *params,
                     const gm_callbacks *callbacks, gm_error *err) {
  gm_convert_params own;
  gm_callbacks calls;
  gm_type type;
  GM_TRY(GM_STRUCT_READ(gm_convert_params, &own, params, err));
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &calls, callbacks, err));
  if (!path || !destination)
    return gm_fail(err, GM_ERR_ARGUMENT, "convert wants a source and a destination");
  GM_TRY(check_params(&own, &type, err));
  if (own.n_adapters && strncmp(path, GM_SYNTHETIC, sizeof GM_SYNTHETIC - 1) == 0)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found adapters for computed weights, wanted a GGUF file");
  if (strncmp(path, GM_SYNTHETIC, sizeof GM_SYNTHETIC - 1) == 0)
    return write_synthetic(path + sizeof GM_SYNTHETIC - 1, destination, own.threads, err);
  return convert(path, destination, type, &own, &calls, err);
}
