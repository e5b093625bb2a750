// Requests the status every few seconds and shows it. All values are set as text, never as markup.
"use strict";

const EVERY_MILLISECONDS = 5000;
const PLAIN = new Intl.NumberFormat("en");
const KEPT_POINTS = 180;
const SVG = "http://www.w3.org/2000/svg";
// A smaller number is shown as "< 0.001"; a p of 1e-300 would be a line of zeros.
const LEAST = 0.001;
// From here on a PSI is raised, as the page says.
const WATCH_PSI = 0.1;
const SMALL = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const COUNT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const STATES = {
  ok: ["Healthy", "good"],
  warning: ["Running, with warnings", "warning"],
  critical: ["Critical problem", "critical"],
};
const WORDS = {
  ready: "good", steady: "good", watch: "warning", degraded: "warning",
  "too few": "", drifted: "warning", "not ready": "critical", stopped: "warning",
};

const element = (id) => document.getElementById(id);
let key = "";
let paused = false;
let timer = 0;
let before = null;
let shown = "";
const points = [];

element("form").addEventListener("submit", (event) => {
  event.preventDefault();
  key = element("key").value.trim();
  refresh();
});
element("pause").addEventListener("click", () => {
  paused = !paused;
  element("pause").textContent = paused ? "Resume" : "Pause";
  if (!paused) refresh();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden && before) refresh(); });
// Nothing is requested before somebody signs in: a request without a credential would be a refusal in the audit log.
element("form").hidden = false;

async function refresh() {
  clearTimeout(timer);
  try {
    const reply = await fetch("status", { headers: key ? { authorization: `Bearer ${key}` } : {}, cache: "no-store" });
    const document_ = await reply.json();
    if (reply.status === 401 || reply.status === 403) return ask(document_.detail);
    if (!reply.ok) throw new Error(document_.detail || reply.statusText);
    draw(document_);
  } catch (error) {
    showNoAnswer(error.message);
  }
  if (!paused && !document.hidden) timer = setTimeout(refresh, EVERY_MILLISECONDS);
}

function showNoAnswer(why) {
  if (!before) {
    element("live").textContent = `No answer: ${why}`;
    return;
  }
  const since = new Date(before.time * 1000).toLocaleTimeString();
  document.title = `${element("title").textContent}: no answer`;
  element("state").className = "state critical";
  setText("state-words", `No answer since ${since}; the values below are out of date. (${why})`);
  element("attention").replaceChildren();
  shown = "";
}

function setText(id, words) {
  // Unchanged text is not set again, so that a screen reader announces only changes.
  if (element(id).textContent !== words) element(id).textContent = words;
}

function ask(detail) {
  element("form").hidden = false;
  element("numbers").hidden = true;
  element("pause").hidden = true;
  element("live").textContent = "";
  element("refusal").textContent = detail;
  element("key").value = "";
  element("key").focus();
}

function draw(now) {
  element("form").hidden = true;
  element("numbers").hidden = false;
  element("pause").hidden = false;
  document.title = `${now.service.name}: ${now.state}`;
  element("title").textContent = now.service.name;
  element("subtitle").textContent = `bento-governance ${now.service.version}`;
  element("live").textContent = `As of ${new Date(now.service.time * 1000).toLocaleTimeString()}`;
  drawState(now);
  drawTraffic(now);
  bars("by-model", now.traffic.by_model);
  bars("refusals", now.refusals);
  bars("failures", now.failures);
  bars("entities", now.entities);
  bars("fields", now.fields);
  rows("models", now.models.map((model) => [
    { head: model.name }, word(model.state), model.version, model.device || "–", model.signers.map(short).join(", ") || "–",
    { code: short(model.digest), title: model.digest }, model.drift ? word(model.drift) : "–", { number: model.drift_items === null ? "–" : COUNT.format(model.drift_items) },
  ]), "This worker has no open model.");
  drawDrift(now.drift);
  rows("log", now.log.map((head) => [
    { head: head.log }, { number: head.size === null ? "?" : PLAIN.format(head.size) }, head.root ? { code: short(head.root), title: head.root } : "not signed by this service",
    head.late ? { word: `late: ${ago(head.age_seconds)}`, kind: "critical" } : ago(head.age_seconds),
  ]), "No audit log.");
  list("expiries", now.expiries.map((expiry) => {
    if (expiry.earliest === null) return `${expiry.kind}: no valid one is left`;
    const date = new Date(expiry.earliest * 1000).toISOString().slice(0, 10);
    return `${expiry.kind}: next expiry on ${date}` + (expiry.soon ? `, ${expiry.soon} within 14 days` : "");
  }), "No credential expires.");
}

function drawState(now) {
  const [words, kind] = STATES[now.state];
  element("state").className = `state ${kind}`;
  setText("state-words", words);
  const problems = JSON.stringify(now.attention);
  if (problems === shown) return;
  shown = problems;
  element("attention").replaceChildren(...now.attention.map((item) => {
    const line = document.createElement("li");
    const where = document.createElement("span");
    where.className = "quiet";
    where.textContent = ` (runbook: ${item.alert})`;
    line.append(tag(item.level, item.level), ` ${item.what}`, where);
    return line;
  }));
}

function drawDrift(drift) {
  const cells = (row) => [
    { head: row.model }, row.subject, number(row.psi), number(row.ks), number(row.chi2_p), share(row.out_of_range_ratio), share(row.missing_ratio),
  ];
  const raised = drift.filter((row) => row.psi >= WATCH_PSI);
  const steady = drift.filter((row) => !(row.psi >= WATCH_PSI));
  rows("drift", raised.map(cells), drift.length ? "Nothing is raised." : "No comparison yet: the plugin drift is off, or its window has too few items.");
  rows("drift-steady", steady.map(cells), "None.");
  element("drift-rest").hidden = !steady.length;
  setText("drift-count", `${PLAIN.format(steady.length)} that are not raised`);
}

