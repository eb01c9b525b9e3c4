/* torch_pickle.c - see torch_pickle.h. The stack machine; torch_rebuild.c gives globals their
 * meaning. */
#include "torch_pickle.h"

#include "bytes.h"
#include "torch_rebuild.h"

#include <assert.h>
#include <string.h>

enum opcode {
  OP_MARK = '(',
  OP_STOP = '.',
  OP_BINFLOAT = 'G',
  OP_BININT = 'J',
  OP_BININT1 = 'K',
  OP_BININT2 = 'M',
  OP_NONE = 'N',
  OP_BINPERSID = 'Q',
  OP_REDUCE = 'R',
  OP_BINUNICODE = 'X',
  OP_EMPTY_LIST = ']',
  OP_APPEND = 'a',
  OP_BUILD = 'b',
  OP_GLOBAL = 'c',
  OP_APPENDS = 'e',
  OP_BINGET = 'h',
  OP_LONG_BINGET = 'j',
  OP_BINPUT = 'q',
  OP_LONG_BINPUT = 'r',
  OP_SETITEM = 's',
  OP_TUPLE = 't',
  OP_SETITEMS = 'u',
  OP_EMPTY_DICT = '}',
  OP_EMPTY_TUPLE = ')',
  OP_PROTO = 0x80,
  OP_NEWOBJ = 0x81,
  OP_TUPLE1 = 0x85,
  OP_TUPLE2 = 0x86,
  OP_TUPLE3 = 0x87,
  OP_NEWTRUE = 0x88,
  OP_NEWFALSE = 0x89,
  OP_LONG1 = 0x8a,
  OP_SHORT_BINUNICODE = 0x8c,
  OP_STACK_GLOBAL = 0x93,
  OP_MEMOIZE = 0x94,
  OP_FRAME = 0x95
};

/* Growing array of values in the arena: the stack, where NULL is a mark, and the memo, where
 * NULL is an empty place. */
typedef struct value_list {
  gm_pickle_value **at;
  size_t n, capacity;
} value_list;

typedef struct machine {
  const unsigned char *bytes;
  size_t size, at;
  bool script;
  value_list stack, memo;
  size_t n_values, n_memoized; /* n_memoized: places of the memo in use */
  gm_arena *arena;
  gm_error *err;
} machine;

static gm_status bad(machine *m, const char *what) {
  return gm_fail(m->err, GM_ERR_MODEL, "%s", what);
}

static gm_status reserve(machine *m, value_list *list, size_t n) {
  assert(list->n <= list->capacity);
  if (n <= list->capacity) return GM_OK;
  size_t capacity = 2 * list->capacity > n ? 2 * list->capacity : n;
  gm_pickle_value **at = gm_arena_alloc(m->arena, capacity * sizeof *at);
  if (!at) return gm_fail_memory(m->err, "a pickle", capacity * sizeof *at);
  if (list->n) memcpy(at, list->at, list->n * sizeof *at);
  list->at = at;
  list->capacity = capacity;
  return GM_OK;
}

static gm_status push(machine *m, gm_pickle_value *value) {
  if (m->stack.n >= GM_PICKLE_MAX_STACK) return bad(m, "the pickle's stack grows too deep");
  GM_TRY(reserve(m, &m->stack, m->stack.n + 1));
  m->stack.at[m->stack.n++] = value;
  return GM_OK;
}

static gm_status pop(machine *m, gm_pickle_value **out) {
  if (m->stack.n == 0 || !m->stack.at[m->stack.n - 1])
    return bad(m, "the pickle takes more from its stack than it has put there");
  *out = m->stack.at[--m->stack.n];
  return GM_OK;
}

/* Pops the values above the topmost mark, and the mark; *items stays valid until the next push.
 */
static gm_status pop_mark(machine *m, gm_pickle_value ***items, size_t *n) {
  size_t at = m->stack.n;
  while (at > 0 && m->stack.at[at - 1]) at--;
  if (at == 0) return bad(m, "the pickle has no mark where it needs one");
  assert(!m->stack.at[at - 1]); /* the mark */
  *items = m->stack.at + at;
  *n = m->stack.n - at;
  m->stack.n = at - 1;
  return GM_OK;
}

