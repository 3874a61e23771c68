"""The way of an invocation, of logs and of egress in the proposed set-up, drawn for a person who must allow it."""

from __future__ import annotations

from html import escape

from paddock.advisor.export.proposal import ENDPOINT_SERVICES

WIDTH, HEIGHT = 720, 300


def network_diagram(instance_type: str, zones: int = 3) -> str:
    """Invokes come from the Lambda service, not through the VPC; all else leaves through it."""
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Network of the proposed set-up">',
        (
            '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            'orient="auto"><path d="M0 0L8 4L0 8Z" fill="#333"/></marker></defs>'
        ),
        _box(10, 20, 150, 60, "Lambda service", "router, scaler"),
        _box(10, 200, 150, 70, "AWS APIs", ", ".join(ENDPOINT_SERVICES)),
        _box(590, 120, 120, 60, "downstreams", "HTTPS 443"),
        (
            f'<rect x="195" y="10" width="370" height="{HEIGHT - 20}" rx="6" fill="none" stroke="#777" '
            'stroke-dasharray="5 4"/>'
        ),
        '<text x="205" y="28">your VPC: nothing inbound, HTTPS outbound</text>',
    ]
    for zone in range(zones):
        x = 205 + zone * 120
        parts.append(_box(x, 50, 108, 80, f"subnet {chr(97 + zone)}", instance_type))
    parts += [
        _box(205, 205, 348, 50, "interface endpoints", "one network interface in each subnet and service"),
        _arrow("M160 45H200", "invokes, responses", 102, 100),
        _arrow("M380 132V203", "logs, traces, credentials", 390, 172),
        _arrow("M203 230H164", "", 0, 0),
        _arrow("M553 90C575 90 575 150 588 150", "through NAT", 578, 205),
        "</svg>",
    ]
    return (
        f'<figure><figcaption>What goes where</figcaption><div class="scroll wide">{"".join(parts)}</div>'
        "<p>Invocations do not enter through the VPC: "
        "no inbound rule is needed. Logs do leave through it: without an endpoint or NAT they vanish silently while "
        "invocations work.</p></figure>"
    )


def _box(x: int, y: int, width: int, height: int, title: str, text: str) -> str:
    middle = x + width / 2
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="5" fill="#eef3f9" stroke="#1f5fa8"/>'
        f'<text x="{middle}" y="{y + height / 2 - 3}" text-anchor="middle" class="strong">{escape(title)}</text>'
        f'<text x="{middle}" y="{y + height / 2 + 14}" text-anchor="middle">{escape(text)}</text>'
    )


def _arrow(path: str, text: str, x: int, y: int) -> str:
    label = (
        f'<text x="{x}" y="{y}" text-anchor="{"start" if x > 300 else "middle"}">{escape(text)}</text>' if text else ""
    )
    return f'<path d="{path}" fill="none" stroke="#333" marker-end="url(#arrow)"/>{label}'
