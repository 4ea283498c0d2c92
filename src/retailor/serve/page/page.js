// The page's state and its five panels. All it knows comes from the HTTP interface next to it.

import { answerBubble, bars, draftCard, empty, failure, field, grid, h, plain, questionBubble, tile, waiting } from "./parts.js";
import { currentLanguage, say, setLanguage } from "./words.js";

const $ = (id) => document.getElementById(id);
const PAGE_SIZE = 10;
const THEMES = ["auto", "light", "dark"];
const state = { mode: "customers", page: 1, tab: "recommend", customer: null, item: null, about: null, turns: [], seed: 0, kept: {} };

// asking the server --------------------------------------------------------------------------------

class Problem extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function ask(path, body) {
  const key = sessionStorage.getItem("retailor-key");
  const headers = { ...(key ? { "X-API-Key": key } : {}), ...(body ? { "Content-Type": "application/json" } : {}) };
  let response;
  try {
    response = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  } catch {
    throw new Problem(0, say("offline"));
  }
  const reply = await response.json().catch(() => ({ detail: response.statusText }));
  if (response.status === 401) {
    await askForKey();
    return ask(path, body);
  }
  if (!response.ok && path !== "/ready") throw new Problem(response.status, reply.detail);
  return reply;
}

let asking = null;
function askForKey() {
  asking ??= new Promise((resolve) => {
    $("key-dialog").showModal();
    $("key-dialog").addEventListener("close", () => {
      sessionStorage.setItem("retailor-key", $("key").value);
      $("key").value = "";
      asking = null;
      resolve();
    }, { once: true });
  });
  return asking;
}

const url = (path, values) => `${path}?${new URLSearchParams(values)}`;

// Shows what `work` gives in `place`; a slower earlier answer never overwrites a later one.
async function fill(place, work) {
  const turn = (place.turn = (place.turn ?? 0) + 1);
  place.setAttribute("aria-busy", "true");
  place.replaceChildren(waiting());
  let made;
  try {
    made = await work();
  } catch (error) {
    made = failure(error, () => fill(place, work));
  }
  if (turn !== place.turn) return;
  place.replaceChildren(...[made].flat());
  place.removeAttribute("aria-busy");
}

// choosing a customer or a product -----------------------------------------------------------------

async function showChoices() {
  const list = $("choices");
  const values = { text: $("find").value.trim(), page: state.page, size: PAGE_SIZE };
  let total = 0;
  await fill(list, async () => {
    const reply = await ask(url(`/${state.mode}`, values));
    total = reply.n_total;
    const rows = state.mode === "customers" ? reply.customers.map(customerRow) : reply.items.map(itemRow);
    if (rows.length) return rows;
    return h("li", {}, empty(say(state.mode === "customers" && !values.text ? "no_customers" : "none_found")));
  });
  const pages = Math.max(1, Math.ceil(total / PAGE_SIZE));
  $("pages").textContent = say("page", { page: state.page, pages });
  $("previous").disabled = state.page <= 1;
  $("next").disabled = state.page >= pages;
}

function customerRow(customer) {
  const chosen = state.customer === customer.user_id;
  return h("li", {}, h(
    "button", { type: "button", class: "choice", "aria-pressed": String(chosen), "data-id": customer.user_id, onclick: () => choose({ customer: customer.user_id }) },
    h("span", { class: "avatar", "aria-hidden": "true" }, customer.user_id.slice(-2).toUpperCase()),
    h("span", { class: "text" }, h("span", { class: "first" }, customer.user_id), h("span", { class: "soft" }, `${say("events", { n: customer.n_events })} · ${customer.recent.map(plain).join(", ")}`)),
  ));
}

function itemRow(item) {
  const chosen = state.item?.item_id === item.item_id;
  return h("li", {}, h(
    "button", { type: "button", class: "choice", "aria-pressed": String(chosen), "data-id": item.item_id, onclick: () => choose({ item }) },
    tile(item, item.item_id, true),
    h("span", { class: "text" }, h("span", { class: "first" }, plain(item.title)), h("span", { class: "soft" }, [item.brand, say("sold", { n: item.n_events })].filter(Boolean).map(plain).join(" · "))),
  ));
}

