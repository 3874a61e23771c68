import msgspec

from paddock.model.layer import LayerVersion
from paddock.model.resource_policy import Permission


def test_the_token_of_an_event_source_is_not_in_what_a_log_would_show() -> None:
    permission = Permission(
        "skill", "lambda:InvokeFunction", "alexa-appkit.amazon.com", event_source_token="amzn1.skill"
    )
    assert "alexa-appkit.amazon.com" in repr(permission)
    assert "amzn1.skill" not in repr(permission)


def test_statements_of_layers_that_say_no_more_than_who_and_what_are_read() -> None:
    """As stores kept them before functions had policies."""
    stored = (
        b'{"layer_name":"shared","version":1,"code":{"sha256":"bGF5ZXI=","size_bytes":7},'
        b'"created_at":"2026-11-23T12:00:00Z","policy_revision_id":"5c2e","permissions":[{"statement_id":"everyone",'
        b'"action":"lambda:GetLayerVersion","principal":"*","organization_id":"o-a1b2c3d4e5"}]}'
    )
    version = msgspec.json.decode(stored, type=LayerVersion)
    assert version.permissions == (Permission("everyone", "lambda:GetLayerVersion", "*", "o-a1b2c3d4e5"),)
