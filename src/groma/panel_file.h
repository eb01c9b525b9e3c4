/* panel_file.h - panels of weights (panels.h), made once and kept in a cache directory, so that
 * products of many rows read them where they are mapped.
 *
 * A file holds the panels of the tensors whose names begin with one prefix and for whose type
 * the kernels say that keeping pays (gm_kernels.keep_panels). All processes share its pages.
 * Whatever is wrong with it, or with the directory, it counts as absent: products then unpack
 * as they go, with bit-identical results. Tensors that are also multiplied in steps
 * (GM_WAY_STEP) must not be in it: those products read the model's own layout, and the weights
 * would be in memory twice.
 *
 * The file is an entry of cache_entry.h, of the kind "panels". Its body begins at 4096 and
 * holds each tensor's panels, in the order of their weights in the model file, each at a
 * multiple of 4096 bytes, with zeros between. The key is the SHA-256 of the model file's size,
 * time and header, of a panel that they make of a fixed matrix (which
 * changes with their layout), and of where each tensor's panels are. */
#ifndef GM_PANEL_FILE_H
#define GM_PANEL_FILE_H

#include "cache_entry.h"
#include "model_file.h"
#include "panels.h"

typedef struct gm_panel_file gm_panel_file;

/* *out stays NULL where there is nothing to keep: a model that is not a mapped file, or has no
 * such tensors. Neither file nor directory is opened yet. The model file and dir must outlive
 * it. Errors: GM_ERR_MEMORY. */
gm_status gm_panel_file_create(gm_panel_file **out, const gm_model_file *model,
                               const char *prefix, const gm_kernels *kernels, gm_cache_dir *dir,
                               gm_error *err);
/* May be NULL. Nobody uses its panels any more. */
void gm_panel_file_free(gm_panel_file *file);

/* The panels; NULL where there are none. At the first call: maps the file, or makes it if there
 * is room. file may be NULL. The panels live as long as file. Thread-safe. */
const gm_panels *gm_panel_file_panels(gm_panel_file *file, gm_pool *pool);

/* The panels are not needed for now (see gm_model_file_release). file may be NULL. Safe while
 * other threads read them. */
void gm_panel_file_release(const gm_panel_file *file);

/* Its name in the cache directory, without the kind. */
const char *gm_panel_file_key(const gm_panel_file *file);

#endif