function choose(change) {
  Object.assign(state, change);
  for (const each of $("choices").querySelectorAll(".choice")) {
    each.setAttribute("aria-pressed", String(each.dataset.id === (state.mode === "customers" ? state.customer : state.item?.item_id)));
  }
  openPicker(false);
  render();
}

function openPicker(open) {
  $("picker-toggle").setAttribute("aria-expanded", String(open));
  $("picker-body").classList.toggle("open", open);
}

function showContext() {
  const chip = (word, text, change) => h(
    "span", { class: "chip" }, h("span", { class: "soft" }, say(word)), h("span", { class: "chip-text" }, text),
    h("button", { type: "button", class: "cross", "aria-label": say("remove", { name: text }), onclick: () => choose(change) }, "×"),
  );
  const chips = [
    state.customer && chip("customer", state.customer, { customer: null }),
    state.item && chip("product", plain(state.item.title), { item: null }),
  ].filter(Boolean);
  $("context").replaceChildren(...(chips.length ? chips : [h("span", { class: "soft" }, say("nobody"))]));
}

// the panels ---------------------------------------------------------------------------------------

const chooseHit = (hit) => choose({ item: hit.item ?? { item_id: hit.item_id, title: hit.item_id, category: [] } });
const keep = (name) => ({ value: state.kept[name] ?? "", oninput: (event) => (state.kept[name] = event.target.value) });

function form(word, fields, submit) {
  const button = h("button", { type: "submit", class: "main" }, say(word));
  return h("form", { class: "form", onsubmit: (event) => { event.preventDefault(); submit(); } }, fields, button);
}

function recommendPanel() {
  const results = h("div", { class: "results", "aria-live": "polite" });
  const wish = h("input", { type: "text", maxlength: 500, placeholder: say("wish_hint"), ...keep("wish") });
  const go = () => fill(results, () => recommend(wish.value.trim()));
  const title = state.customer ? say("for_customer", { name: state.customer }) : state.item ? say("for_item", { name: plain(state.item.title) }) : say("for_new");
  const past = h("div", { class: "past" });
  if (state.customer) fill(past, () => history(state.customer));
  go();
  return [h("h2", {}, title), past, form("wish_button", [field("wish", say("wish"), wish)], go), results];
}

async function recommend(text) {
  const body = { k: 12, item_ids: state.item ? [state.item.item_id] : [] };
  if (state.customer) body.user_id = state.customer;
  if (text) body.text = text;
  const reply = await ask("/recommend", body);
  if (!reply.items.length) return empty(say("no_items"));
  return [reply.known_customer === false ? h("p", { class: "note" }, say("new_customer")) : "", grid(reply.items, chooseHit)];
}

async function history(userId) {
  const reply = await ask(url("/customers", { user_id: userId, size: 24 })).catch((error) => {
    if (error.status === 404 || error.status === 403) return { history: [] };
    throw error;
  });
  const unique = [...new Map(reply.history.map((event) => [event.item_id, event])).values()].slice(0, 10);
  if (!unique.length) return "";
  const tiles = unique.map((event) => h(
    "button", { type: "button", class: "seen", title: plain(event.item?.title) || event.item_id, onclick: () => chooseHit(event) },
    tile(event.item, event.item_id, true), h("span", {}, plain(event.item?.title) || event.item_id),
  ));
  return h("div", {}, h("p", { class: "soft" }, say("history")), h("div", { class: "strip" }, tiles));
}

function searchPanel() {
  const results = h("div", { class: "results", "aria-live": "polite" }, empty(say("search_empty")));
  const words = h("input", { type: "search", maxlength: 500, required: true, placeholder: say("search_hint"), ...keep("words") });
  const go = () => fill(results, async () => {
    const reply = await ask("/search", { text: words.value.trim(), k: 24 });
    return reply.items.length ? grid(reply.items, chooseHit) : empty(say("none_found"));
  });
  if (words.value.trim()) go();
  return [form("search_button", [field("words", say("search_label"), words)], go), results];
}

