/* png_orientation.c - see png_orientation.h. */
#include "png_orientation.h"

#include "exif.h"
#include "utf8.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

/* Pillow's MAX_TEXT_CHUNK and MAX_TEXT_MEMORY. */
enum { TEXT_BYTES_MAX = 1 << 20, ALL_BYTES_MAX = 64 << 20 };

typedef struct span {
  const unsigned char *bytes;
  size_t size;
} span;

/* Moves the bytes before the next NUL from rest to head. False if there is none: head then gets
 * all of rest. */
static bool cut_at_nul(span *rest, span *head) {
  const unsigned char *nul = rest->size > 0 ? memchr(rest->bytes, 0, rest->size) : NULL;
  *head = *rest;
  if (!nul) {
    rest->size = 0;
    return false;
  }
  head->size = (size_t)(nul - rest->bytes);
  rest->bytes += head->size + 1;
  rest->size -= head->size + 1;
  return true;
}

static bool equals(span s, const char *text) {
  return s.size == strlen(text) && memcmp(s.bytes, text, s.size) == 0;
}

static bool is_utf8(span s) {
  for (size_t at = 0, n; at < s.size; at += n) {
    uint32_t code;
    n = gm_utf8_read((const char *)s.bytes + at, s.size - at, &code);
    if (n == 0) return false;
  }
  return true;
}

/* ---- values ---- */

