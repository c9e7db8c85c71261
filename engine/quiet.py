"""What must happen before Rasa is imported: threads, TensorFlow, telemetry, warnings, logs."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import types
import warnings

FIXED = {
    "RASA_TELEMETRY_ENABLED": "false",
    "OMP_NUM_THREADS": "1",  # a turn is one small matrix after another; more threads only wait for each other
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
    "LOG_LEVEL": "WARNING",  # Rasa draws progress bars unless this says otherwise
}
# What Rasa's policies import of it, whether or not they are used.
TENSORFLOW_MODULES = {
    "rasa.utils.tensorflow.callback": ("RasaTrainingLogger", "RasaModelCheckpoint"),
    "rasa.utils.tensorflow.data_generator": ("RasaDataGenerator", "RasaBatchDataGenerator"),
}
# The attributes every log record has; what else a record carries was passed as `extra`.
USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """One JSON object a line. Of other people's loggers only the place is told, never the message:

    Rasa, Sanic and spaCy put what people wrote into theirs.
    """

    def format(self, record: logging.LogRecord) -> str:
        own_record = record.name.startswith("engine")
        extra = {key: value for key, value in vars(record).items() if key not in USUAL} if own_record else {}
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage() if own_record else f"{record.module}:{record.lineno}",
            **extra,
        }
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
        return json.dumps(line, ensure_ascii=False, default=str)


def prepare() -> None:
    """For every command of the engine, before anything of Rasa's is imported."""
    os.environ.update(FIXED)
    warnings.showwarning = lambda *_, **__: None  # Rasa and TensorFlow set the filters anew
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("engine").setLevel(logging.INFO)

    import structlog  # noqa: PLC0415 - after the environment is set

    # Unconfigured, structlog prints every debug line, and Rasa's hold the message and the slots.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def without_tensorflow() -> None:
    """Keep TensorFlow out of a serving process: 5 s of start-up and 300 MB for nothing.

    Our pipeline has no TensorFlow component, but Rasa's policies import these two modules of training
    callbacks and batch generators. A model that needs them fails to load, loudly.
    """
    for module, names in TENSORFLOW_MODULES.items():
        stand_in = types.ModuleType(module)
        for name in names:
            setattr(stand_in, name, type(name, (_Absent,), {}))
        sys.modules[module] = stand_in


class _Absent:
    def __init__(self, *_: object, **__: object) -> None:
        raise RuntimeError("this engine serves no TensorFlow components")
