/* instruct_out.h - REPLIES -> data set: checked replies become Groma Instruct's JSON lines, and
 * what happened is counted. */
#ifndef CLI_INSTRUCT_OUT_H
#define CLI_INSTRUCT_OUT_H

#include "curate_sheet.h"
#include "export_part.h"
#include "reply_check.h"

/* Where the text of the conversations is from; goes into each line. */
typedef struct instruct_source {
  const char *model;  /* as the user names it */
  const char *prompt; /* version of the instructions */
  char date[11];      /* of today, 2026-11-30 */
} instruct_source;

typedef struct instruct_counts {
  size_t replies, pictures; /* given, and kept */
  size_t held;              /* of the kept ones: held out */
  size_t boxes, named;      /* of the pictures kept; named: by one answer at least */
  size_t answers, marks;    /* of the pictures kept */
  size_t turns, repaired;   /* kept turns, and kept conversations that were mended */
  size_t rejects[N_REPLY_REASONS];
} instruct_counts;

typedef struct instruct_out {
  export_file file, held; /* held is open if counts.held */
  const char *held_path;  /* NULL: nothing is held out */
  double share;           /* of the pictures that is held out */
  instruct_source source;
  instruct_counts counts;
  curate_samples samples; /* of what was kept */
} instruct_out;

/* The name of the file of what is held out, for free(): "a.jsonl" -> "a-held.jsonl". NULL if
 * memory is short. */
char *instruct_held_path(const char *path);
/* Whether a picture is held out: by the SHA-256 of its file's name, so that it always is or
 * never is, in whatever set. share: 0 to 1. */
bool instruct_is_held(const char *file_name, double share);

/* held_path (may be NULL) gets the conversations about a share of the pictures. False after a
 * message. Call instruct_close in any case after a success. */
bool instruct_open(instruct_out *out, const char *path, const char *held_path, double share,
                   const char *model, const char *prompt);
/* Checks the reply, and adds the conversation if something is left. False after a message. */
bool instruct_add(instruct_out *out, const curate_picture *picture, const char *reply);
/* keep: gives the files their names; where nothing was held out, an earlier file of that is
 * removed. False after a message. */
bool instruct_close(instruct_out *out, bool keep);

/* The table of what happened, on stderr. */
void instruct_report(const instruct_out *out, const curate_set *set);

#endif
