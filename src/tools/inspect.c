/* inspect.c - gm_inspect: a model file described as plain data. */
#include "arena.h"
#include "convert.h"
#include "model_file_bytes.h"
#include "model_resolve.h"
#include "sha256.h"
#include "struct_size.h"
#include "tensor_names.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 8 }; /* elements of an array */

typedef struct inspection {
  gm_inspection base;         /* first: callers point at it */
  gm_inspect_key *keys;       /* [n_keys] */
  gm_inspect_tensor *tensors; /* [n_tensors] */
  gm_model_file *file;
  gm_arena arena; /* strings and arrays */
} inspection;

void gm_inspection_free(gm_inspection *base) {
  if (!base) return;
  inspection *in = (inspection *)base;
  gm_model_file_close(in->file);
  gm_arena_free(&in->arena);
  free(in);
}

gm_status gm_inspect_key_at(const gm_inspection *inspected, size_t i, gm_inspect_key *out) {
  const inspection *in = (const inspection *)inspected;
  return GM_STRUCT_WRITE_AT(gm_inspect_key, out, in->keys, i, in->base.n_keys);
}

gm_status gm_inspect_tensor_at(const gm_inspection *inspected, size_t i,
                               gm_inspect_tensor *out) {
  const inspection *in = (const inspection *)inspected;
  return GM_STRUCT_WRITE_AT(gm_inspect_tensor, out, in->tensors, i, in->base.n_tensors);
}

static gm_status keep_text(inspection *in, const char *text, const char **out, gm_error *err) {
  size_t n = strlen(text) + 1;
  char *copy = gm_arena_alloc(&in->arena, n);
  if (!copy) return gm_fail_memory(err, "a text", n);
  memcpy(copy, text, n);
  *out = copy;
  return GM_OK;
}

/* ---- keys */

/* A token may hold bytes that are not UTF-8; they are shown as U+FFFD each. */
static json_t *json_text(const char *text) {
  json_t *value = json_string(text);
  if (value) return value;
  size_t n = strlen(text), at = 0;
  char *clean = malloc(3 * n + 1);
  if (!clean) return NULL;
  for (size_t i = 0; i < n; i++) {
    bool ascii = (unsigned char)text[i] < 0x80;
    memcpy(clean + at, ascii ? text + i : "\xEF\xBF\xBD", ascii ? 1 : 3);
    at += ascii ? 1 : 3;
  }
  clean[at] = 0;
  value = json_string(clean);
  free(clean);
  return value;
}

/* null for a number that JSON cannot hold. */
static json_t *json_number(double value) {
  return isfinite(value) ? json_real(value) : json_null();
}

/* The shortest decimal that reads back as the same float: 0.15, not 0.150000006. */
static json_t *json_f32(float value) {
  char text[32];
  if (!isfinite(value)) return json_null();
  for (int digits = 6; digits <= 9; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, (double)value);
    if (strtof(text, NULL) == value) break;
  }
  return json_number(strtod(text, NULL));
}

static json_t *json_u64(uint64_t value) {
  return value <= INT64_MAX ? json_integer((json_int_t)value) : json_real((double)value);
}

static json_t *json_element(const gm_gguf_key *key, size_t i) {
  const void *e = key->elements;
  switch (key->type) {
  case GM_GGUF_U8:
    return json_integer(((const uint8_t *)e)[i]);
  case GM_GGUF_I8:
    return json_integer(((const int8_t *)e)[i]);
  case GM_GGUF_U16:
    return json_integer(((const uint16_t *)e)[i]);
  case GM_GGUF_I16:
    return json_integer(((const int16_t *)e)[i]);
  case GM_GGUF_U32:
    return json_integer(((const uint32_t *)e)[i]);
  case GM_GGUF_I32:
    return json_integer(((const int32_t *)e)[i]);
  case GM_GGUF_U64:
    return json_u64(((const uint64_t *)e)[i]);
  case GM_GGUF_I64:
    return json_integer(((const int64_t *)e)[i]);
  case GM_GGUF_F32:
    return json_f32(((const float *)e)[i]);
  case GM_GGUF_F64:
    return json_number(((const double *)e)[i]);
  case GM_GGUF_BOOL:
    return json_boolean(((const uint8_t *)e)[i]);
  case GM_GGUF_STRING:
    return json_text(((const char *const *)e)[i]);
  case GM_GGUF_ARRAY:
  case GM_GGUF_TYPE_COUNT:
    break;
  }
  return json_null();
}

