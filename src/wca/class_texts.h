/* class_texts.h - the files of a method -> the texts of every class. Equal texts are kept once,
 * so that each is encoded once. */
#ifndef GM_CLASS_TEXTS_H
#define GM_CLASS_TEXTS_H

#include "text_buffer.h"

typedef struct gm_class_texts {
  size_t n_classes;
  char **names;      /* [n_classes], owned */
  uint32_t *labels;  /* [n_classes]: text "a photo of a {class}." of each */
  uint32_t *first;   /* [n_classes + 1]: class i has entries first[i] .. first[i + 1] */
  uint32_t *entries; /* numbers of texts, repeats kept */
  size_t n_entries;
  char **texts; /* [n_texts], all different, owned */
  size_t n_texts, capacity;
} gm_class_texts;

/* The number of methods. */
enum { GM_METHODS = GM_METHOD_CUPL + 1 };

/* Caps for the files, far above ImageNet's 50 000 sentences. */
enum { GM_MAX_CLASSES = 1 << 20, GM_MAX_CLASS_TEXTS = 1 << 22 };

/* Errors: GM_ERR_ARGUMENT (a file is missing or malformed; the message says which class),
 * GM_ERR_MEMORY. Free in any case. */
gm_status gm_class_texts_read(gm_class_texts *out, const gm_classes_params *params,
                              gm_error *err);
void gm_class_texts_free(gm_class_texts *texts);

#endif
