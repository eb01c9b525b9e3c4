/* test_torch_hostile.c - hostile PyTorch archives: every case is GM_ERR_MODEL with a message;
 * none crashes or runs code. Causes: picklescan's bypasses, zip parsers that disagree, sizes
 * that overflow. */
#include "archive.h"
#include "checkpoint.h"
#include "torch_pickle.h"
#include "zip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const float storage[2] = {3, 7};

/* The file must be refused, with the given words in the message (NULL: any message). */
static void refused_file(const char *path, const char *what, const char *words) {
  gm_error err = {0};
  gm_checkpoint *c = NULL;
  gm_status status = gm_torch_open(&c, path, &err);
  if (status != GM_ERR_MODEL || c || !*err.message)
    fail_msg("%s: %s, wanted model_invalid: %s", what, gm_status_name(status), err.message);
  if (words && !strstr(err.message, words))
    fail_msg("%s: message lacks \"%s\": %s", what, words, err.message);
}

static void refused_pickle(const char *what, const void *pickle, size_t n, const char *words) {
  test_zip zip;
  test_archive(&zip, pickle, n, storage, sizeof storage);
  refused_file(zip.path, what, words);
  test_zip_free(&zip);
}

/* ---- instructions and globals */

typedef struct bytes_case {
  const char *what, *bytes;
  size_t n;
  const char *words;
} bytes_case;

#define CASE(what, bytes, words)                                                               \
  { what, bytes, sizeof(bytes) - 1, words }
#define OD "ccollections\nOrderedDict\n"
#define TENSOR "ctorch._utils\n_rebuild_tensor_v2\n"

