/* gromatic.h - where, what and which about a picture, on the user's own processor.
 *
 * The only public header. A gm_model is opened once and shared; a gm_image is a decoded
 * picture; a gm_scene is one image encoded by one model (visual tokens, regions, cache of the
 * language model's prefix), and every question about that image is asked of the scene.
 *
 * Conventions
 * - Every fallible call returns a gm_status and, if it fails, describes why in *err: what was
 *   found, what was wanted, what to do. err belongs to the caller and may be NULL. Outputs are
 *   then NULL or unchanged. The library never prints, exits or aborts.
 * - Boxes are pixels of the upright original picture (EXIF orientation applied), x to the
 *   right, y down, float, clipped to the picture.
 * - A gm_model and a gm_clip may be used from several threads; calls that compute on one take
 *   turns. A gm_scene and what hangs on it belong to one thread at a time, a gm_view too.
 *   Results are plain data, a gm_image and gm_classes do not change: threads may share them.
 * - Threads that the library starts block all signals but those of their own faults.
 * - Strings are UTF-8. Results own their strings and arrays until their _free call.
 *
 * Follows Groma (arXiv 2404.13013) and WCA (arXiv 2406.02915); docs/MODEL.md tells what is
 * computed. */
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

/* ---- errors ---- */

typedef enum gm_status {
  GM_OK = 0,
  GM_ERR_ARGUMENT = 1,
  GM_ERR_FILE_NOT_FOUND = 2,
  GM_ERR_IO = 3,
  GM_ERR_MODEL = 4,
  GM_ERR_IMAGE_UNSUPPORTED = 5,
  GM_ERR_IMAGE_TRUNCATED = 6,
  GM_ERR_IMAGE_TOO_LARGE = 7,
  GM_ERR_MEMORY = 8,
  GM_ERR_CONTEXT_FULL = 9,
  GM_ERR_CANCELLED = 10
} gm_status;

typedef struct gm_error {
  gm_status status;
  char message[1024];
} gm_error;

/* The stable code of the JSON contract: "bad_argument", "file_not_found", "io_error",
 * "model_invalid", "image_unsupported", ... */
GM_API const char *gm_status_name(gm_status status);

/* "0.1.0" */
GM_API const char *gm_version(void);

/* ---- text ---- */

/* Makes text from outside what this header's strings are, in place: byte order marks are taken
 * out, CR LF and CR become LF, and a NUL is put after it; so text has room for *length + 1
 * bytes. GM_ERR_ARGUMENT for anything but UTF-8 (UTF-16, UTF-32, Latin-1, zero bytes), with
 * name and line. The library does so itself with all texts and files that it is given. */
GM_API gm_status gm_text_import(char *text, size_t *length, const char *name, gm_error *err);

/* The character at the start of text[0..n), n > 0: returns its length in bytes. *code is its
 * code point (U+FFFD for a byte that is not UTF-8); *safe is false for such a byte and for what
 * can steer a terminal or hide what a text says: controls (line end and tab too), separators of
 * lines, embeddings, overrides and isolates of direction, byte order marks, annotations. */
GM_API size_t gm_text_next(const char *text, size_t n, uint32_t *code, bool *safe);

/* Compares names as Unicode sees them, in NFC: < 0, 0 or > 0, as strcmp of those forms. */
GM_API int gm_name_compare(const char *a, const char *b);

/* ---- callbacks ---- */

/* All members may be NULL. Called on the thread that made the call, never at the same time. */
typedef struct gm_callbacks {
  void *user;
  /* Polled between layers and tokens; true ends the call with GM_ERR_CANCELLED. */
  bool (*cancelled)(void *user);
  /* stage: "image", "vision", "proposer", "regions", "prefill", "generate", ...; done in 0..1.
   */
  void (*progress)(void *user, const char *stage, double done);
  /* Answer text as it comes, tags and region tokens taken out, whole UTF-8 characters. */
  void (*text)(void *user, const char *text, size_t length);
} gm_callbacks;

/* ---- model ---- */

typedef struct gm_model gm_model;

typedef struct gm_model_params {
  unsigned threads; /* 0: CPUs that this process may use (affinity, cgroup quota) */
  bool no_mmap;     /* read the file into memory instead of mapping it */
  bool mlock;       /* pin it in memory */
  uint32_t context; /* positions of the language model's cache; 0: the model's own limit */
  /* How that cache keeps keys and values: "f32", "f16", or "q8_0" (8 bits and a scale for every
   * 32, about half of f16's memory). NULL: f16, but f32 for f32 weights, q8_0 if fast. */
  const char *cache_type_k, *cache_type_v;
  bool fast; /* round where that is faster, weights of f32 too: factors of products to 16 bits,
                the cache to q8_0 where no type is given; docs/SPEED.md says what it costs */
  const char *cache;    /* directory that keeps what is known of pictures between runs, so that
                           the next question about one begins at once, and unpacked weights;
                           results are the same to the bit. NULL: none. docs/CACHE.md */
  uint64_t cache_bytes; /* its limit, entries unused for the longest time go first; 0: 4 GiB */
  bool no_scenes;       /* keep nothing of pictures there */
  bool no_pack;         /* keep no unpacked weights there */
} gm_model_params;

