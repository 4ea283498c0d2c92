// How a search was understood: filters that can be taken off, words that were mended, values to narrow by.

import { h, plain } from "./parts.js";
import { say } from "./words.js";

const SIGNS = { "<=": "≤ ", ">=": "≥ ", "~": "≈ ", "=": "", "!=": "" };
const told = ({ field, op, value, unit }) => {
  const what = `${SIGNS[op]}${value}${unit ? ` ${unit}` : ""}`;
  return [say(`f_${field}`), op === "!=" ? say("not", { value: what }) : what].filter(Boolean).join(": ");
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

function facets(reply, kept, as) {
  const taken = new Set(kept.map(({ field, value }) => `${field} ${value}`));
  const rows = ["category", "brand", "colour"].map((field) => {
    const open = (reply.facets[field] ?? []).filter(({ value }) => !taken.has(`${field} ${value}`)).slice(0, 6);
    if (open.length < 2) return "";
    const buttons = open.map(({ value, n }) =>
      h(
        "button",
        { type: "button", class: "filter", onclick: () => as([...kept, { field, op: "=", value, unit: "" }]) },
        `${plain(value)} ${n}`,
      ),
    );
    return h("p", { class: "filters" }, `${say(`f_${field}`)}: `, ...buttons);
  });
  return h("div", {}, ...rows);
}