static const bytes_case hostile[] = {
    /* code */
    CASE("os.system",
         "\x80\x02"
         "cos\nsystem\n(X\x02\0\0\0idtR.",
         "os.system"),
    CASE("posix.system",
         "\x80\x02"
         "cposix\nsystem\n(X\x02\0\0\0idtR.",
         "posix.system"),
    CASE("builtins.eval",
         "\x80\x02"
         "cbuiltins\neval\n(X\x01\0\0\0"
         "1tR.",
         "builtins.eval"),
    CASE("__builtin__.exec",
         "\x80\x02"
         "c__builtin__\nexec\n(X\x01\0\0\0"
         "1tR.",
         "exec"),
    CASE("subprocess.Popen",
         "\x80\x02"
         "csubprocess\nPopen\n(X\x02\0\0\0idtR.",
         "Popen"),
    CASE("runpy",
         "\x80\x02"
         "crunpy\n_run_code\n)R.",
         "_run_code"),
    CASE("functools.partial",
         "\x80\x02"
         "cfunctools\npartial\n)R.",
         "partial"),
    CASE("torch.load",
         "\x80\x02"
         "ctorch\nload\n)R.",
         "torch.load"),
    CASE("torch.hub.load",
         "\x80\x02"
         "ctorch.hub\nload\n)R.",
         "torch.hub.load"),
    CASE("numpy reconstruct",
         "\x80\x02"
         "cnumpy.core.multiarray\n_reconstruct\n.",
         "numpy"),
    CASE("a storage without a type",
         "\x80\x02"
         "ctorch\nStorage\n.",
         "torch.Storage"),
    CASE("UntypedStorage",
         "\x80\x02"
         "ctorch\nUntypedStorage\n.",
         "UntypedStorage"),
    CASE("a dotted name",
         "\x80\x02"
         "ctorch\n_utils._rebuild_tensor_v2\n.",
         NULL),
    CASE("an attribute of OrderedDict",
         "\x80\x02"
         "ccollections\nOrderedDict.fromkeys\n.",
         NULL),
    CASE("a space behind the name",
         "\x80\x02"
         "ctorch._utils\n_rebuild_tensor_v2 \n.",
         NULL),
    CASE("a carriage return",
         "\x80\x02"
         "ccollections\r\nOrderedDict\r\n.",
         NULL),
    CASE("an empty name",
         "\x80\x02"
         "c\n\n.",
         NULL),
    CASE("a name that does not end",
         "\x80\x02"
         "ccollections\nOrderedDict",
         "does not end"),
    CASE("terminal codes in a name",
         "\x80\x02"
         "c\x1b[31mos\nsystem\n.",
         "?[31mos"),
    CASE("a script class outside TorchScript",
         "\x80\x02"
         "c__torch__.a\nM\n)\x81}b.",
         NULL),
    CASE("STACK_GLOBAL os.system", "\x80\x04\x8c\x02os\x8c\x06system\x93)R.", "os.system"),
    CASE("STACK_GLOBAL of numbers", "\x80\x04K\x01K\x02\x93.", "no string"),
    CASE("STACK_GLOBAL with NUL",
         "\x80\x04\x8c\x0c"
         "collections\0\x8c\x0bOrderedDict\x93.",
         NULL),
    CASE("STACK_GLOBAL across a memo", "\x80\x04\x8c\x02os\x94\x8c\x06system\x94h\0h\x01\x93.",
         NULL),
    CASE("STACK_GLOBAL of nothing", "\x80\x04\x93.", NULL),
    CASE("INST", "(X\x02\0\0\0idios\nsystem\n.", "0x69"),
    CASE("OBJ", "\x80\x02(cos\nsystem\nX\x02\0\0\0ido.", "os.system"),
    CASE("OBJ of a known name", "\x80\x02(" OD "o.", "0x6f"),
    CASE("NEWOBJ of OrderedDict", "\x80\x02" OD ")\x81.", "no TorchScript module"),
    CASE("NEWOBJ_EX", "\x80\x04" OD ")}\x92.", "0x92"),
    CASE("EXT1", "\x80\x02\x82\x01.", "0x82"),
    CASE("EXT4", "\x80\x02\x84\xff\xff\xff\x7f.", "0x84"),
    CASE("PERSID as text", "\x80\x02Pstorage\n.", "0x50"),
    /* calls */
    CASE("REDUCE of a dict", "\x80\x02}(tR.", "no function"),
    CASE("REDUCE of a string", "\x80\x02X\x02\0\0\0os)R.", "no function"),
    CASE("REDUCE of a call's result", "\x80\x02" OD ")R)R.", "no function"),
    CASE("REDUCE with a list", "\x80\x02" OD "]R.", "no function"),
    CASE("REDUCE of a storage type",
         "\x80\x02"
         "ctorch\nFloatStorage\n(K\x08tR.",
         "storage or class"),
    CASE("OrderedDict with arguments", "\x80\x02" OD "(]tR.", "arguments"),
    CASE("tensor without arguments", "\x80\x02" TENSOR ")R.", "6 arguments"),
    CASE("tensor of numbers", "\x80\x02" TENSOR "(K\0K\0K\0K\0K\0K\0tR.", "arguments are no"),
    CASE("parameter of a string",
         "\x80\x02"
         "ctorch._utils\n_rebuild_parameter\n(X\0\0\0\0\x88NtR.",
         NULL),
    CASE("REDUCE on an empty stack", "\x80\x02)R.", "more from its stack"),
    CASE("BUILD of a dict", "\x80\x02}}b.", "builds what is no"),
    CASE("BUILD of a global", "\x80\x02" OD "}b.", "builds what is no"),
    CASE("BUILD from a tuple", "\x80\x02" OD ")R)b.", "no dict"),
    CASE("BUILD on an empty stack", "\x80\x02}b.", NULL),
    /* persistent ids */
    CASE("a string as persistent id", "\x80\x02X\x07\0\0\0storageQ.", "persistent id"),
    CASE("an empty persistent id", "\x80\x02)Q.", "persistent id"),
    CASE("a storage of another tag", "\x80\x02(X\x04\0\0\0fileNNNNtQ.", "persistent id"),
    CASE("a storage of no type", "\x80\x02(X\x07\0\0\0storage" OD "NNNtQ.", "torch.*Storage"),
    CASE("a path as storage key",
         "\x80\x02(X\x07\0\0\0storagectorch\nFloatStorage\nX\x0b\0\0\0../"
         "data.pklX\x03\0\0\0cpuK\x02tQ.",
         "letters and digits"),
    CASE("NUL in a storage key",
         "\x80\x02(X\x07\0\0\0storagectorch\nFloatStorage\nX\x02\0\0\0"
         "0\0X\x03\0\0\0cpuK\x02tQ.",
         "letters and digits"),
    CASE("a storage of negative size",
         "\x80\x02(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0"
         "0X\x03\0\0\0cpuJ\xff\xff\xff\xfftQ.",
         "number of elements"),
    /* memo, stack, numbers, strings */
    CASE("a memo never put", "\x80\x02h\0.", "never put"),
    CASE("a far memo never put", "\x80\x02j\xff\xff\xff\xff.", "never put"),
    CASE("a hole in the memo", "\x80\x02}q\x09h\x04.", "never put"),
    CASE("a memo of 2^32 - 1", "\x80\x02}r\xff\xff\xff\xff.", "memo grows"),
    CASE("a memo of nothing", "\x80\x02q\0.", "stack is empty"),
    CASE("a memo of a mark", "\x80\x02(q\0.", "stack is empty"),
    CASE("LONG4 of 2 GB", "\x80\x02\x8b\xff\xff\xff\x7f.", "0x8b"),
    CASE("LONG1 of 255 bytes", "\x80\x02\x8a\xff.", "64 bits"),
    CASE("LONG1 of 9 bytes", "\x80\x02\x8a\x09\0\0\0\0\0\0\0\0\x01.", "64 bits"),
    CASE("a string of 4 GB", "\x80\x02X\xff\xff\xff\xff.", "too long"),
    CASE("a string past the end", "\x80\x02X\xff\0\0\0abc.", "in the middle"),
    CASE("BINUNICODE8", "\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", "0x8d"),
    CASE("BINBYTES8", "\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xff.", "0x8e"),
    CASE("BYTEARRAY8", "\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\xff.", "0x96"),
    CASE("NEXT_BUFFER", "\x80\x05\x97.", "0x97"),
    CASE("POP", "\x80\x02}}0.", "0x30"),
    CASE("DUP", "\x80\x02}2.", "0x32"),
    CASE("STOP on an empty stack", "\x80\x02.", NULL),
    CASE("STOP on a mark", "\x80\x02(.", NULL),
    CASE("no STOP", "\x80\x02}", "in the middle"),
    CASE("an empty pickle", "", "in the middle"),
    CASE("bytes behind STOP", "\x80\x02}.cos\nsystem\n", "behind its end"),
    CASE("two values at STOP", "\x80\x02}}.", "more on its stack"),
    CASE("TUPLE without MARK", "\x80\x02t.", "no mark"),
    CASE("TUPLE3 of two", "\x80\x02NN\x87.", NULL),
    CASE("TUPLE2 over a mark", "\x80\x02N(N\x86.", NULL),
    CASE("an odd number of items", "\x80\x02}(X\x01\0\0\0wu.", "without a value"),
    CASE("SETITEMS on nothing", "\x80\x02(NNu.", "no dict"),
    CASE("SETITEM on a list", "\x80\x02]NNs.", "no dict"),
    CASE("APPEND to a dict", "\x80\x02}Na.", "no list"),
    CASE("a tuple as key", "\x80\x02})Ns.", "no string"),
    CASE("protocol 0", "(dp0\nS'w'\np1\nI1\ns.", "0x64"),
    CASE("protocol 255", "\x80\xff}.", "protocol"),
    /* no state_dict */
    CASE("a number", "\x80\x02K\x01.", "state_dict"),
    CASE("a list", "\x80\x02].", "state_dict"),
    CASE("a global", "\x80\x02" OD ".", "state_dict"),
    CASE("an empty dict", "\x80\x02}.", "no tensor"),
    CASE("a dict in itself", "\x80\x02}q\0X\x01\0\0\0ah\0s.", "deeper"),
    CASE("a state_dict in itself", "\x80\x02}q\0X\x0a\0\0\0state_dicth\0s.", "deeper"),
};

