/* llama_fixture.h - a LLaMA tokenizer made from a checkpoint folder's tokenizer.model and
 * added_tokens.json. */
#ifndef GM_TEST_LLAMA_FIXTURE_H
#define GM_TEST_LLAMA_FIXTURE_H

#include "support.h"

#include "llama_tokenizer.h"

#include <jansson.h>

typedef struct llama_fixture {
  gm_sentencepiece_model model;
  json_t *json; /* of added_tokens.json; owns the names */
  const char **added;
  gm_llama_vocabulary vocabulary;
  gm_llama_tokenizer *tokenizer;
} llama_fixture;

/* Fails the test on any error. */
void llama_fixture_open(llama_fixture *f, const char *folder);
void llama_fixture_close(llama_fixture *f);

#endif
