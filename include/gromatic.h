/* gromatic.h - what is in a picture and where, on the user's own processor.
 *
 * A gm_engine owns the threads, the working memory and the queue. A gm_model (Groma) and a
 * gm_clip (CLIP) are weights, vocabulary and settings; any number of them share one engine. A
 * gm_image is a decoded picture. A gm_scene is one image as one model sees it: its regions and
 * what the language model keeps of it. A question is asked of a scene: by a call, which returns
 * with the answer, or by a gm_request, which runs beside others. A gm_view is an image with the
 * crops that a CLIP looks at; gm_classes are the classes to choose from.
 *
 * gromatic_tools.h has conversion, inspection, drawing and benchmarks.
 *
 * Conventions
 * - A call that can fail returns a gm_status and describes the failure in *err: what was found,
 *   what was wanted, what to do. The caller owns err, which may be NULL; it is written on
 *   failure only. On failure outputs are NULL or unchanged, unless the call's comment says
 *   otherwise. The library never prints, exits or aborts.
 * - Calls that compute can fail with GM_ERR_ARGUMENT, GM_ERR_MEMORY, GM_ERR_BUSY (the engine's
 *   queue is full) and GM_ERR_CANCELLED (callbacks). Comments name these only where there is
 *   more to say. The caller's pointers are not NULL unless a comment allows it.
 * - A struct that begins with struct_size can grow in later versions. The caller sets
 *   struct_size to sizeof its type: gm_region r = {.struct_size = sizeof r}; the inline
 *   gm_..._default functions do it. GM_ERR_ARGUMENT where it is 0, or where it is larger than
 *   this library's struct and the part that is not known here has bytes other than 0. Of an
 *   array of such structs, struct_size of the first element is the distance between elements.
 *   In structs that the library returns by pointer, struct_size says how many bytes there are.
 * - Zero means "default" everywhere. "None" or "off" is GM_NONE for counts and any negative
 *   number for floats. NULL in the place of params or callbacks means all defaults.
 * - No call of the library takes or returns a struct by value. gm_box is four floats, and
 *   gm_error a status and 1024 bytes; these two never grow.
 * - Boxes are pixels of the upright original picture (EXIF orientation applied), x to the
 *   right and y down. Those that the library returns are clipped to the picture. Of a box that
 *   the caller gives, a part must lie on the picture, else GM_ERR_ARGUMENT.
 * - Threads: an engine, a model, a clip, an image, classes and a scene may be used from several
 *   threads at once. A view, a chat and a request belong to one thread at a time, except that
 *   gm_request_cancel may be called from any thread. Results are plain data, which do not
 *   change: several threads may read them. A _free call wants that nobody uses the object.
 * - gm_callbacks are called on the thread that made the call. From within a callback the calls
 *   that compute or wait (open, create, encode, ask, ...) return GM_ERR_ARGUMENT at once.
 *   Requests may be begun and cancelled there, and accessors and _free functions called.
 * - Threads that the library starts block all signals except those of their own faults
 *   (SIGSEGV, SIGBUS, ...), so that the program's handlers run on its own threads.
 * - Strings are UTF-8. A result owns its strings and arrays until its _free call. Every _free
 *   call takes NULL.
 *
 * Follows Groma (arXiv 2404.13013) and WCA (arXiv 2406.02915); docs/MODEL.md says what is
 * computed. docs/API.md is an introduction. */
#ifndef GROMATIC_H
#define GROMATIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define GM_API __attribute__((visibility("default")))
#else
#define GM_API
#endif

/* What a struct is that has nothing but zeros, for the inline functions below. */
#ifdef __cplusplus
#define GM_ZERO                                                                                \
  {}
#else
#define GM_ZERO                                                                                \
  { 0 }
#endif

/* "None", "off" or "no limit", for counts of type unsigned, uint32_t, uint64_t and size_t. */
#define GM_NONE UINT32_MAX

/* ---- errors and versions ---- */

typedef enum gm_status {
  GM_OK = 0,
  GM_ERR_ARGUMENT = 1, /* what the caller gave is wrong */
  GM_ERR_FILE_NOT_FOUND = 2,
  GM_ERR_IO = 3,                /* a file cannot be read or written */
  GM_ERR_MODEL = 4,             /* a model file is damaged, or of the wrong kind */
  GM_ERR_IMAGE_UNSUPPORTED = 5, /* not a JPEG, PNG or WebP, or a kind of them not known here */
  GM_ERR_IMAGE_TRUNCATED = 6,   /* the picture's file ends too early */
  GM_ERR_IMAGE_TOO_LARGE = 7,   /* above max_pixels or max_bytes */
  GM_ERR_MEMORY = 8,            /* no memory, or the engine's memory limit is reached */
  GM_ERR_CONTEXT_FULL = 9,      /* prompt and answer need more positions than the model has */
  GM_ERR_CANCELLED = 10,        /* by the caller's callback, or by gm_request_cancel */
  GM_ERR_BUSY = 11,             /* the engine's queue is full: try again later */
  GM_ERR_TIMEOUT = 12           /* the request's deadline passed */
} gm_status;

typedef struct gm_error {
  gm_status status;
  char message[1024]; /* UTF-8, NUL-terminated */
} gm_error;

/* The stable code of the JSON contract: "bad_argument", "file_not_found", "io_error",
 * "model_invalid", "image_unsupported", ..., "busy", "timeout". */
GM_API const char *gm_status_name(gm_status status);

/* "1.0.0" */
GM_API const char *gm_version(void);
/* The interface's version: major << 16 | minor. A program made for 1.0 runs with every 1.x
 * library whose minor number is not smaller. */
GM_API uint32_t gm_abi_version(void);

/* ---- text ---- */

/* Turns text from a file or a pipe into a string as this header wants it, in place: removes
 * byte order marks, turns CR LF and CR into LF, and puts a NUL after the text. The buffer needs
 * room for *length + 1 bytes; *length is the new length afterwards. GM_ERR_ARGUMENT for what is
 * not UTF-8 (UTF-16, UTF-32, Latin-1, zero bytes); the message has `name`, say the file's, and
 * the line. The library does the same to all texts and files that it is given. */
GM_API gm_status gm_text_import(char *text, size_t *length, const char *name, gm_error *err);

/* The character at the start of text[0..n), n > 0: returns its length in bytes. *code is its
 * code point, U+FFFD for a byte that is not UTF-8. *safe is false for such a byte and for
 * characters that can steer a terminal or hide what a text says: controls (line end and tab
 * too), line separators, direction embeddings, overrides and isolates, byte order marks,
 * annotations. */