static void test_hostile_pickles(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++)
    refused_pickle(hostile[i].what, hostile[i].bytes, hostile[i].n, hostile[i].words);
}

/* ---- bombs */

/* 30 dicts, each holding the one before twice: 2^30 paths in 600 bytes. */
static void test_doubling_dicts(void **state) {
  (void)state;
  test_pickle p = {.n = 0};
  pickle_bytes(&p, "\x80\x02}(", 4);
  for (unsigned k = 1; k <= 30; k++) {
    pickle_string(&p, "x");
    pickle_op(&p, '}');
    for (unsigned twice = 0; twice < 2 && k > 1; twice++) {
      pickle_string(&p, twice ? "a" : "b");
      pickle_bytes(&p, (unsigned char[]){'h', (unsigned char)(k - 1), 's'}, 3);
    }
    pickle_bytes(&p, (unsigned char[]){'q', (unsigned char)k}, 2);
  }
  pickle_bytes(&p, "u.", 2);
  refused_pickle("doubling dicts", p.bytes, p.n, "entries");
}

static void test_deep_dicts(void **state) {
  (void)state;
  test_pickle p = {.n = 0};
  pickle_bytes(&p, "\x80\x02", 2);
  for (int k = 0; k < 1000; k++) {
    pickle_op(&p, '}');
    pickle_string(&p, "a");
  }
  pickle_op(&p, 'N');
  for (int k = 0; k < 1000; k++) pickle_op(&p, 's');
  pickle_op(&p, '.');
  refused_pickle("deep dicts", p.bytes, p.n, "deeper");
}