function drawTraffic(now) {
  const { answered, refused, failed } = now.traffic;
  const all = answered + refused + failed;
  let rate = null;
  let refusing = null;
  if (before && now.service.time > before.time && all >= before.all) {
    const seconds = now.service.time - before.time;
    rate = (all - before.all) / seconds;
    refusing = (refused + failed - before.bad) / seconds;
    points.push([rate, Math.max(0, refusing)]);
    if (points.length > KEPT_POINTS) points.shift();
  }
  before = { time: now.service.time, all, bad: refused + failed };
  figures([
    ["requests per second", rate === null ? "…" : SMALL.format(rate)],
    ["answered", COUNT.format(answered)],
    ["refused", COUNT.format(refused)],
    ["failed", COUNT.format(failed)],
    ["median latency", time(now.traffic.p50_seconds)],
    ["99th percentile latency", time(now.traffic.p99_seconds)],
  ]);
  spark();
}

function spark() {
  if (points.length < 2) {
    element("spark-words").textContent = "The chart starts with the next refresh.";
    return;
  }
  const most = Math.max(1e-9, ...points.map(([rate]) => rate));
  const at = (place, value) => `${((600 * place) / (points.length - 1)).toFixed(1)},${(116 - (110 * value) / most).toFixed(1)}`;
  const line = points.map(([rate], place) => at(place, rate)).join("L");
  const bad = points.map(([, refused], place) => at(place, refused)).join("L");
  element("spark").replaceChildren(
    path("area", `M0,120L${line}L600,120Z`), path("line", `M${line}`), path("refused", `M${bad}`),
  );
  const last = points[points.length - 1];
  element("spark-words").textContent =
    `Now ${SMALL.format(last[0])} per second, of which ${SMALL.format(last[1])} refused or failed (dashed); maximum ${SMALL.format(most)}.`;
}

function path(kind, shape) {
  const drawn = document.createElementNS(SVG, "path");
  drawn.setAttribute("class", kind);
  drawn.setAttribute("d", shape);
  return drawn;
}

function figures(pairs) {
  element("figures").replaceChildren(...pairs.map(([name, value]) => {
    const pair = document.createElement("div");
    const term = document.createElement("dt");
    const description = document.createElement("dd");
    term.textContent = name;
    description.textContent = value;
    pair.append(term, description);
    return pair;
  }));
}

function bars(id, counts) {
  const entries = Object.entries(counts).slice(0, 10);
  const most = Math.max(1, ...entries.map(([, count]) => count));
  element(id).replaceChildren(...(entries.length ? entries : [["none", null]]).map(([name, count]) => {
    const line = document.createElement("li");
    const label = document.createElement("span");
    label.textContent = name || "other";
    line.append(label);
    if (count !== null) {
      const value = document.createElement("span");
      value.textContent = COUNT.format(count);
      line.append(bar(count / most), value);
    } else label.className = "quiet";
    return line;
  }));
}

function bar(part) {
  const drawn = document.createElementNS(SVG, "svg");
  const filled = document.createElementNS(SVG, "rect");
  drawn.setAttribute("aria-hidden", "true");
  filled.setAttribute("width", `${(100 * part).toFixed(1)}%`);
  filled.setAttribute("height", "100%");
  filled.setAttribute("rx", "4");
  drawn.append(filled);
  return drawn;
}

function rows(id, table, none) {
  element(id).replaceChildren(...(table.length ? table : [null]).map((cells) => {
    const row = document.createElement("tr");
    if (cells === null) {
      const cell = document.createElement("td");
      cell.colSpan = 9;
      cell.className = "quiet";
      cell.textContent = none;
      row.append(cell);
    } else row.append(...cells.map(cell_));
    return row;
  }));
}

function cell_(value) {
  const cell = document.createElement(value && value.head ? "th" : "td");
  if (value && value.head) { cell.scope = "row"; cell.textContent = value.head; }
  else if (value && value.code) { cell.className = "code"; cell.textContent = value.code; cell.title = value.title; }
  else if (value && value.number) { cell.className = "number"; cell.textContent = value.number; }
  else if (value && value.word) cell.append(tag(value.word, value.kind));
  else cell.textContent = value;
  return cell;
}

function list(id, lines, none) {
  element(id).replaceChildren(...(lines.length ? lines : [none]).map((text) => {
    const line = document.createElement("li");
    line.textContent = text;
    return line;
  }));
}

function tag(text, kind) {
  const made = document.createElement("span");
  made.className = `word ${kind}`;
  made.textContent = text;
  return made;
}

const word = (text) => ({ word: text, kind: WORDS[text] || "" });
const short = (text) => {
  const plain = text.replace(/^[a-z0-9-]+:/, "");
  return /^[0-9a-f]{20,}$/.test(plain) ? `${plain.slice(0, 12)}…` : text;
};
const number = (value) => ({ number: value === undefined ? "–" : value > 0 && value < LEAST ? `< ${LEAST}` : SMALL.format(value) });
const share = (value) => ({ number: value === undefined ? "–" : `${(100 * value).toFixed(1)} %` });
const time = (seconds) => (seconds === null ? "…" : seconds < 1 ? `${SMALL.format(seconds * 1000)} ms` : `${SMALL.format(seconds)} s`);
const ago = (seconds) =>
  seconds < 90 ? `${Math.round(seconds)} s ago` : seconds < 5400 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds / 3600)} h ago`;
