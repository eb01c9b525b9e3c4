/* trained_model.c - see trained_model.h. The weights are a checkpoint, which the converter's
 * plan writes. */
#include "trained_model.h"

#include "convert.h"
#include "model_file_bytes.h"
#include "sizes.h"
#include "tensor_names.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_FLOATS = 4096 }; /* of a frozen or trained block tensor, converted at once */

/* ---- the weights as a checkpoint ---- */

typedef struct trained {
  gm_checkpoint base; /* tensors parallel to those of the file */
  const gm_params *params;
  const gm_param **learned; /* [n_tensors]; NULL: frozen */
} trained;

/* out[n] += row of scale * b a, n columns from `column` on. */
static void add_pair(const gm_param *p, size_t row, size_t column, size_t n, float *out) {
  const gm_lora *pair = &p->lora;
  size_t columns = p->base.shape[1];
  for (size_t r = 0; r < pair->rank; r++) {
    float factor = pair->scale * pair->b[row * pair->rank + r];
    const float *a = pair->a + r * columns + column;
    for (size_t i = 0; i < n; i++) out[i] += factor * a[i];
  }
}

static gm_status read_trained(gm_checkpoint *self, size_t i, size_t first, size_t n, float *out,
                              gm_error *err) {
  const trained *t = (const trained *)self;
  const gm_tensor *tensor = gm_model_file_tensor_at(t->params->view, i, NULL);
  const gm_param *p = t->learned[i];
  size_t columns = gm_tensor_cols(tensor), done = 0;
  (void)err;
  const unsigned char *from = tensor->data;
  gm_type_traits_of(tensor->type)
      ->to_float(out, from + gm_type_row_bytes(tensor->type, first), n);
  if (!p || p->how != GM_LEARN_LORA) return GM_OK;
  while (done < n) {
    size_t row = (first + done) / columns, column = (first + done) % columns;
    size_t part = gm_min_size(columns - column, n - done);
    add_pair(p, row, column, part, out + done);
    done += part;
  }
  return GM_OK;
}

static void close_trained(gm_checkpoint *self) {
  free(((trained *)self)->learned);
}

static gm_status list_tensors(trained *t, gm_error *err) {
  size_t n = gm_model_file_n_tensors(t->params->view);
  t->learned = calloc(n + 1, sizeof *t->learned);
  if (!t->learned) return gm_fail_memory(err, "the list of tensors", n * sizeof *t->learned);
  for (size_t i = 0; i < n; i++) {
    const char *stored;
    char name[GM_MAX_RULE_NAME + 1];
    const gm_tensor *tensor = gm_model_file_tensor_at(t->params->view, i, &stored);
    uint64_t shape[GM_MAX_DIMS];
    for (uint32_t d = 0; d < tensor->n_dims; d++) shape[d] = tensor->shape[d];
    gm_tensor_upstream_name(stored, name, sizeof name);
    t->learned[i] = gm_params_find(t->params, name);
    GM_TRY(gm_checkpoint_add(&t->base, name, strlen(name),
                             gm_type_traits_of(tensor->type)->name, tensor->type,
                             tensor->n_dims, shape, err));
  }
  return gm_checkpoint_seal(&t->base, err);
}

static gm_status open_trained(gm_checkpoint **out, const gm_params *params, gm_error *err) {
  const gm_checkpoint common = {
      .format = "training", .read = read_trained, .close = close_trained};
  const char *name = gm_model_file_name(params->file);
  trained *t = gm_checkpoint_begin(sizeof *t, &common, name, err);
  if (!t) return GM_ERR_MEMORY;
  t->params = params;
  return gm_checkpoint_end(out, &t->base, list_tensors(t, err));
}

/* Blocks of a quantised type: a frozen tensor's bytes as they are, else values made anew. */
static void fill_blocks(const gm_checkpoint *weights, size_t i, gm_type type, size_t first,
                        size_t n, void *out) {
  const trained *t = (const trained *)weights;
  const gm_tensor *tensor = gm_model_file_tensor_at(t->params->view, i, NULL);
  const unsigned char *from = tensor->data;
  unsigned char *to = out;
  if (!t->learned[i]) {
    assert(tensor->type == type); /* files of another type are not written in blocks */
    memcpy(to, from + gm_type_row_bytes(type, first), gm_type_row_bytes(type, n));
    return;
  }
  float values[ROW_FLOATS];
  for (size_t done = 0; done < n; done += ROW_FLOATS) {
    size_t part = gm_min_size(ROW_FLOATS, n - done);
    read_trained((gm_checkpoint *)(uintptr_t)weights, i, first + done, part, values, NULL);
    gm_type_traits_of(type)->from_float(to + gm_type_row_bytes(type, done), values, part);
  }
}

/* ---- the file ---- */