/* A megabyte of one byte each: marks, empty dicts, tuples around tuples. */
static void test_long_runs(void **state) {
  (void)state;
  size_t n = 2 << 20;
  unsigned char *bytes = malloc(n);
  assert_non_null(bytes);
  const char *runs[] = {"(", "}", "N", ")\x85", "]"};
  for (size_t r = 0; r < sizeof runs / sizeof *runs; r++) {
    memset(bytes, runs[r][strlen(runs[r]) - 1], n);
    memcpy(bytes, "\x80\x02", 2);
    bytes[2] = (unsigned char)runs[r][0];
    bytes[n - 1] = '.';
    refused_pickle(runs[r], bytes, n, NULL);
  }
  free(bytes);
}

static void test_large_pickle(void **state) {
  (void)state;
  test_zip zip;
  test_zip_start(&zip);
  test_zip_add(&zip, "archive/data.pkl", NULL, GM_PICKLE_MAX_BYTES + 1);
  test_zip_finish(&zip, true);
  refused_file(zip.path, "large pickle", "wanted at most");
  test_zip_free(&zip);
}

static void test_long_names(void **state) {
  (void)state;
  test_pickle p = {.n = 0};
  char name[600];
  memset(name, 'n', sizeof name - 1);
  name[sizeof name - 1] = 0;
  pickle_bytes(&p, "\x80\x02}", 3);
  pickle_string(&p, name);
  pickle_op(&p, '}');
  pickle_string(&p, name);
  pickle_tensor(&p, "FloatStorage", "0", 2, 0, 0, NULL, NULL);
  pickle_bytes(&p, "ss.", 3);
  refused_pickle("long names", p.bytes, p.n, "name of more than");
}

/* ---- TorchScript */

static void refused_script(const char *what, const char *pickle, size_t n) {
  test_zip zip;
  test_zip_start(&zip);
  test_zip_add(&zip, "archive/data.pkl", pickle, n);
  test_zip_add(&zip, "archive/data/0", storage, sizeof storage);
  test_zip_add(&zip, "archive/constants.pkl", ").", 2);
  test_zip_finish(&zip, true);
  refused_file(zip.path, what, NULL);
  test_zip_free(&zip);
}

