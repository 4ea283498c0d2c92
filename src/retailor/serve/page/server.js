// Asking the server. Where it wants a key, the key is asked for once and kept until the tab is closed.
// A page says in `data-key` under which name; the merchant's key is another one than the shop's.

import { currentLanguage, say, sayProblem } from "./words.js";

// Where this server's paths begin: the page of one of several shops lies below /shops/NAME/, and has a key of its own.
const BASE = new URL("../", import.meta.url);
const at = (path) => new URL(`.${path}`, BASE);
const KEY = (document.body.dataset.key ?? "retailor-key") + BASE.pathname.replace(/^\/(v1\/)?$/, "");

class Problem extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

export async function ask(path, body) {
  const [status, reply] = await request(path, body);
  if (status === 401) {
    if (await askForKey()) return ask(path, body);
    throw new Problem(401, sayProblem(reply.error, reply.detail));
  }
  if (status >= 300 && path !== "/ready") throw new Problem(status, sayProblem(reply.error, reply.detail));
  return reply;
}

// Sends what nobody waits for. Who may ask may not always write, and is not asked for another key in the middle.
export async function tell(path, body) {
  const [status, reply] = await request(path, body);
  if (status === 401) throw new Problem(401, say("feedback_key"));
  if (status >= 300) throw new Problem(status, sayProblem(reply.error, reply.detail));
  return reply;
}

// The status and the reply. Problem where the server is not there.
async function request(path, body) {
  const key = sessionStorage.getItem(KEY);
  const headers = {
    "Accept-Language": currentLanguage(),
    ...(key ? { "X-API-Key": key } : {}),
    ...(body ? { "Content-Type": "application/json" } : {}),
  };
  let response;
  try {
    response = await fetch(at(path), {
      method: body ? "POST" : "GET",
      headers,
      body: body && JSON.stringify(body),
    });
  } catch {
    throw new Problem(0, say("offline"));
  }
  return [response.status, await response.json().catch(() => ({ detail: response.statusText }))];
}

export const hasKey = () => Boolean(sessionStorage.getItem(KEY));

// The text of a page of this server, asked for with the key.
export async function askText(path) {
  const response = await fetch(at(path), { headers: { "X-API-Key": sessionStorage.getItem(KEY) ?? "" } });
  const text = await response.text();
  if (response.ok) return text;
  const reply = JSON.parse(text);
  throw new Problem(response.status, sayProblem(reply.error, reply.detail));
}

let asking = null;
function askForKey() {
  const dialog = document.getElementById("key-dialog");
  const field = document.getElementById("key");
  asking ??= new Promise((resolve) => {
    dialog.showModal();
    dialog.addEventListener(
      "close",
      () => {
        const given = field.value;
        field.value = "";
        asking = null;
        if (given) sessionStorage.setItem(KEY, given);
        resolve(Boolean(given));
      },
      { once: true },
    );
  });
  return asking;
}

export const url = (path, values) => `${path}?${new URLSearchParams(values)}`;

// Shows an item's picture in an image. An image carries no key: with one, what it shows is fetched first.
export async function showPicture(image, itemId) {
  const address = at(url("/picture", { item_id: itemId })).href;
  const key = sessionStorage.getItem(KEY);
  if (!key) {
    image.src = address;
    return;
  }
  const response = await fetch(address, { headers: { "X-API-Key": key } }).catch(() => null);
  const picture = response?.ok ? await response.blob() : null;
  if (!picture?.size) return image.remove();
  image.src = URL.createObjectURL(picture);
  image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
}
