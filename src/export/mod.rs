//! Timelines for other tools, and for people: each format takes segments as they come (a [`Observer`](crate::engine::Observer)).
//!
//! | file | concept |
//! |---|---|
//! | `json_lines` | a line of JSON a segment, streamed |
//! | `csv_rows` | a row a segment, streamed |
//! | `textgrid` | interval tiers for Praat |
//! | `runs` | neighbours that say the same, joined |
//! | `page` | one HTML page: waveform, timeline, numbers on hover, playable |
//! | `sketch`, `peaks`, `cells` | what a page shows, collected in bounded memory |
//! | `outlet` | a writer's own failure, told from the recording's |

mod cells;
mod csv_rows;
mod json_lines;
mod outlet;
mod page;
mod peaks;
mod runs;
mod sketch;
mod textgrid;

pub use csv_rows::CsvRows;
pub use json_lines::JsonLines;
pub use page::{Audio, MAX_AUDIO_BYTES, write_channels_page, write_page};
pub use runs::{Run, Runs};
pub use sketch::Sketch;
pub use textgrid::TextGrid;