static void test_hostile_scripts(void **state) {
  (void)state;
  const bytes_case cases[] = {
      CASE("a name beside __torch__",
           "\x80\x02"
           "c__torch__x\nM\n)\x81}b.",
           NULL),
      CASE("a call of a class",
           "\x80\x02"
           "c__torch__.a\nM\n)R.",
           NULL),
      CASE("arguments",
           "\x80\x02"
           "c__torch__.a\nM\n(K\x01t\x81}b.",
           NULL),
      CASE("state that is no dict",
           "\x80\x02"
           "c__torch__.a\nM\n)\x81)b.",
           NULL),
      CASE("os.system",
           "\x80\x02"
           "cos\nsystem\n)\x81}b.",
           NULL),
      CASE("items on an object",
           "\x80\x02"
           "c__torch__.a\nM\n)\x81NNs.",
           NULL),
      CASE("an object in itself",
           "\x80\x02"
           "c__torch__.a\nM\n)\x81q\0}X\x01\0\0\0ah\0sb.",
           NULL),
      CASE("built twice",
           "\x80\x02"
           "c__torch__.a\nM\n)\x81}X\x01\0\0\0aNsb}X\x01\0\0\0bNsb.",
           NULL),
      CASE("nothing in it",
           "\x80\x02"
           "c__torch__.a\nM\n)\x81}b.",
           NULL),
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    refused_script(cases[i].what, cases[i].bytes, cases[i].n);
}

/* ---- views of storages */

typedef struct view_case {
  const char *what, *type, *key;
  int64_t n, offset; /* the file holds 8 bytes */
  size_t n_dims;
  int64_t shape[5], stride[5];
  const char *words;
} view_case;

#define BIG INT64_MAX

static const view_case views[] = {
    {"no such member", "FloatStorage", "1", 2, 0, 1, {2}, {1}, "no member"},
    {"a storage larger than its member", "FloatStorage", "0", 3, 0, 1, {2}, {1}, "wanted 3"},
    {"a storage smaller than its member", "FloatStorage", "0", 1, 0, 1, {1}, {1}, "wanted 1"},
    {"a storage of wrapping size", "DoubleStorage", "0", BIG, 0, 1, {2}, {1}, "elements"},
    {"one element too many", "FloatStorage", "0", 2, 0, 1, {3}, {1}, "3 places"},
    {"an offset past the end", "FloatStorage", "0", 2, 2, 1, {1}, {1}, "offset 2"},
    {"a scalar past the end", "FloatStorage", "0", 2, 2, 0, {0}, {0}, "offset 2"},
    {"a wrapping offset", "FloatStorage", "0", 2, BIG, 1, {2}, {1}, "offset"},
    {"a negative offset", "FloatStorage", "0", 2, -1, 1, {1}, {1}, "offset"},
    {"a negative size", "FloatStorage", "0", 2, 0, 1, {-1}, {1}, "shape"},
    {"a negative stride", "FloatStorage", "0", 2, 1, 1, {2}, {-1}, "strides"},
    {"a stride past the end", "FloatStorage", "0", 2, 0, 1, {2}, {2}, "3 places"},
    {"an expanded view", "FloatStorage", "0", 2, 0, 1, {1 << 30}, {0}, ".contiguous()"},
    {"an expanded row", "FloatStorage", "0", 2, 0, 2, {1 << 30, 2}, {0, 1}, ".contiguous()"},
    {"overlapping rows", "FloatStorage", "0", 2, 0, 2, {2, 2}, {1, 1}, ".contiguous()"},
    {"a wrapping stride", "FloatStorage", "0", 2, 0, 1, {BIG}, {BIG}, "wrap"},
    {"a wrapping shape", "FloatStorage", "0", 2, 0, 2, {BIG, BIG}, {BIG, 1}, "wrap"},
    {"five dimensions", "FloatStorage", "0", 2, 0, 5, {1, 1, 1, 1, 1}, {1, 1, 1, 1, 1}, "0..4"},
};

static void test_hostile_views(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
    const view_case *v = &views[i];
    test_pickle p = {.n = 0};
    pickle_bytes(&p, "\x80\x02}", 3);
    pickle_string(&p, "w");
    pickle_tensor(&p, v->type, v->key, v->n, v->offset, v->n_dims, v->shape, v->stride);
    pickle_bytes(&p, "s.", 2);
    refused_pickle(v->what, p.bytes, p.n, v->words);
  }
}

/* ---- ZIP */

static void small_pickle(test_pickle *p) {
  p->n = 0;
  pickle_bytes(p, "\x80\x02}", 3);
  pickle_string(p, "w");
  pickle_tensor(p, "FloatStorage", "0", 2, 0, 1, (int64_t[]){2}, NULL);
  pickle_bytes(p, "s.", 2);
}

