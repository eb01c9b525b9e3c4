/* archive.c - see archive.h. */
#include "archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- ZIP */

typedef struct record {
  unsigned char bytes[256];
  size_t n;
} record;

static void put(record *r, uint64_t value, size_t width) {
  for (size_t i = 0; i < width; i++)
    r->bytes[r->n++] = (unsigned char)(i < 8 ? value >> (8 * i) : 0);
}

static void put_bytes(record *r, const void *bytes, size_t n) {
  assert_true(n <= sizeof r->bytes - r->n);
  memcpy(r->bytes + r->n, bytes, n);
  r->n += n;
}

static void append(test_zip *zip, const void *bytes, size_t n) {
  assert_int_equal(pwrite(zip->fd, bytes, n, (off_t)zip->at), n);
  zip->at += n;
}

void test_zip_start(test_zip *zip) {
  *zip = (test_zip){.path = "/tmp/gromatic-test-XXXXXX"};
  zip->fd = mkstemp(zip->path);
  assert_true(zip->fd >= 0);
}

void test_zip_patch(test_zip *zip, uint64_t offset, const void *bytes, size_t n) {
  assert_int_equal(pwrite(zip->fd, bytes, n, (off_t)offset), n);
}

/* As torch.save writes it: sizes are in the directory only (flag bit 3), and padding in an
 * extra field aligns the data to 64 bytes. */
void test_zip_add(test_zip *zip, const char *name, const void *data, uint64_t size) {
  assert_true(zip->n_members < sizeof zip->members / sizeof *zip->members);
  record r = {.n = 0};
  size_t header_size = 30 + strlen(name) + 4;
  uint16_t padding = (uint16_t)((64 - (zip->at + header_size) % 64) % 64);
  zip->members[zip->n_members].header = zip->at;
  zip->members[zip->n_members].size = size;
  snprintf(zip->members[zip->n_members].name, sizeof zip->members->name, "%s", name);
  zip->n_members++;
  put(&r, 0x04034b50, 4);
  put(&r, 0, 2);
  put(&r, 0x0808, 2);
  put(&r, 0, 2); /* stored */
  put(&r, 0, 16);
  put(&r, strlen(name), 2);
  put(&r, (uint64_t)padding + 4, 2);
  put_bytes(&r, name, strlen(name));
  put_bytes(&r, "FB", 2);
  put(&r, padding, 2);
  for (unsigned i = 0; i < padding; i++) put(&r, 'Z', 1);
  append(zip, r.bytes, r.n);
  if (data)
    append(zip, data, (size_t)size);
  else
    zip->at += size;
}

static void append_entry(test_zip *zip, size_t i) {
  const char *name = zip->members[i].name;
  uint64_t size = zip->members[i].size, header = zip->members[i].header;
  record extra = {.n = 4}, r = {.n = 0};
  if (size >= UINT32_MAX) {
    put(&extra, size, 8);
    put(&extra, size, 8);
  }
  if (header >= UINT32_MAX) put(&extra, header, 8);
  uint64_t payload = extra.n - 4;
  extra.n = 0;
  if (payload > 0) {
    put(&extra, 1, 2);
    put(&extra, payload, 2);
    extra.n += payload;
  }
  put(&r, 0x02014b50, 4);
  put(&r, 0, 4);
  put(&r, 0x0808, 2);
  put(&r, zip->members[i].method, 2);
  put(&r, 0, 8);
  for (int k = 0; k < 2; k++) put(&r, size >= UINT32_MAX ? UINT32_MAX : size, 4);
  put(&r, strlen(name), 2);
  put(&r, extra.n, 2);
  put(&r, 0, 10);
  put(&r, header >= UINT32_MAX ? UINT32_MAX : header, 4);
  put_bytes(&r, name, strlen(name));
  put_bytes(&r, extra.bytes, extra.n);
  append(zip, r.bytes, r.n);
}

