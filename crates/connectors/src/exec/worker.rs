//! One compute thread's worker: has a process, gives it items, and tells its answers from its ends.
//!
//! A process that ends in order, or has done as many items as it may, is replaced and nobody hears of it. What a failure means
//! is in its verdict: unreached if there is no worker to ask or the run ends, in doubt if there was one and it broke, else what
//! the worker itself said.

use std::sync::Arc;
use std::time::{Duration, Instant};

use inflight::{Fault, Record, Reply, Stop};

use super::crew::Shared;
use super::frames::{self, FRAME_MAX, Frames};
use super::incoming::LINE_MAX;
use super::process::{Broke, Ended, Outgoing, Process};
use super::protocol::{Answer, BATCH_MAX, Found, Hello, answers, printed, write_item};
use super::said::Said;
use crate::payload::Payload;

/// How long a worker may take until it says hello: an interpreter and its libraries take a few seconds on a busy machine.
/// What takes longer to load can be loaded with the first item.
const HELLO: Duration = Duration::from_secs(30);

/// Bytes of items in a line, at most, unless one item is larger: keeps answers that are a few times larger within the
/// bound of a line.
const LINE_BYTES: usize = 1 << 20;

/// How long nobody has answered anything when the user is asked whether answers are flushed: longer than most first items
/// take, shorter than people wait.
const NO_ANSWER: Duration = Duration::from_secs(5);

/// How often whoever waits for an answer looks whether the run ends: soon for a person, seldom for a core.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A process that has said hello.
pub(super) struct Started {
    process: Process,
    hello: Hello,
    /// Items it has answered.
    answered: u64,
}

impl Started {
    /// Starts a process and waits for its hello.
    ///
    /// # Errors
    /// Why there is none: for messages.
    pub(super) fn new(shared: &Arc<Shared>, stop: &Stop) -> Result<Started, String> {
        let seat = shared.seat();
        let said = Said::new(seat.number(), shared.listener.clone());
        let mut process = Process::start(&shared.words, seat, said)
            .map_err(|cause| format!("failed to start the worker: {cause}"))?;
        let deadline = Instant::now() + HELLO;
        let outcome = loop {
            let outcome = process.next(&mut Outgoing::default(), next_look(deadline));
            let is_due = Instant::now() >= deadline || shared.is_time_to_leave(stop);
            if is_due || !matches!(outcome, Err(Broke::Silent)) {
                break outcome;
            }
        };
        let hello = match outcome {
            Ok(line) => Hello::parse(process.get(line)),
            Err(Broke::Silent) if stop.is_wanted() => Err("the run ends".into()),
            Err(Broke::Silent) => Err(format!("the worker said no hello within {HELLO:?}")),
            Err(broke) => Err(format!("the worker said no hello: {}", how(&broke))),
        };
        let ready = hello.and_then(|hello| {
            if hello.in_frames {
                process.speaks_in_frames();
            }
            if let Some(setup) = &shared.setup {
                set_up(&mut process, hello, setup, shared, stop)?;
            }
            Ok(hello)
        });
        match ready {
            Ok(hello) => Ok(Started {
                process,
                hello,
                answered: 0,
            }),
            Err(why) => Err(format!("{why}; {}", process.end())),
        }
    }

    /// Itself, unless it has ended meanwhile.
    fn if_open(mut self) -> Option<Started> {
        self.process.is_open().then_some(self)
    }
}

/// Tells a worker what it is to do, and waits until it is ready. It may load what it needs for as long as an item may take.
fn set_up(
    process: &mut Process,
    hello: Hello,
    setup: &[u8],
    shared: &Shared,
    stop: &Stop,
) -> Result<(), String> {
    if !hello.in_frames {
        return Err(
            "it speaks version 1 of the protocol, and has to be set up, which version 2 can".into(),
        );
    }
    let mut outgoing = Outgoing::new(Frames::setup(setup));
    let deadline = Instant::now() + shared.timeout;
    loop {
        match process.next(&mut outgoing, next_look(deadline)) {
            Ok(frame) => return frames::is_ready(process.get(frame)),
            Err(Broke::Silent) if shared.is_time_to_leave(stop) => {
                return Err("the run ends".into());
            }
            Err(Broke::Silent) if Instant::now() < deadline => {}
            Err(broke) => return Err(format!("it was not ready: {}", how(&broke))),
        }
    }
}

/// The worker of one thread.
pub(super) struct Worker {
    shared: Arc<Shared>,
    /// Says when the run ends.
    stop: Stop,
    /// Started when there are items, and again after it broke.
    started: Option<Started>,
}

