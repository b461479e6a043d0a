//! A pipe or terminal that lines are written to, open: a reader may be slow, and waiting for it can be given up.
//!
//! Nothing can be taken back from a pipe. A line that was begun is ended before anything else is written, so that the
//! reader sees whole lines only.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use inflight::Fault;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::output::{fault_of, lock};

/// How long a write waits for the reader before it looks whether it was given up: less than anybody notices.
const LOOK_EVERY_MS: u8 = 10;

/// The open pipe.
#[derive(Debug)]
pub(crate) struct OpenPipe {
    /// Never blocks.
    pipe: File,
    title: String,
    /// What is missing of a line that was begun.
    rest: Mutex<Vec<u8>>,
    is_given_up: AtomicBool,
}

impl OpenPipe {
    /// Over a file that was opened so that writing does not block.
    pub(crate) fn new(pipe: File, title: String) -> OpenPipe {
        OpenPipe {
            pipe,
            title,
            rest: Mutex::default(),
            is_given_up: AtomicBool::new(false),
        }
    }

    /// Writes whole lines, as quickly as they are read.
    pub(crate) fn append(&self, lines: &[u8]) -> Result<(), Fault> {
        let mut rest = lock(&self.rest);
        let (written, outcome) = self.write(&rest);
        rest.drain(..written);
        outcome.map_err(|cause| self.fault(cause, written))?;
        let (written, outcome) = self.write(lines);
        if outcome.is_err() {
            let is_begun = written > 0 && lines[written - 1] != b'\n';
            let end = memchr::memchr(b'\n', &lines[written..]).filter(|_| is_begun);
            *rest = end.map_or_else(Vec::new, |end| lines[written..=written + end].to_vec());
        }
        outcome.map_err(|cause| self.fault(cause, written))
    }

    /// Lets go of whoever waits for the reader.
    pub(crate) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Release);
    }

    /// Lets somebody wait again.
    pub(crate) fn take_up(&self) {
        self.is_given_up.store(false, Ordering::Release);
    }

    /// Writes as much as it can, and says how much that was.
    fn write(&self, bytes: &[u8]) -> (usize, io::Result<()>) {
        let mut written = 0;
        while written < bytes.len() {
            match (&self.pipe).write(&bytes[written..]) {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(more) => written += more,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {
                    if self.is_given_up.load(Ordering::Acquire) {
                        return (written, Err(io::ErrorKind::TimedOut.into()));
                    }
                    let mut waiting = [PollFd::new(self.pipe.as_fd(), PollFlags::POLLOUT)];
                    // Whatever it says, the next write says it better.
                    let _ = poll(&mut waiting, PollTimeout::from(LOOK_EVERY_MS));
                }
                Err(cause) => return (written, Err(cause)),
            }
        }
        (written, Ok(()))
    }

    /// Whoever reads is gone for good, so that nothing is sent any more; else it was slow.
    fn fault(&self, cause: io::Error, written: usize) -> Fault {
        let fault = match cause.kind() {
            io::ErrorKind::BrokenPipe => {
                Fault::storage(format!("{}: nobody reads it any more", self.title))
            }
            _ => fault_of(&self.title, cause),
        };
        if written > 0 {
            return fault.but_in_doubt();
        }
        fault
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use nix::fcntl::OFlag;
    use nix::unistd::pipe2;

    use super::*;

    fn pipe() -> (File, OpenPipe) {
        let (read, write) = pipe2(OFlag::O_NONBLOCK).unwrap();
        let file = |end: OwnedFd| File::from(end);
        (
            file(read),
            OpenPipe::new(file(write), "cannot write to p".into()),
        )
    }

    #[test]
    fn a_reader_sees_whole_lines_though_writing_was_given_up() {
        let (mut reader, pipe) = pipe();
        let lines: Vec<u8> = (0..100_000)
            .flat_map(|n| format!("{n}\n").into_bytes())
            .collect();
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| pipe.append(&lines));
            std::thread::sleep(Duration::from_millis(30));
            pipe.give_up();
            let fault = writing.join().unwrap().unwrap_err();
            assert_eq!(fault.verdict(), inflight::Verdict::InDoubt);
        });
        let mut read = vec![0; lines.len()];
        let mut length = reader.read(&mut read).unwrap();
        assert!(length > 0 && length < lines.len());
        pipe.take_up();
        pipe.append(b"next\n").unwrap();
        length += reader.read(&mut read[length..]).unwrap();
        let text = String::from_utf8(read[..length].to_vec()).unwrap();
        let mut seen = text.lines();
        assert_eq!(seen.next_back(), Some("next"));
        assert!(seen.enumerate().all(|(at, line)| line == at.to_string()));
    }

    #[test]
    fn a_reader_that_is_gone_ends_the_run() {
        let (reader, pipe) = pipe();
        drop(reader);
        let fault = pipe.append(b"1\n").unwrap_err();
        assert!(fault.to_string().contains("nobody reads it any more"));
    }
}
