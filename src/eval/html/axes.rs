//! The axes of a plot: ticks, and the mapping from values to coordinates.

use crate::html::svg::Svg;

/// One axis.
pub(super) struct Axis {
    pub(super) name: &'static str,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) step: f64,
    /// Formats a tick.
    pub(super) form: fn(f64) -> String,
}

impl Axis {
    /// An axis for shares from 0 to 1, in percent.
    pub(super) fn share(name: &'static str) -> Self {
        Self { name, low: 0.0, high: 1.0, step: 0.2, form: percent }
    }

    /// An axis for ages that includes all `values`, from decade to decade.
    pub(super) fn years(name: &'static str, values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 100.0) };
        let low = (low / 10.0).floor() * 10.0;
        let high = ((high / 10.0).ceil() * 10.0).max(low + 10.0);
        // A prediction may be far off: at most fifteen ticks.
        let step = 10.0 * ((high - low) / 150.0).ceil().max(1.0);
        Self { name, low, high, step, form: whole }
    }

    fn ticks(&self) -> impl Iterator<Item = f64> + '_ {
        let last = ((self.high - self.low) / self.step + 1e-9).floor() as usize;
        (0..=last).map(|k| self.low + k as f64 * self.step)
    }
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

pub(super) fn whole(value: f64) -> String {
    format!("{value:.0}")
}

/// The plotting area of a drawing, with its axes.
pub(super) struct Plot {
    pub(super) x: Axis,
    pub(super) y: Axis,
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

/// Margins for ticks and names, pixels.
const LEFT: f64 = 58.0;
const BOTTOM: f64 = 44.0;
const TOP: f64 = 12.0;
const RIGHT: f64 = 18.0;

impl Plot {
    /// Creates a drawing with a plotting area of this size, and draws the axes.
    pub(super) fn new(width: f64, height: f64, x: Axis, y: Axis) -> (Self, Svg) {
        let mut svg = Svg::new(LEFT + width + RIGHT, TOP + height + BOTTOM);
        let plot = Self { x, y, left: LEFT, top: TOP, width, height };
        plot.draw(&mut svg);
        (plot, svg)
    }

    fn draw(&self, svg: &mut Svg) {
        let (right, bottom) = (self.left + self.width, self.top + self.height);
        for tick in self.y.ticks() {
            let y = self.at(0.0, tick).1;
            svg.line("grid", (self.left, y), (right, y));
            svg.text("end soft", (self.left - 8.0, y), &(self.y.form)(tick));
        }
        for tick in self.x.ticks() {
            let x = self.at(tick, 0.0).0;
            svg.line("axis", (x, bottom), (x, bottom + 4.0));
            svg.text("middle soft", (x, bottom + 14.0), &(self.x.form)(tick));
        }
        svg.line("axis", (self.left, bottom), (right, bottom));
        svg.text("middle", (self.left + self.width / 2.0, bottom + 34.0), self.x.name);
        svg.text_upwards("middle", (14.0, self.top + self.height / 2.0), self.y.name);
    }

    /// Coordinates of a pair of values; values beyond an axis are clamped to its end.
    pub(super) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let along = |axis: &Axis, value: f64| ((value - axis.low) / (axis.high - axis.low)).clamp(0.0, 1.0);
        (self.left + self.width * along(&self.x, x), self.top + self.height * (1.0 - along(&self.y, y)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_map_to_coordinates() {
        let (plot, _) = Plot::new(100.0, 200.0, Axis::share("x"), Axis::years("y", [23.0, 61.0].into_iter()));
        assert_eq!((plot.y.low, plot.y.high), (20.0, 70.0));
        assert_eq!(plot.at(0.5, 45.0), (LEFT + 50.0, TOP + 100.0));
        assert_eq!(plot.at(9.0, -9.0), (LEFT + 100.0, TOP + 200.0));
        assert_eq!(Axis::share("x").ticks().count(), 6);
    }

    #[test]
    fn no_values_and_extreme_values_have_an_axis() {
        let none = Axis::years("y", std::iter::empty());
        assert_eq!((none.low, none.high), (0.0, 100.0));
        assert!(Axis::years("y", [-1e6, 1e6].into_iter()).ticks().count() < 20);
        assert_eq!(Axis::years("y", [30.0].into_iter()).high, 40.0);
    }
}
