//! The numbers behind the drawing, for the page's script.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};

use crate::engine::NoAnswer;
use crate::export::cells::Cell;
use crate::export::sketch::Sketch;

use super::drawing::{LEFT, WIDTH};

#[derive(Serialize)]
struct Data<'a> {
    duration: f64,
    /// Seconds, left edge and width of a line.
    line: f64,
    left: f64,
    width: f64,
    emotions: &'a [String],
    genders: &'a [String],
    channels: Vec<Value>,
}

/// Writes the script element. No text in it can end it: `<` is written as an escape.
pub(super) fn write(out: &mut dyn Write, sketch: &Sketch, duration: f64, line: f64) -> io::Result<()> {
    let channel = |(index, signal): (usize, &crate::export::sketch::Signal)| {
        let cells: Vec<Value> = signal.cells.list.iter().map(row).collect();
        json!({"name": format!("channel {}", index + 1), "cells": cells})
    };
    let channels = sketch.signals.iter().enumerate().map(channel).collect();
    let (emotions, genders) = (&sketch.emotions[..], &sketch.genders[..]);
    let data = Data { duration, line, left: LEFT, width: WIDTH, emotions, genders, channels };
    let text = serde_json::to_string(&data)?.replace('<', "\\u003c");
    writeln!(out, "<script type=\"application/json\" id=\"data\">{text}</script>")
}

/// `[start, end, speech %, emotions ‰, genders ‰, years, reason]`
fn row(cell: &Cell) -> Value {
    let permille = |p: &[f32]| p.iter().map(|p| (1000.0 * p).round() as u32).collect::<Vec<_>>();
    let speech = (100.0 * cell.speech_s / (cell.end_s - cell.start_s)).round() as u32;
    json!([
        cell.start_s,
        cell.end_s,
        speech,
        permille(&cell.emotion),
        permille(&cell.gender),
        cell.years.map(|years| years.round() as i32),
        cell.no_answer.map(NoAnswer::brief)
    ])
}
