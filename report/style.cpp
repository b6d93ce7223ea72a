#include "noema/report/style.h"

namespace noema {

std::string_view style_sheet() {
  // The series colours are those of Okabe and Ito, made for every common form of colour blindness.
  static constexpr std::string_view kSheet = R"css(
:root{--ink:#1c2430;--soft:#5a6675;--faint:#8b95a3;--line:#dfe4ea;--grid:#e9edf2;--page:#fff;--raised:#f6f8fa;
--accent:#0b63a8;--warn:#a65300;--warn-bg:#fff6ea;--warn-line:#f0cf9f;--info-bg:#eef5fb;--info-line:#c5dcef;--heat:#1767a6;
--s0:#0072b2;--s1:#d55e00;--s2:#009e73;--s3:#b0528f;--s4:#e69f00;--s5:#3ba3dc;--s6:#7a8794;--s7:#5b4b9a;color-scheme:light}
@media screen and (prefers-color-scheme:dark){:root{--ink:#e4e9ef;--soft:#a5b0bd;--faint:#7d8896;--line:#313a45;--grid:#28303a;
--page:#12171d;--raised:#1a2129;--accent:#6fb7ee;--warn:#f0b060;--warn-bg:#2b2115;--warn-line:#5e4722;--info-bg:#15222e;
--info-line:#28465f;--heat:#2f86cc;--s0:#4aa3df;--s1:#f0803c;--s2:#2fc298;--s3:#dd8fc0;--s4:#f0b93a;--s5:#7cc8f2;--s6:#98a4b1;
--s7:#a494ea;color-scheme:dark}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;scroll-padding-top:56px}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.58 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",
"Noto Sans","Liberation Sans",Arial,sans-serif;-webkit-text-size-adjust:100%}
header,main,footer,nav ul{max-width:1140px;margin:0 auto;padding:0 28px}
header{padding-top:44px;padding-bottom:8px}
h1{font-size:30px;line-height:1.2;letter-spacing:-.015em;margin:0 0 6px;font-weight:650;overflow-wrap:anywhere}
.subtitle{color:var(--soft);margin:0 0 18px;font-size:16px}
nav{position:sticky;top:0;z-index:2;background:var(--page);border-bottom:1px solid var(--line);margin-top:10px}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:2px 20px;padding-top:10px;padding-bottom:10px}
nav a{color:var(--soft);text-decoration:none;font-size:14px}
nav a:hover,a:hover{color:var(--accent);text-decoration:underline}
a{color:var(--accent);text-decoration:none}
section{padding:30px 0 10px;border-bottom:1px solid var(--line)}
section:last-of-type{border-bottom:0}
h2{font-size:21px;margin:0 0 12px;font-weight:640;letter-spacing:-.01em}
h3{font-size:16px;margin:26px 0 10px;font-weight:620}
p,main>section>ul{max-width:78ch;margin:0 0 12px}
ul{padding-left:20px}
li{margin:3px 0;overflow-wrap:anywhere}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(200px,1fr));gap:14px;margin:20px 0 14px}
.card{background:var(--raised);border:1px solid var(--line);border-radius:10px;padding:14px 18px}
.card .name{font-size:13px;color:var(--soft);display:block}
.card .figure{font-size:28px;font-weight:640;letter-spacing:-.02em;line-height:1.3;display:block;font-variant-numeric:tabular-nums}
.card .note{font-size:13px;color:var(--soft);display:block;line-height:1.45;overflow-wrap:anywhere}
.scroll{overflow-x:auto;margin:0 0 18px}
table{border-collapse:collapse;font-size:14px;min-width:45%;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);font-size:13.5px;padding:0 0 8px;caption-side:top}
th,td{padding:6px 12px 6px 0;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;color:var(--soft);font-size:13px;border-bottom:1.5px solid var(--faint);vertical-align:bottom}
td{overflow-wrap:break-word;max-width:60ch}
th.n,td.n{text-align:right;white-space:nowrap;padding-left:10px}
th:last-child,td:last-child{padding-right:2px}
td:first-child{min-width:11ch}
tr.strong td{font-weight:620}
tbody tr:hover{background:var(--raised)}
figure{margin:0 0 20px;min-width:0}
.figure-title{font-size:14px;font-weight:600;margin:0 0 8px;overflow-wrap:anywhere}
figure svg{max-width:100%;height:auto;display:block}
figcaption{color:var(--soft);font-size:13.5px;line-height:1.5;margin-top:8px;max-width:84ch}
.columns{display:flex;flex-wrap:wrap;gap:8px 30px;align-items:flex-start;margin:0 0 6px}
.columns>*{flex:0 1 var(--part,auto);max-width:100%}
details{border:1px solid var(--line);border-radius:8px;margin:0 0 14px;background:var(--page)}
summary{cursor:pointer;padding:9px 14px;font-weight:560;font-size:14px;color:var(--soft)}
summary:hover{color:var(--ink)}
details[open]>summary{border-bottom:1px solid var(--line)}
.inside{padding:14px 16px 2px;overflow-x:auto}
pre{margin:0 0 14px;padding:12px 14px;background:var(--raised);border-radius:6px;overflow-x:auto;
font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre-wrap;overflow-wrap:anywhere}
.notice{border:1px solid var(--info-line);background:var(--info-bg);border-radius:8px;padding:12px 18px 4px;margin:0 0 18px}
.notice.warning{border-color:var(--warn-line);background:var(--warn-bg)}
.notice strong.head{display:block;margin-bottom:5px}
.notice.warning strong.head{color:var(--warn)}
.notice ul{margin:0 0 10px}
footer{color:var(--faint);font-size:13px;padding-top:22px;padding-bottom:44px}
svg text{font-size:11px;fill:var(--soft);font-family:inherit}
svg .label{font-size:12px;fill:var(--ink)}
svg .legend{font-size:11.5px;fill:var(--ink)}
svg .note{font-size:11px;fill:var(--soft)}
svg .dark{font-size:11.5px;fill:var(--ink)}
svg .value{font-size:13px;fill:var(--ink);font-weight:600}
svg .strong{font-weight:600;fill:var(--ink)}
svg .count{font-size:12.5px;fill:var(--ink)}
svg .tiny{font-size:10px}
svg .light{fill:#fff}
svg .on-dark{font-size:11px;fill:#d6dbe1}
svg .side{font-size:10.5px;font-weight:600;fill:#fff}
svg .grid{stroke:var(--grid);stroke-width:1}
svg .axis{stroke:var(--faint);stroke-width:1}
svg .reference{stroke:var(--soft);stroke-width:1.3;stroke-dasharray:5 4}
svg .observed{stroke:var(--s1);stroke-width:2}
svg .line{stroke:var(--c);stroke-width:2;fill:none;stroke-linejoin:round;stroke-linecap:round}
svg .faint{stroke-width:1;opacity:.32}
svg .key.faint{opacity:.55}
svg .dashed{stroke-dasharray:6 5}
svg .band{fill:var(--c);opacity:.17}
svg .dot{fill:var(--c);stroke:var(--page);stroke-width:1.2}
svg .dot.small{opacity:.6;stroke-width:.6}
svg .whisker{stroke:var(--c);stroke-width:3;stroke-linecap:round;opacity:.5}
svg .glass{fill:var(--raised);stroke:var(--faint);stroke-width:1.2;stroke-linejoin:round}
svg .edge{stroke:var(--c);stroke-linecap:round}
svg .w1{stroke-width:.9;opacity:.4}
svg .w2{stroke-width:1.7;opacity:.6}
svg .w3{stroke-width:2.7;opacity:.85}
svg .bar{fill:var(--s6);opacity:.75}
svg .cell{fill:var(--raised)}
svg .heat{fill:var(--heat)}
svg .panel{fill:#000}
svg .border{fill:none;stroke:var(--faint);stroke-width:1}
svg .sharp{image-rendering:pixelated}
.c0{--c:var(--s0)}.c1{--c:var(--s1)}.c2{--c:var(--s2)}.c3{--c:var(--s3)}
.c4{--c:var(--s4)}.c5{--c:var(--s5)}.c6{--c:var(--s6)}.c7{--c:var(--s7)}
@media (max-width:640px){header,main,footer,nav ul{padding-left:16px;padding-right:16px}header{padding-top:26px}h1{font-size:24px}
nav{position:static}.card .figure{font-size:24px}figure{overflow-x:auto}figure svg{max-width:max(100%,720px)}}
@media print{body{font-size:10.5pt}nav{display:none}header,main,footer{max-width:none;padding:0}section{padding:14pt 0 4pt}
figure,tr,.card,.notice{break-inside:avoid}h2,h3{break-after:avoid}.scroll{overflow:visible}table,th{font-size:8pt}
th,td,th.n,td.n{padding:3pt 6pt 3pt 0;white-space:normal}td:first-child{min-width:0}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
)css";
  return kSheet;
}

}  // namespace noema
