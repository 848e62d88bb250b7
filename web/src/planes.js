/** Three planes of a fused volume that cross where the reader points. */

import { commandOf } from "./command.js";
import { draw, Mistake, saveFile } from "./image.js";
import { finish } from "./methods.js";
import { packVolume } from "./nifti.js";
import { choice, everyFrame, make } from "./panels.js";
import { lumaOf, millimeters, stepsOf } from "./volumes.js";

/** @typedef {import("./volumes.js").Cut} Cut */
/** @typedef {import("./volumes.js").FusedVolume} FusedVolume */
/** @typedef {import("./nifti.js").Window} Window */

const NAMES = ["Sagittal", "Coronal", "Axial"]; // planes across the axes to the left, the front and the head
const ORDERS = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/**
 * The voxels' axis that runs nearest to the patient's left, front and head each, and whether it runs there or back.
 * @param {number[][]} affine
 */
function orientation(affine) {
  const along = (/** @type {number} */ to, /** @type {number} */ axis) =>
    ((to ? 1 : -1) * affine[to][axis]) / Math.hypot(...affine.map((row) => row[axis]));
  const fit = (/** @type {number[]} */ order) => order.reduce((sum, axis, to) => sum + Math.abs(along(to, axis)), 0);
  const order = ORDERS.reduce((one, other) => (fit(other) > fit(one) ? other : one));
  return order.map((axis, to) => ({ axis, ahead: along(to, axis) > 0 }));
}

/** The planes, what is shown in them, and what can be done with the volume. */
export class Planes {
  /**
   * @param {() => void} onWindow called when the reader has asked for other windows
   * @param {(error: unknown) => void} fail
   */
  constructor(onWindow, fail) {
    /** @type {FusedVolume | null} */
    this.fused = null;
    this.place = [0, 0, 0]; // a voxel
    /** @type {import("./volumes.js").Volumes | undefined} */
    this.opened = undefined;
    this.choices = { method: "", task: "", scale: 1, share: 1 };
    this.seen = choice("Show", () => this.redraw());
    this.seen.fill([["result", "Result"], ["a", "Image A"], ["b", "Image B"]], "result");
    const field = (/** @type {string} */ side) => {
      const input = make("input", { type: "text", placeholder: "LOW,HIGH", "aria-label": `Window of image ${side}` });
      input.addEventListener("change", onWindow);
      return { input, element: make("label", {}, make("span", {}, `Window of image ${side}`), input) };
    };
    this.fields = { a: field("A"), b: field("B") };
    this.frames = NAMES.map((name, across) => this.frame(name, across));
    this.words = make("p", { class: "status place", role: "status" });
    this.command = make("code");
    const save = make("button", { type: "button" }, "Save the fused volume");
    save.addEventListener("click", () => this.save().catch(fail));
    this.body = make(
      "div", { hidden: true },
      make("p", { class: "hint" }, "Click or drag to move the cross; on the keyboard, the arrows, Page Up and Page Down."),
      make("div", { class: "planes" }, ...[2, 1, 0].map((across) => this.frames[across].figure), this.words),
      make("div", { class: "buttons" }, save),
      make("pre", { class: "command" }, this.command),
      make("p", { class: "hint" }, "This command makes the same file. Your scans stay in this page; nothing is sent."),
    );
    this.element = make(
      "div", { class: "volume", hidden: true },
      make("div", { class: "controls" }, this.seen.element, this.fields.a.element, this.fields.b.element),
      this.body,
    );
    this.redraw = everyFrame(() => this.draw());
  }