static gm_status new_value(machine *m, gm_pickle_kind kind, gm_pickle_value **out) {
  if (m->n_values++ >= GM_PICKLE_MAX_VALUES) return bad(m, "the pickle makes too many values");
  gm_pickle_value *value = gm_arena_alloc(m->arena, sizeof *value);
  if (!value) return gm_fail_memory(m->err, "a pickle", sizeof *value);
  *value = (gm_pickle_value){.kind = kind};
  *out = value;
  return GM_OK;
}

static gm_status push_new(machine *m, gm_pickle_kind kind, int64_t integer) {
  gm_pickle_value *value;
  GM_TRY(new_value(m, kind, &value));
  if (kind == GM_PICKLE_BOOL || kind == GM_PICKLE_INT) value->integer = integer;
  return push(m, value);
}

/* ---- bytes */

static gm_status take(machine *m, size_t n, const unsigned char **out) {
  assert(m->at <= m->size);
  if (n > m->size - m->at) return bad(m, "the pickle ends in the middle of an instruction");
  *out = m->bytes + m->at;
  m->at += n;
  return GM_OK;
}

/* Little-endian unsigned number of n <= 8 bytes. */
static gm_status take_number(machine *m, size_t n, uint64_t *out) {
  assert(n <= sizeof *out);
  const unsigned char *p;
  GM_TRY(take(m, n, &p));
  *out = gm_le(p, n);
  return GM_OK;
}

static gm_status push_int(machine *m, size_t width, bool is_signed) {
  uint64_t number;
  GM_TRY(take_number(m, width, &number));
  if (is_signed && width == 4) return push_new(m, GM_PICKLE_INT, (int32_t)(uint32_t)number);
  return push_new(m, GM_PICKLE_INT, (int64_t)number);
}

/* LONG1: two's complement of 0..8 bytes; longer numbers cannot be sizes. */
static gm_status push_long(machine *m) {
  uint64_t n, number = 0;
  GM_TRY(take_number(m, 1, &n));
  if (n > 8) return bad(m, "the pickle holds an integer of more than 64 bits");
  GM_TRY(take_number(m, (size_t)n, &number));
  if (n > 0 && n < 8 && number >> (8 * n - 1)) number |= UINT64_MAX << (8 * n);
  return push_new(m, GM_PICKLE_INT, (int64_t)number);
}

static gm_status push_string(machine *m, size_t length_width) {
  uint64_t length;
  const unsigned char *text;
  GM_TRY(take_number(m, length_width, &length));
  if (length > GM_PICKLE_MAX_STRING)
    return bad(m, "the pickle holds a string that is too long");
  GM_TRY(take(m, (size_t)length, &text));
  gm_pickle_value *value;
  GM_TRY(new_value(m, GM_PICKLE_STRING, &value));
  value->text = (const char *)text;
  value->n = (uint32_t)length;
  return push(m, value);
}

/* ---- containers */

static bool is_dict(const gm_pickle_value *value) {
  return value->kind == GM_PICKLE_DICT || value->kind == GM_PICKLE_ORDERED_DICT;
}

static gm_status extend(machine *m, gm_pickle_value *to, gm_pickle_value *const *items,
                        size_t n) {
  if (n == 0) return GM_OK;
  value_list list = {to->items, to->n, to->capacity};
  GM_TRY(reserve(m, &list, list.n + n));
  memcpy(list.at + list.n, items, n * sizeof *items);
  to->items = list.at;
  to->n = (uint32_t)(list.n + n);
  to->capacity = (uint32_t)list.capacity;
  return GM_OK;
}

static gm_status push_tuple(machine *m, gm_pickle_value *const *items, size_t n) {
  gm_pickle_value *tuple;
  GM_TRY(new_value(m, GM_PICKLE_TUPLE, &tuple));
  if (n > 0) {
    tuple->items = gm_arena_alloc(m->arena, n * sizeof *items);
    if (!tuple->items) return gm_fail_memory(m->err, "a pickle", n * sizeof *items);
    memcpy(tuple->items, items, n * sizeof *items);
    tuple->n = tuple->capacity = (uint32_t)n;
  }
  return push(m, tuple);
}

