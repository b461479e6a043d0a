//! Where secrets come from: the environment, a file or a command, so that no secret is an argument.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a command that prints a secret may take: it is asked while requests wait.
const COMMAND_MAX: Duration = Duration::from_secs(10);

/// Bytes of a secret at most; no header is longer.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// How often it is looked whether a command has ended.
const LOOK_AFTER: Duration = Duration::from_millis(10);

/// What `env:NAME`, `file:PATH` or the command of `exec:COMMAND` holds or prints; `None` for any other text.
///
/// Fails with a sentence that names the place, never what it holds.
pub(crate) fn read(place: &str) -> Result<Option<String>, String> {
    let secret = if let Some(name) = place.strip_prefix("env:") {
        std::env::var(name).map_err(|_| format!("environment variable {name} is not set"))?
    } else if let Some(path) = place.strip_prefix("file:") {
        std::fs::read_to_string(path).map_err(|cause| format!("cannot read {path}: {cause}"))?
    } else if let Some(command) = place.strip_prefix("exec:") {
        printed(command).map_err(|why| format!("command `{command}` {why}"))?
    } else {
        return Ok(None);
    };
    match secret.trim() {
        "" => Err(format!("{place} is empty")),
        secret => Ok(Some(secret.to_owned())),
    }
}

/// Whether a value says where a secret is to be found.
#[cfg(feature = "http")]
pub(crate) fn is_place(value: &str) -> bool {
    ["env:", "file:", "exec:"]
        .iter()
        .any(|scheme| value.starts_with(scheme))
}

/// Runs a command in a shell and takes what it prints.
fn printed(command: &str) -> Result<String, String> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|cause| format!("cannot be started: {cause}"))?;
    let stdout = child.stdout.take().expect("it was piped");
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        let read = stdout.take(SECRET_BYTES_MAX).read_to_string(&mut text);
        read.map(|_| text)
    });
    let deadline = Instant::now() + COMMAND_MAX;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => std::thread::sleep(LOOK_AFTER),
            Ok(None) => {
                // What it started may live on and hold the pipe: nobody waits for the reader then.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("took longer than {COMMAND_MAX:.0?}"));
            }
            Err(cause) => return Err(format!("cannot be waited for: {cause}")),
        }
    };
    if !status.success() {
        return Err(format!("failed: {status}"));
    }
    match reader.join() {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(cause)) => Err(format!("printed no text: {cause}")),
        Err(_) => Err("could not be read".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_what_a_place_holds() {
        assert_eq!(read("plain"), Ok(None));
        assert_eq!(read("exec:printf ' a b\\n'"), Ok(Some("a b".into())));
        let message = |place: &str| read(place).unwrap_err();
        assert!(message("exec:true").contains("is empty"));
        assert!(message("exec:echo canary; exit 3").contains("exit status: 3"));
        assert!(!message("exec:printf can''ary; exit 3").contains("canary"));
        assert!(message("env:NO_SUCH_VARIABLE").contains("is not set"));
    }
}
