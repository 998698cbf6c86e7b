//! One line of a recording: waveforms, and under each the probabilities of its emotions, the gender and the age.
//!
//! ```text
//!            0:00        0:10        0:20
//! channel 1  ~~~~~waveform~~~~~~~~~~~~~~~
//! anger      ▁▁▁▁▁▂▂▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁   height is probability; the most probable one is
//! happiness  ▇▇▇▇▅▅▅▇▇▇▇▇////////▇▇▇▇▇▇▇▇   filled, the others are pale; hatched: no answer
//! …
//! voice      |   female 34     |   female 31 |
//! ```
//!
//! Which emotion it is can be read from the row, so nothing depends on seeing colours.

use std::fmt::Write;

use crate::export::cells::{Cell, joined};
use crate::export::sketch::{Signal, Sketch};
use crate::html::svg::{Svg, escaped};

use super::scale::{clock, tick_s};

/// Room for the names of the rows.
pub(super) const LEFT: f64 = 84.0;
/// Width of a whole line.
pub(super) const WIDTH: f64 = 1000.0;
/// … and for half of the last tick.
const RIGHT: f64 = 26.0;
const TOP: f64 = 24.0;
const WAVE: f64 = 46.0;
const ROW: f64 = 19.0;
const BETWEEN: f64 = 18.0;
/// Cells narrower than this are joined for the drawing.
const MIN_CELL: f64 = 2.0;
/// Columns of a waveform.
const WAVE_STEP: f64 = 1.0;

/// A part of a recording, of a line's length; the last one may have less of it. In seconds.
pub(super) struct Line {
    pub(super) start: f64,
    /// What the whole width stands for.
    pub(super) length: f64,
    /// Where the recording ends, or the line.
    pub(super) end: f64,
}

impl Line {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + WIDTH * ((seconds - self.start) / self.length).clamp(0.0, 1.0)
    }
}