static gm_status push_short_tuple(machine *m, size_t n) {
  gm_pickle_value *items[3];
  assert(n >= 1 && n <= 3);
  for (size_t i = n; i-- > 0;) GM_TRY(pop(m, &items[i]));
  return push_tuple(m, items, n);
}

static gm_status push_marked_tuple(machine *m) {
  gm_pickle_value **items;
  size_t n;
  GM_TRY(pop_mark(m, &items, &n));
  return push_tuple(m, items, n);
}

/* Adds to the container on top of the stack, which stays there. */
static gm_status add_to_top(machine *m, bool dict, gm_pickle_value *const *items, size_t n) {
  gm_pickle_value *top = m->stack.n ? m->stack.at[m->stack.n - 1] : NULL;
  if (!top || (dict ? !is_dict(top) : top->kind != GM_PICKLE_LIST))
    return bad(m, dict ? "the pickle sets items of what is no dict"
                       : "the pickle appends to what is no list");
  if (dict && n % 2) return bad(m, "the pickle sets a key without a value");
  for (size_t i = 0; dict && i < n; i += 2)
    if (items[i]->kind != GM_PICKLE_STRING && items[i]->kind != GM_PICKLE_INT)
      return bad(m, "the pickle has a dict key that is no string");
  return extend(m, top, items, n);
}

static gm_status add_marked(machine *m, bool dict) {
  gm_pickle_value **items;
  size_t n;
  GM_TRY(pop_mark(m, &items, &n));
  return add_to_top(m, dict, items, n);
}

static gm_status add_few(machine *m, bool dict) {
  gm_pickle_value *items[2];
  size_t n = dict ? 2 : 1;
  for (size_t i = n; i-- > 0;) GM_TRY(pop(m, &items[i]));
  return add_to_top(m, dict, items, n);
}

/* ---- memo */

static gm_status memo_put(machine *m, uint64_t index) {
  if (index >= GM_PICKLE_MAX_MEMO) return bad(m, "the pickle's memo grows too large");
  if (m->stack.n == 0 || !m->stack.at[m->stack.n - 1])
    return bad(m, "the pickle memoizes where its stack is empty");
  size_t n = (size_t)index + 1;
  GM_TRY(reserve(m, &m->memo, n));
  for (; m->memo.n < n; m->memo.n++) m->memo.at[m->memo.n] = NULL;
  assert(index < m->memo.n && m->n_memoized <= m->memo.n);
  if (!m->memo.at[index]) m->n_memoized++;
  m->memo.at[index] = m->stack.at[m->stack.n - 1];
  return GM_OK;
}

static gm_status memo_put_wide(machine *m, size_t width) {
  uint64_t index;
  GM_TRY(take_number(m, width, &index));
  return memo_put(m, index);
}

static gm_status memo_get(machine *m, size_t width) {
  uint64_t index;
  GM_TRY(take_number(m, width, &index));
  if (index >= m->memo.n || !m->memo.at[index])
    return bad(m, "the pickle reads a memo that was never put");
  return push(m, m->memo.at[index]);
}

/* ---- globals and what is made of them */

static gm_status push_global(machine *m, const char *module, size_t module_length,
                             const char *name, size_t name_length) {
  gm_pickle_value *value;
  GM_TRY(new_value(m, GM_PICKLE_GLOBAL, &value));
  GM_TRY(gm_torch_global(value, module, module_length, name, name_length, m->script, m->err));
  return push(m, value);
}

static gm_status take_line(machine *m, const char **text, size_t *length) {
  const unsigned char *from = m->bytes + m->at;
  const unsigned char *end = memchr(from, '\n', m->size - m->at);
  if (!end || end - from > GM_PICKLE_MAX_STRING)
    return bad(m, "the pickle names a global that does not end");
  *text = (const char *)from;
  *length = (size_t)(end - from);
  m->at += *length + 1;
  return GM_OK;
}

static gm_status do_global(machine *m) {
  const char *module, *name;
  size_t module_length, name_length;
  GM_TRY(take_line(m, &module, &module_length));
  GM_TRY(take_line(m, &name, &name_length));
  return push_global(m, module, module_length, name, name_length);
}