/* All zero: the defaults above. */
GM_API gm_model_params gm_model_params_default(void);

/* Opens a model: a GGUF file made by gromatic convert; the name of an embedded model
 * ("groma-mini"; NULL means the default one); or "synthetic:NAME[:TYPE]" (groma-7b-2l,
 * groma-7b; ":fast" behind a block type fills it with random levels, for timing only). A file
 * of that name is preferred where path has a '/' or ends in ".gguf". GM_ERR_ARGUMENT where a
 * param, or the environment's GROMATIC_CPU, is no name that is known. */
GM_API gm_status gm_model_open(gm_model **out, const char *path, const gm_model_params *params,
                               gm_error *err);
/* Scenes of the model must be freed before. NULL is allowed, as in every _free of this header.
 */
GM_API void gm_model_free(gm_model *model);

typedef struct gm_model_info {
  const char *name;    /* general.name, or the file's */
  const char *path;    /* as given to open */
  const char *type;    /* most used tensor type: "f32", "q8_0", ... */
  const char *kernels; /* instruction set in use: "ref", "avx2", "avx512", "neon" */
  unsigned threads;
  uint32_t image_size;  /* S: pictures are seen as S x S */
  uint32_t max_regions; /* region tokens that the vocabulary has */
  uint32_t context;
  const char *cache_type_k, *cache_type_v; /* of the language model's cache */
  const char *scope; /* what an embedded model was trained on, "drawn emoji": it takes anything
                        else for one of those. NULL: not known */
} gm_model_info;
/* Strings live as long as the model. */
GM_API gm_model_info gm_model_get_info(const gm_model *model);

/* A file of the cache that was there and of no use: cut short, damaged, another entry's, or not
 * to be read. It counts as absent: what it should hold is computed, and kept anew. */
typedef struct gm_cache_refusal {
  const char *path;
  const char *why; /* "found other bytes than were written", ... */
} gm_cache_refusal;
/* Those met since the model was opened, each file once, the first 16 of them. They live as long
 * as the model; the array only grows. NULL with *n 0 where nothing is kept. Thread-safe. */
GM_API const gm_cache_refusal *gm_model_refusals(const gm_model *model, size_t *n);

/* SHA-256 of the model's bytes in hex (64 characters and NUL). Reads the whole file once. */
GM_API gm_status gm_model_sha256(gm_model *model, char out[65], gm_error *err);

/* SHA-256 of bytes in hex, for those who key results by content. Never fails. */
GM_API void gm_sha256(const void *bytes, size_t size, char out[65]);

/* ---- pictures ---- */

typedef struct gm_image gm_image;

typedef struct gm_image_params {
  uint64_t max_pixels; /* 0: 64 Mi */
  uint64_t max_bytes;  /* 0: 64 MiB */
} gm_image_params;

/* JPEG, PNG or WebP, told by content; upright RGB as Pillow's convert("RGB") gives it. params
 * may be NULL. Errors: GM_ERR_FILE_NOT_FOUND, GM_ERR_IO, GM_ERR_IMAGE_*, GM_ERR_MEMORY. */
GM_API gm_status gm_image_open(gm_image **out, const char *path, const gm_image_params *params,
                               gm_error *err);
GM_API gm_status gm_image_from_memory(gm_image **out, const void *bytes, size_t size,
                                      const gm_image_params *params, gm_error *err);
/* Copies rgb[height][width][3]. */
GM_API gm_status gm_image_from_rgb(gm_image **out, const uint8_t *rgb, uint32_t width,
                                   uint32_t height, gm_error *err);
GM_API uint32_t gm_image_width(const gm_image *image);
GM_API uint32_t gm_image_height(const gm_image *image);
GM_API const uint8_t *gm_image_rgb(const gm_image *image);
GM_API void gm_image_free(gm_image *image);

/* ---- regions and answers ---- */

typedef struct gm_box {
  float x1, y1, x2, y2;
} gm_box;

typedef struct gm_region {
  gm_box box;
  float score;   /* 0..1 */
  int32_t index; /* the model's region number */
} gm_region;

