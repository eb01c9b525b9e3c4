/* options.c - see options.h. */
#include "options.h"

#include "naming.h"
#include "option_rows.h"
#include "terminal.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- suggestions ---- */

/* Levenshtein distance of words up to 31 letters; longer ones are far from everything. */
static size_t distance(const char *a, const char *b) {
  size_t n = strlen(a), m = strlen(b), row[32];
  if (n > 31 || m > 31) return 99;
  for (size_t j = 0; j <= m; j++) row[j] = j;
  for (size_t i = 1; i <= n; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= m; j++) {
      size_t change = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      size_t shorter = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
      row[j] = change < shorter ? change : shorter;
    }
  }
  return row[m];
}

static bool near(const char *word, const char *name, size_t *best) {
  size_t d = distance(word, name), longest = strlen(name);
  if (strlen(word) >= 3 && strncmp(word, name, strlen(word)) == 0) d = 1;
  if (d * 2 > longest || d >= *best) return false;
  *best = d;
  return true;
}

const cli_command *cli_command_named(const char *name) {
  for (const cli_command *c = cli_commands; c->name; c++)
    if (strcmp(c->name, name) == 0) return c;
  return NULL;
}

void cli_report_unknown_command(const char *word) {
  const char *found = NULL;
  size_t best = 4;
  for (const cli_command *c = cli_commands; c->name; c++)
    if (near(word, c->name, &best)) found = c->name;
  if (found)
    cli_error("unknown command '%s'; did you mean %s?", word, found);
  else
    cli_error("unknown command '%s'; try 'gromatic --help'", word);
}

/* Prints "; it is an option of caption, chat" if other commands have it. Returns whether any
 * does. */
static bool report_whose(const char *word) {
  const cli_option_row *row = cli_option_rows;
  while (row->name && strcmp(row->name, word) != 0) row++;
  const char *before = "; it is an option of ";
  for (const cli_command *c = cli_commands; row->name && c->name; c++) {
    bool has = false;
    for (const cli_option_row *r = row; r->name && strcmp(r->name, word) == 0; r++)
      has = has || cli_option_admitted(c, r);
    if (!has) continue;
    cli_print(stderr, "%s%s", before, c->name);
    before = ", ";
  }
  return row->name != NULL;
}

static void report_unknown(const cli_command *command, const char *given) {
  char word[64];
  snprintf(word, sizeof word, "%s", given + strspn(given, "-"));
  word[strcspn(word, "=")] = 0;
  const char *found = NULL;
  size_t best = 4;
  for (const cli_option_row *row = cli_option_rows; row->name; row++)
    if (cli_option_admitted(command, row) && near(word, row->name, &best)) found = row->name;
  cli_print(stderr, "gromatic %s: unknown option '%s'", command->name, given);
  if (!report_whose(word) && found) cli_print(stderr, "; did you mean --%s?", found);
  cli_print(stderr, "\nTry 'gromatic %s --help'.\n", command->name);
}

/* ---- parsing ---- */

static bool parse_count(const char *text, uint64_t *out) {
  char *end;
  errno = 0;
  if (!isdigit((unsigned char)text[0])) return false;
  unsigned long long value = strtoull(text, &end, 10);
  if (errno || *end) return false;
  *out = value;
  return true;
}

static bool parse_number(const char *text, double *out) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end || !isfinite(value)) return false;
  *out = value;
  return true;
}

static bool list_add(cli_list *list, const char *item) {
  const char **grown = realloc(list->items, (list->n + 1) * sizeof *grown);
  if (!grown) return false;
  list->items = grown;
  grown[list->n++] = item;
  return true;
}

#define AT(member) offsetof(cli_args, member)

typedef struct number_range {
  size_t offset; /* in cli_args */
  double least, most;
} number_range;

/* The ranges of numbers that have one. */
static const number_range ranges[] = {
    {AT(threads), 0, 1024},
    {AT(max_det), 0, 100000},
    {AT(conf), 0, 1},
    {AT(iou), 0, 1},
    {AT(min_score), 0, 1},
    {AT(min_present), 0, 1},
    {AT(temperature), 0, HUGE_VAL},
    {AT(top_p), 0, 1},
    {AT(crops), 1, 65536},
    {AT(draws), 1, 65536},
    {AT(redraws), 1, 65536},
    {AT(alpha), 0, 1},
    {AT(beta), 0, 1},
    {AT(image_scale), -13, 13},
    {AT(text_scale), -13, 13},
    {AT(none), -1, 1},
    {AT(stop), 0, 1},
    {AT(merge_iou), 0, 1},
    {AT(dedup_iou), 0, 1},
    {AT(dedup_cosine), 0, 1},
    {AT(seeds), 1, 1000},
    {AT(held_out), 0, 0.5},
    {AT(price_in), 0, HUGE_VAL},
    {AT(price_out), 0, HUGE_VAL},
    {AT(timeout), 1, 86400},
    {AT(request_time), 1, 86400},
    {AT(port), 0, 65535},
    {AT(slots), 1, 256},
    {AT(repeat), 0, 1000},
    {AT(parallel), 0, CLI_MOST_TOGETHER},
    {AT(epochs), 0, 1000000},
    {AT(warmup), 0, HUGE_VAL},
    {AT(clip), 0, HUGE_VAL},
    {AT(dropout), 0, 0.99},
    {AT(ema), 0, 0.999999},
    {AT(batch), 0, 65536},
    {AT(accumulate), 0, 65536},
};