GM_API size_t gm_text_next(const char *text, size_t n, uint32_t *code, bool *safe);

/* Compares names in Unicode's normal form NFC: < 0, 0 or > 0, like strcmp of those forms. */
GM_API int gm_name_compare(const char *a, const char *b);

/* SHA-256 of bytes in hex (64 characters and NUL). Never fails. */
GM_API void gm_sha256(const void *bytes, size_t size, char out[65]);

/* ---- callbacks ---- */

/* All functions may be NULL. They are called on the thread that made the call, one at a time,
 * with `user` as it is here. The struct must live until the call returns. */
typedef struct gm_callbacks {
  size_t struct_size;
  void *user;
  /* Asked between layers and tokens; true ends the call with GM_ERR_CANCELLED. */
  bool (*cancelled)(void *user);
  /* stage: "image", "vision", "proposer", "regions", "prefill", "generate", ..., a static
   * string; done: 0 to 1 of that stage. A stage may come several times ("prefill" for the
   * prefix, then for the question). "generate" counts up to the longest possible answer, so an
   * answer usually ends well before 1. */
  void (*progress)(void *user, const char *stage, double done);
  /* Answer text as it comes, a piece at a time: whole UTF-8 characters, without tags and
   * region tokens. `text` lives until the function returns; length in bytes. */
  void (*text)(void *user, const char *text, size_t length);
} gm_callbacks;

static inline gm_callbacks gm_callbacks_default(void) {
  gm_callbacks callbacks = GM_ZERO;
  callbacks.struct_size = sizeof callbacks;
  return callbacks;
}

/* ---- engine ---- */

typedef struct gm_engine gm_engine;

typedef struct gm_engine_params {
  size_t struct_size;
  unsigned threads; /* 0: the CPUs that this process may use (affinity, cgroup quota) */
  uint32_t queue;   /* requests and calls that may wait or run at once, beyond which a new one
                       is GM_ERR_BUSY; 0: 64; GM_NONE: no limit */
  /* Bytes that scenes and answers may take (features, maps, keys and values; not weights).
   * Where they do not suffice, scenes that nobody holds are freed first; then it is
   * GM_ERR_MEMORY. 0: half of what this process may use (cgroup limit included);
   * GM_NONE: no limit. */
  uint64_t memory;
  /* How many scenes stay in memory after their last gm_scene_free, for the next gm_scene_create
   * of the same picture and settings. 0: as many as memory allows, the least recently used goes
   * first; GM_NONE: none. */
  uint32_t kept_scenes;
} gm_engine_params;

static inline gm_engine_params gm_engine_params_default(void) {
  gm_engine_params params = GM_ZERO;
  params.struct_size = sizeof params;
  return params;
}

/* The engine computes with params->threads threads, the calling one included, however many
 * models share it; they start when they are first needed. With the first request, one more
 * thread starts that looks after requests. Errors: GM_ERR_ARGUMENT, GM_ERR_MEMORY. */
GM_API gm_status gm_engine_create(gm_engine **out, const gm_engine_params *params,
                                  gm_error *err);
/* Gives up the caller's handle. The engine itself lives until the last of its models and clips
 * is freed, so it may be freed right after they were opened. */
GM_API void gm_engine_free(gm_engine *engine);

typedef struct gm_engine_info {
  size_t struct_size;
  unsigned threads;
  uint32_t queue;
  uint32_t waiting, running; /* requests and calls that compute, now */
  uint64_t memory;           /* the limit; UINT64_MAX: none */
  uint64_t memory_used;      /* by scenes and answers now */
  uint32_t scenes;           /* in memory, those that nobody holds included */
} gm_engine_info;
/* The state of the engine at this moment. */
GM_API gm_status gm_engine_get_info(gm_engine *engine, gm_engine_info *out, gm_error *err);

/* ---- adapters ---- */

/* A small file of changes to a model, which stays as it is: low-rank pairs of its matrices
 * (LoRA), and differences to whole tensors (docs/FORMAT.md). Several add up. */
typedef struct gm_adapter_use {
  size_t struct_size;
  const char *path;
  float scale; /* of its changes; 0: 1 */
  bool off;    /* the adapter is checked, but changes nothing */
} gm_adapter_use;

typedef struct gm_adapter_info {
  size_t struct_size;
  const char *path;
  const char *sha256; /* of the file */
  float scale;        /* 0 where it is off */
  bool other_base;    /* it was made for another file of this architecture and vocabulary, so it
                         may do less than it did there */
  uint32_t pairs, differences;
} gm_adapter_info;

/* ---- model ---- */

typedef struct gm_model gm_model;

typedef struct gm_model_params {
  size_t struct_size;
  gm_engine *engine; /* NULL: one of its own, which keeps no scenes and has no memory limit */
  unsigned threads;  /* of its own engine; 0: as in gm_engine_params. GM_ERR_ARGUMENT beside
                        `engine` */
  bool no_mmap;      /* read the file into memory instead of mapping it */
  bool mlock;        /* pin it in memory */
  uint32_t context;  /* positions that prompt and answer may have together; 0: the model's own
                        limit */
  /* How that cache keeps keys and values: "f32", "f16", or "q8_0" (8 bits each and a scale for
   * every 32; about half of f16's memory). NULL: f16, but f32 for f32 weights, q8_0 if fast. */
  const char *cache_type_k, *cache_type_v;
  bool fast; /* round where that is faster, f32 weights too: factors of products to 16 bits, the
                cache to q8_0 where no type is given; docs/SPEED.md says what it costs */
  const char *cache;    /* directory that keeps what was computed of pictures between runs, so
                           that the next question about one is answered sooner, and unpacked
                           weights. Results are bit-identical. NULL: none. docs/CACHE.md */
  uint64_t cache_bytes; /* its limit, the least recently used entries go first; 0: 4 GiB;
                           GM_NONE: no limit */
  bool no_scenes;       /* keep nothing of pictures there */
  bool no_pack;         /* keep no unpacked weights there */
  const gm_adapter_use *adapters; /* [n_adapters], applied to the weights, or NULL. GM_ERR_MODEL
                                     where one is damaged or does not fit the model */
  size_t n_adapters;
} gm_model_params;

static inline gm_model_params gm_model_params_default(void) {
  gm_model_params params = GM_ZERO;
  params.struct_size = sizeof params;
  return params;
}

/* Opens a model: a GGUF file made by gromatic convert; the name of an embedded model
 * ("groma-mini"; NULL: the default one); or "synthetic:NAME[:TYPE]" (groma-7b-2l, groma-7b;
 * ":fast" after a block type fills it with random levels, for timing only). A path with a '/'
 * or that ends in ".gguf" is always a file. GM_ERR_ARGUMENT where a param, or the environment
 * variable GROMATIC_CPU, has a name that is not known. */
