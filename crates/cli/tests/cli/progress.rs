//! Progress as a real terminal shows it: in 100 and in 40 columns, without colours, on one that knows none, and in a pipe.

use std::fs::File;
use std::io::Read;
use std::net::TcpListener;
use std::num::NonZero;
use std::process::{Command, Stdio};

use nix::pty::{OpenptyResult, Winsize, openpty};

use crate::support::{STATE, inflight, words};

/// A run of a second and a half, in which computing is what limits.
const JOB: &str =
    "run 0..300 --compute sleep:10ms -j 2 -c 100 --save lab:?latency=20ms --no-journal";

/// What a terminal saw: every picture of its screen that differed from the one before, and all bytes.
struct Seen {
    screens: Vec<Vec<String>>,
    bytes: String,
}

/// Runs a command on a terminal of so many columns.
fn on_terminal(line: &str, columns: u16, env: &[(&str, &str)]) -> Seen {
    on_terminal_leaving(line, columns, env, 0)
}

/// The same of a command that leaves with this code.
fn on_terminal_leaving(line: &str, columns: u16, env: &[(&str, &str)], code: i32) -> Seen {
    let size = Winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let OpenptyResult { master, slave } = openpty(Some(&size), None).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_inflight"))
        .args(words(line))
        .env("XDG_STATE_HOME", STATE)
        .env("TERM", "xterm-256color")
        .env_remove("NO_COLOR")
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(slave)
        .spawn()
        .unwrap();
    let sides = [24, columns].map(|side| NonZero::new(side).unwrap());
    let mut screen = vt100::Parser::new(sides[0], sides[1], 0);
    let mut seen = Seen {
        screens: Vec::new(),
        bytes: String::new(),
    };
    let (mut master, mut buffer) = (File::from(master), [0; 4096]);
    // Linux says that it cannot be read any more when nobody has the other end.
    while let Ok(count @ 1..) = master.read(&mut buffer) {
        screen.process(&buffer[..count]);
        seen.bytes
            .push_str(&String::from_utf8_lossy(&buffer[..count]));
        let rows: Vec<String> = {
            let rows = screen.screen().rows(0, columns);
            rows.map(|row| row.trim_end().to_owned()).collect()
        };
        if seen.screens.last() != Some(&rows) {
            seen.screens.push(rows);
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(code), "{}", seen.bytes);
    seen
}

impl Seen {
    /// The first two lines in the middle of the run.
    fn middle(&self) -> (&str, &str) {
        let screens = self
            .screens
            .iter()
            .filter(|screen| screen[1].contains("limited"));
        let screens: Vec<_> = screens.collect();
        let middle = screens
            .get(screens.len() / 2)
            .expect("a line says what limits");
        // A line that is too long would go on in the next.
        assert!(middle[2..].iter().all(String::is_empty), "{middle:?}");
        (&middle[0], &middle[1])
    }

    fn last(&self) -> &[String] {
        self.screens.last().unwrap()
    }
}

#[test]
fn a_wide_terminal_sees_all_of_it() {
    let seen = on_terminal(JOB, 120, &[]);
    let (bar, limits) = seen.middle();
    for part in [
        "run █",
        "░ ",
        " of 300, ",
        "/s, ",
        "/100 in flight, ",
        " s to go",
    ] {
        assert!(bar.contains(part), "{part}: {bar}");
    }
    assert!(
        limits.ends_with("limited by computing: 2 items at a time; if they wait, raise --jobs"),
        "{limits}"
    );
    assert!(seen.bytes.contains("\x1b[36m"));
    // The bar goes away for what it came to, and the last line is there for scripts.
    assert_eq!(seen.last()[0], "saved=300 dead=0 in_doubt=0 left=0");
    assert_eq!(seen.last()[1], "");
}

#[test]
fn forty_columns_are_enough() {
    let seen = on_terminal(JOB, 40, &[]);
    let (bar, limits) = seen.middle();
    assert!(
        bar.starts_with("run █") && bar.ends_with("s to go"),
        "{bar}"
    );
    assert!(bar.contains(" of 300"), "{bar}");
    assert!(limits.starts_with("  limited by computing: "), "{limits}");
}

#[test]
fn no_colour_is_used_where_none_is_wanted() {
    let seen = on_terminal(JOB, 100, &[("NO_COLOR", "1")]);
    assert!(seen.middle().0.contains("run █"));
    let sets_colour = |sequence: &str| {
        let code = sequence
            .split(|letter: char| letter.is_ascii_alphabetic())
            .next();
        let after =
            sequence.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ';');
        after.starts_with('m') && code != Some("0")
    };
    let coloured = seen
        .bytes
        .split("\x1b[")
        .skip(1)
        .filter(|sequence| sets_colour(sequence));
    assert_eq!(coloured.count(), 0, "{:?}", seen.bytes);
}

#[test]
fn a_dumb_terminal_gets_lines() {
    let seen = on_terminal(JOB, 80, &[("TERM", "dumb")]);
    assert_eq!(seen.bytes, "saved=300 dead=0 in_doubt=0 left=0\r\n");
}

#[test]
fn a_pipe_gets_a_line_every_ten_seconds() {
    let outcome =
        inflight("run 0..110 --compute sleep:100ms -j 1 --save lab:?latency=5ms --no-journal")
            .expect(0);
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].starts_with("run: ") && lines[0].contains(" of 110, "),
        "{lines:?}"
    );
    assert!(
        lines[0].ends_with(" s to go; limited by computing on one thread"),
        "{lines:?}"
    );
    assert_eq!(lines[1], "saved=110 dead=0 in_doubt=0 left=0");
    assert!(!outcome.stderr.contains('\x1b'));
}

#[test]
fn an_outage_says_what_it_waits_for() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let line = format!("run 0..5 --save http://{address}/add --no-journal");
    let seen = on_terminal_leaving(&line, 100, &[], 4);
    let waiting = |screen: &Vec<String>| {
        let said = |line: &String| line.contains("waiting for the service, away for");
        screen.iter().any(said)
    };
    let waits = seen.screens.iter().filter(|screen| waiting(screen)).count();
    assert!(waits > 1, "{:?}", seen.bytes);
}
