/** The page "Try it": choose, move, look, score, save. */

import { Answers } from "./answers.js";
import { CONTENTS, loadAsset } from "./assets.js";
import { Bases, colored, fuse, lumasOf } from "./bases.js";
import { toGrey } from "./color.js";
import { commandOf } from "./command.js";
import { Mistake, readPicture, savePicture } from "./image.js";
import { average, CLASSICAL, finish, maximum } from "./methods.js";
import { isVolume, readVolume } from "./nifti.js";
import { choice, everyFrame, LARGEST_LAMBDA, make, Panel, slider, Stage, View } from "./panels.js";
import { Planes } from "./planes.js";
import { misalignment } from "./registered.js";
import { showScores } from "./scores.js";
import { findSpot, insertSpot, recovery } from "./signal.js";
import { axialSlices, checkGrid, FusedVolume, lumaOf } from "./volumes.js";

/** @typedef {import("./color.js").Picture} Picture */
/** @typedef {import("./methods.js").Luma} Luma */
/** @typedef {import("./bases.js").Base} Base */
/** @typedef {import("./bases.js").Pictures} Pictures */
/** @typedef {"a" | "b"} Side */
/** @typedef {{name: string, picture: Picture}} Image */
/** @typedef {import("./nifti.js").Volume} Volume */

const OWN = "own";
const GAIN = 4; // of the difference panel
const PAUSE = 150; // ms without input before the scores follow
const RING = 24; // pixels, the diameter of the mark around a spot

export class TryIt {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.task = CONTENTS.opening.task;
    /** @type {string} */
    this.pair = CONTENTS.opening.pair;
    this.method = CONTENTS.networks[0].method;
    /** @type {Partial<Record<Side, Image | Volume>>} */
    this.own = {};
    /** @type {Record<Side, Image> | null} */
    this.sources = null;
    /** @type {Record<Side, Volume> | null} shown in place of two images */
    this.volumes = null;
    /** @type {import("./signal.js").Spot | null} */
    this.spot = null;
    this.bases = new Bases();
    this.turn = 0;
    /** @type {Pictures | undefined} */
    this.shown = undefined;
    /** @type {Base | undefined} */
    this.base = undefined;
    /** @type {Base | undefined} */
    this.without = undefined;
    /** @type {Picture | undefined} */
    this.result = undefined;
    /** @type {{average: Picture, maximum: Picture} | undefined} */
    this.references = undefined;
    /** @type {number | undefined} */
    this.pause = undefined;
    this.scale = 0.5;
    this.share = 1;
    this.stretch = true;
    /** @type {string[]} what was set before, as links, the last one now */
    this.past = [];
    this.restoring = false;

    this.view = new View(this.root);
    this.tasks = choice("Task", (task) => this.chooseTask(task));
    this.tasks.fill(CONTENTS.tasks.map(({ task, title }) => [task, title]), this.task);
    this.pairs = choice("Pair", (pair) => this.choosePair(pair));
    this.methods = choice("Method", (method) => this.chooseMethod(method));
    this.lambda = slider("λ, the residual's share", this.scale, (value) => {
      this.scale = value;
      this.redraw();
    }, LARGEST_LAMBDA);
    this.blend = slider("Blend: 0 average, 1 method", this.share, (value) => {
      this.share = value;
      this.redraw();
    });
    this.stretched = make("input", { type: "checkbox", checked: true });
    this.stretched.addEventListener("change", () => {
      this.stretch = this.stretched.checked;
      this.redraw();
    });
    this.stretching = make("label", { class: "check" }, this.stretched, make("span", {}, "Stretch to the full range"));
    const file = (/** @type {Side} */ side) => {
      const input = make("input", { type: "file", accept: "image/png,image/jpeg,.nii,.gz" });
      input.addEventListener("change", () => this.takeFiles([...(input.files ?? [])], side));
      return make("label", {}, make("span", {}, `Your image or volume ${side.toUpperCase()}`), input);
    };
    this.message = make("p", { class: "message", role: "alert" });
    this.warning = make("p", { class: "message warning", role: "status" });
    this.progress = make("progress", { max: 1, value: 0, hidden: true, "aria-label": "Progress" });
    this.status = make("p", { class: "status", role: "status" });

