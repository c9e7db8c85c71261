"""What a process compiles before its first message."""

from __future__ import annotations

import json
import subprocess
import sys

from bot.settings import ROOT

# In a fresh interpreter: the patterns that `warm` compiles, and then messages of each kind.
_COUNT = """
import json, re
from bot.inbound.fragments import piece_of
from bot.inbound.open_requests import left_over
from bot.inbound.warming import warm
from bot.model import Audience
from bot.people import quiet
from bot.safety import is_yes, likely_stop, read_case, screen, tells

count, compile_ = [], re._compiler.compile
re._compiler.compile = lambda pattern, flags=0: count.append(pattern) or compile_(pattern, flags)
warm()
before = len(count)
for text in (
    "老伴从早上起心口疼得厉害", "病人高压210，恶心", "吃了缬沙坦一直咳嗽怎么办", "不要再给我发广告了",
    "开100盒有什么表示", "还有回扣吗 转人工", "有个老人", "先不要说话",
):
    for audience in Audience:
        screen(text, audience), tells(text, audience), read_case(text, audience)
    left_over(text, ()), piece_of(text, is_name=False), quiet.asks_to_speak(text)
    is_yes(text), likely_stop(text)
print(json.dumps([before, len(count) - before]))
"""


def test_a_process_that_is_warm_compiles_little_for_a_message() -> None:
    """What is left are first characters that no text of `warm` has."""
    command = [sys.executable, "-c", _COUNT]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    warmed, left = json.loads(done.stdout)
    assert warmed > 200
    assert left < 30, (warmed, left)
