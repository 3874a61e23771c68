"""What the policy of a function or of a layer version is made of. Kept and shown; nobody is let in or refused by it."""

from __future__ import annotations

from dataclasses import dataclass, field

from paddock.model.function_url import FunctionUrlAuthType


@dataclass(frozen=True, slots=True)
class Permission:
    """A statement: who may do what. `principal` is `*`, an account, an ARN of IAM, or a service, as it was written.

    What is not None narrows it to an organization, a source, a token, or a way to call.
    """

    statement_id: str
    action: str
    principal: str
    organization_id: str | None = None
    source_arn: str | None = None
    source_account: str | None = None
    event_source_token: str | None = field(default=None, repr=False)
    function_url_auth_type: FunctionUrlAuthType | None = None
    invoked_via_function_url: bool | None = None
