//! Runs the binary and takes its words apart.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// Where commands keep their state that need none of their own: never in the folder of who runs the tests.
pub(crate) const STATE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/state");

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// After so long a command is taken for hung: far more than any of them takes, on a machine that does other things too. The
/// longest compares four strategies at a service that needs half a minute for each.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs a command line; words are separated by blanks, and a `'` keeps blanks together.
#[track_caller]
pub(crate) fn inflight(line: &str) -> Outcome {
    inflight_with(line, "")
}

/// The same with this on standard input.
#[track_caller]
pub(crate) fn inflight_with(line: &str, stdin: &str) -> Outcome {
    let state = tempfile::tempdir().unwrap();
    inflight_in(state.path(), line, stdin)
}

/// The same with this state folder, as one run of several.
#[track_caller]
pub(crate) fn inflight_in(state: &Path, line: &str, stdin: &str) -> Outcome {
    let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_inflight"))
        .args(words(line))
        .env("XDG_STATE_HOME", state)
        .env("COLUMNS", "100")
        .write_stdin(stdin)
        .timeout(PATIENCE)
        .output()
        .unwrap();
    Outcome {
        code: output.status.code().expect("the command ends by itself"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The same with other variables in the environment.
#[track_caller]
pub(crate) fn inflight_with_env(line: &str, env: &[(&str, &str)]) -> Outcome {
    let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_inflight"))
        .args(words(line))
        .envs(env.iter().copied())
        .timeout(PATIENCE)
        .output()
        .unwrap();
    Outcome {
        code: output.status.code().expect("the command ends by itself"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Outcome {
    /// The last line on standard error.
    pub(crate) fn last_line(&self) -> &str {
        self.stderr.lines().last().unwrap_or_default()
    }

    /// The counts of the last line, without the command that resumes.
    pub(crate) fn counts(&self) -> &str {
        self.last_line()
            .split(" resume=")
            .next()
            .unwrap_or_default()
    }

    /// Fails with everything that was printed unless the code is this.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Outcome {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// A command that is still running; killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// Deleted with it, where it is its own.
    _state: Option<TempDir>,
}

impl Running {
    pub(crate) fn start(line: &str) -> Running {
        let state = tempfile::tempdir().unwrap();
        let mut running = Running::start_in(state.path(), line);
        running._state = Some(state);
        running
    }

    /// The same with this state folder, as one run of several.
    pub(crate) fn start_in(state: &Path, line: &str) -> Running {
        let mut child = Command::new(env!("CARGO_BIN_EXE_inflight"))
            .args(words(line))
            .env("XDG_STATE_HOME", state)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Running {
            child,
            stdout,
            _state: None,
        }
    }

    /// The next line on standard output.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    /// The next line on standard error, which is no part of the outcome then.
    pub(crate) fn told(&mut self) -> String {
        let stderr = self.child.stderr.as_mut().unwrap();
        // Byte by byte: what follows is for whoever asks next.
        let (mut line, mut byte) = (Vec::new(), [0]);
        while stderr.read(&mut byte).unwrap() == 1 && byte != [b'\n'] {
            line.extend(byte);
        }
        String::from_utf8(line).unwrap()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Sends a signal such as `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let kill = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
    }

    /// Ends it as a crash would; what it came to, if it had ended before.
    pub(crate) fn kill_unless_ended(mut self) -> Option<Outcome> {
        if self.child.try_wait().unwrap().is_some() {
            return Some(self.end());
        }
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        // It may have ended just in time.
        status.code().is_some().then(|| self.end())
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Outcome {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.stdout.read_to_string(&mut stdout).unwrap();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        let code = self
            .child
            .wait()
            .unwrap()
            .code()
            .expect("the command ends by itself");
        Outcome {
            code,
            stdout,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails when it has ended, as it should have.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A lab in a process of its own, and where it listens.
pub(crate) fn lab(flags: &str) -> (Running, String) {
    let mut lab = Running::start(&format!("lab --listen 127.0.0.1:0 {flags}"));
    let line = lab.line();
    let address = line
        .strip_prefix("serving http://")
        .and_then(|rest| rest.split(':').nth(1));
    let port = address.unwrap_or_else(|| panic!("{line}"));
    let address = format!("127.0.0.1:{port}");
    (lab, address)
}

/// The body of the answer to a GET.
pub(crate) fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: lab\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    body.to_owned()
}

/// A command line as words.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut kept = false;
    for letter in line.chars() {
        match letter {
            '\'' => kept = !kept,
            ' ' if !kept => words.push(String::new()),
            _ => words.last_mut().unwrap().push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