typedef struct gm_grounding {
  const char *phrase;
  size_t span_begin, span_end; /* byte offsets in the answer's text, end exclusive */
  const gm_region *regions;
  size_t n_regions;
} gm_grounding;

/* An answer in words: text without tags, and the phrases that are tied to regions. */
typedef struct gm_answer {
  const char *text;
  const char *raw; /* the model's own text, tags, region tokens and </s> included */
  const gm_grounding *groundings;
  size_t n_groundings;
  const int32_t *ids; /* generated token ids */
  size_t n_ids;
  bool complete; /* ended with </s>; false: cut at max_tokens or by a full context */
} gm_answer;
GM_API void gm_answer_free(gm_answer *answer);

/* ---- scene ---- */

typedef struct gm_scene gm_scene;

typedef struct gm_scene_params {
  float box_score_thres; /* <= 0: the model's own (0.15) */
  float nms_thres;       /* <= 0: the model's own (0.6) */
  uint32_t max_regions;  /* 0: the model's own (100) */
  const gm_box *regions; /* candidates instead of the proposer's boxes; the three numbers above
                            choose among them, equal scores in this order; NULL: propose */
  const float *region_scores; /* [n_regions], or NULL: all 1 */
  size_t n_regions;
  bool
      append_boxes; /* referred boxes go after the region list, so that the whole prefix's cache
                       is reused; off: they take part in the choice of regions, as upstream */
  uint64_t shuffle_seed; /* 0: regions in score order; else shuffled as in training */
} gm_scene_params;
GM_API gm_scene_params gm_scene_params_default(void);

/* Encodes the picture and chooses its regions. What questions need besides (the regions'
 * vectors, the language model's cache) is computed with the first of them and kept. The image
 * may be freed afterwards; the model must outlive the scene. After any failure of a question,
 * GM_ERR_CANCELLED too, the scene answers the next as if nothing had been. */
GM_API gm_status gm_scene_create(gm_scene **out, gm_model *model, const gm_image *image,
                                 const gm_scene_params *params, const gm_callbacks *callbacks,
                                 gm_error *err);
GM_API void gm_scene_free(gm_scene *scene);

/* The chosen class-agnostic regions, falling score; they live as long as the scene. */
GM_API const gm_region *gm_scene_regions(const gm_scene *scene, size_t *n);
/* The model's own box of region `index`, which may stand out of the picture: what upstream's
 * measures are taken with. All zero where there is no such region. */
GM_API gm_box gm_scene_region_unclipped(const gm_scene *scene, int32_t index);

/* How unlike the scene's picture is to those that the model was trained on: above 1 do not
 * believe the answers. 0 where the model's scope is not known. Measured in docs/MODEL.md. */
GM_API float gm_scene_unlikeness(const gm_scene *scene);

/* Seconds spent since the scene began, by stage, in the order of their first use. Names as in
 * gm_callbacks.progress; the array lives as long as the scene and grows old with the next call.
 */
typedef struct gm_timing {
  const char *stage;
  double seconds;
} gm_timing;
GM_API const gm_timing *gm_scene_timings(const gm_scene *scene, size_t *n);

/* ---- questions ---- */

typedef struct gm_sampling {
  float temperature; /* 0: greedy */
  uint32_t top_k;    /* 0: all */
  float top_p;       /* 0 or 1: all */
  uint64_t seed;
} gm_sampling;

typedef struct gm_ask_params {
  uint32_t max_tokens; /* 0: until </s> or the context is full */
  gm_sampling sampling;
  const gm_box *boxes; /* boxes that the question refers to */
  size_t n_boxes;
  /* "[grounding]" in front of a question asks for regions in the answer. By default it is there
   * unless the question refers to boxes, as no question about a box had it in training. */
  bool grounding;    /* with boxes too */
  bool no_grounding; /* never */
  bool verbatim;     /* the question is prompt text as typed: tags parsed, each
                        <roi><refer_box></roi><refer_feat> takes the next box */
} gm_ask_params;
GM_API gm_ask_params gm_ask_params_default(void);

/* n questions, each as if asked alone, computed as batches: params[i] (params NULL: the
 * defaults) and answers[i] belong to questions[i]. Boxes stand where the question says {1},
 * {2}, ..., those not placed after it; {k} without a box k is GM_ERR_ARGUMENT. Tags in a
 * question are plain text unless its params say verbatim. The text callback is used where n is
 * 1. On GM_ERR_CONTEXT_FULL and GM_ERR_CANCELLED answers[i] holds what was said so far (NULL if
 * that answer had not begun); on other failures all are NULL. */
GM_API gm_status gm_ask(gm_scene *scene, const char *const *questions,
                        const gm_ask_params *params, size_t n, const gm_callbacks *callbacks,
                        gm_answer **answers, gm_error *err);