static void start_small(test_zip *zip) {
  test_pickle p;
  small_pickle(&p);
  test_zip_start(zip);
  test_zip_add(zip, "archive/data.pkl", p.bytes, p.n);
  test_zip_add(zip, "archive/data/0", storage, sizeof storage);
}

static void finish_refused(test_zip *zip, bool zip64, const char *what, const char *words) {
  test_zip_finish(zip, zip64);
  refused_file(zip->path, what, words);
  test_zip_free(zip);
}

static void test_small_archive_is_fine(void **state) {
  (void)state;
  for (int zip64 = 0; zip64 < 2; zip64++) {
    gm_error err = {0};
    gm_checkpoint *c;
    test_zip zip;
    start_small(&zip);
    test_zip_finish(&zip, zip64);
    assert_ok(gm_torch_open(&c, zip.path, &err), &err);
    assert_int_equal(c->n_tensors, 1);
    gm_checkpoint_close(c);
    test_zip_free(&zip);
  }
}

/* A directory that lists other members than the file has. */
static void test_hostile_directories(void **state) {
  (void)state;
  test_zip zip;
  const uint64_t sizes[] = {9, 1 << 20, UINT32_MAX, UINT64_MAX, UINT64_MAX - 200, INT64_MAX};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    start_small(&zip);
    zip.members[1].size = sizes[i];
    /* 9 bytes reach one byte into the directory, the rest out of the file. */
    finish_refused(&zip, true, "a member's size", "reach beyond");
    start_small(&zip);
    zip.members[1].header = sizes[i];
    finish_refused(&zip, true, "a member's header", "local header");
  }
  start_small(&zip);
  zip.members[0].size += 1;
  finish_refused(&zip, true, "overlap", "overlap");
  start_small(&zip);
  zip.members[2] = zip.members[1];
  zip.n_members = 3;
  finish_refused(&zip, true, "one member twice", "overlap");
  start_small(&zip);
  test_zip_add(&zip, "archive/data/0", storage, sizeof storage);
  finish_refused(&zip, true, "two members of one name", "two members");
  start_small(&zip);
  zip.members[1].header = zip.members[0].header;
  finish_refused(&zip, true, "another member's header", "disagrees");
  start_small(&zip);
  zip.members[0].name[0] = 'x';
  finish_refused(&zip, true, "another name", "disagrees");
  start_small(&zip);
  zip.members[0].name[0] = 0;
  finish_refused(&zip, true, "no name", "name of 0 bytes");
  start_small(&zip);
  zip.members[0].method = 8;
  finish_refused(&zip, true, "compressed in the directory alone", "disagrees");
  start_small(&zip);
  zip.members[0].method = 8;
  test_zip_patch(&zip, zip.members[0].header + 8, "\x08", 1);
  finish_refused(&zip, true, "a compressed pickle", "compressed");
  start_small(&zip);
  zip.members[1].method = 8;
  test_zip_patch(&zip, zip.members[1].header + 8, "\x08", 1);
  finish_refused(&zip, true, "a compressed tensor", "compressed");
}

typedef struct patch_case {
  const char *what;
  enum { CENTRAL, END64, LOCATOR, END, LOCAL } where;
  uint64_t offset;
  const char *bytes;
  size_t n;
  const char *words;
} patch_case;

#define PATCH(what, where, offset, bytes, words)                                               \
  { what, where, offset, bytes, sizeof(bytes) - 1, words }

