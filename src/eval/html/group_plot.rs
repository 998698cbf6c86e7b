//! Dot plot of groups: a dot for each measure, with a line for its confidence interval.

use super::super::measures::Estimate;
use super::super::report::{Group, Measures};
use super::axes::{percent, whole};
use crate::html::svg::Svg;

const LEFT: f64 = 190.0;
const PANEL: f64 = 230.0;
const BETWEEN: f64 = 60.0;
const ROW: f64 = 26.0;
const TOP: f64 = 34.0;

/// One measure, plotted for all groups.
struct Panel {
    name: &'static str,
    of: fn(&Measures) -> Option<&Estimate>,
    form: fn(f64) -> String,
    /// Possible distances of ticks.
    steps: [f64; 4],
    /// The largest possible value; infinity if there is none.
    most: f64,
    starts_at_zero: bool,
}

const PANELS: [Panel; 3] = [
    Panel {
        name: "emotion: accuracy",
        of: |m| m.emotion.as_ref().map(|m| &m.accuracy),
        form: percent,
        steps: [0.02, 0.05, 0.1, 0.2],
        most: 1.0,
        starts_at_zero: false,
    },
    Panel {
        name: "gender: accuracy",
        of: |m| m.gender.as_ref().map(|m| &m.accuracy),
        form: percent,
        steps: [0.02, 0.05, 0.1, 0.2],
        most: 1.0,
        starts_at_zero: false,
    },
    Panel {
        name: "age: mean absolute error, years",
        of: |m| m.age.as_ref().map(|m| &m.mae),
        form: whole,
        steps: [1.0, 2.0, 5.0, 10.0],
        most: f64::INFINITY,
        starts_at_zero: true,
    },
];

/// The groups of one column; the dashed line is the measure over all clips.
pub(super) fn groups(groups: &[Group], overall: &Measures) -> String {
    let panels: Vec<&Panel> = PANELS.iter().filter(|panel| (panel.of)(overall).is_some()).collect();
    let (width, height) = (panels.len() as f64 * (PANEL + BETWEEN), groups.len() as f64 * ROW);
    let mut svg = Svg::new(LEFT + width, TOP + height + 28.0);
    for (k, group) in groups.iter().enumerate() {
        let y = TOP + ROW * (k as f64 + 0.5);
        let name: String = group.value.chars().take(20).collect();
        svg.text("end", (LEFT - 50.0, y), &name);
        svg.text("end soft", (LEFT - 12.0, y), &super::super::text::thousands(group.measures.clips));
    }
    for (k, panel) in panels.iter().enumerate() {
        draw(&mut svg, panel, LEFT + 6.0 + k as f64 * (PANEL + BETWEEN), groups, overall);
    }
    let column = groups.first().map_or("", |group| group.column.as_str());
    svg.finish(&format!("Measures by {column}, with their intervals; the table below has the numbers"))
}

fn draw(svg: &mut Svg, panel: &Panel, left: f64, groups: &[Group], overall: &Measures) {
    let estimates: Vec<Option<&Estimate>> = groups.iter().map(|group| (panel.of)(&group.measures)).collect();
    let scale = Scale::new(panel, estimates.iter().flatten().copied().chain((panel.of)(overall)));
    let x = |value: f64| left + PANEL * scale.along(value);
    let bottom = TOP + ROW * groups.len() as f64;
    svg.text("strong", (left, 12.0), panel.name);
    for tick in scale.ticks() {
        svg.line("grid", (x(tick), TOP - 4.0), (x(tick), bottom));
        svg.text("middle soft", (x(tick), bottom + 14.0), &(panel.form)(tick));
    }
    if let Some(all) = (panel.of)(overall).and_then(|estimate| estimate.value) {
        svg.line("guide", (x(all), TOP - 4.0), (x(all), bottom));
    }
    for (k, estimate) in estimates.into_iter().enumerate() {
        let Some((value, estimate)) = estimate.and_then(|e| Some((e.value?, e))) else { continue };
        let y = TOP + ROW * (k as f64 + 0.5);
        if let (Some(low), Some(high)) = (estimate.low, estimate.high) {
            svg.line("whisker", (x(low), y), (x(high), y));
        }
        svg.circle("dot", (x(value), y), 5.0, &format!("{}: {value:.3}", groups[k].value));
    }
}

/// The range of the plotted values, extended to whole ticks.
struct Scale {
    low: f64,
    high: f64,
    step: f64,
}

impl Scale {
    fn new<'a>(panel: &Panel, estimates: impl Iterator<Item = &'a Estimate>) -> Self {
        let values = estimates.flat_map(|e| [e.value, e.low, e.high]).flatten();
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let low = if panel.starts_at_zero { 0.0 } else { low };
        let wide = panel.steps[panel.steps.len() - 1];
        let step = panel.steps.into_iter().find(|step| (high - low) / step <= 5.0).unwrap_or(wide);
        let step = step * ((high - low) / step / 12.0).ceil().max(1.0);
        let low = (low / step + 1e-9).floor() * step;
        let high = ((high / step - 1e-9).ceil() * step).max(low + step).min(panel.most);
        let low = low.min(high - step);
        Self { low, high, step }
    }

    fn along(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> + '_ {
        let last = ((self.high - self.low) / self.step + 1e-9).floor() as usize;
        (0..=last).map(|k| self.low + k as f64 * self.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_include_all_values_with_few_ticks() {
        let estimate = |low, high| Estimate { value: Some(low), low: Some(low), high: Some(high) };
        for (panel, low, high) in [(&PANELS[0], 0.41, 0.83), (&PANELS[1], 0.991, 1.0), (&PANELS[2], 3.0, 1e5)] {
            let scale = Scale::new(panel, [estimate(low, high)].iter());
            assert!(scale.low <= low && scale.high >= high && scale.ticks().count() <= 15, "{low} {high}");
        }
        let gender = Scale::new(&PANELS[1], [estimate(1.0, 1.0)].iter());
        assert!(gender.high == 1.0 && gender.low < gender.high);
    }
}
