//! Words as a shell reads them: the one place that quotes.

/// A word that a shell reads as it is.
pub(crate) fn quoted(word: &str) -> String {
    if is_plain(word) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The same in double quotes, so that the whole may stand between single ones.
pub(crate) fn double_quoted(word: &str) -> String {
    if is_plain(word) {
        return word.to_owned();
    }
    if word.chars().any(is_control) {
        return named_bytes(word);
    }
    format!("\"{}\"", escaped(word))
}

/// Whether a terminal acts on this character instead of showing it: control characters, and those that change the direction
/// of the text or have no width.
pub(crate) fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A word in the form of a shell that names bytes, `$'a\x0ab'`: what would move the cursor reaches no terminal.
fn named_bytes(word: &str) -> String {
    let mut text = String::from("$'");
    for c in word.chars() {
        match c {
            '\'' => text.push_str("\\x27"),
            '\\' => text.push_str("\\\\"),
            _ if is_control(c) => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    text.push_str(&format!("\\x{byte:02x}"));
                }
            }
            _ => text.push(c),
        }
    }
    text + "'"
}

/// What may stand between double quotes, beside what a shell is to expand there.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        if matches!(letter, '"' | '\\' | '$' | '`') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

/// Bytes that no word can hold, as the format of a `printf` that writes them.
pub(crate) fn printf_format(bytes: &[u8]) -> String {
    let mut format = String::new();
    for &byte in bytes {
        match byte {
            b'%' => format.push_str("%%"),
            b'\\' => format.push_str("\\\\"),
            b' '..=b'~' => format.push(char::from(byte)),
            byte => format.push_str(&format!("\\{byte:03o}")),
        }
    }
    quoted(&format)
}

fn is_plain(word: &str) -> bool {
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_./:=,@%+".contains(letter);
    !word.is_empty() && word.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [&str; 7] = [
        "plain-word_1.txt",
        "a b.txt",
        "lab:?latency=100ms&fail=5%",
        "it's",
        "$HOME `x` \"y\" \\",
        "",
        "값.txt",
    ];

    #[track_caller]
    fn check(script: &str, expected: &[u8]) {
        let shell = std::process::Command::new("sh")
            .args(["-c", script])
            .output()
            .unwrap();
        assert!(shell.status.success(), "{script}");
        assert_eq!(shell.stdout, expected, "{script}");
    }

    #[test]
    fn a_shell_reads_words_as_they_were() {
        for quote in [quoted, double_quoted] {
            for word in WORDS {
                check(&format!("printf %s {}", quote(word)), word.as_bytes());
            }
        }
    }

    #[test]
    fn a_line_break_stays_in_its_word() {
        check(
            &format!("printf %s {}", quoted("two\nlines")),
            b"two\nlines",
        );
        assert_eq!(double_quoted("it's\n"), r"$'it\x27s\x0a'");
    }

    #[test]
    fn double_quotes_stand_between_single_ones() {
        let inner = WORDS.map(double_quoted).join(" ");
        let line = format!("command {inner}");
        let script = format!("resume={}; printf %s \"$resume\"", quoted(&line));
        check(&script, line.as_bytes());
    }

    #[test]
    fn any_bytes_can_be_written() {
        let bytes: Vec<u8> = (0..=255).collect();
        check(&format!("printf {}", printf_format(&bytes)), &bytes);
    }
}
