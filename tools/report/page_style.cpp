// The look of the pages, and the little script that shows hover values, copies commands and sorts tables. Everything can be
// read without the script.
#include "tools/report/html.h"

namespace sepia::report::detail {

const std::string_view kPageStyle = R"css(
:root{--page:#f8f4ec;--line:#e2d9cb;--serif:"Iowan Old Style","Palatino Linotype",Palatino,"Book Antiqua",Georgia,"Liberation Serif",serif;
--sans:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"Liberation Sans",sans-serif;
--mono:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;color-scheme:light}
@media screen and (prefers-color-scheme:dark){:root{--page:#171310;--line:#3b332c;color-scheme:dark}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.55 var(--sans);font-variant-numeric:tabular-nums}
main{max-width:1088px;margin:0 auto;padding:40px 24px 72px}
a{color:var(--accent)}
h1,h2{font-family:var(--serif);font-weight:600;letter-spacing:-.01em;line-height:1.2;margin:0}
h1{font-size:2.35rem;overflow-wrap:anywhere}
h2{font-size:1.5rem;margin:0 0 14px}
h3{font-size:.95rem;font-weight:600;margin:22px 0 10px}
p{margin:0 0 12px;max-width:68ch}
.kicker{font-size:.78rem;letter-spacing:.13em;text-transform:uppercase;color:var(--accent);font-weight:600;margin:0 0 6px}
.swatch{vertical-align:-2px}
.muted{color:var(--muted)}
.small{font-size:.86rem}
header{margin-bottom:26px}
nav{display:flex;flex-wrap:wrap;gap:4px 18px;margin-top:16px;font-size:.88rem}
nav a{text-decoration:none;border-bottom:1px solid transparent}
nav a:hover{border-color:currentColor}
section{margin-top:46px;scroll-margin-top:16px}
.verdict{border-left:5px solid var(--tone);padding:4px 0 4px 22px;margin:30px 0 26px}
.verdict .headline{font:600 1.75rem/1.25 var(--serif);margin:0 0 8px;max-width:none}
.verdict p:last-child{margin-bottom:0}
.good{--tone:var(--test)}.warn{--tone:var(--val)}.bad{--tone:var(--fake)}.plain{--tone:var(--axis)}
.note{border:1px solid var(--line);border-left:5px solid var(--val);background:var(--paper);border-radius:4px;padding:10px 16px;margin:0 0 18px;max-width:none}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(152px,1fr));gap:1px;background:var(--paper);border:1px solid var(--line);border-radius:8px;overflow:hidden}
.tile{box-shadow:0 0 0 1px var(--line);padding:14px 18px 15px}
.tile .label{font-size:.8rem;color:var(--muted)}
.tile .value{font:600 1.7rem/1.3 var(--serif)}
.tile .hint-line{font-size:.8rem;color:var(--muted)}
.card{background:var(--paper);border:1px solid var(--line);border-radius:8px;padding:14px 16px;margin:0 0 16px}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:16px;margin-bottom:16px}
figure{margin:0;min-width:0;background:var(--paper);border:1px solid var(--line);border-radius:8px;padding:8px;display:flex;align-items:center;justify-content:center}
figure svg{display:block;width:100%;max-width:660px;height:auto}
.aside{padding:20px 12px;align-self:center}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th{font-weight:600;text-align:left;color:var(--muted);font-size:.8rem;white-space:nowrap}
th,td{padding:7px 18px 7px 0;border-bottom:1px solid var(--line);vertical-align:top}
tr:last-child>td{border-bottom:0}
td.number,th.number{text-align:right;white-space:nowrap;padding-right:26px}
th.group{text-align:center;border-bottom-style:dotted;padding-right:0}
td.name{white-space:nowrap}
td:last-child,th:last-child{padding-right:0}
table.settings td:first-child{color:var(--muted);width:1%;white-space:nowrap}
table.settings td:last-child{font-family:var(--mono);font-size:.84rem;overflow-wrap:anywhere}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(320px,1fr));gap:0 36px}
.path{font-family:var(--mono);font-size:.82rem;overflow-wrap:anywhere}
.thumbs{display:grid;grid-template-columns:repeat(auto-fill,minmax(112px,1fr));gap:14px}
.thumb{min-width:0;font-size:.8rem;line-height:1.35}
.sheet figure{overflow-x:auto;justify-content:flex-start;margin-bottom:10px}.sheet figure svg{max-width:none;min-width:600px;margin:0 auto}
.thumb img,.thumb .empty{display:block;width:100%;height:auto;aspect-ratio:1;object-fit:cover;border-radius:6px;background:var(--grid)}
.thumb .path{display:block;white-space:nowrap;overflow:hidden;text-overflow:ellipsis;font-size:.74rem;color:var(--muted)}
.thumb .map-words{display:block;color:var(--muted);font-size:.74rem}
.thumb img+img,.thumb .empty+img{margin-top:3px}
.thumbs.pairs{grid-template-columns:repeat(auto-fill,minmax(208px,1fr))}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:3px}.thumb .pair img{margin:0}
.legend{display:flex;align-items:center;gap:9px;font-size:.8rem;color:var(--muted);margin:0 0 14px}
.legend img{border-radius:3px;max-width:45%}
.thumb .said{display:block;margin-top:6px;font-weight:600}
.real{color:var(--real)}.fake{color:var(--fake)}
.meter{display:block;width:100%;height:5px;margin:4px 0 3px}
details{margin:0 0 16px}
summary{cursor:pointer;color:var(--accent);font-size:.88rem}
pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font:.86rem/1.6 var(--mono)}
.commands{position:relative;padding-right:88px}
button{font:600 .8rem var(--sans);color:var(--accent);background:none;border:1px solid var(--line);border-radius:6px;padding:4px 12px;cursor:pointer}
.commands button{position:absolute;top:12px;right:14px}
th button{border:0;padding:0;color:inherit;font:inherit}
th button:hover{color:var(--accent)}
th[aria-sort=ascending] button::after{content:" \2191"}th[aria-sort=descending] button::after{content:" \2193"}
button:focus-visible,a:focus-visible,summary:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
table.predictions td{vertical-align:middle}table.predictions td:nth-child(2){width:36%}
table.predictions .pictures{white-space:nowrap;width:1%}
table.predictions img,table.predictions .empty{display:inline-block;vertical-align:top;width:96px;height:96px;object-fit:cover;border-radius:4px;background:var(--grid)}
table.predictions img+img{margin-left:3px}
table.predictions .map-words{display:block;color:var(--muted);font-size:.8rem}
.decision{margin-top:12px}
table.predictions .hash{display:block;font-family:var(--mono);font-size:.72rem;color:var(--muted);overflow-wrap:anywhere;min-width:17ch;max-width:32.5ch}
.error{color:var(--fake)}
footer{margin-top:56px;padding-top:14px;border-top:1px solid var(--line);font-size:.84rem;color:var(--muted)}
rect.hint{cursor:crosshair}
rect.hint:hover{fill:var(--accent);fill-opacity:.09}
#tip{position:fixed;z-index:9;pointer-events:none;background:var(--text);color:var(--paper);font-size:.8rem;line-height:1.45;padding:7px 11px;border-radius:6px;white-space:pre;max-width:90vw;overflow:hidden}
#tip[hidden]{display:none}
@media (max-width:560px){main{padding:24px 14px 48px}h1{font-size:1.8rem}.verdict .headline{font-size:1.4rem}.verdict{padding-left:15px}.columns{grid-template-columns:1fr}
.tiles{grid-template-columns:1fr 1fr}.tile{padding:11px 13px}.tile .value{font-size:1.4rem}figure{padding:4px}
.scroll th,.scroll td{padding-right:11px}.scroll td.number,.scroll th.number{padding-right:13px}svg.bar{width:64px}.scroll td.rule{min-width:9.5rem}
table.settings td:first-child{white-space:normal;width:38%}.thumbs{grid-template-columns:repeat(3,1fr);gap:10px}.thumbs.pairs{grid-template-columns:1fr 1fr}
table.stacked thead{display:none}table.stacked tr{display:grid;grid-template-columns:1fr auto;gap:0 12px;padding:8px 0;border-bottom:1px solid var(--line)}
table.stacked tr:last-child{border:0}table.stacked td{border:0;padding:0}table.stacked th.group{text-align:center;border-bottom-style:dotted;padding-right:0}
td.name{white-space:normal}table.stacked td.wide{grid-column:1/-1;font-size:.86rem}
table.predictions tr{grid-template-columns:auto 1fr auto}table.predictions td.wide{grid-column:2/-1}table.predictions td:nth-child(2){grid-column:2/-1}
table.predictions td:first-child{grid-row:1/4}table.predictions img,table.predictions .empty{width:64px;height:64px}
table.mapped .pictures img{display:block}table.mapped .pictures img+img{margin:3px 0 0}}
@media print{:root{--page:#fff}.tiles{grid-template-columns:repeat(auto-fit,minmax(110px,1fr))}.tile{padding:9px 11px}body{font-size:10.5pt}main{max-width:none;padding:0}nav,button{display:none}section{margin-top:26px}
figure,.card,.tiles,.thumb,tr{break-inside:avoid}h2,h3{break-after:avoid}.figures{grid-template-columns:1fr 1fr}.thumbs{grid-template-columns:repeat(8,1fr)}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
)css";

const std::string_view kPageScript = R"js(
(function () {
  'use strict';
  var tip = document.createElement('div');
  tip.id = 'tip';
  tip.hidden = true;
  document.body.appendChild(tip);
  function place(event) {
    var gap = 14, box = tip.getBoundingClientRect();
    var x = event.clientX + gap, y = event.clientY + gap;
    if (x + box.width > innerWidth - 6) x = event.clientX - gap - box.width;
    if (y + box.height > innerHeight - 6) y = event.clientY - gap - box.height;
    tip.style.left = Math.max(6, x) + 'px';
    tip.style.top = Math.max(6, y) + 'px';
  }
  document.querySelectorAll('rect.hint').forEach(function (area) {
    var title = area.querySelector('title'), words = title.textContent;
    title.remove();
    area.addEventListener('pointerenter', function (event) { tip.textContent = words; tip.hidden = false; place(event); });
    area.addEventListener('pointermove', place);
    area.addEventListener('pointerleave', function () { tip.hidden = true; });
  });
  document.querySelectorAll('.commands').forEach(function (block) {
    if (!navigator.clipboard) return;
    var button = document.createElement('button');
    button.textContent = 'Copy';
    button.addEventListener('click', function () {
      navigator.clipboard.writeText(block.querySelector('pre').textContent).then(function () { button.textContent = 'Copied'; });
    });
    block.appendChild(button);
  });
  document.querySelectorAll('table.sortable').forEach(function (table) {
    var body = table.tBodies[0], heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach(function (head, column) {
      if (!head.dataset.sort) return;
      var button = document.createElement('button');
      button.textContent = head.textContent;
      head.textContent = '';
      head.appendChild(button);
      button.addEventListener('click', function () {
        var falling = head.getAttribute('aria-sort') !== 'descending', numeric = head.dataset.sort === 'number';
        heads.forEach(function (other) { other.removeAttribute('aria-sort'); });
        head.setAttribute('aria-sort', falling ? 'descending' : 'ascending');
        var key = function (row) {
          var cell = row.cells[column], text = cell.dataset.key === undefined ? cell.textContent : cell.dataset.key;
          return numeric ? (text === '' ? -1 : Number(text)) : text;
        };
        Array.from(body.rows).map(function (row) { return [key(row), row]; }).sort(function (a, b) {
          var order = a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;
          return falling ? -order : order;
        }).forEach(function (pair) { body.appendChild(pair[1]); });
      });
    });
  });
})();
)js";

}  // namespace sepia::report::detail
