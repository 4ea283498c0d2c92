// A field for a photo: made small here, so that no more is sent than is looked at.

import { h } from "./parts.js";
import { say } from "./words.js";

const SIDE = 512;
const MOST = 90_000; // letters of base64: a body may have 128 KB unless the server is told otherwise

// An element whose `value` is the photo in base64, or ''. It says "photo" when that changes.
export function photoInput(kept, name) {
  const file = h("input", { type: "file", accept: "image/*", hidden: true });
  const choose = h("button", { type: "button", class: "quiet", onclick: () => file.click() }, say("photo_choose"));
  const made = h("div", { class: "photo" }, choose, file);
  const show = (photo) => {
    kept[name] = photo;
    made.value = photo?.base64 ?? "";
    const remove = h(
      "button",
      { type: "button", class: "cross", "aria-label": say("photo_remove"), onclick: () => change(null) },
      "×",
    );
    made.replaceChildren(...(photo ? [photo.canvas, remove] : [choose]), file);
  };
  const change = (photo) => {
    show(photo);
    made.dispatchEvent(new Event("photo"));
  };
  file.addEventListener("change", async () => {
    try {
      change(await small(file.files[0]));
    } catch {
      choose.textContent = say("photo_wrong");
    }
    file.value = "";
  });
  show(kept[name]);
  return made;
}

async function small(file) {
  const image = await createImageBitmap(file, { imageOrientation: "from-image" });
  const times = Math.min(1, SIDE / Math.max(image.width, image.height));
  const canvas = h("canvas", {
    width: Math.max(16, Math.round(image.width * times)),
    height: Math.max(16, Math.round(image.height * times)),
  });
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  let base64;
  for (const quality of [0.9, 0.75, 0.5, 0.25]) {
    base64 = canvas.toDataURL("image/jpeg", quality).split(",")[1];
    if (base64.length <= MOST) break;
  }
  return { base64, canvas };
}
