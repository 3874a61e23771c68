"""The page's style: one column that reads on a phone, in the dark, and prints on A4; no colour carries meaning alone.

Charts and diagrams bring the colours of paper. In the dark each has a brighter one in its place.
"""

from paddock.advisor.report.svg import HEIGHT

_X_NAME = f'figure>svg text[y="{HEIGHT - 3}"]'
_IN_THE_DARK = {
    "#1f5fa8": "#6fa8ec",
    "#c2571a": "#f0945c",
    "#2f7d4f": "#6cc08d",
    "#7a4fa3": "#bb94e0",
    "#eef3f9": "#1d2733",
    "#333": "#b8c2cc",
    "#777": "#7d8894",
}
_BRIGHTER = "".join(
    f' [stroke="{paper}"]{{stroke:{dark}}}\n [fill="{paper}"]{{fill:{dark}}}\n' for paper, dark in _IN_THE_DARK.items()
)

_PAGE = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--soft:#5a6470;--line:#d6dce3;--blue:#1f5fa8}
*{box-sizing:border-box}
body{margin:0;color:var(--ink);background:var(--paper)}
body{font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:820px;margin:0 auto;padding:16px}
header{border-left:6px solid var(--blue);padding:4px 0 4px 16px;margin-bottom:24px}
header.managed_instances{border-color:#2f7d4f}
header.too_close_to_call{border-color:#b8860b}
h1{font-size:2rem;line-height:1.15;margin:.1em 0 .4em}
h2{font-size:1.3rem;margin:2em 0 .5em;border-bottom:1px solid var(--line);padding-bottom:.2em}
h3{font-size:1rem;margin:1.4em 0 .3em}
.kicker{margin:0;color:var(--soft)}
figure{margin:1em 0;break-inside:avoid}
figcaption{font-weight:600;margin-bottom:4px}
svg{width:100%;height:auto;display:block}
svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--soft)}
svg .strong{font-weight:600;fill:var(--ink)}
.grid{stroke:var(--line);fill:none}
.mark{stroke:var(--ink);stroke-dasharray:3 3;fill:none}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;list-style:none;padding:0;margin:4px 0}
.legend{font-size:.85rem;color:var(--soft)}
.legend svg{display:inline-block;width:28px;height:12px;margin-right:6px;vertical-align:middle}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.85rem;font-variant-numeric:tabular-nums}
th,td{padding:5px 10px 5px 0;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
.n{text-align:right;white-space:nowrap}
th{color:var(--soft);font-weight:600}
ul,ol{padding-left:1.3em}
li{margin:.25em 0}
.checklist{list-style:none;padding:0}
.box{display:inline-block;width:.85em;height:.85em;border:1.5px solid var(--soft);margin-right:.6em;vertical-align:-1px}
@media (max-width:520px){
 main{padding:12px}
 h1{font-size:1.6rem}
 figure>svg text,svg.bars text{font-size:19px}
 svg .y-name{display:none}
 .wide svg{min-width:640px}
 .legend svg{width:36px}
 table{font-size:.78rem}
 td:first-child{min-width:8.5em;overflow-wrap:anywhere}
}
"""

_CHARTS = f"""
@media (max-width:520px){{
 figure>svg{{overflow:visible;margin-bottom:.8em}}
 {_X_NAME}{{transform:translateY(9px)}}
}}
@media screen and (prefers-color-scheme:dark){{
 :root{{--paper:#12161b;--ink:#e4e9ee;--soft:#9aa6b2;--line:#2c3540;--blue:#6fa8ec}}
 header.managed_instances{{border-color:#6cc08d}}
 header.too_close_to_call{{border-color:#e0b24a}}
{_BRIGHTER}}}
"""

_PRINTED = """
@media print{
 :root{color-scheme:light}
 @page{margin:16mm}
 body{font-size:10.5pt}
 main{max-width:none;padding:0}
 section{break-inside:auto}
 h2{break-after:avoid}
 details{display:none}
 .scroll{overflow:visible}
 table{font-size:7.5pt}
}
"""

STYLE = _PAGE + _CHARTS + _PRINTED
