// The panels of tasks. Each gives the elements to show for the state of now.

import {
  answerBubble,
  bars,
  draftCard,
  empty,
  field,
  fill,
  grid,
  h,
  plain,
  questionBubble,
  table,
  tile,
} from "./parts.js";
import { chatPanel } from "./chat.js";
import { feedback } from "./feedback.js";
import { photoInput } from "./photo.js";
import { ask, url } from "./server.js";
import { understood } from "./understood.js";
import { choose, state } from "./state.js";
import { inLanguage, say } from "./words.js";

const chooseHit = (hit) =>
  choose({ item: hit.item ?? { item_id: hit.item_id, title: hit.item_id, category: [] } });
const keep = (name) => ({
  value: state.kept[name] ?? "",
  oninput: (event) => (state.kept[name] = event.target.value),
});

function form(said, fields, submit) {
  const button = h("button", { type: "submit", class: "main" }, said);
  return h(
    "form",
    {
      class: "form",
      onsubmit: (event) => {
        event.preventDefault();
        submit();
      },
    },
    fields,
    button,
  );
}

function recommendPanel(task) {
  const results = h("div", { class: "results", "aria-live": "polite" });
  const wish = h("input", { type: "text", maxlength: 500, placeholder: say("wish_hint"), ...keep("wish") });
  const go = () => fill(results, () => recommend(task, wish.value.trim()));
  const title = state.customer
    ? say("for_customer", { name: state.customer })
    : state.item
      ? say("for_item", { name: plain(state.item.title) })
      : say("for_new");
  const past = h("div", { class: "past" });
  if (state.customer) fill(past, () => history(state.customer));
  go();
  const more = state.item ? ["similar", "together"].map((by) => neighbours(task, state.item.item_id, by)) : [];
  return [
    h("h2", {}, title),
    past,
    form(say("wish_button"), [field("wish", say("wish"), wish)], go),
    results,
    ...more,
  ];
}

function neighbours(task, itemId, by) {
  const section = h("section", {});
  fill(section, async () => {
    const reply = await ask(`/${task.name}`, { k: 6, item_ids: [itemId], by });
    return reply.items.length ? [h("h3", {}, say(by)), grid(reply.items, chooseHit)] : "";
  });
  return section;
}

async function recommend(task, text) {
  const body = { k: 12, item_ids: state.item ? [state.item.item_id] : [] };
  if (state.customer) body.user_id = state.customer;
  if (text) body.text = text;
  const reply = await ask(`/${task.name}`, body);
  if (!reply.items.length) return empty(say("no_items"));
  return [
    reply.known_customer === false ? h("p", { class: "note" }, say("new_customer")) : "",
    reply.unread_text ? h("p", { class: "note" }, say("unread_text")) : "",
    grid(reply.items, chooseHit),
  ];
}

async function history(userId) {
  const reply = await ask(url("/customers", { user_id: userId, size: 24 })).catch((error) => {
    if (error.status === 404 || error.status === 403) return { history: [] };
    throw error;
  });
  const unique = [...new Map(reply.history.map((event) => [event.item_id, event])).values()].slice(0, 10);
  if (!unique.length) return "";
  const tiles = unique.map((event) =>
    h(
      "button",
      {
        type: "button",
        class: "seen",
        title: plain(event.item?.title) || event.item_id,
        onclick: () => chooseHit(event),
      },
      tile(event.item, event.item_id, true),
      h("span", {}, plain(event.item?.title) || event.item_id),
    ),
  );
  return h("div", {}, h("p", { class: "soft" }, say("history")), h("div", { class: "strip" }, tiles));
}

// What a task's panel says of its reply by `draws`; what is not here is a table of the reply's fields.
const DRAWS = {
  items: (reply, again) => [
    understood(reply, again),
    reply.items.length ? grid(reply.items, chooseHit, reply.highlights) : empty(say("none_found")),
  ],
  evidence: answerBubble,
  bars,
};

