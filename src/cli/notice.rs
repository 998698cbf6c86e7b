//! `--notice`: the notice for the people who are recorded.

use std::io::{self, Write};

use persona_engine::engine::ActiveHeads;

/// Writes the notice, about the enabled heads. Brackets are for the operator to fill in.
pub(super) fn write(out: &mut dyn Write, heads: ActiveHeads) -> io::Result<()> {
    let names: Vec<&str> = heads.names().collect();
    let feelings = if heads.emotion { FEELINGS } else { "" };
    writeln!(out, "NOTICE: A COMPUTER ESTIMATES {} FROM VOICES\n", join(&names).to_uppercase())?;
    writeln!(out, "{PURPOSE}\n")?;
    heads.names().try_for_each(|name| writeln!(out, "  - {}", description(name)))?;
    write!(out, "\n{BEFORE_FEELINGS}{feelings}{RIGHTS}")
}

const PURPOSE: &str = "\
In [this call / this room / this recording] a computer program analyses voices. From the sound of yours it estimates:";

const BEFORE_FEELINGS: &str = "\
It does not analyse what is said, and it does not identify who is speaking.

Who does this:   [name and address of the operator; data protection officer]
What for:        [purpose], on the legal ground of [consent / ...]
What is kept:    [the estimates / nothing], for [how long], seen by [whom].
                 The program itself stores no audio and sends nothing over a network.
How right it is: These are estimates, and often wrong. No decision about you is based on them alone.
";

const FEELINGS: &str =
    "                 An emotion that a voice expresses is not always the emotion that a person feels.
";

const RIGHTS: &str = "\
Your rights:     You may refuse, and [how: say so / press ... / ask for a person]. You may see, correct and
                 delete what is kept about you, and complain to [supervisory authority]. Contact: [address].
";

/// Legal advice to the operator who prints the notice.
pub(super) const OPERATOR_ADVICE: &str = "\
persona-engine: fill in the brackets and show this notice before anybody is recorded (EU AI Act, article 50(3); GDPR, articles 13 and 14).
Inferring emotions at work or in education is prohibited in the EU even with a notice (AI Act, article 5(1)(f)): --no-emotion disables it.";

fn description(head: &'static str) -> &'static str {
    match head {
        "emotion" => "how you may be feeling (your emotion, as one of a few words)",
        "gender" => "whether you sound female or male",
        _ => "how old you sound",
    }
}

/// `a, b and c`
fn join(parts: &[&str]) -> String {
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
    fn it_covers_the_enabled_heads_alone() {
        let all = text(ActiveHeads::ALL);
        assert!(all.starts_with("NOTICE: A COMPUTER ESTIMATES EMOTION, GENDER AND AGE FROM VOICES\n"), "{all}");
        let without = text(ActiveHeads { emotion: false, ..ActiveHeads::ALL });
        assert!(!without.to_lowercase().contains("emotion") && !without.contains("feel"), "{without}");
        let age = text(ActiveHeads { emotion: false, gender: false, age: true });
        assert!(age.contains("how old you sound\n\nIt does not") && !age.contains("female"), "{age}");
    }
}