void test_zip_finish(test_zip *zip, bool zip64) {
  record r = {.n = 0};
  zip->central = zip->at;
  for (size_t i = 0; i < zip->n_members; i++) append_entry(zip, i);
  uint64_t size = zip->at - zip->central, end64 = zip->at;
  if (zip64) {
    put(&r, 0x06064b50, 4);
    put(&r, 44, 8);
    put(&r, 0, 12);
    put(&r, zip->n_members, 8);
    put(&r, zip->n_members, 8);
    put(&r, size, 8);
    put(&r, zip->central, 8);
    put(&r, 0x07064b50, 4);
    put(&r, 0, 4);
    put(&r, end64, 8);
    put(&r, 1, 4);
  }
  zip->end = zip->at + r.n;
  put(&r, 0x06054b50, 4);
  put(&r, 0, 4);
  put(&r, zip->n_members, 2);
  put(&r, zip->n_members, 2);
  put(&r, size, 4);
  put(&r, zip->central >= UINT32_MAX ? UINT32_MAX : zip->central, 4);
  put(&r, 0, 2);
  append(zip, r.bytes, r.n);
}

void test_zip_free(test_zip *zip) {
  close(zip->fd);
  unlink(zip->path);
}

/* ---- pickles */

void pickle_bytes(test_pickle *p, const void *bytes, size_t n) {
  assert_true(n <= sizeof p->bytes - p->n);
  memcpy(p->bytes + p->n, bytes, n);
  p->n += n;
}

void pickle_op(test_pickle *p, unsigned op) {
  pickle_bytes(p, &(unsigned char){(unsigned char)op}, 1);
}

void pickle_string(test_pickle *p, const char *text) {
  uint32_t n = (uint32_t)strlen(text);
  pickle_op(p, 'X');
  pickle_bytes(p, &n, 4);
  pickle_bytes(p, text, n);
}

void pickle_int(test_pickle *p, int64_t value) {
  pickle_bytes(p, "\x8a\x08", 2);
  pickle_bytes(p, &value, 8);
}

void pickle_global(test_pickle *p, const char *module, const char *name) {
  pickle_op(p, 'c');
  pickle_bytes(p, module, strlen(module));
  pickle_op(p, '\n');
  pickle_bytes(p, name, strlen(name));
  pickle_op(p, '\n');
}

void pickle_storage(test_pickle *p, const char *type, const char *key, int64_t n) {
  pickle_op(p, '(');
  pickle_string(p, "storage");
  pickle_global(p, "torch", type);
  pickle_string(p, key);
  pickle_string(p, "cpu");
  pickle_int(p, n);
  pickle_op(p, 't');
  pickle_op(p, 'Q');
}

static void sizes(test_pickle *p, size_t n, const int64_t *values) {
  pickle_op(p, '(');
  for (size_t i = 0; i < n; i++) pickle_int(p, values[i]);
  pickle_op(p, 't');
}

void pickle_tensor(test_pickle *p, const char *type, const char *key, int64_t storage_n,
                   int64_t offset, size_t n_dims, const int64_t *shape, const int64_t *stride) {
  int64_t packed[8] = {0}, step = 1;
  assert_true(n_dims <= 8);
  for (size_t d = n_dims; !stride && d-- > 0; step *= shape[d]) packed[d] = step;
  pickle_global(p, "torch._utils", "_rebuild_tensor_v2");
  pickle_op(p, '(');
  pickle_storage(p, type, key, storage_n);
  pickle_int(p, offset);
  sizes(p, n_dims, shape);
  sizes(p, n_dims, stride ? stride : packed);
  pickle_op(p, 0x89);
  pickle_global(p, "collections", "OrderedDict");
  pickle_bytes(p, ")RtR", 4);
}

void test_archive(test_zip *zip, const void *pickle, size_t pickle_n, const void *storage,
                  uint64_t n) {
  test_zip_start(zip);
  test_zip_add(zip, "archive/data.pkl", pickle, pickle_n);
  test_zip_add(zip, "archive/data/0", storage, n);
  test_zip_finish(zip, true);
}