/* The range of the option's value: its own (true), or all that its kind can hold. */
static bool range_of(const cli_option_row *row, number_range *out) {
  for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
    if (ranges[i].offset == row->offset) {
      *out = ranges[i];
      return true;
    }
  *out = (number_range){row->offset, row->kind == NUMBER ? -HUGE_VAL : 0,
                        row->kind == COUNT ? UINT32_MAX : HUGE_VAL};
  return false;
}

static int report_value(const cli_command *command, const cli_option_row *row,
                        const char *value) {
  number_range range;
  bool limited = range_of(row, &range);
  cli_print(stderr, "gromatic %s: --%s: found '%s', wanted ", command->name, row->name, value);
  fputs(row->kind == NUMBER ? "a number" : "a whole number", stderr);
  if (isfinite(range.most))
    cli_print(stderr, " from %.10g to %.10g\n", range.least, range.most);
  else
    fputs(limited || row->kind != NUMBER ? ", 0 or more\n" : "\n", stderr);
  return CLI_USAGE;
}

static int set_option(const cli_command *command, const cli_option_row *row, const char *value,
                      cli_args *args) {
  char *target = (char *)args + row->offset;
  number_range range;
  double number = 0;
  bool ok = true;
  (void)range_of(row, &range);
  switch (row->kind) {
  case FLAG:
    *(bool *)target = true;
    break;
  case LEVEL:
    ++*(uint64_t *)(void *)target;
    break;
  case TEXT:
    *(const char **)(void *)target = value;
    break;
  case LIST:
    return list_add((cli_list *)(void *)target, value) ? CLI_DONE : CLI_USAGE;
  case COUNT:
  case BIG:
    ok = parse_count(value, (uint64_t *)(void *)target);
    number = (double)*(uint64_t *)(void *)target;
    break;
  case NUMBER:
    ok = parse_number(value, (double *)(void *)target);
    number = *(double *)(void *)target;
    break;
  }
  bool numeric = row->kind == COUNT || row->kind == BIG || row->kind == NUMBER;
  if (ok && (!numeric || (number >= range.least && number <= range.most))) return CLI_DONE;
  return report_value(command, row, value);
}

/* Reads GROMATIC_ARG_CTX_SIZE=4096 and the like; the command line overrides them. Lists and
 * flags have none. */
static int read_environment(const cli_command *command, cli_args *args) {
  for (const cli_option_row *row = cli_option_rows; row->name; row++) {
    if (!cli_option_admitted(command, row) || row->kind == FLAG || row->kind == LIST ||
        row->kind == LEVEL)
      continue;
    char name[64];
    int length = snprintf(name, sizeof name, "GROMATIC_ARG_%s", row->name);
    for (int k = 0; k < length; k++)
      name[k] = name[k] == '-' ? '_' : (char)toupper((unsigned char)name[k]);
    const char *value = getenv(name);
    if (!value) continue;
    int code = set_option(command, row, value, args);
    if (code != CLI_DONE) {
      cli_print(stderr, "(from the environment variable %s)\n", name);
      return code;
    }
  }
  return CLI_DONE;
}

/* Accepts options of llama.cpp: -ctk, -ctv and -np become the long names; -ngl N is removed
 * from argv, since there is no GPU here. */
static int take_llama_names(int argc, char **argv) {
  static char keys[] = "--cache-type-k", values[] = "--cache-type-v", slots[] = "--parallel";
  int kept = 0;
  for (int i = 0; i < argc; i++) {
    if (strcmp(argv[i], "-ctk") == 0) argv[i] = keys;
    if (strcmp(argv[i], "-ctv") == 0) argv[i] = values;
    if (strcmp(argv[i], "-np") == 0) argv[i] = slots;
    bool with_value = strcmp(argv[i], "-ngl") == 0 || strcmp(argv[i], "--n-gpu-layers") == 0 ||
                      strcmp(argv[i], "--gpu-layers") == 0;
    if (!with_value) {
      argv[kept++] = argv[i];
      continue;
    }
    cli_print(stderr, "gromatic: %s is ignored: gromatic computes on the CPU\n", argv[i]);
    if (i + 1 < argc) i++;
  }
  argv[kept] = NULL;
  return kept;
}

