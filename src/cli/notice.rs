//! `--notice`: what the people concerned are told.

use std::io::{self, Write};

use persona_engine::engine::ActiveHeads;

/// Writes a text for the people whose voices are heard, about the heads that are on. Brackets are for the operator to fill.
pub(super) fn write(out: &mut dyn Write, heads: ActiveHeads) -> io::Result<()> {
    let names: Vec<&str> = heads.names().collect();
    let what: Vec<&str> = heads.names().map(in_words).collect();
    writeln!(out, "NOTICE: A COMPUTER ESTIMATES {} FROM VOICES\n", and(&names).to_uppercase())?;
    writeln!(
        out,
        "In [this call / this room / this recording] a computer program listens to voices. From the sound of yours it estimates:\n"
    )?;
    what.iter().try_for_each(|what| writeln!(out, "  - {what}"))?;
    writeln!(out, "\nIt does not listen to what is said, and it does not recognise who speaks.\n")?;
    writeln!(out, "Who does this:   [name and address of the operator; data protection officer]")?;
    writeln!(out, "What for:        [purpose], on the legal ground of [consent / ...]")?;
    writeln!(out, "What is kept:    [the estimates / nothing], for [how long], seen by [whom].")?;
    writeln!(out, "                 The program itself stores no audio and sends nothing over a network.")?;
    writeln!(
        out,
        "How right it is: These are estimates, and often wrong. Nothing is decided about you by them alone."
    )?;
    if heads.emotion {
        writeln!(out, "                 An emotion that is heard is not an emotion that is felt.")?;
    }
    writeln!(
        out,
        "Your rights:     You may refuse, and [how: say so / press ... / ask for a person]. You may see, correct and"
    )?;
    writeln!(
        out,
        "                 delete what is kept about you, and complain to [supervisory authority]. Contact: [address]."
    )
}

/// What the law says to the one who prints it.
pub(super) const TO_THE_OPERATOR: &str = "\
persona-engine: fill the brackets and show this before anybody is heard (EU AI Act, article 50(3); GDPR, articles 13 and 14). Inferring emotions
at work or in education is prohibited in the EU (AI Act, article 5(1)(f)), told or not: --no-emotion leaves that answer out.";

fn in_words(head: &'static str) -> &'static str {
    match head {
        "emotion" => "how you may be feeling (your emotion, as one of a few words)",
        "gender" => "whether you sound female or male",
        _ => "how old you sound",
    }
}

/// `a, b and c`
fn and(parts: &[&str]) -> String {
    match parts {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(heads: ActiveHeads) -> String {
        let mut text = Vec::new();
        write(&mut text, heads).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn it_tells_what_is_on_and_nothing_else() {
        let all = text(ActiveHeads::ALL);
        assert!(all.starts_with("NOTICE: A COMPUTER ESTIMATES EMOTION, GENDER AND AGE FROM VOICES\n"), "{all}");
        let without = text(ActiveHeads { emotion: false, ..ActiveHeads::ALL });
        assert!(!without.to_lowercase().contains("emotion") && !without.contains("feel"), "{without}");
        let age = text(ActiveHeads { emotion: false, gender: false, age: true });
        assert!(age.contains("how old you sound\n\nIt does not") && !age.contains("female"), "{age}");
    }
}
