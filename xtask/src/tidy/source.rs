//! How a Rust file begins, how long it may be, and what must not stay in it.

use std::path::Path;

/// Past this many lines without tests, look for the second noun.
const LINES_MAX: usize = 500;

/// What must not stay, with what to do instead. In two parts, or this file would find itself.
const FORBIDDEN: [(&str, &str); 6] = [
    (concat!("TO", "DO"), "do it, or write down where it belongs"),
    (concat!("FIX", "ME"), "fix it"),
    (concat!("todo", "!("), "write it"),
    (concat!("unimplemented", "!("), "write it"),
    (
        concat!("#[al", "low("),
        "use #[expect(..., reason = \"...\")]",
    ),
    (
        concat!("#![al", "low("),
        "use #[expect(..., reason = \"...\")]",
    ),
];

/// What is wrong with a Rust file.
pub(crate) fn check(name: &Path, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    if !text.starts_with("//! ") {
        findings.push("the first line must say what the file is for, after //!".to_owned());
    }
    let is_test = name.components().any(|part| part.as_os_str() == "tests");
    let lines = lines_without_tests(text);
    if lines > LINES_MAX && !is_test {
        findings.push(format!(
            "{lines} lines without tests, {LINES_MAX} are allowed"
        ));
    }
    for (number, line) in (1..).zip(text.lines()) {
        let found = FORBIDDEN.iter().filter(|(word, _)| line.contains(word));
        findings.extend(found.map(|(word, instead)| format!("line {number}: {word}: {instead}")));
    }
    findings
}

fn lines_without_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| {
        pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    });
    tests.unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(name: &str, text: &str) -> usize {
        check(Path::new(name), text).len()
    }

    #[test]
    fn the_first_line_says_what_the_file_is_for() {
        assert_eq!(findings("src/a.rs", "//! Counts.\n"), 0);
        assert_eq!(findings("src/a.rs", "use std::fmt;\n"), 1);
        assert_eq!(findings("src/a.rs", "\n//! Counts.\n"), 1);
    }

    #[test]
    fn tests_do_not_count_as_lines() {
        let long = format!("//! Long.\n{}", "\n".repeat(LINES_MAX));
        assert_eq!(findings("src/a.rs", &long), 1);
        assert_eq!(findings("crates/engine/tests/a.rs", &long), 0);
        let tested = format!(
            "//! Short.\n#[cfg(test)]\nmod tests {{\n{}}}\n",
            "\n".repeat(LINES_MAX)
        );
        assert_eq!(findings("src/a.rs", &tested), 0);
        let apart = format!(
            "//! Long.\n#[cfg(test)]\nmod tests;\n{}",
            "\n".repeat(LINES_MAX)
        );
        assert_eq!(findings("src/a.rs", &apart), 1);
    }

    #[test]
    fn forbidden_words_are_found_with_their_line() {
        for (word, _) in FORBIDDEN {
            let text = format!("//! Words.\nfn f() {{}}\n// {word}\n");
            let found = check(Path::new("src/a.rs"), &text);
            assert_eq!(found.len(), 1, "{word}: {found:?}");
            assert!(found[0].starts_with("line 3: "), "{found:?}");
        }
    }
}
