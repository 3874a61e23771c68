"""The page's style: one column that reads on a phone and prints on A4; no colour carries meaning alone."""

STYLE = """
:root{color-scheme:light;--ink:#1b1f24;--soft:#5a6470;--line:#d6dce3;--blue:#1f5fa8}
*{box-sizing:border-box}
body{margin:0;font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;color:var(--ink);background:#fff}
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
@media print{
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