/* "[grounding]Give me a concise description of the image." params may be NULL; it has no boxes.
 * Failures as in gm_ask. */
GM_API gm_status gm_caption(gm_scene *scene, const gm_ask_params *params,
                            const gm_callbacks *callbacks, gm_answer **out, gm_error *err);
/* The captions of n scenes of one model, at least one: answers[i] is what gm_caption gives for
 * scenes[i], bit for bit where no scene stands there twice. Eight at a time are put into words
 * together, so that a word of each costs little more than a word of one, whose weights have to
 * be read from memory. Every scene keeps its cache meanwhile. Seconds that gm_scene_timings
 * tells of that step are those of all. Failures as in gm_ask; GM_ERR_ARGUMENT also where the
 * models differ. */
GM_API gm_status gm_captions(gm_scene *const *scenes, size_t n, const gm_ask_params *params,
                             const gm_callbacks *callbacks, gm_answer **answers, gm_error *err);

/* A conversation about a scene; it keeps its turns. The scene must outlive it. */
typedef struct gm_chat gm_chat;
GM_API gm_status gm_chat_create(gm_chat **out, gm_scene *scene, gm_error *err);
/* One turn; question, params and failures as in gm_ask. Boxes of the first question take part
 * in the choice of regions; those of later ones go behind the list, so that regions named
 * before keep their numbers. A partial answer stays in the conversation; a turn whose answer
 * had not begun is forgotten, its boxes too. */
GM_API gm_status gm_chat_ask(gm_chat *chat, const char *question, const gm_ask_params *params,
                             const gm_callbacks *callbacks, gm_answer **out, gm_error *err);
GM_API void gm_chat_free(gm_chat *chat);

/* What is in each box: answers[i] belongs to boxes[i], a question of its own as in gm_ask.
 * long_form asks for details. The boxes of params are not used. */
GM_API gm_status gm_describe(gm_scene *scene, const gm_box *boxes, size_t n, bool long_form,
                             const gm_ask_params *params, const gm_callbacks *callbacks,
                             gm_answer **answers, gm_error *err);

typedef struct gm_ground_params {
  bool all;         /* every instance, not the best one */
  bool free;        /* the model answers as it likes (greedy), as upstream; see below */
  uint32_t max_det; /* regions per phrase; 0: 5, with `all` no limit. Not used with `free` */
  float min_score;  /* leave out regions below. Not used with `free` */
} gm_ground_params;
GM_API gm_ground_params gm_ground_params_default(void);

/* The regions of one phrase. What a score is:
 * - one object: the softmax over <r0>..<r(n-1)> alone, of the logits after "Locate
 * <p>PHRASE</p> in the image." and "<roi>". One step scores every region; the scores of all add
 * up to 1. Falling score.
 * - all: "Find all instances of <p>PHRASE</p> in the image.", then "<roi>" and the likeliest
 *   region, again and again among those not yet named and "</roi>", which ends the list. A
 *   region's score is its share of the softmax among the tokens allowed at its step. Falling
 *   score.
 * - free: the regions that the answer names, in its order; the score is the softmax over
 *   <r0>..<r(n-1)> where it was named. */
typedef struct gm_ground_result {
  gm_region *regions;
  size_t n_regions;
  char *raw;    /* free: the model's own text; else NULL */
  float margin; /* free: the least by which a token's logit led the next one's; else 0 */
} gm_ground_result;

/* Grounds n phrases as one batch on the scene's cache; results[i] belongs to phrases[i] and is
 * freed with gm_ground_result_free. */
GM_API gm_status gm_ground(gm_scene *scene, const char *const *phrases, size_t n,
                           const gm_ground_params *params, const gm_callbacks *callbacks,
                           gm_ground_result *results, gm_error *err);
GM_API void gm_ground_result_free(gm_ground_result *result);

/* ---- CLIP: pictures and words in one space ---- */

typedef struct gm_clip gm_clip;

typedef struct gm_clip_params {
  unsigned threads;    /* 0: CPUs that this process may use */
  bool no_mmap, mlock; /* as in gm_model_params */
  bool fast; /* round factors of products to 16 bits where that is faster, in f32 files too */
  const char *cache;    /* directory that keeps features between runs; NULL: none */
  uint64_t cache_bytes; /* its limit, oldest entries go first; 0: 4 GiB */
} gm_clip_params;
GM_API gm_clip_params gm_clip_params_default(void);

/* Opens a CLIP model: a GGUF file made by gromatic convert, or the name of an embedded model
 * (NULL: "clip-mini"). May be used from several threads; calls that compute take turns. */
GM_API gm_status gm_clip_open(gm_clip **out, const char *path, const gm_clip_params *params,
                              gm_error *err);
