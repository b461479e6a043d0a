//! What a worker says on standard error: shown line by line, bounded, and the best of it kept for when it ends.

use std::sync::Arc;

use super::protocol::cut;

/// Lines of one process that are shown; a worker that writes one for each item would bury everything else.
const LINES_MAX: u32 = 1000;

/// Bytes of a line that are looked at; the rest is skipped.
const LINE_MAX: usize = 4096;

/// Takes a line that a worker said, with the worker's number.
pub(super) type Listener = Arc<dyn Fn(usize, &str) + Send + Sync>;

/// One process's standard error.
pub(super) struct Said {
    worker: usize,
    listener: Option<Listener>,
    /// The line that is coming, as far as it is looked at.
    line: Vec<u8>,
    lines: u32,
    last: String,
}

impl Said {
    pub(super) fn new(worker: usize, listener: Option<Listener>) -> Said {
        Said {
            worker,
            listener,
            line: Vec::new(),
            lines: 0,
            last: String::new(),
        }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            let room = LINE_MAX - self.line.len();
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    /// What tells best why it ended: the last line that names an error, else the last one. Empty if there was none.
    pub(super) fn last_words(&mut self) -> &str {
        self.end_line();
        &self.last
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(self.line.trim_ascii_end()).into_owned();
        self.line.clear();
        if line.trim().is_empty() {
            return;
        }
        self.show(&line);
        if names_error(&line) || !names_error(&self.last) {
            self.last = cut(line.trim());
        }
    }

    fn show(&mut self, line: &str) {
        let Some(listener) = &self.listener else {
            return;
        };
        self.lines += 1;
        match self.lines {
            ..=LINES_MAX => listener(self.worker, &cut(line)),
            lines if lines == LINES_MAX + 1 => listener(self.worker, "… (more is not shown)"),
            _ => self.lines = LINES_MAX + 1,
        }
    }
}

/// Below the error many languages print where it happened, or their own version.
fn names_error(line: &str) -> bool {
    ["rror", "xception", "panicked"]
        .iter()
        .any(|word| line.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn check(text: &str, last: &str) {
        let mut said = Said::new(0, None);
        said.add(text.as_bytes());
        assert_eq!(said.last_words(), last);
    }

    #[test]
    fn the_line_that_names_the_error_is_kept() {
        check("", "");
        check("one\ntwo\n\n", "two");
        check(
            "Traceback\n  File x\nValueError: boom\n",
            "ValueError: boom",
        );
        check("Error: boom\n    at x.js:1\n\nNode.js v20\n", "Error: boom");
        check("without an end", "without an end");
    }

    #[test]
    fn what_is_shown_is_bounded_in_lines_and_in_bytes() {
        let shown = Arc::new(Mutex::new(Vec::new()));
        let listener: Listener = {
            let shown = Arc::clone(&shown);
            Arc::new(move |worker, line| shown.lock().unwrap().push((worker, line.to_owned())))
        };
        let mut said = Said::new(3, Some(listener));
        said.add(&[b'x'; 1 << 20]);
        assert!(said.line.len() <= LINE_MAX);
        said.add(b"\n");
        (0..5000).for_each(|_| said.add(b"again\n"));
        let shown = shown.lock().unwrap();
        assert_eq!(shown.len(), 1001);
        assert!(
            shown
                .iter()
                .all(|(worker, line)| *worker == 3 && line.len() < 400)
        );
        assert!(shown[1000].1.contains("not shown"));
    }
}
