/* gromatic_tools.h - what goes with gromatic.h: drawing answers, converting and inspecting
 * model files, benchmarks. In libgromatic_tools, which needs libgromatic of exactly the same
 * version.
 *
 * The conventions are those of gromatic.h. All calls may be made from several threads at once.
 */
#ifndef GROMATIC_TOOLS_H
#define GROMATIC_TOOLS_H

#include "gromatic.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- drawing ---- */

/* A box on the picture, clipped to it. Marks of one box are drawn inside each other. */
typedef struct gm_mark {
  size_t struct_size;
  gm_box box;
  const char
      *label;     /* NULL or "": none; one that is too long is cut, and ends in an ellipsis */
  int32_t colour; /* index into the palette, from 0, going round; the boxes of one phrase have
                     the same */
} gm_mark;

/* Bytes [begin, end) of a caption. Where spans overlap, the first one counts. */
typedef struct gm_span_colour {
  size_t struct_size;
  size_t begin, end;
  int32_t colour; /* as of gm_mark */
} gm_span_colour;

/* What is drawn: boxes with legible labels and a caption below the picture, or an explanation.
 */
typedef struct gm_draw_params {
  size_t struct_size;
  const gm_mark *marks;
  size_t n_marks;
  const char *caption; /* below the picture, its spans in their colours; NULL: none */
  const gm_span_colour *spans;
  size_t n_spans;
  /* What decided for a label, instead of marks and caption: the picture with a heat map and the
   * outlines of the crops that count most (neither where there is only one crop), and beside it
   * the descriptions with their shares, and a key. For an explanation against another class,
   * the parts in the lead take the place of the shares. The picture and the label are those
   * that were explained (GM_ERR_ARGUMENT where a crop is not inside the picture). Give both or
   * neither. */
  const gm_explanation *explanation;
  const gm_label *label;
} gm_draw_params;

static inline gm_draw_params gm_draw_params_default(void) {
  gm_draw_params params = GM_ZERO;
  params.struct_size = sizeof params;
  return params;
}

/* Writes the drawing: a JPEG where the name ends in .jpg or .jpeg, else a PNG. Small pictures
 * are drawn larger, huge ones smaller. A file of that name is replaced as a whole: a failure
 * leaves it as it was. Errors: GM_ERR_ARGUMENT, GM_ERR_IO, GM_ERR_MEMORY. */
GM_API gm_status gm_draw(const gm_image *image, const gm_draw_params *params, const char *path,
                         gm_error *err);

typedef enum gm_image_format { GM_FORMAT_PNG = 0, GM_FORMAT_JPEG = 1 } gm_image_format;
/* The same bytes in memory; free them with gm_bytes_free. */
GM_API gm_status gm_draw_to_memory(const gm_image *image, const gm_draw_params *params,
                                   gm_image_format format, void **bytes, size_t *size,
                                   gm_error *err);
GM_API void gm_bytes_free(void *bytes);

/* Whether gm_draw wrote the file. It puts a mark into its files, which other programs rarely
 * keep when they change a picture. *drawn is false, without an error, for a file that does not
 * exist, is not a regular file, or was drawn by a version without the mark. Reads at most 64
 * bytes. GM_ERR_IO where the file exists and cannot be read. */
GM_API gm_status gm_drawn_by_gromatic(const char *path, bool *drawn, gm_error *err);

/* Removes the unfinished drawings that killed processes left, NAME.png.PID-N.part: all in the
 * folder `path`, or those of the one file `path`. Those of running processes stay. Never
 * fails. */
GM_API void gm_remove_cut_drawings(const char *path);

/* ---- conversion ---- */

