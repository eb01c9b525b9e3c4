/* cmd_bench.c - gromatic bench: how fast the stages of a model run on this machine, and the
 * machine's limits, measured in the same run. */
#include "adapters.h"
#include "bench_pictures.h"
#include "commands.h"
#include "gromatic_tools.h"
#include "params.h"
#include "terminal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Prints a rate in its column; leaves the column empty if nothing was counted. */
static void print_rate(double work, double seconds, int width, int decimals) {
  if (work > 0)
    printf(" %*.*f", width, decimals, work / seconds * 1e-9);
  else
    printf(" %*s", width, "");
}

static void print_stage(const gm_bench_stage *s) {
  printf("%-14s %-17s %-44s %11.3e %11.3e", s->stage, s->kernels, s->shape, s->seconds_min,
         s->seconds_median);
  print_rate(s->operations, s->seconds_min, 10, 1);
  print_rate(s->bytes, s->seconds_min, 8, 2);
  if (s->limit[0])
    printf(" %5.0f %% of %.4g %s", 100 * s->share, s->limit_rate * 1e-9, s->limit);
  putchar('\n');
}

static gm_limits limits_of(const gm_bench_report *r) {
  gm_limits limits = {.struct_size = sizeof limits};
  gm_bench_limits(r, &limits);
  return limits;
}

static gm_bench_stage stage_at(const gm_bench_report *r, size_t i) {
  gm_bench_stage stage = {.struct_size = sizeof stage};
  gm_bench_stage_at(r, i, &stage);
  return stage;
}

static void print_text(const gm_bench_report *r, double pictures_per_hour) {
  printf("%s, %s, %u threads\n", r->processor, r->kernels, r->threads);
  const gm_limits l = limits_of(r);
  printf("limits: %.0f GFLOP/s fp32, ", l.fp32_gflops);
  if (l.bf16_gflops > 0) printf("%.0f GFLOP/s bf16, ", l.bf16_gflops);
  printf("%.0f GOP/s int8, %.1f GB/s read (%.1f in pages of 4 KB)\n\n", l.int8_gops, l.read_gbs,
         l.read_small_pages_gbs);
  printf("%-14s %-17s %-44s %11s %11s %10s %8s %9s\n", "stage", "kernels", "shape", "min s",
         "median s", "GOP/s", "GB/s", "of limit");
  bool above = false;
  for (size_t i = 0; i < r->n_stages; i++) {
    const gm_bench_stage stage = stage_at(r, i);
    print_stage(&stage);
    /* 1.1: by more than the measured limits vary. The limit of reading may change during the
     * run. */
    above = above || (stage.share > 1.1 && strcmp(stage.limit, "read") != 0);
  }
  if (above)
    puts("\nabove 100 %: GOP/s count the straightforward algorithm; less was computed");
  if (pictures_per_hour > 0)
    printf("\n%.0f pictures an hour from file to answer\n", pictures_per_hour);
  if (r->peak_bytes) printf("\npeak resident memory %.2f GB\n", (double)r->peak_bytes * 1e-9);
}

static void print_json(const gm_bench_report *r, const char *what, double pictures_per_hour) {
  const gm_limits l = limits_of(r);
  json_t *stages = json_array();
  for (size_t i = 0; i < r->n_stages; i++) {
    const gm_bench_stage s = stage_at(r, i);
    json_array_append_new(
        stages,
        json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:s, s:f, s:f}", "stage", s.stage,
                  "kernels", s.kernels, "shape", s.shape, "seconds_min", s.seconds_min,
                  "seconds_median", s.seconds_median, "operations", s.operations, "bytes",
                  s.bytes, "limit", s.limit, "limit_rate", s.limit_rate, "share", s.share));
  }
  json_t *root = json_pack(
      "{s:s, s:s, s:s, s:i, s:{s:f, s:f, s:f, s:f, s:f}, s:o, s:I, s:f}", "bench", what,
      "processor", r->processor, "kernels", r->kernels, "threads", (int)r->threads, "limits",
      "fp32_gflops", l.fp32_gflops, "bf16_gflops", l.bf16_gflops, "int8_gops", l.int8_gops,
      "read_gbs", l.read_gbs, "read_small_pages_gbs", l.read_small_pages_gbs, "stages", stages,
      "peak_bytes", (json_int_t)r->peak_bytes, "pictures_per_hour", pictures_per_hour);
  char *text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(7));
  if (text) cli_put_json(stdout, text);
  free(text);
  json_decref(root);
}

/* Times the first picture stage by stage, and, if there are several, how many an hour are
 * captioned. That comes first, because the report has the most memory that the process used. */
