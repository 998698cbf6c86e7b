"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const timeline = document.getElementById("timeline");
  const readout = document.getElementById("readout");
  const audio = document.querySelector("audio");
  const lines = [...timeline.querySelectorAll(".line")].map((box) => ({
    svg: box.querySelector("svg"), cursor: box.querySelector(".cursor"), start: +box.dataset.start, end: +box.dataset.end,
  }));
  const [START, END, SPEECH, EMOTION, GENDER, YEARS, REASON] = [0, 1, 2, 3, 4, 5, 6];
  let now = 0;

  /** The cell of a channel at a time. */
  function at(cells, seconds) {
    let low = 0, high = cells.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (cells[middle][START] <= seconds) low = middle; else high = middle - 1;
    }
    return cells[low];
  }
  function clock(seconds) {
    const tenths = Math.round(seconds * 10), h = Math.floor(tenths / 36000), m = Math.floor(tenths / 600) % 60;
    const s = (tenths % 600) / 10, text = s.toFixed(tenths % 10 ? 1 : 0).padStart(tenths % 10 ? 4 : 2, "0");
    return h ? `${h}:${String(m).padStart(2, "0")}:${text}` : `${m}:${text}`;
  }
  const best = (values) => values.indexOf(Math.max(...values));
  const percent = (permille) => (permille < 1 ? "<0.1" : permille > 999 ? ">99.9" : (permille / 10).toFixed(1)) + " %";
  const node = (name, text, kind) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };

  /** What a cell says, in words: gender, age, speech. */
  function voice(cell) {
    const words = [];
    if (cell[REASON]) words.push("no answer: " + cell[REASON]);
    if (cell[GENDER].length) words.push(`${data.genders[best(cell[GENDER])]} ${percent(Math.max(...cell[GENDER]))}`);
    if (cell[YEARS] !== null) words.push(`${cell[YEARS]} years`);
    if (cell[SPEECH] !== null) words.push(`speech ${cell[SPEECH]} %`);
    return words;
  }

  /** Puts the cursor at a time and tells what is said there. */
  function show(seconds) {
    now = Math.min(Math.max(seconds, 0), data.duration);
    for (const line of lines) {
      const inside = now >= line.start && (now < line.end || line === lines[lines.length - 1]);
      line.cursor.setAttribute("visibility", inside ? "visible" : "hidden");
      if (inside) {
        const x = data.left + data.width * (now - line.start) / data.line;
        line.cursor.setAttribute("x1", x);
        line.cursor.setAttribute("x2", x);
      }
    }
    readout.hidden = false;
    const cells = data.channels.map((channel) => at(channel.cells, now));
    const span = `${clock(cells[0][START])} – ${clock(cells[0][END])}`;
    const parts = [node("b", span)], spoken = [span];
    data.channels.forEach((channel, index) => {
      const cell = cells[index], row = node("div", undefined, "voice-line");
      if (data.channels.length > 1) row.append(node("span", channel.name, "name"));
      const first = best(cell[EMOTION]);
      cell[EMOTION].forEach((value, k) => {
        const p = node("span", undefined, k === first ? "p best" : "p"), meter = node("meter");
        meter.max = 1000;
        meter.value = value;
        meter.setAttribute("aria-hidden", "true");
        p.append(node("em", data.emotions[k]), node("span", percent(value)), meter);
        p.firstChild.style.fontStyle = "normal";
        row.append(p);
      });
      row.append(node("span", voice(cell).join(" · ")));
      parts.push(row);
      const name = data.channels.length > 1 ? channel.name + ": " : "";
      const emotion = cell[EMOTION].length ? [`${data.emotions[first]} ${percent(cell[EMOTION][first])}`] : [];
      spoken.push(name + emotion.concat(voice(cell)).join(", "));
    });
    readout.replaceChildren(...parts);
    timeline.setAttribute("aria-valuenow", now.toFixed(1));
    timeline.setAttribute("aria-valuetext", spoken.join(". "));
  }
  function seek(seconds) {
    show(seconds);
    if (audio) audio.currentTime = now;
  }

  /** The time under a pointer, if it is within a line. */
  function under(event) {
    const line = lines.find((one) => one.svg.contains(event.target));
    if (!line) return null;
    const box = line.svg.getBoundingClientRect();
    const x = (event.clientX - box.left) * line.svg.viewBox.baseVal.width / box.width;
    const seconds = line.start + (x - data.left) * data.line / data.width;
    return seconds >= line.start - 0.01 * data.line && seconds <= line.end + 0.01 * data.line
      ? Math.min(Math.max(seconds, line.start), line.end - 1e-3) : null;
  }
  timeline.addEventListener("pointermove", (event) => {
    const seconds = under(event);
    if (seconds !== null && !(audio && !audio.paused)) show(seconds);
  });
  timeline.addEventListener("click", (event) => {
    const seconds = under(event);
    if (seconds !== null) seek(seconds);
  });
  timeline.addEventListener("keydown", (event) => {
    const cell = at(data.channels[0].cells, now);
    const to = {
      ArrowRight: cell[END], ArrowUp: cell[END], ArrowLeft: Math.max(cell[START] - 1e-3, 0), ArrowDown: Math.max(cell[START] - 1e-3, 0),
      PageDown: now + data.line / 10, PageUp: now - data.line / 10, Home: 0, End: data.duration - 1e-3,
    }[event.key];
    if (to !== undefined) {
      const there = at(data.channels[0].cells, Math.min(Math.max(to, 0), data.duration - 1e-3));
      seek(event.key.startsWith("Arrow") ? there[START] : to);
    } else if (event.key === " " && audio) {
      if (audio.paused) audio.play(); else audio.pause();
    } else return;
    event.preventDefault();
  });
  if (audio) {
    const follow = () => { show(audio.currentTime); if (!audio.paused) requestAnimationFrame(follow); };
    audio.addEventListener("play", follow);
    audio.addEventListener("seeked", () => show(audio.currentTime));
  }
  for (const [name, value] of Object.entries({
    tabindex: 0, role: "slider", "aria-label": "Position in the recording", "aria-valuemin": 0, "aria-valuemax": data.duration,
    "aria-valuenow": 0, "aria-valuetext": "Arrow keys move through the recording",
  })) timeline.setAttribute(name, value);
  timeline.addEventListener("focus", () => { if (readout.hidden) show(now); });
})();