typedef struct gm_convert_params {
  size_t struct_size;
  const char *type;   /* "f32", "f16" (default), "bf16", "q8_0", "q4_0", "q4_k", "q6_k" */
  unsigned threads;   /* 0: as in gm_model_params */
  const char *layout; /* of a CLIP checkpoint: "openai" or "open_clip" where the files beside it
                         do not say so, or say it wrongly; NULL: decided by the files */
  /* Members of the checkpoint's JSON files, and tensors, that are not known here and are to be
   * ignored: "vision_config.foo,bar,ema.*", paths or their last parts; '*' matches anything.
   * NULL: all that are not known are an error. */
  const char *ignore_config;
  /* Called after a successful conversion, on the thread that made the call, once for each thing
   * worth saying: how many tensors have another type than asked for, and why. detail: of
   * interest to few. NULL: nothing is said. */
  void (*note)(void *note_user, bool detail, const char *line);
  void *note_user;
  const gm_adapter_use *adapters; /* [n_adapters], merged into the source, which is a GGUF file
                                     of ours then; or NULL */
  size_t n_adapters;
} gm_convert_params;

static inline gm_convert_params gm_convert_params_default(void) {
  gm_convert_params params = GM_ZERO;
  params.struct_size = sizeof params;
  return params;
}

/* Converts a checkpoint directory (or a GGUF file, to requantise it) into one GGUF file.
 * Streams, runs no pickle code, writes atomically. progress: stage is the tensor's name. source
 * "synthetic:..." (gm_model_open) writes that model, made in memory first; params' type is not
 * used. */
GM_API gm_status gm_convert(const char *source, const char *destination,
                            const gm_convert_params *params, const gm_callbacks *callbacks,
                            gm_error *err);

/* ---- inspection ---- */

/* What a model file holds. */
typedef struct gm_inspection {
  size_t struct_size;
  const char *path;
  uint64_t file_bytes;
  uint64_t parameters; /* elements of all tensors */
  size_t n_keys;       /* gm_inspect_key_at */
  size_t n_tensors;    /* gm_inspect_tensor_at */
  bool verified;       /* as asked for */
  size_t n_damaged;    /* tensors, if verified */
} gm_inspection;

typedef struct gm_inspect_key {
  size_t struct_size;
  const char *name;
  const char *type; /* "u32", "f32", "bool", "str", ...; of an array, its elements' */
  bool is_array;
  size_t n;          /* elements; 1 if not an array */
  const char *value; /* JSON; of an array at most its first 8 elements */
} gm_inspect_key;

typedef struct gm_inspect_tensor {
  size_t struct_size;
  const char *name;
  const char *type; /* "q4_k" */
  uint32_t n_dims;
  size_t shape[4]; /* outermost dimension first */
  size_t bytes;
  uint64_t offset;    /* in the file */
  const char *note;   /* why it has another type than the file's, or "" */
  const char *sha256; /* as stored by convert, or "" */
  bool damaged;       /* verified, and the bytes have another hash */
} gm_inspect_tensor;

/* Opens and checks any GGUF file (or what gm_model_open takes) without loading a model from it.
 * verify hashes all tensors: one whose hash differs is marked as damaged, which is not an
 * error; GM_ERR_MODEL if the file has no hashes. progress: "verify". */
GM_API gm_status gm_inspect(gm_inspection **out, const char *path, bool verify,
                            const gm_callbacks *callbacks, gm_error *err);
GM_API gm_status gm_inspect_key_at(const gm_inspection *inspection, size_t i,
                                   gm_inspect_key *out);
GM_API gm_status gm_inspect_tensor_at(const gm_inspection *inspection, size_t i,
                                      gm_inspect_tensor *out);
GM_API void gm_inspection_free(gm_inspection *inspection);

/* ---- speed ---- */

typedef struct gm_bench_report {
  size_t struct_size;
  const char *kernels; /* instruction set */
  const char *processor;
  unsigned threads;
  size_t n_stages;          /* gm_bench_stage_at */
  uint64_t peak_bytes;      /* resident memory at most, mapped pages counted; 0: unknown */
  double pictures_per_hour; /* of the whole chain at the stages' medians; 0: not measured */
} gm_bench_report;

/* The most that the machine can do with the threads given, measured in the same run by loops
 * that do nothing else. */
