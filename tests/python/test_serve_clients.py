"""gromatic serve through the clients of OpenAI and Anthropic."""
import os
import sys
import tempfile
import unittest

import anthropic
import openai

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from program import lines, scene  # noqa: E402
from served import Server, picture  # noqa: E402

CAPTION = "Give me a concise description of the image."
AFTER = "What is in the picture?"
ID = "sha256:"


def setUpModule():
    global server, first, second, gpt, claude
    with tempfile.NamedTemporaryFile("w", suffix=".keys") as keys:
        keys.write("the-key\n")
        keys.flush()
        server = Server("--api-key-file", keys.name)
    first, second = lines("chat", scene(64), "-p", CAPTION, "-p", AFTER)
    address = f"http://127.0.0.1:{server.port}"
    gpt = openai.OpenAI(base_url=address + "/v1", api_key="the-key", max_retries=0)
    claude = anthropic.Anthropic(base_url=address, api_key="the-key", max_retries=0)


def tearDownModule():
    assert server.stop() == 0, server.lines


def url(number):
    return "data:image/png;base64," + picture(number)


def asked(text, address=None):
    parts = [{"type": "text", "text": text}]
    return {"role": "user", "content": parts + ([{"type": "image_url", "image_url": {"url": address}}] if address else [])}


class ChatCompletions(unittest.TestCase):
    def test_turns(self):
        talk = [asked(CAPTION, url(64))]
        answer = gpt.chat.completions.create(model="groma-mini", messages=talk)
        said = answer.choices[0].message
        self.assertEqual((said.content, said.grounding), (first["text"], first["grounding"]))
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        # The picture by its id, and the answer as the client holds it, regions too.
        talk = [asked(CAPTION, answer.images[0]["id"]), said, asked(AFTER)]
        answer = gpt.chat.completions.create(model="groma-mini", messages=talk)
        said = answer.choices[0].message
        self.assertEqual((said.content, said.grounding), (second["text"], second["grounding"]))
        self.assertGreater(answer.usage.prompt_tokens_details.cached_tokens, 0)
        self.assertEqual(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)

    def test_streamed(self):
        text, grounding, usage = "", [], None
        for chunk in gpt.chat.completions.create(model="groma-mini", messages=[asked(CAPTION, url(64))], stream=True,
                                                 stream_options={"include_usage": True}):
            usage = chunk.usage or usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
                grounding += getattr(choice.delta, "grounding", [])
        self.assertEqual((text, grounding), (first["text"], first["grounding"]))
        self.assertGreater(usage.completion_tokens, 0)

    def test_words_of_somebody_else(self):
        talk = [asked(CAPTION, url(64)), {"role": "assistant", "content": "Two chairs."}, asked(AFTER)]
        self.assertTrue(gpt.chat.completions.create(model="groma-mini", messages=talk).choices[0].message.content)

    def test_ours_by_extra_body(self):
        answer = gpt.chat.completions.create(model="groma-mini", messages=[asked("What is {1}?", url(64))],
                                             extra_body={"boxes": [[33.8, 18.2, 102.8, 76.4]]})
        self.assertEqual(answer.choices[0].message.content, lines("chat", scene(64), "--box", "33.8,18.2,102.8,76.4", "-p",
                                                                  "What is {1}?")[0]["text"])

    def test_errors_are_the_clients(self):
        def ask(client=gpt, **more):
            return client.chat.completions.create(**{"model": "groma-mini", "messages": [asked(CAPTION, url(64))], **more})

        with self.assertRaises(openai.BadRequestError) as caught:
            ask(messages=[asked(CAPTION)])
        self.assertIn("no picture", caught.exception.body["message"])
        with self.assertRaises(openai.BadRequestError):
            ask(tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}])
        with self.assertRaises(openai.BadRequestError):
            ask(model="gpt-9")
        with self.assertRaises(openai.NotFoundError):
            ask(messages=[asked(CAPTION, ID + 64 * "0")])
        with self.assertRaises(openai.AuthenticationError):
            ask(client=gpt.with_options(api_key="another"))

    def test_models(self):
        self.assertEqual([model.id for model in gpt.models.list()], ["groma-mini", "clip-mini"])


