/** What is seen and touched: panels that zoom in step, and a stage with a swipe. */

import { draw } from "./image.js";

/** @typedef {import("./color.js").Picture} Picture */

const LARGEST_ZOOM = 16;
export const LARGEST_LAMBDA = 1.5;

/**
 * Make an element.
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, string | number | boolean>} [attributes] false leaves one out
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

/** A ring around the spot, drawn by the style where there is one. */
function marker() {
  return make("div", { class: "marker", "aria-hidden": "true" });
}

/** The part of the images that all panels under one element show. */
export class View {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.reset();
  }

  reset() {
    [this.zoom, this.x, this.y] = [1, 0.5, 0.5];
    this.apply();
  }

  /** @param {number} factor */
  zoomBy(factor) {
    this.zoom = Math.max(1, Math.min(LARGEST_ZOOM, this.zoom * factor));
    this.apply();
  }

  /**
   * @param {number} right fraction of a panel
   * @param {number} down
   */
  moveBy(right, down) {
    this.x -= right / this.zoom;
    this.y -= down / this.zoom;
    this.apply();
  }

  apply() {
    const half = 0.5 / this.zoom;
    this.x = Math.max(half, Math.min(1 - half, this.x));
    this.y = Math.max(half, Math.min(1 - half, this.y));
    this.root.style.setProperty("--zoom", String(this.zoom));
    this.root.style.setProperty("--left", `${100 * (0.5 - this.zoom * this.x)}%`);
    this.root.style.setProperty("--top", `${100 * (0.5 - this.zoom * this.y)}%`);
    this.root.classList.toggle("zoomed", this.zoom > 1);
  }

  /**
   * Where in the image a pointer is, as fractions.
   * @param {HTMLElement} frame
   * @param {PointerEvent} event
   */
  locate(frame, event) {
    const box = frame.getBoundingClientRect();
    return {
      x: this.x + ((event.clientX - box.left) / box.width - 0.5) / this.zoom,
      y: this.y + ((event.clientY - box.top) / box.height - 0.5) / this.zoom,
    };
  }
}

/** One image with a caption; it drags, pinches and, where asked, takes a click. */
export class Panel {
  /**
   * @param {View} view
   * @param {string} label
   * @param {(place: {x: number, y: number}) => void} [onPick] gets fractions of the image
   */
  constructor(view, label, onPick) {
    this.canvas = make("canvas", { role: "img", "aria-label": label });
    this.frame = make("div", { class: "frame" }, this.canvas, marker());
    this.caption = make("figcaption", {}, label);
    this.figure = make("figure", { class: "panel" }, this.caption, this.frame);
    /** @type {Map<number, PointerEvent>} */
    const pointers = new Map();
    let moved = false;
    this.frame.addEventListener("pointerdown", (event) => {
      this.frame.setPointerCapture(event.pointerId);
      moved = pointers.size > 0;
      pointers.set(event.pointerId, event);
    });
    this.frame.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const other = [...pointers.values()].find((pointer) => pointer.pointerId !== event.pointerId);
      const [right, down] = [event.clientX - before.clientX, event.clientY - before.clientY];
      if (!moved && Math.hypot(right, down) < 4) return;
      moved = true;
      pointers.set(event.pointerId, event);
      if (other) {
        const distance = (/** @type {PointerEvent} */ pointer) =>
          Math.hypot(pointer.clientX - other.clientX, pointer.clientY - other.clientY) || 1;
        view.zoomBy(distance(event) / distance(before));
      } else {
        view.moveBy(right / this.frame.clientWidth, down / this.frame.clientHeight);
      }
    });
    this.frame.addEventListener("pointerup", (event) => {
      if (pointers.delete(event.pointerId) && !moved) onPick?.(view.locate(this.frame, event));
    });
    this.frame.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
    this.frame.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey) return; // the wheel alone scrolls the page
        event.preventDefault();
        view.zoomBy(Math.exp(-event.deltaY / 200));
      },
      { passive: false },
    );
  }

  /**
   * @param {Picture} picture
   * @param {string} [caption]
   */
  show(picture, caption) {
    draw(this.canvas, picture);
    this.frame.style.aspectRatio = `${picture.width} / ${picture.height}`;
    if (caption) {
      this.caption.textContent = caption;
      this.canvas.setAttribute("aria-label", caption);
    }
  }
}

/** Two images over each other, parted by a line that a drag or the slider below it moves. */
export class Stage {
  constructor() {
    this.left = make("canvas", { role: "img" });
    this.right = make("canvas", { role: "img" });
    this.slider = make("input", {
      type: "range", min: 0, max: 100, value: 50, step: 0.5, class: "swipe",
      "aria-label": "Swipe: how much of the left image is seen",
    });
    this.frame = make(
      "div",
      { class: "frame stage" },
      this.left,
      make("div", { class: "over" }, this.right),
      make("div", { class: "line", "aria-hidden": "true" }),
      marker(),
    );
    this.element = make("div", { class: "swiped" }, this.frame, this.slider);
    const move = () => this.frame.style.setProperty("--swipe", `${this.slider.value}%`);
    this.slider.addEventListener("input", move);
    const drag = (/** @type {PointerEvent} */ event) => {
      const box = this.frame.getBoundingClientRect();
      this.slider.value = String((100 * (event.clientX - box.left)) / box.width);
      move();
    };
    this.frame.addEventListener("pointerdown", (event) => {
      this.frame.setPointerCapture(event.pointerId);
      drag(event);
    });
    this.frame.addEventListener("pointermove", (event) => {
      if (this.frame.hasPointerCapture(event.pointerId)) drag(event);
    });
    move();
  }

  /**
   * @param {[Picture, string]} left with its name
   * @param {[Picture, string]} right
   */
  show([left, leftName], [right, rightName]) {
    draw(this.left, left);
    draw(this.right, right);
    this.left.setAttribute("aria-label", `Left of the line: ${leftName}`);
    this.right.setAttribute("aria-label", `Right of the line: ${rightName}`);
    this.frame.style.aspectRatio = `${left.width} / ${left.height}`;
  }
}

/**
 * A labelled slider with its value beside it.
 * @param {string} label
 * @param {number} value from 0 to the largest
 * @param {(value: number) => void} onInput
 * @param {number} largest
 */
export function slider(label, value, onInput, largest = 1) {
  const input = make("input", { type: "range", min: 0, max: largest, step: 0.01, value });
  const output = make("output", {}, value.toFixed(2));
  const element = make("label", { class: "slider" }, make("span", {}, label), input, output);
  const set = (/** @type {number} */ to) => {
    input.value = String(to);
    output.value = Number(input.value).toFixed(2);
  };
  input.addEventListener("input", () => {
    set(Number(input.value));
    onInput(Number(input.value));
  });
  return { element, input, set };
}

/**
 * A labelled choice.
 * @param {string} label
 * @param {(value: string) => void} onChange
 */
export function choice(label, onChange) {
  const select = make("select", { "aria-label": label });
  select.addEventListener("change", () => onChange(select.value));
  const fill = (/** @type {[string, string][]} */ options, /** @type {string} */ value) => {
    select.replaceChildren(...options.map(([key, title]) => make("option", { value: key }, title)));
    select.value = value;
  };
  return { element: make("label", {}, make("span", {}, label), select), select, fill };
}

/**
 * Call a function at most once a frame.
 * @param {() => void} work
 */
export function everyFrame(work) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      work();
    });
  };
}