typedef struct gm_limits {
  size_t struct_size;
  double fp32_gflops; /* f32 multiply-adds, 2 operations each */
  double int8_gops;   /* 8-bit products summed to 32 bits, 2 operations each */
  double bf16_gflops; /* products of bf16 summed in f32, the same; 0: not available */
  double read_gbs;    /* reading memory once, larger than any cache, in huge pages if given */
  double read_small_pages_gbs; /* the same in pages of 4 KB, where the system lets one choose */
} gm_limits;

typedef struct gm_bench_stage {
  size_t struct_size;
  const char *stage;   /* "vision", "prefill", ... or a kernel's name */
  const char *kernels; /* the instruction set that was timed: "avx2", "avx512 vnni", ... */
  const char *shape;
  double seconds_min, seconds_median; /* of an even number of runs, the upper median */
  double operations; /* per run, 2 per multiply-add of the straightforward algorithm */
  double bytes;      /* weights and cache read per run */
  const char *limit; /* the limit that applies: "fp32", "bf16", "int8", "read"; "": none */
  double limit_rate; /* that limit, in operations or bytes a second: arithmetic of the same
                        instruction set; "read" of a model: reading its own weights and nothing
                        else, right before and after each run; 0: none */
  double share;      /* of the limit: of arithmetic at the minimum of the times; of reading the
                        median of the runs, each beside the reading next to it */
} gm_bench_stage;

typedef struct gm_bench_params {
  size_t struct_size;
  unsigned threads;   /* as in gm_model_params */
  uint32_t repeat;    /* runs of each measurement; 0: 3 */
  uint32_t prompt;    /* positions of the prefill; 0: 512 */
  uint32_t tokens;    /* tokens decoded after them; 0: 16 */
  uint32_t count;     /* of what a stage takes many of (regions); 0: the most, or its default */
  const char *stages; /* the stages to time, by name, separated by commas; NULL: all */
  const char *cache_type_k, *cache_type_v; /* as in gm_model_params */
  bool fast;
  const gm_adapter_use *adapters; /* as in gm_model_params */
  size_t n_adapters;
} gm_bench_params;

static inline gm_bench_params gm_bench_params_default(void) {
  gm_bench_params params = GM_ZERO;
  params.struct_size = sizeof params;
  return params;
}

/* Times every stage of a Groma model (what gm_model_open takes) by itself: one picture, as many
 * regions as the model has tokens for, a prefill, a decode after it. */
GM_API gm_status gm_bench_model(gm_bench_report **out, const char *model,
                                const gm_bench_params *params, const gm_callbacks *callbacks,
                                gm_error *err);
/* Times a CLIP (what gm_clip_open takes): stages "crops", from a decoded picture of 640 x 480
 * to the features of 60 crops, and "texts", from 50 strings to theirs; or of params->count. */
GM_API gm_status gm_bench_clip(gm_bench_report **out, const char *model,
                               const gm_bench_params *params, const gm_callbacks *callbacks,
                               gm_error *err);
/* Times the whole chain on a picture, stage by stage: reading and resampling it, the stages of
 * gm_bench_model with the regions that it has and the prompt that they make, and the phrases of
 * params.count (0: 32) grounded on the finished scene, as one batch and alone. params.prompt is
 * not used; params.tokens 0: 48. */
GM_API gm_status gm_bench_image(gm_bench_report **out, const char *image, const char *model,
                                const gm_bench_params *params, const gm_callbacks *callbacks,
                                gm_error *err);
/* Times the kernels of every instruction set that this processor has: matrix products for each
 * type at the shapes of the models, through threads, and the loops over rows on one. */
GM_API gm_status gm_bench_kernels(gm_bench_report **out, const gm_bench_params *params,
                                  const gm_callbacks *callbacks, gm_error *err);
GM_API gm_status gm_bench_limits(const gm_bench_report *report, gm_limits *out);
GM_API gm_status gm_bench_stage_at(const gm_bench_report *report, size_t i,
                                   gm_bench_stage *out);
GM_API void gm_bench_report_free(gm_bench_report *report);

#ifdef __cplusplus
}
#endif

#endif
