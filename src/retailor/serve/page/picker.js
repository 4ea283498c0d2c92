// Choosing a customer or a product from a paged list.

import { empty, fill, h, plain, tile } from "./parts.js";
import { ask, url } from "./server.js";
import { $, choose, state } from "./state.js";
import { say } from "./words.js";

const PAGE_SIZE = 10;

export async function showChoices() {
  const list = $("choices");
  const values = { text: $("find").value.trim(), page: state.page, size: PAGE_SIZE };
  let total = 0;
  const current = await fill(list, async () => {
    const reply = await ask(url(`/${state.mode}`, values));
    total = reply.n_total;
    const rows = state.mode === "customers" ? reply.customers.map(customerRow) : reply.items.map(itemRow);
    if (rows.length) return rows;
    return h(
      "li",
      {},
      empty(say(state.mode === "customers" && !values.text ? "no_customers" : "none_found")),
    );
  });
  if (!current) return;
  const pages = Math.max(1, Math.ceil(total / PAGE_SIZE));
  $("pages").textContent = say("page", { page: state.page, pages });
  $("previous").disabled = state.page <= 1;
  $("next").disabled = state.page >= pages;
}

function customerRow(customer) {
  const chosen = state.customer === customer.user_id;
  return h(
    "li",
    {},
    h(
      "button",
      {
        type: "button",
        class: "choice",
        "aria-pressed": String(chosen),
        "data-id": customer.user_id,
        onclick: () => choose({ customer: customer.user_id }),
      },
      h("span", { class: "avatar", "aria-hidden": "true" }, customer.user_id.slice(-2).toUpperCase()),
      h(
        "span",
        { class: "text" },
        h("span", { class: "first" }, customer.user_id),
        h(
          "span",
          { class: "soft" },
          `${say("events", { n: customer.n_events })} · ${customer.recent.map(plain).join(", ")}`,
        ),
      ),
    ),
  );
}

function itemRow(item) {
  const chosen = state.item?.item_id === item.item_id;
  return h(
    "li",
    {},
    h(
      "button",
      {
        type: "button",
        class: "choice",
        "aria-pressed": String(chosen),
        "data-id": item.item_id,
        onclick: () => choose({ item }),
      },
      tile(item, item.item_id, true),
      h(
        "span",
        { class: "text" },
        h("span", { class: "first" }, plain(item.title)),
        h(
          "span",
          { class: "soft" },
          [item.brand, say("sold", { n: item.n_events })].filter(Boolean).map(plain).join(" · "),
        ),
      ),
    ),
  );
}

export function setMode(mode) {
  state.mode = mode;
  state.page = 1;
  $("find").value = "";
  for (const each of document.querySelectorAll("[data-mode]"))
    each.setAttribute("aria-pressed", String(each.dataset.mode === mode));
  const word = mode === "customers" ? "find_customer" : "find_item";
  $("find").dataset.hint = $("find").dataset.label = word;
  $("find").placeholder = say(word);
  $("find").setAttribute("aria-label", say(word));
  showChoices();
}

function open(isOpen) {
  $("picker-toggle").setAttribute("aria-expanded", String(isOpen));
  $("picker-body").classList.toggle("open", isOpen);
}

function showChosen() {
  const id = state.mode === "customers" ? state.customer : state.item?.item_id;
  for (const each of $("choices").querySelectorAll(".choice"))
    each.setAttribute("aria-pressed", String(each.dataset.id === id));
  open(false);
}

function turn(pages) {
  state.page += pages;
  showChoices();
}

export function listenToPicker() {
  let later;
  $("find").addEventListener("input", () => {
    clearTimeout(later);
    later = setTimeout(() => {
      state.page = 1;
      showChoices();
    }, 200);
  });
  $("previous").addEventListener("click", () => turn(-1));
  $("next").addEventListener("click", () => turn(1));
  $("picker-toggle").addEventListener("click", () =>
    open($("picker-toggle").getAttribute("aria-expanded") !== "true"),
  );
  for (const each of document.querySelectorAll("[data-mode]"))
    each.addEventListener("click", () => setMode(each.dataset.mode));
  document.addEventListener("chosen", showChosen);
}