GM_API gm_status gm_model_open(gm_model **out, const char *path, const gm_model_params *params,
                               gm_error *err);
/* Free the model's scenes and chats before it; answers may outlive it. Its requests keep it
 * alive until they are freed. */
GM_API void gm_model_free(gm_model *model);

typedef struct gm_model_info {
  size_t struct_size;
  const char *name;    /* general.name, or the file's */
  const char *path;    /* as given to open */
  const char *type;    /* most used tensor type: "f32", "q8_0", ... */
  const char *kernels; /* instruction set in use: "ref", "avx2", "avx512", "neon" */
  unsigned threads;
  uint32_t image_size;                     /* S: pictures are seen as S x S */
  uint32_t max_regions;                    /* region tokens in the vocabulary */
  uint32_t context;                        /* positions, as in gm_model_params */
  const char *cache_type_k, *cache_type_v; /* of the language model's cache */
  const char *scope; /* what an embedded model was trained on, "drawn emoji": it takes anything
                        else for one of those. NULL: not known */
  const char *head_clip; /* name of the CLIP that its head looks with, if gm_ground is given it;
                            NULL: none */
  bool calibrated;       /* it has a head: docs/PRESENT.md */
} gm_model_info;
/* Strings live as long as the model. */
GM_API gm_status gm_model_get_info(const gm_model *model, gm_model_info *out, gm_error *err);

/* A file of the cache that could not be used: cut short, damaged, of another entry, or not
 * readable. It counts as absent: its content is computed and kept again. */
typedef struct gm_cache_refusal {
  size_t struct_size;
  const char *path;
  const char *why; /* "found other bytes than were written", ... */
} gm_cache_refusal;
/* Refused file number i (from 0) since the model was opened: each file once, the first 16.
 * Strings live as long as the model. GM_ERR_ARGUMENT where there are fewer. */
GM_API gm_status gm_model_refusal_at(const gm_model *model, size_t i, gm_cache_refusal *out);

/* Adapter number i (from 0), in the order given. Strings live as long as the model.
 * GM_ERR_ARGUMENT where there are fewer. */
GM_API gm_status gm_model_adapter_at(const gm_model *model, size_t i, gm_adapter_info *out);

/* SHA-256 of the model's bytes in hex (64 characters and NUL), without adapters. Reads the
 * whole file. progress: "hash". */
GM_API gm_status gm_model_sha256(gm_model *model, char out[65], const gm_callbacks *callbacks,
                                 gm_error *err);

/* ---- pictures ---- */

typedef struct gm_image gm_image;

typedef struct gm_image_params {
  size_t struct_size;
  uint64_t max_pixels; /* 0: 64 Mi; GM_NONE: no limit but the format's */
  uint64_t max_bytes;  /* 0: 64 MiB; GM_NONE: no limit */
} gm_image_params;

static inline gm_image_params gm_image_params_default(void) {
  gm_image_params params = GM_ZERO;
  params.struct_size = sizeof params;
  return params;
}

/* Decodes a JPEG, PNG or WebP, recognised by content, to upright RGB, as Pillow's
 * convert("RGB") gives it. The bytes in memory are not needed afterwards. Errors:
 * GM_ERR_FILE_NOT_FOUND, GM_ERR_IO, GM_ERR_IMAGE_*, GM_ERR_MEMORY. */
GM_API gm_status gm_image_open(gm_image **out, const char *path, const gm_image_params *params,
                               gm_error *err);
GM_API gm_status gm_image_from_memory(gm_image **out, const void *bytes, size_t size,
                                      const gm_image_params *params, gm_error *err);
/* Copies rgb[height][width][3]. */
GM_API gm_status gm_image_from_rgb(gm_image **out, const uint8_t *rgb, uint32_t width,
                                   uint32_t height, gm_error *err);
/* Width and height in pixels, and the pixels themselves: rgb[height][width][3], which live as
 * long as the image. */
GM_API uint32_t gm_image_width(const gm_image *image);
GM_API uint32_t gm_image_height(const gm_image *image);
GM_API const uint8_t *gm_image_rgb(const gm_image *image);
/* May be called while scenes, views and requests of the image exist. */
GM_API void gm_image_free(gm_image *image);

/* ---- regions and answers ---- */

/* x1 < x2 and y1 < y2: the left, upper, right and lower edge. */
typedef struct gm_box {
  float x1, y1, x2, y2;
} gm_box;

typedef struct gm_region {
  size_t struct_size;
  gm_box box;
  float score;   /* 0 to 1: of the proposer; of gm_ground, see gm_ground_result */
  int32_t index; /* the region's number in the prompt: the k of its region token <rk> */
  float share;   /* of gm_ground: the region's share among the regions; else 0 */
} gm_region;

/* An answer in words: text without tags, and the phrases that are tied to regions. */
typedef struct gm_answer {
  size_t struct_size;
  const char *text;
  const char *raw;     /* the model's own text with tags, region tokens and </s> */
  size_t n_groundings; /* phrases tied to regions: gm_answer_grounding_at */
  const int32_t *ids;  /* generated token ids */
  size_t n_ids;
  bool complete; /* ended with </s>; false: cut at max_tokens or by a full context */
} gm_answer;
GM_API void gm_answer_free(gm_answer *answer);

typedef struct gm_grounding {
  size_t struct_size;
  const char *phrase;
  size_t span_begin, span_end; /* bytes of the answer's text, end exclusive */
  size_t n_regions;            /* gm_answer_region_at */
  float present;   /* 0 to 1: how sure the model is that the phrase has a region here */
  bool calibrated; /* present is a measured probability, as in gm_ground_result */
} gm_grounding;
/* Copies element number `grounding` (from 0) to *out, whose struct_size is set. GM_ERR_ARGUMENT
 * where there is no such element. So does every _at function. */
GM_API gm_status gm_answer_grounding_at(const gm_answer *answer, size_t grounding,
                                        gm_grounding *out);
GM_API gm_status gm_answer_region_at(const gm_answer *answer, size_t grounding, size_t region,
                                     gm_region *out);

/* ---- scene ---- */

typedef struct gm_scene gm_scene;