static gm_status run_pictures(const cli_list *pictures, size_t together, const char *model,
                              const gm_bench_params *params, const gm_callbacks *callbacks,
                              gm_bench_report **out, double *per_hour, gm_error *err) {
  bool several = pictures->n > 1 && !params->stages;
  gm_status status = GM_OK;
  if (several)
    status = cli_bench_pictures(pictures, together, model, params, callbacks, per_hour, err);
  if (status != GM_OK) return status;
  status = gm_bench_image(out, pictures->items[0], model, params, callbacks, err);
  if (status == GM_OK && !several) *per_hour = (*out)->pictures_per_hour;
  return status;
}

static gm_bench_params params_of(const cli_args *args) {
  gm_bench_params params = gm_bench_params_default();
  params.threads = (unsigned)args->threads;
  params.repeat = (uint32_t)args->repeat;
  params.stages = args->stages;
  return params;
}

/* Times a Groma or a CLIP, or the whole chain on pictures (n 0: no pictures). */
static gm_status run_model(const cli_args *args, bool clip, const cli_list *pictures,
                           const gm_adapter_use *adapters, size_t n_adapters,
                           gm_bench_report **out, double *per_hour, gm_error *err) {
  const gm_callbacks callbacks = cli_callbacks();
  gm_bench_params params = params_of(args);
  params.prompt = (uint32_t)args->context;
  params.cache_type_k = args->cache_type_k;
  params.cache_type_v = args->cache_type_v;
  params.fast = args->fast;
  params.tokens = (uint32_t)args->max_tokens;
  params.count = (uint32_t)args->count;
  params.adapters = adapters;
  params.n_adapters = n_adapters;
  char synthetic[128];
  const char *model = args->model;
  if (args->shape) {
    /* ":fast" fills blocks directly: the values do not change the time. */
    snprintf(synthetic, sizeof synthetic, "synthetic:%.60s:%.20s:fast", args->shape,
             args->type ? args->type
             : clip     ? "q8_0"
                        : "q4_k");
    model = synthetic;
  }
  if (pictures->n > 0)
    return run_pictures(pictures, cli_together(args), model, &params, &callbacks, out, per_hour,
                        err);
  return clip ? gm_bench_clip(out, model, &params, &callbacks, err)
              : gm_bench_model(out, model, &params, &callbacks, err);
}

static gm_status run_kernels(const cli_args *args, gm_bench_report **out, gm_error *err) {
  const gm_callbacks callbacks = cli_callbacks();
  const gm_bench_params params = params_of(args);
  return gm_bench_kernels(out, &params, &callbacks, err);
}

static bool all_there(const cli_list *files) {
  for (size_t i = 0; i < files->n; i++)
    if (access(files->items[i], F_OK) != 0) return false;
  return true;
}

/* A missing file is the model or one of the pictures. */
static int exit_code(gm_status status, const cli_list *pictures) {
  if (status == GM_ERR_MODEL || (status == GM_ERR_FILE_NOT_FOUND && all_there(pictures)))
    return CLI_MODEL;
  return cli_exit_code(status);
}

int cmd_bench(const cli_args *args) {
  const char *what = args->inputs.n > 0 ? args->inputs.items[0] : "";
  bool kernels = strcmp(what, "kernels") == 0, clip = strcmp(what, "clip") == 0;
  bool image = strcmp(what, "image") == 0;
  if ((!kernels && !clip && !image && strcmp(what, "model") != 0) ||
      (image ? args->inputs.n < 2 : args->inputs.n != 1)) {
    cli_error("bench: wanted model, clip, kernels or image FILE...; found '%s'%s", what,
              args->inputs.n > 1 ? " and more" : "");
    return CLI_USAGE;
  }
  if (kernels && (args->count || args->shape)) {
    cli_error("bench: --count and --shape are for bench model, clip and image");
    return CLI_USAGE;
  }
  if (args->type && !args->shape) {
    cli_error("bench: --type is for --shape; a model file has its own (gromatic convert)");
    return CLI_USAGE;
  }
  if (args->parallel > 1 && (!image || args->inputs.n < 3)) {
    cli_error("bench: --parallel is for bench image with several pictures");
    return CLI_USAGE;
  }
  cli_catch_interrupt();
  gm_bench_report *report = NULL;
  double per_hour = 0;
  gm_error err = {0};
  const cli_list pictures = {args->inputs.items + 1, args->inputs.n - 1};
  gm_adapter_use *adapters;
  size_t n_adapters;
  int code = cli_adapters(args, "", false, &adapters, &n_adapters);
  if (code != CLI_DONE) return code;
  gm_status status = kernels ? run_kernels(args, &report, &err)
                             : run_model(args, clip, &pictures, adapters, n_adapters, &report,
                                         &per_hour, &err);
  free(adapters);
  if (status != GM_OK) {
    cli_report_error(&err);
    return exit_code(status, &pictures);
  }
  if (args->json)
    print_json(report, what, per_hour);
  else
    print_text(report, per_hour);
  gm_bench_report_free(report);
  return CLI_DONE;
}
