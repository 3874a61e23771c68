"""Hot reload: a function whose code is a directory of this machine follows what changes in it.

Looks at the directories again and again, because notifications of the kernel are lost on network and shared file
systems. A change that has come to rest becomes an update of `$LATEST`, and a publish to `$LATEST.PUBLISHED` where that
was made from the same directory. From there on it is a publish like any other: the new revision serves when its
environments are ready, the one before drains, and goes on serving when they cannot be.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import NoReturn

from paddock.controlplane.api import Api
from paddock.controlplane.code_signatures import check_signatures
from paddock.controlplane.function_updates import put_latest, signing_config
from paddock.controlplane.functions import tell
from paddock.controlplane.packages import package_of
from paddock.controlplane.publishing import Publish, publish
from paddock.model.errors import ApiError
from paddock.model.function import Code, FunctionVersion
from paddock.model.ids import LATEST_PUBLISHED, FunctionName, FunctionVersionKey, RevisionId
from paddock.ports.clock import Clock
from paddock.ports.objects import HOT_RELOAD_BUCKET, ObjectUnavailable, SourceDirectories
from paddock.ports.store import StoreError, Transaction

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.4
"""Between two looks; a change counts when two of them see the same. Editors write several files at once.
No setting: who saves waits for the publish, which takes longer.
"""
MOST_OF_A_CORE = 0.05
"""What looking may take: large directories are looked at less often."""
_STILL_UNDER_WAY = "ResourceConflictException"


@dataclass(slots=True)
class _Watched:
    """`seen` at the last look, `done` with what was reloaded last or could not be; `revision` is what became of it.
    `trouble` is why the code is not what lies in the directory, for people.
    """

    directory: str
    seen: str = ""
    done: str = ""
    revision: RevisionId | None = None
    trouble: str = ""


class HotReload:
    def __init__(self, api: Api, directories: SourceDirectories, clock: Clock) -> None:
        self._api = api
        self._directories = directories
        self._clock = clock
        self._watched: dict[FunctionName, _Watched] = {}

    async def run(self) -> NoReturn:
        while True:
            began = self._clock.monotonic()
            try:
                await self._look()
            except StoreError as error:
                log.error("hot reload: %s", error.message)  # noqa: TRY400
            except Exception:
                log.exception("hot reload")
            await asyncio.sleep(max(LOOK_SECONDS, (self._clock.monotonic() - began) / MOST_OF_A_CORE))

    def notes(self) -> list[str]:
        """A line for each function that follows a directory."""
        return [
            f"{name} follows {watched.directory}{f'; {watched.trouble}' if watched.trouble else ''}"
            for name, watched in sorted(self._watched.items())
        ]

    async def _look(self) -> None:
        versions = await self._api.store.read(lambda tx: tx.versions.select())
        directories = {
            version.function_name: version.configuration.code.hot_reload_directory
            for version in versions
            if version.is_latest
        }
        for name in [*self._watched]:
            if directories.get(name) != self._watched[name].directory:
                del self._watched[name]
        for name, directory in directories.items():
            if directory is not None:
                await self._look_at(name, self._watched.setdefault(name, _Watched(directory)))
        for version in versions:
            self._tell_failure(version)

    async def _look_at(self, name: FunctionName, watched: _Watched) -> None:
        seen = await self._fingerprint(watched)
        rests = seen == watched.seen
        watched.seen = seen
        if not rests or seen == watched.done:
            return
        try:
            reloaded = await self._reload(name, watched)
        except ApiError as error:
            if error.code == _STILL_UNDER_WAY:
                return
            self._trouble(name, watched, f"not reloaded: {error.message}")
        else:
            if await self._fingerprint(watched) != seen:
                return
            watched.trouble = ""
            if reloaded is not None:
                watched.revision = reloaded.revision
                log.info("hot reload of %s from %s", name, watched.directory)
        watched.done = seen

    async def _fingerprint(self, watched: _Watched) -> str:
        """What cannot be read is a state like others: it is told once, and the code that there is goes on."""
        try:
            return await self._directories.fingerprint(watched.directory)
        except ObjectUnavailable as unavailable:
            return unavailable.message

    async def _reload(self, name: FunctionName, watched: _Watched) -> FunctionVersion | None:
        """The version that changed; None when the directory is what is there. Raises `ApiError`."""
        given = {"S3Bucket": HOT_RELOAD_BUCKET, "S3Key": watched.directory}
        package, code = await package_of(self._api, given, "UpdateFunctionCode")
        async with self._api.arriving_code:
            await self._api.code.put(package)
            changed = await self._api.store.write(lambda tx: self._update(tx, name, code))
        if changed is not None:
            await tell(self._api, changed)
        return changed

    def _update(self, tx: Transaction, name: FunctionName, code: Code) -> FunctionVersion | None:
        latest = self._api.version(tx, name, None)
        before = latest.configuration.code
        if before.hot_reload_directory != code.hot_reload_directory:
            return None
        changed: FunctionVersion | None = None
        now = self._clock.now()
        if before.sha256 != code.sha256:
            if latest.configuration.on_demand and latest.publish_is_under_way:
                raise ApiError(_STILL_UNDER_WAY, "An update is in progress.", status=409)
            check_signatures(tx, signing_config(tx, name), [name])
            changed = put_latest(self._api, tx, latest, replace(latest.configuration, code=code), now)
        published = tx.versions.get(FunctionVersionKey(name, LATEST_PUBLISHED))
        if published is None or not _made_of_other_code(published, code):
            return changed
        arn = self._api.place.function_arn(name)
        return publish(tx, name, Publish(to_latest=True), arn=arn, ids=self._api.ids, now=now)

    def _tell_failure(self, version: FunctionVersion) -> None:
        watched = self._watched.get(version.function_name)
        if watched is not None and version.revision == watched.revision and version.publish_failed:
            watched.revision = None
            reason = version.last_update.reason or version.state_status.reason
            self._trouble(version.function_name, watched, f"the code before goes on serving: {reason}")

    def _trouble(self, name: FunctionName, watched: _Watched, text: str) -> None:
        watched.trouble = text
        log.warning("hot reload of %s from %s: %s", name, watched.directory, text)


def _made_of_other_code(published: FunctionVersion, code: Code) -> bool:
    before = published.configuration.code
    return before.hot_reload_directory == code.hot_reload_directory and before.sha256 != code.sha256