static gm_status describe_key(inspection *in, const gm_gguf_key *key, gm_inspect_key *out,
                              gm_error *err) {
  *out = (gm_inspect_key){.name = key->name,
                          .type = gm_gguf_type_name(key->type),
                          .is_array = key->is_array,
                          .n = key->n,
                          .value = ""};
  json_t *list = json_array();
  bool whole = list != NULL;
  for (size_t i = 0; i < key->n && i < SHOWN && whole; i++)
    whole = json_array_append_new(list, json_element(key, i)) == 0;
  json_t *shown = key->is_array ? list : json_array_get(list, 0);
  /* 9 digits restore every float and keep shorter decimals as they are. */
  char *text = !whole ? NULL : json_dumps(shown, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
  json_decref(list);
  if (!text) return gm_fail_memory(err, key->name, 64);
  gm_status status = keep_text(in, text, &out->value, err);
  free(text);
  return status;
}

/* ---- tensors */

static const char *sum_of(const inspection *in, size_t i) {
  const gm_gguf *gguf = gm_model_file_gguf(in->file);
  const gm_gguf_key *key = gm_gguf_find_key(gguf, GM_GGUF_SUMS_KEY);
  if (!key || !key->is_array || key->type != GM_GGUF_STRING || key->n != gguf->n_tensors)
    return "";
  return ((const char *const *)key->elements)[i];
}

/* Why a tensor does not have the type that the file's type asks for. */
static const char *note_of(const gm_tensor_rules *rules, gm_type asked,
                           const gm_gguf_tensor *t) {
  char name[GM_MAX_TENSOR_NAME + 1];
  size_t layer;
  gm_tensor_upstream_name(t->name, name, sizeof name);
  const gm_tensor_rule *rule = gm_rules_find(rules, name, &layer);
  if (!rule || t->tensor.type == asked) return "";
  if (rule->precision == GM_KEEP_F32) return "kept in f32";
  if (!gm_type_traits_of(asked)->quantised) return "";
  if (rule->precision == GM_KEEP_F16) return "kept in f16";
  size_t cols = gm_tensor_cols(&t->tensor);
  bool precise = rule->precision == GM_VISION && t->tensor.type == GM_TYPE_Q8_0;
  if (precise || cols % gm_type_traits_of(asked)->block == 0)
    return "more precision where it matters";
  return cols % 32 == 0 ? "the type's block does not divide its rows: q8_0"
                        : "no block divides its rows: f16";
}

static gm_status describe_tensors(inspection *in, gm_error *err) {
  const gm_gguf *gguf = gm_model_file_gguf(in->file);
  size_t bytes = gguf->n_tensors * sizeof(gm_inspect_tensor);
  gm_inspect_tensor *list = gm_arena_alloc(&in->arena, bytes);
  if (!list) return gm_fail_memory(err, "the tensor list", bytes);
  const char *name = "";
  uint32_t number;
  gm_type asked = GM_TYPE_COUNT;
  const gm_architecture *architecture = NULL;
  gm_tensor_rules rules;
  if (gm_model_file_string(in->file, "general.architecture", &name, NULL) == GM_OK)
    architecture = gm_architecture_named(name);
  if (architecture) architecture->rules(&rules);
  if (gm_model_file_u32(in->file, "general.file_type", 0, 1024, &number, NULL) == GM_OK)
    asked = gm_type_of_file(number);
  for (size_t i = 0; i < gguf->n_tensors; i++) {
    const gm_gguf_tensor *t = &gguf->tensors[i];
    list[i] = (gm_inspect_tensor){.name = t->name,
                                  .type = gm_type_traits_of(t->tensor.type)->name,
                                  .n_dims = t->tensor.n_dims,
                                  .bytes = t->bytes,
                                  .offset = gguf->data_begin + t->offset,
                                  .note = "",
                                  .sha256 = sum_of(in, i)};
    memcpy(list[i].shape, t->tensor.shape, sizeof list[i].shape);
    if (architecture && asked != GM_TYPE_COUNT) list[i].note = note_of(&rules, asked, t);
    in->base.parameters += gm_tensor_rows(&t->tensor) * gm_tensor_cols(&t->tensor);
  }
  in->tensors = list;
  in->base.n_tensors = gguf->n_tensors;
  return GM_OK;
}

/* ---- verification */

typedef struct verification {
  inspection *in;
  size_t first; /* tensors of this round */
} verification;

static void verify_tensor(void *arg, size_t task, size_t worker) {
  (void)worker;
  verification *v = arg;
  size_t i = v->first + task;
  const gm_gguf_tensor *t = &gm_model_file_gguf(v->in->file)->tensors[i];
  char sum[65];
  gm_sha256(t->tensor.data, t->bytes, sum);
  v->in->tensors[i].damaged = strcmp(sum, v->in->tensors[i].sha256) != 0;
}

static gm_status verify(inspection *in, const gm_callbacks *c, gm_error *err) {
  gm_pool *pool;
  size_t n = in->base.n_tensors, done = 0;
  if (n > 0 && in->tensors[0].sha256[0] == 0)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: the file has no sums to verify (key " GM_GGUF_SUMS_KEY
                   "); it was not made by gromatic convert",
                   in->base.path);
  GM_TRY(gm_pool_create(&pool, 0, err));
  verification v = {.in = in};
  gm_status status = GM_OK;
  while (done < n && status == GM_OK) {
    size_t round = n - done < 16 ? n - done : 16;
    v.first = done;
    gm_pool_run(pool, verify_tensor, &v, round);
    done += round;
    if (c->progress) c->progress(c->user, "verify", (double)done / (double)n);
    if (c->cancelled && c->cancelled(c->user))
      status = gm_fail(err, GM_ERR_CANCELLED, "%s: verification cancelled", in->base.path);
  }
  gm_pool_free(pool);
  in->base.verified = true;
  for (size_t i = 0; i < n; i++) in->base.n_damaged += in->tensors[i].damaged;
  return status;
}

static gm_status inspect(inspection *in, const char *path, gm_error *err) {
  size_t size;
  GM_TRY(gm_model_file_resolve(&in->file, path, NULL, NULL, err));
  const gm_gguf *gguf = gm_model_file_gguf(in->file);
  GM_TRY(keep_text(in, gm_model_file_name(in->file), &in->base.path, err));
  gm_model_file_bytes(in->file, &size);
  in->base.file_bytes = size;
  size_t bytes = gguf->n_keys * sizeof(gm_inspect_key);
  gm_inspect_key *keys = gm_arena_alloc(&in->arena, bytes);
  if (!keys) return gm_fail_memory(err, "the keys", bytes);
  for (size_t i = 0; i < gguf->n_keys; i++)
    GM_TRY(describe_key(in, &gguf->keys[i], &keys[i], err));
  in->keys = keys;
  in->base.n_keys = gguf->n_keys;
  return describe_tensors(in, err);
}

gm_status gm_inspect(gm_inspection **out, const char *path, bool with_sums,
                     const gm_callbacks *callbacks, gm_error *err) {
  *out = NULL;
  gm_callbacks own;
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &own, callbacks, err));
  inspection *in = calloc(1, sizeof *in);
  if (!in) return gm_fail_memory(err, "an inspection", sizeof *in);
  in->base.struct_size = sizeof in->base;
  gm_status status = inspect(in, path, err);
  if (status == GM_OK && with_sums) status = verify(in, &own, err);
  if (status == GM_OK)
    *out = &in->base;
  else
    gm_inspection_free(&in->base);
  return status;
}
