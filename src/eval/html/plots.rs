//! The plots of one head: confusion matrix, reliability diagram, accuracy by coverage, ages.

use std::collections::BTreeMap;

use super::super::evaluation::EvaluatedClip;
use super::super::measures::{ClassDetail, CoverageRow};
use super::super::text::thousands;
use super::axes::{Axis, Plot};
use crate::html::svg::Svg;

/// Side of a plot, pixels.
const SIDE: f64 = 360.0;
/// The most points of a scatter plot.
const POINTS: usize = 3000;

/// Confusion matrix: rows are true labels, columns predictions; a cell's shade is its share of the
/// row.
pub(super) fn confusion(head: &str, detail: &ClassDetail) -> String {
    const LEFT: f64 = 104.0;
    const TOP: f64 = 44.0;
    let classes = detail.labels.len().max(1);
    let cell = (420.0 / classes as f64).min(110.0);
    let height = cell.min(58.0);
    let mut svg = Svg::new(LEFT + cell * classes as f64 + 20.0, TOP + height * classes as f64 + 8.0);
    svg.text("middle soft", (LEFT + cell * classes as f64 / 2.0, 12.0), "predicted");
    svg.text("end soft", (LEFT - 8.0, 32.0), "true label");
    for (k, label) in detail.labels.iter().enumerate() {
        svg.text("middle", (LEFT + cell * (k as f64 + 0.5), 32.0), label);
        svg.text("end", (LEFT - 8.0, TOP + height * (k as f64 + 0.5)), label);
    }
    for (i, row) in detail.confusion.iter().enumerate() {
        let all = row.iter().sum::<u64>().max(1);
        for (j, &count) in row.iter().enumerate() {
            let share = count as f64 / all as f64;
            let corner = (LEFT + cell * j as f64, TOP + height * i as f64);
            let tooltip = format!("{} predicted as {}: {count} of {all}", detail.labels[i], detail.labels[j]);
            svg.rect("back", corner, (cell - 2.0, height - 2.0), 1.0, "");
            svg.rect("fill", corner, (cell - 2.0, height - 2.0), share, &tooltip);
            let middle = (corner.0 + cell / 2.0 - 1.0, corner.1 + height / 2.0 - 1.0);
            let class = if share > 0.5 { "middle on" } else { "middle" };
            svg.text(class, (middle.0, middle.1 - 7.0), &format!("{:.0} %", 100.0 * share));
            svg.text(class, (middle.0, middle.1 + 8.0), &thousands(count as usize));
        }
    }
    svg.finish(&format!("Confusion matrix of {head}: how many clips of each true label were given each label"))
}

/// Reliability diagram: bars are the accuracy of each bin of confidence, rings its mean confidence.
pub(super) fn reliability(head: &str, detail: &ClassDetail) -> String {
    let (plot, mut svg) = Plot::new(SIDE, SIDE * 0.8, Axis::share("confidence"), Axis::share("accuracy"));
    let all = detail.reliability.iter().map(|row| row.clips).sum::<u64>().max(1);
    for row in &detail.reliability {
        let (Some(accuracy), Some(confidence)) = (row.accuracy, row.confidence) else { continue };
        let tooltip = format!(
            "confidence {:.2} to {:.2}: {} clips, {:.1} % correct, mean confidence {:.1} %",
            row.low,
            row.high,
            row.clips,
            100.0 * accuracy,
            100.0 * confidence
        );
        let (left, top) = plot.at(row.low, accuracy);
        let (right, bottom) = plot.at(row.high, 0.0);
        // Bins with few clips are pale, because they are uncertain.
        let weight = (row.clips as f64 / all as f64 * detail.reliability.len() as f64).clamp(0.15, 0.75);
        svg.rect("fill", (left + 1.0, top), (right - left - 2.0, bottom - top), weight, &tooltip);
        let (low, high) = (accuracy.min(confidence), accuracy.max(confidence));
        let (gap_top, gap_bottom) = (plot.at(0.0, high).1, plot.at(0.0, low).1);
        svg.rect("gap", (left + 1.0, gap_top), (right - left - 2.0, gap_bottom - gap_top), 0.35, &tooltip);
        svg.circle("ring", plot.at(confidence, accuracy), 3.5, &tooltip);
    }
    svg.line("guide", plot.at(0.0, 0.0), plot.at(1.0, 1.0));
    svg.finish(&format!("Reliability diagram of {head}: accuracy against confidence"))
}

