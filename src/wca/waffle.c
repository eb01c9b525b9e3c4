/* waffle.c - see waffle.h. */
#include "waffle.h"

#include "text_input.h"

#include "rng.h"

#include <stdlib.h>
#include <string.h>

/* Common words that say nothing about how a thing looks. */
static const char own_words[] =
    "about\nacross\nadvice\nafter\nagain\nalmost\nalone\nalready\nalways\namount\nanswer\n"
    "anyone\narrive\nasking\nautumn\nbasic\nbecome\nbefore\nbegin\nbehind\nbelief\nbelong\n"
    "better\nbeyond\nborrow\nbranch\nbring\nbroken\nbudget\nbusy\ncalm\ncareer\ncareful\n"
    "carry\ncause\ncentury\nchance\nchange\nchapter\nchoice\ncircle\nclaim\nclever\nclimb\n"
    "closing\ncomfort\ncommon\ncompany\ncopy\ncorner\ncount\ncourage\ncourse\ncover\ncredit\n"
    "culture\ncurious\ncustom\ndaily\ndance\ndebate\ndecade\ndecide\ndefine\ndegree\ndelay\n"
    "deliver\ndemand\ndetail\ndevice\ndinner\ndirect\ndistant\ndivide\ndoubt\ndouble\ndream\n"
    "duty\neager\nearly\neasy\necho\neffort\neight\neither\nelegant\neleven\nempty\nending\n"
    "energy\nenough\nentry\nequal\nescape\nevening\nevent\nexact\nexample\nexpect\nexplain\n"
    "extra\nfable\nfactor\nfair\nfame\nfamily\nfamous\nfarewell\nfate\nfavour\nfiction\n"
    "fifteen\nfinal\nfinish\nfirst\nfollow\nforeign\nforget\nformal\nfortune\nforward\nfound\n"
    "fourth\nfreedom\nfresh\nfriday\nfriend\nfuture\ngather\ngeneral\ngentle\ngiven\nglory\n"
    "going\ngossip\ngrammar\ngrateful\ngreet\ngroup\ngrowth\nguess\nguide\nhabit\nhalf\n"
    "happen\nhardly\nharvest\nheavy\nhello\nhidden\nhistory\nhobby\nholiday\nhonest\nhonour\n"
    "hope\nhour\nhumble\nhundred\nhurry\nidea\nidle\nimagine\nimpact\nincome\nindeed\ninform\n"
    "inside\ninsist\ninstead\ninvite\nissue\njoke\njourney\njudge\njuly\njust\njustice\nkeep\n"
    "kind\nknow\nlabour\nlanguage\nlarge\nlate\nlaugh\nlaw\nlazy\nlearn\nleave\nlegend\n"
    "lesson\nletter\nlevel\nlikely\nlisten\nlittle\nlively\nlocal\nlogic\nlonely\nlove\nloyal\n"
    "lucky\nmain\nmanage\nmanner\nmargin\nmatter\nmaybe\nmeaning\nmember\nmemory\nmental\n"
    "merit\nmessage\nmethod\nmiddle\nmillion\nminute\nmodern\nmoment\nmonday\nmonth\nmorning\n"
    "motion\nmusic\nmystery\nname\nnation\nnearly\nneed\nneither\nnever\nnight\nnine\nnoble\n"
    "noise\nnormal\nnotice\nnovel\nnumber\nobey\noffer\noften\nonce\nopinion\noption\norder\n"
    "other\noutcome\noutside\nowner\npace\npain\npart\npast\npatient\npattern\npause\npeace\n"
    "perfect\nperhaps\nperiod\nplan\npleasant\nplenty\npoem\npoint\npolite\npopular\npossible\n"
    "power\npraise\nprecise\nprefer\nprepare\npresent\npride\nprivate\nprize\nproblem\nprofit\n"
    "promise\nproof\nproper\nproud\npublic\npurpose\npuzzle\nquarter\nquestion\nquick\nquiet\n"
    "quite\nrandom\nrare\nrather\nreach\nready\nreason\nrecent\nrefuse\nregard\nregular\n"
    "remain\nremember\nremote\nrepeat\nreply\nreport\nrescue\nrespect\nresult\nreturn\nreveal\n"
    "reward\nrhythm\nroutine\nrule\nrumour\nsafe\nsame\nsaturday\nscience\nsearch\nseason\n"
    "second\nsecret\nseem\nseldom\nsense\nseries\nserious\nseven\nseveral\nsilence\nsimple\n"
    "since\nsingle\nsister\nskill\nslowly\nsmart\nsociety\nsolve\nsome\nsoon\nsorrow\nspeech\n"
    "spirit\nspring\nstart\nstory\nstrange\nstudy\nsubject\nsuccess\nsudden\nsummer\nsunday\n"
    "support\nsurprise\nsystem\ntalent\nteach\ntemper\ntender\nthank\ntheory\nthird\nthought\n"
    "thousand\nthursday\ntimely\ntitle\ntoday\ntogether\ntomorrow\ntopic\ntotal\ntoward\n"
    "tradition\ntravel\ntrust\ntruth\ntuesday\ntwelve\ntwice\nunder\nunique\nunite\nuntil\n"
    "useful\nusual\nvalue\nverse\nvictory\nvirtue\nvisit\nvoice\nwait\nwander\nwarning\n"
    "wednesday\nweekly\nwelcome\nwhether\nwhile\nwhisper\nwhole\nwilling\nwinter\nwisdom\n"
    "within\nwithout\nwonder\nword\nworry\nworth\nwriter\nyearly\nyesterday\nyoung";