static gm_status do_stack_global(machine *m) {
  gm_pickle_value *module, *name;
  GM_TRY(pop(m, &name));
  GM_TRY(pop(m, &module));
  if (module->kind != GM_PICKLE_STRING || name->kind != GM_PICKLE_STRING)
    return bad(m, "the pickle asks for a global whose name is no string");
  return push_global(m, module->text, module->n, name->text, name->n);
}

static gm_status do_persistent(machine *m) {
  gm_pickle_value *id, *storage;
  GM_TRY(pop(m, &id));
  GM_TRY(new_value(m, GM_PICKLE_STORAGE, &storage));
  GM_TRY(gm_torch_persistent(storage, id, m->err));
  return push(m, storage);
}

static gm_status reduce_tensor(machine *m, const gm_pickle_value *args) {
  gm_pickle_value *value;
  GM_TRY(new_value(m, GM_PICKLE_TENSOR, &value));
  gm_torch_view *view = gm_arena_alloc(m->arena, sizeof *view);
  if (!view) return gm_fail_memory(m->err, "a pickle", sizeof *view);
  GM_TRY(gm_torch_rebuild_tensor(view, args, m->err));
  value->view = view;
  return push(m, value);
}

static gm_status do_reduce(machine *m) {
  gm_pickle_value *callable, *args;
  GM_TRY(pop(m, &args));
  GM_TRY(pop(m, &callable));
  if (callable->kind != GM_PICKLE_GLOBAL || args->kind != GM_PICKLE_TUPLE)
    return bad(m, "the pickle calls what is no function");
  switch (callable->global.which) {
  case GM_GLOBAL_REBUILD_TENSOR:
    return reduce_tensor(m, args);
  case GM_GLOBAL_REBUILD_PARAMETER: /* (tensor, requires_grad, hooks): the tensor itself */
    if (args->n != 3 || args->items[0]->kind != GM_PICKLE_TENSOR)
      return bad(m, "_rebuild_parameter without its tensor");
    return push(m, args->items[0]);
  case GM_GLOBAL_ORDERED_DICT:
    if (args->n != 0) return bad(m, "OrderedDict is made with arguments; wanted none");
    return push_new(m, GM_PICKLE_ORDERED_DICT, 0);
  case GM_GLOBAL_STORAGE:
  case GM_GLOBAL_SCRIPT_CLASS:
    break;
  }
  return bad(m, "the pickle calls a storage or class, which weights do not need");
}

static gm_status do_newobj(machine *m) {
  gm_pickle_value *class, *args;
  GM_TRY(pop(m, &args));
  GM_TRY(pop(m, &class));
  if (class->kind != GM_PICKLE_GLOBAL || class->global.which != GM_GLOBAL_SCRIPT_CLASS ||
      args->kind != GM_PICKLE_TUPLE || args->n != 0)
    return bad(m, "the pickle makes an object that is no TorchScript module");
  return push_new(m, GM_PICKLE_OBJECT, 0);
}

/* Sets a module's attributes, once. A state_dict's OrderedDict has _metadata (the versions of
 * its modules), which is dropped. */
static gm_status do_build(machine *m) {
  gm_pickle_value *state, *object;
  GM_TRY(pop(m, &state));
  GM_TRY(pop(m, &object));
  if (!is_dict(state)) return bad(m, "the pickle builds an object from what is no dict");
  if (object->kind == GM_PICKLE_OBJECT) {
    if (object->n != 0) return bad(m, "the pickle builds an object twice");
    GM_TRY(extend(m, object, state->items, state->n));
  } else if (object->kind != GM_PICKLE_ORDERED_DICT) {
    return bad(m, "the pickle builds what is no TorchScript module");
  }
  return push(m, object);
}

/* ---- the machine */

static gm_status refuse(machine *m, unsigned op) {
  return gm_fail(m->err, GM_ERR_MODEL,
                 "instruction 0x%02x, which torch.save does not write; if the file is to be "
                 "trusted, save its state_dict again with a current PyTorch",
                 op);
}

static gm_status skip(machine *m, size_t n) {
  const unsigned char *ignored;
  return take(m, n, &ignored);
}