function answerPanel() {
  const about = state.item?.item_id ?? null;
  if (about !== state.about) Object.assign(state, { about, turns: [] });
  const log = h("div", { class: "log", "aria-live": "polite" });
  const question = h("input", { type: "text", maxlength: 500, required: true, placeholder: say("ask_hint"), autocomplete: "off" });
  const draw = () => log.replaceChildren(...(state.turns.length ? state.turns.flatMap((turn) => [questionBubble(turn.question), turn.reply ? answerBubble(turn.reply) : ""]) : [empty(say("ask_empty"))]));
  const go = async () => {
    const text = question.value.trim();
    if (!text || state.waiting) return;
    question.value = "";
    state.waiting = true;
    const earlier = state.turns.filter((turn) => turn.reply).slice(-8).map((turn) => ({ question: turn.question, answer: turn.reply.text.slice(0, 4000) }));
    const place = h("div", {});
    const turn = { question: text };
    const turns = state.turns;
    turns.push(turn);
    draw();
    log.append(place);
    await fill(place, async () => {
      turn.reply = await ask("/answer", { question: text, history: earlier, ...(about ? { item_id: about } : {}) });
      return answerBubble(turn.reply);
    });
    state.waiting = false;
    question.focus();
  };
  draw();
  const again = h("button", { type: "button", class: "quiet", onclick: () => { state.turns = []; draw(); question.focus(); } }, say("ask_again"));
  const where = about ? say("ask_about", { name: plain(state.item.title) }) : say("ask_all");
  return [h("div", { class: "row" }, h("p", { class: "soft" }, where), again), log, form("ask_button", [field("question", say("ask_label"), question)], go)];
}

function sentimentPanel() {
  const results = h("div", { class: "results", "aria-live": "polite" }, empty(say("sentiment_empty")));
  const text = h("textarea", { rows: 5, maxlength: 10000, required: true, placeholder: say("text_hint"), ...keep("text") });
  const aspect = h("input", { type: "text", maxlength: 100, placeholder: say("aspect_hint"), ...keep("aspect") });
  const go = () => fill(results, async () => {
    const body = { text: text.value.trim() };
    if (aspect.value.trim()) body.aspect = aspect.value.trim();
    return bars(await ask("/sentiment", body));
  });
  return [form("sentiment_button", [field("text", say("text_label"), text), field("aspect", say("aspect_label"), aspect)], go), results];
}

function reviewPanel() {
  if (!state.item) return [empty(say("review_need"))];
  const results = h("div", { class: "results", "aria-live": "polite" });
  const stars = h("select", {}, [5, 4, 3, 2, 1].map((n) => h("option", { value: n }, `${"★".repeat(n)}${"☆".repeat(5 - n)}`)));
  const aspects = h("input", { type: "text", maxlength: 500, placeholder: say("aspects_hint"), ...keep("aspects") });
  const language = h("select", {}, [["", "as_shop"], ["en", "english"], ["zh", "chinese"]].map(([value, word]) => h("option", { value }, say(word))));
  const style = h("input", { type: "checkbox", checked: true });
  const go = (seed) => fill(results, async () => {
    state.seed = seed;
    const body = { item_id: state.item.item_id, rating: Number(stars.value), seed };
    body.aspects = aspects.value.split(/[,，、]/).map((each) => each.trim().slice(0, 100)).filter(Boolean).slice(0, 10);
    if (language.value) body.language = language.value;
    if (state.customer && style.checked) body.user_id = state.customer;
    const draft = await ask("/review", body);
    return [draftCard(draft), h("button", { type: "button", class: "quiet", onclick: () => go(state.seed + 1) }, say("another"))];
  });
  const fields = [
    h("div", { class: "pair" }, field("stars", say("stars"), stars), field("draft-language", say("draft_language"), language)),
    field("aspects", say("aspects_label"), aspects),
    state.customer ? h("label", { class: "check" }, style, say("in_style", { name: state.customer })) : null,
  ].filter(Boolean);
  return [h("h2", {}, say("review_for", { name: plain(state.item.title) })), form("review_button", fields, () => go(0)), results];
}

const PANELS = { recommend: recommendPanel, search: searchPanel, answer: answerPanel, sentiment: sentimentPanel, review: reviewPanel };

// the whole ----------------------------------------------------------------------------------------

