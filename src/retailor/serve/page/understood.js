// How a search was understood: filters that can be taken off, words that were mended, values to narrow by.

import { h, plain } from "./parts.js";
import { say } from "./words.js";

const SIGNS = { "<": "< ", "<=": "≤ ", ">=": "≥ ", "~": "≈ ", "=": "", "!=": "" };
const called = ({ field, name }) => (field === "attribute" ? plain(name) : say(`f_${field}`));
const told = (each) => {
  const { field, op, value, unit } = each;
  const what = field === "stock" ? say("in_stock") : `${SIGNS[op]}${plain(String(value))}${unit ? ` ${unit}` : ""}`;
  return [called(each), op === "!=" ? say("not", { value: what }) : what].filter(Boolean).join(": ");
};
const asked = (filters) => filters.map((each) => ({ ...each, text: "" }));

// `again(changes)` asks once more with these fields of the body changed.
export function understood(reply, again) {
  if (!reply.filters) return "";
  const as = (filters) => again({ text: reply.searched, filters: asked(filters), read: false });
  const gone = new Set(reply.relaxed.map((each) => JSON.stringify(each)));
  const kept = reply.filters.filter((each) => !gone.has(JSON.stringify(each))); // what is asked for again holds
  const chips = kept.map((each) =>
    h(
      "button",
      { type: "button", class: "filter", onclick: () => as(kept.filter((other) => other !== each)) },
      `${told(each)} ×`,
    ),
  );
  const mended = Object.entries(reply.mended).map(([from, to]) => say("mended", { from, to }));
  const read = reply.filters.length || mended.length;
  return h(
    "div",
    { class: "understood" },
    read ? h("p", { class: "soft" }, say("searched", { text: reply.searched }), " ", ...mended) : "",
    h("p", { class: "filters" }, ...chips, mended.length ? written(again) : ""),
    ...reply.relaxed.map((each) => h("p", { class: "note" }, say("relaxed", { filter: told(each) }))),
    reply.is_nearest ? h("p", { class: "note" }, say("nearest")) : h("p", { class: "soft" }, say("n_found", { n: reply.n_found })),
    facets(reply, kept, as),
  );
}

const written = (again) =>
  h("button", { type: "button", class: "quiet", onclick: () => again({ read: false }) }, say("as_written"));

// The filters that a value of a facet stands for: "4+" stars, "20–50" money, or a name.
const NARROWS = {
  rating: (value) => [{ op: ">=", value: parseFloat(value) }],
  price: (value) => {
    const [range, unit = ""] = value.split(" ");
    const [low, high] = range.replace("+", "").split("–").map(Number);
    const bounds = [["<", high], [">=", low || undefined]].filter(([, bound]) => bound !== undefined);
    return bounds.map(([op, bound]) => ({ op, value: bound, unit })).reverse();
  },
};

function facets(reply, kept, as) {
  const known = ["category", "brand", "colour", "price", "rating"].map((field) => [{ field }, reply.facets[field]]);
  const own = Object.entries(reply.attributes ?? {}).map(([name, counts]) => [{ field: "attribute", name }, counts]);
  const held = new Set(kept.map(({ field, name }) => `${field} ${name ?? ""}`));
  const taken = new Set(kept.map(({ field, name, value }) => `${field} ${name ?? ""} ${value}`));
  const rows = [...known, ...own].map(([what, counts]) => {
    const key = `${what.field} ${what.name ?? ""}`;
    if (what.field in NARROWS && held.has(key)) return "";
    const open = (counts ?? []).filter(({ value }) => !taken.has(`${key} ${value}`)).slice(0, 6);
    if (open.length < (what.field === "rating" ? 1 : 2)) return "";
    const buttons = open.map(({ value, n }) => {
      const filters = (NARROWS[what.field] ?? (() => [{ op: "=", value }]))(value);
      const added = filters.map((each) => ({ unit: "", ...what, ...each }));
      return h(
        "button",
        { type: "button", class: "filter", onclick: () => as([...kept, ...added]) },
        `${plain(value)} ${what.field === "rating" ? "★ " : ""}${n}`,
      );
    });
    return h("p", { class: "filters" }, `${called(what)}: `, ...buttons);
  });
  return h("div", {}, ...rows);
}
