// The frame around the panels: what is chosen, the tabs, the language and the theme.

import { panelOf } from "./panels.js";
import { empty, h, plain } from "./parts.js";
import { listenToPicker, setMode, showChoices } from "./picker.js";
import { ask, askText, hasKey, url } from "./server.js";
import { $, choose, has, state } from "./state.js";
import { TASKS } from "./tasks.js";
import { currentLanguage, inLanguage, say, setLanguage } from "./words.js";

const THEMES = ["auto", "light", "dark"];

function showContext() {
  const chip = (word, text, change) =>
    h(
      "span",
      { class: "chip" },
      h("span", { class: "soft" }, say(word)),
      h("span", { class: "chip-text" }, text),
      h(
        "button",
        {
          type: "button",
          class: "cross",
          "aria-label": say("remove", { name: text }),
          onclick: () => choose(change),
        },
        "×",
      ),
    );
  const chips = [
    state.customer && chip("customer", state.customer, { customer: null }),
    state.item && chip("product", plain(state.item.title), { item: null }),
  ].filter(Boolean);
  $("context").replaceChildren(...(chips.length ? chips : [h("span", { class: "soft" }, say("nobody"))]));
}

function render() {
  showContext();
  for (const tab of $("tabs").children) {
    const chosen = tab.dataset.tab === state.tab;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    if (chosen) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    tab.classList.toggle("absent", Boolean(state.ready && !has(tab.dataset.tab)));
  }
  const panel = $("panel");
  panel.setAttribute("aria-labelledby", `tab-${state.tab}`);
  if (state.ready && !has(state.tab)) {
    const why = state.ready.absent[state.tab];
    const absent = say("absent", { task: $(`tab-${state.tab}`).textContent });
    panel.replaceChildren(empty(why ? `${absent} ${say("because_absent", { why })}` : absent));
  } else {
    panel.replaceChildren(...panelOf(TASKS.find((task) => task.name === state.tab)));
  }
  const place = {
    tab: state.tab,
    ...(state.customer ? { customer: state.customer } : {}),
    ...(state.item ? { item: state.item.item_id } : {}),
  };
  window.history.replaceState(null, "", `#${new URLSearchParams(place)}`);
}

function showWords() {
  document.documentElement.lang = currentLanguage();
  for (const each of document.querySelectorAll("[data-word]")) each.textContent = say(each.dataset.word);
  for (const task of TASKS) $(`tab-${task.name}`).textContent = inLanguage(task.tab);
  for (const each of document.querySelectorAll("[data-label]"))
    each.setAttribute("aria-label", say(each.dataset.label));
  for (const each of document.querySelectorAll("[data-hint]")) each.placeholder = say(each.dataset.hint);
  $("language").textContent = currentLanguage() === "en" ? "中文" : "English";
  $("language").lang = currentLanguage() === "en" ? "zh" : "en";
  showTheme(localStorage.getItem("retailor-theme") ?? "auto");
}

function showTheme(name) {
  const theme = THEMES.includes(name) ? name : "auto";
  localStorage.setItem("retailor-theme", theme);
  document.documentElement.dataset.theme = theme;
  $("theme").replaceChildren(
    h("span", { "aria-hidden": "true" }, { auto: "◐", light: "☀", dark: "☾" }[theme]),
    h("span", { class: "wide" }, say(`theme_${theme}`)),
  );
  $("theme").setAttribute("aria-label", say(`theme_${theme}`));
}

function makeTabs() {
  const tabs = TASKS.map((task) =>
    h("button", {
      type: "button",
      role: "tab",
      id: `tab-${task.name}`,
      "aria-controls": "panel",
      "data-tab": task.name,
    }),
  );
  $("tabs").replaceChildren(...tabs);
}

function listen() {
  listenToPicker();
  $("insight").addEventListener("click", openInsight);
  document.addEventListener("chosen", render);
  $("language").addEventListener("click", () => {
    setLanguage(currentLanguage() === "en" ? "zh" : "en");
    showWords();
    showChoices();
    render();
  });
  $("theme").addEventListener("click", () =>
    showTheme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length]),
  );
  const tabs = [...$("tabs").children];
  for (const [i, tab] of tabs.entries()) {
    tab.addEventListener("click", () => {
      state.tab = tab.dataset.tab;
      render();
    });
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

// A link cannot carry a key: with one, the page is fetched and kept as a file.
async function openInsight(event) {
  if (!hasKey()) return;
  event.preventDefault();
  try {
    const file = new Blob([await askText("/insight")], { type: "text/html" });
    const link = h("a", { href: URL.createObjectURL(file), download: "insight.html" });
    link.click();
    URL.revokeObjectURL(link.href);
  } catch (error) {
    $("notice").textContent = error.message;
    $("notice").hidden = false;
  }
}

async function start() {
  makeTabs();
  listen();
  showWords();
  const place = new URLSearchParams(location.hash.slice(1));
  if (TASKS.some((task) => task.name === place.get("tab"))) state.tab = place.get("tab");
  state.customer = place.get("customer");
  try {
    state.ready = await ask("/ready");
    $("run-name").textContent = state.ready.name;
    document.title = `${state.ready.name} · Retailor`;
    $("insight").hidden = !state.ready.insight;
    if (place.get("item"))
      state.item =
        (await ask(url("/items", { item_id: place.get("item") })).catch(() => ({ items: [] }))).items[0] ??
        null;
  } catch (error) {
    $("notice").textContent = error.message;
    $("notice").hidden = false;
  }
  setMode(state.ready && !state.ready.n_customers ? "items" : "customers");
  render();
}

start();
