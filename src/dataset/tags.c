/* tags.c - see tags.h. */
#include "tags.h"

#include <string.h>

static const char *const tags[] = {
    "<p>",          "</p>",         "<roi>",   "</roi>",   "[grounding]", "<refer_box>",
    "<refer_feat>", "<ground_box>", "<image>", "<region>", "<s>",         "</s>",
    "<unk>",        "[PAD]",        "<img>",   "</img>",   "<sep>",
};

/* <r0>, <r12>, ... */
static size_t index_token(const char *c) {
  if (c[0] != '<' || c[1] != 'r') return 0;
  size_t n = strspn(c + 2, "0123456789");
  return n && c[2 + n] == '>' ? n + 3 : 0;
}

static size_t tag_at(const char *c) {
  for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
    size_t n = strlen(tags[i]);
    if (strncmp(c, tags[i], n) == 0) return n;
  }
  return index_token(c);
}

const char *gm_find_tag(const char *text, size_t *length) {
  for (const char *c = text; (c = strpbrk(c, "<[")); c++) {
    *length = tag_at(c);
    if (*length) return c;
  }
  return NULL;
}

static bool is(const char *tag, size_t n, const char *wanted) {
  return n == strlen(wanted) && memcmp(tag, wanted, n) == 0;
}

bool gm_answer_marks(const char *text, size_t *marks) {
  enum { OUTSIDE, IN_PHRASE, IN_ROI } place = OUTSIDE;
  size_t n, in_roi = 0;
  const char *end = text; /* of the last tag */
  *marks = 0;
  for (const char *c = text; (c = gm_find_tag(c, &n)); c += n) {
    if (place == IN_ROI && c != end) return false; /* text among the boxes */
    end = c + n;
    if (place == OUTSIDE && is(c, n, "<p>")) {
      place = IN_PHRASE;
    } else if (place == IN_PHRASE && is(c, n, "</p>")) {
      place = OUTSIDE;
    } else if (place == OUTSIDE && is(c, n, "<roi>")) {
      place = IN_ROI;
      in_roi = 0;
    } else if (place == IN_ROI && is(c, n, "<ground_box>")) {
      in_roi++;
      ++*marks;
    } else if (place == IN_ROI && in_roi && is(c, n, "</roi>")) {
      place = OUTSIDE;
    } else {
      return false;
    }
  }
  return place == OUTSIDE;
}

bool gm_question_is_plain(const char *text) {
  bool inside = false;
  size_t n;
  for (const char *c = text; (c = gm_find_tag(c, &n)); c += n) {
    if (!is(c, n, inside ? "</p>" : "<p>")) return false;
    inside = !inside;
  }
  return !inside;
}