static const patch_case patches[] = {
    PATCH("encrypted", CENTRAL, 8, "\x09", "encrypted"),
    PATCH("no entry", CENTRAL, 0, "X", "no ZIP directory entry"),
    PATCH("another disk", CENTRAL, 34, "\x01", "disk"),
    PATCH("two sizes", CENTRAL, 24, "\x01", "two sizes"),
    PATCH("no ZIP64 field", CENTRAL, 20, "\xff\xff\xff\xff", "ZIP64 field"),
    PATCH("a name of 64 KB", CENTRAL, 28, "\xff\xff", "cut short"),
    PATCH("extra fields of 64 KB", CENTRAL, 30, "\xff\xff", "cut short"),
    PATCH("NUL in a name", CENTRAL, 50, "\0", "NUL"),
    PATCH("no local header", LOCAL, 0, "X", "local header"),
    PATCH("a local name of 64 KB", LOCAL, 26, "\xff\xff", "disagrees"),
    PATCH("local extra fields of 64 KB", LOCAL, 28, "\xff\xff", "reach beyond"),
    PATCH("no members", END64, 24, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "disagree"),
    PATCH("members on disks", END64, 24, "\x01", "disks"),
    PATCH("2^64 - 1 members", END64, 24,
          "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "disagree"),
    PATCH("a directory of 2^64 - 1 bytes", END64, 40, "\xff\xff\xff\xff\xff\xff\xff\xff",
          "disagree"),
    PATCH("a directory at 2^64 - 1", END64, 48, "\xff\xff\xff\xff\xff\xff\xff\xff", "disagree"),
    PATCH("a long end record", END64, 4, "\xff\xff\xff\xff\xff\xff\xff\xff", "end record of"),
    PATCH("a short end record", END64, 4, "\x2b", "end record of"),
    PATCH("no ZIP64 record", END64, 0, "X", "no ZIP64 end record"),
    PATCH("a record at 2^64 - 1", LOCATOR, 8, "\xff\xff\xff\xff\xff\xff\xff\xff",
          "no ZIP64 end record"),
    PATCH("a record at 0", LOCATOR, 8, "\0\0\0\0\0\0\0\0", "no ZIP64 end record"),
    PATCH("a locator of disks", LOCATOR, 16, "\x02", "disks"),
    PATCH("no locator", LOCATOR, 0, "X", "does not end"),
    PATCH("no end record", END, 0, "X", "no ZIP end record"),
    PATCH("a comment that is not there", END, 20, "\x01", "no ZIP end record"),
    PATCH("another count", END, 10, "\x03", "disagree"),
    PATCH("another directory", END, 16, "\x01\x02\x03\x04", "disagree"),
};

static void test_hostile_records(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof patches / sizeof *patches; i++) {
    const patch_case *c = &patches[i];
    test_zip zip;
    start_small(&zip);
    test_zip_finish(&zip, true);
    uint64_t base[] = {[CENTRAL] = zip.central,
                       [END64] = zip.end - 76,
                       [LOCATOR] = zip.end - 20,
                       [END] = zip.end,
                       [LOCAL] = zip.members[1].header};
    test_zip_patch(&zip, base[c->where] + c->offset, c->bytes, c->n);
    refused_file(zip.path, c->what, c->words);
    test_zip_free(&zip);
  }
}

/* With saturated classic fields the ZIP64 ones are used, which are absurd here. */
static void test_hostile_zip64(void **state) {
  (void)state;
  const patch_case cases[] = {
      PATCH("2^63 members", END64, 24, "\0\0\0\0\0\0\0\x80\0\0\0\0\0\0\0\x80",
            "members, wanted"),
      PATCH("too many members", END64, 24, "\x02\0\x01\0\0\0\0\0\x02\0\x01", "members, wanted"),
      PATCH("no members", END64, 24, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "members, wanted"),
      PATCH("a directory of 2^64 - 1 bytes", END64, 40, "\xff\xff\xff\xff\xff\xff\xff\xff",
            "does not end"),
      PATCH("a directory at 2^64 - 1", END64, 48, "\xff\xff\xff\xff\xff\xff\xff\xff",
            "does not end"),
      PATCH("size and offset that wrap to the right sum", END64, 40,
            "\0\0\0\0\0\0\0\x80\0\0\0\0\0\0\0\x80", "does not end"),
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    test_zip zip;
    start_small(&zip);
    test_zip_finish(&zip, true);
    test_zip_patch(&zip, zip.end + 8, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12);
    gm_error err = {0};
    gm_checkpoint *c;
    assert_ok(gm_torch_open(&c, zip.path, &err), &err);
    gm_checkpoint_close(c);
    test_zip_patch(&zip, zip.end - 76 + cases[i].offset, cases[i].bytes, cases[i].n);
    refused_file(zip.path, cases[i].what, cases[i].words);
    test_zip_free(&zip);
  }
}

