// Small pieces of the page. Text is only ever set as text, so nothing a shop wrote can become markup.

import { showPicture } from "./server.js";
import { state } from "./state.js";
import { currentLanguage, say } from "./words.js";

export function h(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " " };

// A shop's text without tags and entities. It is never parsed as HTML, so nothing in it can run.
export function plain(text) {
  return (text ?? "")
    .replace(/<[^>]*>/g, " ")
    .replace(/&(?:#(\d{1,6})|(amp|lt|gt|quot|apos|nbsp));/g, (whole, code, name) =>
      name ? ENTITIES[name] : String.fromCodePoint(Math.min(Number(code), 0x10ffff)),
    )
    .replace(/\s+/g, " ")
    .trim();
}

const hue = (text) => [...text].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);

function initials(title) {
  const letters = plain(title)
    .replace(/[^\p{L}\p{N}\s]/gu, " ")
    .trim();
  if (/^\p{Script=Han}/u.test(letters)) return letters.slice(0, 1);
  return letters
    .split(/\s+/)
    .slice(0, 2)
    .map((word) => [...word][0] ?? "")
    .join("")
    .toUpperCase();
}

function usable(image) {
  if (!image) return false;
  if (/^data:image\/(png|jpe?g|gif|webp|avif);/.test(image)) return true;
  return document.body.dataset.remoteImages === "true" && image.startsWith("https://");
}

// Whether the picture is a file of the shop's, which this server shows.
const isFile = (image) => Boolean(state.ready?.pictures && image && !/^(https?|data):/i.test(image));

// A picture where there is one that this page may show, else a coloured tile of the category.
export function tile(item, itemId, small = false) {
  const title = item?.title || itemId;
  const kind = item?.category?.at(-1) ?? item?.brand ?? "";
  const made = h("div", { class: small ? "tile small" : "tile", "aria-hidden": "true" });
  if (usable(item?.image) || isFile(item?.image)) {
    const picture = h("img", { alt: "", loading: "lazy", referrerpolicy: "no-referrer" });
    picture.addEventListener("error", () => picture.remove());
    made.append(picture);
    if (usable(item.image)) picture.src = item.image;
    else showPicture(picture, itemId);
  }
  made.style.setProperty("--hue", hue(kind || title));
  made.append(h("span", { class: "initials" }, initials(title)));
  if (!small && kind) made.append(h("span", { class: "kind" }, plain(kind)));
  return made;
}

export function price(item) {
  if (item?.price === null || item?.price === undefined) return "";
  try {
    // A price without a currency is a number: nobody said that it is in dollars.
    const how = item.currency ? { style: "currency", currency: item.currency } : { minimumFractionDigits: 2 };
    return new Intl.NumberFormat(currentLanguage(), how).format(item.price);
  } catch {
    return `${item.price} ${item.currency ?? ""}`.trim();
  }
}

// The title with the words of the query marked; null where its text is shown otherwise than it is written.
function marked(title, places) {
  if (!title || !places.length || plain(title) !== title) return null;
  const letters = [...title];
  const text = (start, end) => letters.slice(start, end).join("");
  const ends = [0, ...places.map((place) => place[1])];
  const parts = places.flatMap(([start, end], i) => [text(ends[i], start), h("mark", {}, text(start, end))]);
  return [...parts, text(ends.at(-1))];
}

// One item of a result, as a card that can be chosen.
export function card(hit, choose, places = []) {
  const title = plain(hit.item?.title) || hit.item_id;
  // The reason may name an item already: its first letters, since long titles are cut there.
  const named = (each) => hit.reason?.includes(`“${plain(each.title).slice(0, 40)}`);
  const because = hit.because.filter((each) => each.item_id !== hit.item_id && !named(each)).slice(0, 2);
  return h(
    "li",
    { class: "card" },
    h(
      "button",
      {
        type: "button",
        class: "cover",
        "aria-label": `${say("product")}: ${title}`,
        onclick: () => choose(hit),
      },
      tile(hit.item, hit.item_id),
    ),
    h(
      "div",
      { class: "about" },
      h("h3", { title }, marked(hit.item?.title ?? "", places) ?? title),
      h(
        "p",
        { class: "line" },
        h("strong", {}, price(hit.item)),
        h("span", { class: "soft" }, plain(hit.item?.brand ?? "")),
      ),
      hit.reason ? h("p", { class: "reason" }, hit.reason) : null,
      because.length
        ? h(
            "p",
            { class: "soft because" },
            `${say("because")}: `,
            because.map((each) => plain(each.title)).join(" · "),
          )
        : null,
    ),
  );
}

export const grid = (hits, choose, highlights = {}) =>
  h(
    "ul",
    { class: "grid" },
    hits.map((hit) => card(hit, choose, highlights[hit.item_id])),
  );

export const empty = (text) => h("p", { class: "empty" }, text);

export function waiting() {
  return h(
    "div",
    { class: "waiting", role: "status" },
    h("span", { class: "spinner", "aria-hidden": "true" }),
    say("loading"),
  );
}

export function failure(error, again) {
  return h(
    "div",
    { class: "failure", role: "alert" },
    h("strong", {}, say("failed")),
    h("p", {}, error.message),
    again ? h("button", { type: "button", class: "quiet", onclick: again }, say("retry")) : null,
  );
}

export function field(id, label, input) {
  input.id = id;
  return h("div", { class: "field" }, h("label", { for: id }, label), input);
}

const ORDER = ["negative", "neutral", "positive"];