typedef struct gm_scene_params {
  size_t struct_size;
  float
      box_score_thres;  /* least score of a region; 0: the model's own (0.15); negative: none */
  float nms_thres;      /* of two boxes that overlap above this IoU the better stays; 0: the
                           model's own (0.6); negative: no suppression */
  uint32_t max_regions; /* the best so many; 0: the model's own (100) */
  const gm_box *regions; /* candidates instead of the proposer's boxes; the three numbers above
                            choose among them, equal scores in this order; NULL: propose */
  const float *region_scores; /* [n_regions], or NULL: all 1 */
  size_t n_regions;
  bool append_boxes;     /* referred boxes go after the region list, so that the whole prefix is
                            used again; off: they take part in the choice of regions, as
                            upstream */
  uint64_t shuffle_seed; /* 0: regions in score order; else shuffled as in training */
} gm_scene_params;

static inline gm_scene_params gm_scene_params_default(void) {
  gm_scene_params params = GM_ZERO;
  params.struct_size = sizeof params;
  return params;
}

/* Encodes the picture and chooses its regions; progress: "image", "vision", "proposer". The
 * rest of what questions need (the regions' vectors, the language model's keys and values of
 * the prefix) is computed with the first question, once, and kept. Where the engine's memory
 * has a scene of the same picture, model and settings, that one is returned; each scene that
 * was returned is freed once. The image may be freed afterwards; the model must outlive the
 * scene. After any failure of a question, GM_ERR_CANCELLED too, the scene answers the next
 * question as if nothing had happened. GM_ERR_MEMORY also where the engine's memory limit
 * leaves no room. */
GM_API gm_status gm_scene_create(gm_scene **out, gm_model *model, const gm_image *image,
                                 const gm_scene_params *params, const gm_callbacks *callbacks,
                                 gm_error *err);
/* May be called while requests about the scene run: they hold it. Free its chats first. */
GM_API void gm_scene_free(gm_scene *scene);

/* The chosen class-agnostic regions, in falling score. */
GM_API size_t gm_scene_region_count(const gm_scene *scene);
GM_API gm_status gm_scene_region_at(const gm_scene *scene, size_t i, gm_region *out);
/* The model's own box of the region with that index; it may reach beyond the picture.
 * Upstream's measures are taken with it. */
GM_API gm_status gm_scene_region_unclipped(const gm_scene *scene, int32_t index, gm_box *out);

/* How unlike the scene's picture is to those that the model was trained on: above 1, do not
 * rely on the answers. 0 where the model's scope is not known. Measured in docs/MODEL.md. */
GM_API float gm_scene_unlikeness(const gm_scene *scene);
/* Bytes of memory that the scene takes now: features, maps, vectors, keys and values. */
GM_API uint64_t gm_scene_bytes(const gm_scene *scene);

/* Seconds spent on the scene so far, by stage, in the order of first use; names as in
 * gm_callbacks.progress. They grow with each question. A step that serves several scenes at
 * once counts in full for each. */
typedef struct gm_timing {
  size_t struct_size;
  const char *stage;
  double seconds;
} gm_timing;
GM_API gm_status gm_scene_timing_at(const gm_scene *scene, size_t i, gm_timing *out);

/* ---- questions ---- */

typedef struct gm_ask_params {
  size_t struct_size;
  uint32_t max_tokens; /* 0: until </s> or the context is full */
  float temperature;   /* 0: greedy */
  uint32_t top_k;      /* 0: all */
  float top_p;         /* 0 or 1: all */
  uint64_t seed;       /* of the sampling */
  const gm_box *boxes; /* boxes that the question refers to */
  size_t n_boxes;
  /* "[grounding]" before a question asks for regions in the answer. By default it is there
   * unless the question refers to boxes: in training no question about a box had it. */
  bool grounding;    /* with boxes too */
  bool no_grounding; /* never */
  bool verbatim;     /* the question is prompt text as typed: tags are parsed, each
                        <roi><refer_box></roi><refer_feat> takes the next box */
} gm_ask_params;

static inline gm_ask_params gm_ask_params_default(void) {
  gm_ask_params params = GM_ZERO;
  params.struct_size = sizeof params;
  return params;
}

/* Asks n > 0 questions. They are computed together, and each is answered as if it were asked
 * alone: params[i] and answers[i] belong to questions[i] (params NULL: the defaults for all).
 * The boxes of a question are put where it says {1}, {2}, ...; boxes that it does not mention
 * go after it. {k} without a box k is GM_ERR_ARGUMENT. Tags in a question are plain text unless
 * its params say verbatim. The text callback is used where n is 1. On GM_ERR_CONTEXT_FULL and
 * GM_ERR_CANCELLED answers[i] holds what was said so far, or NULL if that answer had not begun;
 * the caller frees it. On other failures all are NULL. */
GM_API gm_status gm_ask(gm_scene *scene, const char *const *questions,
                        const gm_ask_params *params, size_t n, const gm_callbacks *callbacks,
                        gm_answer **answers, gm_error *err);

/* Asks "[grounding]Give me a concise description of the image." Boxes in params are
 * GM_ERR_ARGUMENT. Failures as in gm_ask. */
GM_API gm_status gm_caption(gm_scene *scene, const gm_ask_params *params,
                            const gm_callbacks *callbacks, gm_answer **out, gm_error *err);
/* The captions of n scenes of one model, at least one: answers[i] is bit-identical to what
 * gm_caption gives for scenes[i]. Up to 16 are generated together: each weight is read from
 * memory once for a token of all of them. One set of params serves all. Failures as in gm_ask;
 * GM_ERR_ARGUMENT also where the models differ. */
GM_API gm_status gm_captions(gm_scene *const *scenes, size_t n, const gm_ask_params *params,
                             const gm_callbacks *callbacks, gm_answer **answers, gm_error *err);

/* A conversation about a scene; it keeps its turns. The scene must outlive it. */
typedef struct gm_chat gm_chat;
GM_API gm_status gm_chat_create(gm_chat **out, gm_scene *scene, gm_error *err);
/* One turn; question, params and failures as in gm_ask. Boxes of the first question take part
 * in the choice of regions; those of later ones go after the list, so that regions named before
 * keep their numbers. A partial answer stays in the conversation; a turn whose answer had not
 * begun is forgotten with its boxes. */
GM_API gm_status gm_chat_ask(gm_chat *chat, const char *question, const gm_ask_params *params,
                             const gm_callbacks *callbacks, gm_answer **out, gm_error *err);

/* A phrase of an answer that is given: bytes of its text, end exclusive, and the numbers of its
 * regions, as gm_region.index. */
typedef struct gm_given_phrase {
  size_t struct_size;
  size_t span_begin, span_end;
  const int32_t *regions; /* [n_regions] */
  size_t n_regions;
} gm_given_phrase;

/* An answer that a conversation goes on from: of an earlier run, edited, or of somebody else.
 */
