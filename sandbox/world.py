"""The platform's world: who follows which account, what each chat shows, and who is watching it.

In memory. Only the followers made on the page may be kept in a file, so that somebody the gateway already
knows does not vanish with a restart of the double.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from sandbox.demo import PEOPLE, Person

Key = tuple[str, str]  # account name, openid


@dataclass(frozen=True, slots=True)
class Follower:
    account: str
    openid: str
    nickname: str
    subscribed: bool = True
    subscribed_at: int = 0
    blocked: bool = False  # refuses template messages
    card: dict[str, str] = field(default_factory=dict)  # who this is, for the page


@dataclass(frozen=True, slots=True)
class Item:
    """One thing a chat shows. `sender` is user, account or system; `via` how the account's message came."""

    id: int
    account: str
    openid: str
    sender: str
    kind: str  # text voice image location news msgmenu template event fault
    text: str
    at: float  # business clock
    via: str = ""  # passive customer_service template subscription
    menu: dict[str, Any] | None = None  # msgmenu: {"items": [{"id", "content"}], "tail"}
    card: dict[str, Any] | None = None  # news, template, image, location: what the card shows
    is_ai: bool = False
    msg_id: str = ""
    delivery: str = ""  # of a user's message: sending, delivered, failed
    answers: int = 0  # of a passive reply and a fault: the item it answers

    def shown(self) -> dict[str, Any]:
        """As the HTTP API gives it out: `from`, `type` and an ISO time."""
        shown = asdict(self)
        shown["from"], shown["type"] = shown.pop("sender"), shown.pop("kind")
        shown["time"] = datetime.fromtimestamp(shown.pop("at"), UTC).isoformat()
        return shown


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture that an account has uploaded; `until` on the business clock."""

    kind: str
    data: bytes
    account: str
    until: float


@dataclass(frozen=True, slots=True)
class Code:
    """A QR code that an account has asked for; `until` on the business clock."""

    url: str
    scene: str
    ticket: str
    account: str
    until: float


class World:
    def __init__(self, followers_file: Path | None = None, people: tuple[Person, ...] = PEOPLE) -> None:
        self._file = followers_file
        self._people = people
        self._watchers: dict[asyncio.Queue[dict[str, Any] | None], Key] = {}
        # A restart must not hand out MsgIds again: the gateway remembers them.
        self._msg_ids = count(20_000_000_000_000_000 + time.time_ns() // 1000)
        self.offset = 0.0
        self._begin()
        self._load()

    def _begin(self) -> None:
        self.epoch = time.time_ns()  # tells a page that what it shows is of an earlier world
        self.followers: dict[Key, Follower] = {}
        self.menus: dict[str, dict[str, Any]] = {}
        self.media: dict[str, Upload] = {}  # by media id
        self.codes: dict[str, Code] = {}  # by what they say, the newest last
        self.consents: dict[tuple[str, str, str], int] = {}  # account, openid, template: sends agreed to
        self.typing: dict[Key, float] = {}
        self.last_act: dict[Key, float] = {}
        self._chats: dict[Key, dict[int, Item]] = {}
        self._item_ids = count(1)
        for person in self._people:
            card = {name: value for name, value in asdict(person).items() if isinstance(value, str)}
            self.put(
                Follower(
                    person.account, person.openid, person.name, person.following, int(time.time()), card=card
                )
            )

    def reset(self) -> None:
        """Back to the demo people, nobody having said anything; MsgIds go on, and menus stay."""
        self.offset, menus = 0.0, self.menus
        self._begin()
        self.menus = menus
        self._save()
        self.publish({"event": "epoch", "epoch": self.epoch})

    # -------------------------------------------------------------- clock and ids

    def now(self) -> float:
        """The business clock in seconds: real time plus the offset a test has set."""
        return time.time() + self.offset

    def upload(self, account: str, media_id: object) -> Upload | None:
        """What this account uploaded under the id, while that is good."""
        found = self.media.get(media_id) if isinstance(media_id, str) else None
        return found if found and found.account == account and self.now() < found.until else None

    def code(self, account: str, url: str) -> Code | None:
        """What a QR code of this account says, while that is good."""
        found = self.codes.get(url)
        return found if found and found.account == account and self.now() < found.until else None

    def set_menu(self, account: str, menu: dict[str, Any] | None) -> None:
        """An account's menu, kept over restarts as the platform keeps it; None: it has none."""
        self.menus.pop(account, None)
        if menu is not None:
            self.menus[account] = menu
        self._keep_menus()
        self.publish({"event": "state"})

    def next_msg_id(self) -> str:
        return str(next(self._msg_ids))

    # -------------------------------------------------------------- followers

    def put(self, follower: Follower) -> None:
        self.followers[follower.account, follower.openid] = follower
        self.publish({"event": "state"})

    def add(self, account: str, nickname: str, openid: str = "", *, subscribed: bool = True) -> Follower:
        """A new follower, kept over restarts. Raises ValueError if the openid is taken."""
        openid = openid or "o" + secrets.token_urlsafe(21)[:27]
        if (account, openid) in self.followers:
            raise ValueError(openid)
        card = {"kind": "created", "name": nickname, "hint": "在本页新建的关注者"}
        follower = Follower(account, openid, nickname, subscribed, int(self.now()), card=card)
        self.put(follower)
        self._save()
        return follower

    def follow(self, follower: Follower, *, subscribed: bool) -> Follower:
        changed = replace(follower, subscribed=subscribed, subscribed_at=int(self.now()))
        self.put(changed)
        return changed

    # -------------------------------------------------------------- chats

    def show(self, account: str, openid: str, sender: str, kind: str, text: str, **more: Any) -> Item:
        """Put something into a chat."""
        item = Item(next(self._item_ids), account, openid, sender, kind, text, self.now(), **more)
        self._keep(item)
        if sender == "account":
            self.typing.pop((account, openid), None)
        return item

    def mark(self, key: Key, item_id: int, delivery: str) -> None:
        """How a user's message fared."""
        if item := self._chats.get(key, {}).get(item_id):
            self._keep(replace(item, delivery=delivery))

    def chat(self, account: str, openid: str) -> list[Item]:
        return list(self._chats.get((account, openid), {}).values())

    def _keep(self, item: Item) -> None:
        key = (item.account, item.openid)
        self._chats.setdefault(key, {})[item.id] = item
        self.publish({"event": "item", "item": item.shown()}, key)

    # -------------------------------------------------------------- watchers

    def publish(self, event: dict[str, Any], key: Key | None = None) -> None:
        """Tell the pages that watch this chat; without a key, all pages."""
        for queue, watched in self._watchers.items():
            if key is None or key == watched:
                queue.put_nowait(event)

    @contextmanager
    def watch(self, key: Key) -> Iterator[asyncio.Queue[dict[str, Any] | None]]:
        """Events of one chat; None means that the double is stopping."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._watchers[queue] = key
        try:
            yield queue
        finally:
            del self._watchers[queue]

    def stop(self) -> None:
        for queue in self._watchers:
            queue.put_nowait(None)

    # -------------------------------------------------------------- files: followers made here, menus

    def _load(self) -> None:
        if self._file and self._file.exists():
            for row in json.loads(self._file.read_text(encoding="utf-8")):
                self.put(Follower(**row))
        if self._menus_file and self._menus_file.exists():
            self.menus = json.loads(self._menus_file.read_text(encoding="utf-8"))

    @property
    def _menus_file(self) -> Path | None:
        return self._file and self._file.with_name("menus.json")

    def _keep_menus(self) -> None:
        if self._menus_file:
            _write(self._menus_file, self.menus)

    def _save(self) -> None:
        if not self._file:
            return
        created = [asdict(each) for each in self.followers.values() if each.card.get("kind") == "created"]
        _write(self._file, created)


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")
    part.replace(path)