/// Why a process will not answer what it has been asked.
enum Parted {
    /// It ended in order, after it had answered something: another goes on.
    Ended,
    /// This is to be said of the items.
    Fault(Fault),
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, stop: &Stop) -> Worker {
        let started = shared.take_first();
        Worker {
            shared,
            stop: stop.clone(),
            started,
        }
    }

    /// Lets processes compute these: one, unless it ends in order before it has answered all.
    pub(super) fn compute(&mut self, bulk: &[Record<Payload>]) -> Reply<Payload> {
        let mut asked = Asked::new(bulk);
        while !asked.is_over() {
            let talked = self.ready().map_err(Parted::Fault).and_then(|started| {
                let left = self.shared.left_of(started.answered);
                let words = match started.hello.in_frames {
                    true => asked.frames(started.hello, left),
                    false => asked.lines(started.hello, left),
                };
                self.talk(started, &mut asked, Outgoing::new(words))
            });
            match talked {
                Ok(started) => self.started = Some(started),
                Err(Parted::Ended) => {}
                Err(Parted::Fault(fault)) => asked.give_up(&fault),
            }
        }
        Reply::Each(asked.outcomes())
    }

    /// Waits for the answers to what is asked.
    fn talk(
        &self,
        mut started: Started,
        asked: &mut Asked<'_>,
        mut outgoing: Outgoing,
    ) -> Result<Started, Parted> {
        let began = Instant::now();
        let mut deadline = began + self.shared.timeout;
        while asked.missing > 0 {
            if self.shared.is_time_to_leave(&self.stop) {
                let ended = started.process.end();
                let left = format!("the run ended before the worker answered; {ended}");
                return Err(Parted::Fault(Fault::unreached(left)));
            }
            let outcome = started.process.next(&mut outgoing, next_look(deadline));
            let taken = match outcome {
                Ok(words) => {
                    let before = asked.missing;
                    let words = started.process.get(words);
                    let answers = match started.hello.in_frames {
                        true => frames::answers(words),
                        false => answers(words, before == 1),
                    };
                    let taken = answers.and_then(|answers| asked.take(answers));
                    started.answered += (before - asked.missing) as u64;
                    deadline = Instant::now() + self.shared.timeout;
                    self.shared.has_answered(&taken);
                    taken
                }
                Err(Broke::Silent) if Instant::now() < deadline => {
                    if started.answered == 0 && began.elapsed() >= NO_ANSWER {
                        self.shared.nothing_is_answered(NO_ANSWER);
                    }
                    Ok(())
                }
                Err(Broke::Silent) => {
                    let time = humantime::format_duration(self.shared.timeout);
                    Err(format!("it gave no answer within {time}"))
                }
                Err(broke) => Err(how(&broke).to_string()),
            };
            if let Err(why) = taken {
                let has_answered = started.answered > 0;
                return Err(parted(&why, has_answered, &started.process.end()));
            }
        }
        Ok(started)
    }

    /// Lets a process end that was asked for the last time.
    fn close(&self, started: Started) {
        let in_frames = started.hello.in_frames;
        let unasked = started.process.close(self.shared.leave_by(&self.stop));
        // What stands between frames is no print: standard output is not theirs.
        if let Some(line) = unasked.filter(|_| !in_frames) {
            self.shared.printed(&printed(&line));
        }
    }

    /// A process that waits for items. One that has ended meanwhile, between two items, is replaced, and so is one that has done as
    /// many as it may.
    fn ready(&mut self) -> Result<Started, Fault> {
        let waiting = self.started.take();
        if let Some(mut started) = waiting.and_then(Started::if_open) {
            if let Some(line) = started.process.unasked() {
                self.shared.printed(&printed(&line));
            }
            if self.shared.left_of(started.answered) > 0 {
                return Ok(started);
            }
            self.close(started);
        }
        Started::new(&self.shared, &self.stop).map_err(Fault::unreached)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(started) = self.started.take() {
            self.close(started);
        }
    }
}

fn next_look(deadline: Instant) -> Instant {
    deadline.min(Instant::now() + LOOK_EVERY)
}

/// What it means that a process can be asked no more.
fn parted(why: &str, has_answered: bool, ended: &Ended) -> Parted {
    if has_answered && ended.is_in_order() {
        return Parted::Ended;
    }
    Parted::Fault(Fault::in_doubt(format!("the worker broke: {why}; {ended}")))
}

fn how(broke: &Broke) -> String {
    match broke {
        Broke::Ended => "its output ended".into(),
        Broke::Silent => "it said nothing".into(),
        Broke::TooLong => format!(
            "it wrote a line of more than {} MiB, or a frame of more than {}",
            LINE_MAX >> 20,
            FRAME_MAX >> 20
        ),
        Broke::System(cause) => format!("its pipes failed: {cause}"),
    }
}