typedef struct gm_given {
  size_t struct_size;
  const char *text; /* words; tags in them are plain text */
  bool verbatim; /* text is as gm_answer.raw: its tags are tokens, and without </s> at its end
                    it was cut */
  const gm_given_phrase *phrases; /* [n_phrases] of the words, in their order and apart, each
                                     tied to its regions; none with verbatim */
  size_t n_phrases;
} gm_given;

/* One turn whose answer is given, so that the model need not say it: what follows is
 * bit-identical to what follows if the model has said the same tokens itself. The numbers of
 * regions belong to the scene's picture and settings, and to the boxes so far. params as in
 * gm_chat_ask, but the answer's length and sampling are not used. It is read a token at a time,
 * as long as saying it takes. *out is the answer as the model's own would be, with its regions;
 * failures as in gm_chat_ask. GM_ERR_ARGUMENT where spans or regions are not there. */
GM_API gm_status gm_chat_give(gm_chat *chat, const char *question, const gm_ask_params *params,
                              const gm_given *answer, const gm_callbacks *callbacks,
                              gm_answer **out, gm_error *err);
GM_API void gm_chat_free(gm_chat *chat);

/* Asks what is in each of n > 0 boxes: answers[i] belongs to boxes[i], a question of its own as
 * in gm_ask, failures too. long_form asks for details. One set of params serves all; its boxes
 * are not used. */
GM_API gm_status gm_describe(gm_scene *scene, const gm_box *boxes, size_t n, bool long_form,
                             const gm_ask_params *params, const gm_callbacks *callbacks,
                             gm_answer **answers, gm_error *err);

typedef struct gm_clip gm_clip; /* a CLIP: below */

typedef struct gm_ground_params {
  size_t struct_size;
  bool all;         /* every instance, not only the best */
  bool free;        /* the model answers freely (greedy), as upstream; see below */
  uint32_t max_det; /* regions per phrase; 0: 5, with `all` no limit; GM_NONE: no limit. Not
                       used with `free` */
  float min_score;  /* leave out regions with a lower score. Not used with `free` */
  /* What the model's head may look at besides (docs/PRESENT.md), both or neither, and only
   * during the call; for a request, until it is done. The picture is the scene's. */
  gm_clip *clip;
  const gm_image *image;
  float min_present; /* a phrase whose `present` is lower is not there: it has no regions. 0:
                        0.5; negative: off. Not used with `free`, nor where the model has no
                        head */
} gm_ground_params;

static inline gm_ground_params gm_ground_params_default(void) {
  gm_ground_params params = GM_ZERO;
  params.struct_size = sizeof params;
  return params;
}

/* The regions of one phrase, and whether its thing is there at all. What a share is:
 * - one object: the softmax over <r0>..<r(n-1)> alone, of the logits after "Locate
 *   <p>PHRASE</p> in the image." and "<roi>". One step gives every region its share; all shares
 *   add up to 1. Falling share.
 * - all: "Find all instances of <p>PHRASE</p> in the image.", then "<roi>" and the likeliest
 *   region, again and again, among those not yet named and "</roi>", which ends the list. A
 *   region's share is that of the softmax among the tokens allowed at its step. Falling share.
 * - free: the regions that the answer names, in its order; the share is the softmax over
 *   <r0>..<r(n-1)> where it was named.
 *
 * A model with a head (docs/PRESENT.md) says how sure it is: `present` is the probability that
 * the picture has what the phrase names, and a region's score the probability that it is the
 * right one; both were fitted to data, and `calibrated` is true. Without a head a score is the
 * share, and `present` an estimate: the likelihood of a region token against </roi> straight
 * after "<roi>". */
typedef struct gm_ground_result {
  size_t struct_size;
  size_t n_regions;  /* gm_ground_region_at */
  const char *raw;   /* free: the model's own text; else NULL */
  float margin;      /* free: the least by which a token's logit led the next one's; else 0 */
  size_t n_left_out; /* regions that min_present, min_score and max_det left out */
  float present;     /* 0 to 1 */
  bool calibrated;
} gm_ground_result;
GM_API gm_status gm_ground_region_at(const gm_ground_result *result, size_t i, gm_region *out);
GM_API void gm_ground_result_free(gm_ground_result *result);

/* Grounds n > 0 phrases together; results[i] belongs to phrases[i] and is bit-identical to that
 * of the phrase alone. On failure all are NULL. */
GM_API gm_status gm_ground(gm_scene *scene, const char *const *phrases, size_t n,
                           const gm_ground_params *params, const gm_callbacks *callbacks,
                           gm_ground_result **results, gm_error *err);

/* ---- CLIP: pictures and words in one space ---- */

typedef struct gm_clip_params {
  size_t struct_size;
  gm_engine *engine;   /* as in gm_model_params */
  unsigned threads;    /* as in gm_model_params */
  bool no_mmap, mlock; /* as in gm_model_params */
  bool fast; /* round factors of products to 16 bits where that is faster, in f32 files too */
  const char *cache;    /* directory that keeps features between runs; NULL: none */
  uint64_t cache_bytes; /* its limit, the least recently used entries go first; 0: 4 GiB;
                           GM_NONE: no limit */
  const gm_adapter_use *adapters; /* as in gm_model_params */
  size_t n_adapters;
} gm_clip_params;

static inline gm_clip_params gm_clip_params_default(void) {
  gm_clip_params params = GM_ZERO;
  params.struct_size = sizeof params;
  return params;
}

/* Opens a CLIP model: a GGUF file made by gromatic convert, or the name of an embedded model
 * (NULL: "clip-mini"). */
GM_API gm_status gm_clip_open(gm_clip **out, const char *path, const gm_clip_params *params,
                              gm_error *err);
/* Free the clip's views, classes and requests before it; classifications may outlive their
 * view, but not the classes, whose names they show. */
GM_API void gm_clip_free(gm_clip *clip);

typedef struct gm_clip_info {
  size_t struct_size;
  const char *name, *path, *type, *kernels; /* as in gm_model_info */
  unsigned threads;
  uint32_t image_size;
  uint32_t features; /* D: length of a feature */
  uint32_t context;  /* tokens of a text, start and end included; longer texts are cut */
  float logit_scale; /* multiplies scores before the softmax over classes */
  const char *scope; /* as in gm_model_info */
  bool calibrated;   /* it has a head for gm_label_regions: docs/LABEL.md */
} gm_clip_info;
/* Strings live as long as the clip. */
GM_API gm_status gm_clip_get_info(const gm_clip *clip, gm_clip_info *out, gm_error *err);
/* As gm_model_refusal_at. */
GM_API gm_status gm_clip_refusal_at(const gm_clip *clip, size_t i, gm_cache_refusal *out);
/* As gm_model_adapter_at. */
GM_API gm_status gm_clip_adapter_at(const gm_clip *clip, size_t i, gm_adapter_info *out);
/* As gm_model_sha256. */
GM_API gm_status gm_clip_sha256(gm_clip *clip, char out[65], const gm_callbacks *callbacks,
                                gm_error *err);

