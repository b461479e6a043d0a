//! One worker process: started, written to, read from with deadlines, and gone for certain in the end.
//!
//! One thread does all of it: it waits for the three pipes together, so that neither a full pipe nor a silent worker can
//! hold it up for longer than the deadline.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::crew::Seat;
use super::incoming::Incoming;
use super::said::Said;

/// How long a worker may take to end by itself once its input has ended: to write down what it has, not to finish
/// anything.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// How long an end that has begun may take to be seen, so that the worker's own exit status is told and not ours.
const DYING: Duration = Duration::from_millis(200);

/// How often a worker that says nothing is looked after: it may have ended while something it started goes on.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often it is asked whether a process that should end has ended.
const ASK_EVERY: Duration = Duration::from_millis(2);

/// Bytes read at once: as much as a pipe holds.
const READ_BYTES: usize = 64 << 10;

/// The same of frames, which may be large.
const READ_BYTES_IN_FRAMES: usize = 256 << 10;

/// Bytes that a pipe holds which carries frames: as many as Linux gives to anybody who asks.
#[cfg(target_os = "linux")]
const PIPE_BYTES: i32 = 1 << 20;

/// Why a worker cannot be talked to any more.
#[derive(Debug)]
pub(super) enum Broke {
    /// Its output has ended.
    Ended,
    /// It said nothing until the deadline.
    Silent,
    /// A line or frame is longer than any may be.
    TooLong,
    /// The system failed.
    System(io::Error),
}

/// What is on its way to a worker.
#[derive(Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outgoing {
    pub(super) fn new(bytes: Vec<u8>) -> Outgoing {
        Outgoing { bytes, sent: 0 }
    }

    fn is_sent(&self) -> bool {
        self.sent == self.bytes.len()
    }
}

/// A process that runs, in a group of its own, so that a Ctrl-C meant for us does not reach it. Killed on drop, with
/// whatever it has started in its group.
pub(super) struct Process {
    child: Child,
    /// Closed to ask it to end; `None` after that, or when it has closed its end.
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    /// Whether it has been waited for, or is about to be.
    is_gone: bool,
    /// Whether its output has ended, as it does when the process ends.
    is_ended: bool,
    /// `None` at its end.
    stderr: Option<ChildStderr>,
    incoming: Incoming,
    /// Whether it writes frames, not lines.
    in_frames: bool,
    said: Said,
    seat: Seat,
    scratch: Box<[u8]>,
}

