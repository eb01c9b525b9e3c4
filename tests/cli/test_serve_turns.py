"""gromatic serve's conversations: earlier answers, and what the protocols have in common."""
import json
import unittest

from program import lines, scene
from served import Server, events, message, picture

CAPTION = "Give me a concise description of the image."
AFTER = "What is in the picture?"
CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"


def setUpModule():
    global server
    server = Server()


def tearDownModule():
    assert server.stop() == 0, server.lines


def named(body):
    """The named events of a stream: (name, data)."""
    blocks = [block for block in body.decode().split("\n\n") if block and not block.startswith(":")]
    return [(block.split("\n")[0][len("event: "):], json.loads(block.split("\n")[1][len("data: "):])) for block in blocks]


def source(number):
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": picture(number)}}


def anthropic(text, number=None):
    return {"role": "user", "content": [{"type": "text", "text": text}] + ([source(number)] if number is not None else [])}


def respond(text, number=None):
    parts = [{"type": "input_text", "text": text}]
    if number is not None:
        parts.append({"type": "input_image", "image_url": "data:image/png;base64," + picture(number), "detail": "auto"})
    return {"role": "user", "content": parts}


class EarlierAnswers(unittest.TestCase):
    """The program's second turn is what follows the model's own first answer."""

    @classmethod
    def setUpClass(cls):
        cls.program = lines("chat", scene(64), "-p", CAPTION, "-p", AFTER)

    def after(self, answer, **more):
        talk = [message(CAPTION, 64), answer, message(AFTER)]
        status, got = server.post(CHAT, {"messages": talk, **more})
        self.assertEqual(status, 200, got)
        return got

    def test_sent_back_whole(self):
        first = server.post(CHAT, {"messages": [message(CAPTION, 64)]})[1]["choices"][0]["message"]
        got = self.after(first)["choices"][0]["message"]
        self.assertEqual((got["content"], got["grounding"]), (self.program[1]["text"], self.program[1]["grounding"]))

    def test_in_the_other_protocols(self):
        first = server.post(MESSAGES, {"max_tokens": 200, "messages": [anthropic(CAPTION, 64)]})[1]
        talk = [anthropic(CAPTION, 64), {"role": "assistant", "content": first["content"]}, anthropic(AFTER)]
        got = server.post(MESSAGES, {"max_tokens": 200, "messages": talk})[1]["content"][0]
        self.assertEqual((got["text"], got["grounding"]), (self.program[1]["text"], self.program[1]["grounding"]))
        first = server.post(RESPONSES, {"input": [respond(CAPTION, 64)]})[1]
        talk = [respond(CAPTION, 64), *first["output"], respond(AFTER)]
        got = server.post(RESPONSES, {"input": talk})[1]["output"][0]["content"][0]
        self.assertEqual((got["text"], got["grounding"]), (self.program[1]["text"], self.program[1]["grounding"]))

    def test_words_of_somebody_else(self):
        for content in ("Something else.", "", "<r0> <p>x</p> </s>", [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]):
            got = self.after({"role": "assistant", "content": content})
            self.assertTrue(got["choices"][0]["message"]["content"])
        # With the region's number the answer goes on from it: an edited answer counts.
        edited = {"role": "assistant", "content": "Look: grapes.",
                  "grounding": [{"span": [6, 12], "regions": [{"index": 0}]}]}
        self.assertTrue(self.after(edited)["choices"][0]["message"]["content"])

    def test_grounding_that_cannot_be(self):
        phrase = {"span": [0, 3], "regions": [{"index": 0}]}
        for grounding, words in ((5, "grounding: wanted"), ([5], "grounding: wanted"), ([{**phrase, "span": [0]}], "grounding: wanted"),
                                 ([{**phrase, "span": [-1, 3]}], "grounding: wanted"), ([{**phrase, "regions": [0]}], "grounding: wanted"),
                                 ([{**phrase, "span": [0, 300]}], "found the span 0 to 300"), ([phrase, phrase], "phrase 2"),
                                 ([{**phrase, "regions": [{"index": 99}]}], "found region 99"),
                                 ([{**phrase, "regions": [{"index": 1 << 40}]}], "grounding: wanted")):
            talk = [message(CAPTION, 64), {"role": "assistant", "content": "one two", "grounding": grounding}, message(AFTER)]
            status, got = server.post(CHAT, {"messages": talk})
            self.assertEqual(status, 400, grounding)
            self.assertIn(words, got["error"]["message"])
        asked = {**message(CAPTION, 64), "grounding": [phrase]}
        self.assertEqual(server.post(CHAT, {"messages": [asked]})[0], 400)

    def test_usage_counts_what_was_there(self):
        server.post("/v1/detect", {"image": picture(40)})
        talk = [message(CAPTION, 40), {"role": "assistant", "content": "A picture."}, message(AFTER)]
        first = server.post(CHAT, {"messages": talk})[1]["usage"]
        again = server.post(CHAT, {"messages": talk})[1]["usage"]
        self.assertEqual(first["prompt_tokens_details"]["cached_tokens"], 0)  # no question before it
        self.assertEqual(again["prompt_tokens"], first["prompt_tokens"])
        cached = again["prompt_tokens_details"]["cached_tokens"]
        one = server.post(CHAT, {"messages": [message(CAPTION, 40)]})[1]["usage"]
        self.assertEqual(cached, one["prompt_tokens_details"]["cached_tokens"])  # picture and regions, not the turns
        self.assertGreater(first["prompt_tokens"], one["prompt_tokens"])


