/* weight_loader.h - a layer's weights by name, each checked against its layer's shape.
 *
 * A layer states its weights once, as a list of entries (tensor_rules.h). Expanded with
 * GM_VEC_MEMBER, GM_MAT_MEMBER and GM_TENSOR_MEMBER the list is the layer's struct, with
 * GM_VEC_LOAD, GM_MAT_LOAD and GM_TENSOR_LOAD its loader and shape check. The loading function
 * has a gm_weight_loader *l and the struct *w in scope. A size of 0 accepts any size. */
#ifndef GM_WEIGHT_LOADER_H
#define GM_WEIGHT_LOADER_H

#include "model_file.h"
#include "tensor_rules.h"

typedef struct gm_weight_loader {
  const gm_model_file *file;
  gm_error *err;
  char prefix[160]; /* of every name: "perceiver.input_proj." */
} gm_weight_loader;

/* A loader for the names below a prefix. A '%' in the prefix stands for the layer. */
gm_weight_loader gm_weight_loader_at(const gm_model_file *file, gm_error *err,
                                     const char *prefix, size_t layer);
/* A loader for the names below l's prefix and then `name`. */
gm_weight_loader gm_weight_loader_below(const gm_weight_loader *l, const char *name);

/* *out = the f32 vector prefix + name of n elements. GM_ERR_MODEL if it is missing or of
 * another shape or type. Here and below, a NULL name leaves *out as it is. */
gm_status gm_load_vector(const gm_weight_loader *l, const char *name, size_t n,
                         const float **out);
/* *out = the matrix prefix + name [rows, columns], of any type; 0 accepts any size. */
gm_status gm_load_matrix(const gm_weight_loader *l, const char *name, size_t rows,
                         size_t columns, gm_tensor *out);
/* *out = the tensor prefix + name of any type, stored in this layout; shape[n_dims] is
 * upstream's; 0 accepts any size. */
gm_status gm_load_tensor(const gm_weight_loader *l, const char *name, gm_layout layout,
                         uint32_t n_dims, const size_t *shape, gm_tensor *out);

#define GM_VEC_MEMBER(member, name, size) const float *member;
#define GM_MAT_MEMBER(member, name, precision, rows, columns) gm_tensor member;
#define GM_TENSOR_MEMBER(member, name, from, precision, layout, ...) gm_tensor member;
/* The names of one family of models, if families differ in names. */
#define GM_VEC_NAME(member, name, size) const char *member;
#define GM_MAT_NAME(member, name, precision, rows, columns) const char *member;
#define GM_TENSOR_NAME(member, name, from, precision, layout, ...) const char *member;
#define GM_VEC_LOAD(member, name, size) GM_TRY(gm_load_vector(l, name, size, &w->member));
#define GM_MAT_LOAD(member, name, precision, rows, columns)                                    \
  GM_TRY(gm_load_matrix(l, name, rows, columns, &w->member));
#define GM_TENSOR_LOAD(member, name, from, precision, layout, ...)                             \
  GM_TRY(gm_load_tensor(l, name, layout,                                                       \
                        sizeof((const size_t[]){__VA_ARGS__}) / sizeof(size_t),                \
                        (const size_t[]){__VA_ARGS__}, &w->member));

#endif
