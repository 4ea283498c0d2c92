// The merchant's page: what came in, the experiment, drift, which run answers, and the bandit.

import { empty, h } from "./parts.js";
import { ask } from "./server.js";
import { currentLanguage, say, setLanguage } from "./words.js";

const $ = (id) => document.getElementById(id);
let told = null;
let latest = 0; // asked
let shown = 0; // of those, what is on the page

const number = (value, digits = 0) =>
  value === null || value === undefined
    ? "–"
    : value.toLocaleString(currentLanguage(), { maximumFractionDigits: digits, minimumFractionDigits: digits });
const percent = (value) =>
  value === null || value === undefined
    ? "–"
    : value.toLocaleString(currentLanguage(), { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const signed = (value) => (value > 0 ? "+" : "") + percent(value);
const when = (text) => new Date(text).toLocaleString(currentLanguage(), { dateStyle: "medium", timeStyle: "short" });

function table(heads, rows) {
  return h(
    "div",
    { class: "scroll" },
    h(
      "table",
      { class: "reply" },
      h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell) => h("td", {}, cell))))),
    ),
  );
}

const part = (word, ...children) =>
  h("section", { class: "part", "aria-label": say(word) }, h("h2", {}, say(word)), children);

// One bar an hour, the highest of the kind as high as the row.
function bars(hours, counts) {
  const most = Math.max(1, ...counts.values());
  const made = hours.map((hour) => {
    const n = counts.get(hour) ?? 0;
    const bar = h("span", { class: "hour", title: `${when(hour)}: ${number(n)}` });
    bar.style.setProperty("--share", n / most);
    return bar;
  });
  return h("span", { class: "hours", role: "img", "aria-label": `${say("m_by_hour")}: ${number(most)}` }, made);
}

function cameIn() {
  if (told.came_in === null) return part("m_came", empty(say("m_no_events")));
  const note = told.shown === null ? null : h("p", { class: "soft" }, say("m_shown", { n: number(told.shown) }));
  if (!told.came_in.length) return part("m_came", empty(say("m_none")), note);
  const now = Math.floor(Date.now() / 3600000);
  const hours = Array.from({ length: 48 }, (_, i) => new Date((now - 47 + i) * 3600000).toISOString());
  const kinds = new Map();
  for (const each of told.came_in) {
    const counts = kinds.get(each.kind) ?? new Map();
    counts.set(new Date(each.hour).toISOString(), each.n);
    kinds.set(each.kind, counts);
  }
  const rows = [...kinds].map(([kind, counts]) => [
    kind,
    number([...counts.values()].reduce((sum, n) => sum + n, 0)),
    bars(hours, counts),
  ]);
  return part(
    "m_came",
    h("p", { class: "soft" }, say("m_came_note")),
    table([say("m_kind"), say("m_total"), say("m_by_hour")], rows),
    note,
  );
}

const counted = () =>
  h(
    "p",
    { class: "soft small" },
    told.counted_at ? say("m_counted", { time: when(told.counted_at) }) : say("m_not_counted"),
  );

function arms() {
  const found = told.experiment;
  if (!found) return part("m_arms", empty(say("m_no_arms")));
  const rows = found.arms.map((arm, i) => [
    `${arm.name} (${percent(arm.share)})`,
    number(arm.n),
    percent(arm.rate),
    i === 0
      ? "–"
      : arm.lift === null
        ? say("m_too_few")
        : `${signed(arm.lift)} (${signed(arm.low)} … ${signed(arm.high)})`,
  ]);
  return part(
    "m_arms",
    found.mismatched ? h("p", { class: "note" }, say("m_mismatched")) : null,
    h("p", {}, h("strong", {}, found.name)),
    table([say("m_arm"), say("m_customers"), say("m_rate"), say("m_lift")], rows),
    counted(),
  );
}

function alarm(each) {
  const low = number(Math.max(each.low ?? 0, 0), 3);
  const figure = say(`m_${each.figure}`);
  return h("p", { class: "bad" }, say("m_outside", { figure, value: number(each.value, 3), low, high: number(each.high, 3) }));
}