/// Accuracy against coverage, the share of clips that is predicted.
pub(super) fn coverage(head: &str, detail: &ClassDetail) -> String {
    let rows = &detail.risk_coverage;
    let least = rows.iter().map(|row| row.accuracy).fold(1.0, f64::min);
    let low = ((least - 1e-9) * 20.0).floor().clamp(0.0, 19.0) / 20.0;
    let step = if low >= 0.85 {
        0.05
    } else if low >= 0.6 {
        0.1
    } else {
        0.2
    };
    let right = Axis { low: (low / step + 1e-9).floor() * step, step, ..Axis::share("accuracy of those predicted") };
    let (plot, mut svg) = Plot::new(SIDE, SIDE * 0.8, Axis::share("coverage"), right);
    svg.curve("line", rows.iter().map(|row| plot.at(row.coverage, row.accuracy)));
    for row in rows.iter().filter(|row| is_tenth(row)) {
        let tooltip = format!(
            "the {:.0} % most confident: {:.1} % correct, confidence at least {:.3}",
            100.0 * row.coverage,
            100.0 * row.accuracy,
            row.threshold
        );
        svg.circle("dot", plot.at(row.coverage, row.accuracy), 4.0, &tooltip);
    }
    svg.finish(&format!("Accuracy of {head} by the share of clips predicted, the most confident first"))
}

/// Whether a row is one of 10 %, 20 % … 100 %.
pub(super) fn is_tenth(row: &CoverageRow) -> bool {
    ((100.0 * row.coverage).round() as u64).is_multiple_of(10)
}

/// Scatter plot of predicted against true ages, with the means of each decade.
pub(super) fn ages(answers: &[EvaluatedClip]) -> Option<(String, String)> {
    let pairs: Vec<(f64, f64)> =
        answers.iter().filter_map(|answer| Some((answer.row.age?, answer.prediction.years?))).collect();
    if pairs.is_empty() {
        return None;
    }
    let both = || pairs.iter().flat_map(|&(truth, years)| [truth, years]);
    let (plot, mut svg) =
        Plot::new(SIDE * 1.2, SIDE, Axis::years("true age", both()), Axis::years("predicted age", both()));
    svg.line("guide", plot.at(plot.x.low, plot.y.low), plot.at(plot.x.high, plot.y.high));
    let every = pairs.len().div_ceil(POINTS);
    pairs.iter().step_by(every).for_each(|&(truth, years)| svg.circle("cloud", plot.at(truth, years), 3.0, ""));
    for (decade, mean) in by_decade(&pairs) {
        let Means { truth, years, clips } = mean;
        let tooltip =
            format!("true age {} to {}: mean prediction {years:.1}, {clips} clips", decade * 10, decade * 10 + 9);
        svg.circle("ring", plot.at(truth, years), 6.0, &tooltip);
    }
    let shown = if every > 1 { format!(" One clip in {every} is shown.") } else { String::new() };
    let note = format!(
        "Each dot is a clip, each ring the mean of a decade of true age; on the dashed line predictions are exact.{shown}"
    );
    Some((svg.finish("Predicted against true ages"), note))
}

/// Means of one decade of true age.
struct Means {
    truth: f64,
    years: f64,
    clips: usize,
}

fn by_decade(pairs: &[(f64, f64)]) -> BTreeMap<i32, Means> {
    let mut decades = BTreeMap::<i32, Vec<(f64, f64)>>::new();
    for pair in pairs {
        decades.entry((pair.0 / 10.0).floor() as i32).or_default().push(*pair);
    }
    let means = |pairs: Vec<(f64, f64)>| Means {
        truth: pairs.iter().map(|pair| pair.0).sum::<f64>() / pairs.len() as f64,
        years: pairs.iter().map(|pair| pair.1).sum::<f64>() / pairs.len() as f64,
        clips: pairs.len(),
    };
    decades.into_iter().map(|(decade, pairs)| (decade, means(pairs))).collect()
}
