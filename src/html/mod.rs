//! What pages have in common: they are one file each, with drawings as inline SVG, and need nothing outside.
//!
//! | file | concept |
//! |---|---|
//! | `style.css` | colours for light, dark and print; drawings take theirs from it |
//! | `svg` | marks, and escaping |

use std::io::{self, Write};

pub(crate) mod svg;

use svg::escaped;

/// Begins a page: everything up to the title's heading. `style` is what this kind of page adds to the common style.
pub(crate) fn begin(out: &mut dyn Write, title: &str, style: &str) -> io::Result<()> {
    let title = escaped(title);
    writeln!(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
    writeln!(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>")?;
    let common = include_str!("style.css");
    writeln!(out, "<style>\n{common}{style}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>")
}
