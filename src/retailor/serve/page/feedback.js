// What people think of an answer or a draft: thumbs, and the draft as it should be. Each is an event of the shop's log.

import { h } from "./parts.js";
import { tell } from "./server.js";
import { state } from "./state.js";
import { say } from "./words.js";

const LONGEST = 2000; // letters of `about` and `text`, as the server takes them

// An id that nobody else has; `randomUUID` is there on secure pages alone.
const newId = () => [...crypto.getRandomValues(new Uint32Array(4))].map((each) => each.toString(16).padStart(8, "0")).join("");

// Who it is where no customer is chosen: this tab.
function session() {
  const known = sessionStorage.getItem("retailor-session") ?? newId();
  sessionStorage.setItem("retailor-session", known);
  return known;
}

// A thumb, drawn: not every machine has a letter for it.
function hand() {
  const [svg, path] = ["svg", "path"].map((name) => document.createElementNS("http://www.w3.org/2000/svg", name));
  for (const [name, value] of Object.entries({ viewBox: "0 0 24 24", width: 18, height: 18, "aria-hidden": "true" }))
    svg.setAttribute(name, value);
  path.setAttribute("d", "M3 10h3v11H3zM8 21V10l3.6-8c1.6 0 2.9 1.3 2.9 2.9V9h4.8c1.3 0 2.2 1.2 2 2.4l-1.5 7.6c-.2 1.2-1.2 2-2.4 2z");
  svg.append(path);
  return svg;
}

const who = () => (state.customer ? { user_id: state.customer } : { session_id: session() });

async function send(event) {
  const reply = await tell("/events", { events: [event] });
  if (reply.refused.length) throw new Error(reply.refused[0].reason);
}

// Thumbs, and an edit where `text` is the place of a draft's text. `event` says what it is about; null where
// this server keeps no events, or the text is longer than an event may be.
export function feedback(event, text = null) {
  if (!state.ready?.events || !event.about || event.about.length > LONGEST) return null;
  const events = new Map();
  const told = h("span", { class: "soft small", role: "status" });
  const buttons = [thumb("thumb_up"), thumb("thumb_down")];
  const place = h("div", { class: "feedback" }, buttons, told);
  const over = () => place.querySelectorAll("button.thumb").forEach((each) => (each.disabled = true));
  if (text) place.insertBefore(editButton(), told);
  return place;

  // A thumb is given once: with both on one text nothing would be known.
  function thumb(kind) {
    const give = async () => {
      if (await done({ kind })) {
        button.setAttribute("aria-pressed", "true");
        over();
      }
    };
    const about = { type: "button", class: "quiet thumb", "aria-label": say(kind), "aria-pressed": "false" };
    const button = h("button", { ...about, title: say(kind), "data-kind": kind, onclick: give }, hand());
    return button;
  }

  // What was sent before goes again as it was, with its id and its time: the server may have it already.
  async function done(what) {
    const key = JSON.stringify(what);
    const made = { ...who(), event_id: newId(), time: new Date().toISOString(), ...event, ...what };
    if (!events.has(key)) events.set(key, made);
    try {
      await send(events.get(key));
    } catch (error) {
      told.textContent = error.message;
      return false;
    }
    told.textContent = say("feedback_thanks");
    return true;
  }

  function editButton() {
    const open = h("button", { type: "button", class: "quiet", onclick: () => edit(open) }, say("edit"));
    return open;
  }

  function edit(open) {
    const label = say("edit_label");
    const written = h("textarea", { rows: 6, maxlength: LONGEST, "aria-label": label, value: text.textContent });
    const close = () => {
      form.replaceWith(text);
      open.hidden = false;
      open.focus();
    };
    const use = async () => {
      const better = written.value.trim();
      if (better && better !== event.about) {
        if (!(await done({ kind: "edit", text: better }))) return;
        text.textContent = better;
        over();
        open.remove();
      }
      close();
    };
    const form = h(
      "form",
      {
        class: "edit",
        onsubmit: (submitted) => {
          submitted.preventDefault();
          use();
        },
      },
      written,
      h("div", { class: "row" }, h("button", { type: "submit", class: "main" }, say("edit_send")),
        h("button", { type: "button", class: "quiet", onclick: close }, say("edit_cancel"))),
    );
    told.textContent = "";
    open.hidden = true;
    text.replaceWith(form);
    written.focus();
  }
}
