// What the page shows: who and what is chosen, and which panel is open.

import { TASKS } from "./tasks.js";

export const state = {
  mode: "customers",
  page: 1,
  tab: TASKS[0].name,
  customer: null,
  item: null,
  ready: null,
  about: null,
  turns: [],
  chat: { turns: [], state: null, waiting: false },
  waiting: false,
  seed: 0,
  kept: {},
};

// Whether the run has what a tab needs; a conversation needs any of the tasks that its tools ask.
export const has = (tab) =>
  tab === "chat"
    ? ["search", "answer", "recommend"].some((name) => name in state.ready.tasks)
    : tab in state.ready.tasks;

export const $ = (id) => document.getElementById(id);

// Changes the choice; who shows it hears "chosen".
export function choose(change) {
  Object.assign(state, change);
  document.dispatchEvent(new Event("chosen"));
}