    this.stage = new Stage();
    this.left = choice("Left", () => this.redraw());
    this.right = choice("Right", () => this.redraw());
    const views = /** @type {[string, string][]} */ ([
      ["a", "Image A"], ["b", "Image B"], ["result", "Result"], ["average", "Average"], ["maximum", "Maximum"],
      ["difference", "Difference"],
    ]);
    this.left.fill(views, "maximum");
    this.right.fill(views, "result");
    const button = (/** @type {string} */ text, /** @type {() => void} */ action, label = text) => {
      const element = make("button", { type: "button", "aria-label": label }, text);
      element.addEventListener("click", action);
      return element;
    };
    const zoom = make(
      "div", { class: "buttons", role: "group", "aria-label": "Zoom" },
      button("+", () => this.zoomIn(), "Zoom in"),
      button("−", () => this.view.zoomBy(0.5), "Zoom out"),
      button("Whole image", () => this.view.reset()),
    );
    this.panels = {
      a: new Panel(this.view, "Image A", (place) => this.pick("a", place)),
      b: new Panel(this.view, "Image B", (place) => this.pick("b", place)),
      result: new Panel(this.view, "Result"),
      difference: new Panel(this.view, "Difference"),
    };
    for (const side of /** @type {Side[]} */ (["a", "b"])) {
      const { frame } = this.panels[side];
      frame.tabIndex = 0;
      frame.setAttribute("role", "application");
      frame.setAttribute("aria-label", "Enter puts a spot here, arrows move it, Delete takes it out");
      frame.addEventListener("keydown", (event) => this.press(side, event));
    }
    this.planes = new Planes(() => this.update(), (error) => this.fail(error));
    this.scores = make("table", { class: "scores" });
    this.answers = new Answers();
    this.kept = make("p", { class: "kept", role: "status" });
    this.putIn = button("Put a spot in", () => {
      const { a, b } = this.sources ?? {};
      if (a && b) this.setSpot(findSpot({ a: a.picture, b: b.picture }));
    });
    this.takeOut = button("Take the spot out", () => this.setSpot(null));
    this.saveSource = button("Save the image with the spot", () => {
      const shown = this.spotted();
      if (this.spot && shown) savePicture(shown[this.spot.source], this.spotName());
    });
    this.command = make("code");
    this.note = make("p", { class: "hint" });
    this.undo = button("Undo", () => this.goBack());
    this.undo.disabled = true;
    const reset = button("Start again", () => this.restore(this.opening));
    const link = button("Copy a link to this", () => {
      history.replaceState(null, "", `#${this.settings()}`);
      navigator.clipboard?.writeText(location.href);
    });
    const copy = button("Copy the command", () => navigator.clipboard?.writeText(this.command.textContent ?? ""));
    const save = button("Save the result as PNG", () => this.result && savePicture(this.result, "fused.png"));
    save.classList.add("save");

