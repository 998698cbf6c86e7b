//! Layer `lists`: lists of recordings, and of segments of them, as other tools write them.
//!
//! | list | by | a row is |
//! |---|---|---|
//! | CSV and TSV | `.csv`, `.tsv` | the file in a column, the segment in `start`, `end` or `duration` (audformat's index, nkululeko, Audacity's tables) |
//! | label track of Audacity | `.txt` whose lines are `START TAB END TAB LABEL` | a label of the recording beside it with the same name |
//! | RTTM | `.rttm` | a turn of a speaker, in the recording beside it that its second field names |
//! | Kaldi `wav.scp` | `.scp` | a recording |
//! | Kaldi `segments` | the name `segments` | an utterance of a recording of the `wav.scp` beside it |
//!
//! | file | concept |
//! |---|---|
//! | `list` | a list: columns, entries, and rows that cannot be used |
//! | `row` | the fields of a row by column |
//! | `reading` | how a list is read |
//! | `reader` | the kind of a list, and its reader |
//! | `table` | CSV and TSV |
//! | `time_columns` | the columns of a table that state a segment |
//! | `time` | points in time as tools write them |
//! | `audacity`, `rttm`, `kaldi` | the other lists |
//! | `uem` | the time of recordings that is scored |
//! | `recording_file` | the recording that a list names without its ending |
//! | `lines` | lines of bytes of bounded length |

mod audacity;
mod kaldi;
mod lines;
mod list;
mod reader;
mod reading;
mod recording_file;
mod row;
mod rttm;
mod table;
mod time;
mod time_columns;
mod uem;

pub use lines::{Lines, file_name};
pub use list::{Entry, Fault, List, MAX_ENTRIES, RowProblem};
pub use reader::{ListKind, read};
pub use reading::Reading;
pub use row::Row;
pub use rttm::{Turn, read_turns};
pub use uem::{ScoredTime, read_scored};