static gm_status do_proto(machine *m) {
  uint64_t protocol;
  GM_TRY(take_number(m, 1, &protocol));
  return protocol >= 2 && protocol <= 5 ? GM_OK : bad(m, "a pickle protocol other than 2 to 5");
}

/* An instruction that pushes a constant. */
static gm_status step_constant(machine *m, unsigned op) {
  switch (op) {
  case OP_NONE:
    return push_new(m, GM_PICKLE_NONE, 0);
  case OP_NEWTRUE:
  case OP_NEWFALSE:
    return push_new(m, GM_PICKLE_BOOL, op == OP_NEWTRUE);
  case OP_BININT:
    return push_int(m, 4, true);
  case OP_BININT1:
    return push_int(m, 1, false);
  case OP_BININT2:
    return push_int(m, 2, false);
  case OP_LONG1:
    return push_long(m);
  case OP_BINFLOAT:
    GM_TRY(skip(m, 8));
    return push_new(m, GM_PICKLE_FLOAT, 0);
  case OP_BINUNICODE:
    return push_string(m, 4);
  case OP_SHORT_BINUNICODE:
    return push_string(m, 1);
  case OP_EMPTY_TUPLE:
    return push_new(m, GM_PICKLE_TUPLE, 0);
  case OP_EMPTY_LIST:
    return push_new(m, GM_PICKLE_LIST, 0);
  case OP_EMPTY_DICT:
    return push_new(m, GM_PICKLE_DICT, 0);
  case OP_GLOBAL:
    return do_global(m);
  default:
    return refuse(m, op);
  }
}

static gm_status step(machine *m, unsigned op) {
  switch (op) {
  case OP_PROTO:
    return do_proto(m);
  case OP_FRAME:
    return skip(m, 8);
  case OP_MARK:
    return push(m, NULL);
  case OP_TUPLE:
    return push_marked_tuple(m);
  case OP_TUPLE1:
  case OP_TUPLE2:
  case OP_TUPLE3:
    return push_short_tuple(m, op - OP_TUPLE1 + 1);
  case OP_APPEND:
    return add_few(m, false);
  case OP_APPENDS:
    return add_marked(m, false);
  case OP_SETITEM:
    return add_few(m, true);
  case OP_SETITEMS:
    return add_marked(m, true);
  case OP_BINPUT:
    return memo_put_wide(m, 1);
  case OP_LONG_BINPUT:
    return memo_put_wide(m, 4);
  case OP_MEMOIZE:
    return memo_put(m, m->n_memoized);
  case OP_BINGET:
    return memo_get(m, 1);
  case OP_LONG_BINGET:
    return memo_get(m, 4);
  case OP_STACK_GLOBAL:
    return do_stack_global(m);
  case OP_BINPERSID:
    return do_persistent(m);
  case OP_REDUCE:
    return do_reduce(m);
  case OP_NEWOBJ:
    return do_newobj(m);
  case OP_BUILD:
    return do_build(m);
  default:
    return step_constant(m, op);
  }
}

static gm_status run(machine *m, const gm_pickle_value **root) {
  uint64_t op;
  for (;;) {
    GM_TRY(take_number(m, 1, &op));
    if (op == OP_STOP) break;
    GM_TRY(step(m, (unsigned)op));
  }
  gm_pickle_value *top;
  GM_TRY(pop(m, &top));
  if (m->stack.n != 0 || m->at != m->size)
    return bad(m, "the pickle ends with more on its stack, or bytes behind its end");
  *root = top;
  return GM_OK;
}

gm_status gm_torch_unpickle(const gm_pickle_value **root, const unsigned char *bytes,
                            size_t size, bool script, gm_arena *arena, gm_error *err) {
  if (size > GM_PICKLE_MAX_BYTES)
    return gm_fail(err, GM_ERR_MODEL, "a pickle of %zu bytes, wanted at most %d", size,
                   GM_PICKLE_MAX_BYTES);
  machine m = {.bytes = bytes, .size = size, .script = script, .arena = arena, .err = err};
  gm_status status = run(&m, root);
  if (status != GM_OK && status != GM_ERR_MEMORY)
    gm_fail_prefix(err, status, "data.pkl, byte %zu", m.at);
  return status;
}