/* Views and classes of the model must be freed before. */
GM_API void gm_clip_free(gm_clip *clip);

typedef struct gm_clip_info {
  const char *name, *path, *type, *kernels; /* as in gm_model_info */
  unsigned threads;
  uint32_t image_size;
  uint32_t features; /* D: length of a feature */
  uint32_t context;  /* tokens of a text, start and end included; longer texts are cut */
  float logit_scale; /* multiplies scores before the softmax over classes */
  const char *scope; /* as in gm_model_info */
} gm_clip_info;
/* Strings live as long as the model. */
GM_API gm_clip_info gm_clip_get_info(const gm_clip *clip);
/* As gm_model_refusals. */
GM_API const gm_cache_refusal *gm_clip_refusals(const gm_clip *clip, size_t *n);
/* SHA-256 of the model's bytes in hex. */
GM_API gm_status gm_clip_sha256(gm_clip *clip, char out[65], gm_error *err);

/* out[n][D]: unit features of n texts. callbacks may be NULL; progress: stage is "text". */
GM_API gm_status gm_clip_encode_texts(gm_clip *clip, const char *const *texts, size_t n,
                                      float *out, const gm_callbacks *callbacks, gm_error *err);
/* out[n][D]: unit features of n parts of a picture, each cut out, then preprocessed; boxes
 * NULL: of the whole picture (n is 1). Boxes are widened to whole pixels. progress: "crops". */
GM_API gm_status gm_clip_encode_boxes(gm_clip *clip, const gm_image *image, const gm_box *boxes,
                                      size_t n, float *out, const gm_callbacks *callbacks,
                                      gm_error *err);

/* ---- zero-shot classification ---- */

/* docs/WCA.md. The first two look at crops of the picture, the others at the whole of it. */
typedef enum gm_method {
  GM_METHOD_WCA,          /* weighted cross alignment as the paper has it */
  GM_METHOD_WCA_RELEASED, /* as its authors' code computes it */
  GM_METHOD_CLIP,         /* "a photo of a {class}." */
  GM_METHOD_CLIP_E,       /* mean of the sentences of a templates file */
  GM_METHOD_CLIP_D,       /* mean of "{class}, which has {descriptor}." */
  GM_METHOD_WAFFLE,       /* mean of "a photo of a {class}, which has {random words}." */
  GM_METHOD_CUPL,         /* mean of the descriptions */
  GM_METHOD_COUNT
} gm_method;
/* "wca", "wca-released", "clip", "clip-e", "clip-d", "waffle", "cupl". */
GM_API const char *gm_method_name(gm_method method);
GM_API bool gm_method_named(const char *name, gm_method *out);

/* The classes to choose from, each made one vector. */
typedef struct gm_classes gm_classes;

typedef struct gm_classes_params {
  gm_method method;
  const char *const *names; /* [n_names] in order; NULL: the keys of descriptions */
  size_t n_names;
  /* Contents of files, NUL-terminated; NULL where there is none. */
  const char *descriptions; /* JSON {class: [description, ...]}: wca, wca-released, cupl */
  const char *templates;    /* JSON ["a photo of a {}.", ...]: clip-e */
  const char *descriptors;  /* JSON {class: [descriptor, ...]}: clip-d */
  const char *words;        /* one a line: waffle; NULL: a list of our own */
  uint64_t seed;            /* of Waffle's draws */
  float text_scale;         /* exponent: descriptions weigh softmax(exp(text_scale) cosine) */
  float dedup; /* drop descriptions whose cosine with an earlier one is above; 0: keep all */
} gm_classes_params;
/* method wca, text_scale 2, all else zero. */
GM_API gm_classes_params gm_classes_params_default(void);

/* Encodes the texts (or takes them from the cache). The clip must outlive the classes, the
 * params need not. GM_ERR_ARGUMENT names the member that is missing, or the class without
 * descriptions. An empty list of descriptions stands for "a photo of a {class}.". Afterwards
 * immutable: may be shared between threads. progress: "text". */
GM_API gm_status gm_classes_create(gm_classes **out, gm_clip *clip,
                                   const gm_classes_params *params,
                                   const gm_callbacks *callbacks, gm_error *err);
GM_API void gm_classes_free(gm_classes *classes);
GM_API size_t gm_classes_count(const gm_classes *classes);
GM_API const char *gm_classes_name(const gm_classes *classes, size_t i);

/* A picture, or a part of it, with the crops that are looked at: what gm_scene is to Groma.
 * Features are computed when first needed and kept. */
typedef struct gm_view gm_view;

