/* chat_judge.h - a judge model compares two answers to each question, and gives both a number
 * from 1 to 10 (LLaVA-Bench). */
#ifndef CLI_CHAT_JUDGE_H
#define CLI_CHAT_JUDGE_H

#include "arguments.h"
#include "chat_set.h"
#include "ledger.h"

typedef struct chat_scores {
  double first,
      second;  /* of the reference and of our answer; both -1: the reply is unreadable */
  bool judged; /* there is a reply */
} chat_scores;

/* The first line of a reply: two numbers from 1 to 10 with white space or a comma between. */
chat_scores chat_scores_read(const char *reply);

typedef struct chat_judge {
  const cli_args *args;
  char *path; /* the file of replies: "answers.jsonl" -> "answers-judged.jsonl" */
  cli_ledger *ledger;
  char *own_rules; /* of --rules; NULL: ours */
  char rules[80];  /* what they are called in the result */
  char *rule[CHAT_CATEGORIES], *role[CHAT_CATEGORIES];
} chat_judge;

/* Reads --rules, and opens the file of replies, JSON lines {question_id, category, reply,
 * scores, asked}, which belongs to the file of answers. An earlier one is continued with
 * --resume, and not replaced without --force. Returns an exit code, after a message if it is
 * not CLI_DONE; chat_judge_end in any case. */
int chat_judge_begin(chat_judge *judge, const cli_args *args, const char *answers);
/* Asks about each question that has no reply to these very answers yet. answers, scores:
 * [set->n]. Returns an exit code, CLI_DONE if all are judged. */
int chat_judge_ask(chat_judge *judge, const chat_set *set, const char *const *answers,
                   chat_scores *scores);
void chat_judge_end(chat_judge *judge);

#endif