    this.root.addEventListener("dragover", (event) => event.preventDefault());
    this.root.addEventListener("drop", (event) => {
      event.preventDefault();
      const over = /** @type {Node} */ (event.target);
      const side = this.panels.b.figure.contains(over) ? "b" : "a";
      this.takeFiles([...(event.dataTransfer?.files ?? [])], side);
    });
    this.results = make(
      "div", { class: "results", hidden: true },
      make(
        "div", { class: "looks" },
        make(
          "div", { class: "main" },
          make("div", { class: "ends" }, this.left.element, this.right.element),
          this.stage.element, this.answers.element,
        ),
        make(
          "div", {},
          make("p", { class: "hint" }, "Click image A or B to put a spot of 30 grey levels there."),
          make("div", { class: "panels" }, ...Object.values(this.panels).map((panel) => panel.figure)),
          zoom,
        ),
      ),
      make(
        "div", { class: "outcome" },
        make("div", {}, this.kept, make("div", { class: "buttons" }, this.putIn, this.takeOut, this.saveSource)),
        make("div", {}, this.scores),
      ),
      make("div", { class: "buttons" }, save, copy, link, this.undo, reset),
      make("pre", { class: "command" }, this.command),
      this.note,
    );
    this.root.replaceChildren(
      make(
        "div", { class: "controls" },
        this.tasks.element, this.pairs.element, this.methods.element, this.lambda.element, this.blend.element,
      ),
      this.message, this.warning, make("div", { class: "waiting" }, this.status, this.progress),
      this.results, this.planes.element,
      make(
        "div", { class: "controls" },
        file("a"), file("b"),
        this.stretching,
      ),
    );
    this.redraw = everyFrame(() => this.drawResult());
    this.opening = this.settings().replace(/&(scale|spot)=[^&]*/g, ""); // the network and the pair know theirs
    if (location.hash.startsWith("#task=")) this.restore(location.hash.slice(1));
    else this.chooseTask(this.task);
  }

  /** What is set, but no image, as the end of a link. */
  settings() {
    const { task, pair, method, scale, share, stretch, spot } = this;
    const where = spot ? `${spot.source} ${spot.x} ${spot.y}` : "none";
    const values = { task, pair, method, scale, share, stretch, left: this.left.select.value, right: this.right.select.value };
    const known = Object.entries(values).map(([key, value]) => [key, String(value)]);
    return new URLSearchParams([...known, ["spot", where]]).toString();
  }

  /**
   * Set what a link says; what it does not say, or what is not here, stays as it opens.
   * @param {string} settings
   */
  async restore(settings) {
    const wanted = new URLSearchParams(settings);
    const number = (/** @type {string} */ key, /** @type {number} */ least, /** @type {number} */ most) => {
      const value = Number.parseFloat(wanted.get(key) ?? "");
      return Number.isFinite(value) ? Math.max(least, Math.min(most, value)) : null;
    };
    this.restoring = true;
    try {
      const task = wanted.get("task") ?? "";
      if (CONTENTS.tasks.some((known) => known.task === task)) this.task = task;
      this.tasks.select.value = this.task;
      this.pair = wanted.get("pair") ?? this.pair;
      if (this.pair === OWN && !(this.own.a && this.own.b)) this.pair = CONTENTS.opening.pair;
      this.method = wanted.get("method") ?? this.method;
      await this.chooseTask(this.task);
      this.scale = number("scale", 0, LARGEST_LAMBDA) ?? this.scale;
      this.share = number("share", 0, 1) ?? this.share;
      this.lambda.set(this.scale);
      this.blend.set(this.share);
      this.stretch = this.stretched.checked = wanted.get("stretch") !== "false";
      for (const side of /** @type {const} */ (["left", "right"])) {
        const { select } = this[side];
        const value = wanted.get(side) ?? "";
        if ([...select.options].some((option) => option.value === value)) select.value = value;
      }
      const spot = /^([ab]) (\d+) (\d+)$/.exec(wanted.get("spot") ?? "");
      const size = this.sources?.a.picture;
      if (spot && size && Number(spot[2]) < size.width && Number(spot[3]) < size.height) {
        await this.setSpot({ source: /** @type {Side} */ (spot[1]), x: Number(spot[2]), y: Number(spot[3]) });
      } else if (wanted.get("spot") === "none") await this.setSpot(null);
      else if (this.base) this.drawResult();
    } finally {
      this.restoring = false;
    }
  }

  /** Keep what is set once it is shown, for the way back. */
  remember() {
    const now = this.settings();
    if (this.restoring || this.past.at(-1) === now) return;
    this.past.push(now);
    this.undo.disabled = this.past.length < 2;
  }

  goBack() {
    this.past.pop();
    this.undo.disabled = this.past.length < 2;
    const before = this.past.at(-1);
    if (before) return this.restore(before);
  }

  get network() {
    return this.networkOf(this.method);
  }

  /** @param {string} method */
  networkOf(method) {
    return CONTENTS.networks.find((network) => network.task === this.task && network.method === method);
  }

  /** @param {string} task */
  chooseTask(task) {
    this.task = task;
    const options = CONTENTS.examples
      .filter((example) => example.task === task)
      .map(({ name, data }) => /** @type {[string, string]} */ ([`${data} ${name}`, `${data} ${name}`]));
    /** @type {string} */
    const pair = this.pair === OWN || options.some(([key]) => key === this.pair) ? this.pair : options[0][0];
    this.pairs.fill([...options, [OWN, "your own images"]], pair);
    const networks = CONTENTS.networks
      .filter((network) => network.task === task)
      .map(({ method, title }) => /** @type {[string, string]} */ ([method, title]));
    const known = Object.entries(CLASSICAL).map(([key, { title }]) => /** @type {[string, string]} */ ([key, title]));
    const methods = [...networks, ...known];
    if (!methods.some(([key]) => key === this.method)) this.method = methods[0][0];
    this.methods.fill(methods, this.method);
    this.showSliders();
    return this.choosePair(pair);
  }

  /** @param {string} pair */
  async choosePair(pair) {
    this.pair = pair;
    this.message.textContent = "";
    if (pair === OWN) return this.takeOwn();
    const example = CONTENTS.examples.find(({ task, name, data }) => task === this.task && `${data} ${name}` === pair);
    const task = CONTENTS.tasks.find((known) => known.task === this.task);
    if (!example || !task) return;
    try {
      const [a, b] = await Promise.all(
        [example.a, example.b].map(async (asset) => readPicture(new Blob([await loadAsset(asset)]), asset)),
      );
      if (this.pair !== pair) return;
      const file = (/** @type {string} */ folder) => `${task.title}/test/${folder}/${example.name}.png`;
      const sources = { a: { name: file(task.a), picture: a }, b: { name: file(task.b), picture: b } };
      this.setSources(sources, findSpot({ a, b }));
    } catch (error) {
      this.fail(error);
    }
  }

  /** @param {string} method */
  chooseMethod(method) {
    this.method = method;
    this.showSliders();
    return this.update();
  }

  showSliders() {
    if (this.network) {
      this.scale = this.network.scale;
      this.lambda.set(this.scale);
    }
    this.lambda.element.hidden = !this.network;
    this.blend.element.hidden = Boolean(this.network);
  }

  /**
   * @param {File[]} files one for the side, or both
   * @param {Side} side
   */
  async takeFiles(files, side) {
    this.message.textContent = "";
    try {
      const read = await Promise.all(
        files.slice(0, 2).map(async (file) =>
          isVolume(file.name)
            ? readVolume(file, file.name)
            : { name: file.name, picture: await readPicture(file, file.name) },
        ),
      );
      if (read.length === 2) {
        const [one, other] = read.map((source) => ("picture" in source ? source.picture.channels : 0));
        if (other > one && one) read.reverse(); // PET and SPECT are image A
        this.own = { a: read[0], b: read[1] };
      } else if (read.length) {
        const alike = Object.entries(this.own).filter(([, source]) => "picture" in source === "picture" in read[0]);
        this.own = { ...Object.fromEntries(alike), [side]: read[0] };
      }
      this.pair = OWN;
      this.pairs.select.value = OWN;
      await this.takeOwn();
    } catch (error) {
      this.fail(error);
    }
  }

  takeOwn() {
    const { a, b } = this.own;
    if (!a || !b) {
      this.clear();
      this.status.textContent = `Choose or drop ${a || b ? "the other image" : "two registered images"}, PNG, JPEG or NIfTI.`;
      return;
    }
    try {
      if (!("picture" in a) && !("picture" in b)) return this.setVolumes({ a, b });
      if (!("picture" in a && "picture" in b)) {
        throw new Mistake(`${a.name} and ${b.name}: one is a volume, the other an image; choose two of a kind`);
      }
      const size = (/** @type {Picture} */ { width, height }) => `${height} x ${width}`;
      if (size(a.picture) !== size(b.picture)) {
        throw new Mistake(
          `${a.name} is ${size(a.picture)} but ${b.name} is ${size(b.picture)}; register and resample them first`,
        );
      }
      if (a.picture.channels === 3 && b.picture.channels === 3) {
        throw new Mistake(`${a.name} and ${b.name} are both in color; one must be grey (the MRI)`);
      }
      return this.setSources({ a, b });
    } catch (error) {
      this.fail(error);
    }
  }

  /** Take everything that was computed from the screen, and stop waiting for more. */
  clear() {
    this.turn++;
    this.warning.textContent = "";
    clearTimeout(this.pause);
    this.sources = this.volumes = null;
    this.planes.open(null);
    this.stretching.hidden = false;
    this.shown = this.base = this.without = this.result = undefined;
    this.results.hidden = true;
    this.root.scrollIntoView({ block: "nearest" }); // what is left is short, and the reader may be far below
    this.root.dataset.scored = "";
    this.root.removeAttribute("aria-busy");
    this.status.textContent = "";
    this.progress.hidden = true;
  }

  /** @param {unknown} error */
  fail(error) {
    this.clear();
    this.message.textContent = error instanceof Error ? error.message : String(error);
  }

  /**
   * @param {Record<Side, {name: string, picture: Picture}>} sources
   * @param {import("./signal.js").Spot | null} spot none in the reader's own images
   */
  setSources(sources, spot = null) {
    if (this.volumes) this.clear();
    this.sources = sources;
    const found = this.pair === OWN ? misalignment(sources.a.picture, sources.b.picture) : "";
    this.warning.textContent = found
      ? `${sources.b.name}: ${found} against ${sources.a.name}; register them, or take what follows for what it is.`
      : "";
    this.bases.clear();
    this.spot = spot;
    this.view.reset();
    return this.update();
  }

  /** @param {Record<Side, Volume>} volumes */
  setVolumes(volumes) {
    this.clear();
    checkGrid(volumes);
    this.volumes = volumes;
    this.stretching.hidden = true; // slices stay comparable
    this.planes.open(volumes);
    return this.update();
  }

  async updateVolumes() {
    const turn = ++this.turn;
    const { volumes, method, task } = this;
    if (!volumes) return;
    const wanted = () => turn === this.turn;
    const tell = (/** @type {string} */ words, /** @type {number} */ share) => {
      if (!wanted()) return;
      this.status.textContent = words;
      this.progress.hidden = false;
      this.progress.value = share;
    };
    this.root.setAttribute("aria-busy", "true");
    this.root.dataset.scored = "";
    this.message.textContent = "";
    this.planes.clear();
    try {
      const fused = new FusedVolume(volumes, this.planes.windows(volumes), this.network ?? method);
      const { a, b } = volumes;
      const slices = axialSlices(a);
      const middle = slices[slices.length >> 1];
      const [one, other] = [lumaOf(a, fused.windows.a, middle), lumaOf(b, fused.windows.b, middle)].map((luma) =>
        /** @type {Picture} */ ({ ...luma, channels: 1, data: finish(luma, false) }));
      const found = misalignment(one, other);
      this.warning.textContent = found
        ? `${b.name}: its middle slice ${found} against ${a.name}; register them, or take what follows for what it is.`
        : "";
      const done = await fused.fuseSlices(
        this.bases, wanted,
        (count, all) => tell(`Fusing slice ${count} of ${all} …`, count / all),
        (share) => tell("Loading the network …", share),
      );
      if (!done) return; // the reader has gone on
      this.planes.choices = { method, task, scale: this.scale, share: this.share };
      this.planes.show(fused);
      this.root.dataset.scored = "yes";
    } catch (error) {
      if (wanted()) this.message.textContent = error instanceof Error ? error.message : String(error);
    } finally {
      if (wanted()) {
        this.status.textContent = "";
        this.progress.hidden = true;
        this.root.removeAttribute("aria-busy");
      }
    }
  }

  /**
   * @param {Side} side
   * @param {{x: number, y: number}} place
   */
  pick(side, place) {
    if (!this.sources) return;
    const { width, height } = this.sources[side].picture;
    const x = Math.max(0, Math.min(width - 1, Math.floor(place.x * width)));
    const y = Math.max(0, Math.min(height - 1, Math.floor(place.y * height)));
    return this.setSpot({ source: side, x, y });
  }

  /**
   * @param {Side} side
   * @param {KeyboardEvent} event
   */
  press(side, event) {
    const step = event.shiftKey ? 10 : 1;
    const arrows = /** @type {Record<string, [number, number]>} */ ({
      ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step],
    });
    const arrow = arrows[event.key];
    if (event.key === "Enter") this.pick(side, { x: this.view.x, y: this.view.y });
    else if (event.key === "+" || event.key === "-") this.view.zoomBy(event.key === "+" ? 2 : 0.5);
    else if (event.key === "Delete" || event.key === "Backspace") this.setSpot(null);
    else if (arrow && this.sources && this.spot?.source === side) {
      const { width, height } = this.sources[side].picture;
      this.pick(side, { x: (this.spot.x + arrow[0] + 0.5) / width, y: (this.spot.y + arrow[1] + 0.5) / height });
    } else return;
    event.preventDefault();
  }

  /** @param {import("./signal.js").Spot | null} spot */
  setSpot(spot) {
    this.spot = spot;
    return this.update();
  }

  /** The sources as shown, with the spot if there is one. */
  spotted() {
    if (!this.sources) return null;
    const shown = { a: this.sources.a.picture, b: this.sources.b.picture };
    if (this.spot) shown[this.spot.source] = insertSpot(shown[this.spot.source], this.spot);
    return shown;
  }

  /** Enlarge all panels, the whole image towards the spot. */
  zoomIn() {
    if (this.spot && this.sources && this.view.zoom === 1) {
      const { width, height } = this.sources.a.picture;
      [this.view.x, this.view.y] = [(this.spot.x + 0.5) / width, (this.spot.y + 0.5) / height];
    }
    this.view.zoomBy(2);
  }

  async update() {
    if (this.volumes) return this.updateVolumes();
    const turn = ++this.turn;
    const { method, sources, spot } = this;
    const shown = this.spotted();
    if (!sources || !shown) return;
    const plain = { a: sources.a.picture, b: sources.b.picture };
    const key = spot ? `${spot.source} ${spot.x} ${spot.y}` : "";
    const loading = (/** @type {number} */ share) => {
      if (turn !== this.turn) return;
      this.status.textContent = "Loading the network …";
      this.progress.hidden = false;
      this.progress.value = share;
    };
    this.root.setAttribute("aria-busy", "true");
    this.message.textContent = "";
    try {
      const chosen = this.networkOf(method) ?? method;
      const wanted = () => turn === this.turn;
      const base = await this.bases.make(chosen, shown, key, wanted, loading);
      const without = spot ? await this.bases.make(chosen, plain, "", wanted) : base;
      if (turn !== this.turn || !base || !without) return; // the reader has gone on
      [this.shown, this.base, this.without] = [shown, base, without];
      const [a, b] = lumasOf(shown);
      this.references = {
        average: colored(average(a, b), shown, true),
        maximum: colored(maximum(a, b), shown, true),
      };
      this.status.textContent = "";
      this.progress.hidden = true;
      this.results.hidden = false;
      this.drawResult();
      if (spot) this.answers.ask({ bases: this.bases, task: this.task, shown, plain, spot, key, wanted });
      else this.answers.element.hidden = true;
    } catch (error) {
      if (turn === this.turn) this.fail(error);
    } finally {
      if (turn === this.turn) this.root.removeAttribute("aria-busy");
    }
  }

  drawResult() {
    if (this.volumes) {
      Object.assign(this.planes.choices, { scale: this.scale, share: this.share });
      this.planes.draw();
    }
    if (!this.shown || !this.base || !this.without || !this.sources || !this.references) return;
    const { a, b } = this.shown;
    const { width, height } = a;
    const fused = fuse(this.base, this.scale, this.share);
    this.result = colored(fused, this.shown, this.stretch);
    const [grey, plain] = [toGrey(this.result), toGrey(this.references.average)];
    let sum = 0;
    const levels = grey.map((level, i) => {
      const difference = level - plain[i];
      sum += Math.abs(difference);
      return Math.max(0, Math.min(255, 128 + GAIN * difference));
    });
    /** @type {Picture} */
    const difference = { width, height, channels: 1, data: levels };
    const modalities = CONTENTS.tasks.find(({ task }) => task === this.task);
    const own = this.pair === OWN;
    const names = {
      a: own ? `Image A: ${this.sources.a.name}` : `Image A: ${modalities?.a}`,
      b: own ? `Image B: ${this.sources.b.name}` : `Image B: ${modalities?.b}`,
      result: "Result",
      average: "Average, stretched",
      maximum: "Maximum, stretched",
      difference: `Result − average, × ${GAIN}; mean ${(sum / grey.length).toFixed(2)} levels`,
    };
    const pictures = { a, b, result: this.result, ...this.references, difference };
    for (const name of /** @type {("a" | "b" | "result" | "difference")[]} */ (Object.keys(this.panels))) {
      this.panels[name].show(pictures[name], names[name]);
    }
    const side = (/** @type {string} */ value) => {
      const name = /** @type {keyof typeof pictures} */ (value);
      return /** @type {[Picture, string]} */ ([pictures[name], names[name]]);
    };
    this.stage.show(side(this.left.select.value), side(this.right.select.value));
    this.showSpot(fused);
    this.showCommand();
    this.root.dataset.scored = "";
    clearTimeout(this.pause);
    this.pause = window.setTimeout(() => this.showScores(), PAUSE);
  }

  /** @param {Luma} fused */
  showSpot(fused) {
    if (!this.without || !this.shown || !this.sources) return;
    this.putIn.hidden = Boolean(this.spot);
    this.takeOut.hidden = this.saveSource.hidden = !this.spot;
    this.root.classList.toggle("spotted", Boolean(this.spot));
    this.kept.textContent = "";
    if (!this.spot) return;
    const { source, x, y } = this.spot;
    const { width, height } = this.shown[source];
    for (const [name, value] of [["x", (x + 0.5) / width], ["y", (y + 0.5) / height], ["size", RING / width]]) {
      this.root.style.setProperty(`--spot-${name}`, `${100 * Number(value)}%`);
    }
    const plain = this.sources[source].picture;
    const share = recovery(this.shown[source], plain, fused, fuse(this.without, this.scale, this.share));
    this.root.dataset.recovery = String(share);
    this.kept.textContent =
      `Spot in image ${source.toUpperCase()} at ${x}, ${y}: the result keeps ${share.toFixed(2)} of its contrast ` +
      "(1 all, 0 nothing, below 0 inverted; before any stretch).";
  }

  showScores() {
    if (!this.shown || !this.result || !this.references) return;
    showScores(this.scores, this.shown, { Result: this.result, Average: this.references.average });
    this.root.dataset.scored = "yes";
    this.remember();
  }

  spotName() {
    const name = this.spot && this.sources ? this.sources[this.spot.source].name : "";
    return `${(name.split("/").pop() ?? "").replace(/\.\w+$/, "")}-with-spot.png`;
  }

  showCommand() {
    const { sources, spot, method, task, share, stretch } = this;
    if (!sources) return;
    const sides = /** @type {Side[]} */ (["a", "b"]);
    const names = sides.map((side) => (spot?.source === side ? this.spotName() : sources[side].name));
    const scale = this.network ? this.scale : null;
    this.command.textContent = commandOf({ names, method, task, scale, share, stretch });
    this.note.textContent =
      this.pair === OWN
        ? "This command makes the same file. Your images stay in this page; nothing is sent."
        : "This command makes the same file, run in the folder that wdualmine data where shows.";
  }
}
