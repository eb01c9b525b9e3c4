/* product_pack.c - factors of a product as a kernel's tiles and panels.
 *
 * The kernels pack rows of f32. Rows of other types come to them by way of scratch, widened in
 * pieces of PIECE elements of k. Turned factors are copied where a tile is columns of f32, and
 * else turned in scratch. A block type is widened by whole blocks, so a group has at least as
 * many rows of a turned factor as a block. */
#include "product.h"

#include "sizes.h"

#include <assert.h>

enum {
  PIECE = 256, /* of k; a multiple of every block and chunk */
  TURNED = 64, /* of k, where PIECE rows of memory would not fit the caches */
  GROUP = 8,   /* tiles of a group */
  LINE = 64,   /* bytes that a request brings */
  SKEW = 192 /* bytes between tiles, so that they do not all lie in the same lines of a cache */
};

static const unsigned char *at(const gm_factor *f, size_t row, size_t column) {
  const gm_type_traits *traits = gm_type_traits_of(f->type);
  return (const unsigned char *)f->data + row * f->row_bytes +
         column / traits->block * traits->block_bytes;
}

/* Bytes of a tile for n elements of k. */
static size_t bytes_for(const gm_packing *p, size_t n) {
  size_t chunk_bytes = p->panels ? p->mm->w_chunk_bytes : p->mm->x_chunk_bytes;
  return gm_ceil_div(n, p->mm->chunk) * p->height * chunk_bytes;
}

size_t gm_tile_stride(const gm_packing *p, size_t k) {
  return gm_ceil_div(bytes_for(p, k), LINE) * LINE + SKEW;
}

gm_packing gm_packing_of(const gm_kernels *kernels, const gm_matmul *mm, const gm_factor *from,
                         bool panels, size_t rows, size_t k) {
  size_t block = gm_type_traits_of(from->type)->block;
  gm_packing p = {
      .from = from, .kernels = kernels, .mm = mm, .panels = panels, .rows = rows, .k = k};
  p.block = block;
  p.height = panels ? mm->nr : mm->mr;
  p.group = gm_max_size(GROUP, gm_ceil_div(block, p.height));
  /* Turned: widened rows that begin and end at a block, and a tile of them turned. */
  size_t floats =
      from->turned ? TURNED * (p.group * p.height + 2 * block + p.height) : PIECE * p.height;
  p.scratch_bytes = floats * sizeof(float);
  return p;
}

typedef void (*widen_fn)(float *y, const void *x, size_t n);

static widen_fn widen_of(const gm_packing *p) {
  gm_type type = p->from->type;
  if (p->kernels->train.widen[type]) return p->kernels->train.widen[type];
  if (p->kernels->rows.kv[type].widen) return p->kernels->rows.kv[type].widen;
  return gm_type_traits_of(type)->to_float;
}

static void pack(const gm_packing *p, unsigned char *to, const float *x, size_t ld, size_t rows,
                 size_t k) {
  if (p->panels)
    p->mm->pack_w(to, x, ld * sizeof *x, rows, k);
  else
    p->mm->pack_x(to, x, ld, rows, p->height, k);
}

static void pack_upright(const gm_packing *p, size_t row, size_t rows, size_t begin, size_t k,
                         unsigned char *to, float *scratch) {
  const gm_factor *f = p->from;
  if (f->type == GM_TYPE_F32) {
    const void *x = at(f, row, begin);
    pack(p, to, x, f->row_bytes / sizeof(float), rows, k);
    return;
  }
  widen_fn widen = widen_of(p);
  for (size_t l = 0, n; l < k; l += n) {
    n = gm_min_size(k - l, PIECE);
    for (size_t r = 0; r < rows; r++) widen(scratch + r * n, at(f, row + r, begin + l), n);
    pack(p, to + bytes_for(p, l), scratch, n, rows, n);
  }
}

/* The first `rows` columns of x[n, ...], row stride ld, as tiles, tile_bytes apart. */
static void pack_turned_rows(const gm_packing *p, unsigned char *to, size_t tile_bytes,
                             const float *x, size_t ld, size_t rows, size_t n, float *turned) {
  if (p->mm->chunk == 1) {
    p->kernels->rows.strips((float *)(void *)to, tile_bytes / sizeof(float), p->height, x, ld,
                            n, rows);
    return;
  }
  for (size_t c = 0, some; c < rows; c += p->height, to += tile_bytes) {
    some = gm_min_size(p->height, rows - c);
    p->kernels->rows.transpose(turned, n, x + c, ld, n, some);
    pack(p, to, turned, n, some, n);
  }
}

/* Columns [row, row + rows) of the memory's rows [begin, begin + k). */
static void pack_turned(const gm_packing *p, size_t row, size_t rows, size_t begin, size_t k,
                        unsigned char *to, float *scratch) {
  const gm_factor *f = p->from;
  const gm_type_traits *traits = gm_type_traits_of(f->type);
  widen_fn widen = widen_of(p);
  bool narrow = f->type != GM_TYPE_F32;
  size_t first = row / traits->block * traits->block, tile_bytes = gm_tile_stride(p, k);
  size_t wide = gm_ceil_div(row + rows, traits->block) * traits->block - first;
  size_t piece = narrow || p->mm->chunk > 1 ? TURNED : k;
  float *turned = scratch, *widened = scratch + TURNED * p->height;
  for (size_t l = 0, n; l < k; l += n) {
    n = gm_min_size(k - l, piece);
    for (size_t r = 0; narrow && r < n; r++)
      widen(widened + r * wide, at(f, begin + l + r, first), wide);
    const float *x = (const float *)(const void *)at(f, begin + l, row);
    if (narrow) x = widened + (row - first);
    pack_turned_rows(p, to + bytes_for(p, l), tile_bytes, x,
                     narrow ? wide : f->row_bytes / sizeof *x, rows, n, turned);
  }
}

void gm_pack_tiles(const gm_packing *p, size_t first, size_t n, size_t begin, size_t k,
                   unsigned char *to, void *scratch) {
  size_t row = first * p->height, rows = gm_min_size(n * p->height, p->rows - row);
  assert(n <= p->group && row < p->rows && begin % p->mm->chunk == 0);
  if (p->from->turned) {
    pack_turned(p, row, rows, begin, k, to, scratch);
    return;
  }
  for (size_t r = 0; r < rows; r += p->height, to += gm_tile_stride(p, k))
    pack_upright(p, row + r, gm_min_size(p->height, rows - r), begin, k, to, scratch);
}

void gm_ask_for_tiles(const gm_packing *p, size_t first, size_t n, size_t begin, size_t k,
                      size_t i, size_t parts) {
  const gm_factor *f = p->from;
  size_t row = first * p->height, rows = gm_min_size(n * p->height, p->rows - row);
  size_t lines = f->turned ? k : rows, length = f->turned ? rows : k;
  size_t bytes = gm_type_row_bytes(f->type, length / p->block * p->block);
  for (size_t j = lines * i / parts; j < lines * (i + 1) / parts; j++) {
    const unsigned char *from = f->turned ? at(f, begin + j, row) : at(f, row + j, begin);
    for (size_t b = 0; b < bytes; b += LINE) __builtin_prefetch(from + b, 0, 2);
  }
}
