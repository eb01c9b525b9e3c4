/* curate_sheet.h - a page of samples to look at: pictures with the boxes that answers name, and
 * the conversations below them. */
#ifndef CLI_CURATE_SHEET_H
#define CLI_CURATE_SHEET_H

#include "curate_set.h"

#include <jansson.h>

enum { SHEET_SAMPLES = 6 };

typedef struct curate_samples {
  struct {
    const curate_picture *picture;
    json_t *conversation;
  } at[SHEET_SAMPLES];
  size_t n;
} curate_samples;

/* Keeps the conversation if there is room for another. */
void curate_samples_add(curate_samples *samples, const curate_picture *picture,
                        json_t *conversation);
void curate_samples_free(curate_samples *samples);

/* Writes the page, a PNG. A picture that cannot be read is told and left out. False after a
 * message. */
bool curate_sheet_write(const curate_samples *samples, const char *folder, const char *path);

#endif
