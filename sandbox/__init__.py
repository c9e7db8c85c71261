"""A double of the WeChat Official Account platform, with a phone page. Imports nothing of ours.

It binds to loopback and serves under `/sandbox/`:

- `wechat/cgi-bin/…`, `wechat/connect/…`, `wechat/sns/…`: the platform's API, as `api_base` of an account.
- `` (the page), `static/`, `api/…`: followers, what they send, what they see, the stream.
- `control/…`: faults, clock, tokens, raw posts, URL verification, the log, reset.
- `healthz`.

User messages go to `GATEWAY/wechat/NAME`. Bodies are JSON; unknown keys are errors that say so.
"""