class Members(unittest.TestCase):
    def refused(self, path, body, name):
        status, got = server.post(path, body)
        self.assertEqual(status, 400, got)
        self.assertIn(f"'{name}'", got["error"]["message"])

    def test_what_is_not_acted_on_is_refused(self):
        chat = {"messages": [message(CAPTION, 64)]}
        for more in ({"tools": [{"type": "function", "function": {"name": "f"}}]}, {"response_format": {"type": "json_object"}},
                     {"logprobs": True}, {"n": 2}, {"presence_penalty": 0.5}, {"tool_choice": "required"}, {"max_token": 3},
                     {"given": []}, {"": 1}, {"raw": True}):
            self.refused(CHAT, {**chat, **more}, next(iter(more)))
        body = {"messages": [anthropic(CAPTION, 64)], "max_tokens": 10}
        for more in ({"tools": [{"name": "f"}]}, {"thinking": {"type": "enabled", "budget_tokens": 1024}}, {"stop": ["x"]}):
            self.refused(MESSAGES, {**body, **more}, next(iter(more)))
        body = {"input": [respond(CAPTION, 64)]}
        for more in ({"previous_response_id": "resp_1"}, {"text": {"format": {"type": "json_object"}}}, {"background": True},
                     {"max_tokens": 5}):
            self.refused(RESPONSES, {**body, **more}, next(iter(more)))
        for more in ({"tool_calls": [{"id": "x"}]}, {"colour": 1}):
            self.refused(CHAT, {"messages": [{**message(CAPTION, 64), **more}]}, next(iter(more)))
        self.refused("/v1/detection", {"image": picture(64), "prompt": "a crown", "tresh": 0.5}, "tresh")
        self.assertEqual(server.post(CHAT, {**chat, "stream_options": {"x": 1}})[0], 400)

    def test_what_changes_no_answer_may_be_there(self):
        chat = {"messages": [message(CAPTION, 64)], "max_tokens": 2}
        more = {"user": "u", "metadata": {"a": "b"}, "store": True, "n": 1, "logprobs": False, "tools": [], "frequency_penalty": 0.0,
                "presence_penalty": 0, "response_format": {"type": "text"}, "logit_bias": None, "whatever": None}
        self.assertEqual(server.post(CHAT, {**chat, **more})[1]["choices"], server.post(CHAT, chat)[1]["choices"])

    def test_query(self):
        for path in ("/v1/detect?conf=0.5", CHAT + "?stream=true", "/v1/models?x=1", "/slots?fail_on_no_slot", MESSAGES + "?beta=1"):
            status, _, body = server.request("POST" if "v1/models" not in path and "slots" not in path else "GET", path,
                                             {} if "v1/models" not in path and "slots" not in path else None)
            self.assertEqual(status, 400, path)
            self.assertIn("in the address", json.loads(body)["error"]["message"])
        self.assertEqual(server.get("/health?x=1")[0], 200)
        body = {"messages": [anthropic(CAPTION, 64)], "max_tokens": 2}
        self.assertEqual(server.post(MESSAGES + "?beta=true", body)[0], 200)