typedef struct gm_view_params {
  const gm_box *part;  /* look at this part only, as if it were cut out; NULL: the picture */
  uint32_t crops;      /* number of random squares; 0: none */
  float alpha, beta;   /* their side: this share of the short side, from .. to */
  uint64_t seed;       /* of their places, together with the picture's content */
  float dedup;         /* drop crops that overlap an earlier one above this IoU; 0: keep all */
  const gm_box *boxes; /* crops instead of random ones, boxes on the picture; NULL: random */
  size_t n_boxes;
  bool cache; /* keep the features in the clip's cache */
} gm_view_params;
/* What the method's authors use: 100 crops, alpha 0.5 (wca-released: 0.1), beta 0.9; no crops
 * for the methods without. */
GM_API gm_view_params gm_view_params_default(gm_method method);

/* Copies what it needs of the params; image and clip must outlive the view. A view belongs to
 * one thread at a time. */
GM_API gm_status gm_view_create(gm_view **out, gm_clip *clip, const gm_image *image,
                                const gm_view_params *params, gm_error *err);
GM_API void gm_view_free(gm_view *view);
/* The crops on the picture, in the order drawn. */
GM_API size_t gm_view_crops(const gm_view *view);
GM_API gm_box gm_view_crop(const gm_view *view, size_t i);

typedef struct gm_classify_params {
  float image_scale; /* exponent: crops weigh softmax(exp(image_scale) cosine) */
  uint32_t draws;    /* wca-released: crops drawn with replacement */
  uint32_t redraws;  /* wca-released: the score is the mean over so many drawings */
  uint64_t seed;     /* of the drawings */
  double stop;       /* wca: look at crops in rounds, and stop when the leader is wrong with at
                        most this probability (docs/WCA.md); 0: look at all */
  size_t top;        /* labels returned; 0: all */
} gm_classify_params;
/* image_scale 4, draws 60, redraws 20, all else zero. */
GM_API gm_classify_params gm_classify_params_default(void);

typedef struct gm_label {
  size_t class_index;
  const char *name; /* of the classes */
  float score;      /* probability: softmax over the classes of logit_scale * raw_score */
  float raw_score;  /* the method's own number; other classes have no part in it */
} gm_label;

typedef struct gm_classification {
  gm_label *labels; /* falling score; equal ones in the classes' order */
  size_t n_labels;
  size_t n_crops; /* that were looked at */
} gm_classification;

/* Scores the picture against the classes, with their method. GM_ERR_ARGUMENT where view and
 * classes are of different models; two handles of equal files are one model. */
GM_API gm_status gm_classify(gm_view *view, const gm_classes *classes,
                             const gm_classify_params *params, const gm_callbacks *callbacks,
                             gm_classification **out, gm_error *err);
GM_API void gm_classification_free(gm_classification *classification);

/* ---- naming regions ---- */

/* A region is cut to its thing already, so its crops are fewer and larger than a picture's: 10,
 * alpha 0.7, beta 1, measured in docs/LABEL.md; none for the methods without. */
GM_API gm_view_params gm_label_view_params_default(gm_method method);

/* Open vocabulary: names what is in each of n regions of a picture, say those of
 * gm_scene_regions, by the user's own classes. results[i] belongs to regions[i] and is what
 * gm_classify answers of a view whose part is that region: the crops lie inside of it, and
 * neither other regions nor other classes have a part in a raw score. All regions are encoded
 * as one batch, and kept together where view->cache is set. view: part and boxes are not used;
 * NULL for the defaults. classify may be NULL; its stop is not used. On failure all results are
 * NULL; free them one by one. GM_ERR_ARGUMENT where the classes are of another model, as in
 * gm_classify. progress: "crops". */
GM_API gm_status gm_label_regions(gm_clip *clip, const gm_image *image, const gm_box *regions,
                                  size_t n, const gm_classes *classes,
                                  const gm_view_params *view,
                                  const gm_classify_params *classify,
                                  const gm_callbacks *callbacks, gm_classification **results,
                                  gm_error *err);

/* What made up the raw score of one class: the shares of the crops add up to it, and so do the
 * shares of the descriptions. And what decided between it and another class, whose lead is the
 * difference of their raw scores: the parts of the crops in it add up to the lead, and so do
 * those of the descriptions of both classes together. */