static const char characters[] = "abcdefghijklmnopqrstuvwxyz0123456789!?#&*";

typedef struct word {
  const char *text;
  size_t length;
} word;

/* Splits into lines that are not empty; *out is free()d by the caller. */
static gm_status split_words(const char *text, word **out, size_t *n, gm_error *err) {
  size_t lines = 1;
  for (const char *at = text; *at; at++) lines += *at == '\n';
  *n = 0;
  *out = malloc(lines * sizeof **out);
  if (!*out) return gm_fail_memory(err, "the words", lines * sizeof **out);
  for (const char *at = text; *at;) {
    size_t length = strcspn(at, "\n");
    if (length) (*out)[(*n)++] = (word){at, length};
    at += length;
    at += strspn(at, "\n");
  }
  if (*n >= 2) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT,
                 "found a list of %zu words, wanted two or more, one a line", *n);
}

static const word *pick(const word *words, size_t n, gm_rng *rng) {
  return &words[gm_rng_u64(rng) % n]; /* n is tiny beside 2^64 */
}

static gm_status append_pair(gm_text *out, const word *words, size_t n, gm_rng *rng,
                             gm_error *err) {
  const word *a = pick(words, n, rng), *b = pick(words, n, rng);
  while (a == b) b = pick(words, n, rng);
  GM_TRY(gm_text_append(out, a->text, a->length, err));
  GM_TRY(gm_text_append(out, " ", 1, err));
  GM_TRY(gm_text_append(out, b->text, b->length, err));
  return gm_text_append(out, "", 1, err);
}

/* Appends two random strings, as long as two words of the list. */
static gm_status append_string(gm_text *out, const word *words, size_t n, gm_rng *rng,
                               gm_error *err) {
  for (int k = 0; k < 2; k++) {
    size_t length = pick(words, n, rng)->length;
    if (length > 16) length = 16;
    if (k) GM_TRY(gm_text_append(out, " ", 1, err));
    for (size_t i = 0; i < length; i++)
      GM_TRY(
          gm_text_append(out, &characters[gm_rng_u64(rng) % (sizeof characters - 1)], 1, err));
  }
  return gm_text_append(out, "", 1, err);
}

/* The caller's list, cleaned, to be free()d; *out is NULL if there is none. */
static gm_status clean_words(const char *words, char **out, gm_error *err) {
  size_t length = words ? strlen(words) : 0;
  *out = NULL;
  if (!words) return GM_OK;
  *out = strdup(words);
  if (!*out) return gm_fail_memory(err, "the words", length + 1);
  return gm_text_clean(*out, &length, "words", GM_ERR_ARGUMENT, err);
}

gm_status gm_waffle_phrases(gm_text *out, const char *words, uint64_t seed, gm_error *err) {
  word *list = NULL;
  char *given;
  size_t n = 0;
  gm_rng rng = {gm_mix64(seed) ^ gm_fnv1a("waffle", 6)};
  gm_status status = clean_words(words, &given, err);
  if (status == GM_OK) status = split_words(given ? given : own_words, &list, &n, err);
  for (int i = 0; status == GM_OK && i < GM_WAFFLE_PAIRS; i++)
    status = append_pair(out, list, n, &rng, err);
  for (int i = 0; status == GM_OK && i < GM_WAFFLE_STRINGS; i++)
    status = append_string(out, list, n, &rng, err);
  free(list);
  free(given);
  return status;
}