/* Members that are not zero by default. */
const cli_args cli_defaults = {
    .top_p = 1,
    .conf = -1,
    .iou = -1,
    .min_present = 0.5,
    .repeat = 3,
    .rate = 60,
    .timeout = 120,
    .request_time = 600,
    .port = 8080,
    .slots = 16,
    .retries = 5,
    .top = 5,
    .seeds = 20,
    .dedup_iou = -1,
    .dedup_cosine = -1,
    .crops = UINT64_MAX,
    .alpha = -1,
    .beta = -1,
    .image_scale = NAN,
    .text_scale = NAN,
    .none = -2,
    .merge_iou = OUT_MERGE_IOU,
    .split = -1,
    .epochs = NAN,
    .warmup = NAN,
    .clip = NAN,
    .dropout = NAN,
    .ema = NAN,
    .rank = 16,
    .val = 0.15,
    .held_out = 0.02,
};

/* getopt would read -ctkq8_0 as a value of -c, where it is always wrong. */
static bool is_glued(const char *given, const char *value) {
  return (strncmp(given, "-ctk", 4) == 0 || strncmp(given, "-ctv", 4) == 0) &&
         value == given + 2;
}

static int report_glued(const cli_command *command, const char *given) {
  const char *value = given + 4 + (given[4] == '=');
  cli_print(stderr, "gromatic %s: found '%s', wanted the value of %.4s apart: %.4s %s\n",
            command->name, given, given, given, *value ? value : "TYPE");
  return CLI_USAGE;
}

enum { LONG_ONLY = 1000 }; /* what getopt_long returns for the first row; letters are below */

/* The command's options as getopt_long takes them. */
static void list_options(const cli_command *command, struct option *longs, char *shorts) {
  *shorts++ = ':';
  for (const cli_option_row *row = cli_option_rows; row->name; row++) {
    if (!cli_option_admitted(command, row)) continue;
    bool takes = row->value != NULL;
    *longs++ = (struct option){row->name, takes ? required_argument : no_argument, NULL,
                               LONG_ONLY + (int)(row - cli_option_rows)};
    if (!row->letter) continue;
    *shorts++ = row->letter;
    if (takes) *shorts++ = ':';
  }
  *longs = (struct option){0};
  *shorts = 0;
}

/* The row that getopt_long found; NULL if none. */
static const cli_option_row *found_row(const cli_command *command, int found) {
  if (found >= LONG_ONLY) return &cli_option_rows[found - LONG_ONLY];
  for (const cli_option_row *row = cli_option_rows; row->name; row++)
    if (row->letter && row->letter == found && cli_option_admitted(command, row)) return row;
  return NULL;
}

/* Whether the option as given is the whole name of another command's option: getopt_long takes
 * any beginning of a name, as --box for --box-format where there is no --box. */
static bool names_another(const cli_option_row *row, const char *given) {
  if (strncmp(given, "--", 2) != 0) return false;
  const char *name = given + 2;
  size_t length = strcspn(name, "=");
  if (strlen(row->name) == length) return false;
  for (const cli_option_row *other = cli_option_rows; other->name; other++)
    if (strlen(other->name) == length && strncmp(other->name, name, length) == 0) return true;
  return false;
}

int cli_parse(const cli_command *command, int argc, char **argv, cli_args *args) {
  *args = cli_defaults;
  argc = take_llama_names(argc, argv);
  int code = read_environment(command, args);
  if (code != CLI_DONE) return code;

  struct option longs[CLI_MAX_OPTIONS + 1];
  char shorts[2 * CLI_MAX_OPTIONS + 2];
  list_options(command, longs, shorts);
  opterr = 0;
  optind = 1;
  for (int c; (c = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
    const cli_option_row *row = found_row(command, c);
    if (row && is_glued(argv[optind - 1], optarg))
      return report_glued(command, argv[optind - 1]);
    const char *given = argv[optind - 1 - (row && optarg && optarg == argv[optind - 1])];
    if (row && names_another(row, given)) {
      report_unknown(command, given);
      return CLI_USAGE;
    }
    if (row) {
      code = set_option(command, row, optarg, args);
      if (code != CLI_DONE) return code;
    } else if (c == ':') {
      cli_print(stderr, "gromatic %s: option '%s' wants a value\n", command->name,
                argv[optind - 1]);
      return CLI_USAGE;
    } else {
      char letter[3] = {'-', (char)optopt, 0};
      report_unknown(command, optopt > 0 && optopt < 256 ? letter : argv[optind - 1]);
      return CLI_USAGE;
    }
  }
  for (int i = optind; i < argc; i++)
    if (!list_add(&args->inputs, argv[i])) return CLI_USAGE;
  return CLI_DONE;
}

void cli_args_free(cli_args *args) {
  free(args->adapters.items);
  free(args->boxes.items);
  free(args->prompts.items);
  free(args->phrases.items);
  free(args->lr.items);
  free(args->weight_decay.items);
  free(args->models.items);
  free(args->cors_origins.items);
  free(args->inputs.items);
}
