/* cmd_inspect.c - gromatic inspect: what a model file holds: metadata, tensors, sizes, types.
 */
#include "commands.h"
#include "gromatic_tools.h"
#include "progress.h"
#include "report.h"
#include "terminal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static gm_inspect_key key_at(const gm_inspection *in, size_t i) {
  gm_inspect_key key = {.struct_size = sizeof key};
  gm_inspect_key_at(in, i, &key);
  return key;
}

static gm_inspect_tensor tensor_at(const gm_inspection *in, size_t i) {
  gm_inspect_tensor tensor = {.struct_size = sizeof tensor};
  gm_inspect_tensor_at(in, i, &tensor);
  return tensor;
}

static json_t *tensor_json(const gm_inspect_tensor *t, bool verified) {
  json_t *shape = json_array();
  for (uint32_t d = 0; d < t->n_dims; d++)
    json_array_append_new(shape, json_integer((json_int_t)t->shape[d]));
  json_t *object =
      json_pack("{s:s, s:s, s:o, s:I, s:I}", "name", t->name, "type", t->type, "shape", shape,
                "bytes", (json_int_t)t->bytes, "offset", (json_int_t)t->offset);
  if (t->note[0]) json_object_set_new(object, "note", json_string(t->note));
  if (t->sha256[0]) json_object_set_new(object, "sha256", json_string(t->sha256));
  if (verified) json_object_set_new(object, "damaged", json_boolean(t->damaged));
  return object;
}

static void print_json(const gm_inspection *in) {
  json_t *metadata = json_object(), *tensors = json_array();
  for (size_t i = 0; i < in->n_keys; i++) {
    const gm_inspect_key k = key_at(in, i);
    json_t *value = json_loads(k.value, JSON_DECODE_ANY, NULL);
    json_t *key = json_pack("{s:s, s:o}", "type", k.type, "value", value ? value : json_null());
    if (k.is_array) json_object_set_new(key, "n", json_integer((json_int_t)k.n));
    json_object_set_new(metadata, k.name, key);
  }
  for (size_t i = 0; i < in->n_tensors; i++) {
    const gm_inspect_tensor t = tensor_at(in, i);
    json_array_append_new(tensors, tensor_json(&t, in->verified));
  }
  json_t *root =
      json_pack("{s:o, s:I, s:I, s:o, s:o}", "file", out_json_text(in->path), "bytes",
                (json_int_t)in->file_bytes, "parameters", (json_int_t)in->parameters,
                "metadata", metadata, "tensors", tensors);
  if (in->verified)
    json_object_set_new(root, "damaged", json_integer((json_int_t)in->n_damaged));
  char *text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(9));
  if (text) cli_put_json(stdout, text);
  free(text);
  json_decref(root);
}

/* One line a type: how many tensors and bytes. */
static void print_types(const gm_inspection *in) {
  for (size_t i = 0; i < in->n_tensors; i++) {
    const char *type = tensor_at(in, i).type;
    size_t n = 0, bytes = 0;
    bool first = true;
    for (size_t k = 0; k < in->n_tensors; k++) {
      const gm_inspect_tensor t = tensor_at(in, k);
      if (strcmp(t.type, type) != 0) continue;
      first = first && k >= i;
      n++;
      bytes += t.bytes;
    }
    if (first) printf("  %-6s %5zu tensors %12.1f MB\n", type, n, (double)bytes * 1e-6);
  }
}

static bool ends_with(const char *name, const char *ending) {
  size_t n = strlen(name), e = strlen(ending);
  return n > e && strcmp(name + n - e, ending) == 0;
}

static bool is_adapter(const gm_inspection *in) {
  for (size_t i = 0; i < in->n_keys; i++) {
    const gm_inspect_key key = key_at(in, i);
    if (strcmp(key.name, "general.type") == 0) return strcmp(key.value, "\"adapter\"") == 0;
  }
  return false;
}

/* What an adapter changes; docs/FORMAT.md has the endings. */
static void print_adapter(const gm_inspection *in) {
  size_t pairs = 0, differences = 0;
  for (size_t i = 0; i < in->n_tensors; i++) {
    pairs += ends_with(tensor_at(in, i).name, ".lora_a");
    differences += ends_with(tensor_at(in, i).name, ".diff");
  }
  printf("  an adapter: low-rank pairs for %zu tensors, differences to %zu\n", pairs,
         differences);
}

static void print_tensor(const gm_inspect_tensor *t, bool verified) {
  char shape[96] = "";
  size_t used = 0;
  for (uint32_t d = 0; d < t->n_dims; d++)
    used += (size_t)snprintf(shape + used, sizeof shape - used, "%s%zu", d ? " x " : "",
                             t->shape[d]);
  fputs("  ", stdout);
  cli_put_column(stdout, t->name, 63);
  printf(" %-5s %-22s %12zu B%s%s%s\n", t->type, shape, t->bytes, t->note[0] ? "  " : "",
         t->note, verified && t->damaged ? "  DAMAGED" : "");
}

static void print_text(const gm_inspection *in, bool tensors) {
  cli_put_name(stdout, in->path);
  printf(": %.1f MB, %.1f M parameters, %zu tensors\n\n", (double)in->file_bytes * 1e-6,
         (double)in->parameters * 1e-6, in->n_tensors);
  for (size_t i = 0; i < in->n_keys; i++) {
    const gm_inspect_key key = key_at(in, i);
    fputs("  ", stdout);
    cli_put_column(stdout, key.name, 44);
    printf(" %-5s ", key.type);
    cli_put_name(stdout, key.value);
    if (key.is_array && key.n > 8) printf(" (%zu in all)", key.n);
    putchar('\n');
  }
  putchar('\n');
  print_types(in);
  if (is_adapter(in)) print_adapter(in);
  if (tensors) putchar('\n');
  for (size_t i = 0; i < in->n_tensors; i++) {
    const gm_inspect_tensor t = tensor_at(in, i);
    if (tensors || t.damaged) print_tensor(&t, in->verified);
  }
  if (in->verified)
    printf("\n%zu of %zu tensors differ from their hash\n", in->n_damaged, in->n_tensors);
}

int cmd_inspect(const cli_args *args) {
  if (args->inputs.n != 1) {
    cli_error("inspect: wanted one model file");
    return CLI_USAGE;
  }
  cli_catch_interrupt();
  cli_progress progress = cli_progress_begin(args->json);
  const gm_callbacks callbacks = cli_progress_callbacks(&progress);
  gm_inspection *inspection = NULL;
  gm_error err = {0};
  gm_status status =
      gm_inspect(&inspection, args->inputs.items[0], args->verify, &callbacks, &err);
  cli_progress_clear(&progress);
  if (status != GM_OK) {
    cli_report_error(&err);
    return cli_model_exit_code(status);
  }
  if (args->json)
    print_json(inspection);
  else
    print_text(inspection, args->tensors);
  int code = inspection->n_damaged ? CLI_MODEL : CLI_DONE;
  gm_inspection_free(inspection);
  return code;
}
