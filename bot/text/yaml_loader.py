"""The safe loader of libyaml, which the wheels have: it reads a file in a tenth of the time."""

from __future__ import annotations

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # PyYAML was built without libyaml
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

__all__ = ["Loader"]
