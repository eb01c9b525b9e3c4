/* opened.h - what a Groma model and a CLIP have in common once they are open: a file, an
 * engine, kernels, a cache directory, and what is told of them. */
#ifndef GM_OPENED_H
#define GM_OPENED_H

#include "adapted.h"
#include "cache_dir.h"
#include "embedded.h"
#include "engine.h"
#include "model_file.h"
#include "struct_size.h"

/* Zero-initialised it is not open. Immutable after open. */
typedef struct gm_opened {
  gm_model_file *file; /* as it is on disk */
  gm_adapted adapted;
  const gm_model_file *weights; /* what to load from: the file with its adapters */
  gm_engine *engine;            /* held */
  const gm_kernels *kernels;
  gm_cache_dir *dir; /* NULL: nothing is kept between runs */
  char *path;
  const char *name, *type;
  const gm_embedded_world *world; /* NULL: not known */
} gm_opened;

/* Opens what params say of file, engine, kernels and cache directory; path is a file or a name.
 * It is no job of the engine, since reading a file takes long. Close it after a failure too.
 * Errors: those of gm_model_open, but for what is in the file. */
gm_status gm_opened_open(gm_opened *out, const char *path, const gm_model_params *params,
                         gm_error *err);
/* Gives back file, engine and directory. */
void gm_opened_close(gm_opened *opened);

/* SHA-256 of the file's bytes. Enters no engine. Errors: GM_ERR_ARGUMENT within a callback,
 * GM_ERR_CANCELLED. */
gm_status gm_opened_sha256(const gm_opened *opened, char out[65], const gm_callbacks *callbacks,
                           gm_error *err);
gm_status gm_opened_adapter_at(const gm_opened *opened, size_t i, gm_adapter_info *out);
gm_status gm_opened_refusal_at(const gm_opened *opened, size_t i, gm_cache_refusal *out);

#endif
