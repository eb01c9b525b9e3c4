"""chat_server.py - an OpenAI-compatible server on 127.0.0.1 that answers as a test says."""
import http.server
import json
import threading
import time


class Server:
    """Answers with the result of `reply(number, body)`: (status, object, text or bytes), and headers if any."""

    def __init__(self, reply):
        self.requests, self.times, outer = [], [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.times.append(time.monotonic())
                outer.requests.append((self.path, self.headers.get("Authorization"), body))
                status, answer, *headers = reply(len(outer.requests), body)
                data = answer if isinstance(answer, (str, bytes)) else json.dumps(answer)
                data = data.encode() if isinstance(data, str) else data
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(data)
                except OSError:  # it has given up
                    pass

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def said(text):
    return 200, {"choices": [{"message": {"role": "assistant", "content": text}}]}