/* out[n][D]: unit features of n texts. progress: "text". */
GM_API gm_status gm_clip_encode_texts(gm_clip *clip, const char *const *texts, size_t n,
                                      float *out, const gm_callbacks *callbacks, gm_error *err);
/* out[n][D]: unit features of n parts of a picture, each cut out and then preprocessed; boxes
 * NULL: of the whole picture (n is 1). Boxes are widened to whole pixels. progress: "crops". */
GM_API gm_status gm_clip_encode_boxes(gm_clip *clip, const gm_image *image, const gm_box *boxes,
                                      size_t n, float *out, const gm_callbacks *callbacks,
                                      gm_error *err);

/* ---- zero-shot classification ---- */

/* docs/WCA.md. The first two look at crops of the picture, the others at the whole of it. */
typedef enum gm_method {
  GM_METHOD_WCA = 0,          /* weighted cross alignment as the paper has it */
  GM_METHOD_WCA_RELEASED = 1, /* as its authors' code computes it */
  GM_METHOD_CLIP = 2,         /* "a photo of a {class}." */
  GM_METHOD_CLIP_E = 3,       /* mean of the sentences of a templates file */
  GM_METHOD_CLIP_D = 4,       /* mean of "{class}, which has {descriptor}." */
  GM_METHOD_WAFFLE = 5,       /* mean of "a photo of a {class}, which has {random words}." */
  GM_METHOD_CUPL = 6          /* mean of the descriptions */
} gm_method;
/* "wca", "wca-released", "clip", "clip-e", "clip-d", "waffle", "cupl"; NULL: no such method. */
GM_API const char *gm_method_name(gm_method method);
/* The method of that name in *out; false, and *out unchanged, where there is none. */
GM_API bool gm_method_named(const char *name, gm_method *out);

/* The classes to choose from, each made one vector. */
typedef struct gm_classes gm_classes;

typedef struct gm_classes_params {
  size_t struct_size;
  gm_method method;
  const char *const *names; /* [n_names] in order; NULL: the keys of descriptions */
  size_t n_names;
  /* Contents of files, NUL-terminated; NULL where there is none. */
  const char *descriptions; /* JSON {class: [description, ...]}: wca, wca-released, cupl */
  const char *templates;    /* JSON ["a photo of a {}.", ...]: clip-e */
  const char *descriptors;  /* JSON {class: [descriptor, ...]}: clip-d */
  const char *words;        /* one per line: waffle; NULL: the library's own list */
  uint64_t seed;            /* of Waffle's draws */
  float text_scale; /* exponent: descriptions weigh softmax(exp(text_scale) cosine); 0: 2;
                       negative: all weigh the same */
  float dedup; /* drop descriptions whose cosine with an earlier one is above; 0: keep all */
} gm_classes_params;

static inline gm_classes_params gm_classes_params_default(void) {
  gm_classes_params params = GM_ZERO;
  params.struct_size = sizeof params;
  return params;
}

/* Encodes the texts, or takes them from the cache. The clip must outlive the classes; the
 * params need not. GM_ERR_ARGUMENT names the member that is missing, or the class without
 * descriptions. An empty list of descriptions means "a photo of a {class}.". Afterwards
 * immutable. progress: "text". */
GM_API gm_status gm_classes_create(gm_classes **out, gm_clip *clip,
                                   const gm_classes_params *params,
                                   const gm_callbacks *callbacks, gm_error *err);
GM_API void gm_classes_free(gm_classes *classes);
/* How many there are, and the name of number i, which lives as long as the classes. */
GM_API size_t gm_classes_count(const gm_classes *classes);
GM_API const char *gm_classes_name(const gm_classes *classes, size_t i);

/* An image, or a part of it, with the crops that are looked at. Features are computed when
 * first needed and kept. */
typedef struct gm_view gm_view;

typedef struct gm_view_params {
  size_t struct_size;
  gm_method method;    /* whose authors' numbers are the defaults below */
  const gm_box *part;  /* look at this part only, as if it were cut out; NULL: the picture */
  uint32_t crops;      /* number of random squares; 0: 100, none for the methods without crops;
                          GM_NONE: none */
  float alpha, beta;   /* their sides are drawn between these shares of the picture's shorter
                          side; 0: 0.5 (wca-released: 0.1) and 0.9 */
  uint64_t seed;       /* of their sides and places, together with the picture's content */
  float dedup;         /* drop crops that overlap an earlier one above this IoU; 0: keep all */
  const gm_box *boxes; /* crops instead of random ones, boxes on the picture; NULL: random */
  size_t n_boxes;
  bool cache; /* keep the features in the clip's cache */
} gm_view_params;

static inline gm_view_params gm_view_params_default(gm_method method) {
  gm_view_params params = GM_ZERO;
  params.struct_size = sizeof params;
  params.method = method;
  return params;
}

/* Keeps what it needs of params and image, which may be freed afterwards; the clip must outlive
 * the view. */
GM_API gm_status gm_view_create(gm_view **out, gm_clip *clip, const gm_image *image,
                                const gm_view_params *params, gm_error *err);
GM_API void gm_view_free(gm_view *view);
/* The crops on the picture, in the order drawn. */
GM_API size_t gm_view_crop_count(const gm_view *view);
GM_API gm_status gm_view_crop_at(const gm_view *view, size_t i, gm_box *out);

typedef struct gm_classify_params {
  size_t struct_size;
  float image_scale; /* exponent: crops weigh softmax(exp(image_scale) cosine); 0: 4; negative:
                        all weigh the same */
  uint32_t draws;    /* wca-released: crops drawn with replacement; 0: 60 */
  uint32_t redraws;  /* wca-released: the score is the mean over so many drawings; 0: 20 */
  uint64_t seed;     /* of the drawings */
  double stop;       /* wca: look at crops in rounds, and stop when the leader is wrong with at
                        most this probability (docs/WCA.md); 0: look at all */
  size_t top;        /* labels returned; 0: all */
  /* Of gm_label_regions: which regions get no name. */
  const float *region_scores; /* [n] of the regions, as the proposer gave them (0 to 1), which a
                                 head looks at too; NULL: not known */
  const float *limits; /* [classes] the least raw score of each class; NaN: the head decides.
                          NULL: it always does */
  float min_present;   /* what the head refuses: a lower `present`. 0: its own limit; negative:
                          nothing. Not used where there is no head */
} gm_classify_params;

