//! One compute thread's worker: has a process, gives it items, and tells its answers from its ends.
//!
//! It never asks twice for an item. What a failure means is in its verdict: unreached if there is no worker to ask, in
//! doubt if there was one and it broke, else what the worker itself said.

use std::sync::Arc;
use std::time::{Duration, Instant};

use inflight::{Fault, Record, Reply};

use super::crew::Shared;
use super::incoming::LINE_MAX;
use super::process::{Broke, Outgoing, Process};
use super::protocol::{Answer, BATCH_MAX, Found, Hello, answers, write_item};
use super::said::Said;
use crate::payload::Payload;

/// How long a worker may take until it says hello: an interpreter and its libraries take a few seconds on a busy machine.
/// What takes longer to load can be loaded with the first item.
const HELLO: Duration = Duration::from_secs(30);

/// Bytes of items in a line, at most, unless one item is larger: keeps answers that are a few times larger within the
/// bound of a line.
const LINE_BYTES: usize = 1 << 20;

/// A process that has said hello.
pub(super) struct Started {
    process: Process,
    hello: Hello,
}

impl Started {
    /// Starts a process and waits for its hello.
    ///
    /// # Errors
    /// Why there is none: for messages.
    pub(super) fn new(shared: &Arc<Shared>) -> Result<Started, String> {
        let seat = shared.seat();
        let said = Said::new(seat.number(), shared.listener.clone());
        let mut process = Process::start(&shared.words, seat, said)
            .map_err(|cause| format!("failed to start the worker: {cause}"))?;
        let outcome = process.line(&mut Outgoing::default(), Instant::now() + HELLO);
        let hello = match outcome {
            Ok(line) => Hello::parse(process.get(line)),
            Err(Broke::Silent) => Err(format!("the worker said no hello within {HELLO:?}")),
            Err(broke) => Err(format!("the worker said no hello: {}", how(&broke))),
        };
        match hello {
            Ok(hello) => Ok(Started { process, hello }),
            Err(why) => Err(format!("{why}; {}", process.end())),
        }
    }

    /// Itself, unless it has ended meanwhile.
    fn if_open(mut self) -> Option<Started> {
        self.process.is_open().then_some(self)
    }
}

/// The worker of one thread.
pub(super) struct Worker {
    shared: Arc<Shared>,
    /// Started when there are items, and again after it broke.
    started: Option<Started>,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>) -> Worker {
        let started = shared.take_first();
        Worker { shared, started }
    }

    /// Lets the process compute these.
    ///
    /// # Errors
    /// Unreached, when no process can be started.
    pub(super) fn compute(&mut self, bulk: &[Record<Payload>]) -> Result<Reply<Payload>, Fault> {
        let mut started = self.ready()?;
        let mut asked = Asked::new(bulk, started.hello);
        let mut outgoing = Outgoing::new(std::mem::take(&mut asked.lines));
        while asked.missing > 0 {
            let deadline = Instant::now() + self.shared.timeout;
            let outcome = started.process.line(&mut outgoing, deadline);
            let taken = match outcome {
                Ok(line) => answers(started.process.get(line)).and_then(|found| asked.take(found)),
                Err(Broke::Silent) => {
                    let time = humantime::format_duration(self.shared.timeout);
                    Err(format!("it gave no answer within {time}"))
                }
                Err(broke) => Err(how(&broke).to_string()),
            };
            if let Err(why) = taken {
                asked.give_up(&Fault::in_doubt(format!(
                    "the worker broke: {why}; {}",
                    started.process.end()
                )));
                return Ok(Reply::Each(asked.outcomes()));
            }
        }
        self.started = Some(started);
        Ok(Reply::Each(asked.outcomes()))
    }

    /// A process that waits for items. One that has ended meanwhile, between two items, is replaced.
    fn ready(&mut self) -> Result<Started, Fault> {
        let waiting = self.started.take();
        if let Some(started) = waiting.and_then(Started::if_open) {
            return Ok(started);
        }
        Started::new(&self.shared).map_err(Fault::unreached)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(started) = self.started.take() {
            started.process.close();
        }
    }
}

fn how(broke: &Broke) -> String {
    match broke {
        Broke::Ended => "its output ended".into(),
        Broke::Silent => "it said nothing".into(),
        Broke::TooLong => format!("it wrote a line of more than {} MiB", LINE_MAX >> 20),
        Broke::System(cause) => format!("its pipes failed: {cause}"),
    }
}

/// What was asked, and what has been answered. Pure.
struct Asked<'a> {
    bulk: &'a [Record<Payload>],
    /// As they are sent.
    lines: Vec<u8>,
    answered: Vec<Option<Result<Payload, Fault>>>,
    /// How many answers have yet to come.
    missing: usize,
    /// Where the next answer belongs, if they come in the order in which they were asked for.
    next: usize,
}

impl<'a> Asked<'a> {
    fn new(bulk: &'a [Record<Payload>], hello: Hello) -> Asked<'a> {
        let mut asked = Asked {
            bulk,
            lines: Vec::new(),
            answered: bulk.iter().map(|_| None).collect(),
            missing: bulk.len(),
            next: 0,
        };
        let mut line = Line::new(hello);
        for (place, record) in bulk.iter().enumerate() {
            if let Err(fault) = line.add(record, &mut asked.lines) {
                asked.answered[place] = Some(Err(fault));
                asked.missing -= 1;
            }
        }
        line.end(&mut asked.lines);
        asked
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
        let after = (self.next..self.bulk.len()).find(is_it);
        after.or_else(|| (0..self.next.min(self.bulk.len())).find(is_it))
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
        let asked = Asked::new(
            &bulk,
            Hello {
                batch,
                items: Items::Text,
            },
        );
        assert_eq!(String::from_utf8(asked.lines).unwrap(), expected);
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
        };
        let asked = Asked::new(&bulk, hello);
        assert_eq!(asked.lines.iter().filter(|&&byte| byte == b'\n').count(), 3);
    }

    #[test]
    fn answers_find_their_items_in_any_order_and_strangers_are_noticed() {
        let bulk = bulk(&[b"a", b"\xff", b"c", b"d"]);
        let hello = Hello {
            batch: None,
            items: Items::Text,
        };
        let answer = |id, text: &'static str| Answer {
            id,
            outcome: Ok(Found::Bytes(text.into())),
        };
        let mut asked = Asked::new(&bulk, hello);
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
}
