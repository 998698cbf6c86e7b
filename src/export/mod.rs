//! Export of timelines and of speakers' turns to other formats. A format of timelines is an [`Observer`](crate::engine::Observer)
//! that takes segments as they are predicted.
//!
//! | file | concept |
//! |---|---|
//! | `json_lines` | JSON Lines, one object per segment, streamed |
//! | `csv_rows` | CSV, one row per segment, streamed |
//! | `textgrid` | interval tiers for Praat |
//! | `merged_segments` | consecutive segments with equal labels, merged |
//! | `rttm` | who speaks when, one line per turn |
//! | `turns` | turns of all speakers, by time |
//! | `page` | one HTML page: waveform, timeline, numbers on hover, playback |
//! | `format` | positions and probabilities as text |
//! | `line_writer` | writes lines, keeps the writer's error |

mod csv_rows;
mod format;
mod json_lines;
mod line_writer;
mod merged_segments;
mod page;
mod rttm;
mod textgrid;
mod turns;

pub use csv_rows::CsvRows;
pub use format::{clock, percent};
pub use json_lines::JsonLines;
pub use merged_segments::{MergedSegment, MergedSegments};
pub use page::{Audio, MAX_AUDIO_BYTES, PageCollector, write_page};
pub use rttm::write_rttm;
pub use textgrid::TextGrid;