static inline gm_classify_params gm_classify_params_default(void) {
  gm_classify_params params = GM_ZERO;
  params.struct_size = sizeof params;
  return params;
}

typedef struct gm_classification {
  size_t struct_size;
  size_t n_labels; /* gm_label_at */
  size_t n_crops;  /* that were looked at; 0 where the method looks at the whole picture */
  /* How likely the best label is right, 0 to 1. gm_label_regions with a CLIP that has a head
   * for this method (docs/LABEL.md): a measured probability. Else the best label's score. */
  float present;
  bool calibrated; /* present is measured */
  bool none;       /* of gm_label_regions: the region is none of the classes, by the params */
} gm_classification;

typedef struct gm_label {
  size_t struct_size;
  size_t class_index;
  const char *name; /* of the classes */
  float score;      /* probability: softmax over the classes of logit_scale * raw_score */
  float raw_score;  /* the method's own number; it does not depend on the other classes */
} gm_label;

/* Scores the picture against the classes, with their method. GM_ERR_ARGUMENT where view and
 * classes are of different models; two handles of equal files are one model. */
GM_API gm_status gm_classify(gm_view *view, const gm_classes *classes,
                             const gm_classify_params *params, const gm_callbacks *callbacks,
                             gm_classification **out, gm_error *err);
/* By falling score; labels of equal score in the order of the classes. */
GM_API gm_status gm_label_at(const gm_classification *classification, size_t i, gm_label *out);
GM_API void gm_classification_free(gm_classification *classification);

/* ---- naming regions ---- */

/* Names what is in each of n regions of a picture, say those of a scene, by the user's own
 * classes. results[i] belongs to regions[i] and is what gm_classify answers for
 * a view whose part is that region: the crops lie inside it, and a raw score depends on neither
 * the other regions nor the other classes. All regions are encoded together, and kept together
 * where view->cache is set. view: method, part and boxes are not used. A region fits its thing
 * closely already, so its crops are fewer and larger than a picture's: crops 0 means 10, alpha
 * 0 means 0.7, beta 0 means 1 (measured in docs/LABEL.md). classify: stop is not used. A region
 * that is none of the classes has its labels all the same, and `none` is true. Free the results
 * one by one. On failure all are NULL. GM_ERR_ARGUMENT where the classes are of another model,
 * as in gm_classify. progress: "crops". */
GM_API gm_status gm_label_regions(gm_clip *clip, const gm_image *image, const gm_box *regions,
                                  size_t n, const gm_classes *classes,
                                  const gm_view_params *view,
                                  const gm_classify_params *classify,
                                  const gm_callbacks *callbacks, gm_classification **results,
                                  gm_error *err);

/* ---- explanations ---- */

/* What made up the raw score of one class: the shares of the crops add up to it, and so do the
 * shares of the descriptions. Compared with another class: the lead is the difference of the
 * two raw scores; the crops' parts in it add up to it, and so do those of the descriptions of
 * both classes together. */
typedef struct gm_explanation {
  size_t struct_size;
  float raw_score;
  size_t n_crops; /* gm_crop_share_at */
  size_t n_texts; /* gm_text_share_at */
  /* Of gm_explain_against; else NULL and 0. */
  const char *against; /* the other class; lives as long as the classes */
  float against_raw_score, lead;
  size_t n_against_texts; /* gm_against_text_share_at */
} gm_explanation;

typedef struct gm_crop_share {
  size_t struct_size;
  gm_box box;
  float weight; /* of the crop among all; the weights add up to 1 */
  float share;  /* of raw_score */
  float lead;   /* part in the lead: its share minus its share of the other class's score */
} gm_crop_share;

typedef struct gm_text_share {
  size_t struct_size;
  const char *text;    /* lives as long as the classes */
  float weight, share; /* in its own class */
  float lead; /* part in the lead: its share minus weight times the mean of the two scores; for
                 the other class's descriptions with the opposite sign */
} gm_text_share;

/* Explains class number class_index. GM_ERR_ARGUMENT where there is no such class, and as in
 * gm_classify. Give the params of gm_classify whose score is to be explained; top is not used.
 */
GM_API gm_status gm_explain(gm_view *view, const gm_classes *classes, size_t class_index,
                            const gm_classify_params *params, const gm_callbacks *callbacks,
                            gm_explanation **out, gm_error *err);
/* The same, compared with class number `against`; GM_ERR_ARGUMENT where it is the same one. */
GM_API gm_status gm_explain_against(gm_view *view, const gm_classes *classes,
                                    size_t class_index, size_t against,
                                    const gm_classify_params *params,
                                    const gm_callbacks *callbacks, gm_explanation **out,
                                    gm_error *err);
/* Crops in the view's order (methods without crops: one, the whole picture); descriptions in
 * the order given. */
GM_API gm_status gm_crop_share_at(const gm_explanation *explanation, size_t i,
                                  gm_crop_share *out);
GM_API gm_status gm_text_share_at(const gm_explanation *explanation, size_t i,
                                  gm_text_share *out);
GM_API gm_status gm_against_text_share_at(const gm_explanation *explanation, size_t i,
                                          gm_text_share *out);
GM_API void gm_explanation_free(gm_explanation *explanation);

/* ---- requests: work that runs beside other work ---- */

/* A question, a picture to encode or a picture to classify, that the engine works on while the
 * caller does something else. The requests and calls of all threads, scenes and models of an
 * engine go side by side: their decoding steps are computed as one batch, which a request joins
 * and leaves between two tokens, and long work on a picture lets them pass between its layers.
 * A result is bit-identical to that of the request alone.
 *
 * A request begins by itself and needs no waiting thread. It holds its scene, model and image:
 * the caller may free them at once. Clip, view, chat and classes must outlive it. Use a view or
 * a chat for nothing else until its request is done. */
typedef struct gm_request gm_request;

typedef enum gm_event_type {
  GM_EVENT_PROGRESS = 1, /* stage, done; of a stage's events not fetched in time, the last */
  GM_EVENT_TEXT = 2,     /* text: the answer's next piece, as in gm_callbacks */
  GM_EVENT_PHRASE = 3,   /* text: a phrase tied to regions (gm_event_region_at), and its span;
                            after the GM_EVENT_TEXT of its last piece */
  GM_EVENT_DONE = 4      /* status; no event follows */
} gm_event_type;

