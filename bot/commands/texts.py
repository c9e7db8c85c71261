"""`understand` and `check-text`: a text a line in, a JSON object a line out."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated

import aiohttp
import typer

from bot.commands.context import Context, context, lines, progress, run, say_json
from bot.compliance import check_text
from bot.content import edition_in_force, seed_content
from bot.dialogue.engine_client import EngineClient
from bot.dialogue.publishing import in_force, seed_dialogue
from bot.dialogue.understanding import understand
from bot.knowledge import Encoder, kept_index
from bot.model import Audience, Fault, MedrepError
from bot.service import programs
from bot.service.home import ServiceTokens, tokens
from bot.service.postgres import free_port
from bot.service.training import train
from bot.settings import Settings

READY_SECONDS = 120.0

For = Annotated[Audience, typer.Option("--audience", help="Whom the text is from or for.")]


def understand_lines(audience: For) -> None:
    """Read one text a line; print what it amounts to, one JSON object a line."""
    run(_understand(audience))


async def _understand(audience: Audience) -> None:
    async with context() as home, _engine(home) as engine:
        async with home.db.begin() as tx:
            edition = await edition_in_force(tx)
        if edition is None:
            raise MedrepError(Fault.CONFIGURATION, "no content is published")
        index = await asyncio.to_thread(kept_index, edition.content, Encoder(), home.settings.index_dir)
        for text in lines():
            say_json(await understand(engine, index, text, audience, home.clock.now()))


@asynccontextmanager
async def _engine(home: Context) -> AsyncIterator[EngineClient]:
    """The running engine, or one of our own for the duration."""
    settings, shared = home.settings, tokens(home.settings)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        running = EngineClient(http, f"http://127.0.0.1:{settings.engine_port}", shared.engine)
        if await running.ready() is not None:
            yield running
            return
        await seed_content(home.db, home.clock.now())
        await seed_dialogue(home.db, settings.home, home.clock.now())
        async with home.db.begin() as tx:
            dialogue = await in_force(tx)
        assert dialogue is not None  # noqa: S101 - for the type checker; the seed is in force at least
        model = await train(settings.home, dialogue, progress)
        own = _private(settings)
        token = ServiceTokens(engine=secrets.token_urlsafe(16), actions=secrets.token_urlsafe(16))
        child = programs.engine(own, token, lambda: model)
        stack.push_async_callback(child.stop, 4.0)
        await child.start()
        engine = EngineClient(http, f"http://127.0.0.1:{own.engine_port}", token.engine)
        for _ in range(int(READY_SECONDS / 0.2)):
            if await engine.ready() is not None:
                break
            if child.process is not None and child.process.returncode is not None:
                raise MedrepError(Fault.ENGINE_DOWN, f"the engine did not start; see {child.log}")
            await asyncio.sleep(0.2)
        yield engine


def _private(settings: Settings) -> Settings:
    """Ports that nobody else uses."""
    return settings.model_copy(update={"engine_port": free_port(), "actions_port": free_port()})


def check_lines(audience: For) -> None:
    """Read one text a line; print whether it may leave, and what stands against it."""
    for text in lines():
        findings = check_text(text, audience)
        say_json(
            {
                "text": text,
                "allowed": not findings,
                "findings": [{"rule": f.rule, "span": list(f.span), "why": f.why} for f in findings],
            }
        )
