// The double's HTTP API. Every address is relative, so the page also works behind the app's proxy.

export class ApiError extends Error {
  constructor(status, detail) {
    super(typeof detail === "string" ? detail : JSON.stringify(detail));
    this.status = status;
  }
}

async function call(method, path, body, signal) {
  const options = { method, signal, headers: {} };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const response = await fetch(path, options);
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiError(response.status, answer.error ?? response.statusText);
  return answer;
}

export const get = (path, signal) => call("GET", path, undefined, signal);
export const post = (path, body) => call("POST", path, body);
export const remove = (path) => call("DELETE", path);

const POLL = 2000;
const PATIENCE = 10000;

// Watches one chat. Where a proxy breaks the stream, it polls until the stream is back.
export function watch(account, openid, handlers) {
  const who = new URLSearchParams({ account, openid });
  const source = new EventSource(`api/stream?${who}`);
  const leaving = new AbortController();
  let timer = 0;
  let asking = 0; // for the past
  let held = []; // what came meanwhile: newer, so it is shown after it
  const poll = async () => {
    asking += 1;
    try {
      const signal = AbortSignal.any([leaving.signal, AbortSignal.timeout(PATIENCE)]);
      const past = await get(`api/messages?${who}`, signal);
      if (leaving.signal.aborted) return;
      handlers.past(past);
      handlers.online(true);
    } catch {
      if (leaving.signal.aborted) return; // the chat on the screen is somebody else's by now
      handlers.online(false);
    }
    asking -= 1;
    if (asking > 0) return;
    const late = held;
    held = [];
    for (const each of late) handlers.item(each);
  };
  source.addEventListener("epoch", (event) => {
    clearInterval(timer);
    timer = 0;
    handlers.epoch(JSON.parse(event.data).epoch);
    poll();
  });
  source.onerror = () => {
    if (!timer) timer = setInterval(poll, POLL);
    poll();
    if (source.readyState === EventSource.CLOSED) handlers.online(false);
  };
  source.addEventListener("item", (event) => {
    const each = JSON.parse(event.data);
    if (asking > 0) held.push(each);
    else handlers.item(each);
  });
  for (const name of ["typing", "trace", "state"]) {
    source.addEventListener(name, (event) => handlers[name](JSON.parse(event.data)));
  }
  return () => {
    clearInterval(timer);
    leaving.abort();
    source.close();
  };
}