impl Process {
    /// Starts it. `words` are the program and its arguments, at least one.
    ///
    /// # Errors
    /// When the system cannot start it.
    pub(super) fn start(words: &[OsString], seat: Seat, said: Said) -> io::Result<Process> {
        let (program, arguments) = words
            .split_first()
            .map_or((OsStr::new(""), &[][..]), |(program, rest)| {
                (program.as_os_str(), rest)
            });
        let mut child = Command::new(program)
            .args(arguments)
            .env("INFLIGHT_WORKER", seat.number().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        seat.runs(child.id());
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let process = Process {
            child,
            stdin,
            stdout: stdout.expect("it was asked for"),
            is_gone: false,
            is_ended: false,
            stderr,
            incoming: Incoming::default(),
            in_frames: false,
            said,
            seat,
            scratch: vec![0; READ_BYTES].into(),
        };
        process.never_block()?;
        Ok(process)
    }

    /// Only our ends: the worker's wait as pipes do.
    fn never_block(&self) -> io::Result<()> {
        let mut pipes = vec![self.stdout.as_fd()];
        pipes.extend(self.stdin.as_ref().map(AsFd::as_fd));
        pipes.extend(self.stderr.as_ref().map(AsFd::as_fd));
        for pipe in pipes {
            fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(())
    }

    /// From now on it writes frames, not lines.
    pub(super) fn speaks_in_frames(&mut self) {
        self.in_frames = true;
        self.widen();
    }

    /// Frames may be large: the fewer pieces they go in, the seldomer two processes take turns.
    #[cfg(target_os = "linux")]
    fn widen(&mut self) {
        // Where the system allows no more, what there is does.
        let _ = fcntl(&self.stdout, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
        if let Some(stdin) = &self.stdin {
            let _ = fcntl(stdin, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
        }
        self.scratch = vec![0; READ_BYTES_IN_FRAMES].into();
    }

    #[cfg(not(target_os = "linux"))]
    fn widen(&mut self) {
        self.scratch = vec![0; READ_BYTES_IN_FRAMES].into();
    }

    /// Waits for the next line or frame, and meanwhile sends what is on its way.
    pub(super) fn next(
        &mut self,
        outgoing: &mut Outgoing,
        deadline: Instant,
    ) -> Result<Range<usize>, Broke> {
        loop {
            if let Some(whole) = self.cut() {
                return Ok(whole);
            }
            if self.incoming.is_too_long(self.in_frames) {
                return Err(Broke::TooLong);
            }
            let now = Instant::now();
            // Also for one that only writes to standard error, or a line that never ends.
            if now >= deadline {
                return Err(Broke::Silent);
            }
            match self.turn(outgoing, deadline.min(now + LOOK_EVERY)) {
                Err(Broke::Silent) if self.has_ended() => self.end_of_output()?,
                Ok(()) | Err(Broke::Silent) => {}
                Err(broke) => return Err(broke),
            }
        }
    }

    fn cut(&mut self) -> Option<Range<usize>> {
        match self.in_frames {
            true => self.incoming.frame(),
            false => self.incoming.line(),
        }
    }

    /// The bytes of the line or frame that came last.
    pub(super) fn get(&self, line: Range<usize>) -> &[u8] {
        self.incoming.get(line)
    }

    /// What it wrote though it was asked nothing: the last line of it.
    pub(super) fn unasked(&mut self) -> Option<Vec<u8>> {
        let mut last = None;
        while let Some(whole) = self.cut() {
            last = Some(self.incoming.get(whole).to_owned());
        }
        last
    }

    /// Whether it still talks, as far as that can be known without asking it anything.
    pub(super) fn is_open(&mut self) -> bool {
        let turn = self.turn(&mut Outgoing::default(), Instant::now());
        matches!(turn, Ok(()) | Err(Broke::Silent))
    }

    /// It has ended, but its output has not: something that it started still holds the other end.
    fn end_of_output(&mut self) -> Result<(), Broke> {
        match self.turn(&mut Outgoing::default(), Instant::now()) {
            Err(Broke::Silent) => {
                self.is_ended = true;
                Err(Broke::Ended)
            }
            more => more,
        }
    }

    /// Waits until one of the pipes has something for us or room, and serves it.
    fn turn(&mut self, outgoing: &mut Outgoing, deadline: Instant) -> Result<(), Broke> {
        let ready = self.ready(!outgoing.is_sent(), deadline)?;
        if ready.stderr {
            self.listen();
        }
        if ready.stdin {
            self.send(outgoing);
        }
        if ready.stdout {
            return self.receive();
        }
        Ok(())
    }

    fn ready(&self, wants_to_send: bool, deadline: Instant) -> Result<Ready, Broke> {
        let stdin = self.stdin.as_ref().filter(|_| wants_to_send);
        let of = |fd, flags| PollFd::new(fd, flags);
        let mut pipes = vec![of(self.stdout.as_fd(), PollFlags::POLLIN)];
        pipes.extend(stdin.map(|pipe| of(pipe.as_fd(), PollFlags::POLLOUT)));
        let stderr = self.stderr.as_ref();
        pipes.extend(stderr.map(|pipe| of(pipe.as_fd(), PollFlags::POLLIN)));
        match poll(&mut pipes, timeout(deadline)) {
            Ok(0) if Instant::now() >= deadline => Err(Broke::Silent),
            Ok(_) | Err(Errno::EINTR) => {
                let mut pipes = pipes.iter().map(|pipe| pipe.any().unwrap_or(true));
                Ok(Ready {
                    stdout: pipes.next().unwrap_or(false),
                    stdin: stdin.is_some() && pipes.next().unwrap_or(false),
                    stderr: stderr.is_some() && pipes.next().unwrap_or(false),
                })
            }
            Err(cause) => Err(Broke::System(cause.into())),
        }
    }

    fn send(&mut self, outgoing: &mut Outgoing) {
        let Some(stdin) = &mut self.stdin else { return };
        match stdin.write(&outgoing.bytes[outgoing.sent..]) {
            Ok(sent) => outgoing.sent += sent,
            Err(cause) if is_for_now(&cause) => {}
            // It reads no more, and may still have something to say: its output tells how it ends.
            Err(_) => self.stdin = None,
        }
    }

    fn receive(&mut self) -> Result<(), Broke> {
        match self.stdout.read(&mut self.scratch) {
            Ok(0) => {
                self.is_ended = true;
                Err(Broke::Ended)
            }
            Ok(read) => {
                self.incoming.add(&self.scratch[..read]);
                Ok(())
            }
            Err(cause) if is_for_now(&cause) => Ok(()),
            Err(cause) => Err(Broke::System(cause)),
        }
    }

    fn listen(&mut self) {
        let Some(stderr) = &mut self.stderr else {
            return;
        };
        match stderr.read(&mut self.scratch) {
            Ok(0) => self.stderr = None,
            Ok(read) => self.said.add(&self.scratch[..read]),
            Err(cause) if is_for_now(&cause) => {}
            Err(_) => self.stderr = None,
        }
    }

    /// Ends it, by force if need be, and says how it ended: for messages.
    pub(super) fn end(mut self) -> Ended {
        // Only one whose output has ended is on its way out; no other is waited for.
        let by_itself = self.is_ended && self.has_ended_within(DYING);
        let status = self.kill();
        // What it said last is in the pipe; more than a pipe holds cannot be.
        self.listen();
        Ended {
            status: status.filter(|_| by_itself),
            last_words: self.said.last_words().to_owned(),
        }
    }

    /// Lets it end: its input ends, and it has a moment to end by itself, until then at most.
    /// Gives the last line that it wrote though it was asked nothing.
    pub(super) fn close(mut self, leave_by: Option<Instant>) -> Option<Vec<u8>> {
        self.stdin = None;
        let deadline = Instant::now() + GRACE;
        let deadline = leave_by.map_or(deadline, |leave_by| deadline.min(leave_by));
        let mut unasked = self.unasked();
        while Instant::now() < deadline && self.turn(&mut Outgoing::default(), deadline).is_ok() {
            unasked = self.unasked().or(unasked);
            self.incoming.clear();
        }
        self.has_ended_within(deadline.saturating_duration_since(Instant::now()));
        unasked
    }

    fn has_ended_within(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        while !self.has_ended() {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(ASK_EVERY);
        }
        true
    }

    /// Whether it has ended. It is not waited for here, so that its number stays its own.
    #[cfg(target_os = "linux")]
    fn has_ended(&mut self) -> bool {
        use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
        let ask = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let process = Id::Pid(super::crew::pid(self.child.id()));
        !matches!(waitid(process, ask), Ok(WaitStatus::StillAlive))
    }

    /// Whether it has ended. Other systems cannot say so without giving its number away.
    #[cfg(not(target_os = "linux"))]
    fn has_ended(&mut self) -> bool {
        self.seat.ends();
        self.is_gone = !matches!(self.child.try_wait(), Ok(None));
        if !self.is_gone {
            self.seat.runs(self.child.id());
        }
        self.is_gone
    }

    /// Kills it with all that it has started in its group, and waits for it. The status is its own if it had ended before.
    fn kill(&mut self) -> Option<ExitStatus> {
        if !self.is_gone {
            super::crew::kill_group(self.child.id());
        }
        self.is_gone = true;
        // From here on its number may be that of another process.
        self.seat.ends();
        // Nothing survives that signal; only a process that the kernel itself holds up takes longer.
        self.child.wait().ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Which pipes are worth a look.
struct Ready {
    stdin: bool,
    stdout: bool,
    stderr: bool,
}

/// How a worker ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// `None` if it had to be killed.
    status: Option<ExitStatus>,
    /// On standard error; empty if there were none.
    last_words: String,
}

impl Ended {
    /// Whether it ended by itself and called that a success.
    pub(super) fn is_in_order(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "it ended ({status})")?,
            None => f.write_str("it was killed")?,
        }
        match self.last_words.as_str() {
            "" => Ok(()),
            words => write!(f, "; it said: {words}"),
        }
    }
}

fn is_for_now(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// Rounded up to what the system counts in; a deadline that is too far for it is asked for again.
fn timeout(deadline: Instant) -> PollTimeout {
    let left = deadline.saturating_duration_since(Instant::now());
    let left = left.saturating_add(Duration::from_nanos(999_999));
    PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
}
