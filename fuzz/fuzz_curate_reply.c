/* fuzz_curate_reply.c - replies about pictures with numbered marks, as a model writes them. */
#include "support.h"

#include "reply_check.h"
#include "tags.h"

#include <stdlib.h>
#include <string.h>

enum { BOXES = 4 };

/* What is kept has the form of Groma Instruct. */
static void check_turns(const json_t *conversation) {
  size_t i, marks, total = 0;
  json_t *turn;
  fuzz_check(json_array_size(conversation) % 2 == 0);
  json_array_foreach(conversation, i, turn) {
    const char *value = json_string_value(json_object_get(turn, "value"));
    const json_t *inds = json_object_get(turn, "box_inds");
    fuzz_check(value && *value && gm_answer_marks(value, &marks));
    fuzz_check(json_array_size(inds) == marks && (i % 2 || !marks));
    for (size_t k = 0; k < marks; k++) {
      json_int_t box = json_integer_value(json_array_get(inds, k));
      fuzz_check(box >= 0 && box < BOXES);
    }
    total += marks;
  }
  fuzz_check(total > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static const char *const descriptions[BOXES] = {"a brown dog", "a cat", "a red ball",
                                                  "a man"},
                           *const classes[BOXES] = {"dog", "cat", "sports ball", NULL};
  const marked_boxes boxes = {BOXES, descriptions, classes};
  checked_reply found;
  char *text = malloc(size + 1);
  if (!text) return 0;
  if (size) memcpy(text, bytes, size);
  text[size] = 0;
  fuzz_check(check_reply(&found, text, &boxes));
  if (found.conversation) check_turns(found.conversation);
  fuzz_check(found.conversation || found.n_rejects);
  checked_reply_free(&found);
  free(text);
  return 0;
}
