//! Inline SVG: a few marks with classes that the page's style colours, so that light, dark and print need one drawing.

use std::fmt::Write;

/// A drawing of a fixed size, in pixels of its own.
pub(crate) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

impl Svg {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    pub(crate) fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.mark(&format!(r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#));
    }

    /// `opacity` from 0 to 1; `told` is shown where a pointer rests.
    pub(crate) fn rect(
        &mut self,
        class: &str,
        (x, y): (f64, f64),
        (width, height): (f64, f64),
        opacity: f64,
        told: &str,
    ) {
        let told = title(told);
        self.mark(&format!(
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{:.1}" height="{:.1}" fill-opacity="{opacity:.3}">{told}</rect>"#,
            width.max(0.0),
            height.max(0.0)
        ));
    }

    pub(crate) fn circle(&mut self, class: &str, (x, y): (f64, f64), radius: f64, told: &str) {
        let told = title(told);
        self.mark(&format!(r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="{radius:.1}">{told}</circle>"#));
    }

    pub(crate) fn curve(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let points: Vec<String> = points.into_iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.mark(&format!(r#"<polyline class="{class}" points="{}"/>"#, points.join(" ")));
    }

    /// `y` is the middle of the line of text.
    pub(crate) fn text(&mut self, class: &str, (x, y): (f64, f64), text: &str) {
        self.mark(&format!(r#"<text class="{class}" x="{x:.1}" y="{:.1}">{}</text>"#, y + 4.0, escaped(text)));
    }

    /// Text turned a quarter to the left, around its middle.
    pub(crate) fn text_upwards(&mut self, class: &str, (x, y): (f64, f64), text: &str) {
        let text = escaped(text);
        self.mark(&format!(r#"<text class="{class}" transform="translate({x:.1} {y:.1}) rotate(-90)">{text}</text>"#));
    }

    /// A mark that is markup already: what comes from a user in it is escaped.
    #[cfg(feature = "export")]
    pub(crate) fn raw(&mut self, mark: &str) {
        self.mark(mark);
    }

    fn mark(&mut self, mark: &str) {
        self.body.push_str(mark);
        self.body.push('\n');
    }

    /// The element. `told` says in a sentence what is to be seen, for those who cannot see it.
    pub(crate) fn finish(self, told: &str) -> String {
        let Self { width, height, body } = self;
        let mut svg = String::new();
        let told = escaped(told);
        // Writing to a text cannot fail.
        let _ = write!(
            svg,
            r#"<svg role="img" aria-label="{told}" viewBox="0 0 {width} {height}" style="--w:{width}px" xmlns="http://www.w3.org/2000/svg">"#
        );
        svg + "\n" + &body + "</svg>\n"
    }
}

fn title(told: &str) -> String {
    if told.is_empty() { String::new() } else { format!("<title>{}</title>", escaped(told)) }
}

/// A text as HTML and SVG write it, between tags and in quoted attributes.
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
    fn nothing_of_a_table_becomes_markup() {
        assert_eq!(escaped("<b a='1'>&\"\u{0}"), "&lt;b a=&#39;1&#39;&gt;&amp;&quot;\u{fffd}");
        let mut svg = Svg::new(10.0, 10.0);
        svg.text("x", (0.0, 0.0), "</text><script>");
        svg.circle("x", (0.0, 0.0), 1.0, "<i>");
        let drawn = svg.finish("\"><script>");
        assert!(!drawn.contains("<script") && !drawn.contains("<i>"), "{drawn}");
    }
}
