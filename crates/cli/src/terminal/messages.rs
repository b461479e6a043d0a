//! What is said to people on standard error, above the bars and never through them.
//!
//! A message that cannot be written is lost: there is nobody left to tell.

use std::fmt::Display;
use std::io::{self, Write};

use indicatif::{MultiProgress, ProgressDrawTarget};

use crate::flags::output::OutputArgs;
use crate::flags::shell::is_control;

/// Speaks on standard error. Clones share the bars.
#[derive(Clone, Debug)]
pub(crate) struct Messages {
    loudness: Loudness,
    /// `None` until a bar may be drawn: most runs of scripts never have one.
    bars: Option<MultiProgress>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Loudness {
    Quiet,
    Usual,
    Verbose,
}

impl Messages {
    /// As loud as the flags say.
    pub(crate) fn new(output: &OutputArgs, with_bars: bool) -> Messages {
        let loudness = match (output.quiet, output.verbose) {
            (true, _) => Loudness::Quiet,
            (false, true) => Loudness::Verbose,
            (false, false) => Loudness::Usual,
        };
        let bars = with_bars
            .then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)));
        Messages { loudness, bars }
    }

    /// Says nothing.
    #[cfg(test)]
    pub(crate) fn silent() -> Messages {
        let (loudness, bars) = (Loudness::Quiet, None);
        Messages { loudness, bars }
    }

    /// The bars, where there are any.
    pub(crate) fn bars(&self) -> Option<&MultiProgress> {
        self.bars.as_ref()
    }

    /// Takes the bars away, for what follows to stand where they stood.
    pub(crate) fn clear_bars(&self) {
        if let Some(bars) = &self.bars {
            // Fails only when the terminal is gone.
            let _ = bars.clear();
        }
    }

    /// Whether details are wanted, so that nobody formats them in vain.
    pub(crate) fn is_verbose(&self) -> bool {
        self.loudness == Loudness::Verbose
    }

    /// Says something useful, unless `-q`.
    pub(crate) fn say(&self, message: impl Display) {
        if self.loudness >= Loudness::Usual {
            self.always(message);
        }
    }

    /// Says something that only `-v` asks for.
    pub(crate) fn detail(&self, message: impl Display) {
        if self.loudness >= Loudness::Verbose {
            self.always(message);
        }
    }

    /// Says something that must be said, also with `-q`.
    pub(crate) fn always(&self, message: impl Display) {
        match &self.bars {
            Some(bars) => bars.suspend(|| line(&message)),
            None => line(&message),
        }
    }
}

/// The text without characters on which a terminal would act: file names and answers of services may hold any. Our own line
/// ends and tabs stay.
fn plain(text: &str) -> String {
    let is_kept = |c: char| matches!(c, '\n' | '\t') || !is_control(c);
    if text.chars().all(is_kept) {
        return text.to_owned();
    }
    let shown = |c: char| match is_kept(c) {
        true => c.to_string(),
        false => format!("\\u{{{:x}}}", u32::from(c)),
    };
    text.chars().map(shown).collect()
}

/// One line on standard error.
pub(crate) fn line(message: &impl Display) {
    // In one piece, so that lines of several threads do not mix.
    let text = plain(&message.to_string()) + "\n";
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