function drift() {
  if (told.drift === null) return part("m_drift", empty(say("m_no_events")));
  if (told.no_drift) return part("m_drift", empty(say("m_no_drift", { why: told.no_drift })), counted());
  if (!told.drift.length) return part("m_drift", empty(say("m_no_days")), counted());
  const rows = [...told.drift]
    .reverse()
    .map((day) => [day.day, number(day.n), day.alarms.length ? day.alarms.map(alarm) : say("m_usual")]);
  return part("m_drift", table([say("m_day"), say("m_events"), say("m_said")], rows), counted());
}

const nameOf = (run) => (run.number ? say("m_refresh", { n: run.number }) : say("m_itself"));

function judged(each) {
  if (each.difference === null) return null;
  const [low, high] = each.interval ?? [null, null];
  const scores = `${number(each.champion, 4)} → ${number(each.challenger, 4)}`;
  return h("p", { class: "small" }, `${each.task}: ${each.metric} ${scores} (${number(low, 4)} … ${number(high, 4)})`);
}

async function change(path, body, question) {
  if (!confirm(question)) return;
  await work(() => ask(path, body), () => ++latest); // as it stands when it is done
}

function runs() {
  if (!told.runs.length) return part("m_runs", empty(say("m_no_runs")));
  const rows = told.runs.map((run) => [
    h("strong", {}, nameOf(run)),
    run.ended ? when(run.ended) : "–",
    run.decision ? [say(run.decision === "promoted" ? "m_promoted" : "m_kept"), ...run.judged.map(judged).filter(Boolean)] : "–",
    run.answers
      ? h("span", { class: "badge" }, say("m_answers"))
      : run.can_answer
        ? h(
            "button",
            {
              type: "button",
              class: "quiet",
              onclick: () => change("/merchant/promote", { number: run.number }, say("m_sure", { name: nameOf(run) })),
            },
            say("m_promote"),
          )
        : say("m_swept"),
  ]);
  const isOwn = told.runs.find((run) => run.answers)?.number === 0;
  const back = h(
    "button",
    { type: "button", class: "quiet", onclick: () => change("/merchant/back", {}, say("m_sure_back")) },
    say("m_back"),
  );
  return part("m_runs", table(["", "", "", ""], rows), isOwn ? null : back);
}

function bandit() {
  const found = told.bandit;
  if (!found) return part("m_bandit", empty(say("m_no_bandit")));
  const difference = found.low === null ? say("m_too_few") : `${signed(found.low)} … ${signed(found.high)}`;
  const values = { answers: number(found.answers), chosen: number(found.chosen), items: number(found.items) };
  return part(
    "m_bandit",
    found.is_stopped ? h("p", { class: "note" }, say("m_stopped")) : null,
    h("p", {}, say("m_learned", values)),
    table(["", ""], [
      [say("m_held"), percent(found.held)],
      [say("m_ordered"), percent(found.ordered)],
      [say("m_difference"), difference],
    ]),
    h("p", { class: "soft" }, say("m_settings", { explore: percent(found.explore), floor: percent(found.floor) })),
  );
}

function show() {
  document.documentElement.lang = currentLanguage();
  for (const each of document.querySelectorAll("[data-word]")) each.textContent = say(each.dataset.word);
  $("language").textContent = currentLanguage() === "en" ? "中文" : "English";
  $("language").lang = currentLanguage() === "en" ? "zh" : "en";
  if (told) $("parts").replaceChildren(cameIn(), arms(), drift(), runs(), bandit());
}

// What was asked before what is shown, and comes after it, is of a state that is no more.
async function work(asking, turn) {
  $("notice").hidden = true;
  try {
    const found = await asking();
    const mine = turn();
    if (mine < shown) return;
    shown = mine;
    told = found;
    $("run-name").textContent = told.name;
    document.title = `${told.name} · Retailor`;
  } catch (error) {
    $("notice").textContent = error.message;
    $("notice").hidden = false;
  }
  show();
}

const look = () => {
  const mine = ++latest;
  return work(() => ask("/merchant/state"), () => mine);
};
$("again").addEventListener("click", look);
$("language").addEventListener("click", () => {
  setLanguage(currentLanguage() === "en" ? "zh" : "en");
  show();
});
document.documentElement.dataset.theme = localStorage.getItem("retailor-theme") ?? "auto";
show();
look();
