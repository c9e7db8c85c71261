// The double's HTTP API. Every address is relative, so the page also works behind the app's proxy.

export class ApiError extends Error {
  constructor(status, detail) {
    super(typeof detail === "string" ? detail : JSON.stringify(detail));
    this.status = status;
  }
}

async function call(method, path, body) {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const response = await fetch(path, options);
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiError(response.status, answer.error ?? response.statusText);
  return answer;
}

export const get = (path) => call("GET", path);
export const post = (path, body) => call("POST", path, body);
export const remove = (path) => call("DELETE", path);

const POLL = 2000;

// Watches one chat. Where a proxy breaks the stream, it polls until the stream is back.
export function watch(account, openid, handlers) {
  const who = new URLSearchParams({ account, openid });
  const source = new EventSource(`api/stream?${who}`);
  let timer = 0;
  const poll = async () => {
    try {
      handlers.past(await get(`api/messages?${who}`));
      handlers.online(true);
    } catch {
      handlers.online(false);
    }
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
  for (const name of ["item", "typing", "trace", "state"]) {
    source.addEventListener(name, (event) => handlers[name](JSON.parse(event.data)));
  }
  return () => {
    clearInterval(timer);
    source.close();
  };
}
