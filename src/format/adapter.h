/* adapter.h - an adapter file: small changes to a model's tensors, kept apart from it.
 *
 * A GGUF file in llama.cpp's adapter keys, extended as docs/FORMAT.md says. A change is a
 * low-rank pair of a matrix (NAME.lora_a [rank, in], NAME.lora_b [out, rank]; the matrix grows
 * by scale * alpha / rank * b a) or a difference to a whole tensor (NAME.diff, which is scaled
 * too). It may also bring a head that says whether a phrase's thing is there
 * (present_head.h), or how likely a region's name is right (label_head.h), or nothing else.
 * What a file may change is known when it meets its base: adapter_changes.h. */
#ifndef GM_ADAPTER_H
#define GM_ADAPTER_H

#include "label_head.h"
#include "present_head.h"

/* One change. Its arrays are f32, and finite. */
typedef struct gm_adapter_part {
  const char *name; /* of the tensor, as upstream names it */
  /* A pair where rank > 0: a [rank, columns], b [rows, rank]. */
  size_t rank, rows, columns;
  const float *a, *b;
  /* Else a difference in the tensor's shape, as it is stored. */
  uint32_t n_dims;
  size_t shape[GM_MAX_DIMS];
  const float *difference;
} gm_adapter_part;

/* What an adapter says of itself and of the base that it was made for. */
typedef struct gm_adapter_head {
  const char *name;               /* NULL: none */
  const char *architecture;       /* "groma", "clip" */
  float alpha;                    /* of all pairs; 0: pairs are not divided by their ranks */
  const char *vocabulary;         /* gm_adapter_tie's; NULL: not said */
  const char *base;               /* gm_adapter_tie's; NULL: not said */
  const gm_present_head *present; /* NULL: none */
  const gm_label_head *label;     /* NULL: none */
} gm_adapter_head;

typedef struct gm_adapter {
  const char *path;
  gm_adapter_head head;
  gm_adapter_part *parts; /* [n], in the file's order */
  size_t n;
  char sha256[65]; /* of the file */
  gm_model_file *file;
  gm_present_head *present;
  gm_label_head *label;
  float **owned; /* [n_owned] arrays that the file has in another type */
  size_t n_owned;
} gm_adapter;

/* Reads and checks all that does not depend on the base: keys, that pairs are whole and their
 * ranks equal, types (f32, f16, bf16), and that all numbers are finite. GM_ERR_MODEL says what
 * is wrong. */
gm_status gm_adapter_open(gm_adapter **out, const char *path, gm_error *err);
/* The same of bytes that outlive it, for fuzzing. */
gm_status gm_adapter_from_memory(gm_adapter **out, const void *bytes, size_t size,
                                 const char *name, gm_error *err);
void gm_adapter_close(gm_adapter *adapter);

/* Writes such a file: beside `path`, renamed when it is whole. Arrays are stored in `type`
 * (f32, f16 or bf16). The parts' names are upstream's. Errors: GM_ERR_IO, GM_ERR_MEMORY,
 * GM_ERR_ARGUMENT for a name that does not fit. */
gm_status gm_adapter_write(const char *path, const gm_adapter_head *head,
                           const gm_adapter_part *parts, size_t n, gm_type type, gm_error *err);

/* The SHA-256 of the file's tokens, each with a NUL; "" where it has none. */
gm_status gm_vocabulary_sha256(const gm_model_file *file, char out[65], gm_error *err);
/* What ties an adapter to a base: the SHA-256 of its tokens, and of its file's header, which
 * holds the sums of all tensors where gromatic made the file. */
gm_status gm_adapter_tie(const gm_model_file *base, char vocabulary[65], char header[65],
                         gm_error *err);

/* The keys. */
#define GM_ADAPTER_VOCABULARY "gromatic.adapter.vocabulary_sha256"
#define GM_ADAPTER_BASE "gromatic.adapter.base_header_sha256"

/* The endings of the tensors' names. */
#define GM_ADAPTER_A ".lora_a"
#define GM_ADAPTER_B ".lora_b"
#define GM_ADAPTER_DIFFERENCE ".diff"
/* Left out before an ending where the name would not fit otherwise. */
#define GM_ADAPTER_WEIGHT ".weight"

#endif
