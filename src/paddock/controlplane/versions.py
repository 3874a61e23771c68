"""PublishVersion and ListVersionsByFunction."""

from __future__ import annotations

from paddock.awsapi.pagination import paginate
from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.code_storage import check_code_storage
from paddock.controlplane.functions import PAGE_ITEMS, order_of, tell, view
from paddock.controlplane.publishing import Publish, check_code_sha256, check_revision, publish
from paddock.model.errors import conflict
from paddock.model.function import FunctionVersion
from paddock.model.states import FunctionState
from paddock.ports.store import Transaction


async def publish_version(api: Api, call: Call) -> Answer:
    params = call.params
    name = api.function(call).name

    def work(tx: Transaction) -> FunctionVersion:
        latest = api.version(tx, name, None)
        if latest.state is FunctionState.DELETING:
            raise conflict(
                "The operation cannot be performed at this time. "
                f"The function is being deleted: {api.place.function_arn(name)}"
            )
        check_revision(latest, params.get("RevisionId"))
        check_code_sha256(latest, params.get("CodeSha256"))
        arn = api.place.function_arn(name)
        version = publish(tx, name, Publish.of(params), arn=arn, ids=api.ids, now=call.now)
        check_code_storage(api, tx)
        return version

    published = await api.store.write(work)
    await tell(api, published)
    return await view(api, published, qualified=True)


async def list_versions_by_function(api: Api, call: Call) -> Answer:
    name = api.function(call).name

    def read(tx: Transaction) -> list[FunctionVersion]:
        api.version(tx, name, None)
        return tx.versions.select(function_name=name)

    page = paginate(
        await api.store.read(read),
        call.params.get("Marker"),
        call.params.get("MaxItems"),
        PAGE_ITEMS,
        order_of,
    )
    shown = [await view(api, version, qualified=True) for version in page.items]
    return {"Versions": shown, "NextMarker": page.next_marker}


OPERATIONS = (
    Operation("lambda", "PublishVersion", publish_version),
    Operation("lambda", "ListVersionsByFunction", list_versions_by_function),
)