class Shapes(unittest.TestCase):
    def test_messages(self):
        program = lines("caption", scene(64))[0]
        body = {"model": "groma-mini", "max_tokens": 300, "messages": [anthropic(CAPTION, 64)]}
        whole = server.post(MESSAGES, body)[1]
        self.assertEqual((whole["type"], whole["role"], whole["stop_reason"]), ("message", "assistant", "end_turn"))
        block, = whole["content"]
        self.assertEqual((block["text"], block["grounding"]), (program["text"], program["grounding"]))
        got = named(server.request("POST", MESSAGES, {**body, "stream": True})[2])
        self.assertTrue(all(name == data["type"] for name, data in got))
        names = [name for name, _ in got]
        self.assertEqual(names[:2] + names[-3:],
                         ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"])
        self.assertEqual(set(names[2:-3]), {"content_block_delta"})
        deltas = [data["delta"] for _, data in got[2:-3]]
        self.assertEqual("".join(d["text"] for d in deltas), program["text"])
        self.assertEqual([g for d in deltas for g in d.get("grounding", [])], program["grounding"])
        self.assertEqual(got[-2][1]["usage"]["output_tokens"], whole["usage"]["output_tokens"])
        cut = server.post(MESSAGES, {**body, "stop_sequences": [" and", "zebra"]})[1]
        self.assertEqual((cut["stop_reason"], cut["stop_sequence"]), ("stop_sequence", " and"))
        self.assertEqual(server.post(MESSAGES, {**body, "max_tokens": 3})[1]["stop_reason"], "max_tokens")

    def test_responses(self):
        program = lines("caption", scene(64))[0]
        body = {"input": [respond(CAPTION, 64)]}
        whole = server.post(RESPONSES, body)[1]
        self.assertEqual((whole["object"], whole["status"]), ("response", "completed"))
        part, = whole["output"][0]["content"]
        self.assertEqual((part["type"], part["text"], part["grounding"]), ("output_text", program["text"], program["grounding"]))
        got = named(server.request("POST", RESPONSES, {**body, "stream": True})[2])
        self.assertTrue(all(name == data["type"] for name, data in got))
        self.assertEqual([data["sequence_number"] for _, data in got], list(range(len(got))))
        names = [name for name, _ in got]
        self.assertEqual(names[:4], ["response.created", "response.in_progress", "response.output_item.added",
                                     "response.content_part.added"])
        self.assertEqual(names[-4:], ["response.output_text.done", "response.content_part.done", "response.output_item.done",
                                      "response.completed"])
        self.assertEqual(set(names[4:-4]), {"response.output_text.delta"})
        self.assertEqual("".join(data["delta"] for _, data in got[4:-4]), program["text"])
        self.assertEqual([g for _, data in got for g in data.get("grounding", [])], program["grounding"])
        self.assertEqual(got[-1][1]["response"]["output"][0]["content"], whole["output"][0]["content"])
        cut = server.post(RESPONSES, {**body, "max_output_tokens": 3})[1]
        self.assertEqual((cut["status"], cut["incomplete_details"]), ("incomplete", {"reason": "max_output_tokens"}))

    def test_instructions_go_before_the_question(self):
        joined = lines("chat", scene(64), "-p", "Be brief.\n" + CAPTION)[0]["text"]
        self.assertEqual(server.post(RESPONSES, {"instructions": "Be brief.", "input": [respond(CAPTION, 64)]})[1]
                         ["output"][0]["content"][0]["text"], joined)
        for system in ("Be brief.", [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]):
            got = server.post(MESSAGES, {"system": system, "max_tokens": 300, "messages": [anthropic(CAPTION, 64)]})[1]
            self.assertEqual(got["content"][0]["text"], joined)

    def test_errors_are_the_protocols_own(self):
        status, got = server.post(MESSAGES, {"messages": [anthropic(CAPTION)]})
        self.assertEqual((status, got["type"], got["error"]["type"]), (400, "error", "invalid_request_error"))
        unknown = {"type": "image", "source": {"type": "url", "url": "sha256:" + 64 * "0"}}
        status, got = server.post(MESSAGES, {"messages": [{"role": "user", "content": [unknown]}]})
        self.assertEqual((status, got["type"], got["error"]["type"]), (404, "error", "not_found_error"))
        for wrong in ({"type": "image"}, {"type": "image", "source": 5}, {"type": "image", "source": {"type": "file", "file_id": "x"}}):
            self.assertEqual(server.post(MESSAGES, {"messages": [{"role": "user", "content": [wrong]}]})[0], 400, wrong)
        for body in ({"input": "What is this?"}, {"input": []}, {"input": 5}, {}, {"input": [{"type": "reasoning"}]}):
            status, got = server.post(RESPONSES, body)
            self.assertEqual((status, got["error"]["type"]), (400, "invalid_request_error"), body)
        self.assertIn("found no picture", server.post(RESPONSES, {"input": "What is this?"})[1]["error"]["message"])
        # An error within a stream is an event of the protocol.
        boxes = {"boxes": [[0, 0, 5]], "stream": True}
        server.post("/v1/detect", {"image": picture(64)})
        self.assertEqual(server.request("POST", CHAT, {"messages": [message(CAPTION, 64)], **boxes})[0], 400)


if __name__ == "__main__":
    unittest.main()
