//! Inline SVG: a few elements with CSS classes, coloured by the page's style, so light, dark and
//! print share one drawing.

use std::fmt::Write;

/// An SVG drawing of a fixed size in CSS pixels, which the page scales.
pub(crate) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

impl Svg {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    /// Adds a line between two points.
    pub(crate) fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.push(&format!(r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#));
    }

    /// Adds a rectangle of `opacity` 0 to 1, with `label` as its tooltip.
    pub(crate) fn rect(
        &mut self,
        class: &str,
        (x, y): (f64, f64),
        (width, height): (f64, f64),
        opacity: f64,
        label: &str,
    ) {
        let label = title(label);
        self.push(&format!(
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{:.1}" height="{:.1}" fill-opacity="{opacity:.3}">{label}</rect>"#,
            width.max(0.0),
            height.max(0.0)
        ));
    }

    /// Adds a circle, with `label` as its tooltip.
    pub(crate) fn circle(&mut self, class: &str, (x, y): (f64, f64), radius: f64, label: &str) {
        let label = title(label);
        self.push(&format!(r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="{radius:.1}">{label}</circle>"#));
    }

    /// Adds a polyline.
    pub(crate) fn curve(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let points: Vec<String> = points.into_iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.push(&format!(r#"<polyline class="{class}" points="{}"/>"#, points.join(" ")));
    }

    /// Adds a text whose line is centred on `y`.
    pub(crate) fn text(&mut self, class: &str, (x, y): (f64, f64), text: &str) {
        self.push(&format!(r#"<text class="{class}" x="{x:.1}" y="{:.1}">{}</text>"#, y + 4.0, escaped(text)));
    }

    /// Adds a text rotated 90° anticlockwise about its centre.
    pub(crate) fn text_upwards(&mut self, class: &str, (x, y): (f64, f64), text: &str) {
        let text = escaped(text);
        self.push(&format!(r#"<text class="{class}" transform="translate({x:.1} {y:.1}) rotate(-90)">{text}</text>"#));
    }

    fn push(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }

    /// The `<svg>` element. `label` describes the drawing in a sentence, for screen readers.
    pub(crate) fn finish(self, label: &str) -> String {
        let Self { width, height, body } = self;
        let mut svg = String::new();
        let label = escaped(label);
        // Writing to a String cannot fail.
        let _ = write!(
            svg,
            r#"<svg role="img" aria-label="{label}" viewBox="0 0 {width} {height}" style="--w:{width}px" xmlns="http://www.w3.org/2000/svg">"#
        );
        svg + "\n" + &body + "</svg>\n"
    }
}

fn title(label: &str) -> String {
    if label.is_empty() { String::new() } else { format!("<title>{}</title>", escaped(label)) }
}

/// A text escaped for HTML and SVG, between tags and in quoted attributes. Control characters
/// become U+FFFD.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_do_not_become_markup() {
        assert_eq!(escaped("<b a='1'>&\"\u{0}"), "&lt;b a=&#39;1&#39;&gt;&amp;&quot;\u{fffd}");
        let mut svg = Svg::new(10.0, 10.0);
        svg.text("x", (0.0, 0.0), "</text><script>");
        svg.circle("x", (0.0, 0.0), 1.0, "<i>");
        let drawn = svg.finish("\"><script>");
        assert!(!drawn.contains("<script") && !drawn.contains("<i>"), "{drawn}");
    }
}