class Responses(unittest.TestCase):
    def input(self, address):
        return [{"role": "user", "content": [{"type": "input_text", "text": CAPTION},
                                             {"type": "input_image", "image_url": address, "detail": "auto"}]}]

    def test_turns(self):
        talk = self.input(url(64))
        answer = gpt.responses.create(model="groma-mini", input=talk, store=False)
        self.assertEqual((answer.status, answer.output_text), ("completed", first["text"]))
        self.assertEqual(answer.output[0].content[0].grounding, first["grounding"])
        talk = self.input(answer.images[0]["id"]) + answer.output + [{"role": "user", "content": AFTER}]
        answer = gpt.responses.create(model="groma-mini", input=talk)
        self.assertEqual(answer.output_text, second["text"])
        self.assertEqual(answer.output[0].content[0].grounding, second["grounding"])
        self.assertGreater(answer.usage.input_tokens_details.cached_tokens, 0)

    def test_streamed(self):
        text, grounding = "", []
        with gpt.responses.stream(model="groma-mini", input=self.input(url(64))) as stream:
            for event in stream:
                if event.type == "response.output_text.delta":
                    text += event.delta
                    grounding += getattr(event, "grounding", None) or []
            last = stream.get_final_response()
        self.assertEqual((text, last.output_text), (first["text"], first["text"]))
        self.assertEqual(last.output[0].content[0].grounding, first["grounding"])
        events = list(gpt.responses.create(model="groma-mini", input=self.input(url(64)), stream=True))
        self.assertEqual([g for event in events for g in getattr(event, "grounding", None) or []], first["grounding"])
        self.assertEqual((events[0].type, events[-1].type), ("response.created", "response.completed"))

    def test_cut(self):
        answer = gpt.responses.create(model="groma-mini", input=self.input(url(64)), max_output_tokens=3)
        self.assertEqual((answer.status, answer.incomplete_details.reason, answer.usage.output_tokens),
                         ("incomplete", "max_output_tokens", 3))

    def test_errors_are_the_clients(self):
        with self.assertRaises(openai.BadRequestError):
            gpt.responses.create(model="groma-mini", input="What is this?")
        with self.assertRaises(openai.BadRequestError):
            gpt.responses.create(model="groma-mini", input=self.input(url(64)), previous_response_id="resp_1")
        with self.assertRaises(openai.AuthenticationError):
            gpt.with_options(api_key="another").responses.create(model="groma-mini", input=self.input(url(64)))


class Messages(unittest.TestCase):
    def ask(self, client=None, **more):
        talk = {"model": "groma-mini", "max_tokens": 300, "messages": [self.question(64)]}
        return (client or claude).messages.create(**{**talk, **more})

    @staticmethod
    def question(number=None, address=None):
        source = {"type": "url", "url": address} if address else {"type": "base64", "media_type": "image/png", "data": picture(number)}
        return {"role": "user", "content": [{"type": "image", "source": source}, {"type": "text", "text": CAPTION}]}

    def test_turns(self):
        answer = self.ask()
        block, = answer.content
        self.assertEqual((block.text, block.grounding, answer.stop_reason), (first["text"], first["grounding"], "end_turn"))
        answer = self.ask(messages=[self.question(address=answer.images[0]["id"]), {"role": "assistant", "content": answer.content},
                                    {"role": "user", "content": AFTER}])
        block, = answer.content
        self.assertEqual((block.text, block.grounding), (second["text"], second["grounding"]))
        self.assertGreater(answer.usage.cache_read_input_tokens, 0)

    def test_streamed(self):
        with claude.messages.stream(model="groma-mini", max_tokens=300, messages=[self.question(64)]) as stream:
            text = "".join(stream.text_stream)
            last = stream.get_final_message()
        self.assertEqual((text, last.content[0].text), (first["text"], first["text"]))
        self.assertEqual(last.stop_reason, "end_turn")
        self.assertEqual(last.usage.output_tokens, self.ask().usage.output_tokens)
        grounding = []
        for event in self.ask(stream=True):
            if event.type == "content_block_delta":
                grounding += getattr(event.delta, "grounding", None) or []
        self.assertEqual(grounding, first["grounding"])

    def test_beta_and_stops(self):
        answer = claude.beta.messages.create(model="groma-mini", max_tokens=300, messages=[self.question(64)], stop_sequences=[" and"])
        self.assertEqual((answer.stop_reason, answer.stop_sequence), ("stop_sequence", " and"))
        self.assertEqual(answer.content[0].text, first["text"].split(" and")[0])

    def test_errors_are_the_clients(self):
        with self.assertRaises(anthropic.BadRequestError) as caught:
            self.ask(messages=[{"role": "user", "content": CAPTION}])
        self.assertEqual(caught.exception.body["error"]["type"], "invalid_request_error")
        self.assertIn("no picture", caught.exception.body["error"]["message"])
        with self.assertRaises(anthropic.BadRequestError):
            self.ask(tools=[{"name": "f", "input_schema": {"type": "object"}}])
        with self.assertRaises(anthropic.NotFoundError):
            self.ask(messages=[self.question(address=ID + 64 * "0")])
        with self.assertRaises(anthropic.AuthenticationError) as caught:
            self.ask(client=claude.with_options(api_key="another"))
        self.assertEqual(caught.exception.body["error"]["type"], "authentication_error")


if __name__ == "__main__":
    unittest.main()