  /**
   * @param {string} name
   * @param {number} across which of the patient's axes
   */
  frame(name, across) {
    const canvas = make("canvas", { role: "img", "aria-label": `${name} plane` });
    const frame = make(
      "div",
      {
        class: "frame", tabindex: 0, role: "application",
        "aria-label": `${name} plane: arrows move the cross, Page Up and Page Down the plane`,
      },
      canvas, make("div", { class: "cross", "aria-hidden": "true" }),
    );
    const caption = make("figcaption", {}, name);
    const move = (/** @type {PointerEvent} */ event) => {
      const box = frame.getBoundingClientRect();
      const [right, up] = [0, 1, 2].filter((to) => to !== across);
      this.goTo(right, (event.clientX - box.left) / box.width);
      this.goTo(up, 1 - (event.clientY - box.top) / box.height);
    };
    frame.addEventListener("pointerdown", (event) => {
      frame.setPointerCapture(event.pointerId);
      move(event);
    });
    frame.addEventListener("pointermove", (event) => frame.hasPointerCapture(event.pointerId) && move(event));
    frame.addEventListener("keydown", (event) => {
      const [right, up] = [0, 1, 2].filter((to) => to !== across);
      const steps = /** @type {Record<string, [number, number]>} */ ({
        ArrowLeft: [right, -1], ArrowRight: [right, 1], ArrowDown: [up, -1], ArrowUp: [up, 1],
        PageDown: [across, -1], PageUp: [across, 1],
      });
      const step = steps[event.key];
      if (!step) return;
      this.step(step[0], step[1] * (event.shiftKey ? 10 : 1));
      event.preventDefault();
    });
    return { canvas, frame, caption, figure: make("figure", { class: "panel" }, caption, frame) };
  }

  /** Take what was fused from the screen. */
  clear() {
    this.fused = null;
    this.body.hidden = true;
  }

  /**
   * What the reader asks to see of each volume; all of its range where nothing is asked.
   * @param {import("./volumes.js").Volumes} volumes
   */
  windows(volumes) {
    const [a, b] = /** @type {const} */ (["a", "b"]).map((side) => {
      const { name, range } = volumes[side];
      const { input } = this.fields[side];
      input.placeholder = range.map((value) => Number(value.toPrecision(6))).join(",");
      if (!input.value.trim()) return range;
      const [low, high, ...more] = input.value.split(",").map((text) => (text.trim() ? Number(text) : NaN));
      if (more.length || !(low < high) || !Number.isFinite(high - low)) {
        throw new Mistake(`${name}: window ${input.value}; give two numbers LOW,HIGH, the first below the second`);
      }
      if (range[0] >= high || range[1] <= low) {
        throw new Mistake(`${name}: window ${input.value} shows none of its values, ${range.join(" to ")}; choose one that overlaps them`);
      }
      return /** @type {Window} */ ([low, high]);
    });
    return { a, b };
  }

  /**
   * Ask what to see of two volumes, from their middle; of none, leave the page.
   * @param {import("./volumes.js").Volumes | null} volumes
   */
  open(volumes) {
    this.clear();
    this.element.hidden = !volumes;
    if (!volumes || (this.opened?.a === volumes.a && this.opened.b === volumes.b)) return;
    this.opened = volumes;
    this.fields.a.input.value = this.fields.b.input.value = "";
    this.place = volumes.a.shape.map((side) => side >> 1);
  }

  /** @param {FusedVolume} fused */
  show(fused) {
    this.fused = fused;
    this.axes = orientation(fused.volumes.a.affine);
    this.body.hidden = false;
    this.draw();
  }

  /**
   * Move the cross to a share of the way along one of the patient's axes.
   * @param {number} to
   * @param {number} share
   */
  goTo(to, share) {
    if (!this.fused || !this.axes) return;
    const { axis, ahead } = this.axes[to];
    const side = this.fused.volumes.a.shape[axis];
    this.set(axis, Math.floor((ahead ? share : 1 - share) * side));
  }

  /**
   * @param {number} to
   * @param {number} count
   */
  step(to, count) {
    if (!this.fused || !this.axes) return;
    const { axis, ahead } = this.axes[to];
    this.set(axis, this.place[axis] + (ahead ? count : -count));
  }

  /**
   * @param {number} axis
   * @param {number} index
   */
  set(axis, index) {
    const side = this.fused?.volumes.a.shape[axis] ?? 1;
    this.place[axis] = Math.max(0, Math.min(side - 1, index));
    this.redraw();
  }

