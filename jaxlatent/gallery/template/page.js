"use strict";
(() => {
  const gallery = JSON.parse(document.getElementById("gallery").textContent);
  const { labels, start, codes } = gallery;
  const last = labels.length - 1;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const beat = calm ? 700 : Math.min(240, Math.max(60, 1600 / labels.length));

  const find = (selector, root = document) => root.querySelector(selector);
  const findAll = (selector, root = document) => [...root.querySelectorAll(selector)];
  const make = (tag, properties = {}) =>
    Object.assign(document.createElement(tag), properties);
  const press = (button, on) => button.setAttribute("aria-pressed", String(on));

  const playAll = find(".play-all");
  const viewer = find(".viewer");
  const large = {
    canvas: find("canvas", viewer),
    slider: find(".slider", viewer),
    button: find(".play", viewer),
    strength: find(".strength", viewer),
    name: find(".caption strong", viewer),
    facts: find(".caption span", viewer),
  };
  let seen = null; // the strip that the viewer shows

  // One sprite holds a strip's pictures side by side; a canvas shows one of them.
  function draw(canvas, strip, step) {
    const { image } = strip;
    if (!image.complete || !image.naturalWidth) return;
    const width = image.naturalWidth / labels.length;
    const height = image.naturalHeight;
    if (canvas.width !== width || canvas.height !== height) {
      Object.assign(canvas, { width, height });
    }
    const source = [step * width, 0, width, height];
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, width, height); // the last picture, under a transparent one
    context.drawImage(image, ...source, 0, 0, width, height);
    canvas.setAttribute("aria-label", describe(strip, step));
  }

  const nameOf = (row) => row.heading.textContent.trim();
  const describe = (strip, step) =>
    [nameOf(strip.row), `strength ${labels[step]}`, codes[strip.code]]
      .filter(Boolean)
      .join(", ");

  const rows = findAll(".row").map((element) => {
    const row = { element, step: start, forward: true, playing: false };
    row.heading = find(".name", element);
    row.slider = find(".slider", element);
    row.button = find(".play", element);
    row.player = find(".player", element);
    row.scroller = find(".scroller", element);
    row.heads = findAll(".strengths li", element);
    row.strips = findAll(".strip", element).map((figure, code) => {
      const strip = { row, code, figure, image: find("img", figure) };
      strip.canvas = make("canvas", { onclick: () => enlarge(strip, row.step) });
      strip.canvas.setAttribute("role", "img");
      row.player.append(strip.canvas);
      const frames = make("div", { className: "frames" });
      strip.frames = labels.map((label, step) => {
        const frame = make("button", { type: "button" });
        frame.onclick = () => enlarge(strip, step);
        frame.onkeydown = (event) => walk(event, strip, step);
        frames.append(frame);
        return frame;
      });
      find(".film", figure).append(frames);
      strip.image.addEventListener("load", () => show(row, row.step));
      return strip;
    });
    row.slider.max = last;
    row.slider.oninput = () => seek(row, row.slider.valueAsNumber);
    row.slider.onchange = () => reveal(row);
    row.button.onclick = () => play(row, !row.playing);
    row.slider.hidden = row.button.hidden = last === 0;
    return row;
  });

  const visible = () =>
    rows.flatMap(({ strips }) => strips.filter(({ figure }) => !figure.hidden));

  function show(row, step) {
    row.step = step;
    for (const strip of row.strips) {
      draw(strip.canvas, strip, step);
      strip.frames.forEach((frame, i) => {
        frame.classList.toggle("current", i === step);
        frame.tabIndex = i === step ? 0 : -1; // one stop per strip, arrows inside
      });
    }
    row.heads.forEach((head, i) => head.classList.toggle("current", i === step));
    slide(row.slider, step);
    if (seen && seen.row === row) showViewer();
  }

  function slide(slider, step) {
    slider.value = step;
    slider.setAttribute("aria-valuetext", labels[step]);
  }

  function seek(row, step) {
    play(row, false);
    show(row, step);
  }

  // Where a strip is wider than the screen; never while the slider in it is dragged.
  function reveal({ scroller, heads, step }) {
    const { offsetLeft, offsetWidth } = heads[step];
    const middle = offsetLeft - scroller.offsetLeft + offsetWidth / 2;
    scroller.scrollLeft = middle - scroller.clientWidth / 2;
  }

  // Playing: one clock for all rows, so that they move together.
  let clock = null;
  function play(row, on) {
    row.playing = on && last > 0;
    press(row.button, row.playing);
    if (seen && seen.row === row) press(large.button, row.playing);
    const active = rows.some(({ playing }) => playing);
    press(playAll, active);
    playAll.textContent = active ? "Pause" : "Play all";
    if (active && clock === null) clock = setInterval(advance, beat);
    if (!active) {
      clearInterval(clock);
      clock = null;
    }
  }

  function advance() {
    for (const row of rows.filter(({ playing }) => playing)) {
      if (row.step === last) row.forward = false;
      if (row.step === 0) row.forward = true;
      show(row, row.step + (row.forward ? 1 : -1));
      reveal(row);
    }
  }

  playAll.hidden = last === 0;
  playAll.onclick = () => {
    const on = !rows.some(({ playing }) => playing);
    if (on) for (const row of rows) Object.assign(row, { step: start, forward: true });
    for (const row of rows) play(row, on);
  };

  function describeFrames(row) {
    for (const strip of row.strips) {
      strip.frames.forEach((frame, step) =>
        frame.setAttribute("aria-label", `Enlarge ${describe(strip, step)}`),
      );
    }
  }

  const moves = {
    ArrowLeft: [0, -1],
    ArrowRight: [0, 1],
    ArrowUp: [-1, 0],
    ArrowDown: [1, 0],
  };

  function neighbour(strip, step, key) {
    const strips = visible();
    const [down, right] = moves[key];
    const within = (place, most) => Math.min(most, Math.max(0, place));
    const next = within(strips.indexOf(strip) + down, strips.length - 1);
    return [strips[next], within(step + right, last)];
  }

  function walk(event, strip, step) {
    if (!(event.key in moves)) return;
    event.preventDefault();
    const [next, to] = neighbour(strip, step, event.key);
    seek(next.row, to);
    reveal(next.row);
    next.frames[to].focus();
  }

  // The viewer
  function enlarge(strip, step) {
    seen = strip;
    seek(strip.row, step);
    reveal(strip.row);
    showViewer();
    if (!viewer.open) viewer.showModal();
  }

  function showViewer() {
    const { row, code } = seen;
    draw(large.canvas, seen, row.step);
    slide(large.slider, row.step);
    press(large.button, row.playing);
    large.strength.textContent = labels[row.step];
    large.name.textContent = nameOf(row);
    const facts = [`strength ${labels[row.step]}`, codes[code]];
    large.facts.textContent = facts.filter(Boolean).join(" · ");
  }

  large.slider.max = last;
  large.slider.oninput = () => seek(seen.row, large.slider.valueAsNumber);
  large.slider.hidden = large.button.hidden = last === 0;
  large.button.onclick = () => play(seen.row, !seen.row.playing);
  find(".close", viewer).onclick = () => viewer.close();
  viewer.onclick = (event) => event.target === viewer && viewer.close();
  viewer.onkeydown = (event) => {
    if (event.key === " " && !event.target.matches(".close, .play")) {
      event.preventDefault();
      play(seen.row, !seen.row.playing);
    }
    if (!(event.key in moves)) return;
    event.preventDefault();
    const [next, step] = neighbour(seen, seen.row.step, event.key);
    enlarge(next, step);
  };
  viewer.onclose = () => {
    const { row, frames } = seen;
    seen = null;
    frames[row.step].focus();
  };

  // Controls
  function choices(group, entries, current, choose) {
    const buttons = entries.map(([value, label, picture]) => {
      const button = make("button", { type: "button" });
      if (picture) button.append(picture);
      button.append(make("span", { textContent: label, dir: "auto" }));
      button.onclick = () => {
        for (const other of buttons) press(other, other === button);
        choose(value);
      };
      press(button, value === current);
      return button;
    });
    group.append(...buttons);
  }

  // A code's number, or null for all of them.
  function chooseCode(code) {
    document.body.classList.toggle("one-shown", code !== null);
    const shown = code === null ? codes.length : 1;
    for (const { strips, player } of rows) {
      player.classList.toggle("many", shown > 1);
      player.classList.toggle("odd", shown > 1 && shown % 2 === 1);
      for (const { figure, canvas, code: own } of strips) {
        figure.hidden = canvas.hidden = code !== null && own !== code;
      }
    }
  }

  if (codes.length > 1) {
    const faces = codes.map((label, code) => {
      const face = make("canvas");
      const { image } = rows[0].strips[code];
      const paint = () => draw(face, rows[0].strips[code], start);
      image.addEventListener("load", paint);
      paint();
      return [code, label, face];
    });
    choices(find(".codes"), [...faces, [null, "All"]], 0, chooseCode);
  }
  chooseCode(0);

  const sizes = [
    ["small", "S"],
    ["medium", "M"],
    ["large", "L"],
  ];
  choices(find(".sizes"), sizes, "medium", (size) => {
    for (const [value] of sizes) {
      document.body.classList.toggle(`size-${value}`, value === size);
    }
  });

  // Renaming: the page cannot write the edit's file, so it hands the names over.
  const copy = find(".copy");
  const originals = rows.map(nameOf);
  for (const row of rows) {
    const { heading } = row;
    const original = nameOf(row);
    heading.contentEditable = "true";
    heading.spellcheck = false;
    heading.title = "Click to rename";
    heading.onkeydown = (event) => {
      if (event.key === "Escape") heading.textContent = original;
      if (event.key === "Enter" || event.key === "Escape") {
        event.preventDefault();
        heading.blur();
      }
    };
    heading.onblur = () => {
      heading.textContent = nameOf(row) || original;
      describeFrames(row);
      show(row, row.step);
      copy.hidden = rows.every((other, i) => nameOf(other) === originals[i]);
    };
    describeFrames(row);
  }
  copy.onclick = async () => {
    const names = JSON.stringify(rows.map(nameOf));
    try {
      await navigator.clipboard.writeText(names);
      copy.textContent = "Copied";
      setTimeout(() => (copy.textContent = "Copy names"), 1500);
    } catch {
      prompt("The names, as JSON:", names);
    }
  };

  document.body.classList.add("alive");
  find(".toolbar").hidden = false;
  for (const row of rows) {
    show(row, row.step);
    reveal(row);
  }
})();