/// Draws one line of all signals.
pub(super) fn draw(sketch: &Sketch, line: &Line) -> String {
    let of_signal = WAVE + 6.0 + ROW * rows(sketch) as f64 + BETWEEN;
    let height = TOP + of_signal * sketch.signals.len() as f64 - BETWEEN + 6.0;
    let mut svg = Svg::new(LEFT + WIDTH + RIGHT, height);
    draw_ticks(&mut svg, line, height);
    for (index, signal) in sketch.signals.iter().enumerate() {
        let top = TOP + of_signal * index as f64;
        let name = if sketch.signals.len() > 1 { format!("channel {}", index + 1) } else { "all channels".to_owned() };
        draw_signal(&mut svg, sketch, signal, line, top, &name);
    }
    svg.raw(&format!(r#"<line class="cursor" x1="0" x2="0" y1="{TOP}" y2="{height}" visibility="hidden"/>"#));
    let told = format!(
        "The recording from {} to {}; its numbers stand in the table below.",
        clock(line.start),
        clock(line.end)
    );
    svg.finish(&told)
}

/// Rows under a waveform: emotions, and the voice.
fn rows(sketch: &Sketch) -> usize {
    sketch.emotions.len() + usize::from(tells_voice(sketch))
}

/// Whether there is anything to say of gender or age.
fn tells_voice(sketch: &Sketch) -> bool {
    let ages = || sketch.signals.iter().flat_map(|signal| &signal.cells.list).any(|cell| cell.years.is_some());
    !sketch.genders.is_empty() || ages()
}

fn draw_ticks(svg: &mut Svg, line: &Line, height: f64) {
    let step = tick_s(line.length);
    let first = (line.start / step).round() as u64;
    let last = ((line.start + line.length) / step + 1e-9).floor() as u64;
    for tick in first..=last {
        let seconds = tick as f64 * step;
        let x = line.x(seconds);
        svg.line("grid", (x, TOP - 4.0), (x, height));
        let class = if seconds - line.start < step / 2.0 { "soft" } else { "soft middle" };
        svg.text(class, (x, TOP - 13.0), &clock(seconds));
    }
}

fn draw_signal(svg: &mut Svg, sketch: &Sketch, signal: &Signal, line: &Line, top: f64, name: &str) {
    svg.text("strong end", (LEFT - 8.0, top + WAVE / 2.0), name);
    draw_wave(svg, sketch, signal, line, top);
    let cells = cells_of(signal, line);
    let first = top + WAVE + 6.0;
    draw_unanswered(svg, &cells, line, first, ROW * rows(sketch) as f64);
    for (k, label) in sketch.emotions.iter().enumerate() {
        let bottom = first + ROW * (k + 1) as f64;
        svg.text("end soft", (LEFT - 8.0, bottom - ROW / 2.0 + 1.0), label);
        draw_emotion(svg, &cells, line, k, bottom);
    }
    if tells_voice(sketch) {
        let bottom = first + ROW * rows(sketch) as f64;
        svg.text("end soft", (LEFT - 8.0, bottom - ROW / 2.0 + 1.0), "voice");
        draw_voice(svg, sketch, &cells, line, bottom);
    }
}

/// The cells within a line, joined until they are wide enough to be seen.
fn cells_of(signal: &Signal, line: &Line) -> Vec<Cell> {
    let within = |cell: &&Cell| cell.start_s < line.end - 1e-9 && cell.end_s > line.start + 1e-9;
    let cells: Vec<Cell> = signal.cells.list.iter().filter(within).cloned().collect();
    let Some(first) = cells.first() else {
        return cells;
    };
    let width = WIDTH * (first.end_s - first.start_s) / line.length;
    joined(&cells, (MIN_CELL / width).ceil() as usize)
}

/// One path: the highest samples from left to right, the lowest ones back.
fn draw_wave(svg: &mut Svg, sketch: &Sketch, signal: &Signal, line: &Line, top: f64) {
    let middle = top + WAVE / 2.0;
    let end = line.x(line.end);
    svg.line("axis", (LEFT, middle), (end, middle));
    let columns = ((end - LEFT) / WAVE_STEP).ceil() as usize;
    let per_column = line.length / WIDTH * WAVE_STEP * f64::from(sketch.rate_hz);
    let from = line.start * f64::from(sketch.rate_hz);
    let (mut above, mut below) = (String::new(), Vec::new());
    for column in 0..columns {
        let at = from + column as f64 * per_column;
        let Some((low, high)) = signal.peaks.between(at, at + per_column) else { break };
        let x = LEFT + column as f64 * WAVE_STEP;
        let y = |sample: f32| middle - f64::from(sample.clamp(-1.0, 1.0)) * WAVE / 2.0;
        // Writing to a text cannot fail.
        let _ = write!(above, "{}{x:.0} {:.1}", if column == 0 { "M" } else { "L" }, y(high) - 0.3);
        below.push(format!("L{x:.0} {:.1}", y(low) + 0.3));
    }
    below.reverse();
    svg.raw(&format!(r#"<path class="wave" d="{above}{}Z"/>"#, below.concat()));
}

/// Hatched where nothing was answered, with the reason where there is room.
fn draw_unanswered(svg: &mut Svg, cells: &[Cell], line: &Line, top: f64, height: f64) {
    for run in cells.chunk_by(|a, b| a.no_answer == b.no_answer) {
        let (Some(reason), Some(first), Some(last)) = (run[0].no_answer, run.first(), run.last()) else { continue };
        let (x, end) = (line.x(first.start_s), line.x(last.end_s));
        let (width, told) = (end - x, reason.brief());
        let title = format!("{} to {}: {told}", clock(first.start_s), clock(last.end_s));
        svg.raw(&format!(
            r#"<rect class="none" x="{x:.1}" y="{top:.1}" width="{width:.1}" height="{height:.1}"><title>{}</title></rect>"#,
            escaped(&title)
        ));
        if width > 7.0 * told.len() as f64 + 8.0 {
            let middle = (x + width / 2.0, top + height / 2.0);
            svg.raw(&format!(
                r#"<rect class="label" x="{:.1}" y="{:.1}" width="{:.1}" height="18"/>"#,
                middle.0 - 3.6 * told.len() as f64,
                middle.1 - 9.0,
                7.2 * told.len() as f64
            ));
            svg.text("middle soft", middle, told);
        }
    }
}

/// Two stepped areas over one base line: where the emotion is the most probable one, and where it is not.
fn draw_emotion(svg: &mut Svg, cells: &[Cell], line: &Line, emotion: usize, bottom: f64) {
    svg.line("grid", (LEFT, bottom), (line.x(line.end), bottom));
    let (mut first, mut others) = (String::new(), String::new());
    for cell in cells.iter().filter(|cell| cell.no_answer.is_none()) {
        let Some(&p) = cell.emotion.get(emotion) else { continue };
        let height = f64::from(p) * (ROW - 3.0);
        if height < 0.3 {
            continue;
        }
        let (x, end) = (line.x(cell.start_s), line.x(cell.end_s));
        let path = if Cell::best(&cell.emotion) == Some(emotion) { &mut first } else { &mut others };
        let _ = write!(path, "M{x:.1} {bottom:.1}v{:.1}h{:.1}v{height:.1}z", -height, end - x);
    }
    svg.raw(&format!(r#"<path class="pale" d="{others}"/><path class="e{emotion}" d="{first}"/>"#));
}

/// Runs of the same gender, with the mean age where there is room.
fn draw_voice(svg: &mut Svg, sketch: &Sketch, cells: &[Cell], line: &Line, bottom: f64) {
    let gender = |cell: &Cell| Cell::best(&cell.gender);
    for run in cells.chunk_by(|a, b| a.no_answer.is_none() == b.no_answer.is_none() && gender(a) == gender(b)) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        if first.no_answer.is_some() {
            continue;
        }
        let (x, end) = (line.x(first.start_s), line.x(last.end_s));
        let label = gender(first).and_then(|k| sketch.genders.get(k)).cloned().unwrap_or_default();
        let years: Vec<f32> = run.iter().filter_map(|cell| cell.years).collect();
        let age = (!years.is_empty()).then(|| format!("{:.0}", years.iter().sum::<f32>() / years.len() as f32));
        let told =
            [Some(label), age].into_iter().flatten().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ");
        let (top, height) = (bottom - ROW + 3.0, ROW - 4.0);
        svg.raw(&format!(
            r#"<rect class="voice" x="{:.1}" y="{top:.1}" width="{:.1}" height="{height:.1}"><title>{}</title></rect>"#,
            x + 0.5,
            (end - x - 1.0).max(0.5),
            escaped(&told)
        ));
        if end - x > 7.0 * told.len() as f64 + 6.0 {
            svg.text("middle", (f64::midpoint(x, end), top + height / 2.0), &told);
        }
    }
}
