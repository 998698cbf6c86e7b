//! What pages share. A page is one file with inline style, script and SVG, and loads nothing.
//!
//! | file | concept |
//! |---|---|
//! | `tokens.css` | colours and radii of all pages: light, dark, print |
//! | `style.css` | pages that are documents: text, tables, plots |
//! | `svg` | SVG elements, and escaping |
//! | `timeline` | the timeline component (JavaScript and CSS) |

use std::io::{self, Write};

pub(crate) mod svg;
#[cfg(feature = "export")]
pub(crate) mod timeline;

use svg::escaped;

/// Writes the beginning of a page, up to and including the title's heading, inside `<header>`.
/// `style` is added to the common style.
pub(crate) fn begin(out: &mut dyn Write, title: &str, style: &str) -> io::Result<()> {
    let title = escaped(title);
    writeln!(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
    writeln!(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>")?;
    let (tokens, common) = (include_str!("tokens.css"), include_str!("style.css"));
    writeln!(out, "<style>\n{tokens}{common}{style}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>")
}

/// Writes a warning as a paragraph.
pub(crate) fn write_warning(out: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(out, "<p class=\"warning\" role=\"note\"><strong>Warning.</strong> {}.</p>", escaped(text))
}
