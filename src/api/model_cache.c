/* model_cache.c - what names a model's results in the cache: the model file, the kernels that
 * compute, this library, and the adapters.
 *
 * For scenes a model is told by its header (which holds the tensors' own sums where gromatic
 * made the file), the first bytes of each tensor and the file's time, since hashing gigabytes
 * would take longer than what is saved. */
#include "handles.h"

#include "model_file_bytes.h"
#include "sha256.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/stat.h>

static const size_t samples = 1024; /* bytes of a tensor; also an address in this library */

/* The file that this library is in. A program is named as it was called: without a directory
 * where it was found through PATH. */
static bool stat_library(struct stat *st) {
  Dl_info info;
  if (!dladdr(&samples, &info) || !info.dli_fname) return false;
  return stat(strchr(info.dli_fname, '/') ? info.dli_fname : "/proc/self/exe", st) == 0;
}

/* A library that was built anew may compute in another way. */
static void add_library(gm_sha256_state *sha) {
  struct stat st;
  gm_sha256_add_text(sha, gm_version());
  if (!stat_library(&st)) return;
  gm_sha256_add(sha, &st.st_size, sizeof st.st_size);
  gm_sha256_add(sha, &st.st_mtim, sizeof st.st_mtim);
}

void gm_add_maker(gm_sha256_state *sha, const gm_kernels *kernels) {
  add_library(sha);
  gm_sha256_add_text(sha, kernels->name);
  gm_sha256_add_text(sha, kernels->features);
}

static void add_file(gm_sha256_state *sha, const gm_model_file *file) {
  size_t size, header;
  int64_t mtime = gm_model_file_mtime(file);
  const unsigned char *bytes = gm_model_file_bytes(file, &size);
  header = size;
  for (size_t i = 0; i < gm_model_file_n_tensors(file); i++) {
    const gm_tensor *tensor = gm_model_file_tensor_at(file, i, NULL);
    size_t at = (size_t)((const unsigned char *)tensor->data - bytes);
    size_t held = gm_tensor_rows(tensor) * tensor->row_bytes;
    gm_sha256_add(sha, bytes + at, held < samples ? held : samples);
    if (at < header) header = at;
  }
  gm_sha256_add(sha, bytes, header);
  gm_sha256_add(sha, &size, sizeof size);
  gm_sha256_add(sha, &mtime, sizeof mtime);
}

static void name_scenes(gm_model *model) {
  gm_sha256_state sha;
  gm_sha256_begin(&sha); /* all that changes a result, but for what has a key of its own */
  gm_add_maker(&sha, model->base.kernels);
  add_file(&sha, model->base.file);
  gm_sha256_add_text(&sha, model->base.adapted.key);
  gm_sha256_end(&sha, model->cache.model);
  model->cache.dir = model->base.dir;
}

gm_status gm_model_use_cache(gm_model *model, const gm_model_params *params, gm_error *err) {
  const gm_opened *base = &model->base;
  if (!base->dir) return GM_OK;
  if (!params->no_scenes) name_scenes(model);
  if (params->no_pack || params->mlock) return GM_OK; /* pinned weights would be there twice */
  return gm_vision_keep_panels(model->groma->vision, base->kernels, base->dir, err);
}