// A form of the fields that the task names, and the reply below it.
function formPanel(task) {
  const results = h("div", { class: "results", "aria-live": "polite" });
  if (inLanguage(task.empty)) results.append(empty(inLanguage(task.empty)));
  const shown = task.fields.filter((each) => each.kind !== "picture" || state.ready.sees);
  const inputs = shown.map((each) => [each.name, inputOf(task, each)]);
  const draw = DRAWS[task.draws] ?? table;
  const go = (changes = {}) =>
    fill(results, async () => draw(await ask(`/${task.name}`, { ...bodyOf(task, inputs), ...changes }), go));
  if (task.draws === "items" && inputs[0]?.[1].value.trim()) go();
  const fields = shown.map((each, i) => field(each.name, inLanguage(each.label), inputs[i][1]));
  shown.forEach((each, i) => each.suggests && suggestFor(inputs[i][1], each.suggests));
  const photo = shown.findIndex((each) => each.kind === "picture");
  if (photo >= 0) standIn(inputs[photo][1], shown, inputs, () => go());
  return [form(inLanguage(task.button), fields, () => go()), tries(task, inputs, go), results].filter(Boolean);
}

// With a photo nothing else needs to be said; it is asked for as soon as it is chosen.
function standIn(photo, shown, inputs, go) {
  const change = () =>
    shown.forEach((each, i) => (inputs[i][1].required = each.required && !photo.value && each.kind !== "picture"));
  change();
  photo.addEventListener("photo", () => {
    change();
    if (photo.value) go();
  });
}

function inputOf(task, { name, kind, max_length, required, hint }) {
  if (kind === "picture") return photoInput(state.kept, `${task.name}.${name}`);
  const about = { maxlength: max_length, required, placeholder: inLanguage(hint), ...keep(`${task.name}.${name}`) };
  return kind === "long"
    ? h("textarea", { rows: 5, ...about })
    : h("input", { type: kind, ...about });
}

// Completes what is typed in `input` by what the server suggests. A late answer never replaces a newer one.
function suggestFor(input, path) {
  const list = h("datalist", { id: `${input.id}-suggestions` });
  input.setAttribute("list", list.id);
  input.setAttribute("autocomplete", "off");
  let turn = 0;
  let timer = null;
  const show = async (q) => {
    const mine = ++turn;
    const reply = q ? await ask(url(path, { q, k: 8 })).catch(() => null) : { items: [] };
    if (reply && mine === turn)
      list.replaceChildren(...reply.items.map((each) => h("option", { value: plain(each.text) })));
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => show(input.value.trim()), 120);
  });
  queueMicrotask(() => input.after(list));
}

function bodyOf(task, inputs) {
  const written = inputs.map(([name, input]) => [name, input.value.trim()]).filter(([, value]) => value);
  const body = { ...task.always, ...Object.fromEntries(written) };
  if (task.customer_as && state.customer) body[task.customer_as] = state.customer;
  if (task.item_as && state.item) body[task.item_as] = state.item.item_id;
  return body;
}

function tries(task, inputs, go) {
  if (!task.examples.length || !inputs.length) return null;
  const [, input] = inputs[0];
  const take = (text) => {
    input.value = text;
    input.dispatchEvent(new Event("input"));
    go();
  };
  const buttons = task.examples
    .map(inLanguage)
    .map((text) => h("button", { type: "button", class: "quiet", onclick: () => take(text) }, text));
  return h("p", { class: "soft" }, `${say("try")}: `, buttons);
}