function render() {
  showContext();
  for (const tab of $("tabs").children) {
    const chosen = tab.dataset.tab === state.tab;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    if (chosen) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    tab.classList.toggle("absent", Boolean(state.ready && !(tab.dataset.tab in state.ready.tasks)));
  }
  const panel = $("panel");
  panel.setAttribute("aria-labelledby", `tab-${state.tab}`);
  if (state.ready && !(state.tab in state.ready.tasks)) {
    const why = state.ready.absent[state.tab];
    panel.replaceChildren(empty(say("absent", { task: $(`tab-${state.tab}`).textContent }) + (why ? ` (${why})` : "")));
  } else {
    panel.replaceChildren(...PANELS[state.tab]());
  }
  const place = { tab: state.tab, ...(state.customer ? { customer: state.customer } : {}), ...(state.item ? { item: state.item.item_id } : {}) };
  window.history.replaceState(null, "", `#${new URLSearchParams(place)}`);
}

function showWords() {
  document.documentElement.lang = currentLanguage();
  for (const each of document.querySelectorAll("[data-word]")) each.textContent = say(each.dataset.word);
  for (const each of document.querySelectorAll("[data-label]")) each.setAttribute("aria-label", say(each.dataset.label));
  for (const each of document.querySelectorAll("[data-hint]")) each.placeholder = say(each.dataset.hint);
  $("language").textContent = currentLanguage() === "en" ? "中文" : "English";
  $("language").lang = currentLanguage() === "en" ? "zh" : "en";
  showTheme(localStorage.getItem("retailor-theme") ?? "auto");
}

function showTheme(name) {
  const theme = THEMES.includes(name) ? name : "auto";
  localStorage.setItem("retailor-theme", theme);
  document.documentElement.dataset.theme = theme;
  $("theme").replaceChildren(h("span", { "aria-hidden": "true" }, { auto: "◐", light: "☀", dark: "☾" }[theme]), h("span", { class: "wide" }, say(`theme_${theme}`)));
  $("theme").setAttribute("aria-label", say(`theme_${theme}`));
}

function setMode(mode) {
  state.mode = mode;
  state.page = 1;
  $("find").value = "";
  for (const each of document.querySelectorAll("[data-mode]")) each.setAttribute("aria-pressed", String(each.dataset.mode === mode));
  for (const name of ["hint", "label"]) $("find").dataset[name] = mode === "customers" ? "find_customer" : "find_item";
  showWords();
  showChoices();
}

function listen() {
  let later;
  $("find").addEventListener("input", () => {
    clearTimeout(later);
    later = setTimeout(() => { state.page = 1; showChoices(); }, 200);
  });
  $("previous").addEventListener("click", () => { state.page -= 1; showChoices(); });
  $("next").addEventListener("click", () => { state.page += 1; showChoices(); });
  $("picker-toggle").addEventListener("click", () => openPicker($("picker-toggle").getAttribute("aria-expanded") !== "true"));
  for (const each of document.querySelectorAll("[data-mode]")) each.addEventListener("click", () => setMode(each.dataset.mode));
  $("language").addEventListener("click", () => {
    setLanguage(currentLanguage() === "en" ? "zh" : "en");
    showWords();
    showChoices();
    render();
  });
  $("theme").addEventListener("click", () => showTheme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]));
  const tabs = [...$("tabs").children];
  for (const [i, tab] of tabs.entries()) {
    tab.addEventListener("click", () => { state.tab = tab.dataset.tab; render(); });
    tab.addEventListener("keydown", (event) => {
      const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: tabs.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      const other = tabs[(to + tabs.length) % tabs.length];
      state.tab = other.dataset.tab;
      render();
      other.focus();
    });
  }
}

async function start() {
  listen();
  showWords();
  const place = new URLSearchParams(location.hash.slice(1));
  if (place.get("tab") in PANELS) state.tab = place.get("tab");
  state.customer = place.get("customer");
  try {
    state.ready = await ask("/ready");
    $("run-name").textContent = state.ready.name;
    document.title = `${state.ready.name} · Retailor`;
    if (place.get("item")) state.item = (await ask(url("/items", { item_id: place.get("item") })).catch(() => ({ items: [] }))).items[0] ?? null;
  } catch (error) {
    $("notice").textContent = error.message;
    $("notice").hidden = false;
  }
  setMode(state.ready && !state.ready.n_customers ? "items" : "customers");
  render();
}

start();
