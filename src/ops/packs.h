/* packs.h - panels of weights that are unpacked once and kept in a cache directory, so that
 * products of many rows read them where they are mapped instead of making them each time.
 *
 * A file holds the panels of the tensors below one prefix for which the kernels say that
 * keeping pays (gm_kernels.keep_panels); all processes share its pages. Whatever is wrong with
 * it, or with the directory, it counts as absent: products then unpack as they go, with the
 * same results to the bit. Tensors that are also multiplied by few rows have no place in it:
 * those products read the model's own layout, and the weights would be in memory twice.
 *
 *   0    "GMPANEL\2"  u64 size of the file  u64 tensors  u64 sum64 of the directory  u8 key[32]
 *   64   directory, 48 bytes a tensor: u64 offset in the model file  u64 rows  u64 columns
 *        u32 type  u32 rows of a panel  u64 offset of its panels  u64 their bytes
 *        u64 sum64 of each tensor's panels
 *        panels, each tensor's at a multiple of 4096 bytes
 *
 * The head is little endian. The key is the SHA-256 of the model file's size, time and header,
 * of the kernels' names, of a panel that they make of a fixed matrix (which changes when their
 * layout does), and of the directory. A reader makes head, directory and sums itself and
 * compares: no number of the file is ever used. */
#ifndef GM_PACKS_H
#define GM_PACKS_H

#include "cache_dir.h"
#include "kernels.h"
#include "model_file.h"
#include "threads.h"

typedef struct gm_packs gm_packs;

/* *out stays NULL where there is nothing to keep: a model that is not a mapped file, or has no
 * such tensors. Neither file nor directory is opened yet. The model file and dir must outlive
 * it. Errors: GM_ERR_MEMORY. */
gm_status gm_packs_create(gm_packs **out, const gm_model_file *file, const char *prefix,
                          const gm_kernels *kernels, gm_cache_dir *dir, gm_error *err);
void gm_packs_free(gm_packs *packs);

/* At the first call: maps the file, or makes it if there is room. packs may be NULL. Not while
 * another thread uses packs. */
void gm_packs_prepare(gm_packs *packs, gm_pool *pool);

/* The panels that mm makes of w, one behind the other, all chunks of k in each; NULL: there are
 * none. w may be a slice that begins at a panel. */
const unsigned char *gm_packs_find(const gm_packs *packs, const gm_tensor *w,
                                   const gm_matmul *mm);

/* The panels are not needed for now (see gm_model_file_release). packs may be NULL. */
void gm_packs_release(const gm_packs *packs);

/* NULL where these are the bytes of the file that packs wants, whole (all of them are read),
 * else what is not as wanted (GM_REFUSED_...). Not while another thread uses packs. */
const char *gm_packs_fault(const gm_packs *packs, const void *bytes, size_t size,
                           gm_pool *pool);
/* Its name in the cache directory, without the kind, "panels". */
const char *gm_packs_key(const gm_packs *packs);

#endif
