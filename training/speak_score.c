/* speak_score.c - see speak_score.h. */
#include "speak_score.h"

#include <stdio.h>

static double share(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

void speaking_tell_losses(const speaking_score *s) {
  printf(
      "words %.3f heads %.3f looks %.3f | right: index %.2f region %.2f place %.2f asked %.2f "
      "next %.2f named %.2f pointing %.2f naming %.2f\n",
      share(s->words, s->batches), share(s->heads, s->batches), share(s->looks, s->batches),
      share(s->right[OWN_INDEX], s->rows[OWN_INDEX]),
      share(s->right[REGION_KIND], s->rows[REGION_KIND]),
      share(s->right[REGION_PLACE], s->rows[REGION_PLACE]),
      share(s->right[ASKED_KIND], s->rows[ASKED_KIND]),
      share(s->right[NAMED_INDEX], s->rows[NAMED_INDEX]),
      share(s->right[NAMED_KIND], s->rows[NAMED_KIND]),
      share(s->looked_right[POINTING], s->looked[POINTING]),
      share(s->looked_right[NAMING], s->looked[NAMING]));
}

void speaking_tell_answers(const char *what, const speaking_score *s) {
  static const char *const names[TURN_KINDS] = {"caption", "locate", "find-all", "name", "ask"};
  printf("%s words %.3f", what, share(s->words, s->batches));
  for (int k = 0; k < TURN_KINDS; k++)
    printf(" %s %.3f", names[k], share(s->exact[k][false], s->turns[k][false]));
  double refused = 0, absent = 0;
  for (int k = 0; k < TURN_KINDS; k++) {
    refused += s->exact[k][true];
    absent += s->turns[k][true];
  }
  printf(" pointing %.3f (chance %.3f)", share(s->located_right, s->located),
         share(s->located_by_chance, s->located));
  printf(" phrases %.3f refused %.3f (locate %.3f ask %.3f)\n",
         share(s->phrases_right, s->phrases), share(refused, absent),
         share(s->exact[TURN_LOCATE][true], s->turns[TURN_LOCATE][true]),
         share(s->exact[TURN_ASK][true], s->turns[TURN_ASK][true]));
  fflush(stdout);
}