typedef struct gm_crop_share {
  gm_box box;
  float weight; /* of the crop among all; their sum is 1 */
  float share;  /* of raw_score */
  float lead;   /* part in the lead: its share less the one it has in the other class's score */
} gm_crop_share;
typedef struct gm_text_share {
  const char *text;
  float weight, share; /* in its own class */
  float lead; /* part in the lead: what its share is above weight times the mean of the two
                 scores; of the other class's descriptions, below it */
} gm_text_share;
typedef struct gm_explanation {
  float raw_score;
  gm_crop_share *crops; /* in the view's order; methods without crops: the whole picture */
  size_t n_crops;
  gm_text_share *texts; /* in the order given; texts live as long as the classes */
  size_t n_texts;
  /* Of gm_explain_against; else all zero, as the parts in the lead are. */
  const char *against; /* the other class; lives as long as the classes */
  float against_raw_score, lead;
  gm_text_share *against_texts;
  size_t n_against_texts;
} gm_explanation;
/* Explains class number class_index; free with gm_explanation_free. GM_ERR_ARGUMENT where there
 * is no such class, and as in gm_classify. params may be NULL: give those of gm_classify, whose
 * score is to be explained; top is not used. */
GM_API gm_status gm_explain(gm_view *view, const gm_classes *classes, size_t class_index,
                            const gm_classify_params *params, const gm_callbacks *callbacks,
                            gm_explanation **out, gm_error *err);
/* The same, compared with class number `against`; GM_ERR_ARGUMENT where it is the same one. */
GM_API gm_status gm_explain_against(gm_view *view, const gm_classes *classes,
                                    size_t class_index, size_t against,
                                    const gm_classify_params *params,
                                    const gm_callbacks *callbacks, gm_explanation **out,
                                    gm_error *err);
GM_API void gm_explanation_free(gm_explanation *explanation);

/* ---- drawing ---- */

/* A box on the picture, clipped to it. Marks of one box are drawn inside each other. */
typedef struct gm_mark {
  gm_box box;
  const char *label; /* NULL or "": none; long ones end in an ellipsis */
  int32_t colour;    /* index into the palette: the same for a phrase's boxes */
} gm_mark;

/* Bytes [begin, end) of a caption; of spans that overlap the first counts. */
typedef struct gm_span_colour {
  size_t begin, end;
  int32_t colour; /* as of gm_mark */
} gm_span_colour;

/* Writes the picture with boxes and legible labels; caption (may be NULL) stands below the
 * picture, with its spans in their colours. Small pictures are drawn larger, huge ones smaller.
 * The file is a JPEG where its name ends in .jpg or .jpeg, else a PNG. A file of that name is
 * replaced, by a whole one: a failure leaves it as it was. Errors: GM_ERR_IO, GM_ERR_MEMORY.
 * Several threads may draw, also one picture. */
GM_API gm_status gm_draw(const gm_image *image, const gm_mark *marks, size_t n_marks,
                         const char *caption, const gm_span_colour *spans, size_t n_spans,
                         const char *path, gm_error *err);

/* Writes, as gm_draw does, what decided for a label: the picture with a heat map and the
 * outlines of the crops that count most (neither where there is only one crop), and beside it
 * the descriptions with their shares; of an explanation against another class the parts in the
 * lead. With a key. image is the picture that was explained (GM_ERR_ARGUMENT where a crop is
 * not inside it), label the class that was. */
GM_API gm_status gm_draw_explanation(const gm_image *image, const gm_explanation *explanation,
                                     const gm_label *label, const char *path, gm_error *err);

/* Whether the file is a drawing of one of the two calls above: they write a mark into it, which
 * programs that change a picture seldom leave in its place. Not drawn, and no error: a file
 * that is not there, is no regular file, or was drawn before there was a mark. Reads at most 64
 * bytes. GM_ERR_IO where a file is there that cannot be read. */
GM_API gm_status gm_drawn_by_gromatic(const char *path, bool *drawn, gm_error *err);

/* Removes what killed processes left of drawings, NAME.png.PID-N.part: in the folder, or of the
 * one file. What a process still draws stays. Never fails. */
GM_API void gm_remove_cut_drawings(const char *path);

/* ---- conversion and inspection ---- */

typedef struct gm_convert_params {
  const char *type; /* "f32", "f16" (default), "bf16", "q8_0", "q4_0", "q4_k", "q6_k" */
  unsigned threads;
  const char *layout; /* of a CLIP checkpoint: "openai" or "open_clip" where the files beside it
                         tell nothing, or wrongly; NULL: told by the files */
  /* Members of the checkpoint's JSON files, and tensors, that are not known here and are to be
   * passed over all the same: "vision_config.foo,bar,ema.*", paths or their last parts. NULL:
   * they are an error. */
  const char *ignore_config;
  /* Called when a conversion has gone well, once for each thing worth saying, in words: how
   * many tensors have another type and why; with detail set, what few want to know. */
  void (*note)(void *note_user, bool detail, const char *line);
  void *note_user;
} gm_convert_params;

/* Converts a checkpoint directory (or a GGUF file, to requantise) into one GGUF file. Streams,
 * runs no pickle code, writes atomically. progress: stage is the tensor's name. source
 * "synthetic:..." (gm_model_open) writes that model, made in memory first; params' type is not
 * used. */