  /**
   * The plane across one of the patient's axes, through the cross; the patient's left, front or head is to the right
   * and up.
   * @param {number} across
   * @returns {Cut}
   */
  cut(across) {
    const { shape } = /** @type {FusedVolume} */ (this.fused).volumes.a;
    const steps = stepsOf(shape);
    const axes = /** @type {{axis: number, ahead: boolean}[]} */ (this.axes);
    const [right, up] = [0, 1, 2].filter((to) => to !== across).map((to) => axes[to]);
    const { axis } = axes[across];
    const start =
      this.place[axis] * steps[axis] +
      (right.ahead ? 0 : (shape[right.axis] - 1) * steps[right.axis]) +
      (up.ahead ? (shape[up.axis] - 1) * steps[up.axis] : 0);
    return {
      start, right: right.ahead ? steps[right.axis] : -steps[right.axis], down: up.ahead ? -steps[up.axis] : steps[up.axis],
      width: shape[right.axis], height: shape[up.axis],
    };
  }

  draw() {
    const { fused, axes } = this;
    if (!fused || !axes) return;
    const { volumes, windows } = fused;
    const { shape, affine } = volumes.a;
    const seen = /** @type {"a" | "b" | "result"} */ (this.seen.select.value);
    const { scale, share } = this.choices;
    const sides = axes.map(({ axis }) => shape[axis] * Math.hypot(...affine.map((row) => row[axis])));
    const shares = axes.map(({ axis, ahead }) => {
      const from = (this.place[axis] + 0.5) / shape[axis];
      return ahead ? from : 1 - from;
    });
    for (const [across, { canvas, frame, caption }] of this.frames.entries()) {
      const [right, up] = [0, 1, 2].filter((to) => to !== across);
      const cut = this.cut(across);
      const luma = seen === "result" ? fused.plane(cut, scale, share) : lumaOf(volumes[seen], windows[seen], cut);
      draw(canvas, { width: cut.width, height: cut.height, channels: 1, data: finish(luma, false) });
      frame.style.aspectRatio = `${sides[right]} / ${sides[up]}`;
      frame.style.setProperty("--x", `${100 * shares[right]}%`);
      frame.style.setProperty("--y", `${100 * (1 - shares[up])}%`);
      const { axis } = axes[across];
      caption.textContent = `${NAMES[across]}, ${this.place[axis]} of 0 to ${shape[axis] - 1}`;
    }
    this.words.textContent = this.describe(fused);
    this.command.textContent = commandOf({
      ...this.choices, names: [volumes.a.name, volumes.b.name], output: "fused.nii.gz", stretch: true,
      scale: typeof fused.method === "string" ? null : scale,
      windows: [this.fields.a.input.value.trim(), this.fields.b.input.value.trim()],
    });
  }

  /**
   * The cross's place, and the values there.
   * @param {FusedVolume} fused
   */
  describe(fused) {
    const { a, b } = fused.volumes;
    const steps = stepsOf(a.shape);
    const index = this.place.reduce((sum, voxel, axis) => sum + voxel * steps[axis], 0);
    const short = (/** @type {number} */ value) => String(Number(value.toPrecision(4))).replace("-", "−");
    const [inA, inB] = [a, b].map(({ values, slope, intercept }) => short(values[index] * slope + intercept));
    const one = { start: index, down: 1, right: 1, height: 1, width: 1 };
    const [low, high] = fused.windows.a;
    const result = low + fused.plane(one, this.choices.scale, this.choices.share).values[0] * (high - low);
    const where = millimeters(a.affine, this.place).map((value) => value.toFixed(1).replace("-", "−"));
    return `Voxel ${this.place.join(", ")} (${where.join(", ")} mm): A ${inA}, B ${inB}, result ${short(result)}.`;
  }

  async save() {
    if (!this.fused) return;
    const values = this.fused.whole(this.choices.scale, this.choices.share);
    saveFile(await packVolume(this.fused.volumes.a, values), "fused.nii.gz");
  }
}
