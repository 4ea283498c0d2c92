// The panel of a conversation. The server keeps nothing of it: its state comes back and is sent again.

import { empty, field, fill, h, plain, price, questionBubble, tile } from "./parts.js";
import { ask } from "./server.js";
import { choose, state } from "./state.js";
import { inLanguage, say } from "./words.js";

export function chatPanel(task) {
  const log = h("div", { class: "log", "aria-live": "polite" });
  const message = h("input", {
    type: "text",
    maxlength: 500,
    required: true,
    placeholder: say("chat_hint"),
    autocomplete: "off",
  });
  const draw = () =>
    log.replaceChildren(
      ...(state.chat.turns.length
        ? state.chat.turns.flatMap((turn) => [questionBubble(turn.said), turn.reply ? replyBubble(turn.reply) : ""])
        : [empty(say("chat_empty"))]),
    );
  const go = async (text = message.value.trim()) => {
    const chat = state.chat;
    if (!text || chat.waiting) return;
    message.value = "";
    chat.waiting = true;
    const turn = { said: text };
    chat.turns.push(turn);
    draw();
    const place = h("div", {});
    log.append(place);
    await fill(place, async () => {
      turn.reply = await ask("/chat", { message: text, ...(chat.state ? { state: chat.state } : {}) });
      chat.state = turn.reply.state;
      return replyBubble(turn.reply);
    });
    chat.waiting = false;
    message.focus();
  };
  const again = () => {
    state.chat = { turns: [], state: null, waiting: false };
    draw();
    message.focus();
  };
  draw();
  const tries = task.examples
    .map(inLanguage)
    .map((text) => h("button", { type: "button", class: "quiet", onclick: () => go(text) }, text));
  return [
    h(
      "div",
      { class: "row" },
      h("p", { class: "soft" }, `${say("try")}: `, tries),
      h("button", { type: "button", class: "quiet", onclick: again }, say("ask_again")),
    ),
    log,
    h(
      "form",
      {
        class: "form",
        onsubmit: (event) => {
          event.preventDefault();
          go();
        },
      },
      field("message", say("chat_label"), message),
      h("button", { type: "submit", class: "main" }, say("chat_button")),
    ),
  ];
}

// A reply with its products, what it stands on, and the summary for a person who takes over.
function replyBubble(reply) {
  const shown = reply.items.map((item) =>
    h(
      "button",
      {
        type: "button",
        class: "seen",
        title: plain(item.title),
        onclick: () => choose({ item: { ...item, category: [] } }),
      },
      tile(item, item.item_id, true),
      h("span", {}, plain(item.title)),
      h("span", { class: "soft" }, price(item)),
    ),
  );
  const sources = reply.sources.map((each) =>
    h(
      "li",
      {},
      h("span", { class: "source" }, say(`s_${each.source}`).replace(/^s_/, "")),
      h("blockquote", {}, plain(each.text)),
    ),
  );
  return h(
    "div",
    { class: reply.known ? "bubble shop" : "bubble shop unknown" },
    h("p", { class: "who" }, say("shop"), h("span", { class: "soft" }, reply.tools.map((each) => each.tool).join(" · "))),
    h("p", { class: "said" }, plainLines(reply.text)),
    shown.length ? h("div", { class: "strip" }, shown) : null,
    sources.length
      ? h("details", {}, h("summary", {}, `${say("evidence")} (${sources.length})`), h("ol", { class: "evidence" }, sources))
      : null,
    reply.handover
      ? h(
          "div",
          { class: "failure handover" },
          h("strong", {}, say("handover")),
          h("p", { class: "said" }, reply.handover.summary),
        )
      : null,
  );
}

const plainLines = (text) => text.split("\n").map(plain).join("\n");
