/* weight_loader.h - a layer's weights by name, each checked against the shape its layer wants.
 *
 * A layer states its weights once, as a list of VEC(member, name, size) and MAT(member, name,
 * rows, columns) entries. Expanded with GM_VEC_MEMBER and GM_MAT_MEMBER the list is the layer's
 * struct, with GM_VEC_LOAD and GM_MAT_LOAD its loader and shape check. Sizes are expressions in
 * the variables of the loading function, which has a gm_weight_loader *l and the struct *w in
 * scope; 0 takes any size. */
#ifndef GM_WEIGHT_LOADER_H
#define GM_WEIGHT_LOADER_H

#include "model_file.h"

typedef struct gm_weight_loader {
  const gm_model_file *file;
  gm_error *err;
  char prefix[160]; /* in front of every name: "perceiver.input_proj." */
} gm_weight_loader;

/* Starts a loader for the names below a formatted prefix. */
gm_weight_loader gm_weight_loader_at(const gm_model_file *file, gm_error *err,
                                     const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* *out = the f32 vector prefix + name of n elements. GM_ERR_MODEL if it is missing, of another
 * shape or type. */
gm_status gm_load_vector(const gm_weight_loader *l, const char *name, size_t n,
                         const float **out);
/* *out = the matrix prefix + name [rows, columns], of any type; 0 takes any size. */
gm_status gm_load_matrix(const gm_weight_loader *l, const char *name, size_t rows,
                         size_t columns, gm_tensor *out);
/* *out = the tensor prefix + name of n_dims sizes, of any type; 0 takes any size. */
gm_status gm_load_tensor(const gm_weight_loader *l, const char *name, uint32_t n_dims,
                         const size_t *shape, gm_tensor *out);

#define GM_VEC_MEMBER(member, name, size) const float *member;
#define GM_MAT_MEMBER(member, name, rows, columns) gm_tensor member;
#define GM_VEC_LOAD(member, name, size) GM_TRY(gm_load_vector(l, name, size, &w->member));
#define GM_MAT_LOAD(member, name, rows, columns)                                               \
  GM_TRY(gm_load_matrix(l, name, rows, columns, &w->member));

#endif
