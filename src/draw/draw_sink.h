/* draw_sink.h - where the bytes of a drawing go: a new file or memory. */
#ifndef GM_DRAW_SINK_H
#define GM_DRAW_SINK_H

#include "new_file.h"
#include "text_buffer.h"

/* One of the two is set. */
typedef struct gm_draw_sink {
  gm_new_file *file;
  gm_text *memory;
} gm_draw_sink;

/* GM_ERR_IO, GM_ERR_MEMORY. */
static inline gm_status gm_draw_put(const gm_draw_sink *sink, const void *bytes, size_t n,
                                    gm_error *err) {
  return sink->file ? gm_new_file_write(sink->file, bytes, n, err)
                    : gm_text_append(sink->memory, bytes, n, err);
}

#endif
