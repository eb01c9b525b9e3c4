/* read_llava.c - LLaVA: {image, conversations: [{from, value}]}. Turns go by position: even
 * ones ask, odd ones answer. <image> is deleted, each line break becomes a space, and nothing
 * is trimmed. */
#include "set_reader.h"

#include "tags.h"

#include <stdlib.h>
#include <string.h>

/* In place. */
static void clean(char *text) {
  static const char mark[] = "<image>";
  char *to = text;
  for (const char *c = text; *c;) {
    if (strncmp(c, mark, sizeof mark - 1) == 0) {
      c += sizeof mark - 1;
      continue;
    }
    *to++ = *c == '\n' ? ' ' : *c;
    c++;
  }
  *to = 0;
}

/* *offset is GM_NO_TEXT after a fault. */
static gm_status add_value(gm_set_reader *r, const char *entry, const gm_pull_value *turn,
                           size_t *offset) {
  gm_pull_value value = gm_pull_member_of(turn, "value");
  size_t length;
  *offset = GM_NO_TEXT;
  if (value.kind != GM_PULL_STRING)
    return gm_set_fault(r, GM_FAULT_ENTRY, entry, "a turn of its conversation has no value");
  char *text = gm_pull_string(&value);
  if (!text) return gm_fail_memory(r->err, "a text", value.length);
  clean(text);
  const char *tag = gm_find_tag(text, &length);
  gm_status status;
  if (tag)
    status = gm_set_fault(r, GM_FAULT_TAGS, entry, "its conversation has the tag %.*s in it",
                          (int)length, tag);
  else if (text[strspn(text, " \t\r")] == 0)
    status = gm_set_fault(r, GM_FAULT_TEXT, entry, "a turn of its conversation is empty");
  else
    status = gm_set_add_text(r, text, strlen(text), offset);
  free(text);
  return status;
}

static gm_status add_entry(gm_set_reader *r, const char *entry, const gm_pull_value *v) {
  gm_data_picture picture = {
      .caption = GM_NO_TEXT, .background = GM_NO_TEXT, .first_turn = r->set->n_turns};
  gm_pull_value turn;
  size_t texts[2], n = 0;
  if (v[0].kind != GM_PULL_STRING || !v[0].length || v[1].kind != GM_PULL_ARRAY)
    return gm_set_fault(r, GM_FAULT_ENTRY, entry, "wanted image and conversations");
  gm_pull_reader list = gm_pull_begin(v[1].text);
  for (gm_pull_enter(&list); gm_pull_element(&list) && gm_pull_read(&list, &turn); n++) {
    GM_TRY(add_value(r, entry, &turn, &texts[n % 2]));
    if (texts[n % 2] == GM_NO_TEXT) {
      r->set->n_turns = picture.first_turn;
      return GM_OK;
    }
    if (n % 2) GM_TRY(gm_set_add_turn(r, texts[0], texts[1]));
  }
  if (n % 2) GM_TRY(gm_set_fault(r, GM_FAULT_ENTRY, entry, "its last question has no answer"));
  picture.n_turns = r->set->n_turns - picture.first_turn;
  if (!picture.n_turns) return gm_set_fault(r, GM_RULE_EMPTY, entry, "no turns");
  GM_TRY(gm_set_add_file(r, &v[0], &picture.file));
  return gm_set_add_picture(r, &picture);
}

gm_status gm_read_llava_set(gm_set_reader *r) {
  static const char *const names[] = {"image", "conversations"};
  bool entered = false, lines;
  while (gm_pull_listed(&r->json, &entered, &lines)) {
    gm_pull_value v[2];
    const char *entry;
    if (!gm_pull_members(&r->json, &entry, names, v, 2)) return GM_OK;
    GM_TRY(add_entry(r, entry, v));
  }
  return GM_OK;
}
