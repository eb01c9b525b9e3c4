/* tensor_rules.h - the tensors of a model as a list of rules, one for each tensor of a layer.
 *
 * A layer states its weights once, as an X-macro of three kinds of entries:
 *
 *   VEC(member, name, size)                               f32 in every file
 *   MAT(member, name, precision, rows, columns)           stored in upstream's layout
 *   TENSOR(member, name, from, precision, layout, ...)    upstream's tensor `from` of the shape
 *                                                         ..., stored as `name` in a layout
 *
 * Expanded with GM_VEC_MEMBER and its like (weight_loader.h) the list is the layer's struct,
 * with GM_VEC_LOAD its loader and shape check, with GM_VEC_RULE (below) rules for the
 * converter, inspect and other code that visits a model's tensors. Sizes are expressions in the
 * variables of the function that expands the list. A name is NULL if a family of models does
 * not have the tensor. */
#ifndef GM_TENSOR_RULES_H
#define GM_TENSOR_RULES_H

#include "model_file.h"

enum { GM_MAX_RULES = 192, GM_MAX_RULE_NAME = 255 };

/* How a tensor is stored, from upstream's row-major order; see docs/FORMAT.md. */
typedef enum gm_layout {
  GM_LAYOUT_SAME,
  GM_LAYOUT_MATRIX,     /* [a, b, c, ..] -> [a, b*c*..] */
  GM_LAYOUT_TAPS,       /* [out, in, h, w] -> [h, w, out, in]: a matrix per tap */
  GM_LAYOUT_ALL_BUT_2,  /* [a, b, 1, 1] -> [a, b - 2]: all columns but the last two */
  GM_LAYOUT_LAST_2,     /* [a, b, 1, 1] -> [a, 2]: the last two */
  GM_LAYOUT_BINS_FIRST, /* [a, c*bins] -> [a, bins*c]: channels become innermost */
  GM_LAYOUT_TRANSPOSED  /* [in, out] -> [out, in] */
} gm_layout;

/* The shape in which a tensor of upstream's shape from[n] is stored; returns its number of
 * dimensions. A size of 0 stands for any size, and the sizes that depend on it are 0 too.
 * Unused entries are 1. */
uint32_t gm_layout_shape(gm_layout layout, const size_t *from, uint32_t n,
                         size_t out[GM_MAX_DIMS]);

/* How much precision a tensor needs; the converter turns it into a type. */
typedef enum gm_precision {
  GM_KEEP_F32,   /* small or sensitive: f32 in every file */
  GM_KEEP_F16,   /* sensitive, but larger: f16 in files of block types */
  GM_LLM,        /* most weights of a language model: the type that was asked for */
  GM_LLM_TOUCHY, /* attention values, FFN outputs: q6_k in some layers of a q4_k file */
  GM_LLM_OUTPUT, /* the output head: q6_k in 4-bit files */
  GM_VISION      /* q8_0 in every file of block types */
} gm_precision;

/* What a tensor is to the layer that reads it. */
typedef enum gm_tensor_kind {
  GM_KIND_VECTOR, /* a bias, or a weight of a norm */
  GM_KIND_MATRIX, /* [rows, columns], or a table of rows */
  GM_KIND_TENSOR  /* of another shape or layout than upstream's */
} gm_tensor_kind;

/* A tensor that every layer of a group has. Its full name is a prefix, in which '%' stands for
 * the layer's number, then a name. All strings are constants. */
typedef struct gm_tensor_rule {
  const char *part;         /* of the model: "vision", "proposer", "llm", ... */
  const char *prefix;       /* "llm.model.layers.%." */
  const char *other_prefix; /* another prefix that upstream may use; NULL: none */
  const char *name;         /* in our files: "mlp.gate_proj.weight" */
  const char *from;         /* upstream's name; differs if upstream's tensor becomes several */
  size_t layers;            /* of the group; 1 where the prefix has no '%' */
  gm_tensor_kind kind;
  gm_layout layout;
  gm_precision precision;
  uint32_t n_dims;
  size_t shape[GM_MAX_DIMS]; /* upstream's */
} gm_tensor_rule;

/* A model's rules, in the order of its file: all layers of the first rule come before those of
 * the second. */
typedef struct gm_tensor_rules {
  gm_tensor_rule rules[GM_MAX_RULES];
  size_t n;
  gm_tensor_rule group; /* the common part of the rules that are added next */
} gm_tensor_rules;

/* Begins a group of rules: the tensors below `prefix`. */
void gm_rules_group(gm_tensor_rules *rules, const char *part, const char *prefix,
                    const char *other_prefix, size_t layers);
/* Adds a rule to the group, or nothing if name is NULL. */
void gm_rules_add(gm_tensor_rules *rules, const char *name, const char *from,
                  gm_tensor_kind kind, gm_precision precision, gm_layout layout,
                  uint32_t n_dims, const size_t *shape);

#define GM_VEC_RULE(member, name, size)                                                        \
  gm_rules_add(rules, name, name, GM_KIND_VECTOR, GM_KEEP_F32, GM_LAYOUT_SAME, 1,              \
               (const size_t[]){size});
#define GM_MAT_RULE(member, name, precision, rows, columns)                                    \
  gm_rules_add(rules, name, name, GM_KIND_MATRIX, precision, GM_LAYOUT_SAME, 2,                \
               (const size_t[]){rows, columns});
#define GM_TENSOR_RULE(member, name, from, precision, layout, ...)                             \
  gm_rules_add(rules, name, from, GM_KIND_TENSOR, precision, layout,                           \
               sizeof((const size_t[]){__VA_ARGS__}) / sizeof(size_t),                         \
               (const size_t[]){__VA_ARGS__});

/* out = the prefix with its '%' replaced by the layer's number, then the name. */
void gm_rule_name(char out[GM_MAX_RULE_NAME + 1], const char *prefix, const char *name,
                  size_t layer);
/* True if `tensor` is the prefix with a layer's number, then the name; *layer = the number. */
bool gm_rule_fits(const char *prefix, const char *name, const char *tensor, size_t *layer);
/* The rule and the layer of a tensor by its name in our files; NULL if no rule fits. */
const gm_tensor_rule *gm_rules_find(const gm_tensor_rules *rules, const char *name,
                                    size_t *layer);

/* Calls visit for every tensor of the file that has a rule, in the file's order, with its name
 * in the file. Stops at the first status that is not GM_OK and returns it. */
gm_status gm_rules_visit(const gm_tensor_rules *rules, const gm_model_file *file,
                         gm_status (*visit)(void *user, const gm_tensor_rule *rule,
                                            size_t layer, const char *name,
                                            const gm_tensor *tensor),
                         void *user);

#endif