static int digit_of(unsigned char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* "\nexif\n", a line with the number of bytes, then the bytes in hex, in lines. */
static gm_status read_raw_profile(span text, int *orientation, gm_error *err) {
  *orientation = 0;
  for (int line = 0; line < 3; line++) {
    const unsigned char *end = memchr(text.bytes, '\n', text.size);
    if (!end) return GM_OK;
    text.size -= (size_t)(end + 1 - text.bytes);
    text.bytes = end + 1;
  }
  unsigned char *bytes = calloc(text.size / 2 + 1, 1);
  if (!bytes) return gm_fail_memory(err, "a PNG's EXIF data", text.size / 2 + 1);
  size_t digits = 0;
  bool ok = true;
  for (size_t i = 0; i < text.size && ok; i++) {
    int digit = digit_of(text.bytes[i]);
    ok = digit >= 0 || (text.bytes[i] && strchr(" \t\n\v\f\r", text.bytes[i]));
    if (digit < 0) continue;
    assert(digits / 2 < text.size / 2 + 1);
    bytes[digits / 2] = (unsigned char)(bytes[digits / 2] << 4 | digit);
    digits++;
  }
  if (ok && digits % 2 == 0) *orientation = gm_exif_orientation(bytes, digits / 2);
  free(bytes);
  return GM_OK;
}

/* The first tiff:Orientation="6" or <tiff:Orientation>6<. */
static int read_xmp(span text) {
  static const char name[] = "tiff:Orientation";
  size_t length = sizeof name - 1;
  for (size_t i = 0; i + length + 2 <= text.size; i++) {
    if (memcmp(text.bytes + i, name, length) != 0) continue;
    size_t at = i + length;
    if (text.bytes[at] == '=' && text.bytes[at + 1] == '"')
      at += 2;
    else if (text.bytes[at] == '>')
      at++;
    else
      continue;
    if (at >= text.size || text.bytes[at] < '0' || text.bytes[at] > '9') continue;
    return text.bytes[at] >= '1' && text.bytes[at] <= '8' ? text.bytes[at] - '0' : 1;
  }
  return 0;
}

/* A text of any of the three kinds; plain: from a tEXt, the only kind whose "exif" is used. */
static gm_status take_text(gm_png_orientation *found, span keyword, span text, bool plain,
                           gm_error *err) {
  if (equals(keyword, "Raw profile type exif")) return read_raw_profile(text, &found->raw, err);
  if (equals(keyword, "XML:com.adobe.xmp")) found->xmp = read_xmp(text);
  if (plain && equals(keyword, "exif")) {
    found->has_exif = true;
    found->exif = gm_exif_orientation(text.bytes, text.size);
  }
  return GM_OK;
}

/* ---- chunks ---- */

static bool is_wanted(span keyword) {
  return equals(keyword, "Raw profile type exif") || equals(keyword, "XML:com.adobe.xmp");
}

/* Unpacks into a block of TEXT_BYTES_MAX. A truncated stream gives what it has. False if it is
 * damaged or too large. */
static bool unpack(span packed, unsigned char *block, span *text) {
  z_stream stream = {.next_in = (unsigned char *)(uintptr_t)packed.bytes,
                     .avail_in = (unsigned)packed.size,
                     .next_out = block,
                     .avail_out = TEXT_BYTES_MAX};
  *text = (span){block, 0};
  if (packed.size > INT32_MAX || inflateInit(&stream) != Z_OK) return false;
  int code = inflate(&stream, Z_SYNC_FLUSH);
  text->size = stream.total_out;
  bool whole = code == Z_STREAM_END || stream.avail_in == 0;
  inflateEnd(&stream);
  assert(text->size <= TEXT_BYTES_MAX);
  return whole && (code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR);
}

/* A damaged zTXt counts as an empty text, a damaged iTXt as absent. */
static gm_status take_packed(gm_png_orientation *found, span keyword, span packed,
                             bool international, gm_error *err) {
  if (found->unpacked >= ALL_BYTES_MAX) return GM_OK;
  unsigned char *block = malloc(TEXT_BYTES_MAX);
  if (!block) return gm_fail_memory(err, "a PNG's text", TEXT_BYTES_MAX);
  span text;
  gm_status status = GM_OK;
  bool ok = unpack(packed, block, &text);
  found->unpacked += text.size;
  if (!ok) text.size = 0;
  if (!international || (ok && is_utf8(text)))
    status = take_text(found, keyword, text, false, err);
  free(block);
  return status;
}

static gm_status take_ztxt(gm_png_orientation *found, span rest, gm_error *err) {
  span keyword;
  (void)cut_at_nul(&rest, &keyword);
  if (!is_wanted(keyword)) return GM_OK;
  if (rest.size > 0) rest.bytes++, rest.size--; /* the method: there is only one */
  return take_packed(found, keyword, rest, false, err);
}

/* keyword, NUL, packed or not, method, language, NUL, translated keyword, NUL, text */
static gm_status take_itxt(gm_png_orientation *found, span rest, gm_error *err) {
  span keyword, language, translated;
  if (!cut_at_nul(&rest, &keyword) || rest.size < 2 || !is_wanted(keyword)) return GM_OK;
  bool packed = rest.bytes[0] != 0, deflated = rest.bytes[1] == 0;
  rest.bytes += 2;
  rest.size -= 2;
  if (!cut_at_nul(&rest, &language) || !cut_at_nul(&rest, &translated) || !is_utf8(language) ||
      !is_utf8(translated))
    return GM_OK;
  if (packed && !deflated) return GM_OK;
  if (packed) return take_packed(found, keyword, rest, true, err);
  return is_utf8(rest) ? take_text(found, keyword, rest, false, err) : GM_OK;
}

gm_status gm_png_orientation_chunk(gm_png_orientation *found, const char *name,
                                   const unsigned char *bytes, size_t size, gm_error *err) {
  span rest = {bytes, size}, keyword;
  if (size == 0) return GM_OK;
  if (memcmp(name, "eXIf", 4) == 0) {
    found->has_exif = true;
    found->exif = gm_exif_orientation(bytes, size);
  } else if (memcmp(name, "tEXt", 4) == 0) {
    (void)cut_at_nul(&rest, &keyword);
    return take_text(found, keyword, rest, true, err);
  } else if (memcmp(name, "zTXt", 4) == 0) {
    return take_ztxt(found, rest, err);
  } else if (memcmp(name, "iTXt", 4) == 0) {
    return take_itxt(found, rest, err);
  }
  return GM_OK;
}

int gm_png_orientation_of(const gm_png_orientation *found) {
  int orientation = found->has_exif ? found->exif : found->raw;
  if (orientation == 0) orientation = found->xmp;
  return orientation == 0 ? 1 : orientation;
}
