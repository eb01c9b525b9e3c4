/* chat_set.h - free questions about pictures (LLaVA-Bench), with what a judge is told: the
 * picture in words, and another model's answer. */
#ifndef CLI_CHAT_SET_H
#define CLI_CHAT_SET_H

#include "score_file.h"

typedef enum chat_category {
  CHAT_CONV,
  CHAT_DETAIL,
  CHAT_COMPLEX,
  CHAT_CATEGORIES
} chat_category;
/* "conv", "detail", "complex" */
extern const char *const chat_category_names[CHAT_CATEGORIES];

typedef struct chat_entry {
  char *text, *image; /* the question; the picture's file */
  chat_category category;
  char *reference; /* the other answer; NULL if no references were read */
  size_t context;  /* number of the picture's context; GM_NAME_NONE if none were read */
} chat_entry;

typedef struct chat_set {
  chat_entry *entries; /* in the order of the file */
  size_t n;
  gm_name_table ids;    /* number i is entry i's question_id */
  gm_name_table images; /* of the contexts */
  char **contexts;      /* captions a line, an empty line, "category: box" a line */
  size_t n_contexts;
} chat_set;

/* JSON lines, or lists of them:
 *
 *   questions   {question_id, image, text, category}; a category may begin with "llava_bench_"
 *   context     {image, captions: [text], instances: [{category, bbox}]}; NULL: no judge
 *   references  {question_id, text}; those to other questions are passed over; NULL: no judge
 *
 * Each question has a context and a reference, if they are read. Free with chat_set_free, also
 * after an error. Errors: GM_ERR_ARGUMENT with file and line, GM_ERR_MEMORY. */
gm_status chat_set_read(chat_set *set, const score_file *questions, const score_file *context,
                        const score_file *references, gm_error *err);
/* Keeps the first n questions; 0: all. */
void chat_set_limit(chat_set *set, size_t n);
void chat_set_free(chat_set *set);

#endif