// The probabilities of labels as bars: those of sentiment in their order, others as they came.
export function bars(reply) {
  const place = (label) => (ORDER.includes(label) ? ORDER.indexOf(label) : ORDER.length);
  const labels = Object.keys(reply.probabilities).sort((one, other) => place(one) - place(other));
  const rows = labels.map((label) => {
    const share = reply.probabilities[label];
    const bar = h("span", { class: `bar ${label}` });
    bar.style.setProperty("--share", share);
    const percent = `${(100 * share).toFixed(1)} %`;
    return h(
      "div",
      { class: label === reply.label ? "share best" : "share" },
      h("span", { class: "name" }, say(label)),
      h("span", { class: "track" }, bar),
      h("span", { class: "value" }, percent),
    );
  });
  return h("div", { class: "verdict" }, h("p", { class: `label ${reply.label}` }, say(reply.label)), rows);
}

// The fields of a reply as they are, for a task that has no drawing of its own.
export function table(reply) {
  const rows = Object.entries(reply)
    .filter(([name]) => name !== "cached")
    .map(([name, value]) =>
      h("tr", {}, h("th", { scope: "row" }, name.replaceAll("_", " ")), h("td", {}, valueText(value))),
    );
  return rows.length ? h("table", { class: "reply" }, h("tbody", {}, rows)) : empty(say("nothing_read"));
}

function valueText(value) {
  if (Array.isArray(value)) return value.map(valueText).join(", ");
  if (value !== null && typeof value === "object")
    return Object.entries(value)
      .map(([name, inner]) => `${name}: ${valueText(inner)}`)
      .join("; ");
  return typeof value === "number" ? value.toLocaleString(currentLanguage()) : String(value ?? "");
}

// An answer with the passages it stands on, numbered, and what `feedback` gives below it.
export function answerBubble(reply, feedback = () => null) {
  const known = h(
    "span",
    { class: reply.known ? "badge" : "badge muted" },
    reply.known ? say("confidence", { value: `${Math.round(100 * reply.confidence)} %` }) : say("unknown"),
  );
  const compared = reply.table.length
    ? h(
        "table",
        { class: "reply" },
        h(
          "thead",
          {},
          h("tr", {}, h("td"), h("th", { scope: "col" }, say("this_one")), h("th", { scope: "col" }, plain(reply.other))),
        ),
        h(
          "tbody",
          {},
          reply.table.map((row) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, plain(row.name)),
              h("td", {}, plain(row.own ?? "–")),
              h("td", {}, plain(row.other ?? "–")),
            ),
          ),
        ),
      )
    : null;
  const counted = reply.counts
    ? h("p", { class: "soft" }, say("counts", { n: reply.counts.n, yes: reply.counts.yes, no: reply.counts.no }))
    : null;
  const passages = reply.evidence.map((each) =>
    h(
      "li",
      {},
      h("span", { class: "source" }, say(`s_${each.source}`).replace(/^s_/, "")),
      h("span", { class: "soft" }, plain(each.title)),
      h("blockquote", {}, plain(each.text)),
      each.reviews.length
        ? h("span", { class: "soft" }, `${say("s_review")} ${each.reviews.slice(0, 5).join(", ")}`)
        : null,
    ),
  );
  return h(
    "div",
    { class: reply.known ? "bubble shop" : "bubble shop unknown" },
    h("p", { class: "who" }, say("shop"), known),
    compared ?? h("p", { class: "said" }, reply.text),
    counted,
    passages.length
      ? h(
          "details",
          { open: reply.known },
          h("summary", {}, `${say("evidence")} (${passages.length})`),
          h("ol", { class: "evidence" }, passages),
        )
      : null,
    feedback(),
  );
}

export const questionBubble = (text) =>
  h("div", { class: "bubble you" }, h("p", { class: "who" }, say("you")), h("p", { class: "said" }, text));

// A draft, never without its mark, and what `feedback` gives below its text.
export function draftCard(draft, feedback = () => null) {
  const said = h("p", { class: "said" }, draft.text);
  const mark = draft.generated;
  const at = mark.at ? new Date(mark.at) : null;
  const when = at && !Number.isNaN(at.getTime()) ? at.toLocaleString(currentLanguage()) : mark.at;
  const by = [mark.by ?? mark.model, when].filter(Boolean).join(" · ");
  const copy = h("button", { type: "button", class: "quiet" }, say("copy"));
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(`${draft.title}\n${draft.text}\n[${say("generated")}; ${by}]`);
    copy.textContent = say("copied");
  });
  return h(
    "article",
    { class: "draft" },
    h("p", { class: "marked" }, h("strong", {}, say("generated")), h("span", {}, say("generated_note"))),
    h(
      "p",
      { class: "stars", "aria-label": `${draft.rating} / 5` },
      "★".repeat(Math.round(draft.rating)) + "☆".repeat(5 - Math.round(draft.rating)),
    ),
    draft.title ? h("h3", {}, draft.title) : null,
    said,
    h("p", { class: "soft small" }, say("by", { name: by })),
    copy,
    feedback(said),
  );
}

// Shows what `work` gives in `place`, and tells whether it did: a slower earlier answer never
// overwrites a later one.
export async function fill(place, work) {
  const turn = (place.turn = (place.turn ?? 0) + 1);
  place.setAttribute("aria-busy", "true");
  place.replaceChildren(waiting());
  let made;
  try {
    made = await work();
  } catch (error) {
    made = failure(error, () => fill(place, work));
  }
  if (turn !== place.turn) return false;
  place.replaceChildren(...[made].flat());
  place.removeAttribute("aria-busy");
  return true;
}