function answerPanel(task) {
  const about = state.item?.item_id ?? null;
  if (about !== state.about) Object.assign(state, { about, turns: [] });
  const log = h("div", { class: "log", "aria-live": "polite" });
  const question = h("input", {
    type: "text",
    maxlength: 500,
    required: true,
    placeholder: say("ask_hint"),
    autocomplete: "off",
  });
  const draw = () =>
    log.replaceChildren(
      ...(state.turns.length
        ? state.turns.flatMap((turn) => [
            questionBubble(turn.question),
            turn.reply ? ratedAnswer(turn) : "",
          ])
        : [empty(say("ask_empty"))]),
    );
  const go = async () => {
    const text = question.value.trim();
    if (!text || state.waiting) return;
    question.value = "";
    state.waiting = true;
    const earlier = state.turns
      .filter((turn) => turn.reply)
      .slice(-8)
      .map((turn) => ({ question: turn.question, answer: turn.reply.text.slice(0, 4000) }));
    const place = h("div", {});
    const turn = { question: text };
    const turns = state.turns;
    turns.push(turn);
    draw();
    log.append(place);
    await fill(place, async () => {
      turn.reply = await ask(`/${task.name}`, {
        question: text,
        history: earlier,
        ...(about ? { item_id: about } : {}),
      });
      return ratedAnswer(turn);
    });
    state.waiting = false;
    question.focus();
  };
  draw();
  const again = h(
    "button",
    {
      type: "button",
      class: "quiet",
      onclick: () => {
        state.turns = [];
        draw();
        question.focus();
      },
    },
    say("ask_again"),
  );
  const where = about ? say("ask_about", { name: plain(state.item.title) }) : say("ask_all");
  return [
    h("div", { class: "row" }, h("p", { class: "soft" }, where), again),
    log,
    form(say("ask_button"), [field("question", say("ask_label"), question)], go),
  ];
}

// An answer in a conversation, with thumbs; what is drawn again is not asked about again.
function ratedAnswer(turn) {
  const about = { about: turn.reply.text, query: turn.question, ...(state.about ? { item_id: state.about } : {}) };
  turn.bubble ??= answerBubble(turn.reply, () => feedback(about));
  return turn.bubble;
}

// What an event says of a draft: its product and its stars, as they were asked for.
const about = (body) => ({ item_id: body.item_id, rating: body.rating });

function reviewPanel(task) {
  if (!state.item) return [empty(say("review_need"))];
  const results = h("div", { class: "results", "aria-live": "polite" });
  const stars = h(
    "select",
    {},
    [5, 4, 3, 2, 1].map((n) => h("option", { value: n }, `${"★".repeat(n)}${"☆".repeat(5 - n)}`)),
  );
  const aspects = h("input", {
    type: "text",
    maxlength: 500,
    placeholder: say("aspects_hint"),
    ...keep("aspects"),
  });
  const language = h(
    "select",
    {},
    [
      ["", "as_shop"],
      ["en", "english"],
      ["zh", "chinese"],
    ].map(([value, word]) => h("option", { value }, say(word))),
  );
  const style = h("input", { type: "checkbox", checked: true });
  const go = (seed) =>
    fill(results, async () => {
      state.seed = seed;
      const body = { item_id: state.item.item_id, rating: Number(stars.value), seed };
      body.aspects = aspects.value
        .split(/[,，、]/)
        .map((each) => each.trim().slice(0, 100))
        .filter(Boolean)
        .slice(0, 10);
      if (language.value) body.language = language.value;
      if (state.customer && style.checked) body.user_id = state.customer;
      const draft = await ask(`/${task.name}`, body);
      return [
        draftCard(draft, (text) => feedback({ ...about(body), about: draft.text }, text)),
        h("button", { type: "button", class: "quiet", onclick: () => go(state.seed + 1) }, say("another")),
      ];
    });
  const fields = [
    h(
      "div",
      { class: "pair" },
      field("stars", say("stars"), stars),
      field("draft-language", say("draft_language"), language),
    ),
    field("aspects", say("aspects_label"), aspects),
    state.customer ? h("label", { class: "check" }, style, say("in_style", { name: state.customer })) : null,
  ].filter(Boolean);
  return [
    h("h2", {}, say("review_for", { name: plain(state.item.title) })),
    form(say("review_button"), fields, () => go(0)),
    results,
  ];
}

const PANELS = { recommendations: recommendPanel, dialogue: answerPanel, draft: reviewPanel, chat: chatPanel };

export const panelOf = (task) => (PANELS[task.draws] ?? formPanel)(task);
