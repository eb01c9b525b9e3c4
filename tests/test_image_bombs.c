/* test_image_bombs.c - small files that ask for much memory or time: each is decoded in a child
 * process with little address space and time, and must give its error (or its picture) there.
 *
 * The files are built here byte by byte: PNG chunks with their CRC, a deflate stream of zeros,
 * JPEG scans. Sanitizers reserve address space, so with them nothing runs. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

enum { ADDRESS_SPACE = 160 << 20, SECONDS = 20 };

typedef struct file {
  unsigned char *bytes;
  size_t size, capacity;
} file;

static void put(file *f, const void *bytes, size_t n) {
  if (f->size + n > f->capacity) {
    f->capacity = (f->size + n) * 2;
    f->bytes = realloc(f->bytes, f->capacity);
    assert_non_null(f->bytes);
  }
  memcpy(f->bytes + f->size, bytes, n);
  f->size += n;
}

static void put_u32(file *f, uint32_t v) {
  put(f,
      (unsigned char[]){(unsigned char)(v >> 24), (unsigned char)(v >> 16),
                        (unsigned char)(v >> 8), (unsigned char)v},
      4);
}

/* ---- PNG ---- */

static void put_chunk(file *f, const char *kind, const void *body, size_t n) {
  put_u32(f, (uint32_t)n);
  size_t begin = f->size;
  put(f, kind, 4);
  put(f, body, n);
  uint32_t crc = 0xFFFFFFFFu;
  for (size_t i = begin; i < f->size; i++) {
    crc ^= f->bytes[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
  }
  put_u32(f, ~crc);
}

static file png_begin(uint32_t width, uint32_t height, int depth, int colour, int interlaced) {
  file f = {0}, header = {0};
  put(&f, "\x89PNG\r\n\x1A\n", 8);
  put_u32(&header, width);
  put_u32(&header, height);
  put(&header,
      (unsigned char[]){(unsigned char)depth, (unsigned char)colour, 0, 0,
                        (unsigned char)interlaced},
      5);
  put_chunk(&f, "IHDR", header.bytes, header.size);
  free(header.bytes);
  return f;
}

/* A zlib stream of 1 + 258 * matches zeros: a literal, then matches of length 258 at distance 1
 * (13 bits each), in one block of fixed codes (RFC 1951). */
static void put_zeros(file *f, size_t matches) {
  put(f, "\x78\xDA", 2);
  uint32_t bits = 0;
  int n = 0;
#define BITS(value, count) (bits |= (uint32_t)(value) << n, n += (count))
  BITS(3, 3);    /* last block, fixed codes */
  BITS(0x0C, 8); /* literal 0: 00110000, sent from its highest bit */
  for (size_t i = 0; i <= matches; i++) {
    if (i < matches)
      BITS(0xA3, 13); /* length 258: 11000101; distance 1: 00000 */
    else
      BITS(0, 7); /* end of block */
    while (n >= 8 || (i == matches && n > 0)) {
      put(f, (unsigned char[]){(unsigned char)bits}, 1);
      bits >>= 8;
      n -= 8;
    }
  }
#undef BITS
  put_u32(f, (uint32_t)((1 + 258 * (uint64_t)matches) % 65521) << 16 | 1); /* Adler-32 */
}

/* f + an IDAT of that many zeros + IEND */
static file png_end(file f, size_t matches) {
  file zeros = {0};
  put_zeros(&zeros, matches);
  put_chunk(&f, "IDAT", zeros.bytes, zeros.size);
  put_chunk(&f, "IEND", "", 0);
  free(zeros.bytes);
  return f;
}

static file png_of_greatest_size(void) {
  return png_end(png_begin(0x7FFFFFFF, 0x7FFFFFFF, 1, 0, 0), 1000);
}

static file png_deep_and_wide(void) {
  return png_end(png_begin(60000, 60000, 16, 6, 0), 1000);
}

/* 64 Mi pixels are allowed, but their 192 MiB are not available here. The data is complete. */
static file png_at_the_limit(void) {
  return png_end(png_begin(8192, 8192, 1, 0, 0), 8192 * 1025 / 258 + 1);
}

static void put_swollen(file *f, const char *kind, const char *head, size_t n, size_t matches) {
  file body = {0};
  put(&body, head, n); /* keyword and method */
  put_zeros(&body, matches);
  put_chunk(f, kind, body.bytes, body.size);
  free(body.bytes);
}

/* A profile and texts that unpack to 256 MiB each, in a picture of one pixel. */
static file png_with_swollen_chunks(void) {
  file f = png_begin(1, 1, 8, 0, 0);
  put_swollen(&f, "iCCP", "a\0", 3, 1 << 20);
  put_swollen(&f, "zTXt", "a\0", 3, 1 << 20);
  put_swollen(&f, "zTXt", "Raw profile type exif\0", 23, 1 << 20);
  put_swollen(&f, "iTXt", "XML:com.adobe.xmp\0\1\0\0", 22, 1 << 20);
  return png_end(f, 1);
}

/* 4000 texts of 1 MiB: unpacking all of them would take minutes. */
static file png_with_many_texts(void) {
  file f = png_begin(1, 1, 8, 0, 0);
  for (int i = 0; i < 4000; i++)
    put_swollen(&f, "zTXt", "Raw profile type exif\0", 23, (1 << 20) / 258 - 1);
  return png_end(f, 1);
}

static file png_with_endless_chunk(void) {
  file f = png_begin(1, 1, 8, 0, 0);
  put_u32(&f, 0x7FFFFFFF);
  put(&f, "eXIfII*\0", 8);
  return f;
}

static file png_one_wide(void) {
  return png_end(png_begin(1, 65535, 8, 0, 0), 65535 * 2 / 258 + 1);
}

static file png_one_high(void) {
  return png_end(png_begin(65535, 1, 16, 6, 1), 65535 * 8 / 258 + 1);
}

/* ---- JPEG, from a fixture's tables ---- */

static size_t find_marker(const file *f, unsigned char marker) {
  for (size_t i = 2; i + 4 <= f->size;) {
    if (f->bytes[i + 1] == marker) return i;
    i += 2u + f->bytes[i + 2] * 256u + f->bytes[i + 3];
  }
  fail();
  return 0;
}

static file jpeg_of_size(const char *fixture, unsigned width, unsigned height) {
  file f = {0};
  f.bytes = test_read_file(test_data(fixture), &f.size);
  f.capacity = f.size;
  size_t frame = find_marker(&f, strstr(fixture, "progressive") ? 0xC2 : 0xC0);
  f.bytes[frame + 5] = (unsigned char)(height >> 8);
  f.bytes[frame + 6] = (unsigned char)height;
  f.bytes[frame + 7] = (unsigned char)(width >> 8);
  f.bytes[frame + 8] = (unsigned char)width;
  return f;
}

static file jpeg_of_greatest_size(void) {
  return jpeg_of_size("image/rgb-444.jpg", 65500, 65500);
}

/* Allowed in size, but 64 Mi pixels of coefficients are 384 MiB. */
static file jpeg_progressive_at_the_limit(void) {
  return jpeg_of_size("image/progressive-444.jpg", 8192, 8192);
}

/* The first component's scan over and over: 6 blocks of a 17 x 13 picture, each a difference of
 * 0 (00) and the end of the block (1010) in the standard tables, padded with ones. */
static file jpeg_of_scans(int scans) {
  static const unsigned char scan[] = {0xFF, 0xDA, 0,    8,    1,    1,    0,   0,
                                       63,   0,    0x28, 0xA2, 0x8A, 0x28, 0xAF};
  file f = jpeg_of_size("image/rgb-444.jpg", 17, 13);
  f.size = find_marker(&f, 0xDA);
  for (int i = 0; i < scans; i++) {
    put(&f, scan, sizeof scan);
    f.bytes[f.size - sizeof scan + 5] = (unsigned char)(i < 3 ? i + 1 : 1);
  }
  put(&f, "\xFF\xD9", 2);
  return f;
}

static file jpeg_of_many_scans(void) {
  return jpeg_of_scans(257);
}

static file jpeg_of_256_scans(void) {
  return jpeg_of_scans(256);
}

/* ---- WebP ---- */

/* VP8L: a signature byte, then 14 bits of width - 1 and of height - 1. */
static file webp_of_greatest_size(void) {
  file f = {0};
  put(&f, "RIFF\x16\0\0\0WEBPVP8L\x0A\0\0\0\x2F\xFF\xFF\xFF\x0F\0\0\0\0\0", 30);
  return f;
}

/* VP8X: 24 bits of width - 1 and height - 1; an animation whose one frame is tiny. */
static file webp_of_greatest_canvas(void) {
  file f = {0};
  put(&f, "RIFF\x4E\0\0\0WEBPVP8X\x0A\0\0\0\x02\0\0\0\xFF\xFF\x03\xFE\x3F\0", 30);
  put(&f, "ANIM\x06\0\0\0\0\0\0\0\0\0", 14);
  put(&f, "ANMF\x22\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x32\0\0\0", 24);
  put(&f, "VP8L\x0A\0\0\0\x2F\0\0\0\0\0\0\0\0\0", 18);
  return f;
}

static const struct bomb {
  const char *name;
  file (*make)(void);
  gm_status want;
} bombs[] = {
    {"PNG of 2^31-1 squared", png_of_greatest_size, GM_ERR_IMAGE_TOO_LARGE},
    {"PNG of 60000 squared, 16-bit RGBA", png_deep_and_wide, GM_ERR_IMAGE_TOO_LARGE},
    {"PNG of 64 Mi pixels", png_at_the_limit, GM_ERR_MEMORY},
    {"PNG with swollen profile and text", png_with_swollen_chunks, GM_OK},
    {"PNG with 4000 texts of 1 MiB", png_with_many_texts, GM_OK},
    {"PNG with a chunk of 2 GiB", png_with_endless_chunk, GM_ERR_IMAGE_TRUNCATED},
    {"PNG of 1 x 65535", png_one_wide, GM_OK},
    {"PNG of 65535 x 1", png_one_high, GM_OK},
    {"JPEG of 65500 squared", jpeg_of_greatest_size, GM_ERR_IMAGE_TOO_LARGE},
    {"progressive JPEG of 64 Mi pixels", jpeg_progressive_at_the_limit, GM_ERR_MEMORY},
    {"JPEG of 257 scans", jpeg_of_many_scans, GM_ERR_IMAGE_TOO_LARGE},
    {"JPEG of 256 scans", jpeg_of_256_scans, GM_OK},
    {"WebP of 16384 squared", webp_of_greatest_size, GM_ERR_IMAGE_TOO_LARGE},
    {"animated WebP with a huge canvas", webp_of_greatest_canvas, GM_ERR_IMAGE_TOO_LARGE},
};

/* In a child, whose exit code is the status. */
static int decode_confined(const file *f) {
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    setrlimit(RLIMIT_AS, &(struct rlimit){ADDRESS_SPACE, ADDRESS_SPACE});
    alarm(SECONDS);
    gm_image *image = NULL;
    gm_status status = gm_image_from_memory(&image, f->bytes, f->size, NULL, NULL);
    gm_image_free(image);
    _exit((int)status);
  }
  int result = 0;
  assert_int_equal(waitpid(child, &result, 0), child);
  return WIFEXITED(result) ? WEXITSTATUS(result) : 1000 + WTERMSIG(result);
}

static void bombs_do_not_go_off(void **state) {
  (void)state;
#ifdef SANITIZED
  skip();
#endif
  for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
    file f = bombs[i].make();
    int status = decode_confined(&f);
    if (status != (int)bombs[i].want) {
      print_error("%s: status %d (over 1000: killed by signal), wanted %d\n", bombs[i].name,
                  status, (int)bombs[i].want);
      fail();
    }
    free(f.bytes);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bombs_do_not_go_off),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