/// What is to be asked, and what has been answered. Pure.
struct Asked<'a> {
    bulk: &'a [Record<Payload>],
    answered: Vec<Option<Result<Payload, Fault>>>,
    /// How many answers have yet to come to what was asked last.
    missing: usize,
    /// The places that were asked last are before this.
    until: usize,
    /// Where the next answer belongs, if they come in the order in which they were asked for.
    next: usize,
}

impl<'a> Asked<'a> {
    fn new(bulk: &'a [Record<Payload>]) -> Asked<'a> {
        Asked {
            bulk,
            answered: bulk.iter().map(|_| None).collect(),
            missing: 0,
            until: 0,
            next: 0,
        }
    }

    /// Whether nothing is left to be asked.
    fn is_over(&self) -> bool {
        self.answered.iter().all(Option::is_some)
    }

    /// Asks for what has not been answered, for so many items at most.
    fn lines(&mut self, hello: Hello, most: u64) -> Vec<u8> {
        let mut lines = Vec::new();
        let mut line = Line::new(hello);
        self.ask_for(most, |record| line.add(record, &mut lines));
        line.end(&mut lines);
        lines
    }

    /// Hands over what has not been answered, so many items at most.
    fn ask_for(
        &mut self,
        most: u64,
        mut hand_over: impl FnMut(&Record<Payload>) -> Result<(), Fault>,
    ) {
        (self.missing, self.until, self.next) = (0, 0, 0);
        for (place, record) in self.bulk.iter().enumerate() {
            if self.missing as u64 == most {
                break;
            }
            self.until = place + 1;
            if self.answered[place].is_some() {
                continue;
            }
            match hand_over(record) {
                Ok(()) => self.missing += 1,
                Err(fault) => self.answered[place] = Some(Err(fault)),
            }
        }
    }

    /// The same in frames.
    fn frames(&mut self, hello: Hello, most: u64) -> Vec<u8> {
        let batch = hello.batch.unwrap_or(1).min(BATCH_MAX);
        let mut frames = Frames::new(batch, LINE_BYTES);
        self.ask_for(most, |record| frames.add(record));
        frames.end()
    }

    /// Puts answers where they belong.
    fn take(&mut self, answers: Vec<Answer>) -> Result<(), String> {
        for Answer { id, outcome } in answers {
            let place = self
                .place_of(id)
                .ok_or_else(|| format!("it answered item {id}, which it was not asked for"))?;
            let item = self.bulk[place].value.clone();
            let became = outcome.map(|found| match found {
                Found::Bytes(bytes) => item.becomes(bytes),
                Found::Json(json) => item.becomes_json(json),
                Found::Object(object) => item.becomes_object(object),
            });
            self.answered[place] = Some(became);
            self.missing -= 1;
            self.next = place + 1;
        }
        Ok(())
    }

    /// The place of an item that has not been answered.
    fn place_of(&self, id: u64) -> Option<usize> {
        let is_it = |&place: &usize| self.bulk[place].index == id && self.answered[place].is_none();
        let after = (self.next..self.until).find(is_it);
        after.or_else(|| (0..self.next.min(self.until)).find(is_it))
    }

    /// What has not been answered failed with this.
    fn give_up(&mut self, fault: &Fault) {
        for outcome in &mut self.answered {
            outcome.get_or_insert_with(|| Err(fault.clone()));
        }
        self.missing = 0;
    }

    fn outcomes(self) -> Vec<Result<Payload, Fault>> {
        self.answered
            .into_iter()
            .map(|outcome| outcome.expect("nothing is missing"))
            .collect()
    }
}

/// Writes items as lines, as many in each as the worker takes.
struct Line {
    hello: Hello,
    items: usize,
    began: usize,
}

impl Line {
    fn new(hello: Hello) -> Line {
        Line {
            hello,
            items: 0,
            began: 0,
        }
    }

    fn add(&mut self, record: &Record<Payload>, lines: &mut Vec<u8>) -> Result<(), Fault> {
        let full = self.hello.batch.unwrap_or(1).min(BATCH_MAX);
        if self.items == full || lines.len() - self.began > LINE_BYTES {
            self.end(lines);
        }
        let before = lines.len();
        if self.hello.batch.is_some() {
            lines.push(if self.items == 0 { b'[' } else { b',' });
        }
        write_item(record.index, record.value.bytes(), self.hello.items, lines)
            .inspect_err(|_| lines.truncate(before))?;
        self.items += 1;
        Ok(())
    }

