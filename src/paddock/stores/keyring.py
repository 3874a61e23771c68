"""Keys that wrap the data keys of what is encrypted at rest; kept in one file that only its owner can read.

The file is made at first start. Losing it loses all deployment packages: that is what it is for.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from paddock.model.errors import StartError
from paddock.stores.files import write_whole

KEY_BITS = 256
NONCE_BYTES = 12
DEFAULT_KEY = "default"


class UnwrapError(Exception):
    """The wrapping key is unknown, or what it wrapped was changed."""


@dataclass(frozen=True, slots=True)
class WrappedKey:
    key_id: str
    ciphertext: str
    """Nonce, encrypted data key and tag, in base64."""


@dataclass(frozen=True, slots=True)
class Keyring:
    keys: dict[str, bytes] = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Raises `StartError` when the file is damaged: a new one in its place would make all code unreadable."""
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            keys = {str(key_id): base64.b64decode(key, validate=True) for key_id, key in stored["keys"].items()}
        except FileNotFoundError:
            keys = {DEFAULT_KEY: AESGCM.generate_key(KEY_BITS)}
            document = {"keys": {key_id: base64.b64encode(key).decode() for key_id, key in keys.items()}}
            write_whole(path, [json.dumps(document, indent=1).encode()])
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise StartError(
                f"{path} is damaged: restore it from a copy, without it no stored code can be read"
            ) from error
        return cls(keys)

    def wrap(self, data_key: bytes, context: bytes) -> WrappedKey:
        """`context` must be given again to unwrap."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + AESGCM(self.keys[DEFAULT_KEY]).encrypt(nonce, data_key, context)
        return WrappedKey(DEFAULT_KEY, base64.b64encode(sealed).decode())

    def unwrap(self, wrapped: WrappedKey, context: bytes) -> bytes:
        """Raises `UnwrapError`."""
        try:
            sealed = base64.b64decode(wrapped.ciphertext, validate=True)
            return AESGCM(self.keys[wrapped.key_id]).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
        except (KeyError, ValueError, InvalidTag) as error:
            raise UnwrapError(f"key {wrapped.key_id!r} does not open it") from error