GM_API gm_status gm_convert(const char *source, const char *destination,
                            const gm_convert_params *params, const gm_callbacks *callbacks,
                            gm_error *err);

/* What a model file holds. Strings and arrays belong to the inspection. */
typedef struct gm_inspect_key {
  const char *name;
  const char *type; /* "u32", "f32", "bool", "str", ... (of the elements, for an array) */
  bool is_array;
  size_t n;          /* elements; 1 if not an array */
  const char *value; /* JSON; of an array at most its first 8 elements */
} gm_inspect_key;

typedef struct gm_inspect_tensor {
  const char *name;
  const char *type; /* "q4_k" */
  uint32_t n_dims;
  size_t shape[4]; /* outermost dimension first */
  size_t bytes;
  uint64_t offset;    /* in the file */
  const char *note;   /* why it has another type than the file's, or "" */
  const char *sha256; /* as stored by convert, or "" */
  bool damaged;       /* verified, and the bytes have another sum */
} gm_inspect_tensor;

typedef struct gm_inspection {
  const char *path;
  uint64_t file_bytes;
  uint64_t parameters; /* elements of all tensors */
  const gm_inspect_key *keys;
  size_t n_keys;
  const gm_inspect_tensor *tensors;
  size_t n_tensors;
  bool verified;
  size_t n_damaged;
} gm_inspection;

/* Opens and checks any GGUF file (or what gm_model_open takes) without loading a model from it.
 * verify hashes all tensors; what differs is marked, not an error; GM_ERR_MODEL if the file has
 * no sums. callbacks may be NULL; progress: stage is "verify". */
GM_API gm_status gm_inspect(gm_inspection **out, const char *path, bool verify,
                            const gm_callbacks *callbacks, gm_error *err);
GM_API void gm_inspection_free(gm_inspection *inspection);

/* ---- speed ---- */

/* What the machine can do at most with the threads given, measured in this run by loops that do
 * nothing else. */
typedef struct gm_limits {
  double fp32_gflops; /* f32 multiply-adds, 2 operations each */
  double int8_gops;   /* 8-bit products summed to 32 bits, 2 operations each */
  double bf16_gflops; /* products of bf16 summed in f32, the same; 0: not there */
  double read_gbs;    /* reading memory once, larger than any cache, in huge pages if given */
  double read_small_pages_gbs; /* the same in pages of 4 KB, where the system lets one choose */
} gm_limits;

typedef struct gm_bench_stage {
  const char *stage;   /* "vision", "prefill", ... or a kernel's name */
  const char *kernels; /* the instruction set that was timed: "avx2", "avx512 vnni", ... */
  char shape[64];
  double seconds_min, seconds_median; /* of two in the middle the larger */
  double operations; /* per run, 2 per multiply-add of the straightforward algorithm */
  double bytes;      /* weights and cache read per run */
  const char
      *limit; /* which of the limits holds it: "fp32", "bf16", "int8", "read"; "": none */
  double limit_rate; /* that limit, in operations or bytes a second: arithmetic of the same
                        instruction set; "read" of a model: its own weights read, and nothing
                        else done, right before and after each run; 0: none */
  double share;      /* of the limit: of arithmetic at the minimum of the times; of reading the
                        median of the runs, each beside the reading next to it */
} gm_bench_stage;

typedef struct gm_bench_report {
  const char *kernels; /* instruction set */
  char processor[80];
  unsigned threads;
  gm_limits limits;
  gm_bench_stage *stages;
  size_t n_stages;
  uint64_t peak_bytes;      /* resident memory at most, mapped pages counted; 0: unknown */
  double pictures_per_hour; /* of the whole chain at the stages' medians; 0: not measured */
} gm_bench_report;

typedef struct gm_bench_params {
  unsigned threads;   /* as gm_model_params */
  uint32_t repeat;    /* runs of each measurement; 0: 3 */
  uint32_t prompt;    /* positions of the prefill; 0: 512 */
  uint32_t tokens;    /* tokens decoded behind them; 0: 16 */
  uint32_t count;     /* of what a stage takes many of (regions); 0: the most, or its default */
  const char *stages; /* the stages to time, by name, commas between; NULL: all */
  const char *cache_type_k, *cache_type_v; /* as gm_model_params */
  bool fast;
} gm_bench_params;

/* Times every stage of a Groma model (what gm_model_open takes) by itself: one picture, as many
 * regions as the model has tokens for, a prefill, a decode behind it. params may be NULL. */
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
GM_API void gm_bench_report_free(gm_bench_report *report);

#ifdef __cplusplus
}
#endif

#endif