    fn end(&mut self, lines: &mut Vec<u8>) {
        if self.items > 0 {
            lines.extend_from_slice(if self.hello.batch.is_some() {
                b"]\n"
            } else {
                b"\n"
            });
        }
        (self.items, self.began) = (0, lines.len());
    }
}

#[cfg(test)]
mod tests {
    use super::super::protocol::Items;
    use super::*;

    fn bulk(items: &[&'static [u8]]) -> Vec<Record<Payload>> {
        let numbered = (10..).zip(items);
        numbered
            .map(|(index, item)| Record::new(index, Payload::read(*item)))
            .collect()
    }

    fn check(batch: Option<usize>, items: &[&'static [u8]], expected: &str) {
        let bulk = bulk(items);
        let hello = Hello {
            batch,
            items: Items::Text,
            in_frames: false,
        };
        let lines = Asked::new(&bulk).lines(hello, u64::MAX);
        assert_eq!(String::from_utf8(lines).unwrap(), expected);
    }

    #[test]
    fn items_are_lines_of_as_many_as_the_worker_takes() {
        let [a, b, c] = [
            r#"{"id":10,"item":"a"}"#,
            r#"{"id":11,"item":"b"}"#,
            r#"{"id":12,"item":"c"}"#,
        ];
        check(None, &[b"a", b"b"], &format!("{a}\n{b}\n"));
        check(Some(1), &[b"a", b"b"], &format!("[{a}]\n[{b}]\n"));
        check(Some(2), &[b"a", b"b", b"c"], &format!("[{a},{b}]\n[{c}]\n"));
        check(Some(9), &[b"a", b"\xff", b"c"], &format!("[{a},{c}]\n"));
        check(Some(9), &[b"\xff", b"b"], &format!("[{b}]\n"));
        check(None, &[b"\xff"], "");
        check(Some(9), &[b"\xff"], "");
    }

    #[test]
    fn a_line_is_bounded_in_bytes() {
        let large = Box::leak(vec![b'x'; LINE_BYTES].into_boxed_slice());
        let bulk = bulk(&[large, large, b"small"]);
        let hello = Hello {
            batch: Some(100),
            items: Items::Text,
            in_frames: false,
        };
        let lines = Asked::new(&bulk).lines(hello, u64::MAX);
        assert_eq!(lines.iter().filter(|&&byte| byte == b'\n').count(), 3);
    }

    #[test]
    fn answers_find_their_items_in_any_order_and_strangers_are_noticed() {
        let bulk = bulk(&[b"a", b"\xff", b"c", b"d"]);
        let hello = Hello {
            batch: None,
            items: Items::Text,
            in_frames: false,
        };
        let answer = |id, text: &'static str| Answer {
            id,
            outcome: Ok(Found::Bytes(text.into())),
        };
        let mut asked = Asked::new(&bulk);
        asked.lines(hello, u64::MAX);
        assert_eq!(asked.missing, 3);
        asked.take(vec![answer(13, "D"), answer(10, "A")]).unwrap();
        for stranger in [13, 11, 14] {
            let why = asked.take(vec![answer(stranger, "")]).unwrap_err();
            assert!(
                why.contains(&format!("item {stranger}, which it was not asked")),
                "{why}"
            );
        }
        assert_eq!(asked.missing, 1);
        asked.give_up(&Fault::in_doubt("gone"));
        let outcomes: Vec<_> = asked
            .outcomes()
            .into_iter()
            .map(|outcome| outcome.map_err(|fault| fault.verdict()))
            .collect();
        let done = |place: usize, text: &'static str| Ok(bulk[place].value.clone().becomes(text));
        use inflight::Verdict::{InDoubt, Permanent};
        assert_eq!(
            outcomes,
            [done(0, "A"), Err(Permanent), Err(InDoubt), done(3, "D")]
        );
    }

    #[test]
    fn what_one_did_not_answer_is_asked_of_the_next() {
        let bulk = bulk(&[b"a", b"b", b"c"]);
        let hello = Hello {
            batch: None,
            items: Items::Text,
            in_frames: false,
        };
        let mut asked = Asked::new(&bulk);
        let lines = String::from_utf8(asked.lines(hello, 2)).unwrap();
        assert_eq!((lines.lines().count(), asked.missing), (2, 2));
        let answer = |id| Answer {
            id,
            outcome: Ok(Found::Bytes("x".into())),
        };
        assert!(asked.take(vec![answer(12)]).is_err(), "not asked for yet");
        asked.take(vec![answer(11)]).unwrap();
        let lines = String::from_utf8(asked.lines(hello, 9)).unwrap();
        assert!(lines.contains(":10,") && lines.contains(":12,") && !lines.contains(":11,"));
        asked.take(vec![answer(12), answer(10)]).unwrap();
        assert!(asked.is_over() && asked.missing == 0);
    }
}
