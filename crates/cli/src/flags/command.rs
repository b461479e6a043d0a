//! The command that was typed, so that it can be typed again: to go on with a run, to try its dead letters again.

use std::env;

use inflight::Command;

use crate::flags::secrets::public;
use crate::flags::shell;

/// How this process was started, without passwords and tokens.
pub(crate) fn this() -> Command {
    Command {
        folder: env::current_dir()
            .map_or_else(|_| String::new(), |folder| folder.display().to_string()),
        words: env::args_os()
            .map(|word| public(&word.to_string_lossy()))
            .collect(),
    }
}

/// Whether a password or token was typed, which no command that is shown repeats.
pub(crate) fn has_secrets() -> bool {
    env::args_os().any(|word| {
        let word = word.to_string_lossy();
        public(&word) != word
    })
}

/// The words as a shell reads them, without `--fresh`, which would start over instead of going on.
///
/// Quoted with double quotes, so that the whole may stand between single ones.
pub(crate) fn shown(words: &[String]) -> String {
    let kept = words.iter().filter(|word| *word != "--fresh");
    kept.map(|word| shell::double_quoted(word))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A command as the value of a variable, in single quotes.
pub(crate) fn assigned(command: &str) -> String {
    format!("'{}'", command.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_the_terminal() {
        let word = |text: &str| shown(&[text.to_owned()]);
        assert_eq!(word("a\u{202e}b"), r"$'a\xe2\x80\xaeb'");
        assert_eq!(word("it's \\ \x1b[2J\n"), r"$'it\x27s \\ \x1b[2J\x0a'");
        assert_eq!(word("값"), "값");
    }

    #[test]
    fn a_shell_reads_the_words_as_they_were() {
        let words = [
            "inflight",
            "run",
            "a b.txt",
            "--fresh",
            "--save",
            "lab:?latency=100ms&fail=5%",
            "it's",
            "$HOME `x` \"y\" \\",
            "",
            "값.txt",
        ]
        .map(str::to_owned);
        let command = shown(&words);
        let script = format!(
            "printf '%s|' {command}; resume={}; test \"$resume\" = \"$0\"",
            assigned(&command)
        );
        let shell = std::process::Command::new("sh")
            .args(["-c", &script, &command])
            .output()
            .unwrap();
        assert!(shell.status.success(), "{command}");
        let mut expected = words.to_vec();
        expected.retain(|word| word != "--fresh");
        assert_eq!(
            String::from_utf8(shell.stdout).unwrap(),
            expected.join("|") + "|"
        );
    }
}