static void test_wrong_members(void **state) {
  (void)state;
  test_zip zip;
  test_pickle p;
  small_pickle(&p);
  test_zip_start(&zip);
  test_zip_add(&zip, "word/document.xml", p.bytes, p.n);
  finish_refused(&zip, false, "another kind of ZIP", "without NAME/data.pkl");
  test_zip_start(&zip);
  test_zip_add(&zip, "a/b/data.pkl", p.bytes, p.n);
  finish_refused(&zip, false, "a deeper pickle", "without NAME/data.pkl");
  start_small(&zip);
  test_zip_add(&zip, "other/data.pkl", p.bytes, p.n);
  finish_refused(&zip, true, "two pickles", "two pickles");
  start_small(&zip);
  test_zip_add(&zip, "archive/byteorder", "big", 3);
  finish_refused(&zip, true, "big endian", "big-endian");
}

/* The small archive cut at each byte, and with each byte changed: refused or read, nothing
 * else. */
static void test_every_byte(void **state) {
  (void)state;
  test_zip zip;
  start_small(&zip);
  test_zip_finish(&zip, true);
  size_t n;
  unsigned char *bytes = test_read_file(zip.path, &n);
  const unsigned char masks[] = {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff};
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < sizeof masks; k++) {
      gm_error err = {0};
      gm_checkpoint *c = NULL;
      test_zip_patch(&zip, i, &(unsigned char){(unsigned char)(bytes[i] ^ masks[k])}, 1);
      gm_status status = gm_torch_open(&c, zip.path, &err);
      assert_true(status == GM_OK || (status == GM_ERR_MODEL && *err.message));
      float values[2];
      for (size_t t = 0; c && t < c->n_tensors && c->tensors[t].n_elements <= 2; t++)
        gm_checkpoint_read(c, t, 0, c->tensors[t].n_elements, values, NULL);
      gm_checkpoint_close(c);
      test_zip_patch(&zip, i, &bytes[i], 1);
    }
  for (size_t length = n; length-- > 0;) {
    assert_int_equal(ftruncate(zip.fd, (off_t)length), 0);
    refused_file(zip.path, "cut", NULL);
  }
  free(bytes);
  test_zip_free(&zip);
}

/* ---- files that are not ZIP */

static void refused_bytes(const char *what, const char *bytes, size_t n, const char *words) {
  test_zip zip;
  test_zip_start(&zip);
  test_zip_patch(&zip, 0, bytes, n);
  refused_file(zip.path, what, words);
  test_zip_free(&zip);
}

static void test_other_files(void **state) {
  (void)state;
  /* The first bytes of torch.save before 1.6: PROTO 2 and a magic number as LONG1. */
  static const char legacy[] = "\x80\x02\x8a\x0al\xfc\x9c"
                               "F\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.";
  refused_bytes("legacy", legacy, sizeof legacy - 1, "torch.save");
  refused_bytes("a web page", "<!doctype html>", 15, "download it again");
  refused_bytes("an empty file", "", 0, "download it again");
  gm_error err = {0};
  gm_checkpoint *c;
  assert_int_equal(gm_torch_open(&c, "/nonexistent.bin", &err), GM_ERR_FILE_NOT_FOUND);
  assert_int_equal(gm_torch_open(&c, "/tmp", &err), GM_ERR_IO);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_small_archive_is_fine),
      cmocka_unit_test(test_hostile_pickles),
      cmocka_unit_test(test_doubling_dicts),
      cmocka_unit_test(test_deep_dicts),
      cmocka_unit_test(test_long_runs),
      cmocka_unit_test(test_large_pickle),
      cmocka_unit_test(test_long_names),
      cmocka_unit_test(test_hostile_scripts),
      cmocka_unit_test(test_hostile_views),
      cmocka_unit_test(test_hostile_directories),
      cmocka_unit_test(test_hostile_records),
      cmocka_unit_test(test_hostile_zip64),
      cmocka_unit_test(test_wrong_members),
      cmocka_unit_test(test_every_byte),
      cmocka_unit_test(test_other_files),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