static bool is_noted(const gm_trained_options *o, const char *key) {
  for (size_t i = 0; i < o->n_notes; i++)
    if (strcmp(o->notes[i].key, key) == 0) return true;
  for (size_t i = 0; i < o->n_numbers; i++)
    if (strcmp(o->numbers[i].key, key) == 0) return true;
  return false;
}

static void put_keys(gm_gguf_writer *writer, const gm_model_file *file,
                     const gm_trained_options *o) {
  const gm_gguf *gguf = gm_model_file_gguf(file);
  for (size_t i = 0; i < gguf->n_keys; i++) {
    const gm_gguf_key *key = &gguf->keys[i];
    bool other_type = o->type != GM_TYPE_COUNT && strcmp(key->name, "general.file_type") == 0;
    if (other_type)
      gm_gguf_put_u32(writer, key->name, gm_file_type_of(o->type));
    else if (!is_noted(o, key->name) && strcmp(key->name, GM_GGUF_SUMS_KEY) != 0 &&
             strcmp(key->name, "general.alignment") != 0)
      gm_gguf_put_key(writer, key);
  }
  for (size_t i = 0; i < o->n_notes; i++)
    gm_gguf_put_string(writer, o->notes[i].key, o->notes[i].value);
  for (size_t i = 0; i < o->n_numbers; i++)
    gm_gguf_put_f32(writer, o->numbers[i].key, o->numbers[i].value);
}

/* Every tensor in the base's type, or in the type that was asked for. */
static gm_status plan_all(gm_plan *plan, const gm_params *params, const gm_checkpoint *weights,
                          const gm_trained_options *o, gm_error *err) {
  for (size_t i = 0; i < weights->n_tensors; i++) {
    const char *name = weights->tensors[i].name;
    size_t layer;
    GM_TRY(gm_plan_add(plan, weights, i, name, GM_LAYOUT_SAME, 0, err));
    gm_plan_tensor *planned = &plan->tensors[plan->n_tensors - 1];
    const gm_tensor_rule *rule = gm_rules_find(params->rules, name, &layer);
    if (o->type == GM_TYPE_COUNT || !rule)
      planned->type = gm_model_file_tensor_at(params->file, i, NULL)->type;
    else
      gm_plan_choose_type(planned, o->type, rule->precision, layer, layer + 1);
  }
  return GM_OK;
}

/* The plan checks the values of other types only. */
static gm_status check_finite(const gm_params *params, gm_error *err) {
  for (size_t i = 0; i < params->n; i++) {
    const gm_param *p = &params->all[i];
    bool finite = true;
    for (size_t k = 0; k < p->n; k++) finite &= isfinite(p->value[k]) != 0;
    if (!finite)
      return gm_fail(
          err, GM_ERR_MODEL,
          "the weights %s hold values that are not finite; nothing was written. Use a "
          "lower rate",
          p->name);
  }
  return GM_OK;
}

static gm_status write_all(gm_gguf_writer *writer, const gm_params *params,
                           const gm_trained_options *o, gm_error *err) {
  gm_checkpoint *weights;
  gm_plan plan = {.type = o->type};
  const gm_plan_options options = {
      .pool = o->pool, .callbacks = o->callbacks, .sums = true, .fill = fill_blocks};
  if (o->type != GM_TYPE_COUNT && gm_type_traits_of(o->type)->quantised)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found type %s for a trained model, wanted f32, f16 or bf16; convert it "
                   "afterwards",
                   gm_type_traits_of(o->type)->name);
  GM_TRY(check_finite(params, err));
  GM_TRY(open_trained(&weights, params, err));
  gm_status status = plan_all(&plan, params, weights, o, err);
  if (status == GM_OK) {
    put_keys(writer, params->file, o);
    status = gm_plan_run(&plan, weights, writer, &options, err);
  }
  gm_plan_free(&plan);
  gm_checkpoint_close(weights);
  return status;
}

gm_status gm_trained_write(const gm_params *params, const char *path,
                           const gm_trained_options *options, gm_error *err) {
  gm_gguf_writer *writer;
  GM_TRY(gm_gguf_writer_create(&writer, path, err));
  gm_status status = write_all(writer, params, options, err);
  if (status == GM_OK) status = gm_gguf_finish_file(writer, err);
  gm_gguf_writer_free(writer);
  return status;
}

gm_status gm_trained_model(gm_model_file **out, const gm_params *params,
                           const gm_trained_options *options, gm_error *err) {
  *out = NULL;
  gm_gguf_writer *writer;
  GM_TRY(gm_gguf_writer_create(&writer, NULL, err));
  gm_status status = write_all(writer, params, options, err);
  if (status == GM_OK)
    status = gm_gguf_finish_model(writer, out, gm_model_file_name(params->file), err);
  gm_gguf_writer_free(writer);
  return status;
}