/* Members that an event's type does not name are 0, NULL or "". */
typedef struct gm_event {
  size_t struct_size;
  gm_event_type type;
  const char *stage; /* as in gm_callbacks; a static string */
  double done;
  const char *text;            /* NUL-terminated; lives as long as the event */
  size_t length;               /* of text, in bytes */
  size_t span_begin, span_end; /* bytes of all text so far, which is the answer's text */
  size_t n_regions;            /* gm_event_region_at */
  gm_status status;            /* as gm_request_take_... returns it */
  const void *own;             /* the library's: leave it as it is */
  float present;               /* of a phrase, as in gm_grounding */
  bool calibrated;
} gm_event;
/* Region number i of a phrase. Call it while the event lives: within its callback, or until the
 * next gm_request_next_event. */
GM_API gm_status gm_event_region_at(const gm_event *event, size_t i, gm_region *out);

typedef struct gm_request_params {
  size_t struct_size;
  double timeout; /* seconds from the call that begins the request, waiting in the queue
                     included, until it ends with GM_ERR_TIMEOUT; 0 or negative: none */
  /* Called with each event, one at a time: on a thread of the engine, or on any thread that is
   * inside a call of the same engine. Return soon, since the engine computes nothing meanwhile,
   * and take no lock that a caller of the engine may hold. The event lives until the function
   * returns. At GM_EVENT_DONE the results may be taken. gm_request_free may be called with any
   * event, and none follows. NULL: events are kept for gm_request_next_event. */
  void (*event)(void *user, const gm_event *event);
  void *user;
} gm_request_params;

static inline gm_request_params gm_request_params_default(void) {
  gm_request_params params = GM_ZERO;
  params.struct_size = sizeof params;
  return params;
}

/* Each begins what the call of that name does (chat: gm_chat_ask; give: gm_chat_give), with the
 * same params, and returns at once. What is wrong with the arguments is found here or at the
 * end. Texts, boxes and params are copied. *out is set before the first event is given.
 * GM_ERR_BUSY where the engine's queue is full; GM_ERR_ARGUMENT where the last turn of a chat
 * is not over. Allowed within callbacks. */
GM_API gm_status gm_request_scene(gm_request **out, gm_model *model, const gm_image *image,
                                  const gm_scene_params *scene, const gm_request_params *params,
                                  gm_error *err);
GM_API gm_status gm_request_ask(gm_request **out, gm_scene *scene, const char *question,
                                const gm_ask_params *ask, const gm_request_params *params,
                                gm_error *err);
GM_API gm_status gm_request_caption(gm_request **out, gm_scene *scene, const gm_ask_params *ask,
                                    const gm_request_params *params, gm_error *err);
GM_API gm_status gm_request_describe(gm_request **out, gm_scene *scene, const gm_box *box,
                                     bool long_form, const gm_ask_params *ask,
                                     const gm_request_params *params, gm_error *err);
GM_API gm_status gm_request_chat(gm_request **out, gm_chat *chat, const char *question,
                                 const gm_ask_params *ask, const gm_request_params *params,
                                 gm_error *err);
GM_API gm_status gm_request_give(gm_request **out, gm_chat *chat, const char *question,
                                 const gm_ask_params *ask, const gm_given *answer,
                                 const gm_request_params *params, gm_error *err);
GM_API gm_status gm_request_ground(gm_request **out, gm_scene *scene,
                                   const char *const *phrases, size_t n,
                                   const gm_ground_params *ground,
                                   const gm_request_params *params, gm_error *err);
GM_API gm_status gm_request_classify(gm_request **out, gm_view *view, const gm_classes *classes,
                                     const gm_classify_params *classify,
                                     const gm_request_params *params, gm_error *err);
GM_API gm_status gm_request_label(gm_request **out, gm_clip *clip, const gm_image *image,
                                  const gm_box *regions, size_t n, const gm_classes *classes,
                                  const gm_view_params *view,
                                  const gm_classify_params *classify,
                                  const gm_request_params *params, gm_error *err);

/* The next event, which lives until the next call of this function or gm_request_free. Waits
 * for it up to `seconds` (0, and within a callback: does not wait; negative: without limit).
 * GM_ERR_TIMEOUT: there was none in that time, which says nothing about the request's deadline.
 * GM_ERR_ARGUMENT: GM_EVENT_DONE was given before, or the request has a callback. */
GM_API gm_status gm_request_next_event(gm_request *request, double seconds, gm_event *out);
/* Waits for the request's end up to `seconds`, as above; true where it is done. Its callback
 * has returned from GM_EVENT_DONE then. Events need not be fetched first. */
GM_API bool gm_request_wait(gm_request *request, double seconds);
/* Asks the request to end, and returns at once. It ends within a layer's time, with
 * GM_ERR_CANCELLED unless its work was finished. From any thread, as long as the request is not
 * freed. */
GM_API void gm_request_cancel(gm_request *request);

/* The outcome: the status that the call would have returned, with its error, and its results,
 * which the caller frees. gm_request_take_answer is for ask, caption, describe, chat and give,
 * and after GM_ERR_TIMEOUT gives what was said so far, as after GM_ERR_CANCELLED.
 * gm_request_take_classifications is for classify (n is 1) and label. n is as at the beginning.
 * An outcome is taken once, a failure too: GM_ERR_ARGUMENT afterwards, and where the request is
 * not done, is of another kind or has another n, which take nothing. */
GM_API gm_status gm_request_take_scene(gm_request *request, gm_scene **out, gm_error *err);
GM_API gm_status gm_request_take_answer(gm_request *request, gm_answer **out, gm_error *err);
GM_API gm_status gm_request_take_ground_results(gm_request *request, gm_ground_result **results,
                                                size_t n, gm_error *err);
GM_API gm_status gm_request_take_classifications(gm_request *request,
                                                 gm_classification **results, size_t n,
                                                 gm_error *err);

/* Tokens of the request so far; of requests without a language model, 0. */
typedef struct gm_usage {
  size_t struct_size;
  uint64_t prompt;    /* positions of the picture, the regions and the question */
  uint64_t cached;    /* of these, those that did not have to be computed */
  uint64_t generated; /* of an answer that is given, all its tokens */
} gm_usage;
GM_API gm_status gm_request_usage(const gm_request *request, gm_usage *out);

/* Cancels the request if it is not done, and waits for its end. (Within a callback it does not
 * wait: the engine frees the request when it has ended. To free its chat, view or classes there
 * too, cancel it, and free all at GM_EVENT_DONE.) Frees results that were not taken. No
 * callback of the request runs afterwards. */
GM_API void gm_request_free(gm_request *request);

#ifdef __cplusplus
}
#endif

#endif
