/* api.js - requests to the server. Each throws an ApiError with the server's own words, or an
 * AbortError when its signal is given. */

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const KEY = "gromatic-key"; // in sessionStorage: until the tab is closed
const LARGEST = 23 << 20;   // bytes of a picture, so that its base64 is a body the server takes

let wantKey = async () => null;
let asking = null;

/* `ask(why)`: a key from the user, or null. */
export function onKeyWanted(ask) {
  wantKey = ask;
}

function headers() {
  const key = sessionStorage.getItem(KEY);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

async function newKey(why) {
  asking ??= wantKey(why);
  const key = await asking;
  asking = null;
  if (key === null) throw new ApiError(401, "The server wants a key.");
  sessionStorage.setItem(KEY, key);
}

async function failure(response) {
  let message = `${response.status} ${response.statusText}`;
  try {
    message = (await response.json()).error.message;
  } catch { /* not JSON: the status has to do */ }
  return new ApiError(response.status, message);
}

function pause(seconds, signal) {
  return new Promise((done, fail) => {
    const timer = setTimeout(done, 1000 * seconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      fail(signal.reason);
    });
  });
}

async function send(path, options) {
  try {
    return await fetch(path, { ...options, headers: { ...options.headers, ...headers() } });
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw new ApiError(0, "The server does not answer. Is it running?");
  }
}

async function request(path, options = {}) {
  for (let tries = 0; ; tries++) {
    const response = await send(path, options);
    if (response.ok) return response;
    const problem = await failure(response);
    if (response.status === 401) await newKey(problem.message);
    else if (response.status === 429 && tries < 20)
      await pause(Number(response.headers.get("Retry-After")) || 1, options.signal);
    else throw problem;
  }
}

function post(path, body, signal) {
  return request(path, { method: "POST", body: JSON.stringify(body), signal, headers: { "Content-Type": "application/json" } });
}

export const getJson = async (path) => (await request(path)).json();

/* "ready", "loading", "stopping" or "away". */
export async function health() {
  try {
    const response = await fetch("/health");
    if (response.ok) return "ready";
    return (await response.json()).error.message === "Loading model" ? "loading" : "stopping";
  } catch {
    return "away";
  }
}

/* ---- pictures: sent once, named by the server's id afterwards ---- */

function dataUri(blob) {
  return new Promise((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => fail(new ApiError(0, "The picture's file cannot be read any more."));
    reader.readAsDataURL(blob);
  });
}

async function withPicture(picture, path, body, signal) {
  if (picture.id) {
    try {
      return await post(path, body(picture.id), signal);
    } catch (problem) {
      if (problem.status !== 404) throw problem;
      picture.id = null; // the server has forgotten it
    }
  }
  if (picture.blob.size > LARGEST)
    throw new ApiError(413, `${picture.name} has ${Math.round(picture.blob.size / 1048576)} MB; the server takes 23 MB.`);
  return post(path, body(await dataUri(picture.blob)), signal);
}

/* The answer of one of the server's own addresses. */
export async function own(path, picture, members, signal) {
  const response = await withPicture(picture, path, (image) => ({ image, ...members }), signal);
  const answer = await response.json();
  picture.id = answer.image?.id ?? picture.id;
  return answer;
}

/* ---- streams ---- */

/* The data of server-sent events; comments are left out. */
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) if (block.startsWith("data: ")) yield block.slice(6);
  }
}

/* A question about a picture. Yields {text} and {phrase: {phrase, span, regions}} as they come,
 * and {usage} at the end. */
export async function* chat(picture, question, members, signal) {
  const body = (url) => ({
    messages: [{ role: "user", content: [{ type: "image_url", image_url: { url } }, { type: "text", text: question }] }],
    stream: true,
    stream_options: { include_usage: true },
    ...members,
  });
  const response = await withPicture(picture, "/v1/chat/completions", body, signal);
  for await (const data of events(response)) {
    if (data === "[DONE]") return;
    const event = JSON.parse(data);
    if (event.error) throw new ApiError(event.error.code ?? 0, event.error.message);
    const delta = event.choices[0]?.delta;
    if (delta?.content) yield { text: delta.content };
    for (const phrase of delta?.grounding ?? []) yield { phrase };
    if (event.images) picture.id = event.images[0].id;
    if (event.usage) yield { usage: event.usage, notes: event };
  }
}
