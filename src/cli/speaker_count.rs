//! The value of `--speakers`.

use persona_engine::engine::Speakers;

/// Parses a number of speakers. A recording after the bare switch is taken for its value.
pub(super) fn speakers(text: &str) -> Result<Speakers, String> {
    text.parse().map_err(|_| {
        format!("expected a number such as 2, a range such as 2..4, or auto; if `{text}` is a recording, put it before --speakers")
    })
}
